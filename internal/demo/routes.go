package main

import (
	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/demo/board"
)

// newRouter returns the application: everything it serves, in one place.
func newRouter(tasks *board.Board) *http.Router {
	router := http.NewRouter()
	router.HandleFunc("GET /health", health)

	pages := newPages(router)
	router.HandleFunc("GET /{$}", pages.index)
	router.HandleFunc("GET /routes", pages.routes)

	api := router.Group("/api")
	api.Use(sameOrigin())
	api.HandleFunc("GET /routes", func(w http.ResponseWriter, r *http.Request) {
		listRoutes(w, router)
	})

	handlers := taskHandlers{tasks}
	api.HandleFunc("GET /tasks", handlers.list)
	api.HandleFunc("POST /tasks", handlers.create)
	api.HandleFunc("GET /tasks/{id}", handlers.read)
	api.HandleFunc("PUT /tasks/{id}", handlers.replace)
	api.HandleFunc("PATCH /tasks/{id}", handlers.edit)
	api.HandleFunc("DELETE /tasks/{id}", handlers.delete)
	api.HandleFunc("POST /tasks/bulk-delete", handlers.bulkDelete)
	api.HandleFunc("GET /tasks/export", handlers.export)
	return router
}

// health answers probes: whoever can read it knows that the server serves.
func health(w http.ResponseWriter, _ *http.Request) {
	http.WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// sameOrigin keeps other websites from changing the board through the browser
// of somebody who has it open. What has the shape func(Handler) Handler is
// middleware; this one comes with net/http.
func sameOrigin() http.Middleware {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.WriteError(w, http.StatusForbidden, "cross-origin request refused")
	}))
	return protection.Handler
}

// listRoutes answers with all routes of the application.
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
