package prelude

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

func requireAdmin(next http.Handler) http.Handler { return next }

func stats(w http.ResponseWriter, r *http.Request) {}

var _ = []any{chi.URLParam, middleware.Logger}
