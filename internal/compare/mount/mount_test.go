package mount

import (
	nethttp "net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/stanza-go/framework/pkg/http"
)

// A contender serves /api/items/{id} with a router that is mounted at /api.
type contender struct {
	name    string
	handler nethttp.Handler
}

func contenders() []contender {
	item := func(w nethttp.ResponseWriter, r *nethttp.Request) { _, _ = w.Write([]byte(r.PathValue("id"))) }

	mounted := http.NewRouter()
	mounted.HandleFunc("GET /items/{id}", item)
	stanza := http.NewRouter()
	stanza.Mount("/api", mounted)

	stripped := http.NewRouter()
	stripped.Handle("/api/", http.StripPrefix("/api", mounted))

	mux := nethttp.NewServeMux()
	mux.HandleFunc("GET /items/{id}", item)
	net := nethttp.NewServeMux()
	net.Handle("/api/", nethttp.StripPrefix("/api", mux))

	sub := chi.NewRouter()
	sub.Get("/items/{id}", func(w nethttp.ResponseWriter, r *nethttp.Request) {
		_, _ = w.Write([]byte(chi.URLParam(r, "id")))
	})
	chiRouter := chi.NewRouter()
	chiRouter.Mount("/api", sub)

	return []contender{{"stanza", stanza}, {"stanza-StripPrefix", stripped}, {"ServeMux-StripPrefix", net}, {"chi", chiRouter}}
}

func TestContendersRespondAlike(t *testing.T) {
	t.Parallel()
	for _, c := range contenders() {
		w := httptest.NewRecorder()
		c.handler.ServeHTTP(w, httptest.NewRequest("GET", "/api/items/7", nil))
		if w.Code != 200 || w.Body.String() != "7" {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
	}
}

// A discard is a ResponseWriter that keeps nothing.
type discard struct{ header nethttp.Header }

func (d *discard) Header() nethttp.Header      { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

func BenchmarkMount(b *testing.B) {
	chain := http.Chain(http.RequestID(http.RequestIDConfig{}), http.NewMetrics().Middleware())
	for _, c := range contenders() {
		b.Run("row=alone/by="+c.name, func(b *testing.B) { serve(b, c.handler) })
	}
	for _, c := range contenders() {
		b.Run("row=in-a-chain/by="+c.name, func(b *testing.B) { serve(b, chain(c.handler)) })
	}
}

func serve(b *testing.B, handler nethttp.Handler) {
	b.ReportAllocs()
	w := &discard{nethttp.Header{}}
	r := httptest.NewRequest("GET", "/api/items/7", nil)
	for b.Loop() {
		other := *r
		clear(w.header)
		handler.ServeHTTP(w, &other)
	}
}
