package stacks_test

import (
	nethttp "net/http"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/compare/stacks"
)

// writer drops a response and remembers its status, at no cost.
type writer struct {
	header nethttp.Header
	status int
}

func (w *writer) Header() nethttp.Header      { return w.header }
func (w *writer) Write(p []byte) (int, error) { return len(p), nil }
func (w *writer) WriteHeader(status int)      { w.status = status }
func (w *writer) WriteString(s string) (int, error) {
	return len(s), nil
}

// restore gives a request what handlers have changed of it, as a server makes
// each request anew: ServeMux notes the pattern, gin's middleware adds the id.
func restore(r *nethttp.Request) {
	r.Pattern = ""
	delete(r.Header, "X-Request-Id")
}

// A posted is the body of a request that can be read again.
type posted struct{ strings.Reader }

// Close does nothing.
func (p *posted) Close() error { return nil }

// newHeader gives the next response a map of its own, as servers do.
func newHeader(w *writer) { w.header = nethttp.Header{} }

// clearHeader empties the map for what is so quick that making one would show.
func clearHeader(w *writer) { clear(w.header) }

// measureRow times the contestants of a row and those beside them. Before each
// request the writer is made ready.
func measureRow(b *testing.B, row stacks.Row, ready func(*writer)) {
	for _, c := range append(row.Contestants, row.Beside...) {
		b.Run("row="+row.Name+"/by="+c.Name, func(b *testing.B) {
			b.ReportAllocs()
			r, w, body := row.Request, &writer{header: nethttp.Header{}}, &posted{}
			r.ContentLength = int64(len(row.Body))
			for b.Loop() {
				restore(r)
				r.Body = nethttp.NoBody
				if row.Body != "" {
					body.Reset(row.Body)
					r.Body = body
				}
				ready(w)
				c.Handler.ServeHTTP(w, r)
			}
		})
	}
}
