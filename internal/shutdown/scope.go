package shutdown

import (
	"context"
	"math"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
)

// A scope is the context of one request at a time, and can be canceled without
// affecting other requests. It belongs either to an HTTP/1.x connection, where
// it costs nothing per request, or to one HTTP/2 stream. An HTTP/2 connection
// has a scope too, the parent of the scopes of its streams.
type scope struct {
	context.Context
	cancel   context.CancelFunc
	registry *Registry
	conn     net.Conn // nil for an HTTP/2 stream
	parent   *scope   // the connection of an HTTP/2 stream; otherwise nil

	state     atomic.Int32 // of the connection, as an http.ConnState
	running   atomic.Int32 // number of running handlers of the connection's HTTP/2 streams
	changes   atomic.Int64 // counts the changes of state and running
	used      atomic.Bool  // a handler has been called for a request of the connection
	hadStream atomic.Bool  // an event stream was sent since the connection was last idle

	request atomic.Pointer[reqstate.State] // of the running request, or nil if there is none or it is not known
	method  atomic.Int32                   // of the running request, see indexOfMethod

	streamsMu sync.Mutex
	streams   map[*scope]struct{} // of an HTTP/2 connection, with running handlers; guarded by streamsMu

	undelivered time.Duration // limit set by limitUndelivered, or 0; guarded by registry.mu

	stream *Stream   // the request's event stream, or nil; guarded by registry.mu
	socket *exchange // the request's WebSocket, even if it has ended, or nil; guarded by registry.mu
}

// scopeKey is the context key of the innermost scope.
type scopeKey struct{}

// newScope returns a scope inside ctx. It belongs to the connection conn or, if
// conn is nil, to an HTTP/2 stream of the connection of parent.
func newScope(ctx context.Context, r *Registry, conn net.Conn, parent *scope) *scope {
	s := &scope{registry: r, conn: conn, parent: parent}
	s.Context, s.cancel = context.WithCancel(ctx)
	return s
}

// scopeOf returns the innermost scope of ctx, or nil.
func scopeOf(ctx context.Context) *scope {
	s, _ := ctx.Value(scopeKey{}).(*scope)
	return s
}

// Value returns s itself for scopeKey. Other keys are looked up in the context
// that s was derived from.
func (s *scope) Value(key any) any {
	if _, ok := key.(scopeKey); ok {
		return s
	}
	return s.Context.Value(key)
}

// NetConn returns the connection of an HTTP/1.x request with context ctx. It returns
// nil for HTTP/2, and if the server has no [Registry].
func NetConn(ctx context.Context) net.Conn {
	if s := scopeOf(ctx); s != nil {
		return s.conn
	}
	return nil
}

// connection returns the scope of the connection: s or its parent.
func (s *scope) connection() *scope {
	if s.parent != nil {
		return s.parent
	}
	return s
}

// addStream adds an HTTP/2 stream to its connection.
func (s *scope) addStream(stream *scope) {
	s.streamsMu.Lock()
	defer s.streamsMu.Unlock()
	if s.streams == nil {
		s.streams = make(map[*scope]struct{})
	}
	s.streams[stream] = struct{}{}
}

// removeStream removes an HTTP/2 stream from its connection.
func (s *scope) removeStream(stream *scope) {
	s.streamsMu.Lock()
	defer s.streamsMu.Unlock()
	delete(s.streams, stream)
}

// drop cancels the request of s. If s belongs to a connection, drop closes it.
func (s *scope) drop() {
	s.cancel()
	if s.conn != nil {
		s.close()
	}
}

// close closes the connection of s immediately.
func (s *scope) close() {
	_ = CloseNow(s.conn) // fails only if it is closed already
}

// CloseNow closes a connection without a TLS close notification, which would
// wait up to five seconds for a peer that does not read. If conn has a NetConn
// method, as a [crypto/tls.Conn] does, the connection that it returns is closed first.
// Closing conn then fails or returns at once, but lets it do its bookkeeping.
//
// CloseNow returns the error of closing the innermost connection.
func CloseNow(conn net.Conn) error {
	outer, ok := conn.(interface{ NetConn() net.Conn })
	if !ok {
		return conn.Close()
	}
	err := CloseNow(outer.NetConn())
	_ = conn.Close() // expected to fail: it can no longer write
	return err
}

// connContext is the server's ConnContext. It gives each connection its scope.
func (r *Registry) connContext(ctx context.Context, conn net.Conn) context.Context {
	if r.nextConnContext != nil {
		ctx = r.nextConnContext(ctx, conn)
	}
	s := newScope(ctx, r, conn, nil)
	r.scopes.Store(conn, s)
	r.connections.Add(1)
	return s
}

// connState is the server's ConnState. It follows each connection's state.
func (r *Registry) connState(conn net.Conn, state http.ConnState) {
	if v, ok := r.scopes.Load(conn); ok {
		r.setState(v.(*scope), state)
	}
	if r.nextConnState != nil {
		r.nextConnState(conn, state)
	}
}

// setState records that the connection of s has changed to state.
func (r *Registry) setState(s *scope, state http.ConnState) {
	s.state.Store(int32(state))
	s.changes.Add(1)
	r.noteArrival()
	switch state {
	case http.StateClosed:
		r.scopes.Delete(s.conn)
		s.cancel()
		r.connections.Add(-1)
		r.finishIfIdle()
		return
	case http.StateHijacked:
		// Until the handler returns, the drain waits for it, and the scope stays
		// registered, so that the drain can drop or cut the connection.
		r.longLived.Add(1)
		r.connections.Add(-1)
	case http.StateIdle:
		if s.hadStream.Swap(false) {
			s.resetUndelivered()
		}
		if r.reached(delaying) && s.Err() != nil {
			// An event stream was stopped during the delay. The context of another
			// request on the connection would be canceled from the beginning.
			s.close()
			return
		}
	}
	if r.reached(draining) {
		r.drainConnection(s)
	}
}

// noLimit is the limit of streams that have none.
const noLimit = math.MaxInt64

// limitUndelivered limits how long bytes may stay unacknowledged. If the connection is
// shared by several streams, an earlier limit that is longer remains. The scope is that
// of a connection.
func (s *scope) limitUndelivered(d time.Duration, shared bool) {
	r := s.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if d <= 0 {
		d = noLimit
	}
	if shared {
		d = max(d, s.undelivered)
	}
	if d == s.undelivered {
		return
	}
	if s.undelivered = d; d == noLimit {
		d = 0
	}
	setUndeliveredLimit(s.conn, d)
}

// resetUndelivered removes the limit, for requests that are not event streams.
func (s *scope) resetUndelivered() {
	r := s.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	s.undelivered = 0
	setUndeliveredLimit(s.conn, 0)
}

// drainConnection makes sure that the connection of s ends if it has nothing to
// finish. It is called for every connection when the drain begins, and after that
// for each connection that changes.
//
// A new connection is closed immediately: net/http would wait up to five
// seconds for its first request, and then drop the request without a response.
// net/http closes idle connections. In HTTP/2 it sends GOAWAY first, so they
// are closed by force only after idleGrace.
func (r *Registry) drainConnection(s *scope) {
	switch http.ConnState(s.state.Load()) {
	case http.StateNew:
		s.close()
	case http.StateIdle:
		r.after(idleGrace, s.closeIfIdle)
	case http.StateHijacked:
		r.after(Grace, s.dropIfOpen)
	case http.StateActive:
		r.watchStreamEnd(s)
	}
}

func (s *scope) closeIfIdle() {
	if http.ConnState(s.state.Load()) == http.StateIdle {
		s.close()
	}
}

// dropIfOpen drops a hijacked connection unless its handler has returned.
func (s *scope) dropIfOpen() {
	if _, ok := s.registry.scopes.Load(s.conn); ok {
		s.drop()
	}
}

// watchStreamEnd closes an active connection after Grace if the only thing left
// to send is the end of an event stream, and the client does not read it.
func (r *Registry) watchStreamEnd(s *scope) {
	before := s.changes.Load()
	r.mu.Lock()
	onlyEndLeft := s.hadStream.Load() && s.stream == nil && s.running.Load() == 0
	r.mu.Unlock()
	if !onlyEndLeft {
		return
	}
	r.after(Grace, func() {
		if s.changes.Load() == before {
			s.close()
		}
	})
}
