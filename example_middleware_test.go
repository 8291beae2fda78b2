package http_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"

	"github.com/stanza-go/framework/pkg/http"
)

// This example adds the middleware of this package in the recommended order.
func Example_middleware() {
	metrics := http.NewMetrics()
	router := http.NewRouter()
	router.Use(
		http.RequestID(http.RequestIDConfig{}),
		metrics.Middleware(),
		http.RequestLogger(slog.New(slog.DiscardHandler)),
		http.Compress(http.CompressConfig{}),
		http.ETag(http.ETagConfig{}),
		http.SecureHeaders(http.SecureHeadersConfig{}),
		http.MaxBody(2<<20),
		http.CORS(http.CORSConfig{AllowOrigins: []string{"https://app.example.com"}}),
		http.Recovery(func(recovered any, stack []byte) { fmt.Println("panic:", recovered) }),
	)
	router.HandleFunc("GET /report", func(w http.ResponseWriter, r *http.Request) {
		panic("division by zero")
	})

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/report", nil))
	fmt.Println(rec.Code, rec.Body)
	fmt.Println(rec.Header().Get("X-Frame-Options"), metrics.Stats().Status5xx)
	// Output:
	// panic: division by zero
	// 500 {"error":"internal server error"}
	// DENY 1
}

// Any function with this signature is middleware. Code before the call of the
// next handler runs on the way in, code after it on the way out.
func ExampleMiddleware() {
	var trace http.Middleware = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Println("in: ", r.Method, r.URL.Path)
			next.ServeHTTP(w, r)
			fmt.Println("out:", r.Method, r.URL.Path)
		})
	}
	router := http.NewRouter()
	router.Use(trace)
	router.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("the handler")
	})
	router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/x", nil))
	// Output:
	// in:  GET /x
	// the handler
	// out: GET /x
}

// Chain names a set of middleware, so that several groups can use it.
func ExampleChain() {
	announce := func(word string) http.Middleware {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Print(word, " ")
				next.ServeHTTP(w, r)
			})
		}
	}
	protected := http.Chain(announce("authenticate"), announce("authorize"))

	router := http.NewRouter()
	admin := router.Group("/admin")
	admin.Use(protected)
	billing := router.Group("/billing")
	billing.Use(protected, announce("audit"))
	billing.HandleFunc("POST /invoices", func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("handle")
	})
	router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/billing/invoices", nil))
	// Output: authenticate authorize audit handle
}

// A panic becomes a response with status 500, and its value and stack trace
// are reported.
func ExampleRecovery() {
	router := http.NewRouter()
	router.Use(http.Recovery(func(recovered any, stack []byte) {
		fmt.Println("panic:", recovered)
	}))
	router.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		panic("out of cheese")
	})

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	fmt.Println(rec.Code, rec.Body)
	// Output:
	// panic: out of cheese
	// 500 {"error":"internal server error"}
}

// The report of a panic names the route.
func ExampleRecoveryFunc() {
	router := http.NewRouter()
	router.Use(http.RecoveryFunc(func(r *http.Request, recovered any, stack []byte) {
		fmt.Println("panic in", r.Pattern+":", recovered)
	}))
	router.HandleFunc("GET /cheese/{name}", func(w http.ResponseWriter, r *http.Request) {
		panic("out of " + r.PathValue("name"))
	})

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/cheese/brie", nil))
	fmt.Println(rec.Code, rec.Body)
	// Output:
	// panic in GET /cheese/{name}: out of brie
	// 500 {"error":"internal server error"}
}

// BindJSON responds with 400 if the body exceeds the limit.
func ExampleMaxBody() {
	router := http.NewRouter()
	router.Use(http.MaxBody(16))
	router.HandleFunc("POST /users", func(w http.ResponseWriter, r *http.Request) {
		var user struct{ Name string }
		if !http.BindJSON(w, r, &user) {
			return
		}
		http.WriteJSON(w, http.StatusCreated, user)
	})

	for _, body := range []string{`{"name":"Ada"}`, `{"name":"Ada Lovelace"}`} {
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, httptest.NewRequest("POST", "/users", strings.NewReader(body)))
		fmt.Println(rec.Code, rec.Body)
	}
	// Output:
	// 201 {"Name":"Ada"}
	// 400 {"error":"request body too large"}
}

// A handler that reads the body itself gets a [http.MaxBytesError].
func ExampleMaxBody_error() {
	router := http.NewRouter()
	router.Use(http.MaxBody(5))
	router.HandleFunc("PUT /note", func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			message := fmt.Sprintf("at most %d bytes are allowed", tooLarge.Limit)
			http.WriteError(w, http.StatusRequestEntityTooLarge, message)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("PUT", "/note", strings.NewReader("a long note")))
	fmt.Println(rec.Code, rec.Body)
	// Output: 413 {"error":"at most 5 bytes are allowed"}
}

// The security headers are set on every response, including errors.
func ExampleSecureHeaders() {
	router := http.NewRouter()
	router.Use(http.SecureHeaders(http.SecureHeadersConfig{}))

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/nowhere", nil))
	fmt.Println(rec.Code)
	for _, name := range []string{"X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "X-XSS-Protection", "Permissions-Policy"} {
		fmt.Println(name+":", rec.Header().Get(name))
	}
	// Output:
	// 404
	// X-Content-Type-Options: nosniff
	// X-Frame-Options: DENY
	// Referrer-Policy: strict-origin-when-cross-origin
	// X-XSS-Protection: 0
	// Permissions-Policy: camera=(), microphone=(), geolocation=()
}

// This site is always served over HTTPS and may frame its own pages. A handler
// can replace a header, as the one for /map does.
func ExampleSecureHeadersConfig() {
	router := http.NewRouter()
	router.Use(http.SecureHeaders(http.SecureHeadersConfig{
		ContentSecurityPolicy: "default-src 'self'",
		FrameOptions:          "SAMEORIGIN",
		PermissionsPolicy:     "-", // not sent
		HSTSMaxAge:            63072000,
		HSTSIncludeSubdomains: true,
	}))
	router.HandleFunc("GET /map", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self' tiles.example.com")
	})

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/map", nil))
	for _, name := range []string{"Content-Security-Policy", "X-Frame-Options", "Permissions-Policy", "Strict-Transport-Security"} {
		fmt.Printf("%s: %q\n", name, rec.Header().Get(name))
	}
	// Output:
	// Content-Security-Policy: "default-src 'self' tiles.example.com"
	// X-Frame-Options: "SAMEORIGIN"
	// Permissions-Policy: ""
	// Strict-Transport-Security: "max-age=63072000; includeSubDomains"
}
