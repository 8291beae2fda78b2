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

// RequestIDConfig configures [RequestID]. The zero value is ready to use.
type RequestIDConfig struct {
	// Header is the name of the header field that carries the ID in requests
	// and responses. If empty, "X-Request-ID" is used.
	Header string

	// Generator returns a new ID, which must consist of 1 to 128 visible ASCII
	// characters; RequestID replaces other results with a UUID. If nil, IDs are
	// random UUIDs (version 4). Generator must be safe for concurrent use by
	// multiple goroutines.
	Generator func() string
}

// RequestID returns middleware that gives each request an ID. The ID is sent in the
// response header, returned by [GetRequestID], and added to each line that is logged
// with the request's logger; see [LoggerFromContext].
//
// If the request has a valid ID in the header field, RequestID keeps it, so that one
// ID follows a request through several services. An ID is valid if it consists of 1
// to 128 visible ASCII characters and the field occurs only once; otherwise
// RequestID generates a new ID. The ID is untrusted: clients can send any value.
//
// If RequestID is applied more than once, for example on the router and on a group,
// the request keeps its first ID, and each RequestID sends that ID in its own header
// field.
//
// Add RequestID first in the chain, so that all other middleware can use the ID.
// RequestID panics if config.Header is not a valid header field name.
func RequestID(config RequestIDConfig) Middleware {
	name := config.Header
	if name == "" {
		name = "X-Request-ID"
	}
	if !header.IsToken(name) {
		callsite.Panicf("RequestIDConfig.Header: %q is not a valid header field name", name)
	}
	name = CanonicalHeaderKey(name)
	return func(next Handler) Handler {
		return &requestIDHandler{field: name, generate: config.Generator, next: next}
	}
}

// A requestIDHandler is the handler of [RequestID].
type requestIDHandler struct {
	field    string        // canonical name of the header field
	generate func() string // may be nil
	next     Handler
}

// ServeHTTP implements [Handler].
func (h *requestIDHandler) ServeHTTP(w ResponseWriter, r *Request) {
	turn, pass := response.EnterState(w, r)
	defer turn.End()
	id := turn.State.ID()
	if id == "" {
		id = turn.State.SetID(h.choose(r.Header[h.field]))
	}
	turn.SetHeader(pass, h.field, id)
	h.next.ServeHTTP(pass, turn.Request)
	turn.Returned = true
}

// choose returns the ID for a request that came with the given IDs.
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

// GetRequestID returns the ID that [RequestID] gave the request, or "" if the request
// has not passed through RequestID.
func GetRequestID(r *Request) string { return RequestIDFromContext(r.Context()) }

// RequestIDFromContext is like [GetRequestID], for code that has only the request's
// context or one derived from it. For example, a function that calls another service
// can use it to send the ID along.
func RequestIDFromContext(ctx context.Context) string {
	if state := reqstate.Of(ctx); state != nil {
		return state.ID()
	}
	return ""
}

// maxRequestID is the maximum length of an ID.
const maxRequestID = 128

// validRequestID reports whether id is short and safe in headers and logs.
func validRequestID(id string) bool {
	return len(id) <= maxRequestID && header.IsVisible(id)
}

// A LogOption configures [RequestLogger].
type LogOption func(*requestLog)

// LogSkip omits the lines of requests for which skip returns true, for example
// health checks. If LogSkip is used more than once, a line is omitted if any of the
// functions returns true.
//
// RequestLogger calls skip after the handler has returned or panicked, so r.Pattern
// is set if a route matched. The context of r lacks values that later middleware
// has added; see [LogAttrs]. To decide by status or duration, use [LogFilter]. skip
// must be safe for concurrent use by multiple goroutines. LogSkip panics if skip is nil.
func LogSkip(skip func(r *Request) bool) LogOption {
	if skip == nil {
		callsite.Panicf("LogSkip: nil function")
	}
	return func(l *requestLog) { l.skip = append(l.skip, skip) }
}

// LogFilter omits the lines of requests for which keep returns false. For example, it can
// keep only errors and slow requests, or one in a hundred successful requests. If
// LogFilter is used more than once, a line is written only if all functions return true.
//
// The lines of requests whose handlers panicked are not omitted, because their status is
// 200 if the header had been sent. The duration of an event stream or a WebSocket is the time
// for which it was open, so a filter by duration should exclude their routes.
//
// status and duration are the attributes of the line. RequestLogger calls keep after the
// functions of [LogSkip], with the same r, and only if neither they nor the level of the
// logger omits the line. keep must be safe for concurrent use by multiple goroutines.
// LogFilter panics if keep is nil.
//
// An overloaded server may write many lines at level Error, for example because [Throttle]
// responds with status 503. keep can omit these lines; [Metrics] counts the rejected requests
// in http_requests_rejected_total.
func LogFilter(keep func(r *Request, status int, duration time.Duration) bool) LogOption {
	if keep == nil {
		callsite.Panicf("LogFilter: nil function")
	}
	return func(l *requestLog) { l.keep = append(l.keep, keep) }
}

// LogAttrs appends the attributes that attrs returns to each line.
//
// RequestLogger calls attrs after the handler has returned or panicked, so r.Pattern
// is set if a route matched. attrs must be safe for concurrent use by multiple
// goroutines. LogAttrs panics if attrs is nil.
//
// r is the request that RequestLogger passed to the next handler. Later middleware
// adds values to the context of a copy of r, so attrs does not see those values. To log
// such values, for example the user, call [AddLogAttrs] where they become known.
//
// Query strings and header fields often contain secrets, so choose carefully what
// to log.
func LogAttrs(attrs func(r *Request) []slog.Attr) LogOption {
	if attrs == nil {
		callsite.Panicf("LogAttrs: nil function")
	}
	return func(l *requestLog) { l.attrs = append(l.attrs, attrs) }
}

// RequestLogger returns middleware that logs one line for each request when its
// handler returns or panics.
//
// # Attributes
//
// The message is "http request", with these attributes:
//
//   - method
//   - path, without the query, and percent-encoded if it contains unprintable
//     characters
//   - status
//   - duration, a [time.Duration], which [slog.JSONHandler] writes in nanoseconds
//   - bytes, the length of the response body as sent
//   - remote_ip, as returned by [ClientIP]
//   - request_id, if the request has an ID
//   - pattern, if a route matched
//   - the attributes that [LogAttrs] adds
//   - the attributes that handlers and middleware add with [AddLogAttrs]
//
// The level is Error if the status is 500 or higher or the handler panicked, and
// Info otherwise. A hijacked connection is logged when its handler returns, with
// status 101.
//
// # Loggers
//
// If logger is nil, RequestLogger calls [slog.Default] for each request.
//
// Handlers get the logger of their request from [LoggerFromContext]. This logger adds
// the request's ID to each line. [WriteServerError] uses the same logger.
//
// # Position in the chain
//
// Add RequestLogger after [RequestID] and [Metrics.Middleware] and before all other
// middleware, so that status, bytes and duration describe the response that the
// client receives. RequestLogger panics if an option is nil.
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

// A requestLog holds the arguments of [RequestLogger].
type requestLog struct {
	logger *slog.Logger
	skip   []func(*Request) bool
	keep   []func(*Request, int, time.Duration) bool
	attrs  []func(*Request) []slog.Attr
}

// A requestLogHandler is the handler of [RequestLogger].
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

// write logs the line of one request.
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
	if len(l.skip)+len(l.keep)+len(l.attrs) > 0 {
		r = withPattern(r, pattern)
	}
	now := time.Now()
	if l.omits(r, status, now.Sub(start), turn.Returned) {
		return
	}
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
	// The record has no source position, because it would be this line for every
	// request.
	record := slog.NewRecord(now, level, "http request", 0)
	record.AddAttrs(line...)
	for _, more := range l.attrs {
		record.AddAttrs(more(r)...)
	}
	record.AddAttrs(cw.State().LogAttrs()...)
	_ = logger.Handler().Handle(ctx, record) // slog.Logger drops it too: there is nowhere to report it
}

// omits reports whether an option omits the line of a request. returned is false if the
// handler panicked.
func (l *requestLog) omits(r *Request, status int, duration time.Duration, returned bool) bool {
	for _, skip := range l.skip {
		if skip(r) {
			return true
		}
	}
	for _, keep := range l.keep {
		if returned && !keep(r, status, duration) {
			return true
		}
	}
	return false
}

// withPattern returns r with the pattern of the route that matched. If the router
// was called with a copy of r, r.Pattern is not set. Then withPattern sets it in
// another copy, because the caller of RequestLogger may still be reading r.
func withPattern(r *Request, pattern string) *Request {
	if pattern == "" || r.Pattern == pattern {
		return r
	}
	r = r.WithContext(r.Context())
	r.Pattern = pattern
	return r
}

// printablePath returns the path of the request for a log. It is decoded if all its
// characters are printable, and percent-encoded otherwise. It is "" if the request
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

// printable returns text from a client for a log. Text with unprintable characters
// is quoted as a Go string.
func printable(text string) string {
	if isPrintable(text) {
		return text
	}
	return strconv.Quote(text)
}

// isPrintable reports whether text has only printable characters. For example, line
// breaks, escape sequences, characters that change the direction of text, and
// invalid UTF-8 are not printable, because they could forge or hide log lines.
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

// AddLogAttrs adds attributes to the line that [RequestLogger] writes for a request. ctx
// is the request's context, or one that is derived from it. Handlers and all middleware
// after RequestLogger can call AddLogAttrs. For example, authentication middleware can add
// the user's name.
//
// The attributes are written at the end of the line, in the order in which they were added.
// An attribute replaces an earlier one with the same key. Keys should differ from those of
// the line's other attributes. Values must not be modified afterwards.
//
// Without a RequestLogger, or after the handler of the request has returned, AddLogAttrs
// has no effect. It is safe for concurrent use by multiple goroutines.
func AddLogAttrs(ctx context.Context, attrs ...slog.Attr) {
	if state := reqstate.Of(ctx); state != nil && len(attrs) > 0 {
		state.AddLogAttrs(attrs)
	}
}

// LoggerFromContext returns the logger that [RequestLogger] or [ContextWithLogger]
// added to ctx, or [slog.Default] if there is none. The logger of RequestLogger adds
// the request's ID to each line. A logger that a handler or later middleware adds
// with ContextWithLogger replaces it. LoggerFromContext never returns nil. It is safe
// for concurrent use by multiple goroutines.
func LoggerFromContext(ctx context.Context) *slog.Logger {
	if l, ok := ctx.Value(reqstate.LoggerKey{}).(*slog.Logger); ok {
		return l
	}
	return slog.Default()
}

// ContextWithLogger returns a copy of ctx for which [LoggerFromContext] returns
// logger. If logger is nil, [slog.Default] is used.
func ContextWithLogger(ctx context.Context, logger *slog.Logger) context.Context {
	if logger == nil {
		logger = slog.Default()
	}
	return context.WithValue(ctx, reqstate.LoggerKey{}, logger)
}

// CompressConfig configures [Compress]. The zero value is ready to use.
type CompressConfig struct {
	// Level is the compression level of gzip, from 1 (fastest) to 9 (smallest).
	// If it is 0 or -1 ([compress/gzip.DefaultCompression]), 6 is used.
	Level int

	// MinSize is the minimum length in bytes of a body that is compressed. If
	// zero, 1024 is used. To compress all bodies, use 1.
	MinSize int

	// ContentTypes lists the media types that are compressed. An entry is one of:
	//
	//   - The beginning of a media type, for example "application/json" or
	//     "text/". A "*" is allowed only as the whole subtype: "text/*" means the
	//     same as "text/".
	//   - A suffix, for example "+json" for types such as
	//     application/problem+json.
	//
	// If nil, text, JSON, JavaScript and XML are compressed, including all types
	// with the suffix +json or +xml, such as image/svg+xml. If empty but not nil,
	// nothing is compressed. Event streams are never compressed.
	ContentTypes []string

	// Encoders lists additional content codings in order of preference. All of
	// them are preferred to the built-in gzip. An encoder with the name "gzip"
	// replaces it. If a client accepts several codings with the same weight,
	// the first in this order is used.
	Encoders []CompressEncoder
}

// A CompressEncoder is a content coding for [CompressConfig].
type CompressEncoder struct {
	// Name is the registered name of the coding, for example "zstd" or "br".
	Name string

	// New returns a new writer. Compress calls the writer's Reset before its
	// first use. New must be safe for concurrent use by multiple goroutines.
	//
	// The writer must write to its destination only while one of its methods is
	// running. For example, zstd.NewWriter needs the option
	// WithEncoderConcurrency(1).
	New func() CompressWriter

	// Reuse allows a writer to be used for many responses, one after the other.
	// This saves a lot of time if writers are expensive to create, as those for
	// zstd and brotli are. If false, each response gets a new writer.
	//
	// Set Reuse only if nothing else holds a reference to the writers that New
	// returns. A writer that is also used elsewhere could write into another
	// client's response.
	Reuse bool
}

// A CompressWriter compresses data. The writers of compress/gzip,
// github.com/klauspost/compress/zstd and github.com/andybalholm/brotli are
// CompressWriters. The methods of one writer are never called concurrently.
//
// If a response is cut short, Compress calls Reset and then Close to release the
// writer.
type CompressWriter interface {
	// Write compresses p. It may buffer the output.
	Write(p []byte) (int, error)
	// Flush writes enough output to decode everything written so far.
	Flush() error
	// Close writes the rest of the output and ends the compressed stream. It
	// does not close the destination.
	Close() error
	// Reset discards the current stream and starts a new one on w.
	Reset(w io.Writer)
}

// Compress returns middleware that compresses response bodies with gzip, or with
// one of [CompressConfig].Encoders, for clients that accept it in Accept-Encoding
// (RFC 9110 §12.5.3).
//
// # Bodies
//
// Compress holds back a body until MinSize bytes have been written, or until the
// handler flushes it or returns. It compresses the body if its media type matches
// ContentTypes, and the body has at least MinSize bytes or was flushed. If the
// handler does not set Content-Type, Compress uses the type that [DetectContentType]
// returns. Smaller bodies are compressed only if the client does not accept the
// coding "identity".
//
// An Accept-Encoding with more than 64 elements is ignored.
//
// The following responses are never compressed:
//
//   - responses without a body, partial responses and event streams;
//   - responses with Content-Encoding or with Cache-Control: no-transform;
//   - hijacked connections.
//
// # Header
//
// A response that depends on Accept-Encoding gets Vary: Accept-Encoding. So does a
// response whose body is too small to compress. A response with status 206, 304, 412
// or 416 gets it if the corresponding response with status 200 would.
//
// If the handler supports range requests, as [ServeContent] does, compression removes
// Accept-Ranges and makes a strong ETag weak, because both refer to the uncompressed
// bytes. The tags of other responses are not changed.
//
// A response to HEAD has the same header as the response to GET, but no
// Content-Length if its value is known only after compressing the body.
//
// # Secrets
//
// If a response contains both a secret and text chosen by the client, the length of
// the compressed body can reveal the secret (the BREACH attack). Set Cache-Control:
// no-transform on such responses.
//
// # Position in the chain
//
// Add Compress before [ETag], so that tags depend on the uncompressed body, and
// after [RequestLogger], so that it logs the number of bytes sent. Compress panics
// if config is invalid.
func Compress(config CompressConfig) Middleware {
	stage := newCompressStage(config)
	return func(next Handler) Handler { return compress.NewHandler(stage, next) }
}

// compressedTypes returns the default of CompressConfig.ContentTypes.
func compressedTypes() []string {
	return []string{"text/", "application/json", "application/javascript", "application/xml", "+json", "+xml"}
}

// newCompressStage checks config and applies the defaults.
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

// check panics if the configuration is invalid.
func (c *CompressConfig) check() {
	var wrong callsite.FieldErrors
	if c.Level < gzip.DefaultCompression || c.Level > gzip.BestCompression {
		wrong.Addf("Level", "%d is not between 1 and 9", c.Level)
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
			wrong.Addf(field+".Name", "%q is not a valid content coding name", e.Name)
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

// ETagConfig configures [ETag]. The zero value is ready to use.
type ETagConfig struct {
	// Weak makes the tags weak (W/"..."). Equal weak tags mean that two bodies
	// are equivalent, but not necessarily that they are equal byte for byte.
	Weak bool

	// MaxSize is the maximum length in bytes of a body that gets a tag. If zero,
	// 1 MiB is used. Each body is held in memory until it is complete or longer
	// than MaxSize; a longer body is then streamed without a tag.
	MaxSize int
}

// ETag returns middleware that sets the ETag of a response to a checksum of its
// body. If the If-None-Match of the request contains the tag, ETag responds with
// status 304 and no body (RFC 9110 §8.8.3, §13.1.2). Tags are compared weakly, and
// lists and "*" are supported.
//
// # Responses
//
// A response gets a tag if the method is GET or HEAD, its status is 200, and its body
// is complete, not empty, not flushed before its end, and at most
// [ETagConfig].MaxSize bytes long.
//
// Responses that already have ETag or Accept-Ranges are not changed. Their handlers,
// for example [ServeContent], evaluate conditions and ranges themselves.
//
// A response with status 304 keeps header fields such as ETag, Vary, Cache-Control,
// Expires, Content-Location and Set-Cookie. The fields that describe the body are
// removed. The handler always runs, so a 304 saves only the transfer.
//
// # Position in the chain
//
// Add ETag after [Compress], so that tags do not depend on the content coding. ETag
// panics if config.MaxSize is negative.
func ETag(config ETagConfig) Middleware {
	if config.MaxSize < 0 {
		callsite.Panicf("ETagConfig.MaxSize: %d is negative", config.MaxSize)
	}
	stage := &etag.Stage{Weak: config.Weak, MaxSize: cmp.Or(config.MaxSize, 1<<20)}
	return func(next Handler) Handler { return etag.NewHandler(stage, next) }
}

// SecureHeadersConfig configures [SecureHeaders]. For each string field, an empty
// string selects the default, and "-" omits the header field. The zero value is
// ready to use.
type SecureHeadersConfig struct {
	// ContentTypeOptions is the value of X-Content-Type-Options. The default,
	// "nosniff", makes browsers use the Content-Type instead of guessing it.
	// Other values are invalid.
	ContentTypeOptions string

	// FrameOptions is the value of X-Frame-Options. The default, "DENY", does
	// not allow any page to show the response in a frame. "SAMEORIGIN" allows
	// pages from the same origin. To allow other origins, use "-" and set
	// frame-ancestors in ContentSecurityPolicy. Other values are invalid.
	FrameOptions string

	// ReferrerPolicy is the value of Referrer-Policy. With the default,
	// "strict-origin-when-cross-origin", other sites learn only the origin of
	// the page that a user came from.
	ReferrerPolicy string

	// XSSProtection is the value of X-XSS-Protection. The default, "0", turns
	// off the XSS filter of old browsers, which attackers could exploit.
	XSSProtection string

	// PermissionsPolicy is the value of Permissions-Policy. The default,
	// "camera=(), microphone=(), geolocation=()", turns these features off for
	// the page and the frames in it.
	PermissionsPolicy string

	// ContentSecurityPolicy is the value of Content-Security-Policy. By default,
	// the header field is omitted, because a policy depends on the sources that
	// the application's pages load.
	ContentSecurityPolicy string

	// HSTSMaxAge is the time in seconds for which browsers must use HTTPS, after
	// a response over HTTPS (Strict-Transport-Security, RFC 6797). If zero, the
	// header field is omitted. Because TLS is often terminated by a proxy, the
	// field is also sent over plain HTTP, where browsers ignore it.
	HSTSMaxAge int

	// HSTSIncludeSubdomains makes browsers use HTTPS for all subdomains of the
	// host too. It requires HSTSMaxAge.
	HSTSIncludeSubdomains bool

	// HSTSPreload allows the domain to be added to the HSTS preload lists of
	// browsers, from which removal takes months. It requires
	// HSTSIncludeSubdomains and an HSTSMaxAge of at least 31536000 (a year).
	HSTSPreload bool
}

// SecureHeaders returns middleware that sets security headers on every response.
//
// The header fields are set before the handler runs, so a handler can change or
// delete them. In the same way, the fields that SecureHeaders sets on a group
// replace those set on the router. A field that is omitted on the group keeps the
// router's value.
//
// # Position in the chain
//
// Add SecureHeaders before all middleware that can respond to requests, for example
// CORS, rate limits and authentication, so that these responses have the fields too.
// It can come before or after [Compress] and [ETag]. SecureHeaders panics if config
// is invalid, for example if browsers would ignore a value.
func SecureHeaders(config SecureHeadersConfig) Middleware {
	fields, wrong := secureheaders.Compile(secureheaders.Config(config))
	wrong.PanicIfAny("SecureHeadersConfig")
	return func(next Handler) Handler {
		return &secureheaders.Handler{Fields: fields, Next: next}
	}
}

// MaxBody returns middleware that limits request bodies to n bytes. If a handler
// reads more, the read returns a [*MaxBytesError], and an HTTP/1 server closes the
// connection after the response instead of reading the rest of the body.
// [ReadJSON] returns [ErrBodyTooLarge] for such a body, and [BindJSON] responds with
// status 400.
//
// MaxBody does not check Content-Length, and it does not read the body itself. A
// request with a large body is not rejected if the handler does not read the body.
//
// # Multipart bodies
//
// Requests with a Content-Type of multipart/* are not limited, so that the limit on
// the router can be small and upload handlers can set their own with
// [MaxBytesReader]. Clients choose the Content-Type, so a handler that reads the
// body without checking the type should use MaxBytesReader too. The JSON functions
// of this package always limit the body.
//
// # Position in the chain
//
// Add MaxBody after [SecureHeaders] and before [CORS]. If more than one MaxBody
// applies to a request, the smallest limit is used. MaxBody panics if n is not
// positive.
func MaxBody(n int64) Middleware {
	if n <= 0 {
		callsite.Panicf("MaxBody: the limit is %d bytes; it must be positive", n)
	}
	return func(next Handler) Handler { return &maxBodyHandler{limit: n, next: next} }
}

// A maxBodyHandler is the handler of [MaxBody].
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
	turn, pass := response.EnterState(w, r)
	defer turn.End()
	// The server learns from its own writer that the limit was exceeded.
	turn.Request.Body = MaxBytesReader(response.Innermost(w), turn.Request.Body, h.limit)
	h.next.ServeHTTP(pass, turn.Request)
	turn.Returned = true
}

// isMultipart reports whether the Content-Type of the request is multipart/*.
func isMultipart(r *Request) bool {
	const prefix = "multipart/"
	contentType := strings.TrimLeft(r.Header.Get("Content-Type"), " \t")
	return len(contentType) >= len(prefix) && header.EqualFold(contentType[:len(prefix)], prefix)
}

// CORSConfig configures [CORS]: which other origins can use an API, and how. The
// zero value allows no other origin.
type CORSConfig struct {
	// AllowOrigins lists the origins that are allowed. An entry is one of:
	//
	//   - An origin, for example "https://app.example.com" or
	//     "http://localhost:5173". It consists of a scheme, a host, and a port
	//     unless the port is the scheme's default. A path, even a trailing slash,
	//     is invalid.
	//   - A pattern, for example "https://*.example.com". The "*" matches one or
	//     more labels: https://a.example.com and https://a.b.example.com match,
	//     but https://example.com, other ports and other schemes do not. Use a
	//     pattern only if nobody else can register a name in the domain. For
	//     example, never use *.github.io or *.co.uk.
	//   - An origin on the local computer with any port, for example
	//     "http://localhost:*" or "http://127.0.0.1:*". The host must be localhost,
	//     a name or pattern below it, or a loopback address. Use it for
	//     development, because any local program can then use the API.
	//   - "*" for all origins. It cannot be combined with AllowCredentials.
	//   - "null" for opaque origins, for example those of sandboxed frames. Anyone
	//     can make a page with this origin, so it cannot be combined with
	//     AllowCredentials either.
	AllowOrigins []string

	// AllowOriginFunc reports whether to allow an origin that is not in
	// AllowOrigins, for example because it is in a database. If nil, only
	// AllowOrigins is used. The request may be a preflight, which has no cookies
	// and no other credentials.
	//
	// CORS calls the function only with values that browsers send for pages, such
	// as "https://app.example.com:8443": in lower case, without a path, and without
	// a default port. It never calls the function with "null". Compare whole origins,
	// or parse them with [net/url.Parse]; a test for the suffix "example.com" would
	// also allow https://evilexample.com. If the result depends on a header field
	// other than Origin, add that field to Vary.
	//
	// The function must be safe for concurrent use by multiple goroutines. It
	// cannot be combined with the origin "*", because it would never be called.
	AllowOriginFunc func(r *Request, origin string) bool

	// AllowMethods lists the methods that a preflight can request. Names are
	// case-sensitive. Allowing GET also allows HEAD. If empty, GET, POST, PUT,
	// DELETE, PATCH and OPTIONS are allowed or, if CORS is added to a group, the
	// methods of the routes for the path. "*" allows any method; it cannot be
	// combined with AllowCredentials.
	//
	// Omitting GET or POST does not prevent pages from sending simple requests
	// with these methods, because browsers send no preflight for them.
	AllowMethods []string

	// AllowHeaders lists the request header fields that a preflight can request.
	// Names are case-insensitive. If empty, Origin, Content-Type, Accept and
	// Authorization are allowed. A list replaces this default, so include the
	// names that you still need.
	//
	// "*" allows any field except Authorization, which must be listed too. It
	// cannot be combined with AllowCredentials. With "*", a preflight for more
	// than 64 fields is rejected. Without "*", a preflight is rejected if its list
	// is longer than 64 bytes plus twice the length of AllowHeaders joined with
	// ", ".
	AllowHeaders []string

	// ExposeHeaders lists the response header fields that scripts can read, for
	// example Location, Retry-After or X-Request-ID, in addition to a few that they
	// can always read, such as Content-Type. "*" exposes all fields; it cannot be
	// combined with AllowCredentials.
	ExposeHeaders []string

	// AllowCredentials allows pages from the allowed origins to send cookies and
	// other credentials, and so to act as the user.
	AllowCredentials bool

	// MaxAge is the time in seconds for which browsers can cache the response
	// to a preflight. If zero, 86400 (a day) is used. Some browsers enforce a
	// lower maximum. If negative, the response is not cached.
	MaxAge int
}

// CORS returns middleware that allows pages from other origins to use an API, as
// specified by the CORS protocol of the Fetch standard.
//
// # Preflights
//
// A preflight is an OPTIONS request with the header fields Origin and
// Access-Control-Request-Method. CORS responds to preflights with status 204; they
// do not reach the handler. If the origin, the method or a header field is not
// allowed, the response has no CORS header fields, and the browser does not send the
// actual request. Other OPTIONS requests reach the handler.
//
// # Other requests
//
// All other requests reach the handler, even from origins that are not allowed: only
// the browser prevents the page from reading the response. CORS therefore does not
// protect against forged requests; see [CrossOriginProtection].
//
// # Caches
//
// Unless AllowOrigins contains "*", every response has Vary: Origin, even if the
// request has no Origin, so that caches keep the responses to different origins
// apart. With "*", all origins get the same response, and caches can share it.
// Responses to OPTIONS also list Access-Control-Request-Method and
// Access-Control-Request-Headers in Vary. Handlers should add to Vary instead of
// replacing it.
//
// # Position in the chain
//
// Add CORS to the router, to apply it to all requests, or to groups. On a group, it also
// responds to preflights for the group's routes, even if none of them is for OPTIONS: the
// router passes a preflight to the middleware of the route that would serve the actual
// request. If AllowMethods is empty, the allowed methods are then those of all routes for
// the path that have this CORS or, if the pattern of the route has no method, the defaults
// listed at AllowMethods. On a group, CORS does not add header fields to redirects to
// another path, nor to responses to requests that match no route unless the group handles
// them; see [Group.NotFound].
//
// This also works if CORS is part of a [Chain] or wraps the handler of a route directly.
// If other middleware calls CORS inside a handler of its own, the router cannot detect it,
// and preflights get status 405.
//
// A request must pass through only one CORS, because the outermost one would respond to
// all preflights. If there is a second one inside it, the router panics before it serves,
// with the line where the second was added. The same Middleware can be added more than
// once.
//
// Add it after middleware that should see preflights, for example logging, metrics
// and [SecureHeaders], and before authentication, because browsers send preflights
// without credentials. CORS panics if config is invalid or would let every site act
// as the user.
func CORS(config CORSConfig) Middleware {
	policy, wrong := cors.New(cors.Config(config))
	wrong.PanicIfAny("CORSConfig")
	return func(next Handler) Handler {
		return &cors.Handler{Policy: policy, Next: next}
	}
}

// Recovery returns middleware that recovers from panics in handlers and responds
// with status 500 and the body {"error":"internal server error"}. Header fields that
// describe the discarded response are removed; see [WriteError].
//
// # Responses that have started
//
// If the header has already been sent, Recovery aborts the connection or the HTTP/2
// stream, so that the client does not mistake a partial response for a complete one.
// If the handler has hijacked the connection, Recovery closes it.
//
// Handlers can panic with [ErrAbortHandler] to abort a response. Recovery does not
// report this panic, and panics again with the same value.
//
// # Reports
//
// Before it responds, Recovery calls onPanic with the value and the stack of the
// panic, except for ErrAbortHandler. onPanic must be safe for concurrent use by
// multiple goroutines. If onPanic panics, that panic is logged with the request's
// logger, and the response is sent as usual. If onPanic is nil, panics are not
// reported.
//
// # Position in the chain
//
// Add Recovery last, directly before the handlers, so that all other middleware sees
// the response with status 500. A panic in middleware that comes before Recovery
// reaches the server, which logs it and closes the connection or resets the HTTP/2
// stream.
func Recovery(onPanic func(recovered any, stack []byte)) Middleware {
	if onPanic == nil {
		return RecoveryFunc(nil)
	}
	return RecoveryFunc(func(_ *Request, recovered any, stack []byte) { onPanic(recovered, stack) })
}

// RecoveryFunc is like [Recovery], but also passes the request to onPanic. r.Pattern is
// set if a route matched, and the context of r has the logger and the ID of the request.
// onPanic must not read the body of r, because the handler may have left it in any state.
func RecoveryFunc(onPanic func(r *Request, recovered any, stack []byte)) Middleware {
	return func(next Handler) Handler { return &recoveryHandler{onPanic: onPanic, next: next} }
}

// A recoveryHandler is the handler of [Recovery].
type recoveryHandler struct {
	onPanic func(r *Request, recovered any, stack []byte) // may be nil
	next    Handler
}

// ServeHTTP implements [Handler].
func (h *recoveryHandler) ServeHTTP(w ResponseWriter, r *Request) {
	g := panicGuard{turn: response.Enter(w, r), onPanic: h.onPanic}
	defer g.end()
	h.next.ServeHTTP(g.turn.Writer, g.turn.Request)
	g.turn.Returned = true
}

// A panicGuard recovers from a panic during one call to a handler.
type panicGuard struct {
	turn    response.Turn
	onPanic func(r *Request, recovered any, stack []byte)
}

// end ends the call. It must be deferred.
func (g *panicGuard) end() {
	defer g.turn.End()
	if g.turn.Returned {
		return // without calling recover, which is slow
	}
	v := recover()
	switch {
	case v == nil: // runtime.Goexit was called
		return
	case v == any(http.ErrAbortHandler):
		g.turn.Writer.CloseHijacked()
		panic(v)
	}
	g.report(v)
	respondToPanic(g.turn.Writer)
}

// report calls onPanic.
func (g *panicGuard) report(v any) {
	if g.onPanic == nil {
		return
	}
	r := withPattern(g.turn.Request, g.turn.State.Pattern())
	defer logSecondPanic(r, v)
	g.onPanic(r, v, debug.Stack())
}

// logSecondPanic recovers from a panic in onPanic and logs it. first is the value of
// the original panic. It must be deferred.
func logSecondPanic(r *Request, first any) {
	if again := recover(); again != nil {
		LoggerFromContext(r.Context()).Error("http: panic in the onPanic function of Recovery",
			slog.Any("panic", again), slog.Any("reported", first))
	}
}

// respondToPanic responds with status 500, if that is still possible.
func respondToPanic(cw *response.Writer) {
	switch {
	case cw.Hijacked():
		cw.CloseHijacked()
	case cw.Ended():
		// Other middleware ran the handler in a goroutine and did not wait for
		// it. There is no response to send, and a panic here would end the
		// process.
	case cw.Reset():
		WriteError(cw, StatusInternalServerError, "internal server error")
	default:
		panic(http.ErrAbortHandler)
	}
}
