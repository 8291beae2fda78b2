package http_test

import (
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	nethttp "net/http"
	"net/http/httptrace"
	"net/netip"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/response"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// The matrix runs every case of matrixCases through every chain of matrixChains with
// HTTP/1.1 and HTTP/2. It compares the response, and the results of the handler's
// calls, with those of a server without middleware. To add middleware, add a line to
// matrixChains. If the middleware changes something on purpose, its settle function
// checks the change and reverts it.

// A matrixChain is one column of the matrix.
type matrixChain struct {
	name string
	wrap func(nethttp.Handler) nethttp.Handler
	// settle checks and reverts the intended changes in got. want is the outcome
	// with a bare server. If settle is nil, no change is allowed.
	settle func(t *testing.T, c matrixCase, want, got *outcome)
}

func matrixChains() []matrixChain {
	chains := []matrixChain{
		{name: "observer", wrap: observing},
		{name: "three observers", wrap: stack(observing, observing, observing)},
		{name: "stage that passes", wrap: staged(testStage{pass: true})},
		{name: "stage that holds 10 bytes", wrap: staged(testStage{limit: 10})},
		{name: "stage that holds 1 MiB", wrap: staged(testStage{limit: 1 << 20})},
		{name: "stage that encodes", wrap: staged(testStage{limit: 3, encode: true}), settle: rot},
		{name: "stages and observers", wrap: stack(observing, staged(testStage{limit: 10}), observing,
			staged(testStage{limit: 1 << 20}), observing)},

		{name: "RequestID", wrap: http.RequestID(http.RequestIDConfig{}), settle: withoutRequestID},
		watched("Metrics", func(w *watch) []link { return []link{w.metricsLink()} }, true, nil),
		watched("RequestLogger", func(w *watch) []link { return []link{w.loggerLink()} }, true, nil),
		{name: "Compress", wrap: http.Compress(http.CompressConfig{}), settle: decompressed},
		{name: "ETag", wrap: http.ETag(http.ETagConfig{}), settle: withoutETag},
		{name: "SecureHeaders", wrap: http.SecureHeaders(http.SecureHeadersConfig{}), settle: withoutSecureHeaders},
		{name: "MaxBody", wrap: http.MaxBody(1 << 20)},
		{name: "CORS", wrap: http.CORS(http.CORSConfig{AllowOrigins: []string{matrixOrigin}}), settle: withoutCORS},
		{name: "TrustedProxies", wrap: http.TrustedProxies(netip.MustParsePrefix("127.0.0.0/8"))},
		{name: "RateLimit", wrap: rateLimit(), settle: withoutRateLimit},
		{name: "RateLimit with CountFunc", wrap: rateLimitFailures(), settle: withoutRateLimit},
		{name: "Throttle", wrap: http.Throttle(http.ThrottleConfig{Limit: 1000})},
		{name: "Timeout", wrap: http.Timeout(http.TimeoutConfig{Timeout: time.Hour})},
		{name: "Streaming", wrap: http.Streaming(), settle: withoutStreaming},
		{name: "Recovery", wrap: http.Recovery(nil), settle: recovered},
		watched("documented chain", documented, true, settleDocumented),
		watched("documented chain backwards", func(w *watch) []link {
			links := everything(w)
			slices.Reverse(links)
			return links
		}, false, settleAll),
	}
	orders := uint64(4)
	if testkit.Race {
		orders = 1 // the race detector makes encoders expensive
	}
	for seed := range orders {
		chains = append(chains, shuffled(seed))
	}
	return chains
}

// shuffled returns all middleware in an order that depends on seed. Some orders are
// not useful, but none may break a response.
func shuffled(seed uint64) matrixChain {
	order := rand.New(rand.NewPCG(seed, 0)).Perm(len(everything(&watch{metrics: http.NewMetrics()})))
	return watched(fmt.Sprintf("random order %d", seed), func(w *watch) []link {
		links, mixed := everything(w), []link(nil)
		for _, i := range order {
			mixed = append(mixed, links[i])
		}
		return mixed
	}, false, settleAll)
}

// A watch has the metrics and the log of one exchange.
type watch struct {
	metrics *http.Metrics
	log     testkit.Log
	quiet   bool // discards the log
}

func (w *watch) metricsLink() link {
	return link{"Metrics", w.metrics.Middleware(), w.checkMetrics}
}

func (w *watch) loggerLink() link {
	logger := w.log.Text()
	if w.quiet {
		logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return link{"RequestLogger", http.RequestLogger(logger), w.checkLog}
}

// watched returns a column whose metrics and log are checked. The check is exact if
// they are outside of all middleware that changes the response.
func watched(name string, links func(*watch) []link, exact bool, settle func(*testing.T, matrixCase, *outcome, *outcome)) matrixChain {
	var chain []link
	return matrixChain{
		name: name,
		wrap: func(h nethttp.Handler) nethttp.Handler {
			chain = links(&watch{metrics: http.NewMetrics()})
			return wrapped(chain)(h)
		},
		settle: func(t *testing.T, c matrixCase, want, got *outcome) {
			for _, l := range chain {
				t.Logf("through %s", l.name)
				if l.check != nil {
					l.check(t, c, got, exact)
				}
			}
			if settle != nil {
				settle(t, c, want, got)
			}
		},
	}
}

// expect returns the status and the number of bytes that the outermost middleware
// must have seen. The number is -1 if it depends on buffers.
func (o *outcome) expect(c matrixCase) (status, bytes int) {
	switch {
	case o.takenOver(c):
		return nethttp.StatusSwitchingProtocols, -1
	case o.Failed && o.Status == 0:
		return cmp.Or(c.lostStatus, nethttp.StatusOK), -1
	case o.Failed, c.refused:
		return o.Status, -1
	}
	return o.Status, len(o.Body)
}

// takenOver reports whether the handler of c hijacked the connection.
func (o *outcome) takenOver(c matrixCase) bool { return c.takesOver && !o.http2() }

// bare reports whether the response was sent without the middleware's fields.
func (o *outcome) bare(c matrixCase) bool { return o.Status == 0 || o.takenOver(c) }

func (w *watch) checkMetrics(t *testing.T, c matrixCase, got *outcome, exact bool) {
	t.Helper()
	stats := w.metrics.Stats()
	if stats.TotalRequests != 1 || stats.ActiveRequests != 0 {
		t.Errorf("the metrics count %d requests, %d of them active", stats.TotalRequests, stats.ActiveRequests)
	}
	if !exact {
		return
	}
	status, bytes := got.expect(c)
	classes := []int64{stats.Status2xx, stats.Status3xx, stats.Status4xx, stats.Status5xx}
	want := make([]int64, 4)
	if status >= 200 {
		want[status/100-2] = 1
	}
	if !slices.Equal(classes, want) || bytes >= 0 && stats.BytesWritten != int64(bytes) {
		t.Errorf("the metrics count 2xx to 5xx %v and %d bytes, want %v and %d", classes, stats.BytesWritten, want, bytes)
	}
}

func (w *watch) checkLog(t *testing.T, c matrixCase, got *outcome, exact bool) {
	t.Helper()
	log := w.log.String()
	if n := strings.Count(log, `msg="http request"`); n != 1 || strings.Count(log, "\n") != 1 {
		t.Errorf("%d requests are logged, want one:\n%s", n, log)
	}
	if !exact {
		return
	}
	status, bytes := got.expect(c)
	if !strings.Contains(log, fmt.Sprintf(" status=%d ", status)) || bytes >= 0 && !strings.Contains(log, fmt.Sprintf(" bytes=%d ", bytes)) {
		t.Errorf("logged is %s, want status %d and %d bytes", log, status, bytes)
	}
}

// settleAll reverts the intended changes of all middleware.
func settleAll(t *testing.T, c matrixCase, want, got *outcome) {
	settleDocumented(t, c, want, got)
	withoutRateLimit(t, c, want, got)
	withoutStreaming(t, c, want, got)
}

// settleDocumented reverts the intended changes of the documented chain.
func settleDocumented(t *testing.T, c matrixCase, want, got *outcome) {
	recovered(t, c, want, got)
	withoutRequestID(t, c, want, got)
	withoutSecureHeaders(t, c, want, got)
	withoutCORS(t, c, want, got)
	decompressed(t, c, want, got)
	withoutETag(t, c, want, got)
}

func withoutRateLimit(t *testing.T, c matrixCase, want, got *outcome) {
	if got.bare(c) {
		return
	}
	remaining, err := strconv.Atoi(got.Header.Get("X-Ratelimit-Remaining"))
	reset, resetErr := strconv.ParseInt(got.Header.Get("X-Ratelimit-Reset"), 10, 64)
	if got.Header.Get("X-Ratelimit-Limit") != "1000" || err != nil || remaining < 0 || remaining > 999 || resetErr != nil || reset <= 0 {
		t.Errorf("the rate limit's fields are %v", got.Header)
	}
	for _, name := range []string{"X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"} {
		got.Header.Del(name)
	}
}

func withoutStreaming(t *testing.T, c matrixCase, want, got *outcome) {
	if got.bare(c) {
		return
	}
	// WriteError, which Recovery calls, removes it: an error is not a stream.
	if buffering := got.Header.Get("X-Accel-Buffering"); buffering != "no" && got.Status != 500 {
		t.Errorf("X-Accel-Buffering is %q, want no", buffering)
	}
	got.Header.Del("X-Accel-Buffering")
}

func withoutRequestID(t *testing.T, c matrixCase, want, got *outcome) {
	if got.bare(c) {
		return
	}
	if id := got.Header.Get("X-Request-Id"); len(id) != 36 {
		t.Errorf("X-Request-ID is %q, want a UUID", id)
	}
	got.Header.Del("X-Request-Id")
}

func withoutSecureHeaders(t *testing.T, c matrixCase, want, got *outcome) {
	if got.bare(c) {
		return
	}
	for name, value := range secureDefaults() {
		if !slices.Equal(got.Header[name], value) {
			t.Errorf("%s is %q, want %q", name, got.Header[name], value)
		}
		copyFields(got.Header, want.Header, name) // http.Error sets one of them
	}
}

// matrixOrigin is the origin of every request of the matrix.
const matrixOrigin = "https://app.example"

func withoutCORS(t *testing.T, c matrixCase, want, got *outcome) {
	if got.bare(c) {
		return
	}
	if origin := got.Header.Get("Access-Control-Allow-Origin"); origin != matrixOrigin {
		t.Errorf("Access-Control-Allow-Origin is %q, want %q", origin, matrixOrigin)
	}
	got.Header.Del("Access-Control-Allow-Origin")
	vary := got.Header["Vary"]
	i := slices.Index(vary, "Origin")
	if i < 0 {
		t.Fatalf("Vary is %q, want Origin among it", vary)
	}
	if got.Header["Vary"] = slices.Delete(vary, i, i+1); len(vary) == 1 {
		got.Header.Del("Vary")
	}
}

// decompressed checks and reverts compression.
func decompressed(t *testing.T, c matrixCase, want, got *outcome) {
	vary := got.Header.Get("Vary")
	if vary != "" && vary != "Accept-Encoding" {
		t.Errorf("Vary is %q", vary)
	}
	got.Header.Del("Vary")
	if c.method == nethttp.MethodHead && vary != "" && got.Length < 0 {
		// The length of a compressed body is unknown for HEAD.
		got.Length = want.Length
		copyFields(got.Header, want.Header, "Content-Length")
	}
	if got.Header.Get("Content-Encoding") != "gzip" {
		return
	}
	if vary == "" {
		t.Error("a compressed response without Vary")
	}
	if c.method != nethttp.MethodHead {
		zr, err := gzip.NewReader(strings.NewReader(got.Body))
		if err == nil {
			var plain []byte
			plain, err = io.ReadAll(zr)
			got.Body = string(plain)
		}
		if got.Failed != (err != nil) {
			t.Errorf("the transfer failed: %v, but the decoder says %v", got.Failed, err)
		}
	}
	got.Header.Del("Content-Encoding")
	if _, ranges := want.Header["Accept-Ranges"]; ranges && got.Header.Get("Etag") == "W/"+want.Header.Get("Etag") {
		copyFields(got.Header, want.Header, "Etag")
	}
	copyFields(got.Header, want.Header, "Content-Length", "Accept-Ranges")
	got.Length = want.Length
}

// copyFields replaces fields of h by those of from.
func copyFields(h, from nethttp.Header, names ...string) {
	for _, name := range names {
		delete(h, name)
		if v, ok := from[name]; ok {
			h[name] = v
		}
	}
}

// withoutETag checks and removes the tag that ETag adds to a 200.
func withoutETag(t *testing.T, c matrixCase, want, got *outcome) {
	tag := got.Header.Get("Etag")
	if tag == "" || tag == want.Header.Get("Etag") {
		return
	}
	if got.Status != nethttp.StatusOK || len(tag) != 18 || c.flushes || want.Header.Get("Accept-Ranges") != "" {
		t.Errorf("status %d has the tag %q", got.Status, tag)
	}
	got.Header.Del("Etag")
}

// recovered changes want to the response of Recovery, if the handler panics before
// the response is sent.
func recovered(t *testing.T, c matrixCase, want, got *outcome) {
	if !c.panics || c.flushes || c.wrote && got.Status != nethttp.StatusInternalServerError {
		return
	}
	const body = `{"error":"internal server error"}`
	want.Failed, want.Status, want.Body, want.Length = false, 500, body, int64(len(body))
	want.Header = nethttp.Header{"Content-Type": {"application/json"}, "Content-Length": {fmt.Sprint(len(body))}}
	if c.method == nethttp.MethodHead {
		want.Body = ""
	}
}

func hijacks(w nethttp.ResponseWriter, r *nethttp.Request, note func(string, error)) {
	conn, _, err := nethttp.NewResponseController(w).Hijack()
	note("hijack", err)
	if err != nil {
		w.WriteHeader(nethttp.StatusNotImplemented)
		return
	}
	defer conn.Close()
	_, err = w.Write([]byte("x"))
	note("write after hijack", err)
	io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nraw")
}

// An outcome records one exchange as the client and the handler saw it.
type outcome struct {
	Infos   []string // 1xx responses with their Link fields
	Status  int
	Header  nethttp.Header
	Trailer nethttp.Header
	Length  int64
	Body    string
	Failed  bool     // there is no response, or its body is incomplete
	Notes   []string // results of calls in the handler
	Proto   string

	Complaints []string // lines that the server logged about the handler's calls
	get        *outcome // for HEAD, the outcome of GET with a bare server
}

func (o *outcome) http2() bool { return o.Proto == "HTTP/2" }

// bodyLength returns the length of the body or, for HEAD, of the body for GET.
func (o *outcome) bodyLength() int64 {
	if o.get != nil {
		return int64(len(o.get.Body))
	}
	return int64(len(o.Body))
}

// clone returns a copy that a comparison may change.
func (o *outcome) clone() *outcome {
	c := *o
	c.Header, c.Trailer = o.Header.Clone(), o.Trailer.Clone()
	return &c
}

func TestMatrix(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file.txt")
	if err := os.WriteFile(file, []byte(strings.Repeat("0123456789abcdef", 8<<10)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, proto := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
		t.Run(string(proto), func(t *testing.T) {
			cases := slices.DeleteFunc(withHead(matrixCases(file)), func(c matrixCase) bool {
				return c.proto != "" && c.proto != string(proto)
			})
			srv, bare := startMatrixServer(t, proto), map[string]*outcome{}
			for _, c := range cases {
				bare[c.name] = srv.exchange(t, c, func(h nethttp.Handler) nethttp.Handler { return h })
			}
			for _, chain := range matrixChains() {
				t.Run(chain.name, func(t *testing.T) {
					t.Parallel()
					srv := srv
					if proto == testkit.HTTP1 {
						srv = startMatrixServer(t, proto) // with its own log
					}
					for _, c := range cases {
						t.Run(c.name, func(t *testing.T) {
							want, got := bare[c.name].clone(), srv.exchange(t, c, chain.wrap)
							want.get, got.get = bare[c.headOf], bare[c.headOf]
							if chain.settle != nil {
								chain.settle(t, c, want, got)
							}
							compareOutcomes(t, want, got)
						})
					}
				})
			}
		})
	}
}

// A matrixServer is a server whose handler depends on the request.
type matrixServer struct {
	*testkit.Server
	proto  string
	client *nethttp.Client
	chosen sync.Map // from the value of exchangeField to the handler
	count  atomic.Int64
}

// exchangeField is the request field that identifies the exchange.
const exchangeField = "X-Exchange"

func startMatrixServer(t *testing.T, proto testkit.Protocol) *matrixServer {
	t.Helper()
	s := &matrixServer{proto: string(proto)}
	s.Server = testkit.StartServer(t, proto, nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		h, ok := s.chosen.Load(r.Header.Get(exchangeField))
		if !ok {
			t.Errorf("a request of no exchange: %v", r.Header)
			return
		}
		r.Header.Del(exchangeField)
		h.(nethttp.Handler).ServeHTTP(w, r)
	}))
	s.client = s.Client()
	s.client.CheckRedirect = func(*nethttp.Request, []*nethttp.Request) error { return nethttp.ErrUseLastResponse }
	// The client must not repeat a request, because the handler would run again. An
	// HTTP/2 client repeats only requests that the server did not process.
	s.client.Transport.(*nethttp.Transport).DisableKeepAlives = proto == testkit.HTTP1
	return s
}

// exchange sends the request of c to its handler inside wrap.
func (s *matrixServer) exchange(t *testing.T, c matrixCase, wrap func(nethttp.Handler) nethttp.Handler) *outcome {
	t.Helper()
	out, logged := &outcome{Proto: s.proto}, len(s.Logged())
	var kept nethttp.ResponseWriter
	returned := make(chan struct{})
	chain := wrap(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if _, ok := w.(*response.Writer); ok {
			kept = w
		}
		c.handler(w, r, func(what string, err error) { out.Notes = append(out.Notes, what+": "+kind(err)) })
	}))
	name := strconv.FormatInt(s.count.Add(1), 10)
	s.chosen.Store(name, nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		defer close(returned)
		chain.ServeHTTP(w, r)
	}))
	defer s.chosen.Delete(name)

	method := c.method
	if method == "" {
		method = nethttp.MethodGet
	}
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		out.Infos = append(out.Infos, fmt.Sprint(code, h["Link"]))
		return nil
	}}
	ctx := httptrace.WithClientTrace(context.Background(), trace)
	req, err := nethttp.NewRequestWithContext(ctx, method, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(req.Header, c.header)
	req.Header.Set(exchangeField, name)
	req.Header.Set("Accept-Encoding", "gzip")
	req.Header.Set("Origin", matrixOrigin)

	resp, err := s.client.Do(req)
	if err != nil {
		out.Failed = true
	} else {
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		out.Status, out.Header, out.Trailer = resp.StatusCode, resp.Header, resp.Trailer
		out.Length, out.Body, out.Failed = resp.ContentLength, string(body), err != nil
		if resp.Proto != s.proto && resp.Proto != s.proto+".0" {
			t.Errorf("the server spoke %s, want %s", resp.Proto, s.proto)
		}
	}
	<-returned
	out.Complaints = complaints(s.Logged()[logged:])
	if c.late != nil && kept != nil {
		s.checkBehind(t, func() { c.late(t, kept) })
	}
	return out
}

// checkBehind checks that another request succeeds while f runs.
func (s *matrixServer) checkBehind(t *testing.T, f func()) {
	t.Helper()
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(f)
	c := matrixCase{handler: func(w nethttp.ResponseWriter, _ *nethttp.Request, _ func(string, error)) { io.WriteString(w, "behind") }}
	got := s.exchange(t, c, stack(observing, http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{})))
	if got.Failed || got.Status != nethttp.StatusOK || got.Body != "behind" || got.Header.Get("X-Late") != "" {
		t.Errorf("the other request got status %d, %v, %q", got.Status, got.Header, got.Body)
	}
}

// complaints returns the lines of a server's log about a handler's calls. The HTTP/2
// writer logs none.
func complaints(log string) []string {
	var found []string
	for line := range strings.Lines(log) {
		if strings.Contains(line, "response.Write") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// kind returns the text of an error without what depends on the protocol.
func kind(err error) string {
	for _, known := range []error{nethttp.ErrBodyNotAllowed, nethttp.ErrHijacked, nethttp.ErrNotSupported, nethttp.ErrContentLength} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if err != nil && strings.Contains(err.Error(), "declared Content-Length") { // from the HTTP/2 writer
		return nethttp.ErrContentLength.Error()
	}
	return fmt.Sprint(err)
}

func compareOutcomes(t *testing.T, want, got *outcome) {
	t.Helper()
	for _, o := range []*outcome{want, got} {
		delete(o.Header, "Date")
		// How much of an incomplete response arrives depends on buffers.
		if o.Failed {
			o.Body, o.Length = "", 0
		}
	}
	if want.Failed && got.Failed {
		// Whether its header arrives does too.
		got.Status, got.Header, got.Trailer = want.Status, want.Header, want.Trailer
	}
	if got.Length != want.Length && want.Length == -1 && got.Length == got.bodyLength() {
		// A held body has a length, where the bare server sends chunks.
		got.Length = -1
		delete(got.Header, "Content-Length")
	}
	if want.http2() {
		got.Complaints = want.Complaints
		if want.get != nil {
			// Whether a call returns an error depends on the client's next frame.
			got.Notes = want.Notes
		}
	}
	show := func(o *outcome) string {
		body := o.Body
		if len(body) > 80 {
			body = fmt.Sprintf("%s... (%d bytes)", body[:80], len(body))
		}
		return fmt.Sprintf("failed %v, 1xx %v, status %d, header %v, trailer %v, length %d, body %q, handler %v, complaints %q",
			o.Failed, o.Infos, o.Status, o.Header, o.Trailer, o.Length, body, o.Notes, o.Complaints)
	}
	if w, g := show(want), show(got); w != g || want.Body != got.Body {
		t.Errorf("the client and handler saw\n\t%s\nof a bare server\n\t%s", g, w)
	}
}

// observing is minimal middleware that uses the shared Writer.
func observing(next nethttp.Handler) nethttp.Handler {
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		turn := response.Enter(w, r)
		defer turn.End()
		next.ServeHTTP(turn.Writer, turn.Request)
		turn.Returned = true
	})
}

func staged(s testStage) func(nethttp.Handler) nethttp.Handler {
	return func(next nethttp.Handler) nethttp.Handler {
		return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			response.Serve(next, w, r, s)
		})
	}
}

// A testStage holds up to limit bytes and then passes or encodes them.
type testStage struct {
	pass, encode bool
	limit        int
}

func (s testStage) Hold(w *response.Writer, h nethttp.Header) (int, bool) {
	return s.limit, !s.pass
}

func (s testStage) Release(w *response.Writer, h nethttp.Header, body []byte, why response.Cause) (int, []byte, response.Encoder) {
	if !s.encode || len(body) == 0 || w.Request().Method == nethttp.MethodHead || h.Get("Content-Range") != "" {
		return w.Status(), body, nil
	}
	if h.Get("Content-Type") == "" && len(body) > 0 {
		h.Set("Content-Type", nethttp.DetectContentType(body))
	}
	h.Del("Content-Length")
	h.Set("X-Encoded", "rot")
	return w.Status(), body, rotEncoder{w.Sink()}
}

// A rotEncoder flips the low bit of each byte and writes a mark at the end.
type rotEncoder struct{ w io.Writer }

func (e rotEncoder) Write(p []byte) (int, error) {
	return e.w.Write(flip(p))
}

func (e rotEncoder) Flush() error { return nil }
func (e rotEncoder) Abandon()     {}
func (e rotEncoder) Close() error {
	_, err := io.WriteString(e.w, "$")
	return err
}

func flip(p []byte) []byte {
	out := make([]byte, len(p))
	for i, b := range p {
		out[i] = b ^ 1
	}
	return out
}

// rot decodes the output of rotEncoder.
func rot(t *testing.T, c matrixCase, want, got *outcome) {
	if got.Header.Get("X-Encoded") == "" {
		return
	}
	got.Header.Del("X-Encoded")
	if got.Failed {
		if strings.HasSuffix(got.Body, "$") {
			t.Error("a response that was cut short ends with the encoder's mark")
		}
		return
	}
	body, ok := strings.CutSuffix(got.Body, "$")
	if !ok {
		t.Errorf("a whole response of %d bytes does not end with the encoder's mark", len(got.Body))
	}
	got.Body = string(flip([]byte(body)))
	// Encoding changes the length and the framing.
	got.Header.Del("Content-Length")
	if n := want.Header.Get("Content-Length"); n != "" {
		got.Header.Set("Content-Length", n)
	}
	got.Length = want.Length
}
