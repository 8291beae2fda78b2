package shutdown

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"
)

// Delay lets the server go on for d before a drain, so that load balancers notice
// that it is stopping. From now on, [Registry.Stopping] returns true. Delay returns
// when d has passed since its first call, when ctx is done, when failed is closed, or
// when [Registry.Drain] is called by another goroutine. The caller must then call
// Drain.
//
// After d, Delay stops listening. It then gives the connections that were accepted last
// up to arrivalTime to send their first requests, so that the drain does not drop them.
//
// Until then, the listener and the idle connections stay open. Do not replace this by a call of
// [net/http.Server.SetKeepAlivesEnabled]: it closes the idle connections
// immediately, and a request that a proxy is sending on one of them is lost.
//
// During the second half of d, Delay asks the exchanges that go on to end, one at a
// time, so that their clients do not all reconnect at the same moment, and so that
// they reconnect to another server. An exchange that begins after that ends with the
// drain.
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

// arrivalTime is how long a new connection may take to send its first request when the
// server stops listening.
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

// expectsRequests reports whether there is a connection of HTTP/1.x, or one whose protocol
// is not known yet, on which no handler has been called.
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

// noteArrival lets delay check again what it waits for.
func (r *Registry) noteArrival() {
	if r.reached(delaying) {
		select {
		case r.arrivals <- struct{}{}:
		default: // it has not seen the last one yet
		}
	}
}

// openExchanges returns the exchanges that have not ended.
func (r *Registry) openExchanges() []*exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.exchanges))
}
