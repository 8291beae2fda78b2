package drain

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"
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
	state    atomic.Int32 // the connection's http.ConnState

	stream *exchange // the request's event stream; guarded by registry.mu
}

// scopeKey is the context key of the innermost scope.
type scopeKey struct{}

// newScope makes a scope inside parent.
func newScope(parent context.Context, r *Registry, conn net.Conn) *scope {
	s := &scope{registry: r, conn: conn}
	s.Context, s.cancel = context.WithCancel(parent)
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
		scoped := req.WithContext(newScope(req.Context(), r, nil))
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
// if it was the request's own, the mark of an event stream, and the record of
// a hijacked connection, which belongs to others from now on.
func (r *Registry) leave(s *scope) {
	r.mu.Lock()
	if s.stream != nil {
		delete(r.exchanges, s.stream)
		s.stream = nil
		r.marked.Add(-1)
	}
	r.mu.Unlock()
	switch {
	case s.conn == nil:
		s.cancel()
	case http.ConnState(s.state.Load()) == http.StateHijacked:
		r.marked.Add(-1)
		r.scopes.Delete(s.conn)
		s.cancel()
	}
}

// connContext gives each new connection its scope, inside the context that
// next makes, if there is a next.
func (r *Registry) connContext(next func(context.Context, net.Conn) context.Context) func(context.Context, net.Conn) context.Context {
	return func(ctx context.Context, conn net.Conn) context.Context {
		if next != nil {
			ctx = next(ctx, conn)
		}
		s := newScope(ctx, r, conn)
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
	switch state {
	case http.StateClosed:
		r.scopes.Delete(s.conn)
		s.cancel()
		r.open.Add(-1)
		r.settle()
	case http.StateHijacked:
		// Until its handler returns, the handler is what there is to wait
		// for, and the connection what there is to cut.
		r.marked.Add(1)
		r.open.Add(-1)
	default:
		if r.draining.Load() {
			r.closeUnused(s)
		}
	}
}

// closeUnused closes a connection that serves no request, during a drain.
//
// A new one goes at once. net/http would wait up to five seconds for its
// first request, only to drop that request unanswered. Idle ones net/http
// closes itself, in HTTP/2 after the peer had time to see it coming; one that
// is still there after idleGrace needs more force.
func (r *Registry) closeUnused(s *scope) {
	switch http.ConnState(s.state.Load()) {
	case http.StateNew:
		closeNow(s.conn)
	case http.StateIdle:
		time.AfterFunc(idleGrace, func() {
			if http.ConnState(s.state.Load()) == http.StateIdle {
				closeNow(s.conn)
			}
		})
	}
}
