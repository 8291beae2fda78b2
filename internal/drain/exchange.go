package drain

import "context"

// A Kind says what a long-lived exchange is, for the error of a drain that
// has to cut it.
type Kind int

// The kinds of exchanges.
const (
	WebSocket Kind = iota
	EventStream
)

// An exchange is something on a connection that goes on until it is told to
// end.
type exchange struct {
	kind Kind
	stop func(context.Context)
}

// Add registers an exchange that was begun by the request with context ctx
// and outlives ordinary requests. Drain waits for it until remove is called,
// whether or not the request's handler has returned.
//
// When the drain begins, stop is called once, in its own goroutine, and at
// once if the drain has begun already. It should ask the peer to end the
// exchange and return when that is done or its context ends, at which point
// it must let go of the connection.
//
// Remove may be called more than once and from any goroutine, stop included.
// If ctx does not come from a server with a [Registry], stop is never called
// and remove does nothing.
func Add(ctx context.Context, kind Kind, stop func(ctx context.Context)) (remove func()) {
	s := scopeOf(ctx)
	if s == nil {
		return func() {}
	}
	r, e := s.registry, &exchange{kind: kind, stop: stop}
	r.mu.Lock()
	r.add(e)
	r.mu.Unlock()
	return func() {
		r.mu.Lock()
		delete(r.exchanges, e)
		r.mu.Unlock()
		r.settle()
	}
}

// Stream registers the request with context ctx as an event stream: when the
// drain begins, and at once if it has begun, the request's context is
// cancelled, and that of no other request on its connection. The
// registration ends when the request's handler returns. Calling Stream again
// for the same request changes nothing.
//
// It reports whether ctx comes from a server with a [Registry]; otherwise
// nothing will cancel the request's context but what always does.
func Stream(ctx context.Context) bool {
	s := scopeOf(ctx)
	if s == nil {
		return false
	}
	r := s.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.stream == nil {
		s.stream = &exchange{kind: EventStream, stop: func(context.Context) { s.cancel() }}
		r.marked.Add(1)
		r.add(s.stream)
	}
	return true
}

// add records e, and tells it to end if the drain has begun.
// The caller holds r.mu.
func (r *Registry) add(e *exchange) {
	r.exchanges[e] = struct{}{}
	if r.stopping {
		r.stop(e)
	}
}

// stop tells e to end and does not wait for it. The caller holds r.mu.
func (r *Registry) stop(e *exchange) {
	r.stops.Add(1)
	go func() {
		defer r.settle()
		defer r.stops.Add(-1)
		e.stop(r.stopCtx)
	}()
}
