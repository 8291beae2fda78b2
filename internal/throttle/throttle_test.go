package throttle

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A result is the outcome of a request, and when it was known.
type result struct {
	id      int
	outcome Outcome
	after   time.Duration
}

// A crowd runs requests in a bubble of synctest and records how they end.
type crowd struct {
	gate  *Gate
	start time.Time

	mu      sync.Mutex
	results []result
}

// enter starts a request that keeps its place, if it gets one, and waits until it
// is admitted, rejected, or waiting.
func (c *crowd) enter(ctx context.Context, id int) {
	go func() {
		outcome := c.gate.Enter(ctx, nil)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.results = append(c.results, result{id, outcome, time.Since(c.start)})
	}()
	synctest.Wait()
}

// take returns the results since the last call, when all goroutines are blocked.
func (c *crowd) take() []result {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.results
	c.results = nil
	return got
}

func newCrowd(limit, backlog int, wait time.Duration) *crowd {
	return &crowd{gate: New(limit, backlog, wait), start: time.Now()}
}

func (c *crowd) want(t *testing.T, want ...result) {
	t.Helper()
	if got := c.take(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func wantCounts(t *testing.T, g *Gate, want Counts) {
	t.Helper()
	if got := g.Counts(); got != want {
		t.Errorf("counts are %+v, want %+v", got, want)
	}
}

func TestPlacesGoToWaitersInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		c := newCrowd(2, 3, time.Minute)
		for id := range 6 {
			c.enter(ctx, id)
		}
		c.want(t, result{0, Admitted, 0}, result{1, Admitted, 0}, result{5, Full, 0})
		wantCounts(t, c.gate, Counts{Running: 2, Waiting: 3, Full: 1})
		for id := 2; id < 5; id++ {
			c.gate.Leave()
			c.want(t, result{id, Admitted, 0})
		}
		c.gate.Leave()
		c.gate.Leave()
		wantCounts(t, c.gate, Counts{Full: 1})
		c.enter(ctx, 6)
		c.want(t, result{6, Admitted, 0})
	})
}

func TestExpireEndsTheWaitOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(1, 3, time.Minute)
		c.gate.Expire()
		for id := range 3 {
			c.enter(t.Context(), id)
		}
		c.take()
		time.Sleep(time.Second)
		c.gate.Expire()
		if got := c.take(); len(got) != 2 || got[0].outcome != Expired || got[1].after != time.Second {
			t.Errorf("got %v, want two that expired after a second", got)
		}
		wantCounts(t, c.gate, Counts{Running: 1, Expired: 2})
		c.enter(t.Context(), 3) // starts the timer again
		time.Sleep(time.Minute)
		c.want(t, result{3, Expired, time.Minute + time.Second})
	})
}

func TestPlacesCanBeAddedAndRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(1, 3, time.Minute)
		c.enter(t.Context(), 0)
		c.enter(t.Context(), 1)
		c.take()
		c.gate.Grow(3)
		c.want(t, result{1, Admitted, 0})
		c.gate.Grow(3) // nobody waits
		c.enter(t.Context(), 2)
		c.want(t, result{2, Admitted, 0})
		c.gate.Grow(3)
		c.enter(t.Context(), 3)
		c.want(t)
		wantCounts(t, c.gate, Counts{Running: 3, Waiting: 1})
		if c.gate.Shrink(3) {
			t.Error("Shrink removed places that are taken")
		}
		for range 3 {
			c.gate.Leave()
		}
		c.want(t, result{3, Admitted, 0})
		if !c.gate.Shrink(2) {
			t.Error("Shrink removed no places although one request is running")
		}
		c.enter(t.Context(), 4)
		c.enter(t.Context(), 5)
		c.want(t, result{4, Admitted, 0})
		wantCounts(t, c.gate, Counts{Running: 2, Waiting: 1})
		c.gate.Leave()
		c.want(t, result{5, Admitted, 0})
	})
}

func TestNewcomersDoNotOvertakeWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(1, 2, time.Minute)
		c.enter(t.Context(), 0)
		c.enter(t.Context(), 1)
		c.take()
		// The place is handed over before the waiter's goroutine runs.
		c.gate.Leave()
		c.enter(t.Context(), 2)
		c.want(t, result{1, Admitted, 0})
		wantCounts(t, c.gate, Counts{Running: 1, Waiting: 1})
		c.gate.Leave()
		c.want(t, result{2, Admitted, 0})
	})
}

func TestNobodyWaitsWithoutBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(1, 0, time.Minute)
		c.enter(t.Context(), 0)
		c.enter(t.Context(), 1)
		c.want(t, result{0, Admitted, 0}, result{1, Full, 0})
	})
}

func TestWaitersExpireAtTheirOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		c := newCrowd(1, 10, 10*time.Second)
		c.enter(ctx, 0)
		for id := 1; id < 5; id++ {
			c.enter(ctx, id)
			time.Sleep(time.Second)
		}
		c.take()
		c.gate.Leave() // to request 1, the first that the timer was set for
		c.want(t, result{1, Admitted, 4 * time.Second})
		time.Sleep(time.Minute)
		c.want(t, result{2, Expired, 11 * time.Second}, result{3, Expired, 12 * time.Second}, result{4, Expired, 13 * time.Second})
		wantCounts(t, c.gate, Counts{Running: 1, Expired: 3})
		if c.gate.timer != nil {
			t.Error("the timer remains although nobody waits")
		}
	})
}

func TestLongestWaitDoesNotOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(1, 1, math.MaxInt64)
		c.enter(t.Context(), 0)
		c.enter(t.Context(), 1)
		time.Sleep(1000 * time.Hour)
		c.want(t, result{0, Admitted, 0})
		c.gate.Leave()
		c.want(t, result{1, Admitted, 1000 * time.Hour})
	})
}

func TestWaiterThatLeavesFreesItsPlace(t *testing.T) {
	for name, leaver := range map[string]int{"first": 1, "middle": 2, "last": 3} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(1, 3, time.Minute)
				ctx, leave := context.WithCancel(t.Context())
				for id := range 4 {
					if id == leaver {
						c.enter(ctx, id)
					} else {
						c.enter(t.Context(), id)
					}
				}
				c.take()
				leave()
				c.want(t, result{leaver, Gone, 0})
				c.enter(t.Context(), 4)
				c.enter(t.Context(), 5)
				c.want(t, result{5, Full, 0})
				for id := 1; id < 5; id++ {
					if id != leaver {
						c.gate.Leave()
						c.want(t, result{id, Admitted, 0})
					}
				}
				wantCounts(t, c.gate, Counts{Running: 1, Full: 1, Gone: 1})
			})
		})
	}
}

// A place may be handed to a request just before its client leaves.
func TestPlaceOfRequestThatIsGoneGoesToTheNext(t *testing.T) {
	t.Parallel()
	g := New(1, 2, time.Minute)
	g.Enter(t.Context(), nil)
	g.mu.Lock()
	first, second := g.push(), g.push()
	g.mu.Unlock()
	g.Leave()
	if outcome := g.finish(first, true); outcome != Gone {
		t.Errorf("the first is %v, want Gone", outcome)
	}
	select {
	case <-second.settled:
	default:
		t.Fatal("the place did not go to the second")
	}
	if outcome := g.finish(second, false); outcome != Admitted {
		t.Errorf("the second is %v, want Admitted", outcome)
	}
	wantCounts(t, g, Counts{Running: 1, Gone: 1})
}

// Half of 10,000 waiting clients leave: the others keep their order, and nothing
// remains of those that left.
func TestOrderAndMemoryWhenHalfOfTheWaitersLeave(t *testing.T) {
	const n = 10_000
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(1, n, time.Hour)
		c.gate.Enter(t.Context(), nil)
		ctx, leave := context.WithCancel(t.Context())
		random := rand.New(rand.NewPCG(1, 2))
		var stay, left []int
		for i, leaves := range random.Perm(n) {
			if leaves < n/2 {
				left = append(left, i)
				c.enter(ctx, i)
			} else {
				stay = append(stay, i)
				c.enter(t.Context(), i)
			}
		}
		wantCounts(t, c.gate, Counts{Running: 1, Waiting: n})
		leave()
		if gone := c.take(); len(gone) != len(left) {
			t.Errorf("%d left, want %d", len(gone), len(left))
		}
		wantCounts(t, c.gate, Counts{Running: 1, Waiting: n / 2, Gone: n / 2})
		nodes := 0
		for w := c.gate.first; w != nil; w = w.next {
			nodes++
		}
		if nodes != n/2 {
			t.Errorf("the backlog has %d nodes, want %d", nodes, n/2)
		}
		for _, id := range stay {
			c.gate.Leave()
			if got := c.take(); len(got) != 1 || got[0] != (result{id, Admitted, 0}) {
				t.Fatalf("got %v, want %d to be admitted", got, id)
			}
		}
		if c.gate.first != nil || c.gate.last != nil || c.gate.timer != nil {
			t.Error("something remains in the empty backlog")
		}
	})
}

// Requests enter, wait, leave and give up in all orders. The limit holds at every
// moment, and everything is free in the end.
func TestGateUnderConcurrentUse(t *testing.T) {
	t.Parallel()
	const limit = 3
	g := New(limit, 8, 200*time.Microsecond)
	var running atomic.Int32
	var outcomes [4]atomic.Uint64
	var all sync.WaitGroup
	for seed := range 16 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(seed), 0))
			for range 300 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(400))*time.Microsecond)
				outcome := g.Enter(ctx, nil)
				outcomes[outcome].Add(1)
				if outcome == Admitted {
					if n := running.Add(1); n > limit {
						t.Errorf("%d run, want %d at most", n, limit)
					}
					<-ctx.Done()
					running.Add(-1)
					g.Leave()
				}
				cancel()
			}
		})
	}
	all.Wait()
	wantCounts(t, g, Counts{Full: outcomes[Full].Load(), Expired: outcomes[Expired].Load(), Gone: outcomes[Gone].Load()})
	if g.first != nil || g.last != nil || g.timer != nil {
		t.Error("something remains in the empty backlog")
	}
}

func TestEnterDoesNotAllocateUnlessItWaits(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	g := New(1, 1, time.Minute)
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { g.Enter(ctx, nil); g.Leave() }); n > 0 {
		t.Errorf("admission allocates %v times, want 0", n)
	}
	g.Enter(ctx, nil)
	done, cancel := context.WithCancel(ctx)
	cancel()
	if n := testing.AllocsPerRun(100, func() { g.Enter(done, nil) }); n > 2 {
		t.Errorf("waiting allocates %v times, want 2 at most", n)
	}
}

// A request that panics when it is queued keeps neither its place in the backlog nor one
// that it was given in the meantime.
func TestRequestThatPanicsWhenItIsQueuedFreesItsPlace(t *testing.T) {
	t.Parallel()
	for name, admitted := range map[string]bool{"waiting": false, "admitted": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := New(1, 1, time.Minute)
			g.Enter(t.Context(), nil)
			func() {
				defer func() {
					if v := recover(); v != "mine" {
						t.Errorf("recovered %v", v)
					}
				}()
				g.Enter(t.Context(), func() {
					if admitted {
						g.Leave()
					}
					panic("mine")
				})
			}()
			if !admitted {
				g.Leave()
			}
			wantCounts(t, g, Counts{Gone: 1})
		})
	}
}
