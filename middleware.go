package http

import (
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/cors"
	"github.com/stanza-go/framework/pkg/http/internal/header"
	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
	"github.com/stanza-go/framework/pkg/http/internal/response"
	"github.com/stanza-go/framework/pkg/http/internal/response/compress"
	"github.com/stanza-go/framework/pkg/http/internal/response/etag"
	"github.com/stanza-go/framework/pkg/http/internal/secureheaders"
)

// RequestIDConfig sets up [RequestID]. The zero value is ready to use.
type RequestIDConfig struct {
	// Header is the field that carries the id in requests and responses.
	// Empty means X-Request-ID. It must be a valid field name.
	Header string

	// Generator makes a new id. Nil means a random UUID (version 4). It must
	// be safe for concurrent use. What it returns must be 1 to 128 visible
	// ASCII characters; anything else is replaced by a UUID.
	Generator func() string
}

// RequestID returns middleware that gives each request an id, sends it in the
// response's header, and keeps it for [GetRequestID] and the logger.
//
// An id that came with the request is kept, so that one id follows a request
// through several services, but only if there is exactly one and it is 1 to
// 128 visible ASCII characters. The id is untrusted: clients can send any
// value.
//
// If several RequestID apply to a request, for example on the router and on a
// group, the id of the first stays, and the others send it too if their Header
// is another.
//
// It belongs first in the chain, so that all other middleware know the id. It
// panics if config is not valid.
func RequestID(config RequestIDConfig) Middleware {
	name := config.Header
	if name == "" {
		name = "X-Request-ID"
	}
	if !header.IsToken(name) {
		callsite.Panicf("RequestIDConfig.Header: %q is not a field name", name)
	}
	name = CanonicalHeaderKey(name)
	return func(next Handler) Handler {
		return &requestIDHandler{field: name, generate: config.Generator, next: next}
	}
}

// A requestIDHandler is the handler that RequestID makes.
type requestIDHandler struct {
	field    string        // canonical name of the field that carries the id
	generate func() string // may be nil
	next     Handler
}

// ServeHTTP implements [Handler].
func (h *requestIDHandler) ServeHTTP(w ResponseWriter, r *Request) {
	turn := response.Enter(w, r)
	defer turn.End()
	id := turn.State.ID()
	if id == "" {
		id = turn.State.SetID(h.choose(r.Header[h.field]))
	}
	response.SetHeader(turn.Writer, h.field, id)
	h.next.ServeHTTP(turn.Writer, turn.Request)
	turn.Returned = true
}

// choose returns the id for a request that was sent with these ids.
func (h *requestIDHandler) choose(sent []string) string {
	if len(sent) == 1 && validRequestID(sent[0]) {
		return sent[0]
	}
	if h.generate != nil {
		if id := h.generate(); validRequestID(id) {
			return id
		}
	}
	return reqstate.NewID()
}

// GetRequestID returns the id that [RequestID] gave the request, or "" where
// that middleware is not in the chain.
func GetRequestID(r *Request) string {
	if state := reqstate.Of(r.Context()); state != nil {
		return state.ID()
	}
	return ""
}

// maxRequestID is the longest id that is accepted.
const maxRequestID = 128

// validRequestID reports whether id may be sent and logged.
func validRequestID(id string) bool {
	return len(id) <= maxRequestID && header.IsVisible(id)
}

// A LogOption changes what [RequestLogger] writes.
type LogOption func(*requestLog)

// LogSkip omits the line of requests for which skip returns true, such as health
// checks. RequestLogger calls skip after the handler has returned, when r.Pattern
// is set. See [LogAttrs] for what r does not have.
func LogSkip(skip func(r *Request) bool) LogOption {
	if skip == nil {
		callsite.Panicf("LogSkip: nil function")
	}
	return func(l *requestLog) { l.skip = append(l.skip, skip) }
}

// LogAttrs adds the attributes that attrs returns to the end of each line.
// RequestLogger calls attrs after the handler has returned, when r.Pattern is
// set.
//
// r is the request that RequestLogger passed on. If middleware or handlers
// further in add values to the context, they do so in a copy of the request, so
// attrs does not see those values. For example, to log a user that
// authentication finds, add that middleware before RequestLogger.
//
// Query strings and header fields often contain secrets; choose what to log with
// care.
func LogAttrs(attrs func(r *Request) []slog.Attr) LogOption {
	if attrs == nil {
		callsite.Panicf("LogAttrs: nil function")
	}
	return func(l *requestLog) { l.attrs = append(l.attrs, attrs) }
}

// RequestLogger returns middleware that writes one line for each request when
// its handler returns or panics: message "http request" with the attributes
// method, path (without the query, which is never logged; percent-encoded if it
// has characters that are not printable), status, duration (a
// [time.Duration], which slog's JSON handler writes in nanoseconds), bytes (of
// the body as sent), remote_ip (see [ClientIP]), request_id where there is one,
// and pattern, the route that matched, where one did. The level is Error
// for a status of 500 and more and for a panic, else Info. A hijacked
// connection is logged with status 101 when its handler returns.
//
// Handlers get a logger that names the request's id in each line from
// [LoggerFromContext]; [WriteServerError] uses it. A nil logger means
// [slog.Default], looked up for each request.
//
// It belongs after [RequestID] and [Metrics.Middleware] and before everything
// else, so that status, bytes and duration are those the client saw.
func RequestLogger(logger *slog.Logger, options ...LogOption) Middleware {
	l := &requestLog{logger: logger}
	for _, option := range options {
		if option == nil {
			callsite.Panicf("RequestLogger: nil option")
		}
		option(l)
	}
	return func(next Handler) Handler {
		return &requestLogHandler{requestLog: l, next: next}
	}
}

// requestLog is what RequestLogger was given.
type requestLog struct {
	logger *slog.Logger
	skip   []func(*Request) bool
	attrs  []func(*Request) []slog.Attr
}

// A requestLogHandler is the handler that RequestLogger makes.
type requestLogHandler struct {
	*requestLog
	next Handler
}

// ServeHTTP implements [Handler].
func (h *requestLogHandler) ServeHTTP(w ResponseWriter, r *Request) {
	start := time.Now()
	logger := cmp.Or(h.logger, slog.Default())
	turn := response.Enter(w, r)
	defer turn.End()
	turn.State.SetLogger(logger)

	defer h.write(logger, &turn, start)
	h.next.ServeHTTP(turn.Writer, turn.Request)
	turn.Returned = true
}

// write writes the line of one request.
func (l *requestLog) write(logger *slog.Logger, turn *response.Turn, start time.Time) {
	cw, r := turn.Writer, turn.Request
	status, level := turn.Status(), slog.LevelInfo
	if status >= 500 || !turn.Returned {
		level = slog.LevelError
	}
	ctx := r.Context()
	if !logger.Enabled(ctx, level) {
		return
	}
	pattern := cw.State().Pattern()
	if len(l.skip)+len(l.attrs) > 0 {
		r = withPattern(r, pattern)
	}
	for _, skip := range l.skip {
		if skip(r) {
			return
		}
	}
	now := time.Now()
	attrs := [8]slog.Attr{
		slog.String("method", printable(r.Method)),
		slog.String("path", printablePath(r)),
		slog.Int("status", status),
		slog.Duration("duration", now.Sub(start)),
		slog.Int64("bytes", cw.Bytes()),
		slog.String("remote_ip", ClientIP(r)),
	}
	line := attrs[:6]
	if id := GetRequestID(r); id != "" {
		line = append(line, slog.String("request_id", id))
	}
	if pattern != "" {
		line = append(line, slog.String("pattern", pattern))
	}
	// The call site would be this line, for every request; it is left out.
	record := slog.NewRecord(now, level, "http request", 0)
	record.AddAttrs(line...)
	for _, more := range l.attrs {
		record.AddAttrs(more(r)...)
	}
	_ = logger.Handler().Handle(ctx, record) // as slog.Logger itself does: there is nowhere to report it
}

// withPattern returns r with the pattern of the route that matched. A router
// has set it in r, unless it was given a copy; then r is not the handler's, and
// is copied, because whoever passed the copy on may still read r.
func withPattern(r *Request, pattern string) *Request {
	if pattern == "" || r.Pattern == pattern {
		return r
	}
	r = r.WithContext(r.Context())
	r.Pattern = pattern
	return r
}

// printablePath returns the request's path for a log: decoded if all of it is
// printable, and else percent-encoded, as it was sent. It is "" if the request
// has no URL.
func printablePath(r *Request) string {
	switch {
	case r.URL == nil:
		return ""
	case isPrintable(r.URL.Path):
		return r.URL.Path
	}
	return r.URL.EscapedPath()
}

// printable returns text from a client for a log: as it is if all of it is
// printable, and else as a quoted Go string.
func printable(text string) string {
	if isPrintable(text) {
		return text
	}
	return strconv.Quote(text)
}

// isPrintable reports whether text holds nothing that a terminal or a reader
// could take for more than text, such as a line break, an escape sequence, a
// character that changes the direction of others, or bytes that are not UTF-8.
func isPrintable(text string) bool {
	if header.IsVisible(text) {
		return true
	}
	for _, c := range text {
		if c == unicode.ReplacementChar || !unicode.IsPrint(c) {
			return false
		}
	}
	return true
}

// LoggerFromContext returns the logger of the request that ctx belongs to:
// the one put there last by [RequestLogger], which names the request's id in
// each line, or by [ContextWithLogger]. Where there is none it returns
// [slog.Default]; it never returns nil. It is safe for concurrent use.
func LoggerFromContext(ctx context.Context) *slog.Logger {
	if l, ok := ctx.Value(reqstate.LoggerKey{}).(*slog.Logger); ok {
		return l
	}
	return slog.Default()
}

// ContextWithLogger returns a copy of ctx that carries logger, for
// [LoggerFromContext] to find. A nil logger stands for [slog.Default].
func ContextWithLogger(ctx context.Context, logger *slog.Logger) context.Context {
	if logger == nil {
		logger = slog.Default()
	}
	return context.WithValue(ctx, reqstate.LoggerKey{}, logger)
}

// CompressConfig sets up [Compress]. The zero value is ready to use.
type CompressConfig struct {
	// Level is gzip's compression level, from 1 (fastest) to 9 (smallest). 0 and
	// -1 ([compress/gzip.DefaultCompression]) mean 6. Other values panic.
	Level int

	// MinSize is the length in bytes from which a body is compressed. 0 means
	// 1024; use 1 to compress all.
	MinSize int

	// ContentTypes are the media types that are compressed, each the beginning
	// of a type, for example "application/json". "text/" and "text/*" select
	// all text types, and "+json" all types with that suffix. Other uses of *
	// panic. If nil, text, JSON, JavaScript and XML are compressed, including
	// all types with the suffix +json or +xml, such as
	// application/problem+json and image/svg+xml. Event streams are never
	// compressed.
	ContentTypes []string

	// Encoders are more content codings, in order of preference, all before
	// the built-in gzip. One named "gzip" replaces it. Among the codings that
	// a client likes best, the first in this order is used.
	Encoders []CompressEncoder
}

// A CompressEncoder is a content coding for [CompressConfig].
type CompressEncoder struct {
	// Name is the coding's registered name, such as "zstd" or "br".
	Name string

	// New returns a new writer; Reset is called before its first use. It must
	// be safe for concurrent use. The writer must write only while one of its
	// methods runs: give zstd.NewWriter the option WithEncoderConcurrency(1).
	New func() CompressWriter

	// Reuse lets a writer serve one response after another, which saves much
	// time if a new one is expensive, as those of zstd and brotli are. Set it
	// only if nothing else uses the writers that New returns: a writer used
	// from outside would write into whichever response it serves then. If it
	// is not set, each response gets a new writer.
	Reuse bool
}

// A CompressWriter compresses what is written to it. Those of compress/gzip,
// github.com/klauspost/compress/zstd and github.com/andybalholm/brotli are
// CompressWriters. After a response that was cut short, Reset and Close are
// called to release the writer.
type CompressWriter interface {
	// Write compresses p; the output may come later.
	Write(p []byte) (int, error)
	// Flush makes all that was written so far decodable.
	Flush() error
	// Close ends the compressed stream.
	Close() error
	// Reset starts a new stream on w, without ending the current one.
	Reset(w io.Writer)
}

// Compress returns middleware that compresses bodies for clients that accept
// it, as their Accept-Encoding tells (RFC 9110 §12.5.3), with gzip or one of
// [CompressConfig].Encoders.
//
// It holds a body back until MinSize bytes are there, or a flush or the end of
// the handler, and then compresses it if it is large enough or flushed before
// its end, and its type (sniffed if the handler set none) is among
// ContentTypes. A smaller body is compressed only for a client that refuses
// identity. An Accept-Encoding of more than 64 elements is ignored.
//
// A response that would be different for another Accept-Encoding gets Vary:
// Accept-Encoding. This includes small bodies, and the statuses 206, 304, 412
// and 416 of whatever could be compressed in a 200. An answer to HEAD has the
// header of that to GET, but Content-Length is left out if only compressing
// the body would give it.
//
// Left alone are responses without a body, partial ones, event streams,
// hijacked connections, and responses that have a Content-Encoding or
// Cache-Control: no-transform. Set the latter if a response has both a secret
// and text of the client's choosing, so that the secret cannot be guessed by
// the compressed length (the BREACH attack).
//
// If a compressed response has Accept-Ranges, that is dropped and a strong
// ETag is made weak, since both speak of the bytes before.
//
// It belongs before [ETag], so that tags are of the plain body, and after
// [RequestLogger], so that the bytes logged are those sent. It panics if
// config is not valid.
func Compress(config CompressConfig) Middleware {
	stage := newCompressStage(config)
	return func(next Handler) Handler { return compress.NewHandler(stage, next) }
}

// compressedTypes is the default of CompressConfig.ContentTypes.
func compressedTypes() []string {
	return []string{"text/", "application/json", "application/javascript", "application/xml", "+json", "+xml"}
}

func newCompressStage(config CompressConfig) *compress.Stage {
	config.check()
	level := config.Level
	if level == 0 || level == gzip.DefaultCompression {
		level = 6
	}
	stage := &compress.Stage{MinSize: cmp.Or(config.MinSize, 1024), Types: slices.Clone(config.ContentTypes)}
	if stage.Types == nil {
		stage.Types = compressedTypes()
	}
	for i, t := range stage.Types {
		stage.Types[i], _ = compress.ParseType(t) // checked above
	}
	replaced := false
	for _, e := range config.Encoders {
		name := strings.ToLower(e.Name)
		replaced = replaced || name == "gzip"
		stage.Add(name, func() compress.Resetter { return e.New() }, e.Reuse)
	}
	if !replaced {
		stage.Add("gzip", func() compress.Resetter {
			zw, _ := gzip.NewWriterLevel(io.Discard, level) // checked above
			return zw
		}, true)
	}
	return stage
}

// check panics if a field is wrong.
func (c *CompressConfig) check() {
	var wrong callsite.FieldErrors
	if c.Level < gzip.DefaultCompression || c.Level > gzip.BestCompression {
		wrong.Addf("Level", "%d is not from 1 to 9", c.Level)
	}
	if c.MinSize < 0 {
		wrong.Addf("MinSize", "%d is negative", c.MinSize)
	}
	for i, t := range c.ContentTypes {
		if _, ok := compress.ParseType(t); !ok {
			wrong.Addf(fmt.Sprintf("ContentTypes[%d]", i), `%q is not the beginning of a media type, such as "application/json"`+
				` or "text/*", or a suffix, such as "+json"`, t)
		}
	}
	seen := map[string]bool{}
	for i, e := range c.Encoders {
		field, name := fmt.Sprintf("Encoders[%d]", i), strings.ToLower(e.Name)
		switch {
		case !header.IsToken(name) || name == "identity":
			wrong.Addf(field+".Name", "%q is not a content coding", e.Name)
		case seen[name]:
			wrong.Addf(field+".Name", "%q is listed twice", e.Name)
		}
		if e.New == nil {
			wrong.Addf(field+".New", "nil function")
		}
		seen[name] = true
	}
	wrong.PanicIfAny("CompressConfig")
}

// ETagConfig sets up [ETag]. The zero value is ready to use.
type ETagConfig struct {
	// Weak makes the tags weak ones (W/"..."), which promise that two bodies
	// mean the same and not that they are the same bytes.
	Weak bool

	// MaxSize is the size in bytes of the largest body that is tagged. Each
	// response is held back in memory until it is complete or exceeds MaxSize;
	// then it is streamed without a tag. Zero means 1 MiB. It must not be
	// negative.
	MaxSize int
}

// ETag returns middleware that tags answers with a checksum of their body, and
// answers 304 without a body to a client whose If-None-Match shows that it
// has the same body already (RFC 9110 §8.8.3, §13.1.2; tags are compared
// weakly, lists and * are understood).
//
// It applies to answers of 200 to GET and HEAD with a body of up to
// [ETagConfig].MaxSize bytes, 1 MiB by default, that is not flushed before its
// end. Other responses are left alone, and so are
// those with an ETag or with Accept-Ranges: their handler, for example
// [ServeContent], answers conditions and ranges itself and would not know the
// tag. The handler runs in any case: only the transfer is saved. A 304 keeps
// ETag, Vary, Cache-Control, Expires, Content-Location, Set-Cookie and the
// like, and loses the fields that describe the body.
//
// It belongs after [Compress], so that a tag does not depend on the coding. It
// panics if config is not valid.
func ETag(config ETagConfig) Middleware {
	if config.MaxSize < 0 {
		callsite.Panicf("ETagConfig.MaxSize: %d is negative", config.MaxSize)
	}
	stage := &etag.Stage{Weak: config.Weak, MaxSize: cmp.Or(config.MaxSize, 1<<20)}
	return func(next Handler) Handler { return etag.NewHandler(stage, next) }
}

// SecureHeadersConfig chooses the fields that [SecureHeaders] sends. Strings are
// sent as they are; "-" leaves a field out, and the zero value means what is
// said for each.
type SecureHeadersConfig struct {
	// ContentTypeOptions is X-Content-Type-Options. The default and only other
	// value than "-" is "nosniff": browsers believe the Content-Type.
	ContentTypeOptions string

	// FrameOptions is X-Frame-Options: "DENY", the default, keeps all pages
	// from framing this site's, "SAMEORIGIN" all but its own. To allow others,
	// use "-" and frame-ancestors in ContentSecurityPolicy.
	FrameOptions string

	// ReferrerPolicy is Referrer-Policy. The default,
	// "strict-origin-when-cross-origin", tells other sites the origin that a
	// user came from and nothing more.
	ReferrerPolicy string

	// XSSProtection is X-XSS-Protection. The default, "0", turns off a filter in
	// old browsers that was itself a way to attack.
	XSSProtection string

	// PermissionsPolicy is Permissions-Policy. The default,
	// "camera=(), microphone=(), geolocation=()", turns these off for the site
	// and everything that it frames.
	PermissionsPolicy string

	// ContentSecurityPolicy is Content-Security-Policy. It is left out by
	// default, since which sources are right only the application knows.
	ContentSecurityPolicy string

	// HSTSMaxAge is for how many seconds browsers that reach the site over
	// HTTPS must not go back to plain HTTP (Strict-Transport-Security,
	// RFC 6797). Zero, the default, leaves the field out. The field is sent
	// over plain HTTP too, where browsers ignore it, because TLS often ends at
	// a proxy.
	HSTSMaxAge int

	// HSTSIncludeSubdomains extends that to all subdomains. It needs HSTSMaxAge.
	HSTSIncludeSubdomains bool

	// HSTSPreload lets browser makers build the rule into their browsers, which
	// takes months to undo. It needs HSTSIncludeSubdomains and an HSTSMaxAge of
	// at least 31536000, a year.
	HSTSPreload bool
}

// SecureHeaders returns middleware that sets the header fields that make
// browsers careful, on every response. It panics if a value could not be sent
// or browsers would not heed it.
//
// The fields are set before the handler runs, so a handler that sets or deletes
// one of them has the last word, and so has SecureHeaders on a group over
// SecureHeaders on the router. Put it outside everything that may answer by
// itself (CORS, rate limits, authentication), so that refusals have the fields
// too. On which side of [Compress] and [ETag] it stands makes no difference.
func SecureHeaders(config SecureHeadersConfig) Middleware {
	fields, wrong := secureheaders.Compile(secureheaders.Config(config))
	wrong.PanicIfAny("SecureHeadersConfig")
	return func(next Handler) Handler {
		return &secureheaders.Handler{Fields: fields, Next: next}
	}
}

// CORSConfig says which pages of other origins may use an API, and for what.
// [CORS] checks all of it when it is called.
type CORSConfig struct {
	// AllowOrigins lists the origins whose pages may call and read. The zero
	// value lets none. An entry is one of
	//
	//   - an origin, such as "https://app.example.com" or
	//     "http://localhost:5173": scheme, host and, unless it is the scheme's
	//     default, port, with nothing behind them;
	//   - a pattern such as "https://*.example.com", where "*." stands for one
	//     label or more: https://a.example.com and https://a.b.example.com are
	//     in it, https://example.com, other ports and other schemes are not.
	//     Allow one only if nobody else can get a name under that domain,
	//     which for *.github.io or *.co.uk is not so;
	//   - "*" for all origins, which AllowCredentials forbids;
	//   - "null" for pages without an origin of their own, which anyone can
	//     make; AllowCredentials forbids it too.
	AllowOrigins []string

	// AllowMethods lists the methods that a preflight may ask for; HEAD comes
	// with GET. The default is GET, POST, PUT, DELETE, PATCH and OPTIONS. Names
	// are case-sensitive. "*" is any method, but not with AllowCredentials.
	//
	// Leaving out GET or POST does not keep pages from sending plain ones, for
	// which browsers ask nobody.
	AllowMethods []string

	// AllowHeaders lists the request header fields that a preflight may ask
	// for, in any case. The default is Origin, Content-Type, Accept and
	// Authorization; a list of your own takes its place, so name what of it you
	// still want. "*" is any field but Authorization, which has to be listed
	// beside it, and has no place with AllowCredentials. A preflight for more
	// than 64 fields is refused if "*" is listed, and otherwise one that names
	// far more than are listed.
	AllowHeaders []string

	// ExposeHeaders lists response header fields that scripts may read beside
	// the few that they always may, such as Content-Type. "*" is all of them,
	// but not with AllowCredentials.
	ExposeHeaders []string

	// AllowCredentials lets requests from allowed origins carry cookies and
	// other credentials of the user, and so act as the user.
	AllowCredentials bool

	// MaxAge is for how many seconds a browser may remember the answer to a
	// preflight. Zero means 86400, a day, which some browsers cut to their own
	// maximum; a negative value means not at all.
	MaxAge int
}

// CORS returns middleware that lets pages of other origins use an API, by the
// CORS protocol of the Fetch standard. It panics if the configuration has a
// mistake in it or would be open to every site on the internet.
//
// A preflight, that is OPTIONS with the fields Origin and
// Access-Control-Request-Method, is answered here with 204 and never reaches
// the handler; other OPTIONS requests do. A refused preflight gets a 204 too,
// without any of the fields that browsers look for. Requests that are no
// preflight always reach the handler, since it is the browser that keeps the
// answer from a page that may not read it: CORS is no protection against
// forged requests (see [CrossOriginProtection] for that).
//
// Unless AllowOrigins has "*", every response gets Vary: Origin, refused and
// same-origin ones too, so that caches keep the answers to different origins
// apart. If all origins are allowed, all get the same answer, and caches may
// share it. Answers to OPTIONS also vary on the two fields of a preflight.
// Handlers should therefore add to Vary and not replace it.
//
// CORS belongs on the router, not on a group: a preflight is for a path that
// has no route for OPTIONS as a rule, and the middleware of a group runs only
// for the routes in it. In the chain, put it behind whatever should see
// preflights (logging, metrics, [SecureHeaders]) and before authentication,
// because browsers send preflights without credentials.
func CORS(config CORSConfig) Middleware {
	policy, wrong := cors.New(cors.Config(config))
	wrong.PanicIfAny("CORSConfig")
	return func(next Handler) Handler {
		return &cors.Handler{Policy: policy, Next: next}
	}
}

// Recovery returns middleware that turns a panic of the handler into an
// answer of 500 with the body {"error":"internal server error"}. The header
// fields that described the lost answer are dropped (see [WriteError]).
//
// If the header was sent already, the client must not take what it got for a
// whole answer: the connection, or the HTTP/2 stream, is aborted. After a
// hijacking the connection is closed. [ErrAbortHandler] is the handler's way
// to ask for just that; it is passed on and onPanic does not see it.
//
// onPanic is told the value and the stack of every other panic, before the
// answer is written; a panic of its own is logged and goes no further. Nil
// means to recover silently: the panic is then not reported at all.
//
// It belongs last in the chain, next to the handlers, so that the other
// middleware see the 500 like any other answer. Panics of middleware before
// it are left to the server, which logs them and cuts the connection.
func Recovery(onPanic func(recovered any, stack []byte)) Middleware {
	return func(next Handler) Handler { return &recoveryHandler{onPanic: onPanic, next: next} }
}

// A recoveryHandler is the handler that Recovery makes.
type recoveryHandler struct {
	onPanic func(recovered any, stack []byte) // may be nil
	next    Handler
}

// ServeHTTP implements [Handler].
func (h *recoveryHandler) ServeHTTP(w ResponseWriter, r *Request) {
	g := panicGuard{turn: response.Observe(w, r), onPanic: h.onPanic}
	defer g.end()
	h.next.ServeHTTP(g.turn.Writer, g.turn.Request)
	g.turn.Returned = true
}

// A panicGuard is around one call of a handler, whose panic it recovers from.
type panicGuard struct {
	turn    response.Turn
	onPanic func(recovered any, stack []byte)
}

// end must be deferred.
func (g *panicGuard) end() {
	defer g.turn.End()
	if g.turn.Returned {
		return // without asking for a panic, which takes a walk over the stack
	}
	v := recover()
	switch {
	case v == nil: // the goroutine exits
		return
	case v == any(http.ErrAbortHandler):
		g.turn.Writer.CloseHijacked()
		panic(v)
	}
	reportPanic(g.turn.Request, g.onPanic, v)
	answerPanic(g.turn.Writer)
}

// reportPanic calls onPanic, which must not make things worse.
func reportPanic(r *Request, onPanic func(any, []byte), v any) {
	if onPanic == nil {
		return
	}
	defer logSecondPanic(r, v)
	onPanic(v, debug.Stack())
}

// logSecondPanic recovers from a panic of onPanic, which was called with first.
// It must be deferred.
func logSecondPanic(r *Request, first any) {
	if again := recover(); again != nil {
		LoggerFromContext(r.Context()).Error("http: panic in the callback of Recovery",
			slog.Any("panic", again), slog.Any("reported", first))
	}
}

// answerPanic replaces the response by a 500 where that is still possible.
func answerPanic(cw *response.Writer) {
	switch {
	case cw.Hijacked():
		cw.CloseHijacked()
	case cw.Ended():
		// A middleware that ran the handler on a goroutine has not waited for
		// it: nobody awaits an answer, nor would recover from a panic here.
	case cw.Reset():
		WriteError(cw, StatusInternalServerError, "internal server error")
	default:
		panic(http.ErrAbortHandler)
	}
}

// MaxBody returns middleware that lets handlers read at most n bytes of a
// request's body. Reading beyond them fails with a [MaxBytesError], which
// [ReadJSON] turns into [ErrBodyTooLarge] and [BindJSON] into a 400, and the
// server closes an HTTP/1 connection after the response rather than take in the
// rest. MaxBody panics if n is not positive.
//
// Nothing is read ahead and Content-Length is not looked at: a handler that
// does not read the body answers a large one as any other.
//
// Requests whose Content-Type is multipart/* are exempt, so that a tight limit
// can stand on the router while upload handlers set their own with
// [MaxBytesReader]. As it is the client that says what the type is, a handler
// that reads a body without looking at the type should limit it too; the JSON
// functions of this package always do. Of several MaxBody in one chain the
// smallest counts.
//
// Put it inside [SecureHeaders] and before [CORS].
func MaxBody(n int64) Middleware {
	if n <= 0 {
		callsite.Panicf("MaxBody: the limit is %d bytes, it must be positive", n)
	}
	return func(next Handler) Handler { return &maxBodyHandler{limit: n, next: next} }
}

// A maxBodyHandler is the handler that MaxBody makes.
type maxBodyHandler struct {
	limit int64
	next  Handler
}

// ServeHTTP implements [Handler].
func (h *maxBodyHandler) ServeHTTP(w ResponseWriter, r *Request) {
	if r.Body == nil || r.Body == NoBody || isMultipart(r) {
		h.next.ServeHTTP(w, r)
		return
	}
	// The server uses the body of its own request to decide whether to keep the
	// connection, so MaxBody changes only the copy.
	turn := response.Enter(w, r)
	defer turn.End()
	// The server learns from its own writer that the limit was exceeded.
	turn.Request.Body = MaxBytesReader(response.Innermost(w), turn.Request.Body, h.limit)
	h.next.ServeHTTP(turn.Writer, turn.Request)
	turn.Returned = true
}

// isMultipart reports whether the body is said to be of a multipart type.
func isMultipart(r *Request) bool {
	const prefix = "multipart/"
	contentType := strings.TrimLeft(r.Header.Get("Content-Type"), " \t")
	return len(contentType) >= len(prefix) && header.EqualFold(contentType[:len(prefix)], prefix)
}
