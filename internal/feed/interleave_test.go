package feed_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stanza-go/framework/pkg/http/internal/feed"
	"github.com/stanza-go/framework/pkg/http/internal/testing/feedtest"
)

// An interleaving is an order of steps, one byte each:
//
//	A, a  a writer commits A; it publishes A
//	B, b  likewise for B
//	n     a newcomer comes, so Snapshot is called
//	r, d  Snapshot reads the state; it returns
//	m     another newcomer comes
type interleaving string

// interleavings returns all orders of the steps in sequences that keep the order of
// each sequence.
func interleavings(sequences ...string) []interleaving {
	all, done := []interleaving(nil), true
	for i, s := range sequences {
		if s == "" {
			continue
		}
		done = false
		rest := slices.Clone(sequences)
		rest[i] = s[1:]
		for _, order := range interleavings(rest...) {
			all = append(all, interleaving(s[:1])+order)
		}
	}
	if done {
		return []interleaving{""}
	}
	return all
}

// TestCommitAndPublishInEveryOrder has two writers that commit and then publish,
// while two newcomers come. In every order of the steps, both newcomers know both
// changes in the end.
func TestCommitAndPublishInEveryOrder(t *testing.T) {
	for name, store := range map[string]func() feed.Store{
		"memory": func() feed.Store { return nil },
		"store":  func() feed.Store { return feedtest.NewMemory(100) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				for _, order := range interleavings("Aa", "Bb", "nrd", "m") {
					for i, got := range order.run(t, store()) {
						if got != "AB" {
							t.Errorf("order %s: newcomer %d has %q", order, i, got)
						}
					}
				}
				// A writer that publishes first loses changes, which this test sees.
				lost := 0
				for _, order := range interleavings("aA", "Bb", "nrd", "m") {
					for _, got := range order.run(t, store()) {
						if got != "AB" {
							lost++
						}
					}
				}
				if lost == 0 {
					t.Error("nothing is lost in any order: the test tests nothing")
				}
			})
		})
	}
}

// run returns the changes that each newcomer knows in the end. With a store, the
// newcomers are in another process than the writers.
func (order interleaving) run(t *testing.T, store feed.Store) (known []string) {
	state := ""
	read, done := make(chan struct{}), make(chan struct{})
	config := memoryConfig()
	config.Interval, config.Timeout, config.Store = interval, timeout, store
	config.Snapshot = func(context.Context, string) (feed.Event, error) {
		<-read
		e := feed.Event{Data: state}
		<-done
		return e, nil
	}
	here := feed.NewRegistry(config)
	defer here.Close()
	there := here
	if store != nil {
		there = feed.NewRegistry(config)
		defer there.Close()
	}
	var newcomers []*feed.Follower
	for _, step := range order {
		switch step {
		case 'A', 'B':
			state += string(step)
		case 'a', 'b':
			publish(t, here, "k", strings.ToUpper(string(step)))
		case 'n', 'm':
			f := follow(t, there, "k", "")
			newcomers, known = append(newcomers, f), append(known, steps(t, f))
		case 'r':
			close(read)
		case 'd':
			close(done)
		}
		synctest.Wait()
	}
	for i, f := range newcomers {
		all, got := known[i]+steps(t, f), ""
		for _, change := range []string{"A", "B"} {
			if strings.Contains(all, change) {
				got += change
			}
		}
		known[i] = got
		f.Close()
	}
	return known
}
