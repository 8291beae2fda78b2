package fanout

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// PublishLatency returns how long calls of Publish take while a number of goroutines
// follow the feed. The calls are a millisecond apart, so that most of them come while
// followers are being woken.
func PublishLatency(followers, events int) ([]time.Duration, error) {
	feed := http.NewFeed(http.FeedConfig{})
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	defer done.Wait()
	defer cancel()
	var joined atomic.Int64
	for range followers {
		done.Go(func() {
			first := true
			for range feed.Follow(ctx, "") {
				if first {
					joined.Add(1)
				}
				first = false
			}
		})
	}
	pause := time.NewTicker(time.Millisecond)
	defer pause.Stop()
	took := make([]time.Duration, 0, events)
	for len(took) < events {
		<-pause.C
		all := joined.Load() == int64(followers)
		began := time.Now()
		if _, err := feed.Publish(ctx, http.Event{Name: EventName, Data: "{}"}); err != nil {
			return nil, err
		}
		if all {
			took = append(took, time.Since(began))
		}
	}
	return took, nil
}

// KeyedMemory is the memory of many keyed feeds, in bytes.
type KeyedMemory struct {
	Kept     float64 // a feed that keeps one event of 100 bytes
	Followed float64 // in addition, a follower of such a feed, with its goroutine
	Left     float64 // a feed that was followed and keeps nothing
}

// MeasureKeyed measures the memory of keyed feeds, of which some are followed.
func MeasureKeyed(feeds, followed int) (KeyedMemory, error) {
	var m KeyedMemory
	set := http.NewFeeds(http.FeedConfig{})
	defer set.Close()
	key := func(i int) string { return fmt.Sprintf("room-%d", i) }
	event := http.Event{Name: EventName, Data: strings.Repeat("x", 100)}
	before := memoryInUse()
	for i := range feeds {
		if _, err := set.Feed(key(i)).Publish(context.Background(), event); err != nil {
			return m, err
		}
	}
	kept := memoryInUse()
	leave := follow(set, followed, key)
	joined := memoryInUse()
	leave()
	m.Kept = (kept - before) / float64(feeds)
	m.Followed = (joined - kept) / float64(followed)

	other := http.NewFeeds(http.FeedConfig{})
	defer other.Close()
	before = memoryInUse()
	for first := 0; first < feeds; first += followed {
		follow(other, followed, func(i int) string { return key(first + i) })()
	}
	m.Left = (memoryInUse() - before) / float64(feeds)
	return m, nil
}

// follow follows feeds, each of them after its beginning, and returns a function that
// leaves them.
func follow(set *http.Feeds, feeds int, key func(int) string) (leave func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	for i := range feeds {
		feed := set.Feed(key(i))
		done.Go(func() {
			for range feed.Follow(ctx, "") {
			}
		})
	}
	return func() {
		cancel()
		done.Wait()
	}
}

// memoryInUse returns the bytes of the heap and of stacks that are in use.
func memoryInUse() float64 {
	for range 3 { // finalizers, pools, and goroutines that are about to wait
		runtime.Gosched()
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}
