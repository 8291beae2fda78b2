package docs

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gorilla/mux"
	"github.com/labstack/echo/v5"

	stanza "github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// tableRouters returns a router of each package of the table in README.md, with the routes
// GET /api/users and GET /dir/, and a 404 response for /api if the package has such a
// feature.
func tableRouters() map[string]http.Handler {
	gin.SetMode(gin.ReleaseMode)
	ok := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }
	none := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no endpoint", http.StatusNotFound) }

	own := stanza.NewRouter()
	ownAPI := own.Group("/api")
	ownAPI.HandleFunc("GET /users", ok)
	ownAPI.NotFound(http.HandlerFunc(none))
	own.HandleFunc("GET /dir/", ok)

	serveMux := http.NewServeMux()
	serveMux.HandleFunc("GET /api/users", ok)
	serveMux.HandleFunc("GET /dir/", ok)

	chiRouter := chi.NewRouter()
	chiRouter.Route("/api", func(r chi.Router) {
		r.Get("/users", ok)
		r.NotFound(none)
	})
	chiRouter.Get("/dir/", ok)

	e := echo.New()
	echoOK := func(c *echo.Context) error { return c.String(http.StatusOK, "ok") }
	echoAPI := e.Group("/api")
	echoAPI.GET("/users", echoOK)
	echoAPI.RouteNotFound("/*", func(c *echo.Context) error { return c.String(http.StatusNotFound, "no endpoint") })
	e.GET("/dir/", echoOK)

	engine := gin.New()
	engine.GET("/api/users", gin.WrapF(ok))
	engine.GET("/dir/", gin.WrapF(ok))

	gorilla := mux.NewRouter()
	gorillaAPI := gorilla.PathPrefix("/api").Subrouter()
	gorillaAPI.HandleFunc("/users", ok).Methods("GET")
	gorillaAPI.NotFoundHandler = http.HandlerFunc(none)
	gorilla.HandleFunc("/dir/", ok).Methods("GET")

	return map[string]http.Handler{
		"this package": own, "net/http": serveMux, "chi": chiRouter, "echo": e, "gin": engine, "gorilla": gorilla,
	}
}

func TestTableOfRoutersInTheReadme(t *testing.T) {
	for name, want := range map[string]string{
		"this package": "405 404 /dir/ no endpoint",
		"net/http":     "405 404 /dir/ -",
		"chi":          "405 404 404 no endpoint",
		"echo":         "204 404 404 no endpoint",
		"gin":          "404 /api/users /dir/ -",
		"gorilla":      "405 404 404 no endpoint",
	} {
		srv := testkit.StartServer(t, testkit.HTTP1, tableRouters()[name])
		var got []string
		got = append(got, fmt.Sprint(srv.Do(t, "OPTIONS", "/dir/", "").StatusCode))
		for _, path := range []string{"/api/users/", "/dir"} {
			res := srv.Get(t, path)
			if location := res.Header.Get("Location"); location != "" {
				got = append(got, location)
				continue
			}
			got = append(got, fmt.Sprint(res.StatusCode))
		}
		missing := "-"
		if body := strings.TrimSpace(srv.Get(t, "/api/none").Body); body == "no endpoint" {
			missing = body
		}
		if got := strings.Join(append(got, missing), " "); got != want {
			t.Errorf("%s: OPTIONS, two slashes and the 404 of a group: got %s, want %s", name, got, want)
		}
	}
}

func TestTableOfBindingInTheReadme(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	router := stanza.NewRouter()
	router.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		var query struct {
			Page int `query:"page"`
			Size int `query:"size"`
		}
		stanza.BindQuery(w, r, &query)
	})
	e := echo.New()
	e.GET("/", func(c *echo.Context) error {
		var query struct {
			Page int `query:"page"`
			Size int `query:"size"`
		}
		if err := c.Bind(&query); err != nil {
			return c.String(http.StatusBadRequest, err.Error())
		}
		return nil
	})
	engine := gin.New()
	engine.GET("/", func(c *gin.Context) {
		var query struct {
			Page int `form:"page"`
			Size int `form:"size"`
		}
		if err := c.ShouldBindQuery(&query); err != nil {
			c.String(http.StatusBadRequest, err.Error())
		}
	})
	for name, test := range map[string]struct {
		handler  http.Handler
		mistakes int
	}{"this package": {router, 2}, "echo": {e, 1}, "gin": {engine, 1}} {
		body := testkit.Serve(t, test.handler, "GET", "/?page=one&size=two", "").Body
		got := 0
		for _, mistakes := range [][2]string{{"page: must be", `"one"`}, {"size: must be", `"two"`}} {
			if strings.Contains(body, mistakes[0]) || strings.Contains(body, mistakes[1]) {
				got++
			}
		}
		if got != test.mistakes {
			t.Errorf("%s reports %d mistakes, want %d: %s", name, got, test.mistakes, body)
		}
	}
}

func TestTableOfValidationInTheReadme(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.GET("/", func(c *gin.Context) {
		var query struct {
			Name string `form:"name" binding:"required"`
			Role string `form:"role" binding:"required"`
		}
		if err := c.ShouldBindQuery(&query); err != nil {
			c.String(http.StatusBadRequest, err.Error())
		}
	})
	body := testkit.Serve(t, engine, "GET", "/", "").Body
	if !strings.Contains(body, "'Name'") || !strings.Contains(body, "'Role'") {
		t.Errorf("gin does not report all mistakes of validation: %s", body)
	}
}
