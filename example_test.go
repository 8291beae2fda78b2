package http_test

import (
	"crypto/subtle"
	"fmt"
	"net/http/httptest"

	"github.com/stanza-go/framework/pkg/http"
)

// This example serves a small API: a public route, and a group of routes that
// require a token.
func Example() {
	const token = "Bearer 5f2c9a"
	router := http.NewRouter()
	router.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {
		http.WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})

	admin := router.Group("/admin")
	admin.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			authorization := r.Header.Get("Authorization")
			if subtle.ConstantTimeCompare([]byte(authorization), []byte(token)) != 1 {
				http.WriteError(w, http.StatusUnauthorized, "invalid token")
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	admin.HandleFunc("DELETE /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, ok := http.PathParamInt64(w, r, "id")
		if !ok {
			return
		}
		http.WriteJSON(w, http.StatusOK, map[string]int64{"deleted": id})
	})

	for _, authorization := range []string{token, "Bearer guess"} {
		r := httptest.NewRequest("DELETE", "/admin/users/7", nil)
		r.Header.Set("Authorization", authorization)
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, r)
		fmt.Println(rec.Code, rec.Body)
	}
	// Output:
	// 200 {"deleted":7}
	// 401 {"error":"invalid token"}
}
