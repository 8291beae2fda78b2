// Package docs tests the examples of other packages in README.md and docs.
package docs

import (
	"io"
	"net/http"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/testing/snippet"
)

// Code blocks of other packages are labeled with the name of the package.
func TestEveryExampleOfAnotherPackageIsRun(t *testing.T) {
	t.Parallel()
	snippet.Check(t, "../../..", func(b snippet.Block) bool { return b.Label != "" && b.Document != "docs/guide.md" })
}

// requireAdmin represents an application's middleware.
func requireAdmin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isAdmin(r) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, `{"error":"admin required"}`)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isAdmin reports whether a request is from an admin.
func isAdmin(r *http.Request) bool { return r.Header.Get("Authorization") == "admin" }

// stats represents an application's handler.
func stats(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "stats") }
