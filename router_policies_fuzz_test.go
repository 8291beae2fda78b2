package http_test

import (
	"math/rand/v2"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// FuzzPoliciesAndMounts generates tables of routes as FuzzRouterAgreesWithServeMux does. It
// compares routers with each policy for slashes, and mounted handlers, with a plain router.
func FuzzPoliciesAndMounts(f *testing.F) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 5 {
		f.Add(randomBytes(random, 200))
	}
	f.Fuzz(func(t *testing.T, table []byte) { comparePolicies(t, &dice{table}) })
}

func TestPoliciesAndMountsOnRandomTables(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 8))
	tables := 400
	if testkit.Race {
		tables = 50
	}
	for range tables {
		comparePolicies(t, &dice{randomBytes(random, 300)})
	}
}

func comparePolicies(t *testing.T, d *dice) {
	t.Helper()
	plain, mux := http.NewRouter(), http.NewServeMux()
	policies := map[http.SlashPolicy]*http.Router{}
	for policy := range http.SlashStrict + 1 {
		policies[policy] = http.NewRouter()
		policies[policy].TrailingSlash(policy)
	}
	outer := http.NewRouter()
	outer.Mount("/m/{outer}", plain)
	outer.Mount("/mux", mux)
	var table []written
	for range d.below(10) {
		p := d.pattern(table)
		if panicText(func() { plain.HandleFunc(p.String(), showMatch) }) != "" {
			continue
		}
		table = append(table, p)
		mux.HandleFunc(p.String(), showMatch)
		for _, router := range policies {
			router.HandleFunc(p.String(), showMatch)
		}
	}
	for range 6 {
		r := d.request(table)
		if r == nil || r.Method == http.MethodConnect || r.RequestURI == "*" || !isClean(r.URL.EscapedPath()) {
			continue // CONNECT has no policy, and unclean paths are redirected first
		}
		checkPolicies(t, policies, table, r)
		checkMounts(t, outer, plain, table, r)
	}
}

// isClean reports whether ServeMux does not redirect a path to its clean form.
func isClean(p string) bool {
	return p == "/" || p != "" && path.Clean(p) == strings.TrimSuffix(p, "/") && !strings.Contains(p, "//")
}

// checkPolicies compares the responses under each policy with those of a ServeMux to the
// same path and to the other one.
func checkPolicies(t *testing.T, policies map[http.SlashPolicy]*http.Router, table []written, r *http.Request) {
	t.Helper()
	asServeMux, other := observe(policies[0], r), observe(policies[0], withOtherSlash(r))
	var got [http.SlashStrict + 1]observation
	for policy, router := range policies {
		got[policy] = observe(router, r)
		checkAnswer(t, dropShifted(router), table, r)
	}
	unmatched := asServeMux.status == 404 || asServeMux.status == 405
	redirected := asServeMux.status == 307
	otherMatches := other.status == 200 && strings.HasSuffix(r.URL.Path, "/")
	switch redirect, serve, strict := got[http.SlashRedirect], got[http.SlashServe], got[http.SlashStrict]; {
	case strict.status == 307:
		t.Fatalf("table %q\n%s %s: SlashStrict redirects to %s", table, r.Method, r.RequestURI, strict.header.Get("Location"))
	case serve.status == 307:
		t.Fatalf("table %q\n%s %s: SlashServe redirects to %s", table, r.Method, r.RequestURI, serve.header.Get("Location"))
	case redirected && (redirect.status != 307 || serve.body != other.body || serve.status != 200):
		t.Fatalf("table %q\n%s %s: %+v and %+v for a redirect of ServeMux", table, r.Method, r.RequestURI, redirect, serve)
	case unmatched && otherMatches && (redirect.status != 307 || serve.body != other.body || strict.status != asServeMux.status):
		t.Fatalf("table %q\n%s %s: %+v, %+v and %+v for a slash too many", table, r.Method, r.RequestURI, redirect, serve, strict)
	case unmatched && !otherMatches && (redirect.status != asServeMux.status || serve.status == 200):
		t.Fatalf("table %q\n%s %s: %+v and %+v for an unknown path", table, r.Method, r.RequestURI, redirect, serve)
	case !unmatched && !redirected && (redirect.body != asServeMux.body || serve.body != asServeMux.body || strict.body != asServeMux.body):
		t.Fatalf("table %q\n%s %s: %+v, %+v and %+v for a path that matches", table, r.Method, r.RequestURI, redirect, serve, strict)
	}
}

// dropShifted removes the field that showMatch sets if the values do not fit the path of the
// original request.
func dropShifted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		w.Header().Del("Shifted")
	})
}

// withOtherSlash returns a copy of a request with a slash added to its path or removed.
func withOtherSlash(r *http.Request) *http.Request {
	r = r.Clone(r.Context())
	change := func(p string) string { return p + "/" }
	if strings.HasSuffix(r.URL.EscapedPath(), "/") {
		change = func(p string) string { return strings.TrimSuffix(p, "/") }
	}
	if r.URL.RawPath == "" {
		r.URL.Path = change(r.URL.Path)
		return r
	}
	r.URL.Path, r.URL.RawPath = change(r.URL.Path), change(r.URL.RawPath)
	return r
}

// checkMounts compares the responses of mounted handlers with that of the handler itself.
func checkMounts(t *testing.T, outer, plain http.Handler, table []written, r *http.Request) {
	t.Helper()
	want := observe(plain, r)
	for _, prefix := range []string{"/m/a%2Fb", "/mux"} {
		mounted := r.Clone(r.Context())
		target, err := url.ParseRequestURI(prefix + r.URL.EscapedPath())
		if err != nil {
			return
		}
		mounted.URL.Path, mounted.URL.RawPath = target.Path, target.RawPath
		if mounted.URL.EscapedPath() != prefix+r.URL.EscapedPath() || prefix == "/mux" && !lowerHosts(table, r) {
			continue
		}
		got := observe(outer, mounted)
		if prefix == "/mux" && (want.status == 404 || want.status == 405) {
			want.status = got.status // the ServeMux answers itself
		}
		location := want.header.Get("Location")
		if location != "" {
			location, want.body = prefix+location, got.body
		}
		if got.status != want.status || got.body != want.body || got.header.Get("Location") != location || got.panicked != "" {
			t.Fatalf("table %q\n%s %s, mounted at %s: %+v, without: %+v", table, r.Method, r.RequestURI, prefix, got, want)
		}
	}
}

// lowerHosts reports whether ServeMux compares the hosts of patterns and of a request as
// Router does.
func lowerHosts(table []written, r *http.Request) bool {
	return r.Host == lowerHost(r.Host) &&
		!slices.ContainsFunc(table, func(p written) bool { return p.host != lowerHost(p.host) })
}
