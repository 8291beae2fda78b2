package http_test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
)

// answer is what a test looks at in a response.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request to h on a real server, as raw text when the client of
// net/http would not send it, and returns the answer without following
// redirects.
func ask(t *testing.T, h http.Handler, method, target string) answer {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	req, err := http.NewRequest(method, srv.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := srv.Client().Transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

// reply returns a handler that answers with text, the matched pattern and the
// named path values.
func reply(text string, names ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s [%s]", text, r.Pattern)
		for _, name := range names {
			fmt.Fprintf(w, " %s=%s", name, r.PathValue(name))
		}
	}
}

// trace returns a middleware that notes its name when a request passes.
func trace(name string) http.Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Trace", name)
			next.ServeHTTP(w, r)
		})
	}
}

// panicText calls f and returns what it panicked with, or "".
func panicText(f func()) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprint(v)
		}
	}()
	f()
	return ""
}

// line returns "file:line" of the line that many below the caller's.
func line(below int) string {
	_, file, n, _ := runtime.Caller(1)
	return fmt.Sprintf("%s:%d", file, n+below)
}

func TestMiddlewareRunsInOrderRouterThenOuterThenInner(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	outer := router.Group("/a")
	inner := outer.Group("/b")
	inner.HandleFunc("GET /c", reply("c"))
	inner.Use(trace("inner 1"), trace("inner 2"))
	outer.Use(trace("outer"))
	router.Use(trace("router 1"))
	router.Use(trace("router 2"))
	outer.HandleFunc("GET /x", reply("x"))

	for target, want := range map[string][]string{
		"/a/b/c": {"router 1", "router 2", "outer", "inner 1", "inner 2"},
		"/a/x":   {"router 1", "router 2", "outer"},
		"/none":  {"router 1", "router 2"},
	} {
		if got := ask(t, router, "GET", target).header["Trace"]; !slices.Equal(got, want) {
			t.Errorf("GET %s ran %q, want %q", target, got, want)
		}
	}
}

func TestRefusalsAreJSON(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.Use(trace("router"))
	router.HandleFunc("GET /users", reply("users"))
	router.HandleFunc("POST /users", reply("users"))

	for _, tt := range []struct {
		method, target string
		status         int
		allow, body    string
	}{
		{"GET", "/none", 404, "", `{"error":"not found"}`},
		{"DELETE", "/users", 405, "GET, HEAD, POST", `{"error":"method not allowed"}`},
		{"HEAD", "/none", 404, "", ""},
	} {
		got := ask(t, router, tt.method, tt.target)
		if got.status != tt.status || got.body != tt.body || got.header.Get("Allow") != tt.allow {
			t.Errorf("%s %s: %+v", tt.method, tt.target, got)
		}
		if ct := got.header.Get("Content-Type"); ct != "application/json" {
			t.Errorf("%s %s: Content-Type %q", tt.method, tt.target, ct)
		}
		if trace := got.header.Get("Trace"); trace != "router" {
			t.Errorf("%s %s: the router's middleware did not run", tt.method, tt.target)
		}
	}
}

func TestConflictNamesBothCallsOfTheUser(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	group := router.Group("/api")
	first := line(1)
	group.HandleFunc("GET /a/{x}", reply("1"))
	var second string
	got := panicText(func() {
		second = line(1)
		router.HandleFunc("GET /api/{y}/b", reply("2"))
	})
	want := "http: " + second + `: pattern "GET /api/{y}/b" conflicts with pattern "GET /api/a/{x}" (registered at ` + first + "):\n"
	if !strings.HasPrefix(got, want) || !strings.Contains(got, `both match some paths, like "/api/a/b"`) {
		t.Errorf("panic %q, want it to begin with %q", got, want)
	}
}
