package stacks

import (
	"io"
	nethttp "net/http"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gorilla/mux"
	"github.com/julienschmidt/httprouter"
	"github.com/labstack/echo/v5"

	"github.com/stanza-go/framework/pkg/http"
)

// Routers returns a router of each package with the given routes. Each handler
// writes the values of its route's parameters, or "ok" if there are none.
func Routers(routes []Route) []Contestant {
	return []Contestant{
		{"stanza", stanzaRouter(routes)},
		{"ServeMux", serveMux(routes)},
		{"chi", chiRouter(routes)},
		{"gorilla", gorillaRouter(routes)},
		{"httprouter", httpRouter(routes)},
		{"gin", ginRouter(routes)},
		{"echo", echoRouter(routes)},
	}
}

// std returns the handler of a route for routers that support
// Request.PathValue.
func std(params []string) nethttp.HandlerFunc {
	if len(params) == 0 {
		return func(w nethttp.ResponseWriter, _ *nethttp.Request) { io.WriteString(w, "ok") }
	}
	return func(w nethttp.ResponseWriter, r *nethttp.Request) {
		for _, name := range params {
			io.WriteString(w, r.PathValue(name))
		}
	}
}

func stanzaRouter(routes []Route) nethttp.Handler {
	router := http.NewRouter()
	for _, r := range routes {
		router.HandleFunc(r.Method+" "+r.Path, std(r.Params))
	}
	return router
}

func serveMux(routes []Route) nethttp.Handler {
	m := nethttp.NewServeMux()
	for _, r := range routes {
		m.HandleFunc(r.Method+" "+r.Path, std(r.Params))
	}
	return m
}

func chiRouter(routes []Route) nethttp.Handler {
	router := chi.NewRouter()
	for _, r := range routes {
		h := std(nil)
		if params := r.Params; len(params) > 0 {
			h = func(w nethttp.ResponseWriter, r *nethttp.Request) {
				for _, name := range params {
					io.WriteString(w, chi.URLParam(r, name))
				}
			}
		}
		router.MethodFunc(r.Method, r.Path, h)
	}
	return router
}

func gorillaRouter(routes []Route) nethttp.Handler {
	router := mux.NewRouter()
	for _, r := range routes {
		h := std(nil)
		if params := r.Params; len(params) > 0 {
			h = func(w nethttp.ResponseWriter, r *nethttp.Request) {
				vars := mux.Vars(r)
				for _, name := range params {
					io.WriteString(w, vars[name])
				}
			}
		}
		router.HandleFunc(r.Path, h).Methods(r.Method)
	}
	return router
}

func httpRouter(routes []Route) nethttp.Handler {
	router := httprouter.New()
	for _, r := range routes {
		params := r.Params
		router.Handle(r.Method, r.colons(), func(w nethttp.ResponseWriter, _ *nethttp.Request, ps httprouter.Params) {
			if len(params) == 0 {
				io.WriteString(w, "ok")
			}
			for _, name := range params {
				io.WriteString(w, ps.ByName(name))
			}
		})
	}
	return router
}

func ginRouter(routes []Route) nethttp.Handler {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.HandleMethodNotAllowed = true
	for _, r := range routes {
		params := r.Params
		router.Handle(r.Method, r.colons(), func(c *gin.Context) {
			if len(params) == 0 {
				io.WriteString(c.Writer, "ok")
			}
			for _, name := range params {
				io.WriteString(c.Writer, c.Param(name))
			}
		})
	}
	return router
}

func echoRouter(routes []Route) nethttp.Handler {
	router := echo.New()
	for _, r := range routes {
		params := r.Params
		router.Add(r.Method, r.colons(), func(c *echo.Context) error {
			if len(params) == 0 {
				_, err := io.WriteString(c.Response(), "ok")
				return err
			}
			for _, name := range params {
				if _, err := io.WriteString(c.Response(), c.Param(name)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return router
}
