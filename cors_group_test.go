package http_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// named returns a handler that responds with a name, and with the method of the request.
func named(name string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, name+" "+r.Method) }
}

// newAPIRouter returns a router with groups for two origins and routes without CORS.
func newAPIRouter() *http.Router {
	const page, admin = "https://app.example.com", "https://admin.example.com"
	router := http.NewRouter()
	api := router.Group("/api")
	api.HandleFunc("GET /items", named("list"))
	api.HandleFunc("POST /items", named("create"))
	api.HandleFunc("PUT /items/{id}", named("update"))
	api.HandleFunc("/any", named("any"))
	api.HandleFunc("OPTIONS /explicit", named("explicit"))
	api.HandleFunc("PUT /explicit", named("explicit"))
	api.HandleFunc("PURGE api.example.com/cache", named("purge"))
	api.Use(http.CORS(http.CORSConfig{AllowOrigins: []string{page}}))
	inner := api.Group("/inner")
	inner.HandleFunc("PATCH /{$}", named("inner"))

	admins := router.Group("/api/admin")
	admins.Use(http.CORS(http.CORSConfig{AllowOrigins: []string{admin}, AllowMethods: []string{"GET", "DELETE"}, AllowCredentials: true}))
	admins.HandleFunc("DELETE /users/{id}", named("delete"))
	admins.HandleFunc("PUT /users/{id}", named("replace"))

	tenants := router.Group("/t/{tenant}")
	tenants.Use(http.CORS(http.CORSConfig{AllowOriginFunc: func(r *http.Request, origin string) bool {
		return origin == "https://"+r.PathValue("tenant")+".example.com"
	}}))
	tenants.HandleFunc("PUT /profile/{id}", named("profile"))

	open := router.Group("/open")
	open.Use(http.CORS(http.CORSConfig{AllowOrigins: []string{page}}))
	open.HandleFunc("/", named("catch-all"))
	router.HandleFunc("PUT /open/private", named("without CORS"))

	router.HandleFunc("DELETE /api/items/{id}", named("without CORS"))
	router.Handle("PUT /single", http.CORS(http.CORSConfig{AllowOrigins: []string{page}})(http.HandlerFunc(named("single"))))
	return router
}

func TestCORSOnAGroupRespondsToPreflights(t *testing.T) {
	t.Parallel()
	const page, admin = "https://app.example.com", "https://admin.example.com"
	testkit.EachProtocol(t, newAPIRouter(), func(t *testing.T, srv *testkit.Server) {
		for _, tt := range []struct {
			path, origin, method string
			status               int
			methods              string // of the response; "" if the preflight is not allowed
		}{
			{"/api/items", page, "POST", 204, "GET, HEAD, POST"},
			{"/api/items", page, "GET", 204, "GET, HEAD, POST"},
			{"/api/items", page, "HEAD", 204, "GET, HEAD, POST"},
			{"/api/items/7", page, "PUT", 204, "PUT"},
			{"/api/items/a%2Fb", page, "PUT", 204, "PUT"},
			{"/api/inner/", page, "PATCH", 204, "PATCH"},
			{"/api/explicit", page, "PUT", 204, "OPTIONS, PUT"},
			{"/api/any", page, "DELETE", 204, "GET, POST, PUT, DELETE, PATCH, OPTIONS"},
			{"/api/any", page, "PURGE", 204, ""},
			{"/single", page, "PUT", 204, "PUT"},
			{"/api/admin/users/7", admin, "DELETE", 204, "GET, DELETE"},
			{"/t/acme/profile/7", "https://acme.example.com", "PUT", 204, "PUT"},

			{"/api/items", admin, "POST", 204, ""},
			{"/api/items", "null", "POST", 204, ""},
			{"/api/items", page, "PATCH", 204, ""},
			{"/api/items", page, "CONNECT", 204, ""},
			{"/api/items", page, "post", 204, ""},
			{"/api/items", page, "", 204, ""},
			{"/api/items/7", page, "PURGE", 204, ""},
			{"/api/admin/users/7", page, "DELETE", 204, ""},
			{"/api/admin/users/7", admin, "PUT", 204, ""},
			{"/t/acme/profile/7", "https://evil.example.com", "PUT", 204, ""},

			{"/api/items/7", page, "DELETE", 405, ""}, // that route has no CORS
			{"/api/cache", page, "PURGE", 404, ""},    // of another host
			{"/api/inner", page, "PATCH", 405, ""},    // is redirected
			{"/api", page, "GET", 404, ""},
			{"/nothing", page, "GET", 404, ""},
			{"/t//profile/7", "https://.example.com", "PUT", 307, ""},
			{"/open/private", page, "PUT", 204, ""}, // the catch-all has CORS, that route has none
			{"/open/any", page, "PUT", 204, "GET, POST, PUT, DELETE, PATCH, OPTIONS"},
		} {
			r := testkit.NewRequest("OPTIONS", srv.URL+tt.path, "")
			r.Header = preflight(tt.origin, tt.method)
			res := testkit.Do(t, srv.Client(), r)
			origin := ""
			if tt.methods != "" {
				origin = tt.origin
			}
			got := corsFields(res.Header)
			if res.StatusCode != tt.status || got["Allow-Methods"] != tt.methods || got["Allow-Origin"] != origin {
				t.Errorf("%s from %s for %s: %d %v, want %d, %q", tt.path, tt.origin, tt.method, res.StatusCode, got, tt.status, tt.methods)
			}
			if vary := res.Header.Get("Vary"); tt.status == 204 && vary != "Origin, Access-Control-Request-Method, Access-Control-Request-Headers" {
				t.Errorf("%s: Vary %q", tt.path, vary)
			}
		}
		r := testkit.NewRequest("OPTIONS", srv.URL+"/api/cache", "")
		r.Host, r.Header = "API.example.com.:8080", preflight(page, "PURGE")
		if got := corsFields(testkit.Do(t, srv.Client(), r).Header); got["Allow-Methods"] != "PURGE" {
			t.Errorf("the host of a pattern: %v", got)
		}
		srv.Do(t, "OPTIONS", "/api/items", "").Want(t, 405, `{"error":"method not allowed"}`)
		srv.Do(t, "OPTIONS", "/api/explicit", "").Want(t, 200, "explicit OPTIONS")
		res := srv.Do(t, "PUT", "/api/items/7", "", "Origin: "+page)
		res.Want(t, 200, "update PUT")
		res.WantHeader(t, "Access-Control-Allow-Origin", page)
	})
}

func TestMiddlewareOfAGroupSeesPreflightsIfItIsBeforeCORS(t *testing.T) {
	t.Parallel()
	var seen []string
	trace := func(name string) http.Middleware {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen = append(seen, fmt.Sprintf("%s %s %s %q", name, r.Method, r.PathValue("id"), r.Pattern))
				next.ServeHTTP(w, r)
			})
		}
	}
	var log testkit.Log
	metrics := http.NewMetrics()
	router := http.NewRouter()
	router.Use(metrics.Middleware(), http.RequestLogger(log.JSON()))
	group := router.Group("/api")
	cors := http.CORS(http.CORSConfig{AllowOrigins: []string{"https://app.example.com"}})
	group.Use(trace("before"), http.Chain(trace("chain"), cors, trace("after")), trace("inner"))
	group.HandleFunc("PUT /items/{id}", named("update"))
	r := httptest.NewRequest("OPTIONS", "/api/items/7", nil)
	r.Header = preflight("https://app.example.com", "PUT")
	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, r)
	if want := []string{`before OPTIONS 7 ""`, `chain OPTIONS 7 ""`}; !slices.Equal(seen, want) || rec.Header().Get("Access-Control-Allow-Methods") != "PUT" {
		t.Errorf("seen %q, want %q; header %v", seen, want, rec.Header())
	}
	if record := log.Records(t)[0]; record["pattern"] != nil || record["status"] != 204.0 || r.Pattern != "" {
		t.Errorf("logged %v; r.Pattern %q", record, r.Pattern)
	}
}

// Middleware that removes a field of a preflight must not let it reach the handler of
// another method.
func TestPreflightsForAGroupNeverReachItsHandlers(t *testing.T) {
	t.Parallel()
	for _, field := range []string{"Origin", "Access-Control-Request-Method"} {
		for _, origin := range []string{"https://app.example.com", "*"} {
			router := http.NewRouter()
			router.Group("").Use() // groups without CORS change nothing
			group := router.Group("/api")
			group.Use(func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					r.Header.Del(field)
					next.ServeHTTP(w, r)
				})
			}, http.CORS(http.CORSConfig{AllowOrigins: []string{origin}}))
			group.HandleFunc("PUT /x", func(http.ResponseWriter, *http.Request) { t.Error("the handler was called") })
			r := httptest.NewRequest("OPTIONS", "/api/x", nil)
			r.Header = preflight("https://app.example.com", "PUT")
			rec := httptest.NewRecorder()
			router.ServeHTTP(rec, r)
			if rec.Code != 204 {
				t.Errorf("without %s: status %d", field, rec.Code)
			}
		}
	}
}

// Exactly those preflights are allowed whose actual requests get a response that the page
// can read, for random routes.
func TestPreflightsAreAllowedIfTheActualRequestIs(t *testing.T) {
	t.Parallel()
	methods := []string{"", "GET", "PUT", "DELETE"}
	paths := []string{"/", "/a", "/a/", "/a/b", "/a/{x}", "/{x}/b", "/{x}", "/a/{$}", "/{x...}"}
	requests := []string{"/", "/a", "/a/", "/a/b", "/a/c", "/c", "/c/b", "/c/d", "/a//b"}
	const page = "https://app.example.com"
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		router := http.NewRouter()
		groups := []*http.Group{router.Group(""), router.Group(""), router.Group("")}
		groups[1].Use(http.CORS(http.CORSConfig{AllowOrigins: []string{page}, ExposeHeaders: []string{"X-1"}}))
		groups[2].Use(http.CORS(http.CORSConfig{AllowOrigins: []string{page}, ExposeHeaders: []string{"X-2"}}))
		var patterns []string
		for range 6 {
			i, pattern := random.IntN(3), strings.TrimSpace(methods[random.IntN(len(methods))]+" "+paths[random.IntN(len(paths))])
			if panicText(func() { groups[i].HandleFunc(pattern, named("")) }) == "" {
				patterns = append(patterns, fmt.Sprint(i, " ", pattern))
			}
		}
		for _, path := range requests {
			readable := map[string][]string{} // methods by group
			for _, method := range methods[1:] {
				rec, r := httptest.NewRecorder(), httptest.NewRequest(method, path, nil)
				r.Header.Set("Origin", page)
				router.ServeHTTP(rec, r)
				if rec.Code/100 == 3 {
					continue // browsers do not follow redirects without CORS fields
				}
				group := rec.Header().Get("Access-Control-Expose-Headers")
				readable[group] = append(readable[group], method)

				asked, p := httptest.NewRecorder(), httptest.NewRequest("OPTIONS", path, nil)
				p.Header = preflight(page, method)
				router.ServeHTTP(asked, p)
				if allowed := asked.Header().Get("Access-Control-Allow-Methods") != ""; allowed != (group != "") {
					t.Fatalf("%q: preflight for %s %s: %d %v; the actual request: %v", patterns, method, path, asked.Code, asked.Header(), rec.Header())
				}
			}
			delete(readable, "")
			for group, want := range readable {
				p := httptest.NewRequest("OPTIONS", path, nil)
				p.Header = preflight(page, want[0])
				rec := httptest.NewRecorder()
				router.ServeHTTP(rec, p)
				listed := strings.Split(rec.Header().Get("Access-Control-Allow-Methods"), ", ")
				for _, method := range listed {
					if slices.Contains(methods, method) && !slices.Contains(want, method) {
						if !slices.Contains(listed, "PATCH") { // the default list, of a route for all methods
							t.Errorf("%q: preflight for %s %s of %s lists %s", patterns, want[0], path, group, method)
						}
					}
				}
			}
		}
	}
}

func TestASecondCORSIsRefusedWhenChainsAreBuilt(t *testing.T) {
	t.Parallel()
	one := func() http.Middleware {
		return http.CORS(http.CORSConfig{AllowOrigins: []string{"https://app.example.com"}})
	}
	shared := one()
	handler := http.HandlerFunc(named("x"))
	for name, tt := range map[string]struct {
		add     func(*http.Router)
		refused bool
	}{
		"router and group":    {func(rt *http.Router) { rt.Use(one()); g := rt.Group("/a"); g.Use(one()); g.Handle("GET /x", handler) }, true},
		"group before router": {func(rt *http.Router) { g := rt.Group("/a"); g.Use(one()); g.Handle("GET /x", handler); rt.Use(one()) }, true},
		"outer and inner group": {func(rt *http.Router) {
			g := rt.Group("/a")
			g.Use(one())
			h := g.Group("/b")
			h.Use(one())
			h.Handle("GET /x", handler)
		}, true},
		"twice on a router": {func(rt *http.Router) { rt.Use(one(), one()) }, true},
		"twice in a chain":  {func(rt *http.Router) { rt.Use(http.Chain(one(), one())) }, true},
		"in a chain and on a group": {func(rt *http.Router) {
			rt.Use(http.Chain(one()))
			g := rt.Group("/a")
			g.Use(http.Chain(one()))
			g.Handle("GET /x", handler)
		}, true},
		"on a router and a route": {func(rt *http.Router) { rt.Use(one()); rt.Handle("GET /x", one()(handler)) }, true},
		"on a group and a route":  {func(rt *http.Router) { g := rt.Group("/a"); g.Use(one()); g.Handle("GET /x", one()(handler)) }, true},
		"the same": {func(rt *http.Router) {
			rt.Use(shared)
			g := rt.Group("/a")
			g.Use(shared)
			g.Handle("GET /x", shared(handler))
		}, false},
		"on groups beside each other": {func(rt *http.Router) {
			for _, p := range []string{"/a", "/b"} {
				g := rt.Group(p)
				g.Use(one())
				g.Handle("GET /x", handler)
			}
		}, false},
	} {
		router := http.NewRouter()
		tt.add(router)
		serve := func() { router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/a/x", nil)) }
		if !tt.refused {
			if got := panicText(serve); got != "" {
				t.Errorf("%s: panic %q", name, got)
			}
			continue
		}
		got := panicText(serve)
		if !strings.Contains(got, "cors_group_test.go:") || strings.Count(got, "cors_group_test.go:") != 2 || !strings.Contains(got, "CORS is added to routes that already have another CORS") {
			t.Errorf("%s: panic %q", name, got)
		}
	}
}

func TestARouteWithASecondCORSIsRefusedWhileTheRouterServes(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.Use(http.CORS(http.CORSConfig{}))
	testkit.Serve(t, router, "GET", "/", "")
	got := panicText(func() { router.Handle("GET /x", http.CORS(http.CORSConfig{})(http.HandlerFunc(named("x")))) })
	if !strings.Contains(got, "CORS is added to routes that already have another CORS") {
		t.Errorf("panic %q", got)
	}
}

func TestRoutesThatAreAddedToAGroupWithCORSLaterGetPreflights(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	group := router.Group("/api")
	group.Use(http.CORS(http.CORSConfig{AllowOrigins: []string{"*"}}))
	testkit.Serve(t, router, "GET", "/", "")
	group.HandleFunc("PUT /late", named("late"))
	res := testkit.Serve(t, router, "OPTIONS", "/api/late", "", "Origin: https://app.example.com", "Access-Control-Request-Method: PUT")
	if res.StatusCode != 204 || res.Header.Get("Access-Control-Allow-Methods") != "PUT" || res.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}

func BenchmarkPreflightOfAGroup(b *testing.B) {
	router := newAPIRouter()
	r := httptest.NewRequest("OPTIONS", "/api/items", nil)
	r.Header = preflight("https://app.example.com", "POST")
	w := new(nullWriter)
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		router.ServeHTTP(w, r)
	}
}

func TestPreflightsFollowTheSlashPolicy(t *testing.T) {
	t.Parallel()
	for policy, want := range map[http.SlashPolicy]map[string]int{
		http.SlashServe:    {"/users/": 204, "/users": 204, "/docs": 204, "/docs/": 204, "/users//": 307},
		http.SlashStrict:   {"/users/": 404, "/users": 204, "/docs": 404, "/docs/": 204},
		http.SlashRedirect: {"/users": 204, "/docs/": 204},
	} {
		router := http.NewRouter()
		router.TrailingSlash(policy)
		group := router.Group("")
		group.Use(http.CORS(http.CORSConfig{AllowOrigins: []string{"*"}}))
		group.HandleFunc("PUT /users", named("users"))
		group.HandleFunc("PUT /docs/", named("docs"))
		for path, status := range want {
			res := testkit.Serve(t, router, "OPTIONS", path, "", "Origin: https://app.example.com", "Access-Control-Request-Method: PUT")
			methods := map[bool]string{true: "PUT"}[status == 204]
			if res.StatusCode != status || res.Header.Get("Access-Control-Allow-Methods") != methods {
				t.Errorf("policy %d, %s: %d %v, want %d", policy, path, res.StatusCode, res.Header, status)
			}
		}
	}
}

func TestMountedHandlersOfAGroupWithCORS(t *testing.T) {
	t.Parallel()
	inner := http.NewRouter()
	inner.HandleFunc("PUT /x", named("inner"))
	router := http.NewRouter()
	router.AnswerOptions()
	group := router.Group("/api").With(http.CORS(http.CORSConfig{AllowOrigins: []string{"*"}}))
	group.Mount("/v2", inner)
	group.HandleFunc("PUT /own", named("own"))
	for path, methods := range map[string]string{"/api/v2/x": "GET, POST, PUT, DELETE, PATCH, OPTIONS", "/api/own": "PUT"} {
		res := testkit.Serve(t, router, "OPTIONS", path, "", "Origin: https://app.example.com", "Access-Control-Request-Method: PUT")
		if res.StatusCode != 204 || res.Header.Get("Access-Control-Allow-Methods") != methods {
			t.Errorf("%s: %d %v", path, res.StatusCode, res.Header)
		}
	}
	if res := testkit.Serve(t, router, "OPTIONS", "/api/own", ""); res.StatusCode != 204 || res.Header.Get("Allow") != "OPTIONS, PUT" {
		t.Errorf("OPTIONS: %d %v", res.StatusCode, res.Header)
	}
	// The mount takes requests from the site. A path that is redirected gets no CORS fields.
	router.HandleFunc("GET /{path...}", named("site"))
	for path, allowed := range map[string]bool{"/api/v2/x": true, "/api/v2/": true, "/api/v2": false} {
		res := testkit.Serve(t, router, "OPTIONS", path, "", "Origin: https://app.example.com", "Access-Control-Request-Method: PUT")
		if (res.Header.Get("Access-Control-Allow-Origin") != "") != allowed {
			t.Errorf("%s beside a site: %d %v", path, res.StatusCode, res.Header)
		}
	}
}
