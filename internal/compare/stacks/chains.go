package stacks

import (
	"io"
	nethttp "net/http"

	"github.com/gin-contrib/requestid"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	chimw "github.com/go-chi/chi/v5/middleware"
	"github.com/labstack/echo/v5"
	echomw "github.com/labstack/echo/v5/middleware"

	"github.com/stanza-go/framework/pkg/http"
)

// An Item is the API's response.
type Item struct {
	ID    int64    `json:"id"`
	Name  string   `json:"name"`
	Email string   `json:"email"`
	Notes []string `json:"notes"`
}

// NewItem returns an item whose JSON has about size bytes.
func NewItem(size int) *Item {
	item := &Item{ID: 7, Name: "Somebody Else", Email: "somebody@example.com"}
	note := "a note of the kind that people write into such fields, 64 bytes"
	for n := 90; n < size; n += len(note) + 3 {
		item.Notes = append(item.Notes, note[:min(len(note), max(size-n, 1))])
	}
	return item
}

// pattern is the path of the API's route.
const pattern = "/api/items/{id}"

// maxBody is the limit of request bodies.
const maxBody = 2 << 20

// Chains returns the API with responses of two sizes. Every contestant has
// middleware for request IDs, logging, compression, security headers, body
// limits, CORS, and recovery. The logs go to out.
func Chains(out io.Writer) []Row {
	small, large := NewItem(200), NewItem(10<<10)
	klauspost := http.CompressConfig{Encoders: []http.CompressEncoder{klauspostEncoder()}}
	return []Row{
		{
			Name: "200B", Request: chainRequest(), Fields: chainFields(),
			Contestants: chains(small, out, nothing),
			Beside: []Contestant{
				{"stanza-whole", Stanza(small, out, http.CompressConfig{}, true)},
				{"gin-gzip", Gin(small, out, ginGzip())},
				{"net-http", Bare(small)},
			},
		},
		{
			Name: "10KB", Request: chainRequest(), Fields: chainFields(), Coding: "gzip",
			Contestants: append(chains(large, out, ginGzip()),
				Contestant{"stanza-klauspost", Stanza(large, out, klauspost, false)}),
			Beside: []Contestant{
				{"stanza-whole", Stanza(large, out, http.CompressConfig{}, true)},
				{"net-http", Bare(large)},
			},
		},
	}
}

// chains returns the contestants that do the same work. Gin's compression has
// no minimum size, so it is left out for small responses, which the others do
// not compress.
func chains(item *Item, out io.Writer, ginCompression gin.HandlerFunc) []Contestant {
	return []Contestant{
		{"stanza", Stanza(item, out, http.CompressConfig{}, false)},
		{"chi", Chi(item, out)},
		{"echo", Echo(item, out)},
		{"gin", Gin(item, out, ginCompression)},
	}
}

// nothing is a middleware that does nothing.
func nothing(*gin.Context) {}

// chainRequest returns a request as a browser sends it from a page of another
// origin.
func chainRequest() *nethttp.Request {
	r := newRequest(nethttp.MethodGet, "/api/items/7")
	r.Header.Set("Accept-Encoding", "gzip")
	r.Header.Set("Origin", Origin)
	return r
}

// chainFields returns the header fields that the chain's middleware adds.
func chainFields() []string {
	return append(secureFields(), "X-Request-Id", "Access-Control-Allow-Origin")
}

// Bare returns the API on net/http, without middleware.
func Bare(item *Item) nethttp.Handler {
	mux := nethttp.NewServeMux()
	mux.HandleFunc("GET "+pattern, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		http.WriteJSON(w, nethttp.StatusOK, item)
	})
	return mux
}

// Stanza returns the API on this package. If whole is true, it has the whole
// documented chain, which adds metrics and ETags; the other packages do not
// have these.
func Stanza(item *Item, out io.Writer, compress http.CompressConfig, whole bool) nethttp.Handler {
	router := http.NewRouter()
	router.Use(http.RequestID(http.RequestIDConfig{}))
	if whole {
		router.Use(http.NewMetrics().Middleware())
	}
	router.Use(http.RequestLogger(newLogger(out)), http.Compress(compress))
	if whole {
		router.Use(http.ETag(http.ETagConfig{}))
	}
	router.Use(
		http.SecureHeaders(http.SecureHeadersConfig{}),
		http.MaxBody(maxBody),
		stanzaCORS(),
		http.Recovery(nil),
	)
	router.HandleFunc("GET "+pattern, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		http.WriteJSON(w, nethttp.StatusOK, item)
	})
	return router
}

// Chi returns the API on chi with its middleware, httplog, gzhttp, and rs/cors.
func Chi(item *Item, out io.Writer) nethttp.Handler {
	router := chi.NewRouter()
	router.Use(
		chimw.RequestID, sendChiRequestID,
		chiLogger(out), logChiRequestID, logChiPattern,
		klauspostGzip(),
		secureHeaders,
		chimw.RequestSize(maxBody),
		rsCORS(),
		chimw.Recoverer,
	)
	router.Get(pattern, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		http.WriteJSON(w, nethttp.StatusOK, item)
	})
	return router
}

// Echo returns the API on echo with its middleware.
func Echo(item *Item, out io.Writer) nethttp.Handler {
	e := echo.New()
	e.Use(
		echomw.RequestID(),
		echoLogger(out),
		echoGzip(),
		echoSecure(),
		echo.WrapMiddleware(permissionsPolicy),
		echomw.BodyLimit(maxBody),
		echoCORS(),
		echomw.Recover(),
	)
	e.GET("/api/items/:id", func(c *echo.Context) error { return c.JSON(nethttp.StatusOK, item) })
	return e
}

// Gin returns the API on gin with gin-contrib's middleware. Where gin-contrib
// has none, it has a few lines as gin's users write them.
func Gin(item *Item, out io.Writer, compress gin.HandlerFunc) nethttp.Handler {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.Use(
		requestid.New(),
		ginLogger(out),
		compress,
		ginSecure(), ginMoreHeaders,
		ginBodyLimit,
		ginCORS(),
		gin.Recovery(),
	)
	g.GET("/api/items/:id", func(c *gin.Context) { c.JSON(nethttp.StatusOK, item) })
	return g
}
