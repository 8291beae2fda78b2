package http_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	stanza "github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/capture"
)

// The matrix runs every case of matrixCases through every middleware of
// matrixChains, over HTTP/1.1 and HTTP/2, and compares what the client and
// the handler saw with what they see of a bare net/http server. A middleware
// joins by one line in matrixChains; where it is meant to change something,
// its settle function takes that change back, after checking it.

// A matrixChain is one column of the matrix.
type matrixChain struct {
	name string
	wrap func(http.Handler) http.Handler
	// settle removes from got the differences that are the middleware's
	// purpose. want is the bare server's outcome. Nil allows none.
	settle func(t *testing.T, c matrixCase, want, got *outcome)
}

func matrixChains() []matrixChain {
	return []matrixChain{
		{name: "observer", wrap: observing},
		{name: "three observers", wrap: stack(observing, observing, observing)},
		{name: "stage that passes", wrap: staged(testStage{pass: true})},
		{name: "stage that holds 10 bytes", wrap: staged(testStage{limit: 10})},
		{name: "stage that holds 1 MiB", wrap: staged(testStage{limit: 1 << 20})},
		{name: "stage that encodes", wrap: staged(testStage{limit: 3, encode: true}), settle: rot},
		{name: "stages and observers", wrap: stack(observing, staged(testStage{limit: 10}), observing,
			staged(testStage{limit: 1 << 20}), observing)},

		{name: "RequestID", wrap: stanza.RequestID(stanza.RequestIDConfig{}), settle: withoutRequestID},
		{name: "Metrics", wrap: stanza.NewMetrics().Middleware()},
		{name: "RequestLogger", wrap: stanza.RequestLogger(slog.New(slog.DiscardHandler))},
		{name: "Compress", wrap: stanza.Compress(stanza.CompressConfig{}), settle: decompressed},
		{name: "ETag", wrap: stanza.ETag(stanza.ETagConfig{}), settle: withoutETag},
		{name: "SecureHeaders", wrap: stanza.SecureHeaders(stanza.SecureHeadersConfig{}), settle: withoutSecureHeaders},
		{name: "MaxBody", wrap: stanza.MaxBody(1 << 20)},
		{name: "CORS", wrap: stanza.CORS(stanza.CORSConfig{AllowOrigins: []string{"*"}}), settle: withoutCORS},
		{name: "RateLimit", wrap: stanza.RateLimit(stanza.RateLimitConfig{Limit: 1e6}), settle: withoutRateLimit},
		{name: "Recovery", wrap: stanza.Recovery(nil), settle: recovered},
		{name: "documented chain", wrap: documentedChain(), settle: settleAll},
		{name: "documented chain backwards", wrap: backwards(documented()), settle: settleAll},
	}
}

// documented is the chain of the README, in its order.
func documented() []func(http.Handler) http.Handler {
	return []func(http.Handler) http.Handler{
		stanza.RequestID(stanza.RequestIDConfig{}),
		stanza.NewMetrics().Middleware(),
		stanza.RequestLogger(slog.New(slog.DiscardHandler)),
		stanza.Compress(stanza.CompressConfig{}),
		stanza.ETag(stanza.ETagConfig{}),
		stanza.SecureHeaders(stanza.SecureHeadersConfig{}),
		stanza.MaxBody(1 << 20),
		stanza.CORS(stanza.CORSConfig{AllowOrigins: []string{"*"}}),
		stanza.Recovery(nil),
	}
}

func documentedChain() func(http.Handler) http.Handler { return stack(documented()...) }

func backwards(wraps []func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	slices.Reverse(wraps)
	return stack(wraps...)
}

// settleAll takes back what the whole chain is meant to change.
func settleAll(t *testing.T, c matrixCase, want, got *outcome) {
	recovered(t, c, want, got)
	withoutRequestID(t, c, want, got)
	withoutSecureHeaders(t, c, want, got)
	withoutCORS(t, c, want, got)
	decompressed(t, c, want, got)
	withoutETag(t, c, want, got)
}

func withoutRequestID(t *testing.T, c matrixCase, want, got *outcome) {
	if got.Status == 0 || c.name == "hijack" && !want.http2() {
		return // nothing of the middleware's is sent
	}
	if id := got.Header.Get("X-Request-Id"); len(id) != 36 {
		t.Errorf("X-Request-ID is %q, want a UUID", id)
	}
	got.Header.Del("X-Request-Id")
}

func withoutSecureHeaders(t *testing.T, c matrixCase, want, got *outcome) {
	if got.Status == 0 || c.name == "hijack" && !want.http2() {
		return // nothing of the middleware's is sent
	}
	for name, value := range secureDefaults() {
		if !slices.Equal(got.Header[name], value) {
			t.Errorf("%s is %q, want %q", name, got.Header[name], value)
		}
		got.Header.Del(name)
	}
}

func withoutRateLimit(t *testing.T, c matrixCase, want, got *outcome) {
	if got.Status == 0 || c.name == "hijack" && !want.http2() {
		return // nothing of the middleware's is sent
	}
	for _, name := range []string{"X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"} {
		if len(got.Header[name]) != 1 {
			t.Errorf("%s is %q, want one value", name, got.Header[name])
		}
		got.Header.Del(name)
	}
}

func withoutCORS(t *testing.T, c matrixCase, want, got *outcome) {
	if got.Status == 0 || c.name == "hijack" && !want.http2() {
		return // nothing of the middleware's is sent
	}
	if origin := got.Header.Get("Access-Control-Allow-Origin"); origin != "*" {
		t.Errorf("Access-Control-Allow-Origin is %q, want *", origin)
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

// decompressed undoes gzip, which must be there just when it helps.
func decompressed(t *testing.T, c matrixCase, want, got *outcome) {
	vary := got.Header.Get("Vary")
	if vary != "" && vary != "Accept-Encoding" {
		t.Errorf("Vary is %q", vary)
	}
	got.Header.Del("Vary")
	if got.Header.Get("Content-Encoding") != "gzip" {
		return
	}
	if vary == "" {
		t.Error("a compressed response without Vary")
	}
	zr, err := gzip.NewReader(strings.NewReader(got.Body))
	if err == nil {
		var plain []byte
		plain, err = io.ReadAll(zr)
		got.Body = string(plain)
	}
	if got.Failed != (err != nil) {
		t.Errorf("the transfer failed: %v, but the decoder says %v", got.Failed, err)
	}
	got.Header.Del("Content-Encoding")
	for _, name := range []string{"Content-Length", "Accept-Ranges"} {
		got.Header.Del(name)
		if v := want.Header.Get(name); v != "" {
			got.Header.Set(name, v)
		}
	}
	got.Length = want.Length
}

// withoutETag checks and removes the tag that ETag adds to a plain 200.
func withoutETag(t *testing.T, c matrixCase, want, got *outcome) {
	tag := got.Header.Get("Etag")
	if tag == "" || tag == want.Header.Get("Etag") {
		return
	}
	if got.Status != http.StatusOK || len(tag) != 18 || strings.Contains(c.name, "flush") {
		t.Errorf("status %d has the tag %q", got.Status, tag)
	}
	got.Header.Del("Etag")
}

// recovered makes of want what Recovery makes of a panic before the response
// has left.
func recovered(t *testing.T, c matrixCase, want, got *outcome) {
	early := c.name == "panic before a write" ||
		c.name == "panic after a write" && got.Status == http.StatusInternalServerError
	if !early {
		return
	}
	const body = `{"error":"internal server error"}`
	want.Failed, want.Status, want.Body, want.Length = false, 500, body, int64(len(body))
	want.Header = http.Header{"Content-Type": {"application/json"}, "Content-Length": {fmt.Sprint(len(body))}}
}

// A matrixCase is one row: a handler and the request that is sent to it.
type matrixCase struct {
	name    string
	proto   string // the only one it is for, if any
	method  string // GET if empty
	header  http.Header
	handler func(w http.ResponseWriter, r *http.Request, note func(string, error))
}

func matrixCases(file string) []matrixCase {
	type note = func(string, error)
	write := func(w io.Writer, s string, note note) {
		_, err := io.WriteString(w, s)
		note("write", err)
	}
	return []matrixCase{
		{name: "empty handler", handler: func(http.ResponseWriter, *http.Request, note) {}},
		{name: "short body", handler: func(w http.ResponseWriter, _ *http.Request, note note) {
			w.Header().Set("Content-Type", "text/plain")
			write(w, "short", note)
		}},
		{name: "body in many writes", handler: func(w http.ResponseWriter, _ *http.Request, note note) {
			for range 50 {
				write(w, strings.Repeat("x", 100), note)
			}
		}},
		{name: "type sniffed from small writes", handler: func(w http.ResponseWriter, _ *http.Request, note note) {
			write(w, "<!doctype html><html><p>"+strings.Repeat("y", 5000), note)
		}},
		{name: "status without body", handler: func(w http.ResponseWriter, _ *http.Request, _ note) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusFound)
		}},
		{name: "status twice", handler: func(w http.ResponseWriter, _ *http.Request, note note) {
			w.WriteHeader(http.StatusTeapot)
			w.WriteHeader(http.StatusOK)
			write(w, "tea", note)
		}},
		{name: "header after the status", handler: func(w http.ResponseWriter, _ *http.Request, note note) {
			w.WriteHeader(http.StatusOK)
			w.Header().Set("X-Late", "1")
			write(w, "late", note)
		}},
		{name: "1xx, then 404", handler: func(w http.ResponseWriter, _ *http.Request, note note) {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusProcessing)
			w.Header().Del("Link")
			w.WriteHeader(http.StatusNotFound)
			write(w, "not here", note)
		}},
		{name: "flush first", handler: func(w http.ResponseWriter, _ *http.Request, note note) {
			note("flush", http.NewResponseController(w).Flush())
			write(w, "after the flush", note)
			note("flush", http.NewResponseController(w).Flush())
			write(w, "the end", note)
		}},
		{name: "flush through the interface", handler: func(w http.ResponseWriter, _ *http.Request, note note) {
			write(w, "ab", note)
			w.(http.Flusher).Flush()
			write(w, "cd", note)
		}},
		{name: "flush only", handler: func(w http.ResponseWriter, _ *http.Request, note note) {
			note("flush", http.NewResponseController(w).Flush())
		}},
		{name: "panic before a write", handler: func(http.ResponseWriter, *http.Request, note) {
			panic("before")
		}},
		{name: "panic after a write", handler: func(w http.ResponseWriter, _ *http.Request, note note) {
			write(w, "some of it", note)
			panic("after")
		}},
		{name: "panic after a flush", handler: func(w http.ResponseWriter, _ *http.Request, note note) {
			write(w, "some of it", note)
			note("flush", http.NewResponseController(w).Flush())
			panic("after")
		}},
		{name: "abort before a write", handler: func(http.ResponseWriter, *http.Request, note) {
			panic(http.ErrAbortHandler)
		}},
		{name: "abort after a large write", handler: func(w http.ResponseWriter, _ *http.Request, note note) {
			write(w, strings.Repeat("z", 3<<20), note)
			panic(http.ErrAbortHandler)
		}},
		{name: "hijack", handler: hijacks},
		{name: "ReadFrom a file", handler: func(w http.ResponseWriter, _ *http.Request, note note) {
			f, err := os.Open(file)
			if err != nil {
				panic(err)
			}
			defer f.Close()
			n, err := io.Copy(w, f)
			note(fmt.Sprint("copied ", n), err)
		}},
		{name: "ReadFrom an empty source", handler: func(w http.ResponseWriter, _ *http.Request, note note) {
			n, err := io.Copy(w, struct{ io.Reader }{strings.NewReader("")})
			note(fmt.Sprint("copied ", n), err)
			w.WriteHeader(http.StatusAccepted)
		}},
		{name: "204", handler: func(w http.ResponseWriter, _ *http.Request, _ note) {
			w.WriteHeader(http.StatusNoContent)
		}},
		{name: "204 with a body", handler: func(w http.ResponseWriter, _ *http.Request, note note) {
			w.WriteHeader(http.StatusNoContent)
			write(w, "never sent", note)
		}},
		{name: "304", handler: func(w http.ResponseWriter, _ *http.Request, note note) {
			w.Header().Set("ETag", `"x"`)
			w.WriteHeader(http.StatusNotModified)
			_, err := w.Write([]byte("never sent"))
			note("write", err)
		}},
		{name: "HEAD", method: http.MethodHead, handler: func(w http.ResponseWriter, _ *http.Request, note note) {
			write(w, "never sent", note)
		}},
		{name: "HEAD with a length", method: http.MethodHead, handler: func(w http.ResponseWriter, _ *http.Request, _ note) {
			w.Header().Set("Content-Length", "12345")
			w.WriteHeader(http.StatusOK)
		}},
		{name: "range", header: http.Header{"Range": {"bytes=10-19"}}, handler: func(w http.ResponseWriter, r *http.Request, _ note) {
			http.ServeFile(w, r, file)
		}},
		{name: "whole file", handler: func(w http.ResponseWriter, r *http.Request, _ note) {
			http.ServeFile(w, r, file)
		}},
		// HTTP/2's own writer breaks the response off.
		{name: "body longer than its length", proto: "HTTP/1.1", handler: func(w http.ResponseWriter, _ *http.Request, note note) {
			w.Header().Set("Content-Length", "6")
			write(w, "abc", note)
			write(w, "def", note)
			write(w, "ghijklmnopqrst", note)
		}},
		{name: "body shorter than its length", handler: func(w http.ResponseWriter, _ *http.Request, note note) {
			w.Header().Set("Content-Length", "20")
			write(w, "abcdefghijkl", note)
		}},
		{name: "deadlines and full duplex", handler: func(w http.ResponseWriter, _ *http.Request, note note) {
			rc := http.NewResponseController(w)
			note("write deadline", rc.SetWriteDeadline(time.Now().Add(time.Hour)))
			note("full duplex", rc.EnableFullDuplex())
			write(w, "done", note)
		}},
		{name: "trailers", handler: func(w http.ResponseWriter, _ *http.Request, note note) {
			w.Header().Set("Trailer", "X-Sum")
			write(w, "body", note)
			w.Header().Set("X-Sum", "4")
			w.Header().Set(http.TrailerPrefix+"X-More", "5")
		}},
		{name: "unannounced trailers", handler: func(w http.ResponseWriter, _ *http.Request, note note) {
			// Too much for a server's buffer, however well it is compressed.
			write(w, incompressible(64<<10), note)
			w.Header().Set(http.TrailerPrefix+"X-More", "5")
		}},
	}
}

// incompressible returns n characters of noise, the same each time.
func incompressible(n int) string {
	noise := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, n)
	for i := range text {
		text[i] = ' ' + byte(noise.IntN(95))
	}
	return string(text)
}

func hijacks(w http.ResponseWriter, r *http.Request, note func(string, error)) {
	conn, _, err := http.NewResponseController(w).Hijack()
	note("hijack", err)
	if err != nil {
		w.WriteHeader(http.StatusNotImplemented)
		return
	}
	defer conn.Close()
	_, err = w.Write([]byte("x"))
	note("write after hijack", err)
	io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nraw")
}

// An outcome is what the client and the handler saw of one exchange.
type outcome struct {
	Infos   []string // 1xx responses with their Link fields
	Status  int
	Header  http.Header
	Trailer http.Header
	Length  int64
	Body    string
	Failed  bool     // no response, or a body that broke off
	Notes   []string // results of calls in the handler
	Proto   string
}

func (o *outcome) http2() bool { return o.Proto == "HTTP/2" }

// clone copies what a comparison may change.
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
	for _, proto := range []string{"HTTP/1.1", "HTTP/2"} {
		t.Run(proto, func(t *testing.T) {
			bare := map[string]*outcome{}
			cases := slices.DeleteFunc(matrixCases(file), func(c matrixCase) bool {
				return c.proto != "" && c.proto != proto
			})
			for _, c := range cases {
				bare[c.name] = exchange(t, proto, c, func(h http.Handler) http.Handler { return h })
			}
			for _, chain := range matrixChains() {
				t.Run(chain.name, func(t *testing.T) {
					t.Parallel()
					for _, c := range cases {
						t.Run(c.name, func(t *testing.T) {
							want, got := bare[c.name].clone(), exchange(t, proto, c, chain.wrap)
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

// exchange serves one request of c from a real server behind wrap.
func exchange(t *testing.T, proto string, c matrixCase, wrap func(http.Handler) http.Handler) *outcome {
	t.Helper()
	out := &outcome{Proto: proto}
	returned := make(chan struct{})
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.handler(w, r, func(what string, err error) { out.Notes = append(out.Notes, what+": "+kind(err)) })
	})
	chain := wrap(inner)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(returned)
		chain.ServeHTTP(w, r)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	if proto == "HTTP/2" {
		srv.EnableHTTP2 = true
		srv.StartTLS()
	} else {
		srv.Start()
	}
	defer srv.Close()

	method := c.method
	if method == "" {
		method = http.MethodGet
	}
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		out.Infos = append(out.Infos, fmt.Sprint(code, h["Link"]))
		return nil
	}}
	ctx := httptrace.WithClientTrace(context.Background(), trace)
	req, err := http.NewRequestWithContext(ctx, method, srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(req.Header, c.header)
	client := srv.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	// A broken exchange is not repeated: the handler would run again.
	req.Header.Set("Accept-Encoding", "gzip")
	client.Transport.(*http.Transport).DisableKeepAlives = true

	resp, err := client.Do(req)
	if err != nil {
		out.Failed = true
	} else {
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		out.Status, out.Header, out.Trailer = resp.StatusCode, resp.Header, resp.Trailer
		out.Length, out.Body, out.Failed = resp.ContentLength, string(body), err != nil
		if resp.Proto != proto && resp.Proto != proto+".0" {
			t.Errorf("the server spoke %s, want %s", resp.Proto, proto)
		}
	}
	<-returned
	return out
}

// kind names an error by what a caller can tell of it.
func kind(err error) string {
	for _, known := range []error{http.ErrBodyNotAllowed, http.ErrHijacked, http.ErrNotSupported, http.ErrContentLength} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return fmt.Sprint(err)
}

func compareOutcomes(t *testing.T, want, got *outcome) {
	t.Helper()
	for _, o := range []*outcome{want, got} {
		delete(o.Header, "Date")
		// How much of a broken response arrives depends on buffers on the way.
		if o.Failed {
			o.Body, o.Length = "", 0
		}
	}
	if want.Failed && got.Failed {
		// Whether the header got out before the break does too.
		got.Status, got.Header, got.Trailer = want.Status, want.Header, want.Trailer
	}
	if got.Length != want.Length && want.Length == -1 && got.Length == int64(len(got.Body)) {
		// A held body has a length where the bare server's was chunked.
		got.Length = -1
		delete(got.Header, "Content-Length")
	}
	show := func(o *outcome) string {
		body := o.Body
		if len(body) > 80 {
			body = fmt.Sprintf("%s... (%d bytes)", body[:80], len(body))
		}
		return fmt.Sprintf("failed %v, 1xx %v, status %d, header %v, trailer %v, length %d, body %q, handler %v",
			o.Failed, o.Infos, o.Status, o.Header, o.Trailer, o.Length, body, o.Notes)
	}
	if w, g := show(want), show(got); w != g || want.Body != got.Body {
		t.Errorf("the client and handler saw\n\t%s\nof a bare server\n\t%s", g, w)
	}
}

// stack composes wrappers, the first outermost.
func stack(wraps ...func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		for _, wrap := range slices.Backward(wraps) {
			h = wrap(h)
		}
		return h
	}
}

// observing is the least that a middleware on a shared Writer can be.
func observing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, state := capture.WithState(w, r)
		defer state.Release()
		cw := capture.Observe(w, r)
		defer cw.Done()
		next.ServeHTTP(cw, r)
	})
}

func staged(s testStage) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			capture.Serve(next, w, r, s)
		})
	}
}

// testStage holds up to limit bytes and then passes or encodes them.
type testStage struct {
	pass, encode bool
	limit        int
}

func (s testStage) Hold(w *capture.Writer, h http.Header) (int, bool) {
	return s.limit, !s.pass
}

func (s testStage) Release(w *capture.Writer, h http.Header, body []byte, why capture.Cause) (int, []byte, capture.Encoder) {
	if !s.encode || len(body) == 0 || w.Request().Method == http.MethodHead || h.Get("Content-Range") != "" {
		return w.Status(), body, nil
	}
	if h.Get("Content-Type") == "" && len(body) > 0 {
		h.Set("Content-Type", http.DetectContentType(body))
	}
	h.Del("Content-Length")
	h.Set("X-Encoded", "rot")
	return w.Status(), body, rotEncoder{w.Next()}
}

// rotEncoder flips the low bit of each byte and ends with a mark.
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

// rot decodes what rotEncoder wrote.
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
	// The encoded length differs from the bare one, and so does the framing.
	got.Header.Del("Content-Length")
	if n := want.Header.Get("Content-Length"); n != "" {
		got.Header.Set("Content-Length", n)
	}
	got.Length = want.Length
}
