package http_test

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestMistakesInAMountedRouterAreFoundAtStart(t *testing.T) {
	t.Parallel()
	cors := func() http.Middleware { return http.CORS(http.CORSConfig{AllowOrigins: []string{"*"}}) }
	handler := http.HandlerFunc(named("x"))
	nothing := func(http.Handler) http.Handler { return nil }
	shared := cors()
	for name, tt := range map[string]struct {
		add  func(outer, middle, inner *http.Router)
		want string
	}{
		"nil handler": {func(_, _, inner *http.Router) { inner.Use(nothing) }, "returned a nil handler"},
		"nil handler in a group": {func(_, _, inner *http.Router) {
			g := inner.Group("/g")
			g.Use(nothing)
			g.Handle("/x", handler)
		}, "returned a nil handler"},
		"CORS around a mounted CORS": {func(outer, _, inner *http.Router) { outer.Use(cors()); inner.Use(cors()) }, "CORS is added to routes that already have another CORS"},
		"CORS around a group of a mounted router": {func(outer, _, inner *http.Router) {
			outer.Use(cors())
			inner.With(cors()).Handle("/x", handler)
		}, "CORS is added to routes that already have another CORS"},
		"CORS of the mounting group": {func(outer, _, inner *http.Router) {
			other := http.NewRouter()
			outer.With(cors()).Mount("/other", other)
			other.Use(cors())
		}, "CORS is added to routes that already have another CORS"},
		"the same CORS":          {func(outer, _, inner *http.Router) { outer.Use(shared); inner.Use(shared) }, ""},
		"CORS beside each other": {func(_, middle, inner *http.Router) { inner.Use(cors()); middle.With(cors()).Handle("/x", handler) }, ""},
		"RateLimit before the addresses": {func(outer, _, inner *http.Router) {
			outer.Use(http.RateLimit(http.RateLimitConfig{Limit: 1}))
			inner.Use(http.TrustedProxies(netip.MustParsePrefix("10.0.0.0/8")))
		}, "RateLimit comes before TrustedProxies"},
		"routers that are mounted in each other": {func(outer, middle, inner *http.Router) {
			inner.Mount("/outer", outer)
			inner.Mount("/middle", middle)
			outer.Use(cors())
		}, ""},
		"a router under a prefix that stays": {func(outer, _, inner *http.Router) {
			other := http.NewRouter()
			outer.Handle("/other/", other)
			other.Use(nothing)
		}, "returned a nil handler"},
	} {
		outer, middle, inner := http.NewRouter(), http.NewRouter(), http.NewRouter()
		outer.Mount("/middle", middle)
		middle.Group("/g").Mount("/inner", inner.Group(""))
		tt.add(outer, middle, inner)
		srv := http.NewServer(outer, onLoopback(), quietly())
		got := panicText(func() {
			if err := srv.Start(t.Context()); err != nil {
				t.Error(err)
			}
		})
		if tt.want == "" {
			if err := srv.Stop(t.Context()); got != "" || err != nil {
				t.Errorf("%s: panic %q, %v", name, got, err)
			}
		} else if !strings.Contains(got, tt.want) || !strings.Contains(got, "mount_nested_test.go:") {
			t.Errorf("%s: panic %q", name, got)
		}
		if again := panicText(func() { serveOnce(outer) }); again != got {
			t.Errorf("%s: the next request panics with %q", name, again)
		}
	}
}

func TestMiddlewareOfAMountedRouterIsSealedAndAppliedOnce(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	applied := map[string]int{}
	count := func(name string) http.Middleware {
		return func(next http.Handler) http.Handler {
			mu.Lock()
			defer mu.Unlock()
			applied[name]++
			return next
		}
	}
	outer, other, inner := http.NewRouter(), http.NewRouter(), http.NewRouter()
	outer.Use(count("outer"))
	other.Use(count("other"))
	inner.Use(count("inner"))
	group := inner.Group("/g")
	group.Use(count("group"))
	group.HandleFunc("GET /x", seen)
	outer.Mount("/a", inner)
	outer.Mount("/orgs/{org}", inner)
	other.Mount("/c", inner)
	inner.Mount("/outer", outer)
	var wait sync.WaitGroup
	for i := range 16 {
		wait.Go(func() {
			router, target := outer, "/a/g/x"
			if i%2 == 1 {
				router, target = other, "/c/g/x"
			}
			testkit.Serve(t, router, "GET", target, "").Want(t, 200, "/g/x||GET /g/x||")
		})
	}
	wait.Wait()
	if got, want := fmt.Sprint(applied), "map[group:1 inner:1 other:1 outer:1]"; got != want {
		t.Errorf("applied %s, want %s", got, want)
	}
	wantPanicMatch(t, "Use called after serving began", func() { inner.Use(count("late")) })

	late := http.NewRouter()
	outer.Mount("/late", late)
	late.Use(count("late"))
	late.HandleFunc("/x", seen)
	testkit.Serve(t, outer, "GET", "/late/x", "").Want(t, 200, "/x||/x||")
}

func TestRoutesIncludeThoseOfMountedRouters(t *testing.T) {
	t.Parallel()
	outer, middle, inner := http.NewRouter(), http.NewRouter(), http.NewRouter()
	outer.HandleFunc("GET /{path...}", seen)
	outer.Group("/api").Mount("/{v}", middle)
	middle.HandleFunc("/", seen)
	middle.HandleFunc("POST example.com/hosted", seen)
	middle.Mount("/in", inner.Group("/ignored"))
	inner.HandleFunc("GET /x/{id}", seen)
	inner.Mount("/cycle", outer)
	outer.Mount("/mux", http.NewServeMux())
	outer.Mount("/wrapped", http.Chain()(inner))
	outer.Handle("GET /stays/", inner)
	var got []string
	for _, route := range outer.Routes() {
		got = append(got, route.Method+" "+route.Path)
	}
	want := strings.Split(" /api/{v}/| /api/{v}/in/| /api/{v}/in/cycle/|GET /api/{v}/in/x/{id}| /mux/|GET /stays/| /wrapped/| /wrapped/cycle/|GET /wrapped/x/{id}|GET /{path...}|POST example.com/api/{v}/hosted", "|")
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
