package http_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// FuzzRouterAgreesWithServeMux generates a table of routes from bytes and registers it
// with a ServeMux, a router, and a router with groups. All three must give the same
// response to generated requests, and to one request whose method, host and target
// come from the fuzzer.
//
// The router is meant to differ in three cases:
//
//   - ServeMux gets hosts in lower case and without a dot at the end.
//   - Patterns with an empty segment are rejected.
//   - CONNECT with an empty segment in its path is checked without ServeMux.
func FuzzRouterAgreesWithServeMux(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, request := range [][3]string{
		{"GET", "example.com", "/a/b"},
		{"HEAD", "example.com:8080", "/a/"},
		{"POST", "[::1]:80", "/a%2Fb//../c?x=//y"},
		{"CONNECT", "x", "example.com:443"},
		{"CONNECT", "x", "/a//b"},
		{"GET", "x", "//evil.example/..%2f"},
		{"GET", "x", `/\evil.example/`},
		{"GET", "x", "http://evil.example//a"},
		{"OPTIONS", "x", "*"},
		{"CONNECT", "x", "*"},
		{"CONNECT", "x", "/a//c/%2F"},
		{"GET", "EXAMPLE.com.:80", "/a/"},
		{"GET", "x", "http://Example.COM//a/%2f"},
		{"CONNECT", "x", "EXAMPLE.com.:443"},
	} {
		f.Add(randomBytes(random, 120), request[0], request[1], request[2])
	}
	f.Fuzz(func(t *testing.T, table []byte, method, host, target string) {
		compareWithServeMux(t, &dice{table}, readRequest(method, host, target))
	})
}

func TestRouterAgreesWithServeMuxOnRandomTables(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	tables := 400
	if testkit.Race {
		tables = 50 // the race detector is ten times slower, and nothing runs concurrently
	}
	for range tables {
		compareWithServeMux(t, &dice{randomBytes(random, 300)}, nil)
	}
}

// dice makes choices from bytes. Without bytes left, it makes the first choice.
type dice struct{ bytes []byte }

func (d *dice) below(n int) int {
	if len(d.bytes) == 0 {
		return 0
	}
	b := d.bytes[0]
	d.bytes = d.bytes[1:]
	return int(b) % n
}

func (d *dice) pick(from ...string) string { return from[d.below(len(from))] }

// A written is a pattern in three parts. The method includes the white space after it.
type written struct{ method, host, path string }

func (p written) String() string { return p.method + p.host + p.path }

// pattern returns a pattern, which often is similar to one of the table.
func (d *dice) pattern(table []written) (p written) {
	p.method = d.pick("", "GET", "GET", "POST", "HEAD", "CONNECT", "DELETE", "X-Y")
	if p.method != "" {
		p.method += d.pick(" ", " ", " ", "  ", "\t")
	}
	p.host = d.pick("", "", "", "", "example.com", "localhost", "[::1]", "Example.COM", "example.com.", "LOCALHOST", "[2001:DB8::1]")
	if strings.HasPrefix(p.method, "CONNECT") && d.below(4) == 0 {
		p.host = d.pick("example.com:443", "Example.com.:443")
	}
	if len(table) > 0 && d.below(3) == 0 {
		p.path = d.spelling(table[d.below(len(table))].path)
		return p
	}
	for range d.below(4) {
		p.path += "/" + d.pick("a", "b", "c", "{x}", "{y}", "a", "{x}", "a%2Fb", "%61", "%2F", "%zz", "é", "", "..", "{", "{x}y", ".b c")
	}
	p.path += d.pick("/", "/a", "/{x}", "/{$}", "/{rest...}", "/b", "/{y...}", "/", "/%2F", "")
	if p.path == "" {
		p.path = "/"
	}
	return p
}

// spelling returns another spelling of a path, which may mean another path.
func (d *dice) spelling(p string) string {
	segments := strings.Split(p, "/")
	for i, segment := range segments[1:] {
		last := i+2 == len(segments)
		switch {
		case d.below(2) == 0:
		case segment == "a":
			segments[i+1] = d.pick("%61", "{x}")
		case segment == "%61":
			segments[i+1] = "a"
		case last && strings.Trim(segment, "{$}") == "":
			segments[i+1] = d.pick("%2F", "%2f", "{$}", "", "{rest...}")
		case last && segment == "%2F":
			segments[i+1] = d.pick("{$}", "")
		}
	}
	return strings.Join(segments, "/")
}

// request returns a request in the form in which a server reads it, often for one of
// the patterns of a table. It may return nil.
func (d *dice) request(table []written) *http.Request {
	method := d.pick("GET", "GET", "POST", "HEAD", "CONNECT", "OPTIONS", "DELETE", "X-Y", "get")
	host := d.pick("example.com", "example.com:80", "localhost", "[::1]", "[::1]:8080", "other", "", "example.com:443",
		"EXAMPLE.com", "example.com.", "Example.Com.:8080", "localhost.", "[2001:db8::1]", "[2001:Db8::1]", ".", "example.com..")
	target := d.pick("", "", "", "http://localhost", "http://LOCALHOST.:80")
	if method == "CONNECT" && d.below(2) == 0 {
		return readRequest(method, host, d.pick("example.com:443", "localhost:80", "[::1]:80", "EXAMPLE.COM.:443"))
	}
	if len(table) > 0 && d.below(2) == 0 {
		p := d.spelling(table[d.below(len(table))].path)
		p = strings.NewReplacer("{x}", d.pick("b", "%2F", "", "x"), "{y}", "c", "{$}", d.pick("", "%2F"), "...", "").Replace(p)
		return readRequest(method, host, target+p)
	}
	for range d.below(5) {
		target += "/" + d.pick("a", "b", "c", "a", "b", "x", "a%2Fb", "%61", "%2F", "%2f..", "é", "%C3%A9", "", ".", "..", "%20", `\`, "%zz", "{x}", ".b%20c")
	}
	return readRequest(method, host, target+d.pick("/a", "/", "", "/b", "?q=//e", "/a?q=1", "/%2F", "/%2f/"))
}

// readRequest parses a request as a server does. It returns nil if that fails.
func readRequest(method, host, target string) *http.Request {
	text := method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil || r.RequestURI != target {
		return nil
	}
	return r
}

func randomBytes(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// compareWithServeMux alternates between registrations and requests that the dice
// choose, so that some routes are registered while the routers serve.
func compareWithServeMux(t *testing.T, d *dice, extra *http.Request) {
	t.Helper()
	mux, router, grouped := model{http.NewServeMux(), map[string]string{}}, http.NewRouter(), http.NewRouter()
	var table []written
	for range 1 + d.below(3) {
		for range d.below(6) {
			p := d.pattern(table)
			refused := panicText(func() { mux.register(p) })
			if refused == "" {
				table = append(table, p)
			}
			checkRefusal(t, p.String(), refused, panicText(func() { router.HandleFunc(p.String(), showMatch) }))
			checkRefusal(t, p.String(), refused, panicText(func() { throughGroups(d, grouped, p.method, p.host, p.path) }))
		}
		requests := []*http.Request{extra}
		for range 4 {
			requests = append(requests, d.request(table))
		}
		for _, r := range slices.DeleteFunc(requests, func(r *http.Request) bool { return r == nil }) {
			for name, h := range map[string]http.Handler{"router": router, "router with groups": grouped} {
				checkAnswer(t, h, table, r)
				if hasEmptySegment(r) {
					continue
				}
				if got, want := observe(h, r), mux.observe(r); !reflect.DeepEqual(got, want) {
					t.Fatalf("table %q\n%s %s, host %q\n%s: %+v\nServeMux: %+v", table, r.Method, r.RequestURI, r.Host, name, got, want)
				}
			}
		}
	}
}

// A model is a ServeMux that gets all hosts in lower case and without a dot at the
// end.
type model struct {
	*http.ServeMux
	registered map[string]string // patterns as registered, by the pattern that ServeMux has
}

// lowerHost returns the form of a host in a model.
func lowerHost(host string) string {
	name, port := host, ""
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.Contains(host[i:], "]") {
		name, port = host[:i], host[i:]
	}
	return strings.ToLower(strings.TrimSuffix(name, ".")) + port
}

func (m model) register(p written) {
	if strings.Contains(p.path, "//") {
		panic("ServeMux would match the empty segment with any wildcard, and shift the values")
	}
	registered, known := p.String(), p.method+lowerHost(p.host)+p.path
	m.HandleFunc(known, func(w http.ResponseWriter, r *http.Request) {
		r.Pattern = registered
		showMatch(w, r)
	})
	m.registered[strings.Join(strings.Fields(known), " ")] = strings.Join(strings.Fields(registered), " ")
}

// observe is the function observe for a model.
func (m model) observe(r *http.Request) observation {
	r = r.Clone(r.Context())
	r.Host, r.URL.Host = lowerHost(r.Host), lowerHost(r.URL.Host)
	o := observe(m, r)
	if registered, ok := m.registered[o.pattern]; ok {
		o.pattern = registered
	}
	return o
}

// hasEmptySegment reports whether r is a CONNECT request with an empty segment in its
// path, which ServeMux matches with wildcards.
func hasEmptySegment(r *http.Request) bool {
	return r.Method == http.MethodConnect && strings.Contains(r.URL.EscapedPath(), "//")
}

// checkRefusal compares the panics of the router and of ServeMux at a registration.
// The router's message must name this file and not one of the package.
func checkRefusal(t *testing.T, pattern, want, got string) {
	t.Helper()
	if (got == "") != (want == "") {
		t.Fatalf("pattern %q: ServeMux panics with %q, the router with %q", pattern, want, got)
	}
	if got != "" && (!strings.HasPrefix(got, "http: /") || !strings.Contains(got, "router_fuzz_test.go:") || strings.Contains(got, "pattern.go")) {
		t.Fatalf("pattern %q: the panic %q does not name this file alone", pattern, got)
	}
}

// throughGroups registers method+host+path with groups. It splits the path at some of
// its slashes into the prefixes of groups and the rest.
func throughGroups(d *dice, router *http.Router, method, host, p string) {
	var group interface {
		Group(string) *http.Group
		HandleFunc(string, func(http.ResponseWriter, *http.Request))
	} = router
	for range d.below(3) {
		cuts := []int{0}
		for i := 2; i < len(p); i++ { // the prefix "/" means no prefix
			if p[i] == '/' && path.Clean(p[:i]) == p[:i] && !strings.Contains(p[:i], " ") {
				cuts = append(cuts, i)
			}
		}
		if path.Clean(p) == p && p != "/" && !strings.Contains(p, " ") && !strings.HasSuffix(p, "{$}") && !strings.HasSuffix(p, "...}") {
			cuts = append(cuts, len(p))
		}
		at := cuts[d.below(len(cuts))]
		group = group.Group(p[:at] + d.pick("", "/"))
		p = p[at:]
		if p == "" {
			break
		}
	}
	if p == "" && host == "" && d.below(2) == 0 {
		method = strings.TrimSuffix(method, " ")
	}
	group.HandleFunc(method+host+p, showMatch)
}

// showMatch responds with the pattern and the path values of its request. It sets a
// header field if the values do not come from the path.
func showMatch(w http.ResponseWriter, r *http.Request) {
	if !fits(r.Pattern, r.URL.EscapedPath(), r.PathValue) {
		w.Header().Set("Shifted", r.Pattern+" "+r.URL.EscapedPath())
	}
	fmt.Fprintf(w, "%q x=%q y=%q rest=%q", strings.Fields(r.Pattern), r.PathValue("x"), r.PathValue("y"), r.PathValue("rest"))
}

// fits reports whether a pattern matches an escaped path and, if value is not nil,
// whether the wildcards have these values.
func fits(pattern, escaped string, value func(name string) string) bool {
	unescape := func(s string) string {
		if unescaped, err := url.PathUnescape(s); err == nil {
			return unescaped
		}
		return s
	}
	segments, sent := strings.Split(pattern[strings.IndexByte(pattern, '/'):], "/")[1:], strings.Split(escaped, "/")[1:]
	for i, segment := range segments {
		if len(sent) <= i {
			return false
		}
		name, wild := strings.CutPrefix(segment, "{")
		name = strings.TrimSuffix(name, "}")
		rest, multi := strings.CutSuffix(name, "...")
		last := i == len(segments)-1
		switch got := unescape(sent[i]); {
		case last && segment == "":
			return true
		case multi:
			return value == nil || value(rest) == unescape(strings.Join(sent[i:], "/"))
		case name == "$":
			return len(sent) == len(segments) && (got == "" || got == "/")
		case wild && (got == "" || got == "/" || value != nil && value(name) != got):
			return false
		case !wild && unescape(segment) != got && !(last && unescape(segment) == "/" && got == ""):
			return false
		}
	}
	return len(sent) == len(segments)
}

// An observation has the visible effects of a request to a mux or router.
type observation struct {
	status         int
	allow, pattern string
	header         http.Header // unless no route matched
	body           string      // unless no route matched
	panicked       string
}

// observe sends a copy of r to h.
func observe(h http.Handler, r *http.Request) (o observation) {
	w := httptest.NewRecorder()
	r = r.Clone(r.Context())
	o.panicked = panicText(func() { h.ServeHTTP(w, r) })
	o.status, o.allow = w.Code, w.Header().Get("Allow")
	o.pattern = strings.Join(strings.Fields(r.Pattern), " ")
	if w.Code != http.StatusNotFound && w.Code != http.StatusMethodNotAllowed {
		o.header, o.body = w.Header(), w.Body.String()
	}
	return o
}

// checkAnswer checks properties of a response that do not depend on ServeMux:
//
//   - An error is JSON.
//   - A redirect stays on the requested host.
//   - The path values come from the path.
//   - A CONNECT request that matches a pattern is served.
func checkAnswer(t *testing.T, h http.Handler, table []written, r *http.Request) {
	t.Helper()
	w := httptest.NewRecorder()
	if panicked := panicText(func() { h.ServeHTTP(w, r.Clone(r.Context())) }); panicked != "" {
		t.Fatalf("table %q\n%s %s: panic %s", table, r.Method, r.RequestURI, panicked)
	}
	if shifted := w.Header().Get("Shifted"); shifted != "" {
		t.Fatalf("table %q\n%s %s: not the values of the path: %s %s", table, r.Method, r.RequestURI, shifted, w.Body)
	}
	switch w.Code {
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		if ct := w.Header().Get("Content-Type"); ct != "application/json" {
			t.Fatalf("%s %s: status %d of type %q", r.Method, r.RequestURI, w.Code, ct)
		}
		for _, p := range table {
			method := strings.TrimSpace(p.method)
			if hasEmptySegment(r) && (method == "" || method == "CONNECT") && p.host == "" && fits(p.path, r.URL.EscapedPath(), nil) {
				t.Fatalf("table %q\n%s %s: status %d, but %q fits", table, r.Method, r.RequestURI, w.Code, p)
			}
		}
	case http.StatusTemporaryRedirect:
		if to := w.Header().Get("Location"); !strings.HasPrefix(to, "/") || len(to) > 1 && strings.ContainsAny(to[1:2], `/\`) {
			t.Fatalf("%s %s: redirect to %q", r.Method, r.RequestURI, to)
		}
	}
}
