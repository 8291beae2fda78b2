package response

import (
	"net/http"

	"github.com/stanza-go/framework/pkg/http/internal/shutdown"
)

// A Handler is the outermost handler of a server. It counts each request in the
// Registry, so that a drain waits for it, and calls Next with the [Writer] that
// all middleware share. Code that has only a ResponseWriter, such as an event
// stream, finds the request through the Writer.
//
// It is safe for concurrent use by multiple goroutines.
type Handler struct {
	Next     http.Handler
	Registry *shutdown.Registry
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := h.Registry.Begin(r)
	defer call.End()
	turn := Observe(w, call.Request)
	defer turn.End()
	turn.Writer.headerAccess.Store(headerUnused) // no outer middleware can have the map
	h.Next.ServeHTTP(turn.Writer, turn.Request)
	turn.Returned = true
}
