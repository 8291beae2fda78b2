package response

import (
	"net/http"

	"github.com/stanza-go/framework/pkg/http/internal/shutdown"
)

// A Handler is the outermost handler of a server. For each request, it tells
// the Registry when the handler has returned, so that a drain can wait for it,
// and provides the [Writer] that the middleware share. Through the Writer,
// code that has only a ResponseWriter finds the request.
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
	h.Next.ServeHTTP(turn.Writer, turn.Request)
	turn.Returned = true
}
