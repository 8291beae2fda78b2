package feed_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stanza-go/framework/pkg/http/internal/feed"
)

// TestRingIsNotLost rings several times, but the waiting goroutine needs only the
// last change. On the fake clock, a lost ring is a deadlock.
func TestRingIsNotLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var b feed.Bell
		for range 20_000 {
			var n atomic.Int64
			const last = 3
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					changed := b.Wait()
					if n.Load() == last {
						return
					}
					<-changed
				}
			}()
			for range last {
				runtime.Gosched()
				n.Add(1)
				b.Ring()
			}
			<-done
		}
	})
}

// spin calls Next until there is a step. The channel that came with the last empty
// step must then be closed. On the fake clock, a lost ring is a deadlock.
func spin(t *testing.T, f *feed.Follower) {
	var last <-chan struct{}
	for {
		step, changed, err := f.Next()
		if err != nil {
			t.Error(err)
		}
		if err != nil || !step.Empty() {
			break
		}
		last = changed
		runtime.Gosched()
	}
	if last != nil {
		<-last
	}
}

// TestEventIsNotMissed has a follower look for events while they come.
func TestEventIsNotMissed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const events = 50_000
		l := newLog()
		f := l.Follow("", feed.Start{}, nil)
		defer f.Close()
		f.Next()
		got := make(chan struct{})
		go func() {
			for range events {
				appendTo(t, l, "data")
				<-got
			}
			l.Close()
		}()
		for range events {
			spin(t, f)
			got <- struct{}{}
		}
	})
}

// TestRingWhileOthersAreWokenIsNotLost rings while the goroutine is busy with waking
// many others.
func TestRingWhileOthersAreWokenIsNotLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var b feed.Bell
		var stop atomic.Bool
		for range 2000 {
			go func() {
				for {
					changed := b.Wait()
					if stop.Load() {
						return
					}
					<-changed
				}
			}()
		}
		for i := range 60 {
			synctest.Wait() // until all wait
			b.Ring()
			for range i % 10 {
				runtime.Gosched()
			}
			changed := b.Wait()
			b.Ring()
			<-changed
		}
		stop.Store(true)
		b.Ring()
	})
}

func TestGoroutineWakesAllAndEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var b feed.Bell
		for range 100 {
			b.Ring()
			if b.Waking() {
				t.Fatal("a goroutine wakes nobody")
			}
		}
		var waiting []<-chan struct{}
		for range 100 {
			waiting = append(waiting, b.Wait())
			b.Ring()
		}
		synctest.Wait()
		for i, c := range waiting {
			select {
			case <-c:
			default:
				t.Errorf("%d was not woken", i)
			}
		}
		if b.Waking() {
			t.Error("the goroutine still runs")
		}
		select {
		case <-b.Wait():
			t.Error("woken without a ring")
		default:
		}
	})
}
