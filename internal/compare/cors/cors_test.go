package cors_test

import (
	"fmt"
	"math/rand/v2"
	nethttp "net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	jub0bs "github.com/jub0bs/cors"
	rs "github.com/rs/cors"

	"github.com/stanza-go/framework/pkg/http"
)

// configs returns configurations that all three packages support.
func configs() []http.CORSConfig {
	origins := [][]string{
		{"*"},
		{"https://example.com"},
		{"https://example.com", "http://localhost:5173", "https://*.example.org", "http://[::1]:8080"},
		{"https://*.example.com:8443", "https://foo.com", "https://bar.com", "http://127.0.0.1"},
	}
	methods := [][]string{nil, {"GET"}, {"PUT", "PURGE"}}
	headers := [][]string{nil, {"X-Custom"}, {"Authorization", "Content-Type", "X-Custom"}, {"*"}, {"*", "Authorization"}}
	var all []http.CORSConfig
	for _, o := range origins {
		for _, m := range methods {
			for _, h := range headers {
				for _, e := range [][]string{nil, {"X-Total"}, {"*"}} {
					for _, credentials := range []bool{false, true} {
						if credentials && slices.Contains(slices.Concat(o, h, e), "*") {
							continue // the combination is invalid
						}
						all = append(all, http.CORSConfig{AllowOrigins: o, AllowMethods: m, AllowHeaders: h,
							ExposeHeaders: e, AllowCredentials: credentials})
					}
				}
			}
		}
	}
	return all
}

// effective fills in the defaults, because the other packages have different
// ones.
func effective(c http.CORSConfig) http.CORSConfig {
	if c.AllowMethods == nil {
		c.AllowMethods = []string{"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}
	}
	if c.AllowHeaders == nil {
		// The default without Origin, which jub0bs/cors rejects because pages
		// cannot set it.
		c.AllowHeaders = []string{"Content-Type", "Accept", "Authorization"}
	}
	return c
}

func ours(c http.CORSConfig, next nethttp.Handler) nethttp.Handler { return http.CORS(c)(next) }

func byJub0bs(tb testing.TB, c http.CORSConfig, next nethttp.Handler) nethttp.Handler {
	tb.Helper()
	c = effective(c)
	mw, err := jub0bs.NewMiddleware(jub0bs.Config{
		Origins:                            c.AllowOrigins,
		Methods:                            c.AllowMethods,
		RequestHeaders:                     c.AllowHeaders,
		ResponseHeaders:                    c.ExposeHeaders,
		Credentialed:                       c.AllowCredentials,
		DangerouslyTolerateInsecureOrigins: true,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return mw.Wrap(next)
}

func byRS(c http.CORSConfig, next nethttp.Handler) nethttp.Handler {
	c = effective(c)
	return rs.New(rs.Options{
		AllowedOrigins:   c.AllowOrigins,
		AllowedMethods:   c.AllowMethods,
		AllowedHeaders:   c.AllowHeaders,
		ExposedHeaders:   c.ExposeHeaders,
		AllowCredentials: c.AllowCredentials,
	}).Handler(next)
}

// newRequest returns a request made of parts that are relevant to some
// configuration. Half of the requests contain invalid parts.
func newRequest(r *rand.Rand) request {
	pick := func(of []string) string { return of[r.IntN(len(of))] }
	origin := pick([]string{"https", "http", "https", "http", "HTTPS", "httpss", ""}) +
		pick([]string{"://", "://", "://", "://", ":", "://.", "://a.", "://a.b.", "://evil", "://evil.com/.", "://a..", "://A.", "://*."}) +
		pick([]string{"example.com", "example.org", "localhost", "[::1]", "127.0.0.1", "foo.com", "bar.com", "barfoo.com", "Example.com", "com", "evil.com"}) +
		pick([]string{"", "", "", "", ":5173", ":8443", ":8080", ":443", ":80", ".", "/", ".evil.com", ":8443.evil.com", "\x00", "@evil.com"})
	req := request{
		origins:     []string{pick([]string{origin, origin, origin, origin, "null", "", "*", "https://example.com", "https://a.example.org"})},
		method:      pick([]string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PURGE", "patch", "BREW"}),
		credentials: r.IntN(2) == 0,
	}
	if r.IntN(20) == 0 {
		req.origins = append(req.origins, "https://example.com")
	}
	// Browsers send a sorted, lowercase list in one line, without spaces.
	var names []string
	for _, name := range []string{"accept", "authorization", "content-type", "x-custom", "x-other"} {
		if r.IntN(4) == 0 {
			names = append(names, name)
		}
	}
	switch r.IntN(8) {
	case 0: // as proxies may rewrite it
		req.headers = names
	case 1:
		req.headers = []string{strings.Join(names, " , ,\t")}
	case 2: // invalid
		r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		req.headers = []string{strings.Join(names, ",")}
	case 3:
		req.headers = []string{strings.ToUpper(strings.Join(names, ","))}
	default:
		if len(names) > 0 {
			req.headers = []string{strings.Join(names, ",")}
		}
	}
	return req
}

// A question is a question that a verdict answers.
type question string

const (
	preflight question = "preflight"
	read      question = "read"
	exposed   question = "exposed"
)

func (v verdict) answer(q question) bool {
	return map[question]bool{preflight: v.preflight, read: v.read, exposed: v.exposed}[q]
}

// A difference is an intended difference between a peer and this module. It
// applies if they answer the question differently and the condition holds.
type difference struct {
	peer      string
	questions []question
	weAllow   bool
	why       string
	applies   func(c http.CORSConfig, r request) bool
}

func differences() []difference {
	both := []question{preflight, read, exposed}
	return []difference{
		{"jub0bs", []question{preflight}, false, "A method that is not listed is refused, also where a page could send a plain request with it.",
			func(c http.CORSConfig, r request) bool {
				return !allowsMethod(c, r.method) && slices.Contains([]string{"GET", "HEAD", "POST"}, r.method)
			}},
		{"jub0bs", both, false, "Of two Origin lines the first is as little to be believed as the second.",
			func(_ http.CORSConfig, r request) bool { return len(r.origins) > 1 }},
		{"jub0bs", []question{preflight}, true, "Header names compare in any case and order, as in every other list.",
			func(_ http.CORSConfig, r request) bool { return !sentByBrowser(r.headers) }},
		{"jub0bs", both, false, "What a * stands for has to be a name in the form that browsers send: no capitals, no empty labels.",
			func(_ http.CORSConfig, r request) bool { return !canonical.MatchString(r.origins[0]) }},

		{"rs", []question{preflight}, true, "HEAD is allowed where GET is.",
			func(c http.CORSConfig, r request) bool {
				return r.method == "HEAD" && slices.Contains(effective(c).AllowMethods, "GET")
			}},
		{"rs", []question{read, exposed}, true, "A response is shown whatever its method: the handler has run, and browsers ask about methods in preflights only.",
			func(c http.CORSConfig, r request) bool { return !slices.Contains(effective(c).AllowMethods, r.method) }},
		{"rs", []question{preflight}, false, "OPTIONS has to be listed as any other method that a page sends itself.",
			func(c http.CORSConfig, r request) bool { return r.method == "OPTIONS" && !allowsMethod(c, r.method) }},
		{"rs", []question{preflight}, false, "By the standard, * for header fields does not stand for Authorization.",
			func(c http.CORSConfig, r request) bool {
				return slices.Equal(c.AllowHeaders, []string{"*"}) && slices.Contains(list(r.headers), "authorization")
			}},
		{"rs", []question{preflight}, true, "Header names compare in any case and order, as in every other list.",
			func(_ http.CORSConfig, r request) bool { return !sentByBrowser(r.headers) }},
		{"rs", both, false, "Origins are taken in the form that browsers send, and no other.",
			func(_ http.CORSConfig, r request) bool { return r.origins[0] != strings.ToLower(r.origins[0]) }},
		{"rs", both, false, "The * of a pattern stands for whole labels, and for nothing else that can stand between its ends.",
			func(_ http.CORSConfig, r request) bool { return !canonical.MatchString(r.origins[0]) }},
		{"rs", both, true, "Where all origins are allowed, the answer does not depend on the request, so an empty Origin gets it too.",
			func(c http.CORSConfig, r request) bool { return c.AllowOrigins[0] == "*" && r.origins[0] == "" }},
	}
}

// canonical matches origins with a domain name in the form that browsers send.
var canonical = regexp.MustCompile(`^[a-z][a-z0-9+.-]*://[a-z0-9_-]+(?:\.[a-z0-9_-]+)*(?::[1-9][0-9]*)?$`)

func allowsMethod(c http.CORSConfig, method string) bool {
	methods := effective(c).AllowMethods
	return slices.Contains(methods, method) || method == "HEAD" && slices.Contains(methods, "GET")
}

// sentByBrowser reports whether the list is in the form that browsers send.
func sentByBrowser(lines []string) bool {
	names := list(lines)
	return slices.IsSorted(names) && (lines == nil || slices.Equal(lines, []string{strings.Join(names, ",")}))
}

// TestDecisions compares the decisions of the three packages on generated
// requests. Every difference must be an intended one, and every intended
// difference must occur.
func TestDecisions(t *testing.T) {
	handler := nethttp.HandlerFunc(func(nethttp.ResponseWriter, *nethttp.Request) {})
	random := rand.New(rand.NewPCG(1, 2))
	meant := differences()
	seen := make([]int, len(meant))
	agreed := map[string]int{}
	for _, c := range configs() {
		mine := ours(c, handler)
		peers := map[string]nethttp.Handler{"jub0bs": byJub0bs(t, c, handler), "rs": byRS(c, handler)}
		for range 400 {
			r := newRequest(random)
			v := judge(mine, r)
			for peer, h := range peers {
				theirs := judge(h, r)
				for _, q := range []question{preflight, read, exposed} {
					if v.answer(q) == theirs.answer(q) {
						agreed[fmt.Sprintf("%s, %s %t", peer, q, v.answer(q))]++
						continue
					}
					i := slices.IndexFunc(meant, func(d difference) bool {
						return d.peer == peer && slices.Contains(d.questions, q) && d.weAllow == v.answer(q) && d.applies(c, r)
					})
					if i < 0 {
						t.Errorf("%+v\n%+v\n%s: we say %t, %s says %t", c, r, q, v.answer(q), peer, theirs.answer(q))
						continue
					}
					seen[i]++
				}
			}
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	for i, d := range meant {
		if t.Logf("%6d times otherwise than %s: %s", seen[i], d.peer, d.why); seen[i] == 0 {
			t.Errorf("nothing differs any more from %s in this: %s", d.peer, d.why)
		}
	}
	for what, n := range agreed {
		t.Logf("%6d times as %s", n, what)
	}
}

func BenchmarkPeers(b *testing.B) {
	c := http.CORSConfig{
		AllowOrigins:     []string{"https://example.com", "https://*.example.com"},
		AllowHeaders:     []string{"Authorization", "Content-Type"},
		AllowCredentials: true,
		ExposeHeaders:    []string{"X-Total"},
	}
	handler := nethttp.HandlerFunc(func(nethttp.ResponseWriter, *nethttp.Request) {})
	requests := map[string]*nethttp.Request{
		"actual": {Method: "GET", Header: nethttp.Header{"Origin": {"https://a.example.com"}}},
		"preflight": {Method: "OPTIONS", Header: nethttp.Header{
			"Origin":                         {"https://a.example.com"},
			"Access-Control-Request-Method":  {"PUT"},
			"Access-Control-Request-Headers": {"authorization,content-type"},
		}},
	}
	for name, r := range requests {
		for _, impl := range []struct {
			name    string
			handler nethttp.Handler
		}{{"ours", ours(c, handler)}, {"jub0bs", byJub0bs(b, c, handler)}, {"rs", byRS(c, handler)}} {
			b.Run(name+"/"+impl.name, func(b *testing.B) {
				w := headerOnly{}
				b.ReportAllocs()
				for b.Loop() {
					clear(w)
					impl.handler.ServeHTTP(w, r)
				}
			})
		}
	}
}

// headerOnly is a ResponseWriter that keeps only the header.
type headerOnly nethttp.Header

func (w headerOnly) Header() nethttp.Header    { return nethttp.Header(w) }
func (headerOnly) WriteHeader(int)             {}
func (headerOnly) Write(p []byte) (int, error) { return len(p), nil }
