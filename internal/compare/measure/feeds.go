package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/compare/fanout"
)

// A fanoutPlan determines how much of package fanout is measured.
type fanoutPlan struct {
	followers int
	burst     int    // events at once
	by        string // the contestants, separated by commas; all if empty
	parts     string // names of fanoutParts, separated by commas; all if empty
	profiles  string // directory for CPU profiles of the servers; none if empty
}

// fanoutParts are the parts of the block.
var fanoutParts = []struct {
	name    string
	measure func(dir string, p plan) (string, error)
}{
	{"delivery", measureDelivery},
	{"calls", measureCalls},
	{"stalled", measureStalled},
	{"inside", measureInside},
}

// contestants returns the contestants with a protocol.
func (p fanoutPlan) contestants(protocol fanout.Protocol) []fanout.Contestant {
	return slices.DeleteFunc(fanout.All(), func(c fanout.Contestant) bool {
		return c.Protocol != protocol || p.by != "" && !slices.Contains(strings.Split(p.by, ","), c.Name)
	})
}

// The events.
const (
	eventSize    = 1024
	steadyEvents = 10 // in a round, each published when all have the one before
	warmUpEvents = 5
)

// measureFeeds measures the contestants of package fanout. Each of them runs in a
// separate process, with another process for its clients.
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
	for _, part := range fanoutParts {
		if p.fanout.parts != "" && !slices.Contains(strings.Split(p.fanout.parts, ","), part.name) {
			continue
		}
		text, err := part.measure(dir, p)
		if err != nil {
			return b.String(), err
		}
		b.WriteString(text + "\n")
	}
	return b.String(), nil
}

// measureDelivery measures CPU time, memory and latency.
func measureDelivery(dir string, p plan) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%d followers, events of %d bytes, medians of %d rounds. Steady: %d events, each published when all have the one before. "+
		"Burst: %d events at once.\n", p.fanout.followers, eventSize, p.rounds, steadyEvents, p.fanout.burst)
	for _, protocol := range []fanout.Protocol{fanout.SSE, fanout.WebSocket} {
		all, err := measureProtocol(dir, protocol, p)
		if err != nil {
			return "", err
		}
		b.WriteString("\n" + feedsTable(protocol, all))
	}
	return b.String(), nil
}

// A fanned is a contestant and its measurements.
type fanned struct {
	fanout.Contestant
	pair     *fanoutPair
	follower float64 // resident bytes of the server
	rounds   []fanoutRound
}

// A fanoutRound is one measurement of a contestant.
type fanoutRound struct{ steady, burst fanoutLap }

// A fanoutLap is the result of publishing some events.
type fanoutLap struct {
	cpu        float64   // seconds of the server's, for one event and client
	mallocs    float64   // of the server, for one event and client
	last, half []float64 // seconds until the last client, and half of them, had each event
	publish    []float64 // seconds that each call took
	whole      float64   // seconds from the first call until the last client had all
}

// measureProtocol measures all contestants with one protocol. Each round measures all
// of them within seconds, and begins with another one.
func measureProtocol(dir string, protocol fanout.Protocol, p plan) ([]*fanned, error) {
	var all []*fanned
	for _, c := range p.fanout.contestants(protocol) {
		var args []string
		if p.fanout.profiles != "" {
			args = []string{"-cpuprofile", filepath.Join(p.fanout.profiles, fmt.Sprintf("%s-%s", protocol, c.Name))}
		}
		pair, err := startFanout(dir, c, args...)
		if err != nil {
			return nil, err
		}
		defer pair.kill()
		follower, err := pair.gather(p.fanout.followers, 0)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", protocol, c.Name, err)
		}
		all = append(all, &fanned{Contestant: c, pair: pair, follower: follower})
	}
	for round := range p.rounds {
		log.Printf("feeds, %s, round %d of %d", protocol, round+1, p.rounds)
		for i := range all {
			c := all[(i+round)%len(all)]
			if err := c.measure(p.fanout.burst); err != nil {
				return nil, fmt.Errorf("%s, %s: %w", protocol, c.Name, err)
			}
		}
	}
	var err error
	for _, c := range all {
		err = errors.Join(err, c.pair.end())
	}
	return all, err
}

// measure measures a contestant once.
func (c *fanned) measure(burst int) (err error) {
	var r fanoutRound
	if r.steady, err = c.pair.lap(steadyEvents, 1); err != nil {
		return err
	}
	if r.burst, err = c.pair.lap(1, burst); err != nil {
		return err
	}
	c.rounds = append(c.rounds, r)
	return nil
}
