package shutdown

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
	kind  Kind
	scope *scope // of the request that began it
	stop  func(context.Context)
}

// Add registers an exchange that was begun by the request with context ctx,
// has taken over the request's connection, and outlives ordinary requests.
// Drain waits for it until remove is called, whether or not the request's
// handler has returned.
//
// When the drain begins, stop is called once, in its own goroutine, and at
// once if the drain has begun already. It should ask the peer to end the
// exchange and return when that is done or its context ends, after [Grace] at
// the latest. If remove was not called by then, the drain closes the
// connection and waits for the exchange no longer.
//
// Remove may be called more than once and from any goroutine, stop included.
// If ctx does not come from a server with a [Registry], stop is never called
// and remove does nothing.
func Add(ctx context.Context, kind Kind, stop func(ctx context.Context)) (remove func()) {
	s := scopeOf(ctx)
	if s == nil {
		return func() {}
	}
	e := &exchange{kind: kind, scope: s, stop: stop}
	s.registry.add(e)
	return func() { s.registry.remove(e) }
}

// add records e, and tells it to end if the drain has begun.
func (r *Registry) add(e *exchange) {
	r.mu.Lock()
	r.exchanges[e] = struct{}{}
	if e.kind == WebSocket {
		e.scope.socket = e
	}
	late := r.reached(draining)
	r.mu.Unlock()
	if late {
		r.tell(e)
	}
}

// remove drops the record of e.
func (r *Registry) remove(e *exchange) {
	r.mu.Lock()
	delete(r.exchanges, e)
	r.mu.Unlock()
	r.settle()
}

// tell asks e to end and does not wait for it.
func (r *Registry) tell(e *exchange) {
	if e.kind == WebSocket {
		r.after(Grace, func() { r.abandon(e) })
	}
	r.help(func() {
		ctx, cancel := context.WithTimeout(r.ctx, Grace)
		defer cancel()
		e.stop(ctx)
	})
}

// abandon closes the connection of e, if e has not ended, and waits for it no
// longer.
func (r *Registry) abandon(e *exchange) {
	r.mu.Lock()
	_, unanswered := r.exchanges[e]
	delete(r.exchanges, e)
	r.mu.Unlock()
	if unanswered {
		e.scope.drop()
	}
	r.settle()
}
