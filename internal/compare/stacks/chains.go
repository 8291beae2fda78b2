package stacks

import (
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-contrib/cors"
	"github.com/gin-contrib/gzip"
	"github.com/gin-contrib/requestid"
	"github.com/gin-contrib/secure"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	chimw "github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/httplog/v3"
	"github.com/klauspost/compress/gzhttp"
	"github.com/labstack/echo/v4"
	echomw "github.com/labstack/echo/v4/middleware"
	rscors "github.com/rs/cors"

	stanza "github.com/stanza-go/framework/pkg/http"
)

// An Item is what the API answers with.
type Item struct {
	ID    int64    `json:"id"`
	Name  string   `json:"name"`
	Email string   `json:"email"`
	Notes []string `json:"notes"`
}

// NewItem returns an item whose JSON has about the given number of bytes.
func NewItem(size int) *Item {
	item := &Item{ID: 7, Name: "Somebody Else", Email: "somebody@example.com"}
	note := "a note of the kind that people write into such fields, 64 bytes"
	for n := 90; n < size; n += len(note) + 3 {
		item.Notes = append(item.Notes, note[:min(len(note), max(size-n, 1))])
	}
	return item
}

// Origin is the one that CORS allows, and Path what the API serves.
const (
	Origin  = "https://app.example.org"
	Path    = "/api/items/7"
	pattern = "/api/items/{id}"
)

// Chains returns the API behind request id, log line, compression, security
// headers, body limit, CORS and recovery, which every contestant has. The log
// goes to out.
func Chains(item *Item, out io.Writer) []Contestant {
	return []Contestant{
		{"stanza", Stanza(item, out, false)},
		{"chi", Chi(item, out)},
		{"echo", Echo(item, out)},
		{"gin", Gin(item, out)},
	}
}

func newLogger(out io.Writer) *slog.Logger { return slog.New(slog.NewJSONHandler(out, nil)) }

// Bare returns the API on net/http alone.
func Bare(item *Item) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pattern, func(w http.ResponseWriter, r *http.Request) {
		stanza.WriteJSON(w, http.StatusOK, item)
	})
	return mux
}

// Stanza returns the API on this package. The whole documented chain has
// metrics and ETags besides, which the others lack.
func Stanza(item *Item, out io.Writer, whole bool) http.Handler {
	router := stanza.NewRouter()
	router.Use(stanza.RequestID(stanza.RequestIDConfig{}))
	if whole {
		router.Use(stanza.NewMetrics().Middleware())
	}
	router.Use(stanza.RequestLogger(newLogger(out)), stanza.Compress(stanza.CompressConfig{}))
	if whole {
		router.Use(stanza.ETag(stanza.ETagConfig{}))
	}
	router.Use(
		stanza.SecureHeaders(stanza.SecureHeadersConfig{}),
		stanza.MaxBody(2<<20),
		stanza.CORS(stanza.CORSConfig{AllowOrigins: []string{Origin}}),
		stanza.Recovery(nil),
	)
	router.HandleFunc("GET "+pattern, func(w http.ResponseWriter, r *http.Request) {
		stanza.WriteJSON(w, http.StatusOK, item)
	})
	return router
}

// secureHeaders are what SecureHeaders sets, for stacks without such a
// middleware.
func secureHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "strict-origin-when-cross-origin")
		h.Set("X-XSS-Protection", "0")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		next.ServeHTTP(w, r)
	})
}

// Chi returns the API on chi, its middleware, httplog, gzhttp and rs/cors.
func Chi(item *Item, out io.Writer) http.Handler {
	router := chi.NewRouter()
	gz, err := gzhttp.NewWrapper(gzhttp.MinSize(1024), gzhttp.CompressionLevel(6))
	if err != nil {
		panic(err)
	}
	router.Use(
		chimw.RequestID,
		httplog.RequestLogger(newLogger(out), &httplog.Options{Level: slog.LevelInfo, Schema: httplog.SchemaECS.Concise(true)}),
		func(next http.Handler) http.Handler { return gz(next) },
		secureHeaders,
		chimw.RequestSize(2<<20),
		rscors.New(rscors.Options{AllowedOrigins: []string{Origin}}).Handler,
		chimw.Recoverer,
	)
	router.Get(pattern, func(w http.ResponseWriter, r *http.Request) {
		stanza.WriteJSON(w, http.StatusOK, item)
	})
	return router
}

// Echo returns the API on echo and its middleware.
func Echo(item *Item, out io.Writer) http.Handler {
	e := echo.New()
	logger := newLogger(out)
	e.Use(
		echomw.RequestID(),
		echomw.RequestLoggerWithConfig(echomw.RequestLoggerConfig{
			LogMethod: true, LogURIPath: true, LogStatus: true, LogLatency: true, LogResponseSize: true, LogRemoteIP: true,
			LogRequestID: true, LogRoutePath: true, HandleError: true,
			LogValuesFunc: func(c echo.Context, v echomw.RequestLoggerValues) error {
				logger.LogAttrs(c.Request().Context(), slog.LevelInfo, "http request",
					slog.String("method", v.Method), slog.String("path", v.URIPath), slog.Int("status", v.Status),
					slog.Duration("duration", v.Latency), slog.Int64("bytes", v.ResponseSize), slog.String("remote_ip", v.RemoteIP),
					slog.String("request_id", v.RequestID), slog.String("pattern", v.RoutePath))
				return nil
			},
		}),
		echomw.GzipWithConfig(echomw.GzipConfig{MinLength: 1024, Level: 6}),
		echomw.SecureWithConfig(echomw.SecureConfig{
			XSSProtection: "0", ContentTypeNosniff: "nosniff", XFrameOptions: "DENY", ReferrerPolicy: "strict-origin-when-cross-origin",
		}),
		echo.WrapMiddleware(permissionsPolicy),
		echomw.BodyLimit("2M"),
		echomw.CORSWithConfig(echomw.CORSConfig{AllowOrigins: []string{Origin}}),
		echomw.Recover(),
	)
	e.GET("/api/items/:id", func(c echo.Context) error { return c.JSON(http.StatusOK, item) })
	return e
}

// permissionsPolicy is the one field that echo's and gin's middleware lack.
func permissionsPolicy(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		next.ServeHTTP(w, r)
	})
}

// Gin returns the API on gin, with gin-contrib's middleware and, where there
// is none, a few lines as its users write them.
func Gin(item *Item, out io.Writer) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	logger := newLogger(out)
	compress := gzip.Gzip(6)
	if len(item.Notes) < 16 {
		// It has no least size, and would do work that the others leave.
		compress = func(*gin.Context) {}
	}
	g.Use(
		requestid.New(),
		func(c *gin.Context) {
			start := time.Now()
			c.Next()
			logger.LogAttrs(c.Request.Context(), slog.LevelInfo, "http request",
				slog.String("method", c.Request.Method), slog.String("path", c.Request.URL.Path), slog.Int("status", c.Writer.Status()),
				slog.Duration("duration", time.Since(start)), slog.Int("bytes", c.Writer.Size()), slog.String("remote_ip", c.ClientIP()),
				slog.String("request_id", requestid.Get(c)), slog.String("pattern", c.FullPath()))
		},
		compress,
		secure.New(secure.Config{
			FrameDeny: true, ContentTypeNosniff: true, ReferrerPolicy: "strict-origin-when-cross-origin",
		}),
		func(c *gin.Context) {
			c.Header("X-XSS-Protection", "0")
			c.Header("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		},
		func(c *gin.Context) {
			c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, 2<<20)
		},
		cors.New(cors.Config{AllowOrigins: []string{Origin}, AllowMethods: []string{"GET", "POST", "PUT", "DELETE"}}),
		gin.Recovery(),
	)
	g.GET("/api/items/:id", func(c *gin.Context) { c.JSON(http.StatusOK, item) })
	return g
}
