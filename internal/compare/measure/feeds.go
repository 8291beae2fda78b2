package main

import (
	"cmp"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/compare/fanout"
)

// A fanoutPlan determines how much of package fanout is measured.
type fanoutPlan struct {
	followers int
	burst     int    // events at once
	by        string // the contestants, separated by commas; all if empty
	profiles  string // directory for CPU profiles of the servers; none if empty
}

// The events.
const (
	eventSize    = 1024
	steadyEvents = 30 // in a round, each published when all have the one before
	warmUpEvents = 5
)

// atMost is how long events may take. Clients that do not have them then have lost
// them.
const atMost = 30 * time.Second

// measureFeeds measures the contestants of package fanout. Each of them runs in a
// process of its own, with another process for its clients, and is started again in
// each round.
func measureFeeds(p plan) (string, error) {
	dir, err := os.MkdirTemp("", "measure")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if _, err := output("go", "build", "-o", dir+string(filepath.Separator), "./fanout/serve", "./fanout/follow"); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d followers, events of %d bytes, medians of %d rounds:\n", p.fanout.followers, eventSize, p.rounds)
	for _, protocol := range []fanout.Protocol{fanout.SSE, fanout.WebSocket} {
		all, err := measureProtocol(dir, protocol, p)
		if err != nil {
			return b.String(), err
		}
		b.WriteString("\n" + feedsTable(protocol, all))
	}
	return b.String(), nil
}

// A fanned is a contestant and its measurements.
type fanned struct {
	fanout.Contestant
	rounds []fanoutRound
}

// A fanoutRound is one measurement of a contestant.
type fanoutRound struct {
	follower       float64 // resident bytes
	steady, burst  fanoutLap
	publishedAfter []time.Duration // by each call
}

// A fanoutLap is the result of publishing some events.
type fanoutLap struct {
	cpu        float64   // seconds of the server's, for one event and client
	mallocs    float64   // of the server, for one event
	last, half []float64 // seconds until the last client, and half of them, had each event
	publish    []float64 // seconds that each call took
}

// measureProtocol measures all contestants with one protocol. Each round begins with
// another one.
func measureProtocol(dir string, protocol fanout.Protocol, p plan) ([]*fanned, error) {
	var all []*fanned
	for _, c := range fanout.All() {
		if c.Protocol == protocol && (p.fanout.by == "" || slices.Contains(strings.Split(p.fanout.by, ","), c.Name)) {
			all = append(all, &fanned{Contestant: c})
		}
	}
	for round := range p.rounds {
		log.Printf("feeds, %s, round %d of %d", protocol, round+1, p.rounds)
		for i := range all {
			c := all[(i+round)%len(all)]
			r, err := c.measure(dir, p)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", protocol, c.Name, err)
			}
			c.rounds = append(c.rounds, r)
		}
	}
	return all, nil
}

// measure measures a contestant once.
func (c *fanned) measure(dir string, p plan) (fanoutRound, error) {
	var args []string
	if p.fanout.profiles != "" {
		args = []string{"-cpuprofile", filepath.Join(p.fanout.profiles, fmt.Sprintf("%s-%s-%d", c.Protocol, c.Name, len(c.rounds)))}
	}
	pair, err := startFanout(dir, c.Contestant, args...)
	if err != nil {
		return fanoutRound{}, err
	}
	defer pair.kill()
	var r fanoutRound
	if r.follower, err = pair.gather(p.fanout.followers, 0); err != nil {
		return r, err
	}
	if r.steady, err = pair.lap(steadyEvents, 1); err != nil {
		return r, err
	}
	if r.burst, err = pair.lap(1, p.fanout.burst); err != nil {
		return r, err
	}
	return r, pair.end()
}

// A fanoutPair is a server and its clients.
type fanoutPair struct {
	server, clients  *process
	protocol         fanout.Protocol
	reading, stalled int // numbers of clients
	next             int // number of the next event
}

// startFanout starts a contestant, and a process for its clients.
func startFanout(dir string, c fanout.Contestant, args ...string) (*fanoutPair, error) {
	args = append([]string{"-protocol", string(c.Protocol), "-by", c.Name}, args...)
	server, err := start(filepath.Join(dir, "serve"), nil, args...)
	if err != nil {
		return nil, err
	}
	clients, err := start(filepath.Join(dir, "follow"), nil)
	if err != nil {
		server.kill()
		return nil, err
	}
	return &fanoutPair{server: server, clients: clients, protocol: c.Protocol, next: 1}, nil
}

func (p *fanoutPair) kill() {
	p.server.kill()
	p.clients.kill()
}

// end closes the standard input of the processes, and waits until they have ended.
func (p *fanoutPair) end() error {
	var errs []error
	for _, one := range []*process{p.server, p.clients} {
		errs = append(errs, one.stdin.Close(), one.cmd.Wait())
	}
	return errors.Join(errs...)
}

// These are the requests and answers of the commands serve and follow.
type (
	fanoutRequest struct {
		Do       string          `json:"do"`
		First    int             `json:"first,omitempty"`
		Count    int             `json:"count,omitempty"`
		Size     int             `json:"size,omitempty"`
		Collect  bool            `json:"collect,omitempty"`
		Address  string          `json:"address,omitempty"`
		Protocol fanout.Protocol `json:"protocol,omitempty"`
		Clients  int             `json:"clients,omitempty"`
		Stalled  int             `json:"stalled,omitempty"`
		Last     int             `json:"last,omitempty"`
		Timeout  time.Duration   `json:"timeout,omitempty"`
	}
	fanoutState struct {
		CPU        time.Duration
		Resident   int64
		Mallocs    uint64
		Goroutines int
		Sockets    int
	}
	fanoutPublished struct {
		At   []int64
		Took []time.Duration
	}
	fanoutArrival struct {
		Half, Last                  []int64
		Lacking, Lost, Twice, Ended int
	}
)

// gather connects clients, and publishes until all of them get events. It returns
// how much resident memory each takes.
func (p *fanoutPair) gather(clients, stalled int) (float64, error) {
	var before, after fanoutState
	if err := p.server.ask(fanoutRequest{Do: "state", Collect: true}, &before); err != nil {
		return 0, err
	}
	p.reading, p.stalled = clients-stalled, stalled
	err := p.clients.ask(fanoutRequest{
		Do: "connect", Address: p.server.firstLine, Protocol: p.protocol, Clients: clients, Stalled: stalled,
	}, &struct{}{})
	if err != nil {
		return 0, err
	}
	const tries = 100 // some clients may not have joined when the first events are published
	for try := range tries {
		_, arrival, err := p.publish(1, time.Second)
		if err != nil {
			return 0, err
		}
		if arrival.Lacking == 0 {
			break
		}
		if try == tries-1 {
			return 0, fmt.Errorf("%d clients get no events", arrival.Lacking)
		}
	}
	for range warmUpEvents {
		if _, err := p.delivered(1); err != nil {
			return 0, err
		}
	}
	if err := p.server.ask(fanoutRequest{Do: "state", Collect: true}, &after); err != nil {
		return 0, err
	}
	return float64(after.Resident-before.Resident) / float64(clients), nil
}

// publish publishes events, and waits until the clients have them, or until the
// timeout has passed.
func (p *fanoutPair) publish(events int, timeout time.Duration) (fanoutPublished, fanoutArrival, error) {
	var published fanoutPublished
	var arrival fanoutArrival
	first := p.next
	p.next += events
	arrived := make(chan error, 1)
	go func() {
		arrived <- p.clients.ask(fanoutRequest{Do: "await", First: first, Last: p.next - 1, Timeout: timeout}, &arrival)
	}()
	err := p.server.ask(fanoutRequest{Do: "publish", First: first, Count: events, Size: eventSize}, &published)
	return published, arrival, cmp.Or(err, <-arrived)
}

// delivered is like publish, but returns an error unless all clients got all events.
func (p *fanoutPair) delivered(events int) (fanoutLap, error) {
	published, arrival, err := p.publish(events, atMost)
	if err != nil {
		return fanoutLap{}, err
	}
	if arrival.Lacking+arrival.Lost+arrival.Twice+arrival.Ended > 0 {
		return fanoutLap{}, fmt.Errorf("%d clients lack the last event, %d events were lost, %d came twice, %d clients were cut",
			arrival.Lacking, arrival.Lost, arrival.Twice, arrival.Ended)
	}
	var l fanoutLap
	for i, at := range published.At {
		l.last = append(l.last, time.Duration(arrival.Last[i]-at).Seconds())
		l.half = append(l.half, time.Duration(arrival.Half[i]-at).Seconds())
		l.publish = append(l.publish, published.Took[i].Seconds())
	}
	return l, nil
}

// lap publishes a number of events at once, several times, each time when all clients
// have all that was published before.
func (p *fanoutPair) lap(times, events int) (fanoutLap, error) {
	var before, after fanoutState
	if err := p.server.ask(fanoutRequest{Do: "state"}, &before); err != nil {
		return fanoutLap{}, err
	}
	var all fanoutLap
	for range times {
		l, err := p.delivered(events)
		if err != nil {
			return fanoutLap{}, err
		}
		all.last = append(all.last, l.last...)
		all.half = append(all.half, l.half...)
		all.publish = append(all.publish, l.publish...)
	}
	if err := p.server.ask(fanoutRequest{Do: "state"}, &after); err != nil {
		return fanoutLap{}, err
	}
	count := float64(times * events)
	all.cpu = (after.CPU - before.CPU).Seconds() / count / float64(p.reading)
	all.mallocs = float64(after.Mallocs-before.Mallocs) / count
	return all, nil
}
