package shutdown

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"
)

// Delay keeps the server serving requests for d before a drain, so that load balancers
// notice that it is stopping. [Registry.Stopping] returns true from now on. The caller must
// call [Registry.Drain] when Delay has returned.
//
// When d has passed since the first call, Delay stops listening. It then waits for the first
// requests of the connections that were accepted last, but for at most arrivalTime, so that
// the drain does not drop them. Delay returns early if ctx is done, if failed is closed, or
// if another goroutine calls Drain.
//
// The listener stays open for d, and idle connections stay open until the drain. Do not call
// [net/http.Server.SetKeepAlivesEnabled] instead: it closes idle connections immediately, and
// a request that a proxy is sending on one of them is lost.
//
// In the middle of d, Delay lists the open exchanges, and asks them to end one at a time
// during the second half. Their clients then do not all reconnect at the same moment, and
// reconnect to other servers. Exchanges that begin later are asked to end by the drain.
func (r *Registry) Delay(ctx context.Context, d time.Duration, listener *Listener, failed <-chan struct{}) {
	if r.advance(delaying) {
		r.start(func() { r.delay(d, listener) })
	}
	select {
	case <-r.delayed:
	case <-failed:
	case <-ctx.Done():
	}
}

// Stopping reports whether [Registry.Delay] or [Registry.Drain] has been called.
func (r *Registry) Stopping() bool { return r.reached(delaying) }

// arrivalTime is how long Delay waits after d, while it closes the listener and until each
// new connection has sent its first request.
const arrivalTime = time.Second

// delay stops exchanges during the second half of d, stops listening after d, and ends the
// delay.
func (r *Registry) delay(d time.Duration, listener *Listener) {
	defer r.endDelay()
	began := time.Now()
	timer := time.NewTimer(d / 2)
	defer timer.Stop()
	wait := func(until time.Duration) (over bool) {
		timer.Reset(until - time.Since(began))
		select {
		case <-timer.C:
			return false
		case <-r.delayed:
			return true
		}
	}
	if wait(d / 2) {
		return
	}
	exchanges := r.openExchanges()
	next, interval := d/2, (d-d/2)/time.Duration(max(1, len(exchanges)))
	for _, e := range exchanges {
		if wait(next) {
			return
		}
		r.stop(e)
		next += interval
	}
	if wait(d) {
		return
	}
	deadline := time.Since(began) + arrivalTime
	listener.stop()
	for r.expectsRequests() {
		timer.Reset(deadline - time.Since(began))
		select {
		case <-r.arrivals:
		case <-timer.C:
			return
		case <-r.delayed:
			return
		}
	}
}

// expectsRequests reports whether a connection whose protocol is HTTP/1.x or is not known
// yet is waiting for its first call of a handler.
func (r *Registry) expectsRequests() bool {
	expects := false
	r.scopes.Range(func(_, v any) bool {
		s := v.(*scope)
		state := http.ConnState(s.state.Load())
		expects = state == http.StateNew || state == http.StateActive && !s.used.Load()
		return !expects
	})
	return expects
}

// noteArrival wakes delay, if it is waiting for first requests.
func (r *Registry) noteArrival() {
	if r.reached(delaying) {
		select {
		case r.arrivals <- struct{}{}:
		default: // delay will wake up already
		}
	}
}

// openExchanges returns the exchanges that have not ended.
func (r *Registry) openExchanges() []*exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.exchanges))
}
