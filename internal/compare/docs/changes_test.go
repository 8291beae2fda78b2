package docs

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/gorilla/websocket"
	"github.com/labstack/echo/v5"
	echomw "github.com/labstack/echo/v5/middleware"

	stanza "github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A change is a request for which docs/migrating.md announces another response.
type change struct {
	method, target, body, field string
	before, after               string
}

// check compares the status and the body, or the Location, of the responses.
func (c change) check(t *testing.T, before, after http.Handler) {
	t.Helper()
	for _, p := range []struct {
		handler    http.Handler
		name, want string
	}{{before, "before", c.before}, {after, "after", c.after}} {
		var fields []string
		if c.field != "" {
			fields = []string{c.field}
		}
		res := testkit.Serve(t, p.handler, c.method, c.target, c.body, fields...)
		got := strings.TrimSpace(fmt.Sprint(res.StatusCode, " ", res.Body))
		if location := res.Header.Get("Location"); location != "" {
			got = fmt.Sprint(res.StatusCode, " ", location)
		}
		if got != p.want {
			t.Errorf("%s: %s %s: %s, want %s", p.name, c.method, c.target, got, p.want)
		}
	}
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, text, " ", r.URL.Path) }
}

func none(w http.ResponseWriter, _ *http.Request) { http.Error(w, "none", http.StatusNotFound) }

func chiRouter() http.Handler {
	before := chi.NewRouter()
	before.Use(middleware.RealIP)
	before.NotFound(none)
	before.Get("/", says("root"))
	before.Route("/a", func(r chi.Router) { r.Get("/", says("a")) })
	before.Get("/ip", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RemoteAddr) })
	before.Get("/name/{name:[a-z]+}", says("name"))
	before.Get("/name/{other}", says("other"))
	before.Get("/id/{id}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, chi.URLParam(r, "id")) })
	sub := chi.NewRouter()
	sub.Get("/x", says("sub"))
	before.Mount("/sub", sub)
	return before
}

// migratedFromChi returns the router of chiRouter, migrated by the tables. Its requests come
// from a proxy on the same host.
func migratedFromChi() http.Handler {
	after := stanza.NewRouter()
	after.NotFound(http.HandlerFunc(none))
	after.HandleFunc("GET /{$}", says("root"))
	after.Group("/a").HandleFunc("GET", says("a"))
	after.HandleFunc("GET /ip", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, stanza.ClientIP(r), " ", r.RemoteAddr)
	})
	after.HandleFunc("GET /name/{name}", says("name"))
	after.HandleFunc("GET /id/{id}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, stanza.PathParam(r, "id")) })
	inner := stanza.NewRouter()
	inner.HandleFunc("GET /x", says("sub"))
	after.Mount("/sub", inner)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = "127.0.0.1:4321"
		after.ServeHTTP(w, r)
	})
}

func TestChangesInTheMigrationFromChi(t *testing.T) {
	t.Parallel()
	before, after := chiRouter(), migratedFromChi()
	for _, c := range []change{
		{"GET", "/nope", "", "", "404 none", "404 none"},
		{"GET", "/a", "", "", "200 a /a", "200 a /a"},
		{"GET", "/a/", "", "", "200 a /a/", "404 none"},
		{"GET", "/name/7", "", "", "200 other /name/7", "200 name /name/7"},
		{"GET", "/id/a%2Fb", "", "", "200 a%2Fb", "200 a/b"},
		{"GET", "/id//x", "", "", "404 none", "307 /id/x"},
		{"HEAD", "/", "", "", "405", "200"},
		{"GET", "/sub/x", "", "", "200 sub /sub/x", "200 sub /x"},
		{"GET", "/sub/nope", "", "", "404 none", `404 {"error":"not found"}`},
		{"GET", "/ip", "", "X-Real-IP: 203.0.113.7", "200 203.0.113.7", "200 203.0.113.7 127.0.0.1:4321"},
	} {
		c.check(t, before, after)
	}
}

func TestChangesInTheMigrationFromEcho(t *testing.T) {
	t.Parallel()
	before, after := echoRouter(), migratedFromEcho()
	for _, c := range []change{
		{"GET", "/api/nope", "", "", `401 {"message":"missing key"}`, `404 {"error":"not found"}`},
		{"GET", "/id/1/2", "", "", "200 id /id/1/2", `404 {"error":"not found"}`},
		{"OPTIONS", "/json", "", "", "204", `405 {"error":"method not allowed"}`},
		{"POST", "/json", "{}", "", `415 {"message":"Unsupported Media Type"}`, "200 0"},
		{"POST", "/json", "", "Content-Type: application/json", "200 0", `400 {"error":"the request body is empty"}`},
		{"POST", "/json", `{"a":1}`, "", `413 {"message":"Request Entity Too Large"}`, `400 {"error":"request body too large"}`},
		{"POST", "/any", "12345", "Content-Type: multipart/form-data", `413 {"message":"Request Entity Too Large"}`, "200 any /any"},
	} {
		c.check(t, before, after)
	}
}

func echoRouter() http.Handler {
	key := func(_ *echo.Context, key string, _ echomw.ExtractorSource) (bool, error) { return key == "k", nil }
	before := echo.New()
	before.Use(echomw.BodyLimit(4))
	before.Group("/api", echomw.KeyAuth(key)).GET("/x", func(c *echo.Context) error { return c.String(200, "x") })
	before.GET("/id/:id", echo.WrapHandler(says("id")))
	before.POST("/json", func(c *echo.Context) error {
		var v struct{ A int }
		if err := c.Bind(&v); err != nil {
			return err
		}
		return c.JSON(200, v.A)
	})
	before.POST("/any", func(c *echo.Context) error { return c.String(200, "any") })
	return before
}

func migratedFromEcho() http.Handler {
	after := stanza.NewRouter()
	after.Use(stanza.MaxBody(4))
	after.Group("/api").HandleFunc("GET /x", says("x"))
	after.HandleFunc("GET /id/{id}", says("id"))
	after.HandleFunc("POST /json", func(w http.ResponseWriter, r *http.Request) {
		var v struct{ A int }
		if stanza.BindJSON(w, r, &v) {
			stanza.WriteJSON(w, 200, v.A)
		}
	})
	after.HandleFunc("POST /any", says("any"))
	return after
}

func TestChangesInTheMigrationFromGin(t *testing.T) {
	t.Parallel()
	gin.SetMode(gin.ReleaseMode)
	before := gin.New()
	before.GET("/page", func(c *gin.Context) {
		var query struct {
			N int `form:"n" binding:"required"`
		}
		if c.ShouldBindQuery(&query) != nil {
			c.Status(http.StatusBadRequest)
		}
	})
	before.POST("/json", func(c *gin.Context) {
		var text string
		if c.ShouldBindJSON(&text) != nil {
			c.Status(http.StatusBadRequest)
		}
	})
	after := stanza.NewRouter()
	after.HandleFunc("GET /page", func(w http.ResponseWriter, r *http.Request) {
		var query struct {
			N int `query:"n,required"`
		}
		stanza.BindQuery(w, r, &query)
	})
	after.HandleFunc("POST /json", func(w http.ResponseWriter, r *http.Request) {
		var text string
		stanza.BindJSON(w, r, &text)
	})
	for _, c := range []change{
		{"GET", "/page?n=0", "", "", "400", "200"},
		{"GET", "/page?n=1", "", "", "200", "200"},
		{"POST", "/json", `"a" b`, "", "200", `400 {"error":"trailing data after the JSON value, at offset 4"}`},
		{"POST", "/json", `"` + strings.Repeat("a", 1<<20) + `"`, "", "200", `400 {"error":"request body too large"}`},
	} {
		c.check(t, before, after)
	}
}

func TestStaticFilesInTheMigrationFromGin(t *testing.T) {
	t.Parallel()
	gin.SetMode(gin.ReleaseMode)
	dir := t.TempDir()
	for _, name := range []string{"a.txt", ".env"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := gin.New()
	before.Static("/s", dir)
	after := stanza.NewRouter()
	after.Mount("/s", stanza.Static(os.DirFS(dir)))
	for _, c := range []change{
		{"GET", "/s/a.txt", "", "", "200 a.txt", "200 a.txt"},
		{"GET", "/s/.env", "", "", "200 .env", `404 {"error":"not found"}`},
	} {
		c.check(t, before, after)
	}
	for name, handler := range map[string]http.Handler{"before": before, "after": after} {
		if res := testkit.Serve(t, handler, "GET", "/s/", ""); res.StatusCode != http.StatusNotFound || strings.Contains(res.Body, "a.txt") {
			t.Errorf("%s lists the directory: %d %s", name, res.StatusCode, res.Body)
		}
	}
}

func TestControlFramesAreNotMessages(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 2)
	router := stanza.NewRouter()
	router.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		conn, err := stanza.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return
		}
		failed <- conn.WriteMessage(stanza.CloseMessage, nil)
		failed <- conn.WriteMessage(stanza.PingMessage, nil)
		conn.CloseWithMessage(4001, "done")
	})
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+srv.Addr(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetPingHandler(func(string) error { t.Error("a ping was sent"); return nil })
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, 4001) {
		t.Errorf("reading returned %v", err)
	}
	for range 2 {
		if testkit.Receive(t, failed, "the result of WriteMessage") == nil {
			t.Error("WriteMessage sent a control frame")
		}
	}
}
