package feed_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/feed"
)

// A shots is a log with snapshots that end when the test says so.
type shots struct {
	*feed.Log
	snapshots *feed.Snapshots
	calls     atomic.Int64
	running   atomic.Int64
	canceled  atomic.Int64
	release   chan error // each call returns one
	overlap   bool       // calls may overlap
}

func newShots(t *testing.T, keep int) *shots {
	s := &shots{
		Log:     feed.New(feed.Limits{Events: keep, Bytes: 1 << 20, Age: time.Hour}),
		release: make(chan error),
	}
	s.snapshots = feed.NewSnapshots(s.Log, func(ctx context.Context) (feed.Event, error) {
		if s.running.Add(1) > 1 && !s.overlap {
			t.Error("two calls at once")
		}
		defer s.running.Add(-1)
		n := s.calls.Add(1)
		context.AfterFunc(ctx, func() { s.canceled.Add(1) })
		err := <-s.release // ignores ctx
		return feed.Event{Data: fmt.Sprint(n)}, err
	})
	return s
}

func (s *shots) follow() *feed.Follower { return s.Follow("", feed.Start{}, s.snapshots) }

func (s *shots) publish(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		if _, err := s.Append(feed.Event{Data: fmt.Sprint("event ", i)}); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *shots) wantCalls(t *testing.T, want int64) {
	t.Helper()
	synctest.Wait()
	if n := s.calls.Load(); n != want {
		t.Errorf("%d calls of Snapshot, want %d", n, want)
	}
}

func TestOneSnapshotServesAllNewcomers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newShots(t, 100)
		s.publish(t, 1)
		var wg sync.WaitGroup
		for range 10_000 {
			wg.Go(func() {
				f := s.follow()
				defer f.Close()
				first, err := f.Wait(t.Context())
				if err != nil || first.Gap || first.Position != feed.Beginning {
					t.Errorf("%+v, %v", first, err)
				}
				second, err := f.Wait(t.Context())
				if err != nil || second.Snapshot == nil || second.Snapshot.Data != "1" || !feed.ValidID(second.Snapshot.ID) {
					t.Errorf("%+v, %v", second, err)
				}
				third, err := f.Wait(t.Context())
				if err != nil || len(third.Events) != 1 || third.Events[0].Data != "event 0" {
					t.Errorf("%+v, %v", third, err)
				}
			})
		}
		synctest.Wait()
		s.publish(t, 1) // held until the snapshot is there
		synctest.Wait()
		s.release <- nil
		wg.Wait()
		s.wantCalls(t, 1)
		time.Sleep(time.Second)
	})
}

func TestRecentSnapshotIsUsedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newShots(t, 10)
		get := func(want string, calls int64) {
			t.Helper()
			f := s.follow()
			defer f.Close()
			got := steps(t, f)
			select {
			case s.release <- nil:
				got += steps(t, f)
			default:
			}
			if want = "position;" + want; got != want {
				t.Errorf("steps %q, want %q", got, want)
			}
			s.wantCalls(t, calls)
		}
		get("snapshot 1;", 1)
		get("snapshot 1;", 1)
		s.publish(t, 5)
		get("snapshot 1;event 0;event 1;event 2;event 3;event 4;", 1)
		s.publish(t, 1) // more than half of what is kept
		get("snapshot 2;", 2)
		time.Sleep(time.Second - 1)
		get("snapshot 2;", 2)
		time.Sleep(time.Nanosecond)
		get("snapshot 3;", 3)
		s.Reset(nil, "empty")
		get("snapshot 4;", 4)
	})
}

func TestOldSnapshotIsGivenBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newLog()
		collected := new(atomic.Bool)
		snapshots := feed.NewSnapshots(log, func(context.Context) (feed.Event, error) {
			return feed.Event{Data: "state"}, nil
		})
		f := log.Follow("", feed.Start{}, snapshots)
		f.Next()
		step, err := f.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		runtime.AddCleanup(step.Snapshot, func(c *atomic.Bool) { c.Store(true) }, collected)
		step = feed.Step{}
		f.Close()
		time.Sleep(time.Second)
		for range 100 {
			runtime.GC()
			if collected.Load() {
				break
			}
		}
		if !collected.Load() {
			t.Error("the snapshot is still in memory")
		}
		runtime.KeepAlive(snapshots)
	})
}

func TestSnapshotSlowerThanTheLogEndsFollowers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newShots(t, 3)
		f := s.follow()
		defer f.Close()
		wantSteps(t, f, "position;")
		s.publish(t, 3)
		wantSteps(t, f, "")
		s.publish(t, 1)
		late := s.follow()
		defer late.Close()
		wantSteps(t, late, "position;") // does not join the one that is behind
		wantSteps(t, f, "error: "+feed.ErrBehind.Error()+";")
		if s.canceled.Load() != 1 {
			t.Error("the call was not canceled")
		}
		s.wantCalls(t, 1)
		s.release <- nil
		s.wantCalls(t, 2)
		s.release <- nil
		wantSteps(t, late, "snapshot 2;")

		// The snapshot is ready in time, but the follower takes it too late.
		s.publish(t, 2)
		slow := s.follow()
		defer slow.Close()
		wantSteps(t, slow, "position;")
		s.release <- nil
		synctest.Wait()
		s.publish(t, 4)
		wantSteps(t, slow, "error: "+feed.ErrBehind.Error()+";")
	})
}

func TestSnapshotThatFailsEndsItsFollowersOnly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for name, test := range map[string]struct {
			take func(context.Context) (feed.Event, error)
			want func(error) bool
		}{
			"error": {
				func(context.Context) (feed.Event, error) { return feed.Event{}, errors.ErrUnsupported },
				func(err error) bool { return errors.Is(err, errors.ErrUnsupported) },
			},
			"panic": {
				func(context.Context) (feed.Event, error) { panic("oops") },
				func(err error) bool {
					var p *feed.PanicError
					return errors.As(err, &p) && p.Value == "oops" && err.Error() == "http: feed: Snapshot panicked: oops"
				},
			},
			"Goexit": {
				func(context.Context) (feed.Event, error) { runtime.Goexit(); return feed.Event{}, nil },
				func(err error) bool { return err.Error() == "http: feed: Snapshot did not return" },
			},
			"invalid event": {
				func(context.Context) (feed.Event, error) { return feed.Event{Data: "\xff"}, nil },
				func(err error) bool { return errors.Is(err, feed.ErrInvalidEvent) },
			},
		} {
			log := feed.New(feed.Limits{Events: 3, Bytes: 1 << 20, Age: time.Hour})
			broken := true
			snapshots := feed.NewSnapshots(log, func(ctx context.Context) (feed.Event, error) {
				if broken {
					return test.take(ctx)
				}
				return feed.Event{Data: "works"}, nil
			})
			f := log.Follow("", feed.Start{}, snapshots)
			f.Next()
			step, err := f.Wait(t.Context())
			if err == nil || !test.want(err) {
				t.Errorf("%s: %+v, %v", name, step, err)
			}
			f.Close()
			broken = false
			f = log.Follow("", feed.Start{}, snapshots)
			wantSteps(t, f, "position;snapshot works;")
			f.Close()
		}
	})
}

func TestSnapshotIsCanceledWhenAllHaveLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newShots(t, 100)
		a, b := s.follow(), s.follow()
		for _, f := range []*feed.Follower{a, b} {
			wantSteps(t, f, "position;")
		}
		a.Close()
		synctest.Wait()
		if s.canceled.Load() != 0 {
			t.Error("canceled, although one waits")
		}
		b.Close()
		synctest.Wait()
		if s.canceled.Load() != 1 {
			t.Error("not canceled")
		}
		// However many come and go, there is one call. The last one waits for it
		// to return, and then has a call of its own.
		for range 100 {
			f := s.follow()
			wantSteps(t, f, "position;")
			f.Close()
		}
		c := s.follow()
		defer c.Close()
		wantSteps(t, c, "position;")
		s.wantCalls(t, 1)
		s.release <- nil
		s.wantCalls(t, 2)
		s.release <- nil
		wantSteps(t, c, "snapshot 2;")
	})
}

// TestCanceledSnapshotIsNotUsed has a call succeed although it was canceled.
func TestCanceledSnapshotIsNotUsed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newShots(t, 100)
		f := s.follow()
		wantSteps(t, f, "position;")
		f.Close()
		s.release <- nil
		synctest.Wait()
		f = s.follow()
		defer f.Close()
		wantSteps(t, f, "position;")
		s.release <- nil
		wantSteps(t, f, "snapshot 2;")
	})
}

// TestSnapshotThatHangsIsGivenUp has calls that ignore their context.
func TestSnapshotThatHangsIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newShots(t, 100)
		s.overlap = true
		const slow = "error: http: feed: Snapshot did not return within 1m0s;"
		for i := range 10 {
			f, late := s.follow(), s.follow()
			wantSteps(t, f, "position;")
			time.Sleep(time.Minute - 1)
			wantSteps(t, f, "")
			wantSteps(t, late, "position;")
			if n := s.canceled.Load(); n != int64(i) {
				t.Errorf("%d calls were canceled, want %d", n, i)
			}
			time.Sleep(time.Nanosecond)
			wantSteps(t, f, slow)
			wantSteps(t, late, slow)
			s.wantCalls(t, int64(i+1))
		}
		f := s.follow()
		wantSteps(t, f, "position;error: http: feed: 10 calls of Snapshot have not returned;")
		s.wantCalls(t, 10)
		s.release <- nil // one of them
		synctest.Wait()
		f = s.follow()
		wantSteps(t, f, "position;")
		s.wantCalls(t, 11)
		f.Close()
		queued := s.follow() // waits for the call that was canceled, at most a minute
		wantSteps(t, queued, "position;")
		time.Sleep(time.Minute)
		wantSteps(t, queued, "error: http: feed: 10 calls of Snapshot have not returned;")
		for range 10 {
			s.release <- nil
		}
		synctest.Wait()
		f = s.follow()
		defer f.Close()
		wantSteps(t, f, "position;")
		s.release <- nil
		wantSteps(t, f, "snapshot 12;")
		time.Sleep(time.Hour)
		wantSteps(t, f, "")
	})
}

// TestQueuedSnapshotBeginsWhenTheCallBeforeItIsGivenUp has a call whose clients have
// all left.
func TestQueuedSnapshotBeginsWhenTheCallBeforeItIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newShots(t, 100)
		s.overlap = true
		f := s.follow()
		wantSteps(t, f, "position;")
		f.Close()
		f = s.follow()
		defer f.Close()
		wantSteps(t, f, "position;")
		s.wantCalls(t, 1)
		time.Sleep(time.Minute)
		s.wantCalls(t, 2)
		for range 2 {
			s.release <- nil
		}
		wantSteps(t, f, "snapshot 2;")
	})
}

func TestGapBringsASnapshot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newShots(t, 3)
		f := s.follow()
		defer f.Close()
		wantSteps(t, f, "position;")
		s.release <- nil
		wantSteps(t, f, "snapshot 1;")
		s.publish(t, 4)
		wantSteps(t, f, "gap;position;")
		s.release <- nil
		wantSteps(t, f, "snapshot 2;")
		s.publish(t, 1)
		wantSteps(t, f, "event 0;")
	})
}

// TestCommitThenPublishIsNeverLost runs writers that commit to a state and then
// publish, while newcomers take snapshots and apply the events to them. In the
// end all have the state.
func TestCommitThenPublishIsNeverLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := feed.New(feed.Limits{Events: 1000, Bytes: 1 << 20, Age: time.Hour})
		var mu sync.Mutex
		state := make(map[string]bool)
		snapshots := feed.NewSnapshots(log, func(context.Context) (feed.Event, error) {
			time.Sleep(3 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			text := ""
			for key := range state {
				text += key + " "
			}
			return feed.Event{Data: text}, nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		var writers, readers sync.WaitGroup
		const n = 100
		for w := range 3 {
			writers.Go(func() {
				for i := range n {
					key := fmt.Sprintf("%d.%d", w, i)
					mu.Lock()
					state[key] = true
					mu.Unlock()
					time.Sleep(time.Duration(w) * time.Millisecond)
					if _, err := log.Append(feed.Event{Data: key}); err != nil {
						t.Error(err)
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
		for i := range 20 {
			readers.Go(func() {
				time.Sleep(time.Duration(i) * 7 * time.Millisecond)
				checkCopy(ctx, t, log.Follow("", feed.Start{}, snapshots), 3*n)
			})
		}
		writers.Wait()
		time.Sleep(time.Second)
		cancel()
		readers.Wait()
	})
}

// checkCopy applies snapshots and events to a copy until ctx is done.
func checkCopy(ctx context.Context, t *testing.T, f *feed.Follower, want int) {
	defer f.Close()
	have := make(map[string]bool)
	for {
		step, err := f.Wait(ctx)
		if err != nil {
			break
		}
		if step.Snapshot != nil {
			for key := range strings.FieldsSeq(step.Snapshot.Data) {
				have[key] = true
			}
		}
		for _, e := range step.Events {
			have[e.Data] = true
		}
	}
	if len(have) != want {
		t.Errorf("a copy has %d of %d keys", len(have), want)
	}
}

func TestNoSnapshotBeginsAfterClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		config := memoryConfig()
		config.Snapshot = func(context.Context, string) (feed.Event, error) {
			t.Error("called after Close")
			return feed.Event{}, nil
		}
		r := feed.NewRegistry(config)
		f := follow(t, r, "k", "")
		if step, _, err := f.Next(); err != nil || step.Position == "" {
			t.Errorf("%+v, %v", step, err)
		}
		r.Close()
		wantSteps(t, f, "error: http: feed closed;")
	})
}

func TestCloseEndsWaitingForASnapshot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		config := memoryConfig()
		release := make(chan struct{})
		config.Snapshot = func(context.Context, string) (feed.Event, error) { <-release; return feed.Event{}, nil }
		r := feed.NewRegistry(config)
		running := follow(t, r, "k", "")
		wantSteps(t, running, "position;")
		left := follow(t, r, "other", "")
		wantSteps(t, left, "position;")
		left.Close()
		queued := follow(t, r, "other", "")
		wantSteps(t, queued, "position;")
		r.Close()
		wantSteps(t, running, "error: http: feed closed;")
		wantSteps(t, queued, "error: http: feed closed;")
		close(release)
	})
}
