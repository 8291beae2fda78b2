package feed_test

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/feed"
	"github.com/stanza-go/framework/pkg/http/internal/testing/feedtest"
)

// registries calls f with one Registry with logs in memory, with two that share a
// store, and with two that share a hostile store.
func registries(t *testing.T, f func(t *testing.T, all []*feed.Registry)) {
	t.Parallel()
	const keep = 10_000
	config := memoryConfig()
	config.Limits = feed.Limits{Events: keep, Bytes: 1 << 30, Age: 1000 * time.Hour}
	config.Start.History = true
	config.Interval, config.Timeout, config.Logger = interval, timeout, slog.New(slog.DiscardHandler)
	for name, stores := range map[string]func(memory *feedtest.Memory) []feed.Store{
		"memory": func(*feedtest.Memory) []feed.Store { return []feed.Store{nil} },
		"store":  func(memory *feedtest.Memory) []feed.Store { return []feed.Store{memory, memory} },
		"hostile": func(memory *feedtest.Memory) []feed.Store {
			return []feed.Store{feedtest.NewHostile(memory, 1, longest), feedtest.NewHostile(memory, 2, longest)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var all []*feed.Registry
				config := config // the tests run at the same time
				for _, config.Store = range stores(feedtest.NewMemory(keep)) {
					all = append(all, feed.NewRegistry(config))
				}
				f(t, all)
				for _, r := range all {
					r.Close()
				}
				time.Sleep(10 * longest) // calls that hang
			})
		})
	}
}

// publishKey publishes an event until that succeeds, as a caller should do.
func publishKey(t *testing.T, r *feed.Registry, data, key string) string {
	for {
		id, err := r.Publish(t.Context(), "k", feed.Event{Data: data, Key: key})
		if err == nil {
			return id
		}
		time.Sleep(time.Millisecond)
	}
}

// history returns n events of a feed as a new follower gets them.
func history(t *testing.T, r *feed.Registry, key string, n int) []feed.Event {
	t.Helper()
	f := follow(t, r, key, "")
	defer f.Close()
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

// A call is a call of Publish that may have been tried several times.
type call struct {
	began, returned int64
	id              string
}

// TestReturnedBeforeIsOrderedBefore publishes from several goroutines, on
// several instances, and notes when each call began and returned.
func TestReturnedBeforeIsOrderedBefore(t *testing.T) {
	registries(t, func(t *testing.T, all []*feed.Registry) {
		const writers, each = 8, 200
		var clock atomic.Int64
		var wg sync.WaitGroup
		calls := make([][]call, writers)
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					c, text := call{began: clock.Add(1)}, fmt.Sprint(w, " ", i)
					c.id = publishKey(t, all[w%len(all)], text, text)
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
		checkOrder(t, order[0], slices.Concat(calls...))
	})
}

// checkOrder checks that in the order of the log, no call has returned before one
// that comes earlier began.
func checkOrder(t *testing.T, order []string, calls []call) {
	t.Helper()
	byID := make(map[string]call)
	for _, c := range calls {
		byID[c.id] = c
	}
	latest := int64(0) // when a call began
	for i, id := range order {
		c, ok := byID[id]
		if !ok || c.returned < latest {
			t.Fatalf("event %d (%q, published: %v) returned at %d, but follows one that began at %d", i, id, ok, c.returned, latest)
		}
		latest = max(latest, c.began)
	}
	if len(byID) != len(calls) || len(order) != len(calls) {
		t.Errorf("%d ids and %d events for %d calls", len(byID), len(order), len(calls))
	}
}

func TestOneKeyFromManyGoroutinesIsOneEvent(t *testing.T) {
	registries(t, func(t *testing.T, all []*feed.Registry) {
		const rounds = 100
		for round := range rounds {
			var ids [8]string
			var wg sync.WaitGroup
			for i := range ids {
				wg.Go(func() { ids[i] = publishKey(t, all[i%len(all)], fmt.Sprint(i), fmt.Sprint(round)) })
			}
			wg.Wait()
			if len(slices.Compact(ids[:])) != 1 {
				t.Fatalf("one key has the ids %q", ids)
			}
		}
		publishKey(t, all[0], "last", "last")
		events := history(t, all[len(all)-1], "k", rounds+1)
		if last := events[len(events)-1]; len(events) != rounds+1 || last.Data != "last" {
			t.Errorf("%d events, the last is %+v", len(events), last)
		}
	})
}

// TestPublishedIsFollowed has a follower come with the id that Publish has just
// returned, on the other instance, and then get the next event.
func TestPublishedIsFollowed(t *testing.T) {
	registries(t, func(t *testing.T, all []*feed.Registry) {
		for i := range 100 {
			id := publishKey(t, all[i%len(all)], "", fmt.Sprint(i))
			f := follow(t, all[(i+1)%len(all)], "k", id)
			if step, err := f.Wait(t.Context()); err != nil || step.Gap || step.Position != id {
				t.Fatalf("event %d: %+v, %v", i, step, err)
			}
			next := publishKey(t, all[i%len(all)], "", fmt.Sprint(i, " next"))
			if step, err := f.Wait(t.Context()); err != nil || step.Gap || len(step.Events) != 1 || step.Events[0].ID != next {
				t.Fatalf("after event %d: %+v, %v", i, step, err)
			}
			f.Close()
		}
	})
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
