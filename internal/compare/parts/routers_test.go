package parts

import (
	nethttp "net/http"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v5"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// above are routers of other packages with a handler for everything below /app.
func above(t *testing.T) map[string]func(below nethttp.Handler) nethttp.Handler {
	t.Helper()
	return map[string]func(below nethttp.Handler) nethttp.Handler{
		"ServeMux": func(below nethttp.Handler) nethttp.Handler {
			mux := nethttp.NewServeMux()
			mux.Handle("/app/", nethttp.StripPrefix("/app", below))
			return mux
		},
		"chi": func(below nethttp.Handler) nethttp.Handler {
			router := chi.NewRouter()
			router.Handle("/app/*", nethttp.StripPrefix("/app", below))
			return router
		},
		"gin": func(below nethttp.Handler) nethttp.Handler {
			gin.SetMode(gin.ReleaseMode)
			engine := gin.New()
			engine.Any("/app/*path", gin.WrapH(nethttp.StripPrefix("/app", below)))
			return engine
		},
		"echo": func(below nethttp.Handler) nethttp.Handler {
			e := echo.New()
			e.Any("/app/*", echo.WrapHandler(nethttp.StripPrefix("/app", below)))
			return e
		},
	}
}

// A Router with the documented chain works inside the routers of other packages.
func TestRouterBelowOthers(t *testing.T) {
	t.Parallel()
	for name, place := range above(t) {
		eachProtocol(t, name, func(t *testing.T) nethttp.Handler {
			router := http.NewRouter()
			router.Use(documentedChain(t))
			commonRoutes(router)
			return place(router)
		}, func(t *testing.T, s *site) {
			s.url, s.addr = s.url+"/app", s.addr+"/app"
			checkRoutes(t, s)
		})
	}
}

// below are routers of other packages with the routes of checkBelow. path is the value of
// the wildcard.
func below() map[string]nethttp.Handler {
	write := func(w nethttp.ResponseWriter, id string) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write([]byte("item " + id)) // an error is visible to the client
	}
	mux := nethttp.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(w nethttp.ResponseWriter, r *nethttp.Request) { write(w, r.PathValue("id")) })
	chiRouter := chi.NewRouter()
	chiRouter.Get("/items/{id}", func(w nethttp.ResponseWriter, r *nethttp.Request) { write(w, chi.URLParam(r, "id")) })
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.GET("/items/:id", func(c *gin.Context) { write(c.Writer, c.Param("id")) })
	e := echo.New()
	e.GET("/items/:id", func(c *echo.Context) error {
		write(c.Response(), c.Param("id"))
		return nil
	})
	events := func(handler nethttp.Handler) nethttp.Handler {
		both := nethttp.NewServeMux()
		both.Handle("/", handler)
		both.HandleFunc("GET /events", func(w nethttp.ResponseWriter, r *nethttp.Request) {
			_, _ = w.Write([]byte("data: 1\n"))
			_ = nethttp.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		return both
	}
	return map[string]nethttp.Handler{"ServeMux": events(mux), "chi": events(chiRouter), "gin": events(engine), "echo": events(e)}
}

// The routers of other packages work as mounted handlers, beside a site.
func TestOthersBelowRouter(t *testing.T) {
	t.Parallel()
	for name, part := range below() {
		for _, inside := range []bool{true, false} {
			place := map[bool]string{true: " inside", false: " outside"}[inside]
			eachProtocol(t, name+place, func(t *testing.T) nethttp.Handler {
				router := http.NewRouter()
				group := router.Group("")
				if inside {
					group.Use(documentedChain(t))
				}
				group.With(http.Streaming()).Mount("/shop/{tenant}", part)
				router.HandleFunc("GET /{path...}", func(w http.ResponseWriter, r *http.Request) { http.WriteJSON(w, 200, "site") })
				return router
			}, func(t *testing.T, s *site) {
				testkit.Get(t, s.client, s.url+"/shop/ann/items/7").Want(t, 200, "item 7")
				testkit.Get(t, s.client, s.url+"/other").Want(t, 200, `"site"`)
				if res := testkit.Get(t, s.client, s.url+"/shop/ann/none"); res.StatusCode != 404 {
					t.Errorf("%v", res)
				}
				firstLine(t, s, testkit.NewRequest("GET", s.url+"/shop/ann/events", ""), "data: 1")
			})
		}
	}
}

// A proxy of net/http in front of the server passes on responses, streams and WebSockets.
func TestReverseProxyInFront(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		eachProtocol(t, map[bool]string{false: "backend HTTP/1", true: "backend HTTP/2"}[http2], func(t *testing.T) nethttp.Handler {
			router := http.NewRouter()
			router.Use(documentedChain(t))
			commonRoutes(router)
			return proxyTo(t, start(t, router, http2))
		}, checkRoutes)
	}
}

// A mounted proxy of net/http passes on responses, streams and WebSockets.
func TestReverseProxyMounted(t *testing.T) {
	t.Parallel()
	for _, p := range places() {
		eachProtocol(t, p.name, func(t *testing.T) nethttp.Handler {
			backend := http.NewRouter()
			commonRoutes(backend)
			mounted := http.NewRouter()
			mounted.With(http.Streaming()).Mount("/app", proxyTo(t, start(t, backend, false)))
			return p.handler(documentedChain(t), mounted)
		}, func(t *testing.T, s *site) {
			s.url, s.addr = s.url+"/app", s.addr+"/app"
			checkRoutes(t, s)
		})
	}
}

// proxyTo returns a proxy for a backend.
func proxyTo(t *testing.T, backend *site) nethttp.Handler {
	t.Helper()
	target, err := url.Parse(backend.url)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() },
		Transport: backend.client.Transport,
	}
}
