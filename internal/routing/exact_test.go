package routing

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// echo responds with the pattern that matched and a path value.
func echo(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, r.Pattern+" "+r.PathValue("x"))
}

// register adds routes that echo.
func register(t *testing.T, m *Mux, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if err := m.Register(p, http.HandlerFunc(echo)); err != nil {
			t.Fatal(err)
		}
	}
}

func answer(h http.Handler, r *http.Request) string {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Body.String()
}

func unmatched(w http.ResponseWriter, _ *http.Request, allow string) {
	io.WriteString(w, "unmatched "+allow)
}

func TestExactPathsAreMatchedAsByServeMux(t *testing.T) {
	t.Parallel()
	m := New(unmatched)
	register(t, m, "GET /a", "POST /a", "HEAD /h", "GET /h", "/any", "GET /any", "POST /{x}/b", "POST /a/b", "PUT /dir/", "GET /dir/{$}", "GET /{$}")
	for _, tt := range []struct{ method, target, want string }{
		{"GET", "/a", "GET /a "},
		{"HEAD", "/a", "GET /a "},
		{"HEAD", "/h", "HEAD /h "},
		{"POST", "/a", "POST /a "},
		{"POST", "/h/b", "POST /{x}/b h"},
		{"POST", "/a/b", "POST /a/b "},
		{"POST", "/a%2Fb", "unmatched "},
		{"PUT", "/a", "unmatched GET, HEAD, POST"},
		{"PUT", "/any", "/any "},
		{"HEAD", "/any", "GET /any "},
		{"GET", "/dir/", "GET /dir/{$} "},
		{"PUT", "/dir/", "PUT /dir/ "},
		{"GET", "/", "GET /{$} "},
		{"GET", "/%61", "GET /a "},
		{"CONNECT", "/any", "/any "},
	} {
		if got := answer(m, httptest.NewRequest(tt.method, tt.target, nil)); got != tt.want {
			t.Errorf("%s %s: %q, want %q", tt.method, tt.target, got, tt.want)
		}
	}
}

// TestPairsOfRoutesAreMatchedAsByServeMux compares a Mux with a ServeMux for
// pairs of patterns that overlap often, with requests to all of their paths.
func TestPairsOfRoutesAreMatchedAsByServeMux(t *testing.T) {
	t.Parallel()
	var patterns []string
	for _, method := range []string{"", "GET ", "HEAD ", "POST "} {
		for _, host := range []string{"", "h"} {
			for _, p := range []string{"/", "/{$}", "/a", "/a/", "/a/{$}", "/a/b", "/a%2Fb", "/{x}", "/a/{x}", "/{x}/b", "/{x...}", "/%61", "/%61/{$}", "/%2F", "/a/%2f"} {
				patterns = append(patterns, method+host+p)
			}
		}
	}
	var requests []*http.Request
	for _, method := range []string{"GET", "HEAD", "POST", "CONNECT"} {
		for _, host := range []string{"http://h", "http://other"} {
			for _, p := range []string{"/", "/a", "/a/", "/a/b", "/a%2Fb", "/a%252Fb", "//", "//a", "/%61", "/%7Bx%7D", "/%2F", "/a/%2f"} {
				requests = append(requests, httptest.NewRequest(method, host+p, nil))
			}
		}
	}
	rewritten := httptest.NewRequest("OPTIONS", "/a", nil)
	rewritten.RequestURI = "*" // ServeMux responds with 400, whatever the URL is
	requests = append(requests, rewritten)
	step := 5 // try one of so many pairs
	if testkit.Race {
		step = 50 // the race detector is ten times slower, and nothing runs concurrently
	}
	for i, p := range patterns {
		for j, q := range patterns[:i] {
			if (i*i+j)%step != 0 {
				continue
			}
			mux, m := http.NewServeMux(), New(unmatched)
			if tryHandle(mux, p, http.HandlerFunc(echo)) != nil || tryHandle(mux, q, http.HandlerFunc(echo)) != nil {
				continue
			}
			register(t, m, p, q)
			for _, r := range requests {
				compare(t, mux, m, r, p, q)
			}
		}
	}
}

// compare sends a request to both and compares their responses. For unmatched
// requests, it checks only that neither matches.
func compare(t *testing.T, mux, m http.Handler, r *http.Request, patterns ...string) {
	t.Helper()
	var said [2]string
	for i, h := range []http.Handler{mux, m} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.Clone(r.Context()))
		said[i] = w.Header().Get("Location") + w.Body.String()
		if w.Code >= 400 || strings.HasPrefix(said[i], "unmatched") {
			said[i] = "unmatched"
		}
	}
	if said[0] != said[1] {
		t.Errorf("%q, %s %s: ServeMux says %q, Mux %q", patterns, r.Method, r.RequestURI, said[0], said[1])
	}
}

func TestARouteWithAHostTakesPrecedenceOverAnExactPath(t *testing.T) {
	t.Parallel()
	m := New(unmatched)
	register(t, m, "/a")
	r := func() *http.Request { return httptest.NewRequest("GET", "http://example.com/a", nil) }
	if got := answer(m, r()); got != "/a " {
		t.Errorf("before: %q", got)
	}
	register(t, m, "example.com/{x}")
	if got := answer(m, r()); got != "example.com/{x} a" {
		t.Errorf("after: %q", got)
	}
}

func TestAnExactPathForgetsTheWildcardsOfAnOuterMux(t *testing.T) {
	t.Parallel()
	for _, inner := range []interface {
		http.Handler
		Handle(string, http.Handler)
	}{http.NewServeMux(), registrar{New(unmatched)}} {
		inner.Handle("GET /users/7", http.HandlerFunc(echo))
		outer := http.NewServeMux()
		outer.Handle("/users/{x}", inner)
		if got := answer(outer, httptest.NewRequest("GET", "/users/7", nil)); got != "GET /users/7 " {
			t.Errorf("%T: %q", inner, got)
		}
	}
}

type registrar struct{ *Mux }

func (r registrar) Handle(p string, h http.Handler) {
	if err := r.Register(p, h); err != nil {
		panic(err)
	}
}

func TestRoutesMayBeAddedWhileRequestsAreMatched(t *testing.T) {
	t.Parallel()
	m := New(unmatched)
	register(t, m, "GET /a")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				if got := answer(m, httptest.NewRequest("GET", "/a", nil)); got != "GET /a " {
					t.Errorf("%q", got)
					return
				}
			}
		})
	}
	for i := range 200 {
		p := "/" + string(rune('b'+i/20)) + "/" + string(rune('b'+i%20))
		register(t, m, "GET "+p)
		if got, want := answer(m, httptest.NewRequest("GET", p, nil)), "GET "+p+" "; got != want {
			t.Fatalf("just registered: %q, want %q", got, want)
		}
	}
	wg.Wait()
}

func TestAnExactPathIsFoundWithoutAllocation(t *testing.T) {
	m := New(unmatched)
	if err := m.Register("GET /some/path", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})); err != nil {
		t.Fatal(err)
	}
	r := &http.Request{Method: "GET", URL: &url.URL{Path: "/some/path"}}
	if n := testing.AllocsPerRun(100, func() {
		r.Pattern = ""
		m.ServeHTTP(nil, r)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
