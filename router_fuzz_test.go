package http_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testkit"
)

// FuzzRouterAgreesWithServeMux makes a route table out of bytes, registers it
// with a bare ServeMux, with a router, and with a router through groups, and
// holds the three to the same answer for generated requests and for the one
// whose method, host and target the fuzzer writes itself.
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
	tables := 500
	if testkit.Race {
		tables = 50 // ten times slower, and there is nothing to race here
	}
	for range tables {
		compareWithServeMux(t, &dice{randomBytes(random, 300)}, nil)
	}
}

// dice turns bytes into choices. When they run out it chooses the first.
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

// pattern makes a pattern in its three parts; the method has its white space.
func (d *dice) pattern() (method, host, path string) {
	method = d.pick("", "GET", "GET", "POST", "HEAD", "CONNECT", "DELETE", "X-Y")
	if method != "" {
		method += d.pick(" ", " ", " ", "  ", "\t")
	}
	host = d.pick("", "", "", "", "example.com", "localhost", "[::1]", "example.com:443")
	for range d.below(4) {
		path += "/" + d.pick("a", "b", "c", "{x}", "{y}", "a", "{x}", "a%2Fb", "%61", "%2F", "%zz", "é", "", "..", "{", "{x}y")
	}
	return method, host, path + d.pick("/", "/a", "/{x}", "/{$}", "/{rest...}", "/b", "/{y...}", "/")
}

// request makes a request such as a server would read it, or nil.
func (d *dice) request() *http.Request {
	method := d.pick("GET", "GET", "POST", "HEAD", "CONNECT", "OPTIONS", "DELETE", "X-Y", "get")
	host := d.pick("example.com", "example.com:80", "localhost", "[::1]", "[::1]:8080", "other", "", "example.com:443")
	target := d.pick("", "", "", "http://localhost")
	if method == "CONNECT" && d.below(2) == 0 {
		return readRequest(method, host, d.pick("example.com:443", "localhost:80", "[::1]:80"))
	}
	for range d.below(5) {
		target += "/" + d.pick("a", "b", "c", "a", "b", "x", "a%2Fb", "%61", "%2F", "%2f..", "é", "%C3%A9", "", ".", "..", "%20", `\`, "%zz", "{x}")
	}
	return readRequest(method, host, target+d.pick("/a", "/", "", "/b", "?q=//e", "/a?q=1"))
}

// readRequest reads a request as a server does. It returns nil if that fails.
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

// compareWithServeMux registers and requests whatever the dice say, in turns,
// so that some routes are registered while the routers serve.
func compareWithServeMux(t *testing.T, d *dice, extra *http.Request) {
	t.Helper()
	mux, router, grouped := http.NewServeMux(), http.NewRouter(), http.NewRouter()
	var table []string
	for range 1 + d.below(3) {
		for range d.below(6) {
			method, host, path := d.pattern()
			pattern := method + host + path
			refused := panicText(func() { mux.HandleFunc(pattern, showMatch) })
			if refused == "" {
				table = append(table, pattern)
			}
			checkRefusal(t, pattern, refused, panicText(func() { router.HandleFunc(pattern, showMatch) }))
			checkRefusal(t, pattern, refused, panicText(func() { throughGroups(d, grouped, method, host, path) }))
		}
		requests := []*http.Request{extra}
		for range 4 {
			requests = append(requests, d.request())
		}
		for _, r := range slices.DeleteFunc(requests, func(r *http.Request) bool { return r == nil }) {
			checkAnswer(t, router, r)
			want := observe(mux, r)
			for name, h := range map[string]http.Handler{"router": router, "router with groups": grouped} {
				if got := observe(h, r); !reflect.DeepEqual(got, want) {
					t.Fatalf("table %q\n%s %s, host %q\n%s: %+v\nServeMux: %+v", table, r.Method, r.RequestURI, r.Host, name, got, want)
				}
			}
		}
	}
}

// checkRefusal compares what the router panicked with at a registration to
// what ServeMux did. The message names this file and not the package's.
func checkRefusal(t *testing.T, pattern, want, got string) {
	t.Helper()
	if (got == "") != (want == "") {
		t.Fatalf("pattern %q: ServeMux panics with %q, the router with %q", pattern, want, got)
	}
	if got != "" && (!strings.HasPrefix(got, "http: /") || !strings.Contains(got, "router_fuzz_test.go:") || strings.Contains(got, "pattern.go")) {
		t.Fatalf("pattern %q: the panic %q does not name this file alone", pattern, got)
	}
}

// throughGroups registers method+host+path cut into the prefixes of groups and
// the rest at some of its slashes.
func throughGroups(d *dice, router *http.Router, method, host, p string) {
	var group interface {
		Group(string) *http.Group
		HandleFunc(string, func(http.ResponseWriter, *http.Request))
	} = router
	for range d.below(3) {
		cuts := []int{0}
		for i := 2; i < len(p); i++ { // a prefix of "/" is none
			if p[i] == '/' && path.Clean(p[:i]) == p[:i] {
				cuts = append(cuts, i)
			}
		}
		if path.Clean(p) == p && p != "/" && !strings.HasSuffix(p, "{$}") && !strings.HasSuffix(p, "...}") {
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

// showMatch answers with the pattern and the path values of its request.
func showMatch(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%q x=%q y=%q rest=%q", strings.Fields(r.Pattern), r.PathValue("x"), r.PathValue("y"), r.PathValue("rest"))
}

// observation is what the outside sees of a request to a mux or router.
type observation struct {
	status         int
	allow, pattern string
	header         http.Header // unless the request was refused
	body           string      // unless the request was refused
	panicked       string
}

// observe sends a copy of r to h. The handler may panic: after a match of a
// CONNECT pattern with an empty segment, net/http's PathValue can.
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

// checkAnswer checks what must hold without a look at ServeMux: a refusal is
// JSON, and a redirect stays on the host that it was asked of.
func checkAnswer(t *testing.T, h http.Handler, r *http.Request) {
	t.Helper()
	w := httptest.NewRecorder()
	if panicText(func() { h.ServeHTTP(w, r.Clone(r.Context())) }) != "" {
		return
	}
	switch w.Code {
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		if ct := w.Header().Get("Content-Type"); ct != "application/json" {
			t.Fatalf("%s %s: status %d of type %q", r.Method, r.RequestURI, w.Code, ct)
		}
	case http.StatusTemporaryRedirect:
		if to := w.Header().Get("Location"); !strings.HasPrefix(to, "/") || len(to) > 1 && strings.ContainsAny(to[1:2], `/\`) {
			t.Fatalf("%s %s: redirect to %q", r.Method, r.RequestURI, to)
		}
	}
}
