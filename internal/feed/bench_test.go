package feed_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/feed"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// BenchmarkPublish publishes five events, a millisecond apart, so that all but
// the first come while followers are being woken. Then it waits until all have
// the events. It reports the latency of Publish.
func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{1, 10_000, 50_000} {
		b.Run(fmt.Sprintf("waiters=%d", n), func(b *testing.B) {
			deliver := newDelivery(b, n)
			var took []time.Duration
			for b.Loop() {
				took = append(took, deliver(5, time.Millisecond)...)
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1000, "p50-µs")
			b.ReportMetric(float64(took[len(took)*9/10].Nanoseconds())/1000, "p90-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1000, "p99-µs")
		})
	}
}

// BenchmarkPublishAlone publishes as fast as possible, with nobody waiting.
func BenchmarkPublishAlone(b *testing.B) {
	b.ReportAllocs()
	l := newLog()
	for b.Loop() {
		appendTo(b, l, "data")
	}
}

// BenchmarkDelivery publishes an event and waits until all followers have it.
func BenchmarkDelivery(b *testing.B) {
	for _, n := range []int{1, 1000, 10_000} {
		b.Run(fmt.Sprintf("followers=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			deliver := newDelivery(b, n)
			for b.Loop() {
				deliver(1, 0)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/delivery")
		})
	}
}

// newDelivery returns a function that publishes events, with a pause after each,
// and returns when n followers have them. It returns how long publishing took.
func newDelivery(tb testing.TB, n int) func(events int, pause time.Duration) []time.Duration {
	l := newLog()
	var ready, got, done sync.WaitGroup
	ready.Add(n)
	for range n {
		done.Go(func() {
			f := l.Follow("", feed.Start{}, nil)
			defer f.Close()
			for {
				step, err := f.Wait(tb.Context())
				if err != nil {
					return
				}
				if step.Position != "" {
					ready.Done()
				}
				got.Add(-len(step.Events))
			}
		})
	}
	ready.Wait()
	tb.Cleanup(func() {
		l.Close()
		done.Wait()
	})
	took := make([]time.Duration, 0, 10)
	return func(events int, pause time.Duration) []time.Duration {
		got.Add(n * events)
		took = took[:0]
		for range events {
			began := time.Now()
			appendTo(tb, l, "data")
			took = append(took, time.Since(began))
			if pause > 0 {
				<-time.After(pause)
			}
		}
		got.Wait()
		return took
	}
}

// TestAppendAllocatesOnlyTheEvent fills a log that drops an event for each one that
// it gets. The event and its id are allocated, but no timer.
func TestAppendAllocatesOnlyTheEvent(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	l := newLog()
	for range 2000 {
		appendTo(t, l, "data")
	}
	if n := testing.AllocsPerRun(1000, func() { appendTo(t, l, "data") }); n > 3 {
		t.Errorf("%v allocations an event", n)
	}
}

// TestAllocationsDoNotDependOnFollowers compares what an event allocates with 1
// and with 1,000 followers.
func TestAllocationsDoNotDependOnFollowers(t *testing.T) {
	allocations := func(followers int) float64 {
		deliver := newDelivery(t, followers)
		for range 2000 { // fill the log
			deliver(1, 0)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		const events = 200
		for range events {
			deliver(1, 0)
		}
		runtime.ReadMemStats(&after)
		return float64(after.Mallocs-before.Mallocs) / events
	}
	one, many := allocations(1), allocations(1000)
	t.Logf("%.1f allocations an event with 1 follower, %.1f with 1,000", one, many)
	if many > one+3 {
		t.Error("followers allocate")
	}
}
