package stacks_test

import (
	nethttp "net/http"
	"net/http/httptest"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/compare/stacks"
)

// A table is a row of the comparison of routers: the routes, the requests that
// are measured together, and the status of their responses.
type table struct {
	name     string
	routes   []stacks.Route
	requests []*nethttp.Request
	status   int
}

func tables() []table {
	github := stacks.GitHub()
	var all []*nethttp.Request
	for _, r := range github {
		all = append(all, httptest.NewRequest(r.Method, r.Example(), nil))
	}
	one := func(method, path string) []*nethttp.Request {
		return []*nethttp.Request{httptest.NewRequest(method, path, nil)}
	}
	five := append(github, stacks.NewRoute("GET", "/a/{a}/{b}/{c}/{d}/{e}"))
	return []table{
		{"static", github, one("GET", "/user/repos"), 200},
		{"1-parameter", github, one("GET", "/gists/17"), 200},
		{"5-parameters", five, one("GET", "/a/1/2/3/4/5"), 200},
		{"203-GitHub-routes", github, all, 200},
		{"404", github, one("GET", "/user/nothing/of/the/kind"), 404},
		{"405", github, one("PATCH", "/user/repos"), 405},
	}
}

func TestRoutersAnswerAlike(t *testing.T) {
	if n := len(stacks.GitHub()); n != 203 {
		t.Fatalf("%d routes, want 203", n)
	}
	for _, table := range tables() {
		contestants := stacks.Routers(table.routes)
		for _, r := range table.requests {
			want := ""
			for i, c := range contestants {
				rec := httptest.NewRecorder()
				c.Handler.ServeHTTP(rec, r.Clone(r.Context()))
				if rec.Code != table.status {
					t.Errorf("%s: %s answers %s %s with %d", table.name, c.Name, r.Method, r.URL, rec.Code)
				}
				if i == 0 {
					want = rec.Body.String()
				} else if got := rec.Body.String(); rec.Code == 200 && got != want {
					t.Errorf("%s: %s answers %s %s with %q, want %q", table.name, c.Name, r.Method, r.URL, got, want)
				}
			}
		}
	}
}

func BenchmarkRouter(b *testing.B) {
	for _, table := range tables() {
		for _, c := range stacks.Routers(table.routes) {
			b.Run("row="+table.name+"/by="+c.Name, func(b *testing.B) {
				b.ReportAllocs()
				w := &writer{header: nethttp.Header{}}
				for b.Loop() {
					for _, r := range table.requests {
						r.Pattern = ""
						clear(w.header)
						c.Handler.ServeHTTP(w, r)
					}
				}
			})
		}
	}
}
