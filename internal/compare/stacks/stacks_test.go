package stacks_test

import (
	nethttp "net/http"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/compare/stacks"
)

// A writer is a ResponseWriter that discards the body and stores the status, at
// almost no cost.
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

// restore undoes the changes that handlers have made to a request, because a
// server creates a new request each time. For example, ServeMux sets the
// pattern, and gin's middleware adds the ID.
func restore(r *nethttp.Request) {
	r.Pattern = ""
	delete(r.Header, "X-Request-Id")
}

// A posted is a request body that can be read again.
type posted struct{ strings.Reader }

// Close does nothing.
func (p *posted) Close() error { return nil }

// newHeader gives the next response a new header map, as servers do.
func newHeader(w *writer) { w.header = nethttp.Header{} }

// clearHeader clears the header map. It is for rows that are so fast that
// allocating a map would distort the result.
func clearHeader(w *writer) { clear(w.header) }

// measureRow measures the contestants of a row and the handlers beside them. It
// calls ready before each request.
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
