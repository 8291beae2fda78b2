package main

import (
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/compare/fanout"
)

// The events while some clients do not read. Together they are more than the buffers
// of a connection in the kernel, which hold about 4 MB.
const (
	stalledSize    = 8 << 10
	stalledEvents  = 700
	stalledTimeout = 2 * time.Second // write timeout of the contestants that have one
	haltedAfter    = 3 * time.Second // without the event at a client that reads
	cutWithin      = 10 * time.Second
)

// measureStalled measures how clients that never read affect the others.
func measureStalled(dir string, p plan) (string, error) {
	log.Print("feeds, clients that do not read")
	clients := max(p.fanout.followers/10, 10)
	var b strings.Builder
	fmt.Fprintf(&b, "%d followers, %d events of %d KB, each published when all that read have the one before, with a write timeout of %v "+
		"if there is such a setting. First all followers read, and then %d of them never do:\n\n",
		clients, stalledEvents, stalledSize>>10, stalledTimeout, clients/10)
	b.WriteString("| | half of the readers have an event: all read, some stall | × | last reader | × | memory: all read, some stall | readers | stalled clients |\n")
	b.WriteString("|---" + strings.Repeat("|---", 7) + "|\n")
	for _, protocol := range []fanout.Protocol{fanout.SSE, fanout.WebSocket} {
		for _, c := range p.fanout.contestants(protocol) {
			if c.Name == "floor" {
				continue
			}
			alone, err := runStalled(dir, c, clients, 0)
			if err != nil {
				return "", fmt.Errorf("%s, %s: %w", protocol, c.Name, err)
			}
			beside, err := runStalled(dir, c, clients, clients/10)
			if err != nil {
				return "", fmt.Errorf("%s, %s: %w", protocol, c.Name, err)
			}
			fmt.Fprintf(&b, "| %s, %s | %s, %s | %.2f | %s, %s | %.2f | %s, %s | %s | %s |\n", protocol, c.Name,
				duration(alone.half), duration(beside.half), beside.half/alone.half,
				duration(alone.last), duration(beside.last), beside.last/alone.last,
				mebibytes(alone.memory), mebibytes(beside.memory), beside.readers, beside.stalled)
		}
	}
	return b.String(), nil
}

// A stalledRun is what was seen while some clients did not read.
type stalledRun struct {
	half, last float64 // medians, in seconds
	memory     int64   // the most that was resident
	readers    string  // which events clients that read got
	stalled    string  // what became of the clients that did not
}

func runStalled(dir string, c fanout.Contestant, clients, stalled int) (stalledRun, error) {
	r := stalledRun{readers: "all events"}
	pair, err := startFanout(dir, c, "-writetimeout", stalledTimeout.String())
	if err != nil {
		return r, err
	}
	defer pair.kill()
	if _, err := pair.gather(clients, stalled); err != nil {
		return r, err
	}
	connected, err := pair.sockets()
	if err != nil {
		return r, err
	}
	pair.size = stalledSize
	var half, last []float64
	for i := range stalledEvents {
		published, arrival, err := pair.publish(1, haltedAfter)
		if err != nil {
			return r, err
		}
		if arrival.Lacking+arrival.Lost > 0 {
			r.readers = fmt.Sprintf("halted: %d of %d lack event %d", arrival.Lacking, pair.reading, i+1)
			break
		}
		half = append(half, time.Duration(arrival.Half[0]-published.At[0]).Seconds())
		last = append(last, time.Duration(arrival.Last[0]-published.At[0]).Seconds())
		if i%20 == 0 {
			s, err := pair.state(false)
			if err != nil {
				return r, err
			}
			r.memory = max(r.memory, s.Resident)
		}
	}
	if len(half) > 0 {
		r.half, r.last = median(half), median(last)
	}
	if stalled > 0 {
		r.stalled, err = pair.awaitCut(connected, stalled)
	}
	return r, err
}

// awaitCut waits until the server has closed the connections of the stalled clients,
// and describes how many it has closed.
func (p *fanoutPair) awaitCut(connected, stalled int) (string, error) {
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	late := time.After(cutWithin)
	for {
		open, err := p.sockets()
		if err != nil {
			return "", err
		}
		left := open - (connected - stalled)
		if left <= 0 {
			return "all cut", nil
		}
		select {
		case <-again.C:
		case <-late:
			return fmt.Sprintf("%d of %d still connected %v later", left, stalled, cutWithin), nil
		}
	}
}
