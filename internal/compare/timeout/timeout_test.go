package timeout

import (
	nethttp "net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/stanza-go/framework/pkg/http"
)

// A contender limits the time of requests.
type contender struct {
	name string
	mw   func(nethttp.Handler) nethttp.Handler
}

func contenders() []contender {
	const limit = time.Minute
	return []contender{
		{"stanza", http.Timeout(http.TimeoutConfig{Timeout: limit})},
		{"net-http", func(h nethttp.Handler) nethttp.Handler { return nethttp.TimeoutHandler(h, limit, "") }},
		{"chi", middleware.Timeout(limit)},
		{"without", func(h nethttp.Handler) nethttp.Handler { return h }},
	}
}

// A row has handlers that respond in time. Those of "Done" call Done of the request's
// context, as database drivers do.
type row struct {
	name        string
	done, chain bool
}

var rows = []row{
	{"alone", false, false},
	{"in-a-chain", false, true},
	{"alone-Done", true, false},
	{"in-a-chain-Done", true, true},
}

// handler returns the handler of a contender.
func (row row) handler(c contender) nethttp.Handler {
	handler := c.mw(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if row.done {
			select {
			case <-r.Context().Done():
			default:
			}
		}
		http.WriteJSON(w, 200, "ok")
	}))
	if row.chain {
		handler = http.Chain(http.RequestID(http.RequestIDConfig{}), http.Recovery(nil))(handler)
	}
	return handler
}

func TestContendersRespondAlike(t *testing.T) {
	for _, row := range rows {
		for _, c := range contenders() {
			w := httptest.NewRecorder()
			row.handler(c).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			if w.Code != 200 || w.Body.String() != "\"ok\"" {
				t.Errorf("%s, %s: %d %q", row.name, c.name, w.Code, w.Body)
			}
		}
	}
}

func BenchmarkTimeout(b *testing.B) {
	for _, row := range rows {
		for _, c := range contenders() {
			handler := row.handler(c)
			b.Run("row="+row.name+"/by="+c.name, func(b *testing.B) {
				r := httptest.NewRequest("GET", "/", nil)
				b.ReportAllocs()
				for b.Loop() {
					w := nullWriter{header: make(nethttp.Header)}
					handler.ServeHTTP(&w, r)
				}
			})
		}
	}
}

type nullWriter struct{ header nethttp.Header }

func (w *nullWriter) Header() nethttp.Header           { return w.header }
func (w *nullWriter) WriteHeader(int)                  {}
func (w *nullWriter) Write(p []byte) (int, error)      { return len(p), nil }
func (w *nullWriter) SetReadDeadline(time.Time) error  { return nil }
func (w *nullWriter) SetWriteDeadline(time.Time) error { return nil }
