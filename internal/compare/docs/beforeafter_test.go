package docs

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	stanza "github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// program:begin chi

// A statusError carries the status and the message for the client.
type statusError struct {
	status  int
	message string
	cause   error
}

func (e *statusError) Error() string { return e.message }
func (e *statusError) Unwrap() error { return e.cause }

type errorHandler func(http.ResponseWriter, *http.Request) error

func (h errorHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	err := h(w, r)
	if err == nil {
		return
	}
	status, message := http.StatusInternalServerError, "internal server error"
	var found *statusError
	if errors.As(err, &found) {
		status, message = found.status, found.message
	}
	if status >= 500 {
		slog.ErrorContext(r.Context(), message, "error", err, "method", r.Method, "path", r.URL.Path)
	}
	writeProblem(w, status, message)
}

func writeProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"status": status, "title": http.StatusText(status), "detail": detail})
}

func chiNote(w http.ResponseWriter, r *http.Request) error {
	id, err := strconv.ParseInt(chi.URLParam(r, "id"), 10, 64)
	if err != nil {
		return &statusError{http.StatusBadRequest, `invalid path parameter "id": not an integer`, nil}
	}
	note, err := findNote(id)
	if errors.Is(err, errNoNote) {
		return &statusError{http.StatusNotFound, fmt.Sprintf("no note %d", id), err}
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(note)
}

func chiProgram(shop http.Handler) http.Handler {
	router := chi.NewRouter()
	router.Use(middleware.RedirectSlashes)
	router.NotFound(func(w http.ResponseWriter, r *http.Request) { writeProblem(w, 404, "not found") })
	router.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) { writeProblem(w, 405, "method not allowed") })
	router.Method("GET", "/notes/{id}", errorHandler(chiNote))
	router.With(requireAdmin).Get("/stats", stats)
	router.Mount("/shop", http.StripPrefix("/shop", shop))
	return router
}

// program:end

// program:begin stanza

func stanzaNote(w http.ResponseWriter, r *http.Request) error {
	id, ok := stanza.PathParamInt64(w, r, "id")
	if !ok {
		return nil
	}
	note, err := findNote(id)
	if errors.Is(err, errNoNote) {
		return stanza.Errorf(http.StatusNotFound, "no note %d: %w", id, err)
	}
	if err != nil {
		return err
	}
	stanza.WriteJSON(w, http.StatusOK, note)
	return nil
}

func stanzaProgram(shop http.Handler) http.Handler {
	router := stanza.NewRouter()
	router.ErrorForm(stanza.WriteProblem)
	router.TrailingSlash(stanza.SlashRedirect)
	router.Handle("GET /notes/{id}", stanza.HandlerErrorFunc(stanzaNote))
	router.With(requireAdmin).HandleFunc("GET /stats", stats)
	router.Mount("/shop", shop)
	return router
}

// program:end

var errNoNote = errors.New("sql: no rows in result set")

// findNote represents an application's database.
func findNote(id int64) (map[string]any, error) {
	switch id {
	case 1:
		return map[string]any{"id": 1, "text": "hello"}, nil
	case 2:
		return nil, errors.New("disk on fire")
	}
	return nil, errNoNote
}

// newShop returns a handler as another team may write it.
func newShop() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "item ", r.PathValue("id")) })
	mux.HandleFunc("/docs/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "docs") })
	return mux
}

func TestProgramsWithErrorsAndMountsGiveTheSameAnswers(t *testing.T) {
	before := testkit.StartServer(t, testkit.HTTP1, chiProgram(newShop()))
	after := testkit.StartServer(t, testkit.HTTP1, stanzaProgram(newShop()))
	for _, line := range []string{
		"GET /notes/1", "GET /notes/2", "GET /notes/3", "GET /notes/x", "POST /notes/1", "GET /none",
		"GET /shop/items/7", "GET /shop/docs/x", "GET /stats",
	} {
		method, path, _ := strings.Cut(line, " ")
		want, got := before.Do(t, method, path, ""), after.Do(t, method, path, "")
		if got.StatusCode != want.StatusCode || !sameBody(got.Body, want.Body) {
			t.Errorf("%s: got %d %s, want %d %s", line, got.StatusCode, got.Body, want.StatusCode, want.Body)
		}
	}
	for path, want := range map[string][2]string{
		"/notes/1/":  {"/notes/1", "/notes/1"},
		"/shop/docs": {"/docs/", "/shop/docs/"}, // the prefix is lost without Mount
	} {
		if got := [2]string{before.Get(t, path).Header.Get("Location"), after.Get(t, path).Header.Get("Location")}; got != want {
			t.Errorf("%s: redirects to %q, want %q", path, got, want)
		}
	}
	if chiLines, lines := linesOf(t, "chi"), linesOf(t, "stanza"); chiLines != 53 || lines != 24 {
		t.Errorf("the programs have %d and %d lines of code", chiLines, lines)
	}
}

// sameBody reports whether two bodies are equal, or are equal as JSON.
func sameBody(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return a == b
	}
	return reflect.DeepEqual(x, y)
}

// linesOf returns the number of lines of a program, without blank lines and comments.
func linesOf(t *testing.T, name string) (lines int) {
	t.Helper()
	source, err := os.ReadFile("beforeafter_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(source), "\n// program:begin "+name+"\n")
	program, _, _ = strings.Cut(program, "\n// program:end\n")
	for line := range strings.Lines(program) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			lines++
		}
	}
	return lines
}

func TestMountedRoutersOfOtherPackages(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.GET("/users/:id", func(c *gin.Context) {
		c.String(200, "gin user %s of %s at %s", c.Param("id"), c.Request.PathValue("org"), c.Request.URL.Path)
	})
	engine.GET("/dir/", func(c *gin.Context) { c.String(200, "gin dir") })
	sub := chi.NewRouter()
	sub.Use(middleware.RedirectSlashes)
	sub.Get("/users/{id}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "chi user ", chi.URLParam(r, "id")) })

	var log testkit.Log
	router := stanza.NewRouter()
	router.Use(stanza.RequestLogger(log.JSON()))
	router.Mount("/gin", engine)
	router.Mount("/orgs/{org}/gin", engine)
	router.Mount("/chi", sub)
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	srv.Get(t, "/gin/users/7").Want(t, 200, "gin user 7 of  at /users/7")
	srv.Get(t, "/orgs/acme/gin/users/7").Want(t, 200, "gin user 7 of acme at /users/7")
	srv.Get(t, "/gin/dir").WantHeader(t, "Location", "/gin/dir/")
	srv.Get(t, "/gin/none").Want(t, 404, "404 page not found")
	srv.Get(t, "/chi/users/7").Want(t, 200, "chi user 7")
	srv.Get(t, "/chi/users/7/").WantHeader(t, "Location", "/chi/users/7")
	for i, want := range []string{"/gin/", "/orgs/{org}/gin/", "/gin/", "/gin/", "/chi/", "/chi/"} {
		if got := log.Records(t)[i]["pattern"]; got != want {
			t.Errorf("line %d of the log has the pattern %q, want %q", i+1, got, want)
		}
	}
}
