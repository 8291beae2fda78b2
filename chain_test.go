package http_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// This test bounds the allocations of each middleware, and of the whole chain, for
// a small response, in addition to those of the handler.
func TestChainAllocations(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	logger := slog.New(slog.NewJSONHandler(io.Discard, nil))
	cors := http.CORSConfig{AllowOrigins: []string{"https://app.example"}, AllowCredentials: true}
	links := []struct {
		name string
		mw   http.Middleware
		most float64
	}{
		{"RequestID", http.RequestID(http.RequestIDConfig{}), 5},
		{"Metrics", http.NewMetrics().Middleware(), 1},
		{"RequestLogger", http.RequestLogger(logger), 1 + slogAllocations(logger)},
		{"Compress", http.Compress(http.CompressConfig{}), 2}, // Vary and the wrapper
		{"ETag", http.ETag(http.ETagConfig{}), 3},
		{"SecureHeaders", http.SecureHeaders(http.SecureHeadersConfig{}), 1},
		{"MaxBody", http.MaxBody(2 << 20), 1},
		{"CORS", http.CORS(cors), 1},
		{"Recovery", http.Recovery(nil), 1},
		{"RateLimit", http.RateLimit(http.RateLimitConfig{Limit: 1e9, Window: time.Hour}), 3},
		{"RateLimit with CountFunc", http.RateLimit(http.RateLimitConfig{Limit: 1e9, Window: time.Hour, CountFunc: failuresOnly}), 3},
		{"Throttle", http.Throttle(http.ThrottleConfig{Limit: 1}), 0},
		{"Timeout", http.Timeout(http.TimeoutConfig{Timeout: time.Minute}), 2},
		{"Streaming", http.Streaming(), 7},
	}
	bare := testing.AllocsPerRun(200, served(answer200()))
	var table strings.Builder
	fmt.Fprintf(&table, "%-24s %5s %9s\n%-24s %5.0f\n", "", "alone", "in a row", "handler", bare)
	var chain http.Middleware
	before := bare
	for i, l := range links {
		alone := testing.AllocsPerRun(200, served(l.mw(answer200()))) - bare
		var all []http.Middleware
		for _, l := range links[:i+1] {
			all = append(all, l.mw)
		}
		chain = http.Chain(all...)
		row := testing.AllocsPerRun(200, served(chain(answer200())))
		fmt.Fprintf(&table, "%-24s %5.0f %9.0f\n", l.name, alone, row-before)
		if alone > l.most {
			t.Errorf("%s allocates %v times, want %v at most", l.name, alone, l.most)
		}
		before = row
		if l.name != "Recovery" {
			continue
		}
		if row > 6 {
			t.Errorf("the documented chain allocates %v times, want 6 at most", row)
		}
		// A server makes a new header map for each response.
		if fresh := testing.AllocsPerRun(200, servedFresh(chain(answer200()))); fresh > 12 {
			t.Errorf("the documented chain allocates %v times with a fresh header map, want 12 at most", fresh)
		}
	}
	t.Logf("allocations of a 200-byte answer, %v in all:\n%s", before, table.String())
}

func BenchmarkDocumentedChain(b *testing.B) {
	once := served(wrapped(documented(&watch{metrics: http.NewMetrics(), quiet: true}))(answer200()))
	b.ReportAllocs()
	for b.Loop() {
		once()
	}
}

func TestRateLimitBeforeTrustedProxiesPanicsWhenTheChainIsBuilt(t *testing.T) {
	t.Parallel()
	trust := http.TrustedProxies(netip.MustParsePrefix("203.0.113.0/24"))
	limit := misplacedLimit()
	foreign := func(next nethttp.Handler) nethttp.Handler {
		return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) { next.ServeHTTP(w, r) })
	}
	unchanged := func(next nethttp.Handler) nethttp.Handler { return next }
	chain := http.Chain
	for name, build := range map[string]func(){
		"one in the other":                 func() { limit(trust(answer200())) },
		"Chain":                            func() { chain(limit, trust)(answer200()) },
		"Chain with others between":        func() { chain(limit, http.MaxBody(1), foreign, trust)(answer200()) },
		"Chain around TrustedProxies":      func() { chain(limit)(trust(answer200())) },
		"RateLimit around a Chain":         func() { limit(chain(trust, foreign)(answer200())) },
		"nested Chain with TrustedProxies": func() { chain(limit, chain(foreign, chain(trust, foreign)))(answer200()) },
		"nested Chain with RateLimit":      func() { chain(chain(foreign, chain(foreign, limit)), foreign, trust)(answer200()) },
		"two Chains":                       func() { chain(chain(limit), chain(trust))(answer200()) },
		"unchanged handler between":        func() { chain(limit, unchanged, trust)(answer200()) },
		"the second of two limits":         func() { chain(trust, limit, trust)(answer200()) },
	} {
		t.Run(name, func(t *testing.T) { wantPanicMatch(t, misplacedLimitPanic, build) })
	}

	byUser := http.RateLimit(http.RateLimitConfig{KeyFunc: func(r *nethttp.Request) string { return r.Header.Get("X-User") }})
	chain(byUser, trust)(answer200())
	chain(trust, limit)(answer200())
	chain(trust, foreign, limit)(answer200())
	chain(trust, chain(foreign, limit))(answer200())
	chain(unchanged, chain(trust, limit))(answer200())
	chain(chain(unchanged), unchanged, chain(chain(trust, limit)))(answer200())
	chain(unchanged)(chain(trust, limit)(answer200()))
	chain(limit, http.TrustedProxies())(answer200())
}

func TestRateLimitBeforeTrustedProxiesPanicsAtStartUp(t *testing.T) {
	t.Parallel()
	trust := http.TrustedProxies(netip.MustParsePrefix("203.0.113.0/24"))
	between := http.Chain(http.RequestID(http.RequestIDConfig{}), http.NewMetrics().Middleware(), http.RequestLogger(nil),
		http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{}), http.SecureHeaders(http.SecureHeadersConfig{}),
		http.MaxBody(1), http.CORS(http.CORSConfig{}), http.Recovery(nil), http.RateLimit(http.RateLimitConfig{}))
	register := func(group *http.Group) { group.HandleFunc("GET /x", func(nethttp.ResponseWriter, *nethttp.Request) {}) }
	for name, add := range map[string]func(*http.Router){
		"one after the other":   func(router *http.Router) { router.Use(misplacedLimit()); router.Use(trust) },
		"all others in between": func(router *http.Router) { router.Use(misplacedLimit(), between, trust) },
		"Chains in Use":         func(router *http.Router) { router.Use(http.Chain(misplacedLimit()), between, http.Chain(trust)) },
		"in a group": func(router *http.Router) {
			group := router.Group("/g")
			group.Use(misplacedLimit(), trust)
			register(group)
		},
		"in a group and a group inside it": func(router *http.Router) {
			outer := router.Group("/g")
			outer.Use(http.Chain(misplacedLimit()))
			inner := outer.Group("/h").Group("/i")
			inner.Use(http.Chain(http.MaxBody(1), trust))
			register(inner)
		},
		"in a group and around the handler": func(router *http.Router) {
			group := router.Group("/g")
			group.Use(misplacedLimit())
			group.Handle("GET /x", trust(answer200()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			router := http.NewRouter()
			add(router)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			srv := http.NewServer(router, http.WithListener(l))
			wantPanicMatch(t, misplacedLimitPanic, func() { srv.Start(context.Background()) })
		})
	}

	router := http.NewRouter()
	router.Use(trust, between)
	group := router.Group("/g")
	group.Use(trust, between)
	register(group)
	serveOnce(router)
}

// When several clients send requests concurrently, and some of the handlers abort
// or panic, each client gets its own body, ID and tag.
func TestConcurrentResponsesOfTheChainDoNotMix(t *testing.T) {
	t.Parallel()
	handler := documentedChain()(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body := r.URL.Path + " " + http.GetRequestID(r) + " " + sample(len(r.URL.Path)*300)
		w.Header().Set("X-Path", r.URL.Path)
		switch {
		case strings.HasSuffix(r.URL.Path, "3"):
			io.WriteString(w, body[:len(body)/2])
			nethttp.NewResponseController(w).Flush()
			panic("halfway")
		case strings.HasSuffix(r.URL.Path, "5"):
			io.WriteString(w, body[:len(body)/2])
			panic("before anything was sent")
		}
		io.WriteString(w, body)
	}))
	testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
		var clients sync.WaitGroup
		for client := range 8 {
			clients.Go(func() {
				for i := range 50 {
					path := fmt.Sprintf("/%d/%s%d", client, strings.Repeat("x", i%7), i)
					id := fmt.Sprintf("id-%d-%d", client, i)
					// The client asks for gzip and decompresses the body.
					resp, err := testkit.Send(srv.Client(), testkit.NewRequest("GET", srv.URL+path, "", "X-Request-ID: "+id))
					want := path + " " + id + " " + sample(len(path)*300)
					switch i % 10 {
					case 3:
						if err == nil {
							t.Errorf("%s: a broken response looks whole", path)
						}
					case 5:
						if err != nil || resp.StatusCode != 500 || resp.Header.Get("X-Request-ID") != id {
							t.Errorf("%s: %v, %v; want a 500", path, resp, err)
						}
					default:
						if err != nil || resp.Body != want || resp.Header.Get("X-Path") != path || resp.Header.Get("ETag") != tagOf(want) {
							t.Errorf("%s: got %v, %v", path, resp, err)
						}
					}
				}
			})
		}
		clients.Wait()
	})
}

// A handler may call another with a new request, for example for each request of a
// batch, or with a request that has another context.
func TestChainInsideAChainWithAnotherRequest(t *testing.T) {
	t.Parallel()
	var out testkit.Log
	var innerID string
	logger := out.JSON()
	inner := http.Chain(http.TrustedProxies(netip.MustParsePrefix("127.0.0.1/32")), http.RequestID(http.RequestIDConfig{}),
		http.NewMetrics().Middleware(), http.RequestLogger(logger), http.MaxBody(99))(
		nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			innerID = http.GetRequestID(r)
			http.LoggerFromContext(r.Context()).Info("inside")
			io.WriteString(w, "inner")
		}))
	for _, tt := range []struct {
		name    string
		request func(*nethttp.Request) *nethttp.Request
		sameID  bool
	}{
		{"new request", func(*nethttp.Request) *nethttp.Request { return testkit.NewRequest("POST", "/", "x") }, false},
		{"another context", func(r *nethttp.Request) *nethttp.Request { return r.WithContext(context.Background()) }, false},
		{"the same context", func(r *nethttp.Request) *nethttp.Request { return r.Clone(r.Context()) }, true},
	} {
		outerID := ""
		outer := http.Chain(http.RequestID(http.RequestIDConfig{}), http.RequestLogger(logger), http.Compress(http.CompressConfig{}),
			http.Recovery(nil))(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			inner.ServeHTTP(w, tt.request(r))
			outerID = http.GetRequestID(r)
		}))
		rec := testkit.Record(outer, testkit.NewRequest("GET", "/", ""))
		if rec.StatusCode != 200 || rec.Body != "inner" {
			t.Errorf("%s: got %v", tt.name, rec)
		}
		if same := outerID == innerID; outerID == "" || innerID == "" || same != tt.sameID {
			t.Errorf("%s: the ids are %q outside and %q inside", tt.name, outerID, innerID)
		}
		if got := out.String(); strings.Count(got, innerID) < 2 || strings.Count(got, outerID) < 1 {
			t.Errorf("%s: the ids %q outside and %q inside are not in\n%s", tt.name, outerID, innerID, got)
		}
	}
}

// After a panic of a handler that has hijacked the connection, the connection is
// closed, and the request is counted and logged once.
func TestPanicAfterAHijackingInTheChain(t *testing.T) {
	t.Parallel()
	var out testkit.Log
	metrics := http.NewMetrics()
	returned := make(chan bool)
	chain := http.Chain(http.RequestID(http.RequestIDConfig{}), metrics.Middleware(), http.RequestLogger(out.JSON()),
		http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{}), http.SecureHeaders(http.SecureHeadersConfig{}),
		http.MaxBody(99), http.CORS(http.CORSConfig{}), http.Recovery(nil))(
		nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			if _, _, err := nethttp.NewResponseController(w).Hijack(); err != nil {
				t.Error(err)
			}
			panic("after the hijacking")
		}))
	srv := testkit.StartServer(t, testkit.HTTP1, nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		defer close(returned)
		chain.ServeHTTP(w, r)
	}))
	conn := testkit.Dial(t, srv.Addr())
	conn.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if got := conn.ReadAll(); got != "" {
		t.Errorf("after the hijacking came %q", got)
	}
	<-returned
	if stats := metrics.Stats(); stats.TotalRequests != 1 || stats.ActiveRequests != 0 || stats.Status5xx != 0 {
		t.Errorf("the metrics are %+v", stats)
	}
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"status":101`) {
		t.Errorf("logged is %s", got)
	}
}

// Middleware that does not change the body passes files to the server's ReadFrom,
// which uses sendfile.
func TestReadFromReachesTheServer(t *testing.T) {
	t.Parallel()
	const size = 2 << 20
	handler := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		w.Header().Set("Content-Type", "image/png")
		w.Header().Set("Content-Length", fmt.Sprint(size))
		if n, err := io.Copy(w, io.LimitReader(zeros{}, size)); n != size || err != nil {
			t.Errorf("copied %d, %v", n, err)
		}
	})
	w := new(readerFrom)
	documentedChain()(handler).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	// Compress reads the first bytes to decide whether to compress the body.
	if w.copied < size-64<<10 {
		t.Errorf("%d bytes of %d came through ReadFrom, want all but the first", w.copied, size)
	}
}

func TestRandomHandlersInTheChain(t *testing.T) {
	t.Parallel()
	for _, proto := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
		srv := startMatrixServer(t, proto)
		for seed := range uint64(60) {
			c := randomHandler(seed)
			bare := srv.exchange(t, c, func(h nethttp.Handler) nethttp.Handler { return h })
			for _, chain := range []matrixChain{watched("documented", documented, true, settleDocumented), shuffled(seed)} {
				t.Run(fmt.Sprintf("%s/handler %d/%s", proto, seed, chain.name), func(t *testing.T) {
					want, got := bare.clone(), srv.exchange(t, c, chain.wrap)
					chain.settle(t, c, want, got)
					compareOutcomes(t, want, got)
				})
			}
		}
	}
}

// answer200 returns a handler that responds with 200 bytes of JSON.
func answer200() nethttp.Handler {
	value := struct {
		Text string `json:"text"`
	}{strings.Repeat("x", 200-len(`{"text":""}`))}
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) { http.WriteJSON(w, nethttp.StatusOK, &value) })
}

// served returns a function that serves one request with h and discards the
// response.
func served(h nethttp.Handler) func() {
	r, w := browserRequest(), new(nullWriter)
	return func() {
		clear(w.header)
		h.ServeHTTP(w, r)
	}
}

// servedFresh is like served, but each response has a new header map.
func servedFresh(h nethttp.Handler) func() {
	r, w := browserRequest(), new(nullWriter)
	return func() {
		w.header = nethttp.Header{}
		h.ServeHTTP(w, r)
	}
}

// browserRequest returns a request that a browser sends for a page of another
// origin.
func browserRequest() *nethttp.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "192.0.2.1:1234"
	r.Header.Set("Accept-Encoding", "gzip")
	r.Header.Set("Origin", "https://app.example")
	return r
}

// slogAllocations returns the number of allocations in slog for such a line.
func slogAllocations(logger *slog.Logger) float64 {
	attrs := []slog.Attr{
		slog.String("method", "GET"), slog.String("path", "/"), slog.Int("status", 200), slog.Duration("duration", 1),
		slog.Int("bytes", 200), slog.String("remote_ip", "192.0.2.1"), slog.String("request_id", "abc"),
	}
	return testing.AllocsPerRun(200, func() {
		logger.LogAttrs(context.Background(), slog.LevelInfo, "http request", attrs...)
	})
}

// misplacedLimit returns a RateLimit by address. If it comes before TrustedProxies
// in a chain, the panic names the line in this function.
func misplacedLimit() http.Middleware { return http.RateLimit(http.RateLimitConfig{}) }

const misplacedLimitPanic = `^http: .*chain_test.go:\d+: RateLimit comes before TrustedProxies`

// readerFrom records whether a body was written with ReadFrom.
type readerFrom struct {
	nullWriter
	copied int64
}

func (w *readerFrom) ReadFrom(src io.Reader) (n int64, err error) {
	n, err = io.Copy(io.Discard, src)
	w.copied += n
	return n, err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// randomHandler returns a handler that does the same random things for each
// request: it sets fields, sends 1xx responses and a status code, writes in
// different ways and sizes, and flushes.
func randomHandler(seed uint64) matrixCase {
	random := rand.New(rand.NewPCG(seed, 7))
	type action func(w nethttp.ResponseWriter, note func(string, error))
	var actions []action
	add := func(a action) { actions = append(actions, a) }
	fields := [][2]string{
		{"Content-Type", "text/plain"}, {"Content-Type", "image/png"}, {"Content-Type", "application/json"}, {"Content-Encoding", "br"},
		{"Cache-Control", "no-transform"}, {"Etag", `"own"`}, {"Content-Type", "text/event-stream"},
	}
	statuses := []int{200, 200, 200, 200, 201, 204, 206, 304, 404, 500}
	sizes := []int{0, 1, 10, 511, 512, 513, 1023, 1024, 1025, 5000, 70000}
	if random.IntN(10) == 0 { // rarely, since they take long to compress
		sizes = append(sizes, 1<<20-1, 1<<20, 1<<20+1)
	}
	flushes := false
	for range random.IntN(3) {
		f := fields[random.IntN(len(fields))]
		add(func(w nethttp.ResponseWriter, _ func(string, error)) { w.Header().Set(f[0], f[1]) })
	}
	if random.IntN(4) == 0 {
		add(func(w nethttp.ResponseWriter, _ func(string, error)) { w.WriteHeader(nethttp.StatusEarlyHints) })
	}
	for range random.IntN(6) {
		status, size := statuses[random.IntN(len(statuses))], sizes[random.IntN(len(sizes))]
		switch random.IntN(7) {
		case 0:
			add(func(w nethttp.ResponseWriter, _ func(string, error)) { w.WriteHeader(status) })
		case 1:
			flushes = true
			add(func(w nethttp.ResponseWriter, note func(string, error)) {
				note("flush", nethttp.NewResponseController(w).Flush())
			})
		case 2:
			add(func(w nethttp.ResponseWriter, _ func(string, error)) { w.Header().Set("X-Field", fmt.Sprint(size)) })
		case 3:
			add(func(w nethttp.ResponseWriter, note func(string, error)) {
				n, err := io.Copy(w, struct{ io.Reader }{strings.NewReader(sample(size))})
				note(fmt.Sprint("copied ", n), err)
			})
		case 4:
			add(func(w nethttp.ResponseWriter, note func(string, error)) {
				n, err := io.WriteString(w, sample(size))
				note(fmt.Sprint("wrote ", n), err)
			})
		default:
			add(func(w nethttp.ResponseWriter, note func(string, error)) {
				n, err := w.Write([]byte(sample(size)))
				note(fmt.Sprint("wrote ", n), err)
			})
		}
	}
	return matrixCase{name: "random", flushes: flushes, handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, note func(string, error)) {
		for _, a := range actions {
			a(w, note)
		}
	}}
}
