package routing

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestMethodIndexListsTheMethodsOfAPath(t *testing.T) {
	t.Parallel()
	var index methodIndex
	for _, p := range []string{
		"/any/{x...}",
		"GET /a",
		"POST /a",
		"POST /{x}",
		"PUT /{x}/b",
		"DELETE /dir/",
		"PATCH /dir/{$}",
		"OPTIONS /dir/{rest...}",
		"GET /deep/%2F/{$}",
		"LOCK example.com/a",
		"GET /é",
		"PURGE /v/{x}/w",
	} {
		index.add(p)
	}
	for _, tt := range []struct{ host, path, want string }{
		{"", "/a", "GET, HEAD, POST"},
		{"example.com", "/a", "GET, HEAD, LOCK, POST"},
		{"other", "/a", "GET, HEAD, POST"},
		{"", "/x", "POST"},
		{"", "/x/b", "PUT"},
		{"", "/%61", "GET, HEAD, POST"},
		{"", "/%C3%A9", "GET, HEAD, POST"},
		{"", "/a%2Fb", "POST"},
		{"", "/dir/", "DELETE, OPTIONS, PATCH"},
		{"", "/dir", "DELETE, OPTIONS, PATCH, POST"},
		{"", "/dir/x/y", "DELETE, OPTIONS"},
		{"", "/deep", "POST"},
		{"", "/deep/%2F", "GET, HEAD"},
		{"", "/any/x", ""},
		{"", "/", ""},
		{"", "", ""},
		{"", "/a/", ""},
		{"", "//double", ""},
		{"", "/v/x/w", "PURGE"},
		{"", "/v//w", ""},
		{"", "//w/", ""},
	} {
		if got := index.allow(tt.host, tt.path, SlashServeMux); got != tt.want {
			t.Errorf("allow(%q, %q) = %q, want %q", tt.host, tt.path, got, tt.want)
		}
	}
}

func TestARouteForAllRequestsReplacesTheFallback(t *testing.T) {
	t.Parallel()
	say := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Said", text+" "+r.Pattern) }
	}
	m := New(func(w http.ResponseWriter, r *http.Request, allow string) {
		say("unmatched "+allow)(w, r)
	})
	ask := func(target string) string {
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		return w.Header().Get("Said")
	}
	for _, p := range []string{"GET /a", "POST /b"} {
		if err := m.Register(p, say("routed")); err != nil {
			t.Fatal(err)
		}
	}
	if a, b, c := ask("/a"), ask("/b"), ask("/c"); a != "routed GET /a" || b != "unmatched POST " || c != "unmatched  " {
		t.Errorf("before: %q, %q, %q", a, b, c)
	}
	if err := m.Register("/{all...}", say("rest")); err != nil {
		t.Fatal(err)
	}
	if a, b, c := ask("/a"), ask("/b"), ask("/c"); a != "routed GET /a" || b != "rest /{all...}" || c != "rest /{all...}" {
		t.Errorf("after: %q, %q, %q", a, b, c)
	}
	if err := m.Register("/", say("again")); err == nil {
		t.Error("a second route for all requests was accepted")
	}
}

func TestConflictNamesTheOtherRoute(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ first, second, other string }{
		{"GET /a/{x}", "GET /{x}/b", "GET /a/{x}"},
		{"/", "/{all...}", "/"},
		{"/{all...}", "/", "/{all...}"},
		{"\t/", "/", "\t/"},
		{"GET /{all...}", "GET /", "GET /{all...}"},
		{"/a", "/", ""},
		{"h/", "/", ""},
		{"GET /", "/", ""},
		{"/", "GET /", ""},
	} {
		m := New(unmatched)
		register(t, m, "GET /other", tt.first)
		err := m.Register(tt.second, http.HandlerFunc(echo))
		conflict, ok := errors.AsType[*ConflictError](err)
		if (tt.other == "") != (err == nil) || ok && conflict.Other != tt.other || !ok && err != nil {
			t.Errorf("%q after %q: %v, want a conflict with %q", tt.second, tt.first, err, tt.other)
		}
	}
}

func TestOnlyARegisteredPatternBecomesTheRequestsPattern(t *testing.T) {
	t.Parallel()
	m := New(unmatched)
	patternOf := func(target string) string {
		r := httptest.NewRequest("GET", target, nil)
		m.ServeHTTP(httptest.NewRecorder(), r)
		return r.Pattern
	}
	for _, target := range []string{"/none", "//none"} { // the second is redirected
		if got := patternOf(target); got != "" {
			t.Errorf("%s without a route has the pattern %q", target, got)
		}
	}
	register(t, m, "/")
	for _, target := range []string{"/none", "//none"} {
		if got := patternOf(target); got != "/" {
			t.Errorf("%s has the pattern %q, want /", target, got)
		}
	}
}

func TestAllowAllocatesNothingForAnUnknownPath(t *testing.T) {
	var index methodIndex
	for _, p := range []string{"GET /a/{x}", "POST /{y}/b", "GET /c/"} {
		index.add(p)
	}
	if n := testing.AllocsPerRun(100, func() { index.allow("example.com", "/x/y/z", SlashServeMux) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMethodIndex(b *testing.B) {
	var index methodIndex
	for _, p := range []string{"GET /a/{x}", "POST /a/{x}", "POST /{y}/b", "GET /c/"} {
		index.add(p)
	}
	for name, path := range map[string]string{"unknown path": "/x/y/z", "two methods": "/a/x"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				index.allow("example.com", path, SlashServeMux)
			}
		})
	}
}
