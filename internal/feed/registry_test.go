package feed_test

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/feed"
	"github.com/stanza-go/framework/pkg/http/internal/testing/feedtest"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func memoryConfig() feed.Config {
	return feed.Config{Limits: feed.Limits{Events: 100, Bytes: 1 << 20, Age: time.Minute}}
}

func TestFeedsAreForgottenOnceTheyKeepNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := feed.NewRegistry(memoryConfig())
		defer r.Close()
		a := follow(t, r, "followed", "")
		wantSteps(t, a, "position;")
		id := publish(t, r, "published", "1")
		publish(t, r, "followed", "1")
		if n := r.Len(); n != 2 {
			t.Errorf("%d feeds, want 2", n)
		}
		b := follow(t, r, "published", id)
		wantSteps(t, b, "position;")
		wantSteps(t, a, "1;")

		time.Sleep(time.Minute)
		synctest.Wait()
		if n := r.Len(); n != 2 {
			t.Errorf("%d feeds, want the 2 that are followed", n)
		}
		wantSteps(t, follow(t, r, "published", id), "position;")
		a.Close()
		if n := r.Len(); n != 1 {
			t.Errorf("%d feeds, want 1", n)
		}
	})
}

func TestCloseEndsAllFeeds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := feed.NewRegistry(memoryConfig())
		var followers []*feed.Follower
		for i := range 1000 {
			followers = append(followers, follow(t, r, fmt.Sprint(i), ""))
		}
		r.Close()
		for _, f := range followers {
			if _, err := f.Wait(t.Context()); err != feed.ErrClosed {
				t.Fatal(err)
			}
		}
	})
}

func TestFollowerMayBeClosedTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := feed.NewRegistry(memoryConfig())
		defer r.Close()
		a, b := follow(t, r, "k", ""), follow(t, r, "k", "")
		a.Close()
		a.Close()
		wantSteps(t, b, "position;")
		publish(t, r, "k", "1")
		wantSteps(t, b, "1;")
	})
}

func TestForgottenFeedHasOtherIds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, permanent := range []bool{false, true} {
			config := memoryConfig()
			config.Permanent = permanent
			r := feed.NewRegistry(config)
			id := publish(t, r, "k", "1")
			time.Sleep(time.Minute - 1)
			if r.Len() != 1 {
				t.Error("forgotten, although an event is kept")
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			f, err := r.Follow("k", id)
			if err != nil {
				t.Fatal(err)
			}
			if permanent {
				wantSteps(t, f, "position;")
			} else {
				wantSteps(t, f, "gap;position;")
			}
			f.Close()
			if n := r.Len(); (n == 1) != permanent {
				t.Errorf("%d feeds are left", n)
			}
			r.Close()
		}
	})
}

func TestIdsOfOneFeedAreUnknownToOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := feed.NewRegistry(memoryConfig())
		defer r.Close()
		publish(t, r, "a", "1")
		id := publish(t, r, "b", "1")
		wantSteps(t, follow(t, r, "a", id), "gap;position;")
	})
}

// TestForgetAndRecreateLosesNothing has followers come and go while the feed is
// published to and forgotten.
func TestForgetAndRecreateLosesNothing(t *testing.T) {
	testkit.CheckLeaks(t)
	config := memoryConfig()
	config.Limits.Age = time.Millisecond
	config.Start.History = true
	for name, config := range map[string]feed.Config{"memory": config, "store": storeConfig(feedtest.NewMemory(100))} {
		t.Run(name, func(t *testing.T) {
			testRecreate(t, feed.NewRegistry(config))
		})
	}
}

func testRecreate(t *testing.T, r *feed.Registry) {
	var wg sync.WaitGroup
	var published, received atomic.Int64
	for w := range 4 {
		wg.Go(func() {
			for i := range 100 {
				key := fmt.Sprint((w + i) % 3)
				f, err := r.Follow(key, "")
				if err != nil {
					t.Error(err)
					return
				}
				if step, err := f.Wait(t.Context()); err != nil || step.Position == "" {
					t.Errorf("%+v, %v", step, err)
				}
				id, err := r.Publish(t.Context(), key, feed.Event{Data: "d"})
				if err != nil {
					t.Error(err)
				}
				published.Add(1)
				// A follower that came before the event gets it.
				for seen := false; !seen; {
					step, err := f.Wait(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					for _, e := range step.Events {
						seen = seen || e.ID == id
					}
					seen = seen || step.Gap // the process was slower than the limit of age
				}
				received.Add(1)
				f.Close()
			}
		})
	}
	wg.Wait()
	deadline := time.Now().Add(testkit.Patience)
	for r.Len() > 0 && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if n := r.Len(); n != 0 {
		t.Errorf("%d feeds are left", n)
	}
	if published.Load() != received.Load() {
		t.Errorf("%d published, %d received", published.Load(), received.Load())
	}
}

// TestManyFeeds has 100,000 names, of which 1,000 are followed and 10,000 keep
// an event.
func TestManyFeeds(t *testing.T) {
	config := memoryConfig()
	r := feed.NewRegistry(config)
	defer r.Close()
	before := heap()
	var followers []*feed.Follower
	for i := range 100_000 {
		key := fmt.Sprint(i)
		f, err := r.Follow(key, "")
		if err != nil {
			t.Fatal(err)
		}
		f.Next()
		if i%100 == 0 {
			followers = append(followers, f)
		} else {
			f.Close()
		}
	}
	followed := heap()
	if n := r.Len(); n != 1000 {
		t.Errorf("%d feeds have a log, want 1000", n)
	}
	for i := range 10_000 {
		publish(t, r, fmt.Sprint(i*10+1), "data")
	}
	kept := heap()
	t.Logf("%d bytes per followed feed, %d per feed with one event", (followed-before)/1000, (kept-followed)/10_000)
	if (followed-before)/1000 > 2000 || (kept-followed)/10_000 > 2500 {
		t.Error("too much")
	}
	for _, f := range followers {
		f.Close()
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
