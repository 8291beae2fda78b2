package http_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// RequestLogger logs one line for each request. Handlers log with the logger
// of the request, which adds the request's ID.
func ExampleRequestLogger() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "duration" {
				return slog.Attr{} // for a reproducible output
			}
			return a
		},
	}))
	router := http.NewRouter()
	router.Use(http.RequestID(http.RequestIDConfig{}), http.RequestLogger(logger))
	router.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.LoggerFromContext(r.Context()).Info("saying hello")
		fmt.Fprint(w, "hello")
	})

	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Request-ID", "trace-17")
	router.ServeHTTP(httptest.NewRecorder(), r)
	// Output:
	// level=INFO msg="saying hello" request_id=trace-17
	// level=INFO msg="http request" method=GET path=/ status=200 bytes=5 remote_ip=192.0.2.1 request_id=trace-17 pattern="GET /{$}"
}

// Options can be kept in a slice, to give several routers the same log lines.
func ExampleLogOption() {
	options := []http.LogOption{
		http.LogSkip(func(r *http.Request) bool { return r.Pattern == "GET /health" }),
		http.LogAttrs(func(r *http.Request) []slog.Attr {
			return []slog.Attr{slog.String("host", r.Host)}
		}),
	}
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "duration" {
				return slog.Attr{} // for a reproducible output
			}
			return a
		},
	}))
	for _, host := range []string{"shop.example.com", "blog.example.com"} {
		router := http.NewRouter()
		router.Use(http.RequestLogger(logger, options...))
		router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "http://"+host+"/", nil))
	}
	// Output:
	// level=INFO msg="http request" method=GET path=/ status=404 bytes=21 remote_ip=192.0.2.1 host=shop.example.com
	// level=INFO msg="http request" method=GET path=/ status=404 bytes=21 remote_ip=192.0.2.1 host=blog.example.com
}

// The health checks of a load balancer are not logged.
func ExampleLogSkip() {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	router := http.NewRouter()
	router.Use(http.RequestLogger(logger, http.LogSkip(func(r *http.Request) bool {
		return r.Pattern == "GET /health"
	})))
	router.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {})
	router.HandleFunc("GET /users", func(w http.ResponseWriter, r *http.Request) {})

	for _, path := range []string{"/health", "/health", "/users"} {
		router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	fmt.Println("lines logged:", bytes.Count(log.Bytes(), []byte("\n")))
	// Output: lines logged: 1
}

// Only errors and slow requests are logged.
func ExampleLogFilter() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "duration" {
				return slog.Attr{} // for a reproducible output
			}
			return a
		},
	}))
	router := http.NewRouter()
	router.Use(http.RequestLogger(logger, http.LogFilter(func(r *http.Request, status int, duration time.Duration) bool {
		return status >= 400 || duration > time.Second
	})))
	router.HandleFunc("GET /users", func(w http.ResponseWriter, r *http.Request) {})

	for _, path := range []string{"/users", "/user"} {
		router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	// Output: level=INFO msg="http request" method=GET path=/user status=404 bytes=21 remote_ip=192.0.2.1
}

// Authentication middleware adds the user to the log line of each request.
func ExampleAddLogAttrs() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "duration" {
				return slog.Attr{} // for a reproducible output
			}
			return a
		},
	}))
	authenticate := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, _, ok := r.BasicAuth() // a real program checks the password
			if !ok {
				http.WriteError(w, http.StatusUnauthorized, "log in first")
				return
			}
			http.AddLogAttrs(r.Context(), slog.String("user", user))
			next.ServeHTTP(w, r)
		})
	}
	router := http.NewRouter()
	router.Use(http.RequestLogger(logger))
	account := router.Group("/account")
	account.Use(authenticate)
	account.HandleFunc("GET /orders", func(w http.ResponseWriter, r *http.Request) {})

	r := httptest.NewRequest("GET", "/account/orders", nil)
	r.SetBasicAuth("ann", "secret")
	router.ServeHTTP(httptest.NewRecorder(), r)
	// Output:
	// level=INFO msg="http request" method=GET path=/account/orders status=200 bytes=0 remote_ip=192.0.2.1 pattern="GET /account/orders" user=ann
}

// The log lines include the user agent.
func ExampleLogAttrs() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "duration" {
				return slog.Attr{} // for a reproducible output
			}
			return a
		},
	}))
	router := http.NewRouter()
	router.Use(http.RequestLogger(logger, http.LogAttrs(func(r *http.Request) []slog.Attr {
		return []slog.Attr{slog.String("agent", r.UserAgent())}
	})))

	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("User-Agent", "curl/8")
	router.ServeHTTP(httptest.NewRecorder(), r)
	// Output: level=INFO msg="http request" method=GET path=/ status=404 bytes=21 remote_ip=192.0.2.1 agent=curl/8
}

// If the context has no logger, LoggerFromContext returns [slog.Default].
func ExampleLoggerFromContext() {
	logger := http.LoggerFromContext(context.Background())
	fmt.Println(logger == slog.Default())
	// Output: true
}

// This middleware adds the tenant to everything that later handlers log.
func ExampleContextWithLogger() {
	withTenant := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			logger := http.LoggerFromContext(r.Context()).With("tenant", r.PathValue("tenant"))
			next.ServeHTTP(w, r.WithContext(http.ContextWithLogger(r.Context(), logger)))
		})
	}
	router := http.NewRouter()
	tenants := router.Group("/{tenant}")
	tenants.Use(withTenant)
	tenants.HandleFunc("POST /invoices", func(w http.ResponseWriter, r *http.Request) {
		http.LoggerFromContext(r.Context()).Info("invoice sent")
	})

	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // for a reproducible output
			}
			return a
		},
	}))
	ctx := http.ContextWithLogger(context.Background(), logger)
	r := httptest.NewRequestWithContext(ctx, "POST", "/acme/invoices", nil)
	router.ServeHTTP(httptest.NewRecorder(), r)
	// Output: level=INFO msg="invoice sent" tenant=acme
}
