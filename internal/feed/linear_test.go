package feed_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/feed"
	"github.com/stanza-go/framework/pkg/http/internal/testing/feedtest"
)

// registries returns one Registry with logs in memory, and two that share a
// store.
func registries(t *testing.T) map[string][]*feed.Registry {
	config := memoryConfig()
	config.Limits = feed.Limits{Events: 10_000, Bytes: 1 << 30, Age: time.Hour}
	config.Start.History = true
	shared := config
	shared.Store, shared.Interval, shared.Timeout = feedtest.NewMemory(10_000), interval, timeout
	all := map[string][]*feed.Registry{
		"memory": {feed.NewRegistry(config)},
		"store":  {feed.NewRegistry(shared), feed.NewRegistry(shared)},
	}
	for _, each := range all {
		for _, r := range each {
			t.Cleanup(r.Close)
		}
	}
	return all
}

// history returns n events of a feed as a new follower gets them.
func history(t *testing.T, r *feed.Registry, key string, n int) []feed.Event {
	t.Helper()
	f := follow(t, r, key, "")
	var events []feed.Event
	for len(events) < n {
		step, err := f.Wait(t.Context())
		if err != nil || step.Gap {
			t.Fatalf("%+v, %v", step, err)
		}
		for _, e := range step.Events {
			events = append(events, e.Event)
		}
	}
	return events
}

// TestReturnedBeforeIsOrderedBefore publishes from several goroutines, on
// several instances, and notes when each call began and returned.
func TestReturnedBeforeIsOrderedBefore(t *testing.T) {
	t.Parallel()
	type call struct {
		began, returned int64
		id              string
	}
	for name, all := range registries(t) {
		t.Run(name, func(t *testing.T) {
			const writers, each = 8, 200
			var clock atomic.Int64
			var wg sync.WaitGroup
			calls := make([][]call, writers)
			for w := range writers {
				wg.Go(func() {
					for i := range each {
						c := call{began: clock.Add(1)}
						c.id = publish(t, all[w%len(all)], "k", fmt.Sprint(w, " ", i))
						c.returned = clock.Add(1)
						calls[w] = append(calls[w], c)
					}
				})
			}
			wg.Wait()
			var order [][]string
			for _, r := range all {
				var ids []string
				for _, e := range history(t, r, "k", writers*each) {
					ids = append(ids, e.ID)
				}
				order = append(order, ids)
			}
			if !slices.Equal(order[0], order[len(order)-1]) {
				t.Fatal("two instances have different orders")
			}
			byID := make(map[string]call)
			for _, c := range slices.Concat(calls...) {
				byID[c.id] = c
			}
			// In the order of the log, no call may have returned before one that
			// comes earlier began.
			latest := int64(0) // when a call began
			for i, id := range order[0] {
				c, ok := byID[id]
				if !ok || c.returned < latest {
					t.Fatalf("event %d (%q, published: %v) returned at %d, but follows one that began at %d", i, id, ok, c.returned, latest)
				}
				latest = max(latest, c.began)
			}
			if len(byID) != writers*each {
				t.Errorf("%d ids for %d calls", len(byID), writers*each)
			}
		})
	}
}

func TestOneKeyFromManyGoroutinesIsOneEvent(t *testing.T) {
	t.Parallel()
	for name, all := range registries(t) {
		t.Run(name, func(t *testing.T) {
			const rounds = 100
			for round := range rounds {
				var ids [8]string
				var wg sync.WaitGroup
				for i := range ids {
					wg.Go(func() {
						id, err := all[i%len(all)].Publish(t.Context(), "k", feed.Event{Data: fmt.Sprint(i), Key: fmt.Sprint(round)})
						if err != nil {
							t.Error(err)
						}
						ids[i] = id
					})
				}
				wg.Wait()
				if len(slices.Compact(ids[:])) != 1 {
					t.Fatalf("one key has the ids %q", ids)
				}
			}
			publish(t, all[0], "k", "last")
			events := history(t, all[len(all)-1], "k", rounds+1)
			if last := events[len(events)-1]; len(events) != rounds+1 || last.Data != "last" {
				t.Errorf("%d events, the last is %+v", len(events), last)
			}
		})
	}
}

// TestPublishedIsFollowed has a follower come with the id that Publish has just
// returned, on the other instance.
func TestPublishedIsFollowed(t *testing.T) {
	t.Parallel()
	for name, all := range registries(t) {
		t.Run(name, func(t *testing.T) {
			for i := range 100 {
				id := publish(t, all[i%len(all)], "k", fmt.Sprint(i))
				f := follow(t, all[(i+1)%len(all)], "k", id)
				if step, err := f.Wait(t.Context()); err != nil || step.Gap || step.Position != id {
					t.Fatalf("event %d: %+v, %v", i, step, err)
				}
			}
		})
	}
}

// TestWakesAreNotLost has many followers wait for each of many events.
func TestWakesAreNotLost(t *testing.T) {
	t.Parallel()
	const followers, events = 20, 2000
	l := feed.New(feed.Limits{Events: 10 * events, Bytes: 1 << 30, Age: time.Hour})
	var wg sync.WaitGroup
	var ready sync.WaitGroup
	ready.Add(followers)
	for range followers {
		wg.Go(func() {
			f := l.Follow("", feed.Start{}, nil)
			defer f.Close()
			if _, err := f.Wait(t.Context()); err != nil {
				t.Error(err)
			}
			ready.Done()
			var last uint64
			for n := 0; n < events; {
				step, err := f.Wait(t.Context())
				if err != nil || step.Gap {
					t.Errorf("%+v, %v", step, err)
					return
				}
				for _, e := range step.Events {
					if s := parseSequence(e.ID); last > 0 && s != last+1 {
						t.Errorf("event %d follows %d", s, last)
					} else {
						last = s
					}
					n++
				}
			}
		})
	}
	ready.Wait()
	for w := range 2 {
		wg.Go(func() {
			for i := range events / 2 {
				if _, err := l.Append(feed.Event{Data: fmt.Sprint(w, i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// parseSequence returns the number in an id of a log in memory.
func parseSequence(id string) uint64 {
	var n uint64
	for _, c := range []byte(id) {
		switch {
		case '0' <= c && c <= '9':
			n = n*36 + uint64(c-'0')
		case 'a' <= c && c <= 'z':
			n = n*36 + uint64(c-'a') + 10
		default:
			return n
		}
	}
	return n
}
