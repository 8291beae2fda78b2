package shutdown

import (
	"net/http"

	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
)

// A Call is one call of the server's handler. It is not safe for concurrent
// use.
type Call struct {
	// Request is the request to pass on. For HTTP/2 it is a copy, whose context
	// can be canceled without affecting the connection's other requests.
	Request *http.Request

	registry *Registry
	original *http.Request // as net/http passed it
	scope    *scope        // of the request, or nil if Drain cannot name its route
}

// Begin counts a request whose handler is about to run. The caller must pass
// on the Request of the returned Call, and must call End when the handler has
// returned or panicked:
//
//	call := registry.Begin(r)
//	defer call.End()
//	next.ServeHTTP(w, call.Request)
//
// It allocates nothing for a request of HTTP/1.x.
func (r *Registry) Begin(req *http.Request) Call {
	r.handlers.Add(1)
	connection := scopeOf(req.Context())
	if connection != nil && !connection.used.Load() {
		connection.used.Store(true)
		r.noteArrival()
	}
	if req.ProtoMajor < 2 {
		return Call{Request: req, registry: r, original: req, scope: connection}
	}
	stream := newScope(req.Context(), r, nil, connection)
	if connection != nil {
		connection.changes.Add(1)
		connection.running.Add(1)
		connection.addStream(stream)
	}
	return Call{Request: req.WithContext(stream), registry: r, original: req, scope: stream}
}

// SetState sets the State in which the router will store the request's pattern, so that
// the error of a drain can name the route. state must not be reused for another request.
func (c *Call) SetState(state *reqstate.State) {
	if c.scope != nil {
		c.scope.method.Store(indexOfMethod(c.original.Method))
		c.scope.request.Store(state)
	}
}

// End ends the request's event stream, if it has one, and continues a drain
// that waits for the handler.
func (c *Call) End() {
	if c.Request != c.original {
		// net/http removes the temporary files of the form in its own request.
		c.original.MultipartForm = c.Request.MultipartForm
	}
	r := c.registry
	if s := c.scope; s != nil {
		s.request.Store(nil) // an idle connection must not keep it
		if s.conn == nil || r.longLived.Load() > 0 {
			r.leave(s)
		}
	}
	r.handlers.Add(-1)
	r.finishIfIdle()
}

// leave cleans up the scope of a request whose handler has returned: it
// removes the request's event stream, ends the scope of an HTTP/2 stream, and
// forgets a hijacked connection. From then on, the drain waits only for the
// WebSocket on such a connection, if there is one.
func (r *Registry) leave(s *scope) {
	r.mu.Lock()
	stream := s.stream
	if stream != nil {
		r.removeStream(s)
	}
	r.mu.Unlock()
	stream.Close()
	if s.parent != nil {
		s.parent.removeStream(s)
		s.parent.running.Add(-1)
		s.parent.changes.Add(1)
	}
	switch {
	case s.conn == nil:
		s.cancel()
	case http.ConnState(s.state.Load()) == http.StateHijacked:
		r.longLived.Add(-1)
		r.scopes.Delete(s.conn)
		s.cancel()
		return
	}
	if c := s.connection(); c.conn != nil && r.reached(draining) {
		r.drainConnection(c)
	}
}
