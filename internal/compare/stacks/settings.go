package stacks

import (
	"compress/gzip"
	"io"
	"log/slog"
	nethttp "net/http"
	"time"

	gincors "github.com/gin-contrib/cors"
	gingzip "github.com/gin-contrib/gzip"
	"github.com/gin-contrib/requestid"
	ginsecure "github.com/gin-contrib/secure"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	chimw "github.com/go-chi/chi/v5/middleware"
	chicors "github.com/go-chi/cors"
	"github.com/go-chi/httplog/v3"
	jub0bs "github.com/jub0bs/cors"
	"github.com/klauspost/compress/gzhttp"
	klauspost "github.com/klauspost/compress/gzip"
	"github.com/labstack/echo/v5"
	echomw "github.com/labstack/echo/v5/middleware"
	rscors "github.com/rs/cors"

	"github.com/stanza-go/framework/pkg/http"
)

// newLogger returns the logger that all contestants use.
func newLogger(out io.Writer) *slog.Logger { return slog.New(slog.NewJSONHandler(out, nil)) }

// sendChiRequestID adds the request ID to the response, because chi's
// middleware does not.
func sendChiRequestID(next nethttp.Handler) nethttp.Handler {
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("X-Request-Id", chimw.GetReqID(r.Context()))
		next.ServeHTTP(w, r)
	})
}

// chiLogger logs what RequestLogger does, except the request ID and pattern.
func chiLogger(out io.Writer) func(nethttp.Handler) nethttp.Handler {
	return httplog.RequestLogger(newLogger(out), &httplog.Options{Level: slog.LevelInfo, Schema: &httplog.Schema{
		RequestMethod: "method", RequestPath: "path", ResponseStatus: "status", ResponseDuration: "duration",
		ResponseBytes: "bytes", RequestRemoteIP: "remote_ip",
	}})
}

// logChiRequestID adds the request ID to chi's log line.
func logChiRequestID(next nethttp.Handler) nethttp.Handler {
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		httplog.SetAttrs(r.Context(), slog.String("request_id", chimw.GetReqID(r.Context())))
		next.ServeHTTP(w, r)
	})
}

// logChiPattern adds the route to chi's log line. The route is known only after
// the handler has run.
func logChiPattern(next nethttp.Handler) nethttp.Handler {
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		next.ServeHTTP(w, r)
		httplog.SetAttrs(r.Context(), slog.String("pattern", chi.RouteContext(r.Context()).RoutePattern()))
	})
}

// echoLogger logs what RequestLogger does.
func echoLogger(out io.Writer) echo.MiddlewareFunc {
	logger := newLogger(out)
	return echomw.RequestLoggerWithConfig(echomw.RequestLoggerConfig{
		LogMethod: true, LogURIPath: true, LogStatus: true, LogLatency: true, LogResponseSize: true, LogRemoteIP: true,
		LogRequestID: true, LogRoutePath: true, HandleError: true,
		LogValuesFunc: func(c *echo.Context, v echomw.RequestLoggerValues) error {
			attrs := [8]slog.Attr{
				slog.String("method", v.Method), slog.String("path", v.URIPath), slog.Int("status", v.Status),
				slog.Duration("duration", v.Latency), slog.Int64("bytes", v.ResponseSize),
				slog.String("remote_ip", v.RemoteIP), slog.String("pattern", v.RoutePath),
			}
			logger.LogAttrs(c.Request().Context(), slog.LevelInfo, "http request", withID(&attrs, v.RequestID)...)
			return nil
		},
	})
}

// withID returns the seven attributes and, unless id is empty, the request ID.
func withID(attrs *[8]slog.Attr, id string) []slog.Attr {
	if id == "" {
		return attrs[:7]
	}
	attrs[7] = slog.String("request_id", id)
	return attrs[:]
}

// ginLogger logs what RequestLogger does.
func ginLogger(out io.Writer) gin.HandlerFunc {
	logger := newLogger(out)
	return func(c *gin.Context) {
		start := time.Now()
		c.Next()
		attrs := [8]slog.Attr{
			slog.String("method", c.Request.Method), slog.String("path", c.Request.URL.Path),
			slog.Int("status", c.Writer.Status()), slog.Duration("duration", time.Since(start)),
			slog.Int("bytes", c.Writer.Size()), slog.String("remote_ip", c.ClientIP()), slog.String("pattern", c.FullPath()),
		}
		logger.LogAttrs(c.Request.Context(), slog.LevelInfo, "http request", withID(&attrs, requestid.Get(c))...)
	}
}

// This package's default settings of compression.
const (
	gzipLevel   = 6
	gzipMinSize = 1024
)

// klauspostGzip returns klauspost's middleware.
func klauspostGzip() func(nethttp.Handler) nethttp.Handler {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(gzipMinSize), gzhttp.CompressionLevel(gzipLevel))
	if err != nil {
		panic(err)
	}
	return func(next nethttp.Handler) nethttp.Handler { return wrap(next) }
}

// klauspostEncoder returns an encoder for Compress that uses klauspost's gzip.
func klauspostEncoder() http.CompressEncoder {
	return http.CompressEncoder{Name: "gzip", Reuse: true, New: func() http.CompressWriter { return newKlauspost() }}
}

func newKlauspost() *klauspost.Writer {
	zw, err := klauspost.NewWriterLevel(io.Discard, gzipLevel)
	if err != nil {
		panic(err)
	}
	return zw
}

func newGzip() *gzip.Writer {
	zw, err := gzip.NewWriterLevel(io.Discard, gzipLevel)
	if err != nil {
		panic(err)
	}
	return zw
}

func echoGzip() echo.MiddlewareFunc {
	return echomw.GzipWithConfig(echomw.GzipConfig{MinLength: gzipMinSize, Level: gzipLevel})
}

// ginGzip returns gin's middleware, which has no minimum size.
func ginGzip() gin.HandlerFunc { return gingzip.Gzip(gzipLevel) }

// The header fields that SecureHeaders sets by default.
const (
	contentTypeOptions = "nosniff"
	frameOptions       = "DENY"
	referrerPolicy     = "strict-origin-when-cross-origin"
	xssProtection      = "0"
	permissions        = "camera=(), microphone=(), geolocation=()"
)

func secureFields() []string {
	return []string{"X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "X-Xss-Protection", "Permissions-Policy"}
}

// secureHeaders is hand-written middleware.
func secureHeaders(next nethttp.Handler) nethttp.Handler {
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", contentTypeOptions)
		h.Set("X-Frame-Options", frameOptions)
		h.Set("Referrer-Policy", referrerPolicy)
		h.Set("X-XSS-Protection", xssProtection)
		h.Set("Permissions-Policy", permissions)
		next.ServeHTTP(w, r)
	})
}

func echoSecure() echo.MiddlewareFunc {
	return echomw.SecureWithConfig(echomw.SecureConfig{
		XSSProtection: xssProtection, ContentTypeNosniff: contentTypeOptions, XFrameOptions: frameOptions,
		ReferrerPolicy: referrerPolicy,
	})
}

// permissionsPolicy sets the one header field that echo's middleware does not.
func permissionsPolicy(next nethttp.Handler) nethttp.Handler {
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("Permissions-Policy", permissions)
		next.ServeHTTP(w, r)
	})
}

func ginSecure() gin.HandlerFunc {
	return ginsecure.New(ginsecure.Config{FrameDeny: true, ContentTypeNosniff: true, ReferrerPolicy: referrerPolicy})
}

// ginMoreHeaders sets the header fields that gin's middleware does not.
func ginMoreHeaders(c *gin.Context) {
	c.Header("X-XSS-Protection", xssProtection)
	c.Header("Permissions-Policy", permissions)
}

// ginBodyLimit limits the body in a few lines, as gin's users write them,
// because gin has no such middleware.
func ginBodyLimit(c *gin.Context) {
	c.Request.Body = nethttp.MaxBytesReader(c.Writer, c.Request.Body, maxBody)
}

// Origin is the origin that CORS allows.
const Origin = "https://app.example.org"

// corsAge is how many seconds browsers may cache the response to a preflight.
const corsAge = 86400

func corsMethods() []string { return []string{"GET", "POST", "PUT", "DELETE"} }
func corsHeaders() []string { return []string{"Content-Type", "Authorization"} }

func stanzaCORS() http.Middleware {
	return http.CORS(http.CORSConfig{
		AllowOrigins: []string{Origin}, AllowMethods: corsMethods(), AllowHeaders: corsHeaders(), MaxAge: corsAge,
	})
}

func rsCORS() func(nethttp.Handler) nethttp.Handler {
	return rscors.New(rscors.Options{
		AllowedOrigins: []string{Origin}, AllowedMethods: corsMethods(), AllowedHeaders: corsHeaders(), MaxAge: corsAge,
	}).Handler
}

func chiCORS() func(nethttp.Handler) nethttp.Handler {
	return chicors.Handler(chicors.Options{
		AllowedOrigins: []string{Origin}, AllowedMethods: corsMethods(), AllowedHeaders: corsHeaders(), MaxAge: corsAge,
	})
}

// jub0bsCORS always allows GET and POST, which need no preflight.
func jub0bsCORS() func(nethttp.Handler) nethttp.Handler {
	m, err := jub0bs.NewMiddleware(jub0bs.Config{
		Origins: []string{Origin}, Methods: []string{"PUT", "DELETE"}, RequestHeaders: corsHeaders(), MaxAgeInSeconds: corsAge,
	})
	if err != nil {
		panic(err)
	}
	return m.Wrap
}

func echoCORS() echo.MiddlewareFunc {
	return echomw.CORSWithConfig(echomw.CORSConfig{
		AllowOrigins: []string{Origin}, AllowMethods: corsMethods(), AllowHeaders: corsHeaders(), MaxAge: corsAge,
	})
}

func ginCORS() gin.HandlerFunc {
	return gincors.New(gincors.Config{
		AllowOrigins: []string{Origin}, AllowMethods: corsMethods(), AllowHeaders: corsHeaders(), MaxAge: corsAge * time.Second,
	})
}
