package http_test

import (
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// Each client may try to log in twice a minute.
func ExampleRateLimit() {
	router := http.NewRouter()
	auth := router.Group("/auth")
	auth.Use(http.RateLimit(http.RateLimitConfig{Limit: 2, Window: time.Minute}))
	auth.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		http.WriteJSON(w, http.StatusOK, "welcome")
	})

	for range 3 {
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, httptest.NewRequest("POST", "/auth/login", nil))
		fmt.Println(rec.Code, rec.Body)
		fmt.Println("  remaining:", rec.Header().Get("X-RateLimit-Remaining"))
		fmt.Println("  retry later:", rec.Header().Get("Retry-After") != "")
	}
	// Output:
	// 200 "welcome"
	//   remaining: 1
	//   retry later: false
	// 200 "welcome"
	//   remaining: 0
	//   retry later: false
	// 429 {"error":"rate limit exceeded"}
	//   remaining: 0
	//   retry later: true
}

// This limit counts requests by API key instead of by client address.
func ExampleRateLimitConfig() {
	router := http.NewRouter()
	router.Use(http.RateLimit(http.RateLimitConfig{
		Limit:   1,
		KeyFunc: func(r *http.Request) string { return r.Header.Get("X-API-Key") },
		Message: "only one request a minute is allowed",
	}))
	router.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		http.WriteJSON(w, http.StatusOK, "ok")
	})

	for _, key := range []string{"alice", "bob", "alice"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-API-Key", key)
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, r)
		fmt.Println(key, rec.Code, rec.Body)
	}
	// Output:
	// alice 200 "ok"
	// bob 200 "ok"
	// alice 429 {"error":"only one request a minute is allowed"}
}
