package http_test

import (
	"fmt"
	"net/http/httptest"
	"strconv"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// This login handler limits failed attempts for each account, whatever their addresses.
// Attempts that succeed do not count.
func ExampleNewRateLimiter() {
	attempts := http.NewRateLimiter(http.RateLimitConfig{Limit: 2, Window: 15 * time.Minute})

	login := func(w http.ResponseWriter, r *http.Request) {
		account := r.FormValue("account")
		ok, retryAfter := attempts.Allow(r.Context(), account)
		if !ok {
			w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())+1))
			http.WriteError(w, http.StatusTooManyRequests, "too many failed attempts")
			return
		}
		if r.FormValue("password") != "secret" {
			http.WriteError(w, http.StatusUnauthorized, "wrong account or password")
			return
		}
		attempts.Refund(r.Context(), account)
		http.WriteJSON(w, http.StatusOK, "welcome")
	}

	router := http.NewRouter()
	router.HandleFunc("POST /login", login)
	for _, password := range []string{"secret", "guess", "secret", "guess", "guess"} {
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, httptest.NewRequest("POST", "/login?account=ada&password="+password, nil))
		fmt.Println(rec.Code, rec.Body)
	}
	// Output:
	// 200 "welcome"
	// 401 {"error":"wrong account or password"}
	// 200 "welcome"
	// 401 {"error":"wrong account or password"}
	// 429 {"error":"too many failed attempts"}
}

// Requests, and the calls of Allow in a handler, share one limit.
func ExampleRateLimiter() {
	limiter := http.NewRateLimiter(http.RateLimitConfig{
		Limit:   10,
		KeyFunc: func(r *http.Request) string { return r.Header.Get("X-API-Key") },
	})
	router := http.NewRouter()
	router.Use(limiter.Middleware())
	router.HandleFunc("POST /import", func(w http.ResponseWriter, r *http.Request) {
		for row := 1; row <= 20; row++ { // each row counts like a request
			if ok, _ := limiter.Allow(r.Context(), r.Header.Get("X-API-Key")); !ok {
				http.WriteError(w, http.StatusTooManyRequests, fmt.Sprint("stopped at row ", row))
				return
			}
		}
		http.WriteJSON(w, http.StatusOK, "imported")
	})

	r := httptest.NewRequest("POST", "/import", nil)
	r.Header.Set("X-API-Key", "alice")
	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, r)
	fmt.Println(rec.Code, rec.Body)
	// Output:
	// 429 {"error":"stopped at row 10"}
}

// Two groups share one limit.
func ExampleRateLimiter_Middleware() {
	limiter := http.NewRateLimiter(http.RateLimitConfig{Limit: 3})
	router := http.NewRouter()
	for _, prefix := range []string{"/search", "/export"} {
		group := router.Group(prefix)
		group.Use(limiter.Middleware())
		group.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {})
	}

	for _, path := range []string{"/search/", "/export/", "/search/", "/export/"} {
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		fmt.Println(path, rec.Code, "remaining:", rec.Header().Get("X-RateLimit-Remaining"))
	}
	// Output:
	// /search/ 200 remaining: 2
	// /export/ 200 remaining: 1
	// /search/ 200 remaining: 0
	// /export/ 429 remaining: 0
}

// This program sends at most one email an hour to each address.
func ExampleRateLimiter_Allow() {
	emails := http.NewRateLimiter(http.RateLimitConfig{Limit: 1, Window: time.Hour})
	send := func(r *http.Request, address string) {
		if ok, retryAfter := emails.Allow(r.Context(), address); !ok {
			fmt.Println(address, "must wait for", retryAfter.Round(time.Minute))
			return
		}
		fmt.Println("sent an email to", address)
	}

	r := httptest.NewRequest("POST", "/reset-password", nil)
	send(r, "ada@example.com")
	send(r, "bob@example.com")
	send(r, "ada@example.com")
	// Output:
	// sent an email to ada@example.com
	// sent an email to bob@example.com
	// ada@example.com must wait for 1h0m0s
}

// Only downloads that succeed count.
func ExampleRateLimiter_Refund() {
	downloads := http.NewRateLimiter(http.RateLimitConfig{Limit: 1, Window: 24 * time.Hour})
	download := func(r *http.Request, user string, available bool) string {
		if ok, _ := downloads.Allow(r.Context(), user); !ok {
			return "no downloads left today"
		}
		if !available {
			downloads.Refund(r.Context(), user)
			return "not available"
		}
		return "downloaded"
	}

	r := httptest.NewRequest("GET", "/report", nil)
	fmt.Println(download(r, "ada", false))
	fmt.Println(download(r, "ada", true))
	fmt.Println(download(r, "ada", true))
	// Output:
	// not available
	// downloaded
	// no downloads left today
}
