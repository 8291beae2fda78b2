package http_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	nethttp "net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestTrailingSlashPolicies(t *testing.T) {
	t.Parallel()
	const redirect, serve, strict = http.SlashRedirect, http.SlashServe, http.SlashStrict
	tests := []struct {
		method, target string
		want           map[http.SlashPolicy]string // status, then Location or the path that the handler sees
	}{
		{"GET", "/users", map[http.SlashPolicy]string{0: "200 /users", redirect: "200 /users", serve: "200 /users", strict: "200 /users"}},
		{"GET", "/users/", map[http.SlashPolicy]string{0: "404", redirect: "307 /users", serve: "200 /users", strict: "404"}},
		{"POST", "/users/?a=b", map[http.SlashPolicy]string{0: "404", redirect: "307 /users?a=b", serve: "200 /users", strict: "404"}},
		{"PUT", "/users/", map[http.SlashPolicy]string{0: "404", redirect: "404", serve: "405 GET, HEAD, POST", strict: "404"}},
		{"PUT", "/users", map[http.SlashPolicy]string{0: "405 GET, HEAD, POST", redirect: "405 GET, HEAD, POST", serve: "405 GET, HEAD, POST", strict: "405 GET, HEAD, POST"}},
		{"GET", "/users/7/", map[http.SlashPolicy]string{0: "404", redirect: "307 /users/7", serve: "200 /users/7", strict: "404"}},
		{"GET", "/users/a%2Fb/", map[http.SlashPolicy]string{0: "404", redirect: "307 /users/a%2Fb", serve: "200 /users/a/b", strict: "404"}},
		{"GET", "/users%2F", map[http.SlashPolicy]string{0: "404", redirect: "404", serve: "404", strict: "404"}}, // an escaped slash ends nothing
		{"GET", "/dir", map[http.SlashPolicy]string{0: "307 /dir/", redirect: "307 /dir/", serve: "200 /dir/", strict: "404"}},
		{"GET", "/dir/", map[http.SlashPolicy]string{0: "200 /dir/", redirect: "200 /dir/", serve: "200 /dir/", strict: "200 /dir/"}},
		{"GET", "/end", map[http.SlashPolicy]string{0: "307 /end/", redirect: "307 /end/", serve: "200 /end/", strict: "404"}},
		{"GET", "/tree/dir", map[http.SlashPolicy]string{0: "307 /tree/dir/", redirect: "307 /tree/dir/", serve: "200 /tree/dir/", strict: "200 /tree/dir"}},
		{"POST", "/posted", map[http.SlashPolicy]string{0: "307 /posted/", redirect: "307 /posted/", serve: "200 /posted/", strict: "404"}},
		{"GET", "/posted", map[http.SlashPolicy]string{0: "405 POST", redirect: "405 POST", serve: "405 POST", strict: "404"}},
		{"GET", "/users//", map[http.SlashPolicy]string{0: "307 /users/", redirect: "307 /users/", serve: "307 /users/", strict: "307 /users/"}},
		{"GET", "/none/x/", map[http.SlashPolicy]string{0: "404", redirect: "404", serve: "404", strict: "404"}},
	}
	for _, policy := range []http.SlashPolicy{0, redirect, serve, strict} {
		router := http.NewRouter()
		router.TrailingSlash(policy)
		for _, pattern := range []string{"GET /users", "POST /users", "GET /users/{id}", "/dir/", "GET /end/{$}", "GET /tree/{rest...}", "GET /tree/dir/", "POST /posted/"} {
			router.HandleFunc(pattern, echoPath)
		}
		srv := testkit.StartServer(t, testkit.HTTP1, router)
		hosts := http.NewRouter()
		hosts.TrailingSlash(policy)
		for _, route := range router.Routes() {
			hosts.HandleFunc(strings.TrimLeft(route.Method+" Example.com"+route.Path, " "), echoPath)
		}
		srvHosts := testkit.StartServer(t, testkit.HTTP1, hosts)
		for _, tt := range tests {
			for _, host := range []string{"", "EXAMPLE.com."} {
				at := srv
				if host != "" {
					at = srvHosts
				}
				if got := slashAnswer(t, at, tt.method, host, tt.target); got != tt.want[policy] {
					t.Errorf("policy %d: %s %s%s: got %q, want %q", policy, tt.method, host, tt.target, got, tt.want[policy])
				}
			}
		}
	}
}

// slashAnswer returns the status, and the Location, Allow header or body, if there is one.
func slashAnswer(t *testing.T, srv *testkit.Server, method, host, target string) string {
	t.Helper()
	got := askTarget(t, srv, method, host, target)
	switch got.StatusCode {
	case 404:
		return "404"
	case 405:
		return "405 " + got.Header.Get("Allow")
	case 200:
		return "200 " + got.Body
	}
	return fmt.Sprint(got.StatusCode, " ", got.Header.Get("Location"))
}

func TestARemovedSlashLeavesTheRedirectOnTheHost(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.TrailingSlash(http.SlashRedirect)
	router.HandleFunc("/{name}", echoPath)
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	for target, want := range map[string]string{
		"/%2Fevil.example/":  "307 /%2Fevil.example",
		"/%5Cevil.example/":  "307 /%5Cevil.example",
		`/\evil.example/`:    "307 /%5Cevil.example",
		"//evil.example/":    "307 /evil.example/",
		"/.%2Fevil.example/": "307 /.%2Fevil.example",
	} {
		if got := slashAnswer(t, srv, "GET", "x", target); got != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
}

// The path of a CONNECT request, and the target "*", have no other form.
func TestTrailingSlashPoliciesDoNotApplyToOtherTargets(t *testing.T) {
	t.Parallel()
	for policy := range http.SlashStrict + 1 {
		router := http.NewRouter()
		router.TrailingSlash(policy)
		router.HandleFunc("CONNECT /users", echoPath)
		router.HandleFunc("GET /{name}", echoPath)
		srv := testkit.StartServer(t, testkit.HTTP1, router)
		if got := slashAnswer(t, srv, "CONNECT", "x", "/users/"); got != "404" {
			t.Errorf("policy %d: CONNECT: %s", policy, got)
		}
		if got := slashAnswer(t, srv, "GET", "x", "*"); got != "400 " {
			t.Errorf("policy %d: GET *: %s", policy, got)
		}
	}
}

func TestTrailingSlashPoliciesReachMiddlewareAndMetrics(t *testing.T) {
	t.Parallel()
	for policy, want := range map[http.SlashPolicy]string{http.SlashRedirect: "GET /users/{id}", http.SlashServe: "GET /users/{id}", http.SlashStrict: ""} {
		var log testkit.Log
		router := http.NewRouter()
		router.Use(http.RequestLogger(log.JSON()))
		router.TrailingSlash(policy)
		router.HandleFunc("GET /users/{id}", echoPath)
		r := testkit.NewRequest("GET", "/users/7/", "")
		testkit.Record(router, r)
		pattern, _ := log.Records(t)[0]["pattern"].(string)
		if r.Pattern != want || pattern != want || log.Records(t)[0]["path"] != "/users/7/" {
			t.Errorf("policy %d: r.Pattern %q, logged %s", policy, r.Pattern, log.String())
		}
	}
	wantPanicMatch(t, `router_policies_test.go:\d+: Router.TrailingSlash: unknown policy 9`, func() { http.NewRouter().TrailingSlash(9) })
}

func TestAnswerOptions(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.AnswerOptions()
	router.Use(trace("mw"))
	for _, pattern := range []string{"GET /a", "PUT /a", "OPTIONS /own", "GET /own", "/any"} {
		router.HandleFunc(pattern, reply("handler"))
	}
	silent := http.NewRouter()
	silent.HandleFunc("GET /a", reply("handler"))
	tests := []struct {
		router         *http.Router
		method, target string
		status         int
		allow          string
	}{
		{router, "OPTIONS", "/a", 204, "GET, HEAD, OPTIONS, PUT"},
		{router, "POST", "/a", 405, "GET, HEAD, OPTIONS, PUT"},
		{router, "OPTIONS", "/own", 200, ""},
		{router, "POST", "/own", 405, "GET, HEAD, OPTIONS"},
		{router, "OPTIONS", "/any", 200, ""},
		{router, "OPTIONS", "/none", 404, ""},
		{silent, "OPTIONS", "/a", 405, "GET, HEAD"},
	}
	for _, tt := range tests {
		testkit.EachProtocol(t, tt.router, func(t *testing.T, srv *testkit.Server) {
			got := srv.Do(t, tt.method, tt.target, "")
			if got.StatusCode != tt.status || got.Header.Get("Allow") != tt.allow {
				t.Errorf("%s %s: %d, Allow %q; want %d, %q", tt.method, tt.target, got.StatusCode, got.Header.Get("Allow"), tt.status, tt.allow)
			}
			if tt.status == 204 && got.Body != "" {
				t.Errorf("body %q", got.Body)
			}
		})
	}
}

func TestGroupsAnswerUnmatchedRequests(t *testing.T) {
	t.Parallel()
	say := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, text, " ", w.Header().Get("Trace"), " ", w.Header().Get("Allow"))
		})
	}
	mark := func(name string) http.Middleware {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Trace", w.Header().Get("Trace")+name)
				next.ServeHTTP(w, r)
			})
		}
	}
	router := http.NewRouter()
	router.Use(mark("R"))
	router.NotFound(say("router"))
	api := router.Group("/api")
	api.HandleFunc("GET /x", reply("x"))
	api.NotFound(say("api"))
	api.MethodNotAllowed(say("api method"))
	v1 := api.Group("/v1")
	v1.NotFound(say("v1"))
	api.Group("/{version}").NotFound(say("version"))
	api.Use(mark("A"))
	v1.Use(mark("V"))
	tests := []struct{ method, target, want string }{
		{"GET", "/", "router R "},
		{"GET", "/apix", "router R "},
		{"GET", "/api", "api RA "},
		{"GET", "/api/", "api RA "},
		{"GET", "/api/v1", "v1 RAV "},
		{"GET", "/api/v1/deep/x", "v1 RAV "},
		{"GET", "/api/%761/x", "v1 RAV "},
		{"GET", "/api/v2/x", "version RA "},
		{"PUT", "/api/x", "api method RA GET, HEAD"},
	}
	testkit.EachProtocol(t, router, func(t *testing.T, srv *testkit.Server) {
		for _, tt := range tests {
			if got := srv.Do(t, tt.method, tt.target, ""); got.Body != tt.want {
				t.Errorf("%s %s: got %q, want %q", tt.method, tt.target, got.Body, tt.want)
			}
		}
	})
	api.NotFound(say("api 2"))
	router.Group("/late").NotFound(say("late"))
	testkit.Serve(t, router, "GET", "/api/", "").Want(t, 200, "api 2 RA ")
	testkit.Serve(t, router, "GET", "/late/x", "").Want(t, 200, "late R ")
	for want, f := range map[string]func(){
		`Group.NotFound: another group with the prefix "/api" has set a handler \(at .*router_policies_test.go:\d+\)`: func() { router.Group("/api").NotFound(say("")) },
		`Group.NotFound: nil handler`:                              func() { api.NotFound(nil) },
		`Group.MethodNotAllowed: the handler is the router itself`: func() { api.MethodNotAllowed(router) },
		`the Group has no Router`:                                  func() { new(http.Group).NotFound(say("")) },
	} {
		wantPanicMatch(t, `^http: .*router_policies_test.go:\d+: `+want, f)
	}
}

// A group's handler for NotFound comes before a route whose wildcard begins above the group,
// for example that of a site.
func TestNotFoundOfAGroupComesBeforeTheSite(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	metrics := http.NewMetrics()
	router.Use(metrics.Middleware())
	router.HandleFunc("GET /{path...}", reply("site"))
	api := router.Group("/api")
	api.HandleFunc("GET /x", reply("x"))
	api.HandleFunc("POST /x/{id}", reply("posted"))
	api.HandleFunc("GET /files/{path...}", reply("files"))
	api.HandleFunc("GET /dir/", reply("dir"))
	router.HandleFunc("GET /api/outside", reply("outside"))
	router.Mount("/api/mounted", http.HandlerFunc(reply("mounted")))
	api.NotFound(reply("none"))
	api.MethodNotAllowed(reply("method"))
	api.Group("/files/{user}").NotFound(reply("no file"))
	api.Group("/quiet").HandleFunc("GET /x", reply("quiet"))
	router.Group("/other").HandleFunc("GET /x", reply("other"))
	router.HandleFunc("GET /t/fixed/{path...}", reply("fixed"))
	router.Group("/t/{tenant}/api").NotFound(reply("tenant"))
	tests := []struct{ method, target, want, allow string }{
		{"GET", "/", "site [GET /{path...}]", ""},
		{"GET", "/apix/y", "site [GET /{path...}]", ""},
		{"GET", "/other/nope", "site [GET /{path...}]", ""},
		{"GET", "/api", "none []", ""},
		{"GET", "/api/", "none []", ""},
		{"GET", "/api/nope", "none []", ""},
		{"GET", "/%61pi/nope", "none []", ""},
		{"GET", "/api/quiet/nope", "none []", ""},
		{"POST", "/api/nope", "none []", ""},
		{"OPTIONS", "/api/nope", "none []", ""},
		{"GET", "/api/x", "x [GET /api/x]", ""},
		{"HEAD", "/api/x", "", ""},
		{"PUT", "/api/x", "method []", "GET, HEAD"},
		{"GET", "/api/x/7", "method []", "POST"},
		{"PUT", "/api/x/7", "method []", "POST"},
		{"PUT", "/api/dir", "method []", "GET, HEAD"},
		{"GET", "/api/outside", "outside [GET /api/outside]", ""},
		{"GET", "/api/mounted/y", "mounted [/api/mounted/]", ""},
		{"GET", "/api/files/", "files [GET /api/files/{path...}]", ""},
		{"GET", "/api/files/ann/x", "no file []", ""},
		{"PUT", "/files", "{\"error\":\"method not allowed\"}", "GET, HEAD"},
		{"GET", "/t/some/api/x", "tenant []", ""},
		{"GET", "/t/fixed/api/x", "fixed [GET /t/fixed/{path...}]", ""},
	}
	testkit.EachProtocol(t, router, func(t *testing.T, srv *testkit.Server) {
		for _, tt := range tests {
			res := srv.Do(t, tt.method, tt.target, "")
			if got := res.Header.Get("Allow"); res.Body != tt.want || got != tt.allow {
				t.Errorf("%s %s: got %q, Allow %q, want %q, Allow %q", tt.method, tt.target, res.Body, got, tt.want, tt.allow)
			}
		}
	})
	router.AnswerOptions()
	router.TrailingSlash(http.SlashServe)
	testkit.Serve(t, router, "OPTIONS", "/api/nope", "").Want(t, 200, "none []")
	testkit.Serve(t, router, "OPTIONS", "/api/x", "").WantHeader(t, "Allow", "GET, HEAD, OPTIONS")
	testkit.Serve(t, router, "GET", "/api/x/", "").Want(t, 200, "x [GET /api/x]")
	testkit.Serve(t, router, "GET", "/api/nope/", "").Want(t, 200, "none []")
	for _, m := range metrics.Collect() {
		if m.Labels["route"] == "/{path...}" && m.Name == "http_requests_total" && m.Value != 6 {
			t.Errorf("%s%v is %v, want 6: the three requests for the site, with each protocol", m.Name, m.Labels, m.Value)
		}
	}
}

// A mounted handler does not conflict with a site, whichever is registered first.
func TestMountComesBeforeTheSite(t *testing.T) {
	t.Parallel()
	for name, order := range map[string][]string{
		"site first": {"site", "deep", "files", "tenant"}, "mounts first": {"tenant", "files", "deep", "site"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			router := http.NewRouter()
			for _, what := range order {
				switch what {
				case "site":
					router.HandleFunc("GET /{path...}", reply("site"))
				case "deep":
					router.HandleFunc("GET /files/deep/{path...}", reply("deep"))
					router.HandleFunc("POST /files/new", reply("new"))
				case "files":
					router.Mount("/files", mountedAt("files"))
				case "tenant":
					router.Group("/t").Mount("/{tenant}/files", mountedAt("tenant"))
				}
			}
			tests := []struct {
				method, target string
				status         int
				want           string
			}{
				{"GET", "/", 200, "site [GET /{path...}]"},
				{"GET", "/filesystem", 200, "site [GET /{path...}]"},
				{"GET", "/files/", 200, "files / "},
				{"GET", "/files/a%2Fb", 200, "files /a%2Fb "},
				{"PATCH", "/files/x", 200, "files /x "},
				{"PROPFIND", "/files/x", 200, "files /x "},
				{"OPTIONS", "/files/x", 200, "files /x "},
				{"GET", "/files/deep/x", 200, "deep [GET /files/deep/{path...}]"},
				{"POST", "/files/deep/x", 200, "files /deep/x "},
				{"POST", "/files/new", 200, "new [POST /files/new]"},
				{"GET", "/files/new", 200, "files /new "},
				{"POST", "/t/ann/files/x", 200, "tenant /x ann"},
				{"GET", "/t/ann/files/x", 200, "tenant /x ann"},
				{"GET", "/t/ann/nope", 200, "site [GET /{path...}]"},
				{"POST", "/nope", 405, `{"error":"method not allowed"}`},
			}
			testkit.EachProtocol(t, router, func(t *testing.T, srv *testkit.Server) {
				for _, tt := range tests {
					if res := srv.Do(t, tt.method, tt.target, ""); res.StatusCode != tt.status || res.Body != tt.want {
						t.Errorf("%s %s: got %s, want %d %q", tt.method, tt.target, res, tt.status, tt.want)
					}
				}
				srv.Get(t, "/files?q=1").WantHeader(t, "Location", "/files/?q=1")
				srv.Get(t, "/x/../files/y").WantHeader(t, "Location", "/files/y")
			})
			router.TrailingSlash(http.SlashServe)
			testkit.Serve(t, router, "GET", "/files", "").Want(t, 200, "files / ")
			router.TrailingSlash(http.SlashStrict)
			testkit.Serve(t, router, "GET", "/files", "").Want(t, 200, "site [GET /{path...}]")
			wantPanicMatch(t, `pattern "/files/" conflicts with pattern "/files/" \(registered at .*router_policies_test.go:\d+\)`, func() {
				router.Mount("/files", mountedAt("again"))
			})
			wantPanicMatch(t, `pattern "/files/" conflicts with pattern "/files/"`, func() { router.HandleFunc("/files/", reply("")) })
			wantPanicMatch(t, `pattern "GET /{all...}" conflicts with pattern "GET /{path...}"`, func() { router.HandleFunc("GET /{all...}", reply("")) })
		})
	}
}

// A route that is not mounted conflicts with a site as in ServeMux.
func TestOnlyMountsComeBeforeTheSite(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.HandleFunc("GET /{path...}", reply("site"))
	wantPanicMatch(t, `pattern "/files/" conflicts with pattern "GET /{path...}"`, func() { router.HandleFunc("/files/", reply("")) })
}

// mountedAt returns a handler that responds with its name, the path, and the tenant.
func mountedAt(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, name+" "+r.URL.EscapedPath()+" "+r.PathValue("tenant"))
	})
}

func TestWithAddsMiddlewareToOneRouteAtAnyTime(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.Use(trace("router"))
	group := router.Group("/g")
	group.Use(trace("group"))
	group.With(trace("one"), trace("two")).HandleFunc("GET /with", reply("with"))
	group.HandleFunc("GET /without", reply("without"))
	router.With(trace("one")).With(trace("two")).HandleFunc("GET /with", reply("with"))
	ask := func(path string) string {
		return strings.Join(testkit.Serve(t, router, "GET", path, "").Header["Trace"], " ")
	}
	before := ask("/g/with")
	group.With(trace("late")).HandleFunc("GET /late", reply("late"))
	for path, want := range map[string]string{
		"/g/with": "router group one two", "/g/without": "router group", "/with": "router one two", "/g/late": "router group late",
	} {
		if got := ask(path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	if before != ask("/g/with") {
		t.Errorf("the route has changed from %q to %q", before, ask("/g/with"))
	}
	wantPanicMatch(t, `router_policies_test.go:\d+: nil middleware`, func() { router.With(nil) })
}

// A refusingRouter is a router that refuses the request GET /x.
type refusingRouter struct {
	want  string // the status and the message
	build func(*http.Router)
}

// refusals are the ways in which this package refuses requests.
func refusals() []refusingRouter {
	return slices.Concat(refusalsOfMiddleware(), refusalsOfInput(), refusalsOfForms(), refusalsOfFiles(), refusalsOfStreams(), refusalsOfErrors())
}

// refusedBy returns a refusal by a handler, which gets the request with the given header
// lines.
func refusedBy(want string, handler http.Handler, fields ...string) refusingRouter {
	return refusingRouter{want, func(router *http.Router) {
		router.HandleFunc("GET /x", func(w http.ResponseWriter, r *http.Request) {
			for _, field := range fields {
				name, value, _ := strings.Cut(field, ": ")
				r.Header.Set(name, value)
			}
			handler.ServeHTTP(w, r)
		})
	}}
}

// refusedFor is refusedBy for a method and a body.
func refusedFor(want, method, body string, handle func(w http.ResponseWriter, r *http.Request), fields ...string) refusingRouter {
	return refusedBy(want, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Method, r.Body = method, io.NopCloser(strings.NewReader(body))
		handle(w, r)
	}), fields...)
}

func refusalsOfMiddleware() []refusingRouter {
	ok := func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }
	get := func(want string, handle http.HandlerFunc, mw ...http.Middleware) refusingRouter {
		return refusingRouter{want, func(router *http.Router) {
			router.Use(mw...)
			router.HandleFunc("GET /x", handle)
		}}
	}
	return []refusingRouter{
		{"404 not found", func(*http.Router) {}},
		{"405 method not allowed", func(router *http.Router) { router.HandleFunc("PUT /x", ok) }},
		{"404 not found", func(router *http.Router) { router.Mount("/", http.NewRouter()) }},
		get("429 rate limit exceeded", ok, func(next http.Handler) http.Handler {
			limited := http.RateLimit(http.RateLimitConfig{Limit: 1, Window: time.Hour})(next)
			testkit.Record(limited, testkit.NewRequest("GET", "/", ""))
			return limited
		}),
		get("500 internal server error", func(http.ResponseWriter, *http.Request) { panic("boom") }, http.Recovery(func(any, []byte) {})),
		get("503 too slow", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			http.Timeout(http.TimeoutConfig{Timeout: time.Millisecond, Message: "too slow"})),
		{"503 server is busy", func(router *http.Router) {
			router.Use(http.Throttle(http.ThrottleConfig{Limit: 1}))
			router.HandleFunc("GET /x", func(w http.ResponseWriter, r *http.Request) {
				second := testkit.Record(router, testkit.NewRequest("GET", "/x", "")) // while this one is handled
				w.Header().Set("Content-Type", second.Header.Get("Content-Type"))
				w.WriteHeader(second.StatusCode)
				fmt.Fprint(w, second.Body)
			})
		}},
	}
}

func refusalsOfInput() []refusingRouter {
	strict := func(w http.ResponseWriter, r *http.Request) { http.BindJSONStrict(w, r, new(int), 10) }
	form := func(w http.ResponseWriter, r *http.Request) {
		http.BindForm(w, r, &struct {
			A int `form:"a,required"`
		}{})
	}
	return []refusingRouter{
		refusedFor("400 the request body is empty", "POST", "", func(w http.ResponseWriter, r *http.Request) { http.BindJSON(w, r, new(int)) }),
		refusedFor("400 request body too large", "POST", "[[[[[]]]]]", func(w http.ResponseWriter, r *http.Request) { http.BindJSONLimit(w, r, new(int), 3) }),
		refusedFor("415 the Content-Type must be application/json", "POST", "1", strict),
		refusedFor("415 the Content-Type must be application/x-www-form-urlencoded or multipart/form-data", "POST", "a=1", form),
		refusedFor("400 a: is required", "POST", "", form, "Content-Type: "+urlencoded),
		refusedFor("400 malformed multipart form", "POST", "", form, "Content-Type: multipart/form-data; boundary=b"),
		refusedFor("408 the request body did not arrive in time", "POST", "", func(w http.ResponseWriter, r *http.Request) {
			r.Body = io.NopCloser(errorReader{os.ErrDeadlineExceeded})
			form(w, r)
		}, "Content-Type: "+urlencoded),
		refusedFor("400 ids must not be empty", "GET", "", func(w http.ResponseWriter, r *http.Request) { http.CheckBulkIDs(w, nil, 1) }),
		refusedFor(`400 invalid path parameter \"id\": not an integer`, "GET", "", func(w http.ResponseWriter, r *http.Request) { http.PathParamInt64(w, r, "id") }),
		refusedFor("400 id: is required", "GET", "", func(w http.ResponseWriter, r *http.Request) { http.PathParamAs[int](w, r, "id") }),
		refusedFor("400 n: must be an integer", "GET", "", func(w http.ResponseWriter, r *http.Request) {
			r.URL.RawQuery = "n=x"
			http.QueryParamAsOr(w, r, "n", 1)
		}),
		refusedFor("400 n: value 2 must be true or false", "GET", "", func(w http.ResponseWriter, r *http.Request) {
			r.URL.RawQuery = "n=1&n=x"
			http.QueryParamsAs[bool](w, r, "n")
		}),
		refusedFor("400 too many query parameters", "GET", "", func(w http.ResponseWriter, r *http.Request) {
			r.URL.RawQuery = strings.Repeat("&", 10_000)
			http.BindQuery(w, r, &struct {
				A int `query:"a"`
			}{})
		}),
	}
}

func refusalsOfForms() []refusingRouter {
	const formType = "Content-Type: multipart/form-data; boundary=b"
	file := "--b\r\nContent-Disposition: form-data; name=file; filename=f\r\n\r\ncontent\r\n--b--\r\n"
	upload := func(config http.UploadConfig) func(w http.ResponseWriter, r *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			if config.Writer == nil {
				config.Dir = "testdata/no such directory"
			}
			http.BindUpload(w, r, config)
		}
	}
	discard := upload(http.UploadConfig{Writer: io.Discard})
	return []refusingRouter{
		refusedFor("415 the Content-Type must be multipart/form-data", "POST", "", discard),
		refusedFor("400 the Content-Type has no boundary", "POST", "", discard, "Content-Type: multipart/form-data"),
		refusedFor("400 the form is malformed or incomplete", "POST", "", discard, formType),
		refusedFor("400 ", "POST", "--b--\r\n", discard, formType),
		refusedFor("413 ", "POST", file, upload(http.UploadConfig{Writer: io.Discard, MaxSize: 1}), formType),
		refusedFor("415 ", "POST", file, upload(http.UploadConfig{Writer: io.Discard, Types: []string{"image/png"}}), formType),
		refusedFor("500 ", "POST", file, upload(http.UploadConfig{}), formType),
		refusedFor("408 ", "POST", "", func(w http.ResponseWriter, r *http.Request) {
			r.Body = io.NopCloser(errorReader{os.ErrDeadlineExceeded})
			discard(w, r)
		}, formType),
	}
}

func refusalsOfFiles() []refusingRouter {
	index := &fstest.MapFile{Data: []byte("index")}
	static := http.Static(fstest.MapFS{"index.html": index, "x": {Data: []byte("content")}})
	return []refusingRouter{
		refusedFor("404 not found", "GET", "", func(w http.ResponseWriter, r *http.Request) {
			r.URL.Path = "/x.png"
			static.ServeHTTP(w, r)
		}),
		refusedBy("412 precondition failed", static, `If-Match: "other"`),
		refusedBy("416 range not satisfiable", static, "Range: bytes=99-"),
		refusedFor("405 method not allowed", "POST", "", static.ServeHTTP),
		refusedBy("500 failed to read the file", http.Static(brokenFS{fstest.MapFS{"index.html": index, "x": index}})),
		refusedBy("500 internal server error", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.StreamCSV(w, r, "x", nil, func(yield func([]string, error) bool) { yield(nil, errSecret) }, http.CSVOptions{})
		})),
	}
}

func refusalsOfStreams() []refusingRouter {
	var upgrade http.HandlerFunc = func(w http.ResponseWriter, r *http.Request) { http.Upgrader{}.Upgrade(w, r) }
	socket := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="}
	return []refusingRouter{
		refusedBy("426 ", upgrade),
		refusedBy("426 ", upgrade, append(socket, "Sec-WebSocket-Version: 12")...),
		refusedBy("400 ", upgrade, append(socket, "Sec-WebSocket-Key: x")...),
		refusedBy("403 ", upgrade, append(socket, "Origin: https://evil.example")...),
		refusedBy("500 internal server error", upgrade, socket...), // a recorder cannot be hijacked
		refusedFor("405 ", "POST", "", upgrade, socket...),
		refusedFor("405 method not allowed", "POST", "", http.NewFeed(http.FeedConfig{}).ServeHTTP),
	}
}

func refusalsOfErrors() []refusingRouter {
	returned := func(want string, err error) refusingRouter {
		return refusedBy(want, http.HandlerErrorFunc(func(http.ResponseWriter, *http.Request) error { return err }))
	}
	return []refusingRouter{
		refusedBy("500 failed", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.WriteServerError(w, r, "failed", errSecret) })),
		refusedBy("500 internal server error", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.WriteJSON(w, 200, func() {}) })),
		refusedBy("500 internal server error", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.PaginatedResponse(w, "x", func() {}, 0) })),
		returned("409 no", http.Errorf(409, "no")),
		returned("400 a: is odd", http.FieldErrors{"a": "is odd"}),
		returned("413 request body too large", http.ErrBodyTooLarge),
		returned("503 server is shutting down", http.ErrFeedClosed),
		returned("503 request timed out", context.DeadlineExceeded),
		returned("500 internal server error", errSecret),
	}
}

func TestErrorFormAppliesToEveryRefusal(t *testing.T) {
	t.Parallel()
	quiet := http.ContextWithLogger(context.Background(), new(testkit.Log).Text())
	for _, tt := range refusals() {
		status, message, _ := strings.Cut(tt.want, " ")
		router := http.NewRouter()
		router.ErrorForm(http.WriteProblem)
		tt.build(router)
		r := testkit.NewRequest("GET", "/x", "").WithContext(quiet)
		got := testkit.Record(http.Compress(http.CompressConfig{})(router), r)
		if fmt.Sprint(got.StatusCode) != status || got.Header.Get("Content-Type") != "application/problem+json" ||
			!strings.Contains(got.Body, `"status":`+status) || !strings.Contains(got.Body, `"detail":"`+message) {
			t.Errorf("%s: got %d %s %s", tt.want, got.StatusCode, got.Header.Get("Content-Type"), got.Body)
		}
	}
}

// A brokenFS is a site with a file that cannot be opened.
type brokenFS struct{ fs.FS }

func (f brokenFS) Open(name string) (fs.File, error) {
	if name == "x" {
		return nil, errSecret
	}
	return f.FS.Open(name)
}

func TestErrorFormOfNestedRouters(t *testing.T) {
	t.Parallel()
	form := func(name string) func(http.ResponseWriter, http.Problem) {
		return func(w http.ResponseWriter, p http.Problem) {
			w.WriteHeader(p.Status)
			fmt.Fprintf(w, "%s: %s", name, p.Detail)
		}
	}
	own, inherits, outer := http.NewRouter(), http.NewRouter(), http.NewRouter()
	own.ErrorForm(form("inner"))
	inherits.Use(http.Recovery(func(any, []byte) {}))
	inherits.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("boom") })
	own.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("boom") })
	outer.ErrorForm(form("outer"))
	outer.Use(http.Recovery(func(any, []byte) {}))
	own.HandleFunc("/dir/", reply("dir"))
	outer.Mount("/own", own)
	outer.Handle("/nested/", http.StripPrefix("/nested", own))
	outer.Mount("/inherits", inherits)
	outer.HandleFunc("/recursive", func(w http.ResponseWriter, r *http.Request) { http.WriteError(w, 400, "bad") })
	testkit.EachProtocol(t, http.Recovery(func(any, []byte) {})(outer), func(t *testing.T, srv *testkit.Server) {
		srv.Get(t, "/none").Want(t, 404, "outer: not found")
		srv.Get(t, "/own/none").Want(t, 404, "inner: not found")
		srv.Get(t, "/inherits/none").Want(t, 404, "outer: not found")
		srv.Get(t, "/inherits/panic").Want(t, 500, "outer: internal server error")
		srv.Get(t, "/own/panic").Want(t, 500, "outer: internal server error")
		srv.Get(t, "/nested/panic").Want(t, 500, "outer: internal server error")
		srv.Get(t, "/own/dir").WantHeader(t, "Location", "/own/dir/")
		srv.Get(t, "/recursive").Want(t, 400, "outer: bad")
	})
	outer.ErrorForm(func(w http.ResponseWriter, p http.Problem) { http.WriteError(w, 418, p.Detail) })
	testkit.Serve(t, outer, "GET", "/none", "").Want(t, 418, `{"error":"not found"}`)
	testkit.Serve(t, outer, "GET", "/inherits/none", "").Want(t, 418, `{"error":"not found"}`)
	wantPanicMatch(t, `router_policies_test.go:\d+: Router.ErrorForm: nil function`, func() { outer.ErrorForm(nil) })
}

// The form of a program that is not ready for an error must not change its status.
func TestErrorFormThatFailsLeavesTheDefaultForm(t *testing.T) {
	t.Parallel()
	for name, form := range map[string]func(http.ResponseWriter, http.Problem){
		"writes nothing": func(http.ResponseWriter, http.Problem) {},
		"panics":         func(http.ResponseWriter, http.Problem) { panic("no form") },
	} {
		router := http.NewRouter()
		router.ErrorForm(form)
		router.Use(http.Compress(http.CompressConfig{}), http.Recovery(nil))
		router.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("boom") })
		router.HandleFunc("GET /own", func(w http.ResponseWriter, r *http.Request) { http.WriteError(w, 409, "taken") })
		var log testkit.Log
		outer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			router.ServeHTTP(w, r.WithContext(http.ContextWithLogger(r.Context(), log.Text())))
		})
		testkit.EachProtocol(t, outer, func(t *testing.T, srv *testkit.Server) {
			srv.Get(t, "/none").Want(t, 404, `{"error":"not found"}`)
			srv.Get(t, "/panic").Want(t, 500, `{"error":"internal server error"}`)
			srv.Get(t, "/own").Want(t, 409, `{"error":"taken"}`)
		})
		if logged := strings.Count(log.String(), "panic in the ErrorForm function"); logged != map[string]int{"panics": 6}[name] {
			t.Errorf("%s: %d panics of the form are logged: %s", name, logged, &log)
		}
	}
}

// Once the form has written something, the client must not take it for the whole.
func TestErrorFormThatPanicsLaterAbortsTheResponse(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.ErrorForm(func(w http.ResponseWriter, p http.Problem) {
		w.WriteHeader(p.Status)
		_ = http.NewResponseController(w).Flush()
		panic("no form")
	})
	router.Use(http.Recovery(nil))
	testkit.EachProtocol(t, router, func(t *testing.T, srv *testkit.Server) {
		if res, err := testkit.Send(srv.Client(), testkit.NewRequest("GET", srv.URL+"/none", "")); err == nil {
			t.Errorf("the client considers the response complete: %v", res)
		}
	})
}

func TestErrorFormsAndReturnedErrorsAllocateNothingInAChain(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	ok := func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }
	plain, formed, returning := http.NewRouter(), http.NewRouter(), http.NewRouter()
	plain.HandleFunc("GET /x", ok)
	formed.HandleFunc("GET /x", ok)
	formed.ErrorForm(http.WriteProblem)
	returning.Handle("GET /x", http.HandlerErrorFunc(func(w http.ResponseWriter, r *http.Request) error {
		ok(w, r)
		return nil
	}))
	allocs := func(h http.Handler) float64 {
		chain := http.NewMetrics().Middleware()(h)
		return testing.AllocsPerRun(100, func() {
			chain.ServeHTTP(new(nullWriter), &nethttp.Request{Method: "GET", URL: &url.URL{Path: "/x"}})
		})
	}
	want := allocs(plain)
	if form, err := allocs(formed), allocs(returning); form != want || err != want {
		t.Errorf("a request allocates %v times, with a form %v, with HandlerErrorFunc %v", want, form, err)
	}
}

func TestAllowOfAGroupWithARemovedSlash(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.TrailingSlash(http.SlashServe)
	router.HandleFunc("GET /{path...}", reply("site"))
	api := router.Group("/api")
	api.HandleFunc("POST /x", reply("x"))
	api.NotFound(reply("none"))
	for target, allow := range map[string]string{"/api/x": "POST", "/api/x/": "POST", "/api/y/": "", "/y/": "GET, HEAD"} {
		testkit.Serve(t, router, "PUT", target, "").WantHeader(t, "Allow", allow)
	}
}

func TestAllowOfAGroupWithSignificantSlashes(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.TrailingSlash(http.SlashStrict)
	router.HandleFunc("GET /{path...}", reply("site"))
	api := router.Group("/api")
	api.HandleFunc("GET /dir/", reply("dir"))
	api.NotFound(reply("none"))
	for _, method := range []string{"GET", "PUT"} {
		testkit.Serve(t, router, method, "/api/dir", "").Want(t, 200, "none []")
	}
	testkit.Serve(t, router, "PUT", "/api/dir/", "").WantHeader(t, "Allow", "GET, HEAD")
}

// The server removes the files of a form that it knows.
func TestFormsOfAServedSlashAreRemoved(t *testing.T) {
	t.Parallel()
	parse := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1); err != nil {
			t.Error(err)
		}
		if r.FormValue("panic") != "" {
			panic("after the form")
		}
	})
	router := http.NewRouter()
	router.TrailingSlash(http.SlashServe)
	router.Use(http.Recovery(nil))
	router.HandleFunc("GET /{path...}", reply("site"))
	router.Handle("POST /form", parse)
	router.Mount("/app", parse)
	body := "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\nhello\r\n--b--\r\n"
	for _, target := range []string{"/form", "/form/", "/form/?panic=1", "/app/", "/app", "/app?panic=1"} {
		r := testkit.NewRequest("POST", target, body, "Content-Type: multipart/form-data; boundary=b")
		testkit.Record(router, r)
		if r.MultipartForm == nil || r.Pattern == "" {
			t.Errorf("%s: r.MultipartForm %v, r.Pattern %q", target, r.MultipartForm, r.Pattern)
		}
	}
}

func TestHandlersOfAGroupForUnmatchedRequestsKnowTheValuesOfThePrefix(t *testing.T) {
	t.Parallel()
	show := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s|%s|%s", r.PathValue("tenant"), r.PathValue("path"), r.Pattern)
	}
	for _, site := range []string{"", "GET /{path...}", "GET /{tenant}/{path...}"} {
		router := http.NewRouter()
		if site != "" {
			router.HandleFunc(site, reply("site"))
		}
		group := router.Group("/t/{tenant}")
		group.HandleFunc("PUT /x", show)
		group.NotFound(http.HandlerFunc(show))
		group.MethodNotAllowed(http.HandlerFunc(show))
		for target, want := range map[string]string{"/t/ann/y": "ann||", "/t/a%2Fb": "a/b||", "/t/%C3%BC/": "ü||", "/t/ann/x": "ann||"} {
			testkit.Serve(t, router, "GET", target, "").Want(t, 200, want)
		}
	}
}

// A redirect to a mount, or to a clean path, has the pattern of the route that would serve the
// request, even if ServeMux finds that of the site.
func TestRedirectsBesideASiteHaveThePatternOfTheMount(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"other.example/", "Other.example/"} {
		router := http.NewRouter()
		var log testkit.Log
		router.Use(http.RequestLogger(log.JSON()))
		router.HandleFunc("GET /{path...}", reply("site"))
		router.HandleFunc("GET "+host, reply("host"))
		router.Mount("/files", mountedAt("files"))
		router.Group("/api").NotFound(reply("none"))
		for target, want := range map[string]any{
			"/files": "/files/", "/files//x": "/files/", "/x/../files/x": "/files/", "//x": "GET /{path...}", "/api//x": nil, "/files/x": "/files/", "/x": "GET /{path...}",
		} {
			for _, spelled := range []string{"example.com", "EXAMPLE.com"} {
				log.Reset()
				r := testkit.NewRequest("GET", target, "")
				r.Host = spelled
				testkit.Record(router, r)
				if got := log.Records(t)[0]["pattern"]; got != want {
					t.Errorf("beside %s, %s of %s: the log has the pattern %v, want %v", host, target, spelled, got, want)
				}
			}
		}
		log.Reset()
		testkit.Record(router, testkit.NewRequest("CONNECT", "/files", ""))
		if got := log.Records(t)[0]["pattern"]; got != "/files/" {
			t.Errorf("beside %s, CONNECT: the log has the pattern %v", host, got)
		}
	}
}
