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
	}{"this package": {router, 2}, "echo": {e, 1}, "echo, ValueBinder": {echoValueBinder(), 2}, "gin": {engine, 1}} {
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

func echoValueBinder() http.Handler {
	e := echo.New()
	e.GET("/", func(c *echo.Context) error {
		var page, size int
		problems := echo.QueryParamsBinder(c).FailFast(false).Int("page", &page).Int("size", &size).BindErrors()
		return c.String(http.StatusBadRequest, fmt.Sprint(problems))
	})
	return e
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

// A tableCase is a cell of the table that describes the response to one request.
type tableCase struct {
	handler              http.Handler
	method, target, want string
}

func tableCases() map[string]tableCase {
	text := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
	}
	expressions := chi.NewRouter()
	expressions.Get("/{a:[a-z0-9]+}", text("first"))
	expressions.Get("/{b:[a-z]+}", text("second"))

	echoRouter := echo.NewRouter(echo.RouterConfig{AutoHandleHEAD: true})
	e := echo.NewWithConfig(echo.Config{Router: echoRouter})
	e.GET("/users/:id", func(c *echo.Context) error { return c.String(http.StatusOK, c.Param("id")) })

	wrapped := echo.New()
	wrapped.Use(echo.WrapMiddleware(stanza.MaxBody(1)))
	wrapped.Any("/m/*", echo.WrapHandler(http.StripPrefix("/m", says("mounted"))))

	engine := gin.New()
	engine.UseRawPath, engine.HandleMethodNotAllowed, engine.RedirectTrailingSlash = true, true, false
	engine.GET("/users/:id", func(c *gin.Context) { c.String(http.StatusOK, c.Param("id")) })

	gorilla := mux.NewRouter().UseEncodedPath()
	gorilla.HandleFunc("/users/{id}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, mux.Vars(r)["id"]) })
	gorilla.Host("{first}.0.0.1").Handler(text("host"))

	return map[string]tableCase{
		"chi, two expressions":         {expressions, "GET", "/a", "200 first"},
		"echo, AutoHandleHEAD":         {e, "HEAD", "/users/1", "200"},
		"echo, a parameter at the end": {e, "GET", "/users/1/", "200 1/"},
		"echo, wrapped":                {wrapped, "GET", "/m/x", "200 mounted /x"},
		"gin, HandleMethodNotAllowed":  {engine, "HEAD", "/users/1", "405"},
		"gin, UseRawPath":              {engine, "GET", "/users/a%2Fb", "200 a/b"},
		"gin, slashes":                 {engine, "GET", "/users/1/", "404 404 page not found"},
		"gorilla, UseEncodedPath":      {gorilla, "GET", "/users/a%2Fb", "200 a%2Fb"},
		"gorilla, pattern of hosts":    {gorilla, "GET", "/", "200 host"},
	}
}

func TestTableOfOptionsInTheReadme(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	for name, test := range tableCases() {
		res := testkit.Serve(t, test.handler, test.method, test.target, "")
		if got := strings.TrimSpace(fmt.Sprint(res.StatusCode, " ", res.Body)); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}

func TestTableOfConflictsInTheReadme(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	none := func(*gin.Context) {}
	e := echo.NewWithConfig(echo.Config{Router: echo.NewRouter(echo.RouterConfig{})})
	unused := func(*echo.Context) error { return nil }
	for name, register := range map[string]func(){
		"this package": func() {
			router := stanza.NewRouter()
			router.HandleFunc("GET /{x}/b", unusedHandler)
			router.HandleFunc("GET /a/{y}", unusedHandler)
		},
		"net/http": func() {
			serveMux := http.NewServeMux()
			serveMux.HandleFunc("GET /{x}/b", unusedHandler)
			serveMux.HandleFunc("GET /a/{y}", unusedHandler)
		},
		"echo, by option":      func() { e.GET("/a", unused); e.GET("/a", unused) },
		"gin, names":           func() { r := gin.New(); r.GET("/:a/b", none); r.GET("/:c/d", none) },
		"gin, beside catchall": func() { r := gin.New(); r.GET("/*path", none); r.GET("/a", none) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: the second route does not panic", name)
				}
			}()
			register()
		}()
	}
}

func unusedHandler(http.ResponseWriter, *http.Request) {}
