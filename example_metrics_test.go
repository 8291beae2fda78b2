package http_test

import (
	"fmt"
	"io"
	"net/http/httptest"

	"github.com/stanza-go/framework/pkg/http"
)

// This router counts its requests and shows the numbers to operators.
func ExampleMetrics() {
	metrics := http.NewMetrics()
	router := http.NewRouter()
	router.Use(metrics.Middleware())
	router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
	})
	router.HandleFunc("GET /stats", func(w http.ResponseWriter, r *http.Request) {
		stats := metrics.Stats()
		fmt.Fprintf(w, "%d requests served, %d active", stats.TotalRequests, stats.ActiveRequests)
	})

	for _, path := range []string{"/users/1", "/users/2", "/nowhere"} {
		router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/stats", nil))
	fmt.Println(rec.Body)
	// Output: 3 requests served, 1 active
}

// One Metrics can count the requests of several routers.
func ExampleNewMetrics() {
	metrics := http.NewMetrics()
	public, internal := http.NewRouter(), http.NewRouter()
	public.Use(metrics.Middleware())
	internal.Use(metrics.Middleware())

	public.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	internal.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	fmt.Println(metrics.Stats().TotalRequests)
	// Output: 2
}

// If the metrics come first in the chain, they also count responses that other
// middleware sends in place of the handler.
func ExampleMetrics_Middleware() {
	closed := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.WriteError(w, http.StatusServiceUnavailable, "closed for maintenance")
		})
	}
	metrics := http.NewMetrics()
	router := http.NewRouter()
	router.Use(metrics.Middleware(), closed)

	router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	fmt.Println(metrics.Stats().Status5xx)
	// Output: 1
}

// Stats returns the sum over all requests.
func ExampleMetrics_Stats() {
	metrics := http.NewMetrics()
	router := http.NewRouter()
	router.Use(metrics.Middleware())
	router.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "12345")
	})
	for range 3 {
		router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}

	stats := metrics.Stats()
	fmt.Println(stats.TotalRequests, "requests,", stats.Status2xx, "successful")
	fmt.Println(stats.BytesWritten, "bytes in all bodies")
	fmt.Println("took some time:", stats.AvgDurationMs > 0)
	// Output:
	// 3 requests, 3 successful
	// 15 bytes in all bodies
	// took some time: true
}

// The label route is the pattern that matched, not the path requested.
func ExampleMetrics_Collect() {
	metrics := http.NewMetrics()
	router := http.NewRouter()
	router.Use(metrics.Middleware())
	router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {})
	for _, path := range []string{"/users/1", "/users/2", "/nowhere"} {
		router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}

	for _, metric := range metrics.Collect() {
		if metric.Name == "http_requests_total" {
			fmt.Println(metric.Labels["method"], metric.Labels["route"], metric.Labels["status"], metric.Value)
		}
	}
	// Output:
	// GET /users/{id} 2xx 2
	// GET unmatched 4xx 1
}

// Collect can be passed to [http.PrometheusHandler].
func ExampleMetrics_Collect_prometheus() {
	metrics := http.NewMetrics()
	router := http.NewRouter()
	router.Use(metrics.Middleware())
	router.HandleFunc("GET /metrics", http.PrometheusHandler(metrics.Collect))

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	fmt.Print(rec.Body)
	// Output:
	// # HELP http_requests_in_flight Requests being served.
	// # TYPE http_requests_in_flight gauge
	// http_requests_in_flight 1
}

// The fields of a MetricsStats are plain numbers. In JSON, their names are in lower
// case, with underscores.
func ExampleMetricsStats() {
	stats := http.MetricsStats{TotalRequests: 200, Status2xx: 197, Status5xx: 3}
	fmt.Printf("%.1f%% errors\n", 100*float64(stats.Status5xx)/float64(stats.TotalRequests))

	rec := httptest.NewRecorder()
	http.WriteJSON(rec, http.StatusOK, stats)
	fmt.Println(rec.Body)
	// Output:
	// 1.5% errors
	// {"total_requests":200,"active_requests":0,"status_2xx":197,"status_3xx":0,"status_4xx":0,"status_5xx":3,"bytes_written":0,"avg_duration_ms":0,"open_streams":0}
}
