package http_test

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A corsCase is a request to an API with CORS, and the expected response.
type corsCase struct {
	name    string
	config  http.CORSConfig
	method  string // GET if empty
	header  http.Header
	refused bool              // the request is a preflight that is rejected
	allowed bool              // the request is a preflight that is allowed
	want    map[string]string // all CORS fields of the response, without Access-Control-
}

// preflight returns the header of a preflight.
func preflight(origin, method string, headers ...string) http.Header {
	h := http.Header{"Origin": {origin}, "Access-Control-Request-Method": {method}}
	if len(headers) > 0 {
		h["Access-Control-Request-Headers"] = headers
	}
	return h
}

func corsCases() []corsCase {
	from := func(origin ...string) http.Header { return http.Header{"Origin": origin} }
	page := []string{"https://app.example.com"}
	plain := http.CORSConfig{AllowOrigins: page}
	logins := http.CORSConfig{AllowOrigins: page, AllowCredentials: true, ExposeHeaders: []string{"X-Total", "X-Next"}, MaxAge: 60}
	anyone := http.CORSConfig{AllowOrigins: []string{"*"}, ExposeHeaders: []string{"*"}}
	open := http.CORSConfig{AllowOrigins: []string{"*"}, AllowMethods: []string{"*"}, AllowHeaders: []string{"*", "Authorization"}}
	below := http.CORSConfig{AllowOrigins: []string{"https://*.example.com"}}
	narrow := http.CORSConfig{AllowOrigins: page, AllowMethods: []string{"GET", "PURGE"}, AllowHeaders: []string{"X-One", "x-two"}, MaxAge: -1}

	local := http.CORSConfig{AllowOrigins: []string{"http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"}}
	function := http.CORSConfig{AllowOrigins: page, AllowOriginFunc: func(_ *http.Request, origin string) bool {
		return origin == "https://tenant.example" || origin == "null" || origin == ""
	}}

	defaults := map[string]string{
		"Allow-Origin":  "https://app.example.com",
		"Allow-Methods": "GET, POST, PUT, DELETE, PATCH, OPTIONS",
		"Allow-Headers": "Origin, Content-Type, Accept, Authorization",
		"Max-Age":       "86400",
	}
	allow := map[string]string{"Allow-Origin": "https://app.example.com"}
	star := map[string]string{"Allow-Origin": "*", "Expose-Headers": "*"}
	wide := map[string]string{"Allow-Origin": "*", "Allow-Methods": "*", "Allow-Headers": "*, Authorization", "Max-Age": "86400"}
	small := map[string]string{"Allow-Origin": "https://app.example.com", "Allow-Methods": "GET, PURGE", "Allow-Headers": "X-One, x-two", "Max-Age": "0"}

	return []corsCase{
		{name: "no origin", config: plain},
		{name: "allowed origin", config: plain, header: from("https://app.example.com"), want: allow},
		{name: "other origin", config: plain, header: from("https://evil.example")},
		{name: "null", config: plain, header: from("null")},
		{name: "empty origin", config: plain, header: from("")},
		{name: "two origins", config: plain, header: from("https://app.example.com", "https://evil.example")},
		{name: "the same origin twice", config: plain, header: from("https://app.example.com", "https://app.example.com")},
		{name: "nothing configured", header: from("https://app.example.com")},
		{name: "nothing configured, preflight", method: "OPTIONS", header: preflight("https://app.example.com", "GET"), refused: true},
		{name: "HEAD", config: plain, method: "HEAD", header: from("https://app.example.com"), want: allow},
		{name: "a method that is not listed still reaches the handler", config: narrow, method: "DELETE",
			header: from("https://app.example.com"), want: allow},
		{name: "null when it is listed", config: http.CORSConfig{AllowOrigins: []string{"null"}}, header: from("null"),
			want: map[string]string{"Allow-Origin": "null"}},

		{name: "credentials", config: logins, header: from("https://app.example.com"),
			want: map[string]string{"Allow-Origin": "https://app.example.com", "Allow-Credentials": "true", "Expose-Headers": "X-Total, X-Next"}},
		{name: "credentials, other origin", config: logins, header: from("https://evil.example")},
		{name: "credentials, no origin", config: logins},
		{name: "credentials, preflight", config: logins, method: "OPTIONS",
			header: preflight("https://app.example.com", "PUT", "content-type"), allowed: true,
			want: with(defaults, "Allow-Credentials", "true", "Max-Age", "60")},

		{name: "all origins", config: anyone, header: from("https://app.example.com"), want: star},
		{name: "all origins, null", config: anyone, header: from("null"), want: star},
		{name: "all origins, none named", config: anyone, want: star},
		{name: "any method and header", config: open, method: "OPTIONS",
			header: preflight("null", "BREW", "x-anything, x-else"), allowed: true, want: wide},
		{name: "any header and Authorization", config: open, method: "OPTIONS",
			header: preflight("null", "BREW", "authorization", "x-else"), allowed: true, want: wide},
		{name: "all origins, preflight", config: anyone, method: "OPTIONS", header: preflight("https://app.example.com", "PUT"), allowed: true,
			want: with(defaults, "Allow-Origin", "*")},
		{name: "all origins, preflight for another method", config: anyone, method: "OPTIONS",
			header: preflight("https://app.example.com", "PURGE"), refused: true},
		{name: "all origins, OPTIONS without an origin", config: anyone, method: "OPTIONS", want: star},
		{name: "all origins beside others", config: http.CORSConfig{AllowOrigins: []string{"https://app.example.com", "*"}},
			header: from("https://app.example.com"), want: map[string]string{"Allow-Origin": "*"}},
		{name: "any header but Authorization", method: "OPTIONS", header: preflight("null", "GET", "x-else", "x-more,authorization"), refused: true,
			config: http.CORSConfig{AllowOrigins: []string{"*"}, AllowHeaders: []string{"*"}}},

		{name: "label below", config: below, header: from("https://a.example.com"), want: map[string]string{"Allow-Origin": "https://a.example.com"}},
		{name: "labels below", config: below, header: from("https://a.b.example.com"), want: map[string]string{"Allow-Origin": "https://a.b.example.com"}},
		{name: "not below", config: below, header: from("https://example.com")},
		{name: "across the dot", config: below, header: from("https://evilexample.com")},
		{name: "name in front of another", config: below, header: from("https://a.example.com.evil")},
		{name: "another port", config: below, header: from("https://a.example.com:8443")},
		{name: "another scheme", config: below, header: from("http://a.example.com")},

		{name: "any port of localhost", config: local, header: from("http://localhost:49152"), want: map[string]string{"Allow-Origin": "http://localhost:49152"}},
		{name: "the default port of localhost", config: local, header: from("http://localhost"), want: map[string]string{"Allow-Origin": "http://localhost"}},
		{name: "any port of a loopback address", config: local, header: from("http://[::1]:3000"), want: map[string]string{"Allow-Origin": "http://[::1]:3000"}},
		{name: "any port of localhost, another scheme", config: local, header: from("https://localhost:3000")},
		{name: "any port of localhost, another host", config: local, header: from("http://localhost.example.com:3000")},
		{name: "any port of localhost, user name", config: local, header: from("http://localhost:3000@example.com")},
		{name: "any port of localhost, a port too high", config: local, header: from("http://localhost:65536")},

		{name: "function", config: function, header: from("https://tenant.example"), want: map[string]string{"Allow-Origin": "https://tenant.example"}},
		{name: "function, listed origin", config: function, header: from("https://app.example.com"), want: allow},
		{name: "function, other origin", config: function, header: from("https://evil.example")},
		{name: "function, no origin", config: function},
		{name: "function, null", config: function, header: from("null")},
		{name: "function, empty origin", config: function, header: from("")},
		{name: "function, two origins", config: function, header: from("https://tenant.example", "https://tenant.example")},
		{name: "function, preflight", config: function, method: "OPTIONS", header: preflight("https://tenant.example", "PUT"), allowed: true,
			want: with(defaults, "Allow-Origin", "https://tenant.example")},
		{name: "function, preflight of another origin", config: function, method: "OPTIONS", header: preflight("https://evil.example", "PUT"), refused: true},

		{name: "preflight", config: plain, method: "OPTIONS", header: preflight("https://app.example.com", "PUT"), allowed: true, want: defaults},
		{name: "preflight for headers", config: plain, method: "OPTIONS",
			header: preflight("https://app.example.com", "POST", "authorization,content-type"), allowed: true, want: defaults},
		{name: "preflight for headers in several lines", config: plain, method: "OPTIONS",
			header: preflight("https://app.example.com", "POST", "authorization", "", "Content-Type , ,accept"), allowed: true, want: defaults},
		{name: "preflight for HEAD", config: plain, method: "OPTIONS", header: preflight("https://app.example.com", "HEAD"), allowed: true, want: defaults},
		{name: "preflight for what is listed", config: narrow, method: "OPTIONS",
			header: preflight("https://app.example.com", "PURGE", "x-one,x-two"), allowed: true, want: small},

		{name: "preflight of another origin", config: plain, method: "OPTIONS", header: preflight("https://evil.example", "GET"), refused: true},
		{name: "preflight of null", config: plain, method: "OPTIONS", header: preflight("null", "GET"), refused: true},
		{name: "preflight with an empty origin", config: plain, method: "OPTIONS", header: preflight("", "GET"), refused: true},
		{name: "preflight for another method", config: plain, method: "OPTIONS", header: preflight("https://app.example.com", "PURGE"), refused: true},
		{name: "preflight in another case", config: plain, method: "OPTIONS", header: preflight("https://app.example.com", "patch"), refused: true},
		{name: "preflight without a method", config: plain, method: "OPTIONS", header: preflight("https://app.example.com", ""), refused: true},
		{name: "preflight for HEAD without GET", config: http.CORSConfig{AllowOrigins: page, AllowMethods: []string{"POST"}}, method: "OPTIONS",
			header: preflight("https://app.example.com", "HEAD"), refused: true},
		{name: "preflight for another header", config: plain, method: "OPTIONS",
			header: preflight("https://app.example.com", "GET", "accept,x-other"), refused: true},
		{name: "preflight for another header in the second line", config: plain, method: "OPTIONS",
			header: preflight("https://app.example.com", "GET", "accept", "x-other"), refused: true},
		{name: "preflight for half a header", config: plain, method: "OPTIONS",
			header: preflight("https://app.example.com", "GET", "content"), refused: true},
		{name: "preflight with too many commas", config: plain, method: "OPTIONS",
			header: preflight("https://app.example.com", "GET", strings.Repeat(",", 900<<10)), refused: true},
		{name: "preflight with too many names", config: plain, method: "OPTIONS",
			header: preflight("https://app.example.com", "GET", strings.Repeat("accept,", 50<<10)), refused: true},
		// Go 1.27 rejects requests with more than 500 field lines.
		{name: "preflight with too many lines", config: plain, method: "OPTIONS",
			header: preflight("https://app.example.com", "GET", slices.Repeat([]string{"accept"}, 300)...), refused: true},

		{name: "preflight with too many names where any is allowed", config: http.CORSConfig{AllowOrigins: page, AllowHeaders: []string{"*"}}, method: "OPTIONS",
			header: preflight("https://app.example.com", "GET", strings.Repeat("x,", 900<<9)), refused: true},
		{name: "preflight with Authorization behind many names", config: http.CORSConfig{AllowOrigins: page, AllowHeaders: []string{"*"}}, method: "OPTIONS",
			header: preflight("https://app.example.com", "GET", strings.Repeat("x,", 100)+"authorization"), refused: true},
		{name: "preflight for all of many headers", config: http.CORSConfig{AllowOrigins: page, AllowHeaders: numbered(100)}, method: "OPTIONS",
			header: preflight("https://app.example.com", "POST", strings.ToLower(strings.Join(numbered(100), ","))), allowed: true,
			want: with(defaults, "Allow-Headers", strings.Join(numbered(100), ", "))},
		{name: "preflight for one more than the many", config: http.CORSConfig{AllowOrigins: page, AllowHeaders: numbered(100)}, method: "OPTIONS",
			header: preflight("https://app.example.com", "POST", strings.ToLower(strings.Join(numbered(101), ","))), refused: true},

		{name: "OPTIONS without an origin", config: plain, method: "OPTIONS", header: http.Header{"Access-Control-Request-Method": {"GET"}}},
		{name: "OPTIONS without a requested method", config: plain, method: "OPTIONS", header: from("https://app.example.com"), want: allow},
		{name: "preflight fields without OPTIONS", config: plain, header: preflight("https://app.example.com", "PUT"), want: allow},
	}
}

// numbered returns n field names.
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("X-Field-%d", i)
	}
	return names
}

// with returns a copy of fields in which others are set too.
func with(fields map[string]string, pairs ...string) map[string]string {
	fields = maps.Clone(fields)
	for pair := range slices.Chunk(pairs, 2) {
		fields[pair[0]] = pair[1]
	}
	return fields
}

func TestCORS(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	for i, c := range corsCases() {
		router.Handle(fmt.Sprintf("/%d", i), http.CORS(c.config)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Reached", "handler")
			w.WriteHeader(http.StatusTeapot)
		})))
	}
	testkit.EachProtocol(t, router, func(t *testing.T, srv *testkit.Server) {
		for i, c := range corsCases() {
			t.Run(c.name, func(t *testing.T) { c.check(t, srv, fmt.Sprintf("%s/%d", srv.URL, i)) })
		}
	})
}

func (c corsCase) check(t *testing.T, srv *testkit.Server, url string) {
	t.Helper()
	r := testkit.NewRequest(c.method, url, "")
	maps.Copy(r.Header, c.header)
	res := testkit.Do(t, srv.Client(), r)
	if res.Body != "" {
		t.Errorf("body %q, want none", res.Body)
	}
	status, reached := http.StatusTeapot, "handler"
	if c.refused || c.allowed {
		status, reached = http.StatusNoContent, ""
	}
	if res.StatusCode != status || res.Header.Get("X-Reached") != reached {
		t.Errorf("status %d from %q, want %d from %q", res.StatusCode, res.Header.Get("X-Reached"), status, reached)
	}
	var fields []string
	if !slices.Contains(c.config.AllowOrigins, "*") {
		fields = append(fields, "Origin")
	}
	if c.method == "OPTIONS" {
		fields = append(fields, "Access-Control-Request-Method", "Access-Control-Request-Headers")
	}
	vary := strings.Join(fields, ", ")
	if got := strings.Join(res.Header["Vary"], "|"); got != vary {
		t.Errorf("Vary: %s, want %s", got, vary)
	}
	if got := corsFields(res.Header); !maps.Equal(got, c.want) {
		t.Errorf("fields %v, want %v", got, c.want)
	}
}

// corsFields returns the CORS fields without their prefix Access-Control-.
func corsFields(h http.Header) map[string]string {
	fields := map[string]string{}
	for name, values := range h {
		if name, ok := strings.CutPrefix(name, "Access-Control-"); ok {
			fields[name] = strings.Join(values, "|")
		}
	}
	return fields
}

func TestCORSAddsToTheVaryOfOuterMiddleware(t *testing.T) {
	t.Parallel()
	tests := []struct {
		method string
		before []string
		want   []string
		origin string
	}{
		{"GET", []string{"Accept-Encoding"}, []string{"Accept-Encoding", "Origin"}, ""},
		{"GET", []string{"Accept, origin"}, []string{"Accept, origin"}, ""},
		{"OPTIONS", []string{"Origin"}, []string{"Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"}, ""},
		{"OPTIONS", []string{"*"}, []string{"*"}, ""},
		{"GET", []string{"Accept-Encoding"}, []string{"Accept-Encoding"}, "*"},
		{"OPTIONS", []string{"Accept"}, []string{"Accept", "Access-Control-Request-Method", "Access-Control-Request-Headers"}, "*"},
		{"OPTIONS", []string{"*"}, []string{"*"}, "*"},
	}
	for _, tt := range tests {
		var config http.CORSConfig
		if tt.origin != "" {
			config.AllowOrigins = []string{tt.origin}
		}
		handler := http.CORS(config)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		rec := httptest.NewRecorder()
		rec.Header()["Vary"] = tt.before
		handler.ServeHTTP(rec, httptest.NewRequest(tt.method, "/", nil))
		if got := rec.Header()["Vary"]; !slices.Equal(got, tt.want) {
			t.Errorf("%s, Vary %q before: %q, want %q", tt.method, tt.before, got, tt.want)
		}
	}
}

func TestAllowOriginFuncGetsOnlyOriginsThatBrowsersSend(t *testing.T) {
	t.Parallel()
	var got []string
	handler := http.CORS(http.CORSConfig{
		AllowOrigins:     []string{"https://listed.example"},
		AllowCredentials: true,
		AllowOriginFunc: func(r *http.Request, origin string) bool {
			got = append(got, r.URL.Path+" "+origin)
			return true
		},
	})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, tt := range []struct {
		origin string
		called bool
	}{
		{"https://tenant.example", true},
		{"http://192.0.2.1:8080", true},
		{"https://[2001:db8::1]", true},
		{"chrome-extension://abcdefgh", true},
		{"https://listed.example", false},
		{"null", false},
		{"", false},
		{"*", false},
		{"https://TENANT.example", false},
		{"https://tenant.example:443", false},
		{"https://tenant.example:08443", false},
		{"https://tenant.example/", false},
		{"https://tenant.example.", false},
		{"https://evil.example/.tenant.example", false},
		{"https://evil.example#.tenant.example", false},
		{"https://evil.example:80@tenant.example", false},
		{"https://tenant.example\r\nX: y", false},
		{"https://tenant.example, https://tenant.example", false},
		{"https://" + strings.Repeat("a.", 1<<19) + "example", false},
	} {
		got = nil
		rec, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/path", nil)
		r.Header.Set("Origin", tt.origin)
		handler.ServeHTTP(rec, r)
		var want []string
		allowed := ""
		if tt.called {
			want = []string{"/path " + tt.origin}
		}
		if tt.called || tt.origin == "https://listed.example" {
			allowed = tt.origin
		}
		if !slices.Equal(got, want) || rec.Header().Get("Access-Control-Allow-Origin") != allowed || rec.Header().Get("Vary") != "Origin" {
			t.Errorf("%.60q: called with %q, header %v; want %q", tt.origin, got, rec.Header(), want)
		}
	}
}

func TestCORSRunsForRequestsWithoutARoute(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.Use(http.CORS(http.CORSConfig{AllowOrigins: []string{"https://app.example.com"}}))
	router.HandleFunc("POST /items", func(http.ResponseWriter, *http.Request) {})
	for _, tt := range []struct {
		method, path string
		header       http.Header
		status       int
	}{
		{"OPTIONS", "/items", preflight("https://app.example.com", "POST"), http.StatusNoContent},
		{"GET", "/items", http.Header{"Origin": {"https://app.example.com"}}, http.StatusMethodNotAllowed},
		{"GET", "/nothing", http.Header{"Origin": {"https://app.example.com"}}, http.StatusNotFound},
	} {
		rec, r := httptest.NewRecorder(), httptest.NewRequest(tt.method, tt.path, nil)
		r.Header = tt.header
		router.ServeHTTP(rec, r)
		if got := rec.Header().Get("Access-Control-Allow-Origin"); rec.Code != tt.status || got != "https://app.example.com" {
			t.Errorf("%s %s: %d for %q, want %d for the page", tt.method, tt.path, rec.Code, got, tt.status)
		}
	}
}

func TestCORSPanicsAtConstruction(t *testing.T) {
	t.Parallel()
	page := []string{"https://app.example.com"}
	tests := []struct {
		name   string
		config http.CORSConfig
		want   []string // parts of the message
	}{
		{"star with credentials", http.CORSConfig{AllowOrigins: []string{"*"}, AllowCredentials: true}, []string{"AllowOrigins", `"*"`, "AllowCredentials"}},
		{"star among others with credentials", http.CORSConfig{AllowOrigins: append(page, "*"), AllowCredentials: true}, []string{"AllowOrigins", `"*"`}},
		{"null with credentials", http.CORSConfig{AllowOrigins: []string{"null"}, AllowCredentials: true}, []string{"AllowOrigins", `"null"`, "AllowCredentials"}},
		{"star with a function", http.CORSConfig{AllowOrigins: append(page, "*"), AllowOriginFunc: func(*http.Request, string) bool { return true }},
			[]string{"AllowOriginFunc: would never be called", `"*"`}},
		{"any port of another host", http.CORSConfig{AllowOrigins: []string{"https://example.com:*"}}, []string{"AllowOrigins", `"https://example.com:*"`, "localhost"}},
		{"two ports", http.CORSConfig{AllowOrigins: []string{"http://localhost:80:*"}}, []string{"AllowOrigins", `"http://localhost:80:*"`, "two ports"}},
		{"prefix", http.CORSConfig{AllowOrigins: []string{"http*"}}, []string{"AllowOrigins", `"http*"`}},
		{"top-level domain", http.CORSConfig{AllowOrigins: []string{"https://*.com"}}, []string{"AllowOrigins", `"https://*.com"`, "top-level"}},
		{"slash", http.CORSConfig{AllowOrigins: []string{"https://example.com/"}}, []string{"AllowOrigins", `"https://example.com/"`, "slash"}},
		{"path", http.CORSConfig{AllowOrigins: []string{"https://example.com/app"}}, []string{"AllowOrigins", `"https://example.com/app"`, "path"}},
		{"host only", http.CORSConfig{AllowOrigins: []string{"example.com"}}, []string{"AllowOrigins", `"example.com"`, "scheme"}},
		{"empty origin", http.CORSConfig{AllowOrigins: []string{""}}, []string{"AllowOrigins", `""`}},
		{"method with a space", http.CORSConfig{AllowOrigins: page, AllowMethods: []string{"GET POST"}}, []string{"AllowMethods", `"GET POST"`}},
		{"method with a line break", http.CORSConfig{AllowOrigins: page, AllowMethods: []string{"GET\r\nX: y"}}, []string{"AllowMethods", `"GET\r\nX: y"`}},
		{"empty method", http.CORSConfig{AllowOrigins: page, AllowMethods: []string{""}}, []string{"AllowMethods", `""`}},
		{"method in lower case", http.CORSConfig{AllowOrigins: page, AllowMethods: []string{"patch"}}, []string{"AllowMethods", `"patch"`, "PATCH"}},
		{"forbidden method", http.CORSConfig{AllowOrigins: page, AllowMethods: []string{"trace"}}, []string{"AllowMethods", `"trace"`}},
		{"header with a colon", http.CORSConfig{AllowOrigins: page, AllowHeaders: []string{"X-A:"}}, []string{"AllowHeaders", `"X-A:"`}},
		{"several headers in one", http.CORSConfig{AllowOrigins: page, AllowHeaders: []string{"X-A, X-B"}}, []string{"AllowHeaders", `"X-A, X-B"`}},
		{"exposed header with a space", http.CORSConfig{AllowOrigins: page, ExposeHeaders: []string{"X A"}}, []string{"ExposeHeaders", `"X A"`}},
		{"exposed cookies", http.CORSConfig{AllowOrigins: page, ExposeHeaders: []string{"set-cookie"}}, []string{"ExposeHeaders", `"set-cookie"`}},
		{"any method with credentials", http.CORSConfig{AllowOrigins: page, AllowMethods: []string{"*"}, AllowCredentials: true}, []string{"AllowMethods", `"*"`}},
		{"any header with credentials", http.CORSConfig{AllowOrigins: page, AllowHeaders: []string{"*"}, AllowCredentials: true}, []string{"AllowHeaders", `"*"`}},
		{"all exposed with credentials", http.CORSConfig{AllowOrigins: page, ExposeHeaders: []string{"*"}, AllowCredentials: true}, []string{"ExposeHeaders", `"*"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, file, line, _ := runtime.Caller(0)
			defer func() {
				message := fmt.Sprint(recover())
				for _, want := range append(tt.want, fmt.Sprintf("http: %s:%d: CORSConfig.", file, line+9)) {
					if !strings.Contains(message, want) {
						t.Errorf("panic %q, want something with %q", message, want)
					}
				}
			}()
			http.CORS(tt.config)
			t.Error("CORS returned")
		})
	}
}

// corsRequests are the requests of the allocation test and the benchmark.
func corsRequests() map[string]*http.Request {
	requests := map[string]*http.Request{}
	for name, header := range map[string]http.Header{
		"no origin": {},
		"allowed":   {"Origin": {"https://a.example.com"}},
		"refused":   {"Origin": {"https://evil.example"}},
		"preflight": preflight("https://a.example.com", "PUT", "authorization,content-type"),
		"commas":    preflight("https://a.example.com", "PUT", strings.Repeat(",", 1<<20)),
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if r.Header = header; len(header) > 1 {
			r.Method = "OPTIONS"
		}
		requests[name] = r
	}
	return requests
}

func corsHandler() http.Handler {
	return http.CORS(http.CORSConfig{
		AllowOrigins:     []string{"https://app.example.com", "https://*.example.com"},
		AllowCredentials: true,
		ExposeHeaders:    []string{"X-Total"},
	})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
}

func TestCORSAllocatesOnceAtMost(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	handler, w := corsHandler(), new(nullWriter)
	for name, r := range corsRequests() {
		allocations := testing.AllocsPerRun(100, func() {
			clear(w.header)
			handler.ServeHTTP(w, r)
		})
		if allocations > 1 {
			t.Errorf("%s: %v allocations, want at most one", name, allocations)
		}
	}
}

func TestCORSSharesNoHeaderValues(t *testing.T) {
	t.Parallel()
	handler := corsHandler()
	for name, r := range corsRequests() {
		one, two := httptest.NewRecorder(), httptest.NewRecorder()
		handler.ServeHTTP(one, r)
		handler.ServeHTTP(two, r)
		want := two.Header().Clone()
		for field, values := range one.Header() {
			_ = append(values, "more") // must not change another field
			values[0] = "changed " + field
		}
		for field, values := range one.Header() {
			if values[0] != "changed "+field {
				t.Errorf("%s: %s shares its values with another field", name, field)
			}
		}
		if !maps.EqualFunc(two.Header(), want, slices.Equal) {
			t.Errorf("%s: changing one response changed another from %q to %q", name, want, two.Header())
		}
		if r.Header.Get("Origin") != "" && strings.HasPrefix(r.Header.Get("Origin"), "changed") {
			t.Errorf("%s: changing the response changed the request", name)
		}
	}
}

func BenchmarkCORS(b *testing.B) {
	handler, w := corsHandler(), new(nullWriter)
	for name, r := range corsRequests() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				handler.ServeHTTP(w, r)
			}
		})
	}
}
