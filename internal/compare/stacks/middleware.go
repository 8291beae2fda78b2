package stacks

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	nethttp "net/http"
	"sync"
	"time"

	"github.com/gin-contrib/requestid"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	chimw "github.com/go-chi/chi/v5/middleware"
	"github.com/labstack/echo/v5"
	echomw "github.com/labstack/echo/v5/middleware"

	"github.com/stanza-go/framework/pkg/http"
)

// Middleware returns rows for each middleware alone, with responses of two
// sizes, and rows without middleware as a baseline. All contestants have a
// router with one route. The logs go to out.
func Middleware(out io.Writer) []Row {
	var rows []Row
	for _, size := range []struct {
		name  string
		bytes int
	}{{"200B", 200}, {"10KB", 10 << 10}} {
		body, err := json.Marshal(NewItem(size.bytes))
		if err != nil {
			panic(err)
		}
		for _, row := range (answer{body}).rows(out) {
			row.Name, row.Size = row.Name+"-"+size.name, size.bytes
			rows = append(rows, row)
		}
	}
	return append(rows, answer{}.preflight())
}

// rows returns the rows that exist for each size.
func (a answer) rows(out io.Writer) []Row {
	rows := []Row{
		a.none(), a.requestID(), a.requestLogger(out), a.compress(), a.etag(), a.secureHeaders(), a.cors(), a.recovery(),
		a.maxBody(), a.rateLimit(),
	}
	if a.large() {
		rows = append(rows, a.compressKlauspost())
	}
	return rows
}

// An answer is the JSON body that handlers write. They do little else.
type answer struct{ body []byte }

// large reports whether the response should be compressed.
func (a answer) large() bool { return len(a.body) >= gzipMinSize }

// path is the path of the route.
const path = "/api/items"

// ServeHTTP reads the request's body, if any, and writes the response.
func (a answer) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	if r.Method == nethttp.MethodPost {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(nethttp.StatusRequestEntityTooLarge)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(a.body)
}

func (a answer) onStanza(mw ...http.Middleware) nethttp.Handler {
	router := http.NewRouter()
	router.Use(mw...)
	router.Handle("GET "+path, a)
	router.Handle("POST "+path, a)
	return router
}

func (a answer) onMux() *nethttp.ServeMux {
	mux := nethttp.NewServeMux()
	mux.Handle("GET "+path, a)
	mux.Handle("POST "+path, a)
	return mux
}

func (a answer) onChi(mw ...func(nethttp.Handler) nethttp.Handler) nethttp.Handler {
	router := chi.NewRouter()
	router.Use(mw...)
	router.Method("GET", path, a)
	router.Method("POST", path, a)
	return router
}

func (a answer) onEcho(mw ...echo.MiddlewareFunc) nethttp.Handler {
	e := echo.New()
	e.Use(mw...)
	h := func(c *echo.Context) error {
		a.ServeHTTP(c.Response(), c.Request())
		return nil
	}
	e.GET(path, h)
	e.POST(path, h)
	return e
}

func (a answer) onGin(mw ...gin.HandlerFunc) nethttp.Handler {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.Use(mw...)
	h := func(c *gin.Context) { a.ServeHTTP(c.Writer, c.Request) }
	g.GET(path, h)
	g.POST(path, h)
	return g
}

// newRequest returns a request like one that a server has read.
func newRequest(method, path string) *nethttp.Request {
	r, err := nethttp.NewRequest(method, path, nethttp.NoBody)
	if err != nil {
		panic(err)
	}
	r.RequestURI, r.Host, r.RemoteAddr = path, "api.example.org", "192.0.2.1:1234"
	return r
}

// get returns a GET request whose header has the given names and values.
func get(header ...string) *nethttp.Request {
	r := newRequest(nethttp.MethodGet, path)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func (a answer) none() Row {
	return Row{Name: "none", Request: get(), Fields: []string{"Content-Type"}, Contestants: []Contestant{
		{"stanza", a.onStanza()},
		{"net-http", a.onMux()},
		{"chi", a.onChi()},
		{"echo", a.onEcho()},
		{"gin", a.onGin()},
	}}
}

// requestID compares random IDs, and chi's counter.
func (a answer) requestID() Row {
	return Row{Name: "RequestID", Request: get(), Fields: []string{"X-Request-Id"}, Contestants: []Contestant{
		{"stanza", a.onStanza(http.RequestID(http.RequestIDConfig{}))},
		{"chi", a.onChi(chimw.RequestID, sendChiRequestID)},
		{"echo", a.onEcho(echomw.RequestID())},
		{"gin", a.onGin(requestid.New())},
	}}
}

// requestLogger compares log lines with seven attributes. There is no request
// ID.
func (a answer) requestLogger(out io.Writer) Row {
	return Row{Name: "RequestLogger", Request: get(), Logs: true, Contestants: []Contestant{
		{"stanza", a.onStanza(http.RequestLogger(newLogger(out)))},
		{"chi", a.onChi(chiLogger(out), logChiPattern)},
		{"echo", a.onEcho(echoLogger(out))},
		{"gin", a.onGin(ginLogger(out))},
	}, Beside: []Contestant{{"slog", bareLine(a.onMux(), out, len(a.body))}}}
}

// bareLine logs a line with as many attributes as the others, most of them
// constants.
func bareLine(next nethttp.Handler, out io.Writer, size int) nethttp.Handler {
	logger := newLogger(out)
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		next.ServeHTTP(w, r)
		logger.LogAttrs(r.Context(), slog.LevelInfo, "http request",
			slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", nethttp.StatusOK),
			slog.Duration("duration", time.Microsecond), slog.Int("bytes", size), slog.String("remote_ip", "192.0.2.1"),
			slog.String("pattern", r.Pattern))
	})
}

// compress leaves out contestants without a minimum size if the response is
// small, because the others do not compress it.
func (a answer) compress() Row {
	row := Row{Name: "Compress", Request: get("Accept-Encoding", "gzip"), Contestants: []Contestant{
		{"stanza", a.onStanza(http.Compress(http.CompressConfig{}))},
		{"gzhttp", a.onChi(klauspostGzip())},
		{"echo", a.onEcho(echoGzip())},
	}}
	if a.large() {
		row.Fields, row.Coding = []string{"Vary"}, "gzip"
		row.Contestants = append(row.Contestants,
			Contestant{"chi", a.onChi(chimw.Compress(gzipLevel, "application/json"))},
			Contestant{"gin", a.onGin(ginGzip())})
		row.Beside = []Contestant{{"compress-gzip", a.bareGzip(newGzip())}}
	}
	return row
}

// compressKlauspost compares contestants that use klauspost's compressor.
func (a answer) compressKlauspost() Row {
	config := http.CompressConfig{Encoders: []http.CompressEncoder{klauspostEncoder()}}
	return Row{
		Name: "Compress-klauspost", Request: get("Accept-Encoding", "gzip"), Fields: []string{"Vary"}, Coding: "gzip",
		Contestants: []Contestant{
			{"stanza", a.onStanza(http.Compress(config))},
			{"gzhttp", a.onChi(klauspostGzip())},
		},
		Beside: []Contestant{{"klauspost-gzip", a.bareGzip(newKlauspost())}},
	}
}

// bareGzip returns a handler that only compresses.
func (a answer) bareGzip(zw http.CompressWriter) nethttp.Handler {
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		zw.Reset(w)
		zw.Write(a.body)
		zw.Close()
	})
}

// etag compares with hand-written middleware, because the peers have none.
func (a answer) etag() Row {
	return Row{Name: "ETag", Request: get(), Fields: []string{"Etag"}, Contestants: []Contestant{
		{"stanza", a.onStanza(http.ETag(http.ETagConfig{}))},
		{"hand", a.onChi(handETag)},
	}}
}

// handETag is hand-written middleware that adds ETags.
func handETag(next nethttp.Handler) nethttp.Handler {
	pool := sync.Pool{New: func() any { return new(heldResponse) }}
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		held := pool.Get().(*heldResponse)
		defer pool.Put(held)
		held.ResponseWriter, held.status = w, 0
		held.body.Reset()
		next.ServeHTTP(held, r)
		status := cmp.Or(held.status, nethttp.StatusOK)
		if status == nethttp.StatusOK {
			tag := fmt.Sprintf(`"%08x"`, crc32.ChecksumIEEE(held.body.Bytes()))
			w.Header().Set("ETag", tag)
			if r.Header.Get("If-None-Match") == tag {
				w.WriteHeader(nethttp.StatusNotModified)
				return
			}
		}
		w.WriteHeader(status)
		w.Write(held.body.Bytes())
	})
}

// A heldResponse holds back a response until its body is complete.
type heldResponse struct {
	nethttp.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader stores the status.
func (h *heldResponse) WriteHeader(status int) { h.status = status }

// Write stores a part of the body.
func (h *heldResponse) Write(p []byte) (int, error) { return h.body.Write(p) }

func (a answer) secureHeaders() Row {
	return Row{Name: "SecureHeaders", Request: get(), Fields: secureFields(), Contestants: []Contestant{
		{"stanza", a.onStanza(http.SecureHeaders(http.SecureHeadersConfig{}))},
		{"hand", a.onChi(secureHeaders)},
		{"chi", a.onChi(
			chimw.SetHeader("X-Content-Type-Options", contentTypeOptions),
			chimw.SetHeader("X-Frame-Options", frameOptions),
			chimw.SetHeader("Referrer-Policy", referrerPolicy),
			chimw.SetHeader("X-XSS-Protection", xssProtection),
			chimw.SetHeader("Permissions-Policy", permissions),
		)},
		{"echo", a.onEcho(echoSecure(), echo.WrapMiddleware(permissionsPolicy))},
		{"gin", a.onGin(ginSecure(), ginMoreHeaders)},
	}}
}

func (a answer) cors() Row {
	return Row{Name: "CORS", Request: get("Origin", Origin), Fields: []string{"Access-Control-Allow-Origin"},
		Contestants: a.corsContestants()}
}

// preflight compares responses to the preflight of a PUT request.
func (a answer) preflight() Row {
	r := get("Origin", Origin, "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "content-type")
	r.Method = nethttp.MethodOptions
	return Row{Name: "CORS-preflight", Request: r, Fields: []string{"Access-Control-Allow-Origin", "Access-Control-Max-Age"},
		Status: nethttp.StatusNoContent, Contestants: a.corsContestants()}
}

func (a answer) corsContestants() []Contestant {
	return []Contestant{
		{"stanza", a.onStanza(stanzaCORS())},
		{"rs-cors", a.onChi(rsCORS())},
		{"chi", a.onChi(chiCORS())},
		{"jub0bs", a.onChi(jub0bsCORS())},
		{"echo", a.onEcho(echoCORS())},
		{"gin", a.onGin(ginCORS())},
	}
}

// recovery measures the cost of middleware for recovery if the handler does not
// panic.
func (a answer) recovery() Row {
	return Row{Name: "Recovery", Request: get(), Contestants: []Contestant{
		{"stanza", a.onStanza(http.Recovery(nil))},
		{"chi", a.onChi(chimw.Recoverer)},
		{"echo", a.onEcho(echomw.Recover())},
		{"gin", a.onGin(gin.Recovery())},
	}}
}

func (a answer) maxBody() Row {
	r := get("Content-Type", "application/json")
	r.Method = nethttp.MethodPost
	return Row{Name: "MaxBody", Request: r, Body: `{"name":"Somebody Else","email":"somebody@example.com"}`, Contestants: []Contestant{
		{"stanza", a.onStanza(http.MaxBody(maxBody))},
		{"net-http", nethttp.MaxBytesHandler(a.onMux(), maxBody)},
		{"chi", a.onChi(chimw.RequestSize(maxBody))},
		{"echo", a.onEcho(echomw.BodyLimit(maxBody))},
		{"gin", a.onGin(ginBodyLimit)},
	}}
}

// rateLimit leaves out echo, whose limiter uses token buckets instead of
// counters, and gin, which has no limiter.
func (a answer) rateLimit() Row {
	const limit = 1 << 30
	return Row{
		Name: "RateLimit", Request: get(KeyField, "somebody"), Fields: []string{"X-Ratelimit-Limit", "X-Ratelimit-Remaining"},
		Contestants: []Contestant{
			{"stanza", a.onStanza(stanzaRate(limit))},
			{"httprate", a.onChi(httprateRate(limit))},
			{"ulule", a.onChi(ululeRate(limit))},
		},
	}
}
