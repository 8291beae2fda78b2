package shutdown

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
)

// A scope is a context that one request at a time runs in and that can be
// cancelled for this request alone: an HTTP/1.x connection, which costs
// nothing per request, or an HTTP/2 stream, whose connection it shares with
// others.
type scope struct {
	context.Context
	cancel   context.CancelFunc
	registry *Registry
	conn     net.Conn     // nil for a stream
	parent   *scope       // of a stream: its connection
	state    atomic.Int32 // the connection's http.ConnState
	running  atomic.Int32 // handlers of the connection's streams
	changes  atomic.Int64 // of state and running
	streamed atomic.Bool  // an event stream was sent since the connection was idle

	stream *Stream   // the request's event stream; guarded by registry.mu
	socket *exchange // the request's WebSocket, ended or not; likewise
}

// scopeKey is the context key of the innermost scope.
type scopeKey struct{}

// newScope makes a scope inside ctx, of the connection conn, or of a stream
// of the connection that the scope parent is of.
func newScope(ctx context.Context, r *Registry, conn net.Conn, parent *scope) *scope {
	s := &scope{registry: r, conn: conn, parent: parent}
	s.Context, s.cancel = context.WithCancel(ctx)
	return s
}

// scopeOf returns the innermost scope of ctx, nil if it has none.
func scopeOf(ctx context.Context) *scope {
	s, _ := ctx.Value(scopeKey{}).(*scope)
	return s
}

// Value makes the scope findable through every context derived from it.
func (s *scope) Value(key any) any {
	if _, ok := key.(scopeKey); ok {
		return s
	}
	return s.Context.Value(key)
}

// connection returns the scope of the connection that s is of, or is on.
func (s *scope) connection() *scope {
	if s.parent != nil {
		return s.parent
	}
	return s
}

// drop ends the request in s, and closes the connection if s is of one.
func (s *scope) drop() {
	s.cancel()
	if s.conn != nil {
		_ = CloseNow(s.conn) // fails if it is closed already, which is fine
	}
}

// handler counts the running requests of next and gives those of HTTP/2 a
// scope. It allocates nothing for a request of HTTP/1.x.
func (r *Registry) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.active.Add(1)
		if req.ProtoMajor < 2 {
			defer r.returned(req)
			next.ServeHTTP(w, req)
			return
		}
		connection := scopeOf(req.Context())
		scoped := req.WithContext(newScope(req.Context(), r, nil, connection))
		if connection != nil {
			connection.changes.Add(1)
			connection.running.Add(1)
		}
		defer func() {
			req.MultipartForm = scoped.MultipartForm // for net/http to remove its files
			r.returned(scoped)
		}()
		next.ServeHTTP(w, scoped)
	})
}

// returned does what is due when the handler of req has returned.
func (r *Registry) returned(req *http.Request) {
	// On HTTP/1.x, finding the scope takes longer than all the rest, and most
	// servers most of the time have none that matters.
	if req.ProtoMajor >= 2 || r.marked.Load() > 0 {
		if s := scopeOf(req.Context()); s != nil {
			r.leave(s)
		}
	}
	r.active.Add(-1)
	r.settle()
}

// leave ends what a request has left behind in its scope: the scope itself
// if it was the request's own, the record of an event stream, and that of a
// hijacked connection, which belongs to others from now on.
func (r *Registry) leave(s *scope) {
	r.mu.Lock()
	stream := s.stream
	if stream != nil {
		r.forgetStream(s)
	}
	r.mu.Unlock()
	stream.Close()
	if s.parent != nil {
		s.parent.running.Add(-1)
		s.parent.changes.Add(1)
	}
	switch {
	case s.conn == nil:
		s.cancel()
	case http.ConnState(s.state.Load()) == http.StateHijacked:
		r.marked.Add(-1)
		r.scopes.Delete(s.conn)
		s.cancel()
		return
	}
	if c := s.connection(); c.conn != nil && r.reached(draining) {
		r.endConnection(c)
	}
}

// forgetStream drops the record of the event stream in s. The caller holds
// r.mu.
func (r *Registry) forgetStream(s *scope) {
	delete(r.exchanges, &s.stream.exchange)
	s.stream = nil
	r.marked.Add(-1)
}

// connContext gives each new connection its scope, inside the context that
// next makes, if there is a next.
func (r *Registry) connContext(next func(context.Context, net.Conn) context.Context) func(context.Context, net.Conn) context.Context {
	return func(ctx context.Context, conn net.Conn) context.Context {
		if next != nil {
			ctx = next(ctx, conn)
		}
		s := newScope(ctx, r, conn, nil)
		r.scopes.Store(conn, s)
		r.open.Add(1)
		return s
	}
}

// connState follows the connections, then calls next, if there is a next.
func (r *Registry) connState(next func(net.Conn, http.ConnState)) func(net.Conn, http.ConnState) {
	return func(conn net.Conn, state http.ConnState) {
		if v, ok := r.scopes.Load(conn); ok {
			r.follow(v.(*scope), state)
		}
		if next != nil {
			next(conn, state)
		}
	}
}

// follow records that the connection of s has changed to state.
func (r *Registry) follow(s *scope, state http.ConnState) {
	s.state.Store(int32(state))
	s.changes.Add(1)
	switch state {
	case http.StateClosed:
		r.scopes.Delete(s.conn)
		s.cancel()
		r.open.Add(-1)
		r.settle()
		return
	case http.StateHijacked:
		// Until its handler returns, the handler is what there is to wait
		// for, and the connection what there is to cut.
		r.marked.Add(1)
		r.open.Add(-1)
	case http.StateIdle:
		s.streamed.Store(false)
	}
	if r.reached(draining) {
		r.endConnection(s)
	}
}

// endConnection sees to it, during a drain, that a connection ends which has
// nothing to finish. It is called for each of them when the drain begins, and
// when one changes.
//
// A new one goes at once. net/http would wait up to five seconds for its
// first request, only to drop that request unanswered. Idle ones net/http
// closes itself, in HTTP/2 after the peer had time to see it coming; one that
// is still there after idleGrace needs more force.
func (r *Registry) endConnection(s *scope) {
	switch http.ConnState(s.state.Load()) {
	case http.StateNew:
		_ = CloseNow(s.conn) // fails if it is closed already, which is fine
	case http.StateIdle:
		r.after(idleGrace, func() {
			if http.ConnState(s.state.Load()) == http.StateIdle {
				_ = CloseNow(s.conn) // fails if it is closed already, which is fine
			}
		})
	case http.StateHijacked:
		r.after(Grace, func() {
			if _, ours := r.scopes.Load(s.conn); ours { // the handler has not returned
				s.drop()
			}
		})
	case http.StateActive:
		r.endTail(s)
	}
}

// endTail closes a connection if all that is left to send on it is the end of
// an event stream, and the peer does not take that.
func (r *Registry) endTail(s *scope) {
	before := s.changes.Load()
	r.mu.Lock()
	due := s.streamed.Load() && s.stream == nil && s.running.Load() == 0
	r.mu.Unlock()
	if !due {
		return
	}
	r.after(Grace, func() {
		if s.changes.Load() == before {
			_ = CloseNow(s.conn) // fails if it is closed already, which is fine
		}
	})
}
