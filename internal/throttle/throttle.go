// Package throttle limits how many requests run at once and lets a bounded number
// of others wait, in the order of their arrival.
//
// A request that waits is a node of a linked list. It leaves the list in constant
// time when it is admitted, when it has waited too long, or when its client is gone,
// so the list never holds requests that nobody waits for. A place that becomes free
// is handed to the first node directly; a request that arrives at that moment cannot
// overtake it.
//
// The longest wait is the same for all requests, so the first node has the earliest
// deadline, and one timer is enough for the whole list. The timer exists only while the
// list has a node.
package throttle

import (
	"context"
	"sync"
	"time"
)

// An Outcome is the result of [Gate.Enter].
type Outcome uint8

const (
	// Admitted means that the request may run. The caller must call [Gate.Leave].
	Admitted Outcome = iota
	// Full means that all places and the whole backlog are taken.
	Full
	// Expired means that no place became free in time.
	Expired
	// Gone means that the request's context was done first.
	Gone
)

// Counts describes a [Gate] at one moment.
type Counts struct {
	Running int // requests that are admitted and have not left
	Waiting int // requests in the backlog

	// Requests that were not admitted, by outcome, since the Gate was created.
	Full, Expired, Gone uint64
}

// A Gate admits a limited number of requests at once. It is safe for concurrent use
// by multiple goroutines.
type Gate struct {
	backlog    int
	wait       time.Duration
	expireFunc func() // g.expire, so that starting the timer does not allocate it

	mu          sync.Mutex
	limit       int
	counts      Counts  // Waiting > 0 implies Running == limit
	first, last *waiter // the backlog
	timer       *time.Timer

	// The nodes are reused, but not their channels or the timer: a channel or timer that
	// was created in a bubble of testing/synctest must not be used outside of it.
	nodes sync.Pool
}

// A waiter is a request in the backlog.
type waiter struct {
	prev, next *waiter
	deadline   time.Time
	phase      phase
	settled    chan struct{} // closed when phase changes
}

// A phase is the state of a waiter: waiting → admitted or expired.
type phase uint8

const (
	waiting phase = iota
	admitted
	expired
)

// New returns a Gate that admits limit requests at once, and lets backlog others
// wait for at most the given time. limit and wait must be positive, and backlog must
// not be negative.
func New(limit, backlog int, wait time.Duration) *Gate {
	g := &Gate{limit: limit, backlog: backlog, wait: wait}
	g.expireFunc = g.expire
	g.nodes.New = func() any { return new(waiter) }
	return g
}

// Enter admits the request with context ctx, if necessary after waiting for a place.
// It does not wait if the backlog is full. If the request has to wait, Enter adds it to
// the backlog and calls queued, unless queued is nil.
func (g *Gate) Enter(ctx context.Context, queued func()) Outcome {
	g.mu.Lock()
	switch {
	case g.counts.Running < g.limit:
		g.counts.Running++
		g.mu.Unlock()
		return Admitted
	case g.counts.Waiting >= g.backlog:
		g.counts.Full++
		g.mu.Unlock()
		return Full
	}
	w := g.push()
	g.mu.Unlock()

	if queued != nil {
		g.call(queued, w)
	}
	select {
	case <-w.settled:
	case <-ctx.Done():
	}
	return g.finish(w, ctx.Err() != nil)
}

// Leave gives back the place of an admitted request. It must be called once for each.
func (g *Gate) Leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.passOn()
}

// Expire removes all requests from the backlog, as if they had waited too long.
func (g *Gate) Expire() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.first != nil {
		g.settle(g.first, expired)
	}
}

// Grow adds a place, unless there are at least most places. The first waiting request, if
// any, is admitted.
func (g *Gate) Grow(most int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.limit >= most {
		return
	}
	g.limit++
	if g.first != nil {
		g.counts.Running++
		g.settle(g.first, admitted)
	}
}

// Shrink reduces the number of places to limit if fewer requests than that are running,
// and reports whether fewer are. limit must not be greater than the number of places.
func (g *Gate) Shrink(limit int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.counts.Running >= limit {
		return false
	}
	g.limit = limit
	return true
}

// Counts returns the current Counts.
func (g *Gate) Counts() Counts {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.counts
}

// push appends a node to the backlog. The caller holds g.mu.
func (g *Gate) push() *waiter {
	w := g.nodes.Get().(*waiter)
	*w = waiter{prev: g.last, deadline: time.Now().Add(g.wait), settled: make(chan struct{})}
	if g.first == nil {
		g.first = w
		g.timer = time.AfterFunc(g.wait, g.expireFunc)
	} else {
		g.last.next = w
	}
	g.last = w
	g.counts.Waiting++
	return w
}

// call calls queued. If it panics, the request of w leaves the backlog.
func (g *Gate) call(queued func(), w *waiter) {
	returned := false
	defer func() {
		if !returned {
			g.finish(w, true)
		}
	}()
	queued()
	returned = true
}

// finish ends the wait of w. gone reports whether the request's context is done; in that
// case, a place that was handed to the request goes to the next one.
func (g *Gate) finish(w *waiter, gone bool) Outcome {
	g.mu.Lock()
	defer g.mu.Unlock()
	settled := w.phase
	if settled == waiting {
		g.remove(w)
	}
	*w = waiter{}
	g.nodes.Put(w)
	switch {
	case settled == expired:
		g.counts.Expired++
		return Expired
	case !gone:
		return Admitted
	case settled == admitted:
		g.passOn()
	}
	g.counts.Gone++
	return Gone
}

// passOn hands a place to the first request of the backlog, or frees it. The caller
// holds g.mu.
func (g *Gate) passOn() {
	if g.first != nil {
		g.settle(g.first, admitted)
		return
	}
	g.counts.Running--
}

// expire is called by the timer. It removes all requests whose deadline has passed from
// the backlog.
func (g *Gate) expire() {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	for g.first != nil && !g.first.deadline.After(now) {
		g.settle(g.first, expired)
	}
	if g.first != nil {
		g.timer.Reset(g.first.deadline.Sub(now))
	}
}

// settle removes w from the backlog and wakes its goroutine. The caller holds g.mu.
func (g *Gate) settle(w *waiter, to phase) {
	g.remove(w)
	w.phase = to
	close(w.settled)
}

// remove removes w from the backlog. The caller holds g.mu.
func (g *Gate) remove(w *waiter) {
	if w.prev == nil {
		g.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		g.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next = nil, nil
	g.counts.Waiting--
	if g.first == nil {
		g.timer.Stop()
		g.timer = nil
	}
}
