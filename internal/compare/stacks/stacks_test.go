package stacks_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/compare/stacks"
)

// writer drops a response and remembers its status, at no cost.
type writer struct {
	header http.Header
	status int
}

func (w *writer) Header() http.Header         { return w.header }
func (w *writer) Write(p []byte) (int, error) { return len(p), nil }
func (w *writer) WriteHeader(status int)      { w.status = status }
func (w *writer) WriteString(s string) (int, error) {
	return len(s), nil
}

// tables are the routes of each row of the router's table, with the requests
// that are measured.
func tables() map[string]struct {
	routes   []stacks.Route
	requests []*http.Request
	status   int
} {
	type table = struct {
		routes   []stacks.Route
		requests []*http.Request
		status   int
	}
	github := stacks.GitHub()
	var all []*http.Request
	for _, r := range github {
		all = append(all, httptest.NewRequest(r.Method, r.Example(), nil))
	}
	one := func(method, path string) []*http.Request {
		return []*http.Request{httptest.NewRequest(method, path, nil)}
	}
	five := append(github, stacks.NewRoute("GET", "/a/{a}/{b}/{c}/{d}/{e}"))
	return map[string]table{
		"static":            {github, one("GET", "/user/repos"), 200},
		"1 parameter":       {github, one("GET", "/gists/17"), 200},
		"5 parameters":      {five, one("GET", "/a/1/2/3/4/5"), 200},
		"203 GitHub routes": {github, all, 200},
		"404":               {github, one("GET", "/user/nothing/of/the/kind"), 404},
		"405":               {github, one("PATCH", "/user/repos"), 405},
	}
}

func TestRoutersAnswerAlike(t *testing.T) {
	if n := len(stacks.GitHub()); n != 203 {
		t.Fatalf("%d routes, want 203", n)
	}
	for name, table := range tables() {
		for _, r := range table.requests {
			want := ""
			for i, c := range stacks.Routers(table.routes) {
				rec := httptest.NewRecorder()
				c.Handler.ServeHTTP(rec, r.Clone(r.Context()))
				if rec.Code != table.status {
					t.Errorf("%s: %s answers %s %s with %d", name, c.Name, r.Method, r.URL, rec.Code)
				}
				if i == 0 {
					want = rec.Body.String()
				} else if got := rec.Body.String(); rec.Code == 200 && got != want {
					t.Errorf("%s: %s answers %s %s with %q, want %q", name, c.Name, r.Method, r.URL, got, want)
				}
			}
		}
	}
}

var sizes = map[string]int{"200 B": 200, "10 KB": 10 << 10}

func apiRequest() *http.Request {
	r := httptest.NewRequest("GET", stacks.Path, nil)
	r.Header.Set("Accept-Encoding", "gzip")
	r.Header.Set("Origin", stacks.Origin)
	return r
}

func TestChainsAnswerAlike(t *testing.T) {
	for name, size := range sizes {
		item := stacks.NewItem(size)
		want, err := json.Marshal(item)
		if err != nil {
			t.Fatal(err)
		}
		if d := len(want) - size; d < -20 || d > 20 {
			t.Errorf("%s: the item has %d bytes", name, len(want))
		}
		for _, c := range stacks.Chains(item, io.Discard) {
			var log strings.Builder
			for _, again := range stacks.Chains(item, &log) {
				if again.Name == c.Name {
					c = again
				}
			}
			rec := httptest.NewRecorder()
			c.Handler.ServeHTTP(rec, apiRequest())
			body := io.Reader(rec.Body)
			if coded := rec.Header().Get("Content-Encoding") == "gzip"; coded != (size > 1024) {
				t.Errorf("%s: %s: Content-Encoding %q", name, c.Name, rec.Header().Get("Content-Encoding"))
			} else if coded {
				if body, err = gzip.NewReader(rec.Body); err != nil {
					t.Fatal(err)
				}
			}
			got, _ := io.ReadAll(body)
			if strings.TrimSpace(string(got)) != string(want) {
				t.Errorf("%s: %s answers %d bytes that differ", name, c.Name, len(got))
			}
			for _, field := range []string{
				"X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "X-Xss-Protection", "Permissions-Policy",
				"Access-Control-Allow-Origin",
			} {
				if rec.Header().Get(field) == "" {
					t.Errorf("%s: %s: no %s", name, c.Name, field)
				}
			}
			var line map[string]any
			if err := json.Unmarshal([]byte(log.String()), &line); err != nil {
				t.Errorf("%s: %s logs %q: %v", name, c.Name, log.String(), err)
			}
		}
	}
}

func BenchmarkRouter(b *testing.B) {
	for name, table := range tables() {
		for _, c := range stacks.Routers(table.routes) {
			b.Run(fmt.Sprintf("%s/%s", name, c.Name), func(b *testing.B) {
				b.ReportAllocs()
				w := &writer{header: http.Header{}}
				for b.Loop() {
					for _, r := range table.requests {
						clear(w.header)
						c.Handler.ServeHTTP(w, r)
					}
				}
			})
		}
	}
}

func BenchmarkChain(b *testing.B) {
	for name, size := range sizes {
		item := stacks.NewItem(size)
		contestants := append(stacks.Chains(item, io.Discard),
			stacks.Contestant{Name: "stanza, with ETag and metrics", Handler: stacks.Stanza(item, io.Discard, true)},
			stacks.Contestant{Name: "net/http alone", Handler: stacks.Bare(item)})
		for _, c := range contestants {
			b.Run(fmt.Sprintf("%s/%s", name, c.Name), func(b *testing.B) {
				b.ReportAllocs()
				r := apiRequest()
				w := &writer{}
				for b.Loop() {
					w.header = http.Header{}
					c.Handler.ServeHTTP(w, r)
				}
			})
		}
	}
}
