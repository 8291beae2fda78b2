package main

import (
	"fmt"
	"log"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/compare/fanout"
)

// The feeds that are measured without clients.
const (
	latencyEvents = 300
	keyedFeeds    = 100_000
	keyedFollowed = 1_000
)

// measureInside measures feeds of this package without a network.
func measureInside(string, plan) (string, error) {
	log.Print("feeds, without a network")
	var b strings.Builder
	b.WriteString("Without a network, how long Publish takes while followers are being woken:\n\n| followers | 50% | 99% |\n|---|---|---|\n")
	for _, followers := range []int{1, 1_000, 10_000, 50_000} {
		took, err := fanout.PublishLatency(followers, latencyEvents)
		if err != nil {
			return "", err
		}
		var all []float64
		for _, d := range took {
			all = append(all, d.Seconds())
		}
		fmt.Fprintf(&b, "| %d | %s | %s |\n", followers, duration(quantile(all, 0.5)), duration(quantile(all, 0.99)))
	}
	m, err := fanout.MeasureKeyed(keyedFeeds, keyedFollowed)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&b, "\n%d keyed feeds: %.0f bytes for a feed that keeps one event of 100 bytes, and %.0f more for each of %d that are followed, "+
		"with the follower's goroutine. %.0f bytes for a feed that was followed and keeps nothing.\n",
		keyedFeeds, m.Kept, m.Followed, keyedFollowed, m.Left)
	return b.String(), nil
}
