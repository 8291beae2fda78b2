package breaker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var errDown = errors.New("down")

// A service is what a Breaker protects. It is down, hangs, or succeeds after latency.
type service struct {
	*Breaker
	mu      sync.Mutex
	err     error
	hangs   bool
	latency time.Duration
	calls   int
	running int
	most    int // calls that ran at once
	events  []string
}

func newService() *service {
	s := new(service)
	s.Breaker = New(Config{
		Calls: 8, MaxCalls: 8 * 8, Timeout: 500 * time.Millisecond, Failures: 5,
		MinPause: time.Second, MaxPause: 30 * time.Second, Quiet: 10 * time.Second,
		Report: func(_ context.Context, e Event) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.events = append(s.events, [...]string{"failed", "opened", "still open", "closed"}[e.Kind])
		},
	})
	return s
}

func (s *service) set(err error, hangs bool, latency time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.hangs, s.latency = err, hangs, latency
}

func (s *service) call(ctx context.Context) error {
	return s.Do(ctx, func(ctx context.Context) error {
		s.mu.Lock()
		s.calls++
		s.running++
		s.most = max(s.most, s.running)
		hangs, latency, err := s.hangs, s.latency, s.err
		s.mu.Unlock()
		defer func() {
			s.mu.Lock()
			s.running--
			s.mu.Unlock()
		}()
		if hangs {
			<-ctx.Done()
			return ctx.Err()
		}
		time.Sleep(latency)
		return err
	})
}

// take returns the number of calls and the events since the last take.
func (s *service) take() (calls int, events string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls, events = s.calls, strings.Join(s.events, ", ")
	s.calls, s.events = 0, nil
	return calls, events
}

// many makes n calls, one after the other.
func (s *service) many(t *testing.T, n int) {
	for range n {
		if err := s.call(t.Context()); err != nil && !errors.Is(err, ErrOpen) && !errors.Is(err, errDown) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Do returned %v", err)
		}
	}
}

func TestFailuresInARowOpenIt(t *testing.T) {
	t.Parallel()
	s := newService()
	for range 10 { // never five in a row
		s.set(errDown, false, 0)
		s.many(t, 4)
		s.set(nil, false, 0)
		s.many(t, 1)
	}
	if calls, events := s.take(); calls != 50 || events != "failed" {
		t.Errorf("%d calls, events %q, want 50 and one failure reported", calls, events)
	}
	s.set(errDown, false, 0)
	s.many(t, 100)
	if calls, events := s.take(); calls != 5 || events != "opened" {
		t.Errorf("%d calls, events %q, want 5 and opened", calls, events)
	}
	if err := s.call(t.Context()); !errors.Is(err, ErrOpen) {
		t.Errorf("Do returned %v", err)
	}
}

func TestPausesDoubleUpToTheMaximum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.set(errDown, false, 0)
		s.many(t, 5)
		for i, pause := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
			pause *= time.Second
			s.take()
			time.Sleep(pause*4/5 - 1)
			s.many(t, 3)
			if calls, _ := s.take(); calls != 0 {
				t.Fatalf("pause %d: %d calls after %v", i, calls, pause*4/5)
			}
			time.Sleep(pause*2/5 + 2)
			s.many(t, 3)
			if calls, _ := s.take(); calls != 1 {
				t.Fatalf("pause %d: %d calls after %v, want one probe", i, calls, pause*6/5)
			}
		}
		s.set(nil, false, 0)
		time.Sleep(36*time.Second + 1)
		s.many(t, 3)
		if calls, events := s.take(); calls != 3 || events != "closed" {
			t.Errorf("%d calls, events %q after the probe succeeded", calls, events)
		}
		time.Sleep(31 * time.Second) // long enough to start again with the shortest pause
		s.set(errDown, false, 0)
		s.many(t, 5)
		time.Sleep(1200*time.Millisecond + 1)
		s.take()
		s.many(t, 1)
		if calls, _ := s.take(); calls != 1 {
			t.Error("no probe after the shortest pause")
		}
	})
}

func TestOthersDoNotWaitForTheProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.set(errDown, false, 0)
		s.many(t, 5)
		time.Sleep(2 * time.Second)
		s.set(nil, true, 0)
		s.take()
		go s.many(t, 1)
		synctest.Wait()
		start := time.Now()
		s.many(t, 1000)
		if calls, _ := s.take(); calls != 1 || time.Since(start) != 0 {
			t.Errorf("%d calls, waited %v", calls, time.Since(start))
		}
		time.Sleep(time.Second)
	})
}

func TestBurstIsCalledCompletely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, latency := range []time.Duration{0, time.Millisecond, 100 * time.Millisecond} {
			s := newService()
			s.set(nil, false, latency)
			s.many(t, 50)
			time.Sleep(time.Hour)
			s.take()
			var failed atomic.Int64
			for range 8 * 4 { // takes four latencies
				go func() {
					if s.call(t.Context()) != nil {
						failed.Add(1)
					}
				}()
			}
			time.Sleep(time.Second)
			if calls, events := s.take(); calls != 32 || events != "" || failed.Load() != 0 || s.most > 8 && latency < 500/8*time.Millisecond {
				t.Errorf("latency %v: %d calls, %d at once, %d failed, events %q", latency, calls, s.most, failed.Load(), events)
			}
		}
	})
}

// Requests arrive every millisecond when the service begins to hang.
func TestHangGathersFewCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.set(nil, false, time.Millisecond)
		s.many(t, 200)
		s.take()
		s.set(nil, true, 0)
		before, peak := runtime.NumGoroutine(), 0
		for range 2000 {
			go s.many(t, 1)
			time.Sleep(time.Millisecond)
			peak = max(peak, runtime.NumGoroutine()-before)
		}
		time.Sleep(time.Second)
		calls, events := s.take()
		if calls > 8+1 || peak > 8+70 || events != "opened" {
			t.Errorf("%d calls, %d callers at once, events %q; want at most 8 calls and a probe, and callers of 60 ms", calls, peak, events)
		}
	})
}

// The results of all calls are there when the process is scheduled again.
func TestPauseOfTheProcessIsNoStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.set(nil, false, time.Millisecond)
		s.many(t, 200)
		s.take()
		s.set(nil, false, 100*time.Millisecond)
		for range 8 {
			go s.many(t, 1)
		}
		time.Sleep(99 * time.Millisecond) // without arrivals
		for range 24 {
			go s.many(t, 1)
		}
		time.Sleep(10 * time.Second)
		if calls, events := s.take(); calls != 8+24 || events != "" {
			t.Errorf("%d calls, events %q, want 32", calls, events)
		}
	})
}

// A service that is slow, but does all calls that arrive, gets more of them at once.
func TestSlowServiceIsCalledMoreOftenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.set(nil, false, 100*time.Millisecond)
		var failed atomic.Int64
		for range 5 * 400 {
			go func() {
				if s.call(t.Context()) != nil {
					failed.Add(1)
				}
			}()
			time.Sleep(time.Second / 400)
		}
		time.Sleep(time.Second)
		if calls, events := s.take(); calls != 5*400 || events != "" || failed.Load() != 0 || s.most > 8*8 {
			t.Errorf("%d calls, %d at once, %d failed, events %q", calls, s.most, failed.Load(), events)
		}
		s.set(nil, false, time.Millisecond)
		s.many(t, 50)
		s.most = 0
		for range 100 {
			go s.many(t, 1)
		}
		time.Sleep(time.Second)
		if calls, events := s.take(); calls != 150 || events != "" || s.most != 8 {
			t.Errorf("when it is fast again: %d calls, %d at once, events %q; want 8 at once", calls, s.most, events)
		}
		s.set(nil, true, 0)
		for range 200 {
			go s.many(t, 1)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		if calls, events := s.take(); calls > 8+1 || events != "opened" {
			t.Errorf("when it hangs: %d calls, events %q; want 8 and a probe", calls, events)
		}
	})
}

// More calls arrive than the service can do, so some wait until Timeout.
func TestOverloadOpensIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.set(nil, false, 100*time.Millisecond) // at most 640 calls a second
		for range 1000 {
			go s.many(t, 1)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		if _, events := s.take(); !strings.Contains(events, "opened") {
			t.Errorf("events %q, want it opened", events)
		}
	})
}

func TestFlappingServiceIsReportedRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		start := time.Now()
		for i := 0; time.Since(start) < 10*time.Minute; i++ {
			s.set([]error{errDown, nil}[i/10%2], false, 0) // changes every second
			s.many(t, 20)
			time.Sleep(100 * time.Millisecond)
		}
		_, list := s.take()
		events := strings.Split(list, ", ")
		t.Logf("%d events in ten minutes", len(events))
		if len(events) > 3*60 {
			t.Errorf("%d events, want at most 3 every 10 seconds", len(events))
		}
		if n := strings.Count(list, "open"); n > 60 {
			t.Errorf("%d events say that it is open, want at most one every 10 seconds", n)
		}
		known := false // that it is open
		for _, e := range events {
			if e == "closed" && !known {
				t.Fatalf("a closing without an opening in %s", list)
			}
			known = e == "opened" || e == "still open" || known && e != "closed"
		}
	})
}

func TestLongOutageIsReportedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.set(errDown, false, 0)
		for range 10 * 60 * 10 {
			s.many(t, 3)
			time.Sleep(100 * time.Millisecond)
		}
		_, events := s.take()
		if n := strings.Count(events, "still open"); n < 15 || n > 60 || !strings.HasPrefix(events, "failed, opened, still") {
			t.Errorf("%d reports in ten minutes: %s", n, events)
		}
	})
}

func TestCallerThatHasGoneIsNoFailure(t *testing.T) {
	t.Parallel()
	s := newService()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		if err := s.Do(ctx, func(ctx context.Context) error { return ctx.Err() }); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPanicIsAFailureAndFreesThePlace(t *testing.T) {
	t.Parallel()
	s := newService()
	for i := range 20 {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); (got == "bug") != (i < 5) {
					t.Errorf("call %d: recovered %q", i, got)
				}
			}()
			_ = s.Do(t.Context(), func(context.Context) error { panic("bug") }) // panics or is rejected
		}()
	}
	if _, events := s.take(); events != "failed, opened" {
		t.Errorf("events %q", events)
	}
	if n := s.gate.Counts().Running; n != 0 {
		t.Errorf("%d places are taken", n)
	}
}

// A service that ignores the context keeps its places, but nobody waits for it.
func TestCallsThatNeverReturnHoldNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		forever := make(chan struct{})
		var waits []time.Duration
		var mu sync.Mutex
		for range 200 {
			go func() {
				start := time.Now()
				err := s.Do(t.Context(), func(context.Context) error { <-forever; return errDown })
				if errors.Is(err, ErrOpen) {
					mu.Lock()
					waits = append(waits, time.Since(start))
					mu.Unlock()
				}
			}()
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second)
		mu.Lock()
		defer mu.Unlock()
		if len(waits) != 192 || slices.Max(waits) > 500*time.Millisecond {
			t.Errorf("%d callers were rejected after at most %v", len(waits), slices.Max(waits))
		}
		close(forever)
		time.Sleep(time.Minute)
		s.many(t, 3)
		if calls, _ := s.take(); calls != 3 {
			t.Errorf("%d of 3 calls after the service has recovered", calls)
		}
	})
}

// A probe that never returns does not keep the breaker from probing again.
func TestProbeThatNeverReturnsIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.set(errDown, false, 0)
		s.many(t, 5)
		time.Sleep(1200*time.Millisecond + 1)
		forever := make(chan struct{})
		go func() { _ = s.Do(t.Context(), func(context.Context) error { <-forever; return nil }) }() // too late to matter
		synctest.Wait()
		s.set(nil, false, 0)
		s.take()
		time.Sleep(1500*time.Millisecond - 1)
		s.many(t, 3)
		if calls, events := s.take(); calls != 0 || events != "" {
			t.Errorf("%d calls, events %q while the probe may still return", calls, events)
		}
		time.Sleep(time.Nanosecond)
		s.many(t, 3)
		time.Sleep(2400*time.Millisecond + 1)
		s.many(t, 3)
		if calls, events := s.take(); calls != 3 || events != "closed" {
			t.Errorf("%d calls, events %q after the next pause, want 3 and closed", calls, events)
		}
		close(forever)
		synctest.Wait()
		s.many(t, 3)
		if calls, events := s.take(); calls != 3 || events != "" {
			t.Errorf("%d calls, events %q after the late return", calls, events)
		}
	})
}

func TestLateResultsDoNotChangeThePhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.set(nil, false, 400*time.Millisecond)
		go s.many(t, 1)
		synctest.Wait()
		s.set(errDown, false, 0)
		s.many(t, 5)
		time.Sleep(450 * time.Millisecond) // the first call succeeds
		if err := s.call(t.Context()); !errors.Is(err, ErrOpen) {
			t.Errorf("Do returned %v, want it open", err)
		}
	})
}

func BenchmarkDo(b *testing.B) {
	for name, err := range map[string]error{"closed": nil, "open": errDown} {
		b.Run(name, func(b *testing.B) {
			s := newService()
			for range 5 {
				_ = s.Do(b.Context(), func(context.Context) error { return err }) // opens it, if it fails
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					_ = s.Do(b.Context(), func(context.Context) error { return err }) // as above
				}
			})
		})
	}
}
