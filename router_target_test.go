package http_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// askTarget sends a request line and a Host field without changes.
func askTarget(t *testing.T, srv *testkit.Server, method, host, target string) *testkit.Response {
	t.Helper()
	conn := testkit.Dial(t, srv.Addr())
	conn.Send(method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n")
	return conn.Response(http.MethodGet)
}

func TestHostsAreComparedWithoutCaseAndTrailingDot(t *testing.T) {
	t.Parallel()
	var out testkit.Log
	metrics := http.NewMetrics()
	router := http.NewRouter()
	router.Use(metrics.Middleware(), http.RequestLogger(out.JSON()))
	handle := func(on interface {
		HandleFunc(string, func(http.ResponseWriter, *http.Request))
	}, pattern string) {
		on.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s %s %s", r.Pattern, r.PathValue("id"), r.Host)
		})
	}
	guarded := router.Group("")
	guarded.Use(trace("guard"))
	handle(guarded, "GET admin.example.com/panel/{id}")
	handle(guarded, "GET admin.example.com/dir/")
	handle(guarded, "SHOP.Example.com/panel/{id}")
	handle(guarded, "GET dotted.example.com./panel/{id}")
	handle(guarded, "[2001:DB8::1]/panel/{id}")
	handle(guarded, "GET 2001:db8::1/panel/{id}")
	handle(router, "/panel/{id}")
	handle(router, "/open")

	srv := testkit.StartServer(t, testkit.HTTP1, router)
	for _, tt := range []struct{ host, target, pattern string }{
		{"admin.example.com", "/panel/7", "GET admin.example.com/panel/{id}"},
		{"ADMIN.example.com", "/panel/7", "GET admin.example.com/panel/{id}"},
		{"admin.example.com.", "/panel/7", "GET admin.example.com/panel/{id}"},
		{"ADMIN.example.com:80", "/panel/7", "GET admin.example.com/panel/{id}"},
		{"Admin.Example.Com.:8080", "/panel/7", "GET admin.example.com/panel/{id}"},
		{"admin.example.com:", "/panel/7", "GET admin.example.com/panel/{id}"},
		{"ADMIN.example.com", "/panel/a%2Fb", "GET admin.example.com/panel/{id}"},
		{"shop.example.com", "/panel/7", "SHOP.Example.com/panel/{id}"},
		{"SHOP.EXAMPLE.COM.", "/panel/7", "SHOP.Example.com/panel/{id}"},
		{"dotted.example.com", "/panel/7", "GET dotted.example.com./panel/{id}"},
		{"dotted.example.com.", "/panel/7", "GET dotted.example.com./panel/{id}"},
		{"[2001:db8::1]", "/panel/7", "[2001:DB8::1]/panel/{id}"},
		{"[2001:DB8::1]", "/panel/7", "[2001:DB8::1]/panel/{id}"},
		{"[2001:DB8::1]:8080", "/panel/7", "GET 2001:db8::1/panel/{id}"}, // as in ServeMux, which removes the brackets together with the port
		{"other", "http://ADMIN.example.com/panel/7", "GET admin.example.com/panel/{id}"},
		{"other", "http://admin.EXAMPLE.com.:80/panel/7", "GET admin.example.com/panel/{id}"},
		{"admin.example.com..", "/panel/7", "/panel/{id}"},
		{"xadmin.example.com", "/panel/7", "/panel/{id}"},
		{"example.com", "/panel/7", "/panel/{id}"},
		{"ADMIN.example.com", "/open", "/open"},
	} {
		got := askTarget(t, srv, "GET", tt.host, tt.target)
		host, id := tt.host, ""
		if absolute, ok := strings.CutPrefix(tt.target, "http://"); ok {
			host, _, _ = strings.Cut(absolute, "/")
		}
		if _, id, _ = strings.Cut(tt.target, "/panel/"); id == "a%2Fb" {
			id = "a/b"
		}
		want := tt.pattern + " " + id + " " + host // the host as sent
		guard := len(got.Header["Trace"]) == 1
		if got.StatusCode != 200 || got.Body != want || guard != !strings.HasPrefix(tt.pattern, "/") {
			t.Errorf("Host %q, %s: %+v, want %q", tt.host, tt.target, got, want)
		}
	}
	if log := out.String(); !strings.Contains(log, `"pattern":"SHOP.Example.com/panel/{id}"`) {
		t.Errorf("a pattern is not logged as registered:\n%s", log)
	}
	for _, m := range metrics.Collect() {
		if route := m.Labels["route"]; strings.HasPrefix(strings.ToLower(route), "shop") && route != "SHOP.Example.com/panel/{id}" {
			t.Errorf("the route %q is not counted as registered", route)
		}
	}
}

func TestHostsAreComparedWithoutCaseInRedirectsAndErrors(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.HandleFunc("GET admin.example.com/dir/", reply("dir"))
	router.HandleFunc("POST Admin.Example.com/form", reply("form"))
	router.HandleFunc("CONNECT tunnel.example.com:443/x/{id}", reply("x", "id"))
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	for _, tt := range []struct {
		method, host, target string
		status               int
		location, allow      string
	}{
		{"GET", "ADMIN.example.com", "/dir", 307, "/dir/", ""},
		{"GET", "ADMIN.example.com.:80", "/dir?q=1", 307, "/dir/?q=1", ""},
		{"GET", "ADMIN.example.com", "//dir/./x", 307, "/dir/x", ""},
		{"GET", "x", "http://ADMIN.example.com.//dir/../dir/", 307, "/dir/", ""},
		{"GET", "ADMIN.example.com", "/form", 405, "", "POST"},
		{"GET", "admin.example.com.", "/form", 405, "", "POST"},
		{"PUT", "ADMIN.example.com", "/dir/", 405, "", "GET, HEAD"},
		{"GET", "ADMIN.example.com", "/none", 404, "", ""},
		{"GET", "other", "/dir", 404, "", ""},
		{"CONNECT", "Tunnel.Example.com.:443", "/x/1", 200, "", ""},
		{"CONNECT", "tunnel.example.com", "/x/1", 404, "", ""},
	} {
		got := askTarget(t, srv, tt.method, tt.host, tt.target)
		if got.StatusCode != tt.status || got.Header.Get("Location") != tt.location || got.Header.Get("Allow") != tt.allow {
			t.Errorf("%s %s, Host %q: %+v, want %d %q %q", tt.method, tt.target, tt.host, got, tt.status, tt.location, tt.allow)
		}
	}
}

func TestHostsThatMeanTheSameConflict(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	first := nextLine()
	router.HandleFunc("GET Example.com/{a}", reply("1"))
	got := panicText(func() { router.HandleFunc("GET example.COM./{b}", reply("2")) })
	want := `: pattern "GET example.COM./{b}" conflicts with pattern "GET Example.com/{a}" (registered at ` + first + "):\n"
	if !strings.Contains(got, want) {
		t.Errorf("panic %q, want one with %q", got, want)
	}
}

func TestAHostAddedWhileServingIsComparedWithoutCase(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.HandleFunc("/a", reply("any host"))
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	if got := askTarget(t, srv, "GET", "H.example.com", "/a"); got.Body != "any host [/a]" {
		t.Errorf("before: %+v", got)
	}
	router.HandleFunc("h.example.com/a", reply("h"))
	if got := askTarget(t, srv, "GET", "H.example.com.", "/a"); got.Body != "h [h.example.com/a]" {
		t.Errorf("after: %+v", got)
	}
}

func TestHostsInHTTP2AreComparedWithoutCase(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.HandleFunc("admin.example.com/{id}", reply("admin", "id"))
	router.HandleFunc("/{id}", reply("any", "id"))
	srv := testkit.StartServer(t, testkit.HTTP2, router)
	for _, host := range []string{"admin.example.com", "ADMIN.EXAMPLE.com.", "Admin.example.com:443"} {
		if got := srv.Get(t, "/7", "Host: "+host); got.Body != "admin [admin.example.com/{id}] id=7" {
			t.Errorf("%s: %+v", host, got)
		}
	}
}

// TestConnectKeepsTheValuesOfWildcards requests paths that ServeMux does not clean. An
// empty segment must not match a wildcard.
func TestConnectKeepsTheValuesOfWildcards(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.HandleFunc("/t/{tenant}/f/{file}", reply("file", "tenant", "file"))
	router.HandleFunc("GET /g/{tenant}/f/{file}", reply("get", "tenant", "file"))
	router.HandleFunc("/files/{path...}", reply("files", "path"))
	router.HandleFunc("/m/{a}/{rest...}", reply("rest", "a", "rest"))
	router.HandleFunc("/dir/{a}/", reply("dir", "a"))
	router.HandleFunc("CONNECT h.example.com/t/{tenant}/f/{file}", reply("h", "tenant", "file"))
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	for target, want := range map[string]string{
		"/t/a/f/b":         "file [/t/{tenant}/f/{file}] tenant=a file=b",
		"/t/a%2Fc/f/b":     "file [/t/{tenant}/f/{file}] tenant=a/c file=b",
		"/t/../f/b":        "file [/t/{tenant}/f/{file}] tenant=.. file=b", // as with %2E%2E and any method
		"/t/./f/b":         "file [/t/{tenant}/f/{file}] tenant=. file=b",
		"/t//f/secret":     "404",
		"//t/a/f/b":        "404",
		"/t//a/f/b":        "404",
		"/t/a//f/b":        "404",
		"/t/a/f//b":        "404",
		"/t/a/f/":          "404",
		"/t//f/":           "404",
		"/t//f//":          "404",
		"/t/%2F/f/b":       "404", // as in ServeMux
		"/g//f/x":          "404",
		"/g/a/f/x":         "405",
		"//":               "404",
		"///":              "404",
		"/files//a//b":     "files [/files/{path...}] path=/a//b",
		"/files/../a":      "files [/files/{path...}] path=../a",
		"/m//x":            "404",
		"/m/a//x":          "rest [/m/{a}/{rest...}] a=a rest=/x",
		"/m/a//":           "rest [/m/{a}/{rest...}] a=a rest=/",
		"/dir//":           "404",
		"/dir//x":          "404",
		"/dir/a//x":        "dir [/dir/{a}/] a=a",
		"/dir/a":           "307",
		"example.com:443":  "404",
		"t//f/x":           "404", // host t
		"*":                "400",
		"http://x/t/a/f/b": "404", // host http:, path //x/t/a/f/b
	} {
		got := askTarget(t, srv, "CONNECT", "example.com", target)
		if status := fmt.Sprint(got.StatusCode); status != want && got.Body != want {
			t.Errorf("CONNECT %s: %+v, want %q", target, got, want)
		}
	}
	if logged := srv.Logged(); logged != "" {
		t.Errorf("the server logged %s", logged)
	}
	if got := askTarget(t, srv, "CONNECT", "H.example.com", "/t/a/f/b"); got.Body != "h [CONNECT h.example.com/t/{tenant}/f/{file}] tenant=a file=b" {
		t.Errorf("with a host: %+v", got)
	}
}

// TestEscapedSlashesMatchAsInServeMux has routes for which ServeMux treats an escaped
// slash like the end of a path.
func TestEscapedSlashesMatchAsInServeMux(t *testing.T) {
	t.Parallel()
	for _, patterns := range [][]string{
		{"/{$}", "GET /%2f"},
		{"GET /%2F", "/{$}"},
		{"/{$}", "GET /%2f", "POST /{x}"},
		{"GET /{$}", "/%2F", "/"},
		{"/a/{$}", "GET /a/%2f", "/a/{x}"},
		{"GET /a/{$}", "/a/%2F/"},
		{"/a", "GET /%61"},
		{"/a/{x}", "GET /a/%2F"},
		{"/a/b", "GET /a%2Fb", "HEAD /%61/%62"},
		{"GET /%7Bx%7D", "/{x}"},
	} {
		mux, router := http.NewServeMux(), http.NewRouter()
		for _, pattern := range patterns {
			mux.HandleFunc(pattern, reply("", "x"))
			router.HandleFunc(pattern, reply("", "x"))
		}
		over := map[http.Handler]*testkit.Conn{}
		for _, h := range []http.Handler{mux, router} {
			over[h] = testkit.Dial(t, testkit.StartServer(t, testkit.HTTP1, h).Addr())
		}
		askOver := func(h http.Handler, method, target string) *testkit.Response {
			over[h].Send(method + " " + target + " HTTP/1.1\r\nHost: x\r\n\r\n")
			return over[h].Response(http.MethodGet)
		}
		for _, method := range []string{"GET", "POST", "CONNECT"} {
			for _, target := range []string{
				"/", "/%2f", "/%2F", "/%2F/", "/%2f%2F", "/a", "/a/", "/a/%2F", "/a/%2f/", "/a%2f", "/a%2Fb", "/%61", "/%61/", "/%61/b", "/a/b",
				"/%7Bx%7D", "/%257Bx%257D", "/%252F", "/./%2f", "/%2e/", "/%2e%2e/%2F",
			} {
				want, got := askOver(mux, method, target), askOver(router, method, target)
				same := got.StatusCode == want.StatusCode && got.Header.Get("Allow") == want.Header.Get("Allow") &&
					got.Header.Get("Location") == want.Header.Get("Location") && (got.Body == want.Body || got.StatusCode >= 400)
				if !same {
					t.Errorf("%q, %s %s:\n%+v, with ServeMux\n%+v", patterns, method, target, got, want)
				}
			}
		}
	}
}

// TestALongTableOfRoutesAnswersUncleanConnect has many routes that match the path, each
// for another method.
func TestALongTableOfRoutesAnswersUncleanConnect(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	for i := range 200 {
		router.HandleFunc(fmt.Sprintf("M%d /{a}/{rest...}", i), reply("other"))
	}
	router.HandleFunc("CONNECT /{a}/{rest...}", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.PathValue("a")+" "+r.PathValue("rest"))
	})
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	if got := askTarget(t, srv, "CONNECT", "x", "/a//b"); got.Body != "a /b" {
		t.Errorf("%+v", got)
	}
	if got := askTarget(t, srv, "CONNECT", "x", "//b"); got.StatusCode != 404 {
		t.Errorf("%+v", got)
	}
}
