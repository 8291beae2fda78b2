package docs

import (
	"net/http"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/stanza-go/framework/pkg/http/internal/testing/migration"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestChi(t *testing.T) {
	t.Parallel()
	port8080 := testkit.FreeAddress(t)
	go func() {
		//snippet:begin docs/migrating.md
		r := chi.NewRouter()
		r.Use(middleware.RequestID, middleware.Logger, middleware.Recoverer, middleware.Compress(5))
		r.Get("/users/{id}", func(w http.ResponseWriter, r *http.Request) {
			w.Write([]byte(chi.URLParam(r, "id")))
		})
		r.Route("/admin", func(r chi.Router) {
			r.Use(requireAdmin)
			r.Get("/stats", stats)
		})
		r.Mount("/debug", middleware.Profiler())
		http.ListenAndServe(port8080, r)
		//snippet:end
	}()
	migration.CheckOriginal(t, port8080, migration.Chi)
}
