package http_test

import (
	"fmt"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/response"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// The program in the package comment must compile, because users copy it first.
func TestProgramInThePackageCommentCompiles(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "router.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	var comments comment.Parser
	for _, block := range comments.Parse(file.Doc.Text()).Content {
		code, ok := block.(*comment.Code)
		if !ok || !strings.HasPrefix(code.Text, "package main") {
			continue
		}
		program := filepath.Join(t.TempDir(), "main.go")
		if err := os.WriteFile(program, []byte(code.Text), 0o666); err != nil {
			t.Fatal(err)
		}
		testkit.Run(t, "", "go", "vet", program)
		return
	}
	t.Error("there is no program in the package comment")
}

func TestMiddlewareRunsInOrderRouterThenOuterThenInner(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.Use(trace("router 1"))
	outer := router.Group("/a")
	outer.Use(trace("outer"))
	inner := outer.Group("/b")
	inner.Use(http.Chain(trace("inner 1"), trace("inner 2")), trace("inner 3"))
	router.Use(trace("router 2"))
	inner.HandleFunc("GET /c", reply("c"))
	outer.HandleFunc("GET /x/{$}", reply("x"))
	router.HandleFunc("GET /y", reply("y"))

	testkit.EachProtocol(t, router, func(t *testing.T, srv *testkit.Server) {
		for _, tt := range []struct {
			method, target string
			status         int
			want           []string
		}{
			{"GET", "/a/b/c", 200, []string{"router 1", "router 2", "outer", "inner 1", "inner 2", "inner 3"}},
			{"GET", "/a/x/", 200, []string{"router 1", "router 2", "outer"}},
			{"GET", "/y", 200, []string{"router 1", "router 2"}},
			{"GET", "/none", 404, []string{"router 1", "router 2"}},
			{"PUT", "/a/b/c", 405, []string{"router 1", "router 2"}},
			{"GET", "/a/x", 307, []string{"router 1", "router 2"}},
			{"GET", "/a//b/c", 307, []string{"router 1", "router 2"}},
		} {
			got := srv.Do(t, tt.method, tt.target, "")
			if got.StatusCode != tt.status || !slices.Equal(got.Header["Trace"], tt.want) {
				t.Errorf("%s %s: status %d after %q, want %d after %q",
					tt.method, tt.target, got.StatusCode, got.Header["Trace"], tt.status, tt.want)
			}
		}
	})
}

func TestUseCoversRoutesRegisteredBefore(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	admin := router.Group("/admin")
	inner := admin.Group("/inner")
	inner.HandleFunc("GET /x", reply("x"))
	admin.HandleFunc("GET /y", reply("y"))
	router.HandleFunc("GET /z", reply("z"))
	admin.Use(trace("guard"))
	router.Use(trace("router"))

	srv := testkit.StartServer(t, testkit.HTTP1, router)
	for target, want := range map[string][]string{
		"/admin/inner/x": {"router", "guard"},
		"/admin/y":       {"router", "guard"},
		"/z":             {"router"},
	} {
		if got := srv.Get(t, target).Header["Trace"]; !slices.Equal(got, want) {
			t.Errorf("%s ran %q, want %q", target, got, want)
		}
	}
}

func TestUseAfterTheFirstRequestPanicsAndHandleWorks(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.Use(trace("router"))
	group := router.Group("/api")
	group.Use(trace("group"))
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	if got := srv.Get(t, "/api/late"); got.StatusCode != 404 {
		t.Fatalf("an empty router answers %+v", got)
	}

	for name, use := range map[string]func(...http.Middleware){
		"router":      router.Use,
		"group":       group.Use,
		"new group":   router.Group("/new").Use,
		"inner group": group.Group("/inner").Use,
	} {
		var line string
		got := panicText(func() {
			line = nextLine()
			use(trace("late"))
		})
		if want := "http: " + line + ": Use called after serving began; add middleware before Server.Start or the first request"; got != want {
			t.Errorf("%s: panic %q, want %q", name, got, want)
		}
	}

	group.Group("/inner").HandleFunc("GET /late", reply("late"))
	router.HandleFunc("GET /{rest...}", reply("rest", "rest"))
	router.HandleFunc("/", reply("all"))
	for target, want := range map[string]string{
		"/api/inner/late": "late [GET /api/inner/late] [router group]",
		"/x/y":            "rest [GET /{rest...}] rest=x/y [router]",
	} {
		got := srv.Get(t, target)
		if text := fmt.Sprint(got.Body, " ", got.Header["Trace"]); text != want {
			t.Errorf("%s answers %q, want %q", target, text, want)
		}
	}
	if got := srv.Do(t, "PUT", "/x", "").Body; got != "all [/]" {
		t.Errorf("the late route for all requests answers %q", got)
	}
}

func TestMiddlewareIsAppliedOnceForEachHandler(t *testing.T) {
	t.Parallel()
	var applied atomic.Int32
	count := func(next http.Handler) http.Handler { applied.Add(1); return next }
	router := http.NewRouter()
	group := router.Group("/g")
	group.Use(count)
	group.HandleFunc("GET /a", reply("a"))
	group.HandleFunc("GET /b", reply("b"))
	if n := applied.Load(); n != 0 {
		t.Errorf("applied %d times before the first request", n)
	}
	for range 3 {
		serveOnce(router)
	}
	if n := applied.Load(); n != 2 {
		t.Errorf("applied %d times to two handlers", n)
	}
	group.HandleFunc("GET /c", reply("c"))
	if n := applied.Load(); n != 3 {
		t.Errorf("applied %d times to three handlers", n)
	}
}

func TestMiddlewareMayUseTheRouterWhileItIsApplied(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	var routes []http.Route
	router.Use(func(next http.Handler) http.Handler {
		routes = router.Routes()
		router.HandleFunc("GET /added", reply("added"))
		return next
	})
	router.HandleFunc("GET /a", reply("a"))
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	if got := srv.Get(t, "/added").Body; got != "added [GET /added]" {
		t.Errorf("the added route answers %q", got)
	}
	if want := []http.Route{{Method: "GET", Path: "/a"}}; !slices.Equal(routes, want) {
		t.Errorf("the middleware saw %v, want %v", routes, want)
	}
}

func TestMiddlewareThatReturnsNilIsNamedAtEachRequest(t *testing.T) {
	t.Parallel()
	nothing := func(http.Handler) http.Handler { return nil }
	nilFunc := func(http.Handler) http.Handler { return http.HandlerFunc(nil) }
	for _, tt := range []struct {
		name string
		use  func(router *http.Router, group *http.Group) (line string)
		late bool // also registers a handler in the group later, which panics too
	}{
		{"router", func(router *http.Router, _ *http.Group) string {
			router.Use(trace("fine"))
			line := nextLine()
			router.Use(nothing)
			return line
		}, false},
		{"group", func(_ *http.Router, group *http.Group) string {
			line := nextLine()
			group.Use(nilFunc)
			return line
		}, true},
		{"chain", func(router *http.Router, _ *http.Group) string {
			line := nextLine()
			chain := http.Chain(trace("fine"), nothing)
			router.Use(chain)
			return line
		}, false},
	} {
		router := http.NewRouter()
		group := router.Group("/g")
		group.HandleFunc("GET /", reply("g"))
		want := "http: " + tt.use(router, group) + ": the middleware added here returned a nil handler"
		for range 2 {
			if got := panicText(func() { serveOnce(router) }); got != want {
				t.Errorf("%s: panic %q, want %q", tt.name, got, want)
			}
		}
		if tt.late {
			if got := panicText(func() { group.HandleFunc("GET /late", reply("late")) }); got != want {
				t.Errorf("%s, late handler: panic %q, want %q", tt.name, got, want)
			}
		}
	}
}

func TestChainWithoutMiddlewareReturnsTheHandler(t *testing.T) {
	t.Parallel()
	w := testkit.Record(http.Chain()(reply("bare")), testkit.NewRequest("GET", "/", ""))
	if got := w.Body; got != "bare []" {
		t.Errorf("the chain answers %q", got)
	}
}

func TestChainKeepsItsMiddleware(t *testing.T) {
	t.Parallel()
	mw := []http.Middleware{trace("a"), trace("b")}
	chain := http.Chain(mw...)
	mw[0], mw[1] = nil, trace("other")
	w := testkit.Record(chain(reply("x")), testkit.NewRequest("GET", "/", ""))
	if got := w.Header["Trace"]; !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("the chain ran %q", got)
	}
}

func TestMistakesPanicWithTheLineAndTheWholePattern(t *testing.T) {
	t.Parallel()
	h := reply("h")
	for _, tt := range []struct {
		name, want string
		make       func(router *http.Router, api *http.Group)
	}{
		{"nil handler", `pattern "GET /x": nil handler`,
			func(router *http.Router, _ *http.Group) { router.Handle("GET /x", nil) }},
		{"nil HandlerFunc", `pattern "GET /api/x": nil handler`,
			func(_ *http.Router, api *http.Group) { api.Handle("GET /x", http.HandlerFunc(nil)) }},
		{"nil function", `pattern "GET /api/x": nil handler`,
			func(_ *http.Router, api *http.Group) { api.HandleFunc("GET /x", nil) }},
		{"nil middleware", "nil middleware (argument 2 of 2)",
			func(router *http.Router, _ *http.Group) { router.Use(trace("a"), nil) }},
		{"several nil middleware", "nil middleware (arguments 1, 3 of 4)",
			func(router *http.Router, _ *http.Group) { router.Use(nil, trace("a"), nil, trace("b")) }},
		{"nil router as a handler", `pattern "GET /x": nil handler`,
			func(router *http.Router, _ *http.Group) { router.Handle("GET /x", (*http.Router)(nil)) }},
		{"nil group as a handler", `pattern "GET /x": nil handler`,
			func(router *http.Router, _ *http.Group) { router.Handle("GET /x", (*http.Group)(nil)) }},
		{"zero group as a handler", "the Group has no Router; create groups with Router.Group",
			func(router *http.Router, _ *http.Group) { router.Handle("GET /x", new(http.Group)) }},
		{"nil group middleware", "nil middleware (argument 1 of 1)",
			func(_ *http.Router, api *http.Group) { api.Use(nil) }},
		{"nil in a chain", "nil middleware (argument 1 of 2)",
			func(*http.Router, *http.Group) { http.Chain(nil, trace("a")) }},
		{"chain around nil", "the middleware that Chain returned was called with a nil handler",
			func(*http.Router, *http.Group) { http.Chain(trace("a"))(nil) }},
		{"nil hook", "Router.NotFound: nil handler",
			func(router *http.Router, _ *http.Group) { router.NotFound(nil) }},
		{"nil other hook", "Router.MethodNotAllowed: nil handler",
			func(router *http.Router, _ *http.Group) { router.MethodNotAllowed(http.HandlerFunc(nil)) }},
		{"the router itself", `pattern "/api/": the handler is the router itself or one of its groups`,
			func(router *http.Router, _ *http.Group) { router.Handle("/api/", router) }},
		{"a group of the router", `pattern "/api/": the handler is the router itself or one of its groups`,
			func(router *http.Router, api *http.Group) { router.Handle("/api/", api) }},
		{"a group in a group", `pattern "/api/x": the handler is the router itself or one of its groups`,
			func(_ *http.Router, api *http.Group) { api.Handle("/x", api.Group("/y")) }},
		{"a group as a hook", `Router.NotFound: the handler is the router itself or one of its groups`,
			func(router *http.Router, api *http.Group) { router.NotFound(api) }},
		{"the router as a hook", `Router.MethodNotAllowed: the handler is the router itself or one of its groups`,
			func(router *http.Router, _ *http.Group) { router.MethodNotAllowed(router) }},
		{"empty pattern", `pattern "": empty pattern`,
			func(router *http.Router, _ *http.Group) { router.Handle("", h) }},
		{"bad wildcard", `pattern "GET /api/{id": at offset 9: bad wildcard segment (must end with '}')`,
			func(_ *http.Router, api *http.Group) { api.Handle("GET /{id", h) }},
		{"no slash", `pattern "GET users": a path must start with a slash; write "GET /users"`,
			func(router *http.Router, _ *http.Group) { router.Handle("GET users", h) }},
		{"no slash in a group", `pattern "GET users": a path must start with a slash; write "GET /users"`,
			func(_ *http.Router, api *http.Group) { api.Handle("GET users", h) }},
		{"host with a space", `pattern " GET /x": "GET " is parsed as a host; write "GET /x"`,
			func(router *http.Router, _ *http.Group) { router.Handle(" GET /x", h) }},
		{"parameter of gin", `pattern "GET /users/:id": ":id" is a parameter in gin, echo and httprouter, but here it matches only itself; write "{id}"`,
			func(router *http.Router, _ *http.Group) { router.Handle("GET /users/:id", h) }},
		{"parameter of gin in a group", `pattern "GET /api/:id": ":id" is a parameter in gin, echo and httprouter`,
			func(_ *http.Router, api *http.Group) { api.HandleFunc("GET /:id", h) }},
		{"wildcard of chi in a group", `pattern "/api/*": "*" matches the rest of the path in chi, gin and echo, but here it matches only itself; write "{path...}"`,
			func(_ *http.Router, api *http.Group) { api.Handle("/*", h) }},
		{"constraint of chi", `pattern "/{id:[0-9]+}": "{id:[0-9]+}" has a constraint, as in chi and gorilla/mux; write "{id}"`,
			func(router *http.Router, _ *http.Group) { router.Handle("/{id:[0-9]+}", h) }},
		{"lower-case method in a group", `pattern "get /api/x": "get" is not a request method; write "GET /x"`,
			func(_ *http.Router, api *http.Group) { api.Handle("get /x", h) }},
		{"several methods", `pattern "GET,POST /x": a pattern can have only one method; register the handler once for each of GET, POST`,
			func(router *http.Router, _ *http.Group) { router.Handle("GET,POST /x", h) }},
		{"host with a port", `pattern "localhost:8080/x": port "8080" never matches`,
			func(router *http.Router, _ *http.Group) { router.Handle("localhost:8080/x", h) }},
		{"path without its slash", `pattern "users/{id}": "users" is parsed as a host; write "/users/{id}" if it is part of the path`,
			func(router *http.Router, _ *http.Group) { router.Handle("users/{id}", h) }},
		{"URL", `pattern "http://example.com/x": a pattern cannot have a scheme or a port; write "example.com/x"`,
			func(router *http.Router, _ *http.Group) { router.Handle("http://example.com/x", h) }},
		{"prefix with a parameter of gin", `group prefix "/api/:tenant": ":tenant" is a parameter in gin, echo and httprouter`,
			func(_ *http.Router, api *http.Group) { api.Group("/:tenant") }},
		{"prefix with a star", `group prefix "/v1/*": a prefix covers all paths below it; remove "/*"`,
			func(router *http.Router, _ *http.Group) { router.Group("/v1/*") }},
		{"empty segment", `pattern "/api//x": the path has an empty segment`,
			func(_ *http.Router, api *http.Group) { api.Handle("//x", h) }},
		{"double slash", `pattern "GET /api//x": at offset 4: non-CONNECT pattern with unclean path can never match`,
			func(_ *http.Router, api *http.Group) { api.Handle("GET //x", h) }},
		{"wildcard twice", `pattern "GET /api/{id}/{id}": at offset 14: duplicate wildcard name "id"`,
			func(_ *http.Router, api *http.Group) { api.Group("/{id}").Handle("GET /{id}", h) }},
		{"prefix without slash", `group prefix "api": the prefix must start with a slash`,
			func(router *http.Router, _ *http.Group) { router.Group("api") }},
		{"prefix with a method", `group prefix "/apiGET /x": the prefix must start with a slash`,
			func(_ *http.Router, api *http.Group) { api.Group("GET /x") }},
		{"prefix that ends", `group prefix "/api/{x...}": {...} wildcard not at end`,
			func(_ *http.Router, api *http.Group) { api.Group("/{x...}") }},
		{"conflict", "pattern \"GET /api/{y}/b\" conflicts with pattern \"GET /api/a/{x}\" (registered at ",
			func(router *http.Router, api *http.Group) {
				api.Handle("GET /a/{x}", h)
				router.Handle("GET /api/{y}/b", h)
			}},
		{"conflict while serving", "pattern \"/{y...}\" conflicts with pattern \"/\" (registered at ",
			func(router *http.Router, _ *http.Group) {
				router.Handle("/", h)
				serveOnce(router)
				router.Handle("/{y...}", h)
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			router := http.NewRouter()
			api := router.Group("/api/")
			got := panicText(func() { tt.make(router, api) })
			location, message, _ := strings.Cut(strings.TrimPrefix(got, "http: "), ": ")
			if !strings.Contains(location, "/router_test.go:") || !strings.HasPrefix(message, tt.want) {
				t.Errorf("panic %q, want this file's line and %q", got, tt.want)
			}
		})
	}
}

func TestPatternsThatOnlyLookLikeOtherSyntaxAreServed(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	requests := map[string][3]string{ // method, host and target by pattern
		"POST /v1/items:batch":        {"POST", "x", "/v1/items:batch"},
		"GET /v1/{name}/items:count":  {"GET", "x", "/v1/a/items:count"},
		"/a*b":                        {"GET", "x", "/a*b"},
		"/%3Aid":                      {"GET", "x", "/:id"},
		"/%2A":                        {"GET", "x", "/*"},
		"/%2Fx%3F":                    {"GET", "x", "/%2Fx%3f"},
		"GET /with space":             {"GET", "x", "/with%20space"},
		"GET Example.com/.with space": {"GET", "EXAMPLE.com", "/.with%20space"},
		"intranet./x":                 {"GET", "intranet:8080", "/x"},
		"CONNECT example.com:443/x":   {"CONNECT", "example.com:443", "/x"},
		"[2001:db8::1]/y":             {"GET", "[2001:db8::1]", "/y"},
		"PROPFIND localhost/dav/{p}":  {"PROPFIND", "localhost:80", "/dav/x"},
		"M-SEARCH /upnp":              {"M-SEARCH", "x", "/upnp"},
		"purge /cache/{key...}":       {"purge", "x", "/cache/a/b"},
		"GET options.example.com/opt": {"GET", "options.example.com", "/opt"},
	}
	for pattern := range requests {
		router.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Pattern) })
	}
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	for pattern, request := range requests {
		if got := askTarget(t, srv, request[0], request[1], request[2]); got.StatusCode != 200 || got.Body != pattern {
			t.Errorf("%q: %+v", request, got)
		}
	}
}

func TestConflictNamesBothLinesAndAPathThatBothMatch(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	group := router.Group("/api")
	first := nextLine()
	group.HandleFunc("GET /a/{x}", reply("1"))
	var second string
	got := panicText(func() {
		second = nextLine()
		router.HandleFunc("GET /api/{y}/b", reply("2"))
	})
	want := "http: " + second + `: pattern "GET /api/{y}/b" conflicts with pattern "GET /api/a/{x}" (registered at ` + first + `):
both match some requests, and neither is more specific
both match the request "GET /api/a/b"
only pattern "GET /api/{y}/b" matches "GET /api/y/b"
only pattern "GET /api/a/{x}" matches "GET /api/a/x"`
	if got != want {
		t.Errorf("panic\n%s\nwant\n%s", got, want)
	}
}

func TestUnmatchedRequestsGetJSONErrors(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.HandleFunc("GET /users", reply("users"))
	router.HandleFunc("POST /users", reply("users"))
	router.HandleFunc("PUT /only/{id}", reply("only"))

	testkit.EachProtocol(t, router, func(t *testing.T, srv *testkit.Server) {
		for _, tt := range []struct {
			method, target string
			status         int
			allow, body    string
		}{
			{"GET", "/none", 404, "", `{"error":"not found"}`},
			{"POST", "/", 404, "", `{"error":"not found"}`},
			{"HEAD", "/none", 404, "", ""},
			{"DELETE", "/users", 405, "GET, HEAD, POST", `{"error":"method not allowed"}`},
			{"OPTIONS", "/users", 405, "GET, HEAD, POST", `{"error":"method not allowed"}`},
			{"get", "/users", 405, "GET, HEAD, POST", `{"error":"method not allowed"}`},
			{"HEAD", "/only/1", 405, "PUT", ""},
			{"HEAD", "/users", 200, "", ""},
		} {
			got := srv.Do(t, tt.method, tt.target, "")
			if got.StatusCode != tt.status || got.Body != tt.body || got.Header.Get("Allow") != tt.allow {
				t.Errorf("%s %s: %+v", tt.method, tt.target, got)
			}
			if tt.status == 200 {
				continue
			}
			length := map[int]string{404: "21", 405: "30"}[tt.status]
			if h := got.Header; h.Get("Content-Type") != "application/json" || h.Get("Content-Length") != length {
				t.Errorf("%s %s: header %v", tt.method, tt.target, h)
			}
		}
	})
}

func TestErrorResponsesOfHandlersAreUnchanged(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.Handle("GET /missing", http.NotFoundHandler())
	router.HandleFunc("GET /method", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not like this", http.StatusMethodNotAllowed)
	})
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	for target, want := range map[string]string{"/missing": "404 page not found\n", "/method": "not like this\n"} {
		if got := srv.Get(t, target); got.Body != want || got.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s: %+v", target, got)
		}
	}
}

func TestHooksReplaceTheDefaultErrors(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.Use(trace("router"))
	router.HandleFunc("GET /a", reply("a"))
	router.HandleFunc("POST /a/{id}", reply("a"))
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	if got := srv.Get(t, "/b").Body; got != `{"error":"not found"}` {
		t.Fatalf("without a hook: %q", got)
	}

	hook := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			reply("hook", "id")(w, r)
		}
	}
	router.NotFound(hook(http.StatusGone))
	router.MethodNotAllowed(hook(http.StatusTeapot))
	for _, tt := range []struct {
		method, target string
		status         int
		allow          string
	}{
		{"GET", "/b", http.StatusGone, ""},
		{"PUT", "/a", http.StatusTeapot, "GET, HEAD"},
		{"GET", "/a/7", http.StatusTeapot, "POST"},
	} {
		got := srv.Do(t, tt.method, tt.target, "")
		if got.StatusCode != tt.status || got.Body != "hook [] id=" || got.Header.Get("Allow") != tt.allow || got.Header.Get("Trace") != "router" {
			t.Errorf("%s %s: %+v", tt.method, tt.target, got)
		}
	}
}

func TestHeadersOfErrorsAreNotShared(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.HandleFunc("GET /a", reply("a"))
	for _, observed := range []bool{false, true} {
		w := httptest.NewRecorder()
		h := http.Handler(router)
		if observed {
			h = copying(func(string) {})(router)
		}
		h.ServeHTTP(w, httptest.NewRequest("PUT", "/a", nil))
		for name := range w.Header() {
			w.Header()[name] = append(w.Header()[name], "appended")
		}
		for name, want := range map[string]string{"Content-Type": "application/json", "Content-Length": "30", "Allow": "GET, HEAD"} {
			if got := w.Header()[name]; !slices.Equal(got, []string{want, "appended"}) {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
}

// copying returns middleware that reports the pattern of its request afterwards, and
// an inner one that copies the request.
func copying(matched func(pattern string)) http.Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			turn := response.Enter(w, r)
			defer turn.End()
			next.ServeHTTP(turn.Writer, turn.Request.WithContext(turn.Request.Context()))
			matched(turn.State.Pattern())
		})
	}
}

func TestOutermostMiddlewareKnowsThePatternThoughAnInnerOneCopiesTheRequest(t *testing.T) {
	t.Parallel()
	matched := make(chan string, 1)
	nested := http.NewRouter()
	nested.HandleFunc("GET /nested/{id}", reply("nested", "id"))
	router := http.NewRouter()
	router.Use(copying(func(pattern string) { matched <- pattern }))
	router.Handle("/nested/", nested)
	router.Group("/api").HandleFunc("GET /users/{id}", reply("user", "id"))
	router.HandleFunc("GET /dir/", reply("dir"))

	srv := testkit.StartServer(t, testkit.HTTP1, router)
	for target, want := range map[string]string{
		"/api/users/7": "GET /api/users/{id}",
		"/nested/7":    "GET /nested/{id}",
		"/none":        "",
		"/dir":         "GET /dir/", // a redirect
	} {
		srv.Get(t, target)
		if got := <-matched; got != want {
			t.Errorf("%s: pattern %q, want %q", target, got, want)
		}
	}
}

func TestRedirectsStayOnTheHost(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.HandleFunc("/{first}/{$}", reply("first"))
	router.HandleFunc("/{first}/sub/", reply("sub"))
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	redirects := 0
	for _, target := range []string{
		"//evil.example/..%2f",
		`/\evil.example/`,
		`/\evil.example`,
		`/%5cevil.example/sub`,
		"//evil.example",
		"/.//evil.example",
		"/dir/..//evil.example",
		"/%2Fevil.example/sub",
		"/%2f%2fevil.example/sub",
		"/%2e%2e//evil.example/sub",
		"/dir",
		"http://evil.example//dir",
		"http://evil.example/dir",
		"/x/sub?next=//evil.example",
	} {
		got := askTarget(t, srv, "GET", "example.com", target)
		to := got.Header.Get("Location")
		if to == "" {
			continue
		}
		redirects++
		if got.StatusCode != http.StatusTemporaryRedirect || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.HasPrefix(to, `/\`) {
			t.Errorf("%s: status %d, redirect to %q", target, got.StatusCode, to)
		}
	}
	if redirects < 10 {
		t.Errorf("only %d of the targets are redirected", redirects)
	}
}

func TestRedirectKeepsTheMethod(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.HandleFunc("POST /dir/", reply("dir"))
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	got := srv.Do(t, "POST", "/dir?x=1", "")
	if got.StatusCode != http.StatusTemporaryRedirect || got.Header.Get("Location") != "/dir/?x=1" {
		t.Errorf("POST /dir: %+v", got)
	}
}

func TestEscapedSlashStaysInItsSegment(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.HandleFunc("GET /{id}", reply("one", "id"))
	admin := router.Group("/admin")
	admin.Use(trace("guard"))
	admin.HandleFunc("GET /{path...}", reply("admin", "path"))
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	for target, want := range map[string]string{
		"/a%2Fb":           "one [GET /{id}] id=a/b []",
		"/a%2fb%2F..":      "one [GET /{id}] id=a/b/.. []",
		"/admin%2Fusers":   "one [GET /{id}] id=admin/users []",
		"/admin/a%2Fb":     "admin [GET /admin/{path...}] path=a/b [guard]",
		"/%61dmin/users":   "admin [GET /admin/{path...}] path=users [guard]",
		"/%61%64min/x%2fy": "admin [GET /admin/{path...}] path=x/y [guard]",
	} {
		got := askTarget(t, srv, "GET", "example.com", target)
		if text := fmt.Sprint(got.Body, " ", got.Header["Trace"]); text != want {
			t.Errorf("%s answers %q, want %q", target, text, want)
		}
	}
}

func TestGroupPatterns(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	api := router.Group("/api/")
	for _, pattern := range []string{
		"GET", "GET /", "POST  /two", "PUT\t/tab", "example.com", "GET example.com/host",
		"localhost/host", "DELETE example.com", "GET /sub/{$}", "GET /files/{path...}",
	} {
		api.HandleFunc(pattern, reply("api"))
	}
	router.Group("/any").HandleFunc("", reply("any"))
	router.Group("/any").HandleFunc("/method", reply("any"))
	router.Group("/").Group("").HandleFunc("GET /bare", reply("bare"))
	router.Group("/orgs/{org}").Group("/teams/{team}/").HandleFunc("GET /{user}", reply("org", "org", "team", "user"))

	srv := testkit.StartServer(t, testkit.HTTP1, router)
	for _, tt := range []struct{ method, host, target, want string }{
		{"GET", "", "/api", "api [GET /api]"},
		{"HEAD", "", "/api", ""},
		{"GET", "", "/api/", "api [GET /api/]"},
		{"GET", "", "/api/what/ever", "api [GET /api/]"},
		{"POST", "", "/api/two", "api [POST  /api/two]"},
		{"PUT", "", "/api/tab", "api [PUT\t/api/tab]"},
		{"PATCH", "", "/any", "any [/any]"},
		{"PATCH", "", "/any/method", "any [/any/method]"},
		{"PATCH", "example.com", "/api", "api [example.com/api]"},
		{"DELETE", "example.com", "/api", "api [DELETE example.com/api]"},
		{"GET", "example.com:8080", "/api/host", "api [GET example.com/api/host]"},
		{"PATCH", "localhost", "/api/host", "api [localhost/api/host]"},
		{"PATCH", "other", "/api", `{"error":"method not allowed"}`},
		{"GET", "", "/api/sub/", "api [GET /api/sub/{$}]"},
		{"GET", "", "/api/files/a/b", "api [GET /api/files/{path...}]"},
		{"GET", "", "/bare", "bare [GET /bare]"},
		{"GET", "", "/orgs/a/teams/b/c", "org [GET /orgs/{org}/teams/{team}/{user}] org=a team=b user=c"},
		{"GET", "", "/orgs/a/teams/b", `{"error":"not found"}`},
	} {
		if got := srv.Do(t, tt.method, tt.target, "", "Host: "+tt.host).Body; got != tt.want {
			t.Errorf("%s %s%s answers %q, want %q", tt.method, tt.host, tt.target, got, tt.want)
		}
	}
}

func TestMiddlewareOfAGroupSeesPatternAndPathValues(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	group := router.Group("/users/{id}")
	group.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s of %s: ", r.Pattern, r.PathValue("id"))
			next.ServeHTTP(w, r)
		})
	})
	group.HandleFunc("GET /posts/{post}", reply("posts", "id", "post"))
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	want := "GET /users/{id}/posts/{post} of 7: posts [GET /users/{id}/posts/{post}] id=7 post=9"
	if got := srv.Get(t, "/users/7/posts/9").Body; got != want {
		t.Errorf("answer %q, want %q", got, want)
	}
}

func TestRoutesThatShareAHandlerKeepTheirPatterns(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	shared := reply("shared", "a", "b")
	router.Handle("GET /one/{a}", shared)
	router.Handle("GET /two/{b}", shared)
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	for target, want := range map[string]string{
		"/one/1": "shared [GET /one/{a}] a=1 b=",
		"/two/2": "shared [GET /two/{b}] a= b=2",
	} {
		if got := srv.Get(t, target).Body; got != want {
			t.Errorf("%s answers %q, want %q", target, got, want)
		}
	}
}

func TestRoutersNest(t *testing.T) {
	t.Parallel()
	inner := http.NewRouter()
	inner.HandleFunc("GET /v1/users/{id}", reply("inner", "id", "rest"))
	outer := http.NewRouter()
	outer.Handle("/v1/{rest...}", inner)
	outer.NotFound(reply("outer"))
	srv := testkit.StartServer(t, testkit.HTTP1, outer)
	for _, tt := range []struct{ method, target, want string }{
		{"GET", "/v1/users/7", "inner [GET /v1/users/{id}] id=7 rest="},
		{"GET", "/v1/none", `{"error":"not found"}`},
		{"PUT", "/v1/users/7", `{"error":"method not allowed"}`},
		{"GET", "/none", "outer []"},
	} {
		if got := srv.Do(t, tt.method, tt.target, "").Body; got != tt.want {
			t.Errorf("%s %s answers %q, want %q", tt.method, tt.target, got, tt.want)
		}
	}
}

func TestHandlersGetTheWriterItself(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	var got http.ResponseWriter
	router.Group("/a").HandleFunc("GET /b", func(w http.ResponseWriter, _ *http.Request) { got = w })
	w := httptest.NewRecorder()
	router.ServeHTTP(w, httptest.NewRequest("GET", "/a/b", nil))
	if got != http.ResponseWriter(w) {
		t.Errorf("the handler got a %T", got)
	}
}

func TestTargetsWithoutAPath(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.HandleFunc("GET /a", reply("a"))
	srv := testkit.StartServer(t, testkit.HTTP1, router, func(s *nethttp.Server) { s.DisableGeneralOptionsHandler = true })
	if got := askTarget(t, srv, "OPTIONS", "example.com", "*"); got.StatusCode != http.StatusBadRequest {
		t.Errorf("OPTIONS *: %+v", got)
	}
	if got := askTarget(t, srv, "CONNECT", "example.com", "example.com:443"); got.StatusCode != http.StatusNotFound || got.Body != `{"error":"not found"}` {
		t.Errorf("CONNECT: %+v", got)
	}
}

func TestTheZeroRouterIsReadyToUse(t *testing.T) {
	t.Parallel()
	var empty, router http.Router
	router.Use(trace("a"))
	router.Group("/api").HandleFunc("GET /x", reply("x"))
	for _, tt := range []struct {
		router *http.Router
		status int
	}{{&empty, http.StatusNotFound}, {&router, http.StatusOK}} {
		srv := testkit.StartServer(t, testkit.HTTP1, tt.router)
		if got := srv.Get(t, "/api/x"); got.StatusCode != tt.status {
			t.Errorf("%+v, want status %d", got, tt.status)
		}
	}
}

func TestNilRoutersAndZeroGroupsPanicWithTheLineAndTheRemedy(t *testing.T) {
	t.Parallel()
	const noRouter, noGroup = "nil *Router; create a Router with NewRouter", "the Group has no Router; create groups with Router.Group"
	h := reply("h")
	var router *http.Router
	var nilGroup *http.Group
	zeroGroup := new(http.Group)
	for name, tt := range map[string]struct {
		want string
		call func()
	}{
		"Router.Handle":           {noRouter, func() { router.Handle("/", h) }},
		"Router.HandleFunc":       {noRouter, func() { router.HandleFunc("/", h) }},
		"Router.Use":              {noRouter, func() { router.Use(trace("a")) }},
		"Router.Group":            {noRouter, func() { router.Group("/api") }},
		"Router.NotFound":         {noRouter, func() { router.NotFound(h) }},
		"Router.MethodNotAllowed": {noRouter, func() { router.MethodNotAllowed(h) }},
		"Router.Routes":           {noRouter, func() { router.Routes() }},
		"Router.ServeHTTP":        {noRouter, func() { serveOnce(router) }},
		"Group.Handle":            {noGroup, func() { zeroGroup.Handle("/", h) }},
		"Group.HandleFunc":        {noGroup, func() { zeroGroup.HandleFunc("/", h) }},
		"Group.Use":               {noGroup, func() { zeroGroup.Use(trace("a")) }},
		"Group.Group":             {noGroup, func() { zeroGroup.Group("/api") }},
		"Group.ServeHTTP":         {noGroup, func() { serveOnce(zeroGroup) }},
		"nil Group.Handle":        {noGroup, func() { nilGroup.Handle("/", h) }},
		"nil Group.Use":           {noGroup, func() { nilGroup.Use(trace("a")) }},
	} {
		got := panicText(tt.call)
		location, message, _ := strings.Cut(strings.TrimPrefix(got, "http: "), ": ")
		if !strings.HasSuffix(name, "ServeHTTP") && !strings.Contains(location, "/router_test.go:") || message != tt.want {
			t.Errorf("%s: panic %q, want this file's line and %q", name, got, tt.want)
		}
	}
}

func TestRoutesAreSortedByPathAndThenMethod(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.HandleFunc("POST  /users", reply(""))
	router.HandleFunc("GET /users", reply(""))
	router.HandleFunc("/all", reply(""))
	api := router.Group("/api")
	api.Group("/admin").HandleFunc("GET /roles", reply(""))
	api.HandleFunc("GET example.com/users/{id}", reply(""))
	serveOnce(router)
	router.HandleFunc("GET /a/{$}", reply(""))
	want := []http.Route{
		{Method: "GET", Path: "/a/{$}"},
		{Method: "", Path: "/all"},
		{Method: "GET", Path: "/api/admin/roles"},
		{Method: "GET", Path: "/users"},
		{Method: "POST", Path: "/users"},
		{Method: "GET", Path: "example.com/api/users/{id}"},
	}
	if got := router.Routes(); !slices.Equal(got, want) {
		t.Errorf("Routes() = %+v, want %+v", got, want)
	}
	if got := http.NewRouter().Routes(); len(got) != 0 {
		t.Errorf("a router without routes lists %v", got)
	}
}

func TestRouterMayBeChangedWhileItServes(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.Use(trace("router"))
	group := router.Group("/g")
	group.Use(trace("group"))
	group.HandleFunc("GET /first", reply("first"))
	const workers, rounds = 4, 25
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for round := range rounds {
				target := fmt.Sprintf("/%d/%d", worker, round)
				group.HandleFunc("GET "+target, reply("late"))
				if round == rounds/2 && worker == 0 {
					router.HandleFunc("/{everything...}", reply("everything"))
				}
				router.NotFound(reply("none"))
				router.Routes()
				for _, target := range []string{"/g/first", "/g" + target} {
					w := testkit.Record(router, testkit.NewRequest("GET", target, ""))
					if got := w.Header["Trace"]; w.StatusCode != 200 || !slices.Equal(got, []string{"router", "group"}) {
						t.Errorf("%s: status %d after %q", target, w.StatusCode, got)
					}
				}
				for _, method := range []string{"PUT", "GET"} {
					router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, "/g/none", nil))
				}
			}
		})
	}
	all.Wait()
	if got, want := len(router.Routes()), workers*rounds+2; got != want {
		t.Errorf("%d routes, want %d", got, want)
	}
}
