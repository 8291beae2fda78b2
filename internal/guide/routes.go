package main

import (
	"log/slog"

	"github.com/stanza-go/framework/pkg/http"
)

// A config is the configuration of the site.
type config struct {
	dir     string // for uploaded files
	https   bool   // whether browsers reach the site over HTTPS
	logger  *slog.Logger
	metrics *http.Metrics
}

// routes returns the routes of the site.
func routes(c config) *http.Router {
	router := http.NewRouter()
	router.Use(
		http.RequestID(http.RequestIDConfig{}),
		c.metrics.Middleware(),
		http.RequestLogger(c.logger),
		http.Compress(http.CompressConfig{}),
		http.ETag(http.ETagConfig{}),
		http.SecureHeaders(http.SecureHeadersConfig{ContentSecurityPolicy: "default-src 'self'"}),
		http.MaxBody(1<<20), // 1 MiB, except for uploads
		http.RecoveryFunc(logPanic),
	)

	sessions := newSessions(c.https)
	router.Use(sameOrigin(), sessions.identify)
	api := router.Group("/api")
	users := api.With(requireUser)
	perAddress := http.RateLimit(http.RateLimitConfig{Limit: 20}) // per minute
	api.With(perAddress).HandleFunc("POST /login", sessions.login)
	api.HandleFunc("POST /logout", sessions.logout)
	users.HandleFunc("GET /me", me)

	incidents := newStore()
	api.HandleFunc("GET /incidents", incidents.list)
	api.HandleFunc("GET /incidents.csv", incidents.export)
	api.Handle("GET /incidents/{id}", http.HandlerErrorFunc(incidents.get))
	users.HandleFunc("POST /incidents", incidents.create)
	users.Handle("POST /incidents/{id}/updates", http.HandlerErrorFunc(incidents.update))
	users.Handle("DELETE /incidents/{id}", http.HandlerErrorFunc(incidents.remove))

	attachments := files{dir: c.dir, incidents: incidents}
	incidents.deleted = attachments.removeAll
	users.Handle("POST /incidents/{id}/files", http.HandlerErrorFunc(attachments.upload))
	api.Handle("GET /incidents/{id}/files/{file}", http.HandlerErrorFunc(attachments.download))

	api.Handle("GET /live", incidents.feed())

	users.HandleFunc("GET /chat", newChat().join)

	router.Handle("GET /{path...}", http.Static(site))
	api.NotFound(http.HandlerFunc(noSuchEndpoint))

	return router
}

// logPanic logs the panic of a handler. RecoveryFunc responds with status 500.
func logPanic(r *http.Request, recovered any, stack []byte) {
	http.LoggerFromContext(r.Context()).Error("panic", "value", recovered, "stack", string(stack))
}
