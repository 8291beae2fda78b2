package shutdown

import "context"

// A kind is a kind of exchange. The error of a drain that was cut counts each kind
// separately.
type kind int

const (
	webSocket kind = iota
	eventStream
)

// An exchange is a WebSocket or an event stream. Either may continue until it is
// stopped. It has ended when it is no longer in the Registry's exchanges.
type exchange struct {
	kind  kind
	scope *scope // of the request that started it
	route string // of that request, or ""
	stop  func(context.Context)

	stopped bool // stop has been called or will be; guarded by the Registry's mu
}

// AddWebSocket registers a WebSocket that has taken over the connection of the
// request with context ctx. [Registry.Drain] waits until remove is called, even if
// the request's handler has returned.
//
// When the drain begins, or immediately if it has already begun, stop is called
// once, in a new goroutine. stop should ask the peer to close the WebSocket, and
// return when it is closed or when the context of stop is done, which is after
// [Grace] at the latest. If remove has not been called within Grace, the drain closes
// the connection and no longer waits for the WebSocket.
//
// remove may be called more than once and by multiple goroutines, including by
// stop. If the server has no [Registry], stop is never called and remove does
// nothing.
func AddWebSocket(ctx context.Context, stop func(ctx context.Context)) (remove func()) {
	s := scopeOf(ctx)
	if s == nil {
		return func() {}
	}
	e := &exchange{kind: webSocket, scope: s, route: s.route(), stop: stop}
	s.registry.add(e)
	return func() { s.registry.remove(e) }
}

// add adds e, a WebSocket, to the exchanges, and stops it if the drain has begun.
func (r *Registry) add(e *exchange) {
	r.mu.Lock()
	r.exchanges[e] = struct{}{}
	e.scope.socket = e
	late := r.reached(draining)
	r.mu.Unlock()
	if late {
		r.stop(e)
	}
}

// remove removes e from the exchanges.
func (r *Registry) remove(e *exchange) {
	r.mu.Lock()
	delete(r.exchanges, e)
	r.mu.Unlock()
	r.finishIfIdle()
}

// stop asks e to end, unless it has been asked before or has ended. It does not wait
// until e has ended.
func (r *Registry) stop(e *exchange) {
	if !r.markStopped(e) {
		return
	}
	if e.kind == webSocket {
		r.after(Grace, func() { r.drop(e) })
	}
	r.start(func() {
		ctx, cancel := context.WithTimeout(r.taskContext, Grace)
		defer cancel()
		e.stop(ctx)
	})
}

// markStopped marks e as stopped, and reports whether the caller must stop it. If e is an
// event stream, markStopped cancels the request's context. It does both with mu held, so it cannot
// cancel the next request on the same HTTP/1.x connection, which begins only after the
// stream was removed.
func (r *Registry) markStopped(e *exchange) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, left := r.exchanges[e]; !left || e.stopped {
		return false
	}
	e.stopped = true
	if e.kind == eventStream {
		e.scope.cancel()
	}
	return true
}

// drop removes e and closes its connection, unless e has ended.
func (r *Registry) drop(e *exchange) {
	r.mu.Lock()
	_, left := r.exchanges[e]
	delete(r.exchanges, e)
	r.mu.Unlock()
	if left {
		e.scope.drop()
	}
	r.finishIfIdle()
}
