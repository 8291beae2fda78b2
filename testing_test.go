package http_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// startServer starts a server and stops it when the test ends.
func startServer(t *testing.T, handler http.HandlerFunc, opts ...http.ServerOption) *http.Server {
	t.Helper()
	srv := http.NewServer(handler, append([]http.ServerOption{onLoopback(), quietly()}, opts...)...)
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Stop(noTime()); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Stop: %v", err)
		}
	})
	return srv
}

// serveOwn starts a [http.Server] that speaks a protocol and returns its URL and a
// client.
func serveOwn(t *testing.T, protocol testkit.Protocol, handler nethttp.Handler, opts ...http.ServerOption) (url string, client *nethttp.Client) {
	t.Helper()
	transport := &nethttp.Transport{}
	scheme := "http://"
	if protocol == testkit.HTTP2 {
		certFile, keyFile, pool := testkit.KeyPair(t)
		opts = append(opts, http.WithTLS(certFile, keyFile))
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
		transport.ForceAttemptHTTP2 = true
		scheme = "https://"
	}
	srv := startServer(t, handler.ServeHTTP, opts...)
	t.Cleanup(transport.CloseIdleConnections)
	return scheme + srv.Addr(), &nethttp.Client{Transport: transport, Timeout: testkit.Patience}
}

// onLoopback makes a server listen on a free port of the loopback interface.
func onLoopback() http.ServerOption { return http.WithAddr("127.0.0.1:0") }

// quietly discards the server's error log.
func quietly() http.ServerOption {
	return http.WithHTTPServer(func(hs *nethttp.Server) { hs.ErrorLog = log.New(io.Discard, "", 0) })
}

// noTime returns a context that is done.
func noTime() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// stopLater calls Stop in a goroutine and returns a channel that receives its
// result.
func stopLater(srv *http.Server, ctx context.Context) <-chan error {
	result := make(chan error, 1)
	go func() { result <- srv.Stop(ctx) }()
	return result
}

// refusesConnections reports whether connections to addr are refused.
func refusesConnections(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err == nil {
		conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// A link is one middleware of a chain.
type link struct {
	name  string
	wrap  func(nethttp.Handler) nethttp.Handler
	check func(t *testing.T, c matrixCase, got *outcome, exact bool) // if not nil, checks the metrics or the log
}

// documented returns the documented chain.
func documented(w *watch) []link {
	return []link{
		{name: "RequestID", wrap: http.RequestID(http.RequestIDConfig{})},
		w.metricsLink(),
		w.loggerLink(),
		{name: "Compress", wrap: http.Compress(http.CompressConfig{})},
		{name: "ETag", wrap: http.ETag(http.ETagConfig{})},
		{name: "SecureHeaders", wrap: http.SecureHeaders(http.SecureHeadersConfig{})},
		{name: "MaxBody", wrap: http.MaxBody(1 << 20)},
		{name: "CORS", wrap: http.CORS(http.CORSConfig{AllowOrigins: []string{matrixOrigin}})},
		{name: "Recovery", wrap: http.Recovery(nil)},
	}
}

// documentedChain returns the documented chain as one middleware.
func documentedChain() func(nethttp.Handler) nethttp.Handler {
	return wrapped(documented(&watch{metrics: http.NewMetrics()}))
}

// everything returns the documented chain and all other middleware.
func everything(w *watch) []link {
	return slices.Concat([]link{{name: "TrustedProxies", wrap: http.TrustedProxies(netip.MustParsePrefix("127.0.0.0/8"))}},
		documented(w), []link{
			{name: "RateLimit", wrap: rateLimit()}, {name: "Throttle", wrap: http.Throttle(http.ThrottleConfig{Limit: 1000})},
			{name: "Timeout", wrap: http.Timeout(http.TimeoutConfig{Timeout: time.Hour})}, {name: "Streaming", wrap: http.Streaming()},
		})
}

// wrapped composes links, the first outermost.
func wrapped(links []link) func(nethttp.Handler) nethttp.Handler {
	var wraps []func(nethttp.Handler) nethttp.Handler
	for _, l := range links {
		wraps = append(wraps, l.wrap)
	}
	return stack(wraps...)
}

// rateLimit returns a RateLimit that allows all requests of the matrix. It has a
// KeyFunc, so it may come before TrustedProxies.
func rateLimit() func(nethttp.Handler) nethttp.Handler {
	one := func(*nethttp.Request) string { return "one" }
	return http.RateLimit(http.RateLimitConfig{Limit: 1000, Window: time.Hour, KeyFunc: one})
}

// rateLimitFailures is like rateLimit, but only failures count.
func rateLimitFailures() func(nethttp.Handler) nethttp.Handler {
	return http.RateLimit(http.RateLimitConfig{
		Limit: 1000, Window: time.Hour, CountFunc: func(_ *nethttp.Request, status int) bool { return status >= 400 },
		KeyFunc: func(*nethttp.Request) string { return "one" },
	})
}

// stack composes middleware, the first outermost. Unlike [http.Chain], it does not
// check their order.
func stack(wraps ...func(nethttp.Handler) nethttp.Handler) func(nethttp.Handler) nethttp.Handler {
	return func(h nethttp.Handler) nethttp.Handler {
		for _, wrap := range slices.Backward(wraps) {
			h = wrap(h)
		}
		return h
	}
}

// trace returns middleware that adds its name to the field Trace of the response.
func trace(name string) http.Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Trace", name)
			next.ServeHTTP(w, r)
		})
	}
}

// reply returns a handler that writes text, the matched pattern and the named path
// values.
func reply(text string, names ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s [%s]", text, r.Pattern)
		for _, name := range names {
			fmt.Fprintf(w, " %s=%s", name, r.PathValue(name))
		}
	}
}

// echoPath writes the path of the request.
func echoPath(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) }

// serveOnce calls h with a GET request for /.
func serveOnce(h http.Handler) {
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
}

// panicText calls f and returns the value of its panic as text, or "".
func panicText(f func()) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprint(v)
		}
	}()
	f()
	return ""
}

// wantPanic calls f, which must panic with a message of this package: the position
// of a line in the calling file, and then message.
func wantPanic(t *testing.T, message string, f func()) {
	t.Helper()
	_, file, _, _ := runtime.Caller(1)
	want := regexp.MustCompile(`^http: ` + regexp.QuoteMeta(file) + `:\d+: ` + regexp.QuoteMeta(message) + `$`)
	defer func() {
		t.Helper()
		if got := fmt.Sprint(recover()); !want.MatchString(got) {
			t.Errorf("panic %q, want %s", got, want)
		}
	}()
	f()
}

// wantPanicMatch calls f, which must panic with a string that matches pattern.
func wantPanicMatch(t *testing.T, pattern string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		v, _ := recover().(string)
		if !regexp.MustCompile(pattern).MatchString(v) {
			t.Errorf("panic %q, want one that matches %q", v, pattern)
		}
	}()
	f()
}

// nextLine returns "file:line" for the line after the call.
func nextLine() string {
	_, file, n, _ := runtime.Caller(1)
	return fmt.Sprintf("%s:%d", file, n+1)
}

// sampleText is the text that sample has generated so far.
var sampleText struct {
	sync.Mutex
	strings.Builder
	lines int
}

// sample returns the first n bytes of a text that can be compressed.
func sample(n int) string {
	text := &sampleText
	text.Lock()
	defer text.Unlock()
	for ; text.Len() < n; text.lines++ {
		fmt.Fprintf(text, "line %d of the sample, %x\n", text.lines, text.lines*text.lines)
	}
	return text.String()[:n]
}

// incompressible returns n random characters, the same in each call.
func incompressible(n int) string {
	noise := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, n)
	for i := range text {
		text[i] = ' ' + byte(noise.IntN(95))
	}
	return string(text)
}

// allocated returns the number of bytes that the process allocates while f runs.
// Tests that call it must not run in parallel with others.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// heap returns the number of bytes in use.
func heap() int {
	runtime.GC()
	runtime.GC() // the second collection frees the memory of pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// A peakHeap is a writer that measures how much the heap grows while it is written
// to.
type peakHeap struct {
	writes       int
	start, grown uint64
}

func (p *peakHeap) Write(b []byte) (int, error) {
	if p.writes%1000 == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if p.writes == 0 {
			p.start = m.HeapAlloc
		}
		if m.HeapAlloc > p.start {
			p.grown = max(p.grown, m.HeapAlloc-p.start)
		}
	}
	p.writes++
	return len(b), nil
}

// A nullWriter is a ResponseWriter that discards the body and does not allocate.
// The zero value is ready to use.
type nullWriter struct {
	header nethttp.Header
	status int
}

func (w *nullWriter) Header() nethttp.Header {
	if w.header == nil {
		w.header = make(nethttp.Header)
	}
	return w.header
}

func (w *nullWriter) WriteHeader(status int)            { w.status = status }
func (w *nullWriter) Write(p []byte) (int, error)       { return len(p), nil }
func (w *nullWriter) WriteString(s string) (int, error) { return len(s), nil }
