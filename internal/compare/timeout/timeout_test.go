package timeout

import (
	nethttp "net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/stanza-go/framework/pkg/http"
)

// BenchmarkTimeout measures requests that are handled in time. The handlers of "waits" call
// Done of the request's context, as database drivers do.
func BenchmarkTimeout(b *testing.B) {
	const limit = time.Minute
	contenders := []struct {
		name string
		mw   func(nethttp.Handler) nethttp.Handler
	}{
		{"without", func(h nethttp.Handler) nethttp.Handler { return h }},
		{"ours", http.Timeout(http.TimeoutConfig{Timeout: limit})},
		{"chi", middleware.Timeout(limit)},
		{"nethttp", func(h nethttp.Handler) nethttp.Handler { return nethttp.TimeoutHandler(h, limit, "") }},
	}
	for name, waits := range map[string]bool{"answers": false, "waits": true} {
		for _, c := range contenders {
			for where, server := range map[string]bool{"alone": false, "chain": true} {
				handler := c.mw(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
					if waits {
						select {
						case <-r.Context().Done():
						default:
						}
					}
					http.WriteJSON(w, 200, "ok")
				}))
				if server {
					handler = http.Chain(http.RequestID(http.RequestIDConfig{}), http.Recovery(nil))(handler)
				}
				b.Run(name+"/"+where+"/"+c.name, func(b *testing.B) {
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
}

type nullWriter struct{ header nethttp.Header }

func (w *nullWriter) Header() nethttp.Header           { return w.header }
func (w *nullWriter) WriteHeader(int)                  {}
func (w *nullWriter) Write(p []byte) (int, error)      { return len(p), nil }
func (w *nullWriter) SetReadDeadline(time.Time) error  { return nil }
func (w *nullWriter) SetWriteDeadline(time.Time) error { return nil }
