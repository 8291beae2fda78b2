package response

import (
	"context"
	"net/http"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/clientip"
	"github.com/stanza-go/framework/pkg/http/internal/shutdown"
)

// A Handler is the outermost handler of a server. It counts each request in the
// Registry, so that a drain waits for it, and calls Next with the [Writer] that
// all middleware share. Code that has only a ResponseWriter, such as an event
// stream, finds the request through the Writer.
//
// Create a Handler with [NewHandler]. It is safe for concurrent use by multiple
// goroutines.
type Handler struct {
	next    http.Handler
	drain   *shutdown.Registry
	trusted *clientip.Set
	around  surroundings // of every Writer

	readTimeout  time.Duration // the server's
	writeTimeout time.Duration // for requests with a body, or 0 if the server's applies

	// lateBody is the least time from the end of a request's header to its read deadline.
	lateBody time.Duration
}

// bodyResponseTime is how much longer than the read timeout the write timeout must be, so
// that a client that sends its body too slowly still gets a response.
const bodyResponseTime = 5 * time.Second

// NewHandler returns the outermost handler for server, which calls the server's current
// handler. drain is the server's Registry. The timeouts of the server must not change
// afterwards. trusted contains the proxies that are trusted for every request; it may be nil.
func NewHandler(server *http.Server, drain *shutdown.Registry, trusted *clientip.Set) *Handler {
	h := &Handler{next: server.Handler, drain: drain, trusted: trusted, around: surroundings{drain: drain}}
	h.readTimeout, h.lateBody = server.ReadTimeout, server.ReadTimeout/2
	if header := server.ReadHeaderTimeout; header > 0 && header < server.ReadTimeout {
		h.lateBody = server.ReadTimeout - header
	}
	if least := h.readTimeout + bodyResponseTime; server.WriteTimeout > 0 && h.readTimeout > 0 && server.WriteTimeout < least {
		h.writeTimeout = least
	}
	return h
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := h.drain.Begin(r)
	defer call.End()
	turn := observeFirst(w, call.Request)
	defer turn.End()
	call.SetState(turn.Writer.spareState.Load())
	turn.Writer.headerAccess.Store(headerUnused) // no outer middleware can have the map
	if turn.Writer.around == nil {
		turn.Writer.around = &h.around
	}
	if h.readTimeout > 0 && hasBody(r) {
		h.serveBody(w, &turn)
	} else {
		h.next.ServeHTTP(turn.Writer, turn.Request)
	}
	turn.Returned = true
}

// serveBody calls the next handler for a request with a body, whose client may be slow.
func (h *Handler) serveBody(w http.ResponseWriter, turn *Turn) {
	start := time.Now()
	if h.writeTimeout > 0 {
		if server, ok := w.(interface{ SetWriteDeadline(time.Time) error }); ok {
			_ = server.SetWriteDeadline(start.Add(h.writeTimeout)) // the connection may have failed
		}
	}
	h.next.ServeHTTP(turn.Writer, turn.Request)
	if time.Since(start) >= h.lateBody {
		closeAfterLateBody(turn.Writer, turn.Request)
	}
}

// Stopping reports whether the server of the request with context ctx has begun to stop.
// It returns false if the request did not come through a [Handler].
func Stopping(ctx context.Context) bool {
	h := handlerOf(ctx)
	return h != nil && h.drain.Stopping()
}

// TrustedByServer returns the proxies that are trusted for every request of the server of
// the request with context ctx. It returns nil if the request did not come through a
// [Handler].
func TrustedByServer(ctx context.Context) *clientip.Set {
	if h := handlerOf(ctx); h != nil {
		return h.trusted
	}
	return nil
}

// handlerOf returns the Handler of the server that the request with context ctx came
// through, or nil.
func handlerOf(ctx context.Context) *Handler {
	server, ok := ctx.Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return nil
	}
	h, _ := server.Handler.(*Handler)
	return h
}
