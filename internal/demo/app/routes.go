package app

import (
	"log/slog"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/demo/web"
)

// contentPolicy allows the page to load files from this server only. It forbids
// inline scripts and styles, and turning strings into markup.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// Each client may change the board writeLimit times per writeWindow.
const (
	writeLimit  = 30
	writeWindow = 10 * time.Second
)

// workLimit requests can work at once, and as many again can wait for workWait.
const (
	workLimit = 8
	workWait  = 2 * time.Second
)

// router returns the application's router, with all routes for browsers.
func (a *application) router(logger *slog.Logger) *http.Router {
	router := http.NewRouter()
	useChain(router, a.metrics, logger)

	// The page. Paths without a file get index.html: they are routes of the
	// single-page application, for example /tasks/7.
	router.Handle("GET /{path...}", revalidate(http.Static(web.Files)))
	router.Handle("GET /ready", http.ReadyHandler()) // for a load balancer

	api := router.Group("/api")
	api.Use(sameOrigin())
	api.HandleFunc("GET /{path...}", notFound) // not the page
	api.HandleFunc("GET /examples", listExamples)
	api.HandleFunc("GET /metrics", a.prometheus()) // for the dashboard
	api.HandleFunc("GET /routes", func(w http.ResponseWriter, r *http.Request) {
		listRoutes(w, router)
	})

	handlers := taskHandlers{a.tasks}
	api.HandleFunc("GET /tasks", handlers.list)
	api.HandleFunc("GET /tasks/{id}", handlers.read)
	api.HandleFunc("GET /tasks/export", handlers.export)
	api.Handle("GET /tasks/events", a.changes)

	api.HandleFunc("GET /chat", (&chatHandler{room: a.room}).join)

	expensive := api.Group("")
	expensive.Use(http.Throttle(http.ThrottleConfig{
		Limit: workLimit, Backlog: workLimit, Wait: workWait, Metrics: a.metrics, Name: "work",
	}))
	expensive.HandleFunc("GET /work", work)

	writes := api.Group("")
	writes.Use(http.RateLimit(http.RateLimitConfig{
		Limit:   writeLimit,
		Window:  writeWindow,
		Message: "too many changes at once",
	}))
	writes.HandleFunc("POST /tasks", handlers.create)
	writes.HandleFunc("PUT /tasks/{id}", handlers.replace)
	writes.HandleFunc("PATCH /tasks/{id}", handlers.edit)
	writes.HandleFunc("DELETE /tasks/{id}", handlers.delete)
	writes.HandleFunc("POST /tasks/bulk-delete", handlers.bulkDelete)
	return router
}

// operations returns the router of the second server. Its routes are for Prometheus and
// Kubernetes, and are not reachable from the internet.
func (a *application) operations() *http.Router {
	router := http.NewRouter()
	router.HandleFunc("GET /metrics", a.prometheus())
	router.Handle("GET /ready", http.ReadyHandler())
	return router
}

// prometheus returns a handler that responds with the metrics of the application.
func (a *application) prometheus() http.HandlerFunc {
	return http.PrometheusHandler(func() []http.PrometheusMetric {
		return append(a.metrics.Collect(), http.RuntimeMetrics()...)
	})
}

// useChain adds all middleware to the router, in the documented order.
func useChain(router *http.Router, metrics *http.Metrics, logger *slog.Logger) {
	router.Use(http.RequestID(http.RequestIDConfig{}))
	router.Use(metrics.Middleware())
	router.Use(http.RequestLogger(logger, http.LogSkip(isProbe)))
	router.Use(http.Compress(http.CompressConfig{}))
	router.Use(http.ETag(http.ETagConfig{}))
	router.Use(http.SecureHeaders(http.SecureHeadersConfig{ContentSecurityPolicy: contentPolicy}))
	router.Use(http.MaxBody(2 << 20))
	router.Use(http.CORS(http.CORSConfig{})) // allows no other origin
	router.Use(http.RecoveryFunc(func(r *http.Request, recovered any, stack []byte) {
		http.LoggerFromContext(r.Context()).Error("panic", "value", recovered, "route", r.Pattern, "stack", string(stack))
	}))
}

// isProbe reports whether a load balancer asks for the readiness, which it does often.
func isProbe(r *http.Request) bool { return r.Pattern == "GET /ready" }

// revalidate makes browsers check whether a file of the page has changed before
// they use it again. Since there is no build step, the names of the files
// contain no hash. Static's ETags make the check cheap.
func revalidate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, r)
	})
}

// work waits for the requested number of milliseconds, up to 1000, before it
// responds, so that the dashboard has something to show.
func work(w http.ResponseWriter, r *http.Request) {
	ms := min(max(http.QueryParamInt(r, "ms", 50), 0), 1000)
	done := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer done.Stop()
	select {
	case <-done.C:
		http.WriteJSON(w, http.StatusOK, map[string]int{"ms": ms})
	case <-r.Context().Done():
	}
}

// notFound responds to requests that match no route of the API.
func notFound(w http.ResponseWriter, _ *http.Request) {
	http.WriteError(w, http.StatusNotFound, "not found")
}

// sameOrigin prevents other websites from changing the board through the browser
// of a user who has it open. Any func(Handler) Handler is middleware; this one
// is part of net/http.
func sameOrigin() http.Middleware {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.WriteError(w, http.StatusForbidden, "cross-origin request refused")
	}))
	return protection.Handler
}

// listRoutes responds with all routes of the application.
func listRoutes(w http.ResponseWriter, router *http.Router) {
	type entry struct {
		Method string `json:"method"`
		Path   string `json:"path"`
	}
	entries := []entry{}
	for _, route := range router.Routes() {
		entries = append(entries, entry(route))
	}
	http.WriteJSON(w, http.StatusOK, map[string]any{"routes": entries})
}
