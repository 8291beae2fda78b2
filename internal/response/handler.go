package response

import (
	"context"
	"net/http"

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
}

// NewHandler returns the handler of a server that drain ends. trusted contains the
// proxies that are trusted for every request; it may be nil.
func NewHandler(next http.Handler, drain *shutdown.Registry, trusted *clientip.Set) *Handler {
	return &Handler{next: next, drain: drain, trusted: trusted, around: surroundings{drain: drain}}
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := h.drain.Begin(r)
	defer call.End()
	turn := Observe(w, call.Request)
	defer turn.End()
	turn.Writer.headerAccess.Store(headerUnused) // no outer middleware can have the map
	if turn.Writer.around == nil {
		turn.Writer.around = &h.around
	}
	h.next.ServeHTTP(turn.Writer, turn.Request)
	turn.Returned = true
}

// Stopping reports whether the server of the request with context ctx has begun to stop.
// It returns false if the request did not come through a [Handler].
func Stopping(ctx context.Context) bool {
	h := handlerOf(ctx)
	return h != nil && h.drain.Stopping()
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
