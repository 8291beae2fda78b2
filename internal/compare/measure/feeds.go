package main

import (
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
	steadyEvents = 30 // in a round, each published when all have the one before
	warmUpEvents = 5
)

// measureFeeds measures the contestants of package fanout. Each of them runs in a
// separate process, with another process for its clients, and is started again in each
// round.
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
	rounds []fanoutRound
}

// A fanoutRound is one measurement of a contestant.
type fanoutRound struct {
	follower      float64 // resident bytes
	steady, burst fanoutLap
}

// A fanoutLap is the result of publishing some events.
type fanoutLap struct {
	cpu        float64   // seconds of the server's, for one event and client
	mallocs    float64   // of the server, for one event
	last, half []float64 // seconds until the last client, and half of them, had each event
	publish    []float64 // seconds that each call took
	whole      float64   // seconds from the first call until the last client had all
}

// measureProtocol measures all contestants with one protocol. Each round begins with
// another one.
func measureProtocol(dir string, protocol fanout.Protocol, p plan) ([]*fanned, error) {
	var all []*fanned
	for _, c := range p.fanout.contestants(protocol) {
		all = append(all, &fanned{Contestant: c})
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
