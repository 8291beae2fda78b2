package http_test

import (
	"io"
	nethttp "net/http"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestMiddlewareOfOtherRoutersAndOursAreInterchangeable(t *testing.T) {
	t.Parallel()
	foreign := []func(nethttp.Handler) nethttp.Handler{trace("a"), trace("b")}
	router := http.NewRouter()
	router.Use(foreign...)
	router.Use(http.Chain(foreign...), gorillaMiddleware(trace("c")))
	router.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "handler") })

	var gorilla gorillaRouter
	gorilla.Use(trace("g"), http.RequestID(http.RequestIDConfig{}))
	gorilla.Use(http.Compress(http.CompressConfig{MinSize: 1}))
	var chi chiRouter
	chi.Use(trace("x"), http.SecureHeaders(http.SecureHeadersConfig{}))
	var outer nethttp.Handler = router
	for _, mw := range gorilla.middleware {
		outer = mw(outer)
	}
	for _, mw := range chi.middleware {
		outer = mw(outer)
	}
	srv := testkit.StartServer(t, testkit.HTTP1, outer)
	res := srv.Get(t, "/")
	if got, want := strings.Join(res.Header["Trace"], " ")+" "+res.Body, "x g a b a b c handler"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if res.Header.Get("X-Request-ID") == "" || res.Header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("header %v", res.Header)
	}
}

func TestGeneratedCodeRegistersItsRoutesOnAGroup(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	group := router.Group("/api").Group("/v1")
	group.Use(trace("group"))
	handler := serveGenerated(strictOptions{Mux: group, Middlewares: []generatedMiddleware{trace("generated"), http.MaxBody(1 << 20)}})
	testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
		for path, want := range map[string]string{
			"/api/v1/pets":   "group generated: GET /api/v1/pets ",
			"/api/v1/pets/7": "group generated: GET /api/v1/pets/{id} 7",
			"/pets":          `: {"error":"not found"}`,
		} {
			res := srv.Get(t, path)
			if got := strings.Join(res.Header["Trace"], " ") + ": " + res.Body; got != want {
				t.Errorf("%s: %q, want %q", path, got, want)
			}
		}
	})
}

// The types of middleware in other routers and in generated code.
type (
	gorillaMiddleware   func(nethttp.Handler) nethttp.Handler
	generatedMiddleware func(nethttp.Handler) nethttp.Handler
	strictOptions       struct {
		Middlewares []generatedMiddleware
		Mux         generatedMux
	}
	gorillaRouter struct{ middleware []gorillaMiddleware }
	chiRouter     struct {
		middleware []func(nethttp.Handler) nethttp.Handler
	}
)

func (g *gorillaRouter) Use(mw ...gorillaMiddleware) { g.middleware = append(g.middleware, mw...) }

func (c *chiRouter) Use(mw ...func(nethttp.Handler) nethttp.Handler) {
	c.middleware = append(c.middleware, mw...)
}

// generatedMux is the interface with which generated servers register routes.
type generatedMux interface {
	HandleFunc(pattern string, handler func(nethttp.ResponseWriter, *nethttp.Request))
	ServeHTTP(nethttp.ResponseWriter, *nethttp.Request)
}

// These assignments only need to compile.
var (
	_ generatedMux                                                    = (*http.Group)(nil)
	_ generatedMux                                                    = (*http.Router)(nil)
	_ generatedMux                                                    = (*http.ServeMux)(nil)
	_ http.Handler                                                    = (*http.Group)(nil)
	_ http.Middleware                                                 = gorillaMiddleware(nil)
	_ gorillaMiddleware                                               = http.Middleware(nil)
	_ []func(nethttp.Handler) nethttp.Handler                         = []http.Middleware(nil)
	_ func(...http.Middleware)                                        = new(chiRouter).Use
	_ func(...func(nethttp.Handler) nethttp.Handler)                  = new(http.Router).Use
	_ func(...func(nethttp.Handler) nethttp.Handler)                  = new(http.Group).Use
	_ func(http.CompressConfig) func(nethttp.Handler) nethttp.Handler = http.Compress
)

// serveGenerated registers routes as generated code does, and wraps each in the
// middleware of the options.
func serveGenerated(options strictOptions) nethttp.Handler {
	for _, pattern := range []string{"GET /pets", "GET /pets/{id}"} {
		var handler nethttp.Handler = nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			io.WriteString(w, r.Pattern+" "+r.PathValue("id"))
		})
		for _, mw := range options.Middlewares {
			handler = mw(handler)
		}
		options.Mux.HandleFunc(pattern, handler.ServeHTTP)
	}
	return options.Mux
}
