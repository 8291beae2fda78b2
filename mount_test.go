package http_test

import (
	"bytes"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/http/pprof"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// seen responds with what a mounted handler sees of its request.
func seen(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s|%s|%s|%s|%s", r.URL.Path, r.URL.RawPath, r.Pattern, r.PathValue("org"), r.PathValue("id"))
}

// mountedHandlers are handlers with the same routes.
func mountedHandlers() map[string]http.Handler {
	router, group, mux := http.NewRouter(), http.NewRouter().Group(""), http.NewServeMux()
	for _, handle := range []func(string, func(http.ResponseWriter, *http.Request)){router.HandleFunc, group.HandleFunc, mux.HandleFunc} {
		handle("GET /static", seen)
		handle("GET /users/{id}", seen)
		handle("/{$}", seen)
		handle("/dir/", seen)
	}
	return map[string]http.Handler{"Router": router, "Group": group, "ServeMux": mux}
}

func TestMountedHandlersSeeTheRestOfThePath(t *testing.T) {
	t.Parallel()
	tests := []struct{ prefix, target, want string }{
		{"/api", "/api/static", "/static||GET /static||"},
		{"/api/", "/api/static", "/static||GET /static||"},
		{"/api", "/api/", "/||/{$}||"},
		{"/api", "/api/users/7", "/users/7||GET /users/{id}||7"},
		{"/api", "/api/users/a%2Fb", "/users/a/b|/users/a%2Fb|GET /users/{id}||a/b"},
		{"/a%2Fb", "/a%2Fb/users/7", "/users/7|/users/7|GET /users/{id}||7"},
		{"/orgs/{org}", "/orgs/acme/static", "/static||GET /static|acme|"},
		{"/orgs/{org}", "/orgs/acme/users/7", "/users/7||GET /users/{id}|acme|7"},
		{"/orgs/{org}", "/orgs/a%2Fb/users/x%2Fy", "/users/x/y|/users/x%2Fy|GET /users/{id}|a/b|x/y"},
		{"/orgs/{org}", "/orgs/%C3%BC/dir/x", "/dir/x||/dir/|ü|"},
		{"/{org}", "/acme/dir/x", "/dir/x||/dir/|acme|"},
		{"/{id}", "/outer/users/inner", "/users/inner||GET /users/{id}||inner"},
		{"/{id}", "/outer/static", "/static||GET /static||outer"},
		{"", "/users/7", "/users/7||GET /users/{id}||7"},
		{"/", "/static", "/static||GET /static||"},
	}
	for name, handler := range mountedHandlers() {
		for _, tt := range tests {
			router := http.NewRouter()
			router.Mount(tt.prefix, handler)
			testkit.EachProtocol(t, router, func(t *testing.T, srv *testkit.Server) {
				if got := srv.Get(t, tt.target); got.Body != tt.want && got.Body != strings.Replace(tt.want, "|/users/7|", "||", 1) {
					t.Errorf("%s at %q: %s answers %q, want %q", name, tt.prefix, tt.target, got.Body, tt.want)
				}
			})
		}
	}
}

func TestMountedRedirectsKeepThePrefix(t *testing.T) {
	t.Parallel()
	site := http.NewRouter()
	inner := http.NewRouter()
	inner.TrailingSlash(http.SlashRedirect)
	inner.HandleFunc("/dir/", seen)
	inner.HandleFunc("GET /page", seen)
	inner.Handle("/login", http.RedirectHandler("/login-page", 302))
	inner.Handle("/elsewhere", http.RedirectHandler("https://example.com/elsewhere/", 302))
	inner.HandleFunc("/same", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, 303) })
	inner.HandleFunc("/host", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "//"+r.Host+"/host/", 301) })
	inner.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", 302) })
	inner.HandleFunc("/raw", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/raw/?x#y")
		w.WriteHeader(301)
	})
	inner.HandleFunc("/mail", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "mailto:root@example.com")
		w.WriteHeader(302)
	})
	mux := http.NewServeMux()
	mux.HandleFunc("/dir/", seen)
	middle := http.NewRouter()
	middle.Mount("/in", inner)
	site.Mount("/app", inner)
	site.Mount("/orgs/{org}", inner)
	site.Mount("/mux", mux)
	site.Mount("/nest", middle)
	site.Mount("/stripped", http.HandlerFunc(inner.ServeHTTP))
	tests := []struct {
		method, target string
		status         int
		location       string
	}{
		{"GET", "/app", 307, "/app/"},
		{"GET", "/app/dir", 307, "/app/dir/"},
		{"POST", "/app/dir?a=b", 307, "/app/dir/?a=b"},
		{"GET", "/app/page/", 307, "/app/page"},
		{"GET", "/app/page/?q=1", 307, "/app/page?q=1"},
		{"GET", "/orgs/a%2Fb/dir", 307, "/orgs/a%2Fb/dir/"},
		{"GET", "/orgs/%5Cevil.example/dir", 307, "/orgs/%5Cevil.example/dir/"},
		{"GET", "/mux/dir?x", 307, "/mux/dir/?x"},
		{"GET", "/nest/in/dir", 307, "/nest/in/dir/"},
		{"GET", "/nest/in", 307, "/nest/in/"},
		{"GET", "/stripped/dir", 307, "/stripped/dir/"},
		{"GET", "/app/login", 302, "/login-page"},
		{"GET", "/app/elsewhere", 302, "https://example.com/elsewhere/"},
		{"POST", "/app/same", 303, "/app/same"},
		{"GET", "/app/same?lang=de", 303, "/app/same"},
		{"GET", "/app/same", 303, "/same"},
		{"GET", "/app/", 302, "/"},
		{"GET", "/app/raw", 301, "/app/raw/?x#y"},
		{"GET", "/app/mail", 302, "mailto:root@example.com"},
	}
	all := http.Compress(http.CompressConfig{})(http.ETag(http.ETagConfig{})(site))
	for name, handler := range map[string]http.Handler{"bare": site, "in a chain": all} {
		srv := testkit.StartServer(t, testkit.HTTP1, handler)
		for _, tt := range tests {
			got := srv.Do(t, tt.method, tt.target, "")
			if got.StatusCode != tt.status || got.Header.Get("Location") != tt.location {
				t.Errorf("%s: %s %s: %d %q, want %d %q", name, tt.method, tt.target, got.StatusCode, got.Header.Get("Location"), tt.status, tt.location)
			}
		}
		host := srv.Get(t, "/app/host").Header.Get("Location")
		if want := "//" + srv.Addr() + "/app/host/"; host != want {
			t.Errorf("%s: /app/host redirects to %q, want %q", name, host, want)
		}
	}
}

func TestMountedPatternsReachMetricsAndLogs(t *testing.T) {
	t.Parallel()
	inner, deepest := http.NewRouter(), http.NewServeMux()
	inner.HandleFunc("GET /users/{id}", seen)
	inner.HandleFunc("/dir/", seen)
	inner.HandleFunc("POST example.com/hosted", seen)
	deepest.HandleFunc("PUT /x/{id}", seen)
	inner.Mount("/deep", deepest)
	inner.Handle("/panic", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	tests := []struct {
		method, target, pattern string
		status                  int
	}{
		{"GET", "/api/v1/users/7", "GET /api/{v}/users/{id}", 200},
		{"GET", "/api/v1/dir", "/api/{v}/dir/", 307},
		{"PUT", "/api/v1/deep/x/1", "PUT /api/{v}/deep/x/{id}", 200},
		{"GET", "/api/v1/deep/none", "/api/{v}/deep/", 404},
		{"GET", "/api/v1/none", "/api/{v}/", 404},
		{"GET", "/plain/none", "/plain/", 404},
		{"POST", "http://example.com/api/v1/hosted", "POST example.com/api/{v}/hosted", 200},
	}
	for _, tt := range tests {
		router, metrics := http.NewRouter(), http.NewMetrics()
		var log testkit.Log
		router.Use(metrics.Middleware(), http.RequestLogger(log.JSON()))
		router.Mount("/api/{v}", inner)
		router.Mount("/plain", http.NotFoundHandler())
		r := testkit.NewRequest(tt.method, tt.target, "")
		if got := testkit.Record(router, r); got.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d", tt.target, got.StatusCode, tt.status)
		}
		if got := log.Records(t)[0]["pattern"]; got != tt.pattern {
			t.Errorf("%s: the log has the pattern %q, want %q", tt.target, got, tt.pattern)
		}
		if r.Pattern != tt.pattern {
			t.Errorf("%s: r.Pattern = %q, want %q", tt.target, r.Pattern, tt.pattern)
		}
		bare := http.NewRouter()
		bare.Mount("/api/{v}", inner)
		bare.Mount("/plain", http.NotFoundHandler())
		r = testkit.NewRequest(tt.method, tt.target, "")
		testkit.Record(bare, r)
		if r.Pattern != tt.pattern {
			t.Errorf("%s without middleware: r.Pattern = %q, want %q", tt.target, r.Pattern, tt.pattern)
		}
	}
}

func TestMountedRoutersAnswerUnmatchedRequestsThemselves(t *testing.T) {
	t.Parallel()
	custom, plain := http.NewRouter(), http.NewRouter()
	custom.NotFound(http.HandlerFunc(echoPath))
	custom.HandleFunc("GET /x", seen)
	plain.HandleFunc("GET /x", seen)
	router := http.NewRouter()
	router.NotFound(reply("outer"))
	router.Mount("/custom", custom)
	router.Mount("/plain", plain)
	testkit.EachProtocol(t, router, func(t *testing.T, srv *testkit.Server) {
		srv.Get(t, "/custom/none").Want(t, 200, "/none")
		srv.Get(t, "/plain/none").Want(t, 404, `{"error":"not found"}`)
		srv.Get(t, "/none").Want(t, 200, "outer []")
		refused := srv.Do(t, "PUT", "/custom/x", "")
		refused.Want(t, 405, `{"error":"method not allowed"}`)
		refused.WantHeader(t, "Allow", "GET, HEAD")
	})
}

func TestMountedHandlersOfOtherKinds(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/docs" {
			http.Redirect(w, r, "/docs/", 301)
			return
		}
		fmt.Fprintf(w, "upstream got %s", r.RequestURI)
	}))
	t.Cleanup(upstream.Close)
	target, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	debug := http.NewServeMux()
	debug.HandleFunc("/debug/pprof/", pprof.Index)
	debug.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)

	router := http.NewRouter()
	router.Mount("/proxy", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
	router.Mount("/ops", debug)
	testkit.EachProtocol(t, router, func(t *testing.T, srv *testkit.Server) {
		srv.Get(t, "/proxy/a%2Fb?x=1").Want(t, 200, "upstream got /a%2Fb?x=1")
		srv.Get(t, "/proxy/docs").WantHeader(t, "Location", "/proxy/docs/")
		srv.Get(t, "/ops/debug/pprof").WantHeader(t, "Location", "/ops/debug/pprof/")
		if index := srv.Get(t, "/ops/debug/pprof/"); !strings.Contains(index.Body, "goroutine?debug=1") {
			t.Errorf("the index of pprof is %d %.200q", index.StatusCode, index.Body)
		}
		if dump := srv.Get(t, "/ops/debug/pprof/goroutine?debug=1"); !strings.HasPrefix(dump.Body, "goroutine profile:") {
			t.Errorf("the goroutines are %d %.200q", dump.StatusCode, dump.Body)
		}
	})
}

func TestMountMistakesPanicWithTheLine(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	api := router.Group("/api")
	api.HandleFunc("/v1/", seen)
	tests := []struct {
		name, want string
		mount      func()
	}{
		{"no slash", `mount prefix "x": .*write|mount prefix "x": the prefix must start with a slash`, func() { router.Mount("x", http.NotFoundHandler()) }},
		{"star", `mount prefix "/debug/\*": a prefix covers all paths below it; remove "/\*"`, func() { router.Mount("/debug/*", http.NotFoundHandler()) }},
		{"colon", `mount prefix "/:org": .*write "{org}"`, func() { router.Mount("/:org", http.NotFoundHandler()) }},
		{"nil", `mount prefix "/x": nil handler`, func() { router.Mount("/x", nil) }},
		{"nil function", `mount prefix "/x": nil handler`, func() { router.Mount("/x", http.HandlerErrorFunc(nil)) }},
		{"itself", `mount prefix "/x": the handler is the router itself`, func() { router.Mount("/x", api) }},
		{"conflict", `pattern "/api/v1/" conflicts with pattern "/api/v1/" \(registered at .*mount_test.go:\d+\)`, func() { api.Mount("/v1", http.NotFoundHandler()) }},
		{"nil router", `nil \*Router`, func() { (*http.Router)(nil).Mount("/x", http.NotFoundHandler()) }},
		{"zero group", `the Group has no Router`, func() { new(http.Group).Mount("/x", http.NotFoundHandler()) }},
	}
	for _, tt := range tests {
		wantPanicMatch(t, `^http: .*mount_test.go:\d+: (?:`+tt.want+`)`, tt.mount)
	}
}

func TestMountedFormsAreRemoved(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"/app/", "/app"} {
		for _, hasSite := range []bool{false, true} {
			router := http.NewRouter()
			router.TrailingSlash(http.SlashServe)
			if hasSite {
				router.HandleFunc("GET /{path...}", reply("site")) // the mount takes requests from it
			}
			router.Mount("/app", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if err := r.ParseMultipartForm(1); err != nil {
					t.Error(err)
				}
			}))
			body := "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\nhello\r\n--b--\r\n"
			r := testkit.NewRequest("POST", target, body, "Content-Type: multipart/form-data; boundary=b")
			testkit.Record(router, r)
			if r.MultipartForm == nil {
				t.Errorf("%s (beside a site: %v): the server does not know the form whose files it must remove", target, hasSite)
			}
		}
	}
}

func TestMountedConnectRequests(t *testing.T) {
	t.Parallel()
	inner := http.NewServeMux()
	inner.HandleFunc("CONNECT /tunnel/{id}", seen)
	router := http.NewRouter()
	router.Mount("/{org}/app", inner)
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	conn := testkit.Dial(t, srv.Addr())
	conn.Send("CONNECT /acme/app/tunnel/7 HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
	if got := conn.ReadAll(); !strings.Contains(got, "/tunnel/7||CONNECT /tunnel/{id}|acme|7") {
		t.Errorf("CONNECT got %q", got)
	}
	inner.HandleFunc("CONNECT /dir/", seen)
	r := testkit.NewRequest("CONNECT", "/acme/app/dir", "")
	testkit.Record(router, r)
	if r.Pattern != "/{org}/app/" {
		t.Errorf("after a redirect by the ServeMux, r.Pattern is %q", r.Pattern)
	}
	star := testkit.Dial(t, srv.Addr())
	star.Send("OPTIONS * HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
	if got := star.ReadAll(); !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Errorf("OPTIONS * got %q", got)
	}
}

func TestMountAllocatesNoMoreThanStripPrefix(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) })
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", inner)
	for name, handler := range map[string]http.Handler{"function": inner, "ServeMux": mux} {
		mounted, stripped := http.NewRouter(), http.NewRouter()
		mounted.Mount("/api", handler)
		stripped.Handle("/api/", http.StripPrefix("/api", handler))
		stack := http.Chain(http.RequestID(http.RequestIDConfig{}), http.NewMetrics().Middleware())
		for chain, pair := range map[string][2]http.Handler{"bare": {mounted, stripped}, "in a chain": {stack(mounted), stack(stripped)}} {
			var allocs [2]float64
			for i, h := range pair {
				w := new(nullWriter)
				allocs[i] = testing.AllocsPerRun(200, func() {
					r := nethttp.Request{Method: "GET", URL: &url.URL{Path: "/api/users/7"}, Header: nethttp.Header{}, Body: io.NopCloser(new(bytes.Reader))}
					h.ServeHTTP(w, &r)
				})
				if w.status != 204 {
					t.Fatalf("status %d", w.status)
				}
			}
			t.Logf("%s, %s: Mount %v, StripPrefix %v", name, chain, allocs[0], allocs[1])
			if allocs[0] > allocs[1] {
				t.Errorf("%s, %s: Mount allocates %v times, StripPrefix %v times", name, chain, allocs[0], allocs[1])
			}
		}
	}
}

func BenchmarkMount(b *testing.B) {
	inner := http.NewServeMux()
	inner.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {})
	own := http.NewRouter()
	own.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {})
	mounted, mountedMux, stripped := http.NewRouter(), http.NewRouter(), http.NewRouter()
	mounted.Mount("/api", own)
	mountedMux.Mount("/api", inner)
	stripped.Handle("/api/", http.StripPrefix("/api", inner))
	metrics := http.NewMetrics().Middleware()
	for _, tt := range []struct {
		name    string
		handler http.Handler
	}{
		{"Mount a Router", metrics(mounted)},
		{"Mount a ServeMux", metrics(mountedMux)},
		{"StripPrefix a ServeMux", metrics(stripped)},
		{"Mount a ServeMux without middleware", mountedMux},
		{"StripPrefix a ServeMux without middleware", stripped},
	} {
		b.Run(tt.name, func(b *testing.B) {
			w := new(nullWriter)
			r := testkit.NewRequest("GET", "/api/users/7", "")
			b.ReportAllocs()
			for b.Loop() {
				r.Pattern = ""
				tt.handler.ServeHTTP(w, r)
			}
		})
	}
}

func TestMountedStreamsAndFiles(t *testing.T) {
	t.Parallel()
	inner := http.NewRouter()
	inner.HandleFunc("GET /ws", func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.WriteMessage(http.TextMessage, []byte(r.URL.Path))
	})
	inner.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewSSEWriter(w).Data(r.URL.Path)
	})
	inner.Handle("GET /files/{path...}", http.Static(fstest.MapFS{
		"index.html": {Data: []byte("<p>index")}, "main.js": {Data: []byte("let x")},
	}))
	router := http.NewRouter()
	router.Use(http.RequestLogger(new(testkit.Log).JSON()), http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{}))
	router.Group("/t/{tenant}").Mount("/app", inner)
	router.Mount("/site", http.Static(fstest.MapFS{"index.html": {Data: []byte("<p>site")}, "main.js": {Data: []byte("let y")}}))
	address, client := serveOwn(t, testkit.HTTP1, router)
	testkit.Get(t, client, address+"/t/a/app/events").Want(t, 200, "data: /events\n\n")
	testkit.Get(t, client, address+"/t/a/app/files/main.js").Want(t, 200, "let x")
	testkit.Get(t, client, address+"/t/a/app/files/x/y").Want(t, 200, "<p>index")
	testkit.Get(t, client, address+"/site/").Want(t, 200, "<p>site")
	testkit.Get(t, client, address+"/site/main.js").Want(t, 200, "let y")
	conn, _, err := http.Dial(t.Context(), "ws"+strings.TrimPrefix(address, "http")+"/t/a/app/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, message, err := conn.ReadMessage(); err != nil || string(message) != "/ws" {
		t.Errorf("ReadMessage() = %q, %v", message, err)
	}
}

// The router compares the decoded path if the raw one is not a valid encoding. The mount must
// cut the same segments.
func TestMountsCutTheSegmentsThatMatched(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.Mount("/a", http.HandlerFunc(seen))
	router.Mount("/orgs/{org}", http.HandlerFunc(seen))
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	for target, want := range map[string]string{
		`/a%2Fb\/static`:        `/b\/static||/a/||`,
		`/a%2Fb|c/x`:            `/b|c/x||/a/||`,
		`/orgs/a%2Fb\/x`:        `/b\/x||/orgs/{org}/|a|`,
		`/orgs/a%2Fb/x`:         `/x|/x|/orgs/{org}/|a/b|`,
		`/a/%2F\evil.example`:   "redirect",
		`/orgs/%2Fevil.com%2F\`: "redirect",
	} {
		conn := testkit.Dial(t, srv.Addr())
		conn.Send("GET " + target + " HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
		got := conn.Response("GET")
		if location := got.Header.Get("Location"); want == "redirect" {
			if !strings.HasPrefix(location, "/") || strings.HasPrefix(location, "//") || strings.HasPrefix(location, `/\`) {
				t.Errorf("%s redirects to %q", target, location)
			}
		} else if got.Body != want {
			t.Errorf("%s: got %q, want %q", target, got.Body, want)
		}
	}
}

func TestRedirectsOfAMountToTheSamePathAreTheSameForHEAD(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.Mount("/app", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, 303) }))
	for _, method := range []string{"GET", "HEAD"} {
		testkit.Serve(t, router, method, "/app/same", "").WantHeader(t, "Location", "/same")
	}
}

func TestThePageOfAMountedRedirectHasThePrefix(t *testing.T) {
	t.Parallel()
	inner := http.NewServeMux()
	inner.HandleFunc("/dir/", seen)
	inner.Handle("/login", http.RedirectHandler("/login-page", 302))
	inner.HandleFunc("/own", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/own/")
		w.Header().Set("Content-Length", "16")
		w.WriteHeader(307)
		io.WriteString(w, `<a href="/own/">`)
	})
	inner.HandleFunc("/text", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/text/")
		w.WriteHeader(307)
		io.WriteString(w, "moved")
		io.WriteString(w, `<a href="/text/">`)
	})
	middle, router := http.NewRouter(), http.NewRouter()
	middle.Mount("/in", inner)
	compressed := http.NewRouter()
	compressed.Use(http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{}))
	compressed.Mount("/in", inner)
	router.Mount("/app", inner)
	router.Mount("/nest", middle)
	router.Mount("/compressed", compressed)
	for target, want := range map[string]string{
		"/app/dir?a=1&b=2":   `<a href="/app/dir/?a=1&amp;b=2">Temporary Redirect</a>.` + "\n\n",
		"/nest/in/dir":       `<a href="/nest/in/dir/">Temporary Redirect</a>.` + "\n\n",
		"/compressed/in/dir": `<a href="/compressed/in/dir/">Temporary Redirect</a>.` + "\n\n",
		"/app/login":         `<a href="/login-page">Found</a>.` + "\n\n",
		"/app/own":           `<a href="/own/">`,
		"/app/text":          `moved<a href="/text/">`,
	} {
		testkit.EachProtocol(t, router, func(t *testing.T, srv *testkit.Server) {
			if got := srv.Get(t, target); got.Body != want {
				t.Errorf("%s: got %q, want %q", target, got.Body, want)
			}
		})
	}
}
