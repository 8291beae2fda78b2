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
	cw, owned := Observe(w, call.Request)
	observed := observation{w: owned}
	defer observed.end()
	h.Next.ServeHTTP(cw, call.Request)
	observed.returned = true
}

// An observation is the use of a Writer by one handler.
type observation struct {
	w        *Writer
	returned bool // rather than panicked
}

// end is deferred as a method, not as a closure, so that it is named in the
// trace of a panic.
func (o *observation) end() { o.w.End(o.returned) }
