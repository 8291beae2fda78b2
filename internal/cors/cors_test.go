package cors_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/cors"
)

func newPolicy(tb testing.TB, c cors.Config) *cors.Policy {
	tb.Helper()
	p, wrong := cors.New(c)
	if len(wrong) > 0 {
		tb.Fatal(wrong)
	}
	return p
}

func TestPolicyDoesNotKeepTheConfigsSlices(t *testing.T) {
	t.Parallel()
	c := cors.Config{
		AllowOrigins: []string{"https://example.com"},
		AllowMethods: []string{"GET", "PUT"}[:1],
		AllowHeaders: []string{"X-One"},
	}
	p := newPolicy(t, c)
	c.AllowOrigins[0], c.AllowMethods[0], c.AllowHeaders[0] = "https://evil.example", "DELETE", "X-Two"
	if c.AllowMethods[:2][1] != "PUT" {
		t.Error("New wrote past the end of AllowMethods")
	}
	rec, r := httptest.NewRecorder(), httptest.NewRequest("OPTIONS", "/", nil)
	r.Header = http.Header{
		"Origin":                         {"https://example.com"},
		"Access-Control-Request-Method":  {"GET"},
		"Access-Control-Request-Headers": {"x-one"},
	}
	p.ServePreflight(rec, r)
	if got := rec.Header().Get("Access-Control-Allow-Origin"); got != "https://example.com" {
		t.Errorf("after the configuration was changed, the origin got %q", got)
	}
}

// allowed reports whether the policy of the fuzz target must allow a preflight. It
// is written differently from the policy, with maps and string splitting.
func allowed(origin, method, headers string) bool {
	origins := map[string]bool{"https://example.com": true, "http://localhost:5173": true}
	methods := map[string]bool{"GET": true, "HEAD": true, "PUT": true}
	names := map[string]bool{"": true, "x-one": true, "content-type": true}
	for name := range strings.SplitSeq(headers, ",") {
		name = strings.Map(func(r rune) rune {
			if 'A' <= r && r <= 'Z' {
				return r + 'a' - 'A'
			}
			return r
		}, strings.Trim(name, " \t"))
		if !names[name] {
			return false
		}
	}
	return origins[origin] && methods[method]
}

func FuzzServePreflight(f *testing.F) {
	p := newPolicy(f, cors.Config{
		AllowOrigins:     []string{"https://example.com", "http://localhost:5173"},
		AllowMethods:     []string{"GET", "PUT"},
		AllowHeaders:     []string{"X-One", "Content-Type"},
		AllowCredentials: true,
	})
	f.Add("https://example.com", "PUT", "content-type", "x-one")
	f.Add("http://localhost:5173", "HEAD", "", ", ,\tX-ONE ")
	f.Add("null", "GET", "x-two", "")
	f.Add("https://example.com", "put", "x-one x", "")
	f.Fuzz(func(t *testing.T, origin, method, first, second string) {
		if len(first)+len(second) > 80 {
			t.Skip("close to the length at which the policy stops reading")
		}
		rec, r := httptest.NewRecorder(), httptest.NewRequest("OPTIONS", "/", nil)
		r.Header = http.Header{
			"Origin":                         {origin},
			"Access-Control-Request-Method":  {method},
			"Access-Control-Request-Headers": {first, second},
		}
		p.ServePreflight(rec, r)
		want := http.Header{"Vary": {"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}}
		if allowed(origin, method, first+","+second) {
			want["Access-Control-Allow-Origin"] = []string{origin}
			want["Access-Control-Allow-Credentials"] = []string{"true"}
			want["Access-Control-Allow-Methods"] = []string{"GET, PUT"}
			want["Access-Control-Allow-Headers"] = []string{"X-One, Content-Type"}
			want["Access-Control-Max-Age"] = []string{"86400"}
		}
		if got := rec.Header(); rec.Code != http.StatusNoContent || !maps.EqualFunc(got, want, slices.Equal) {
			t.Errorf("%q, %q, %q, %q: %d %q, want 204 %q", origin, method, first, second, rec.Code, got, want)
		}
	})
}
