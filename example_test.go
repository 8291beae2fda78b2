package http_test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"

	"github.com/stanza-go/framework/pkg/http"
)

// Count all requests of a router, and show the numbers to operators.
func ExampleMetrics() {
	metrics := http.NewMetrics()
	router := http.NewRouter()
	router.Use(metrics.Middleware())
	router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
	})
	router.HandleFunc("GET /stats", func(w http.ResponseWriter, r *http.Request) {
		stats := metrics.Stats()
		fmt.Fprintf(w, "%d answered, %d being served", stats.TotalRequests, stats.ActiveRequests)
	})

	for _, path := range []string{"/users/1", "/users/2", "/lost"} {
		router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/stats", nil))
	fmt.Println(rec.Body)
	// Output: 3 answered, 1 being served
}

func ExampleNewMetrics() {
	metrics := http.NewMetrics()
	fmt.Println(metrics.Stats().TotalRequests)
	// Output: 0
}

// Metrics belong outside everything that may answer in a handler's place, so
// that those answers count too.
func ExampleMetrics_Middleware() {
	metrics := http.NewMetrics()
	router := http.NewRouter()
	router.Use(
		metrics.Middleware(),
		func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusServiceUnavailable)
			})
		},
	)
	router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	fmt.Println(metrics.Stats().Status5xx)
	// Output: 1
}

func ExampleMetrics_Stats() {
	metrics := http.NewMetrics()
	handler := metrics.Middleware()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "12345")
	}))
	for range 3 {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}
	stats := metrics.Stats()
	fmt.Println(stats.TotalRequests, stats.Status2xx, stats.BytesWritten, stats.AvgDurationMs > 0)
	// Output: 3 3 15 true
}

// A page for operators shows the errors among all requests.
func ExampleMetricsStats() {
	stats := http.MetricsStats{TotalRequests: 200, Status2xx: 197, Status5xx: 3}
	fmt.Printf("%.1f%% errors\n", 100*float64(stats.Status5xx)/float64(stats.TotalRequests))
	// Output: 1.5% errors
}

// Routes appear as patterns, however many paths were asked for.
func ExampleMetrics_Collect() {
	metrics := http.NewMetrics()
	router := http.NewRouter()
	router.Use(metrics.Middleware())
	router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {})
	for _, path := range []string{"/users/1", "/users/2", "/lost"} {
		router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	for _, m := range metrics.Collect() {
		if m.Name == "http_requests_total" {
			fmt.Println(m.Labels["method"], m.Labels["route"], m.Labels["status"], m.Value)
		}
	}
	// Output:
	// GET /users/{id} 2xx 2
	// GET unmatched 4xx 1
}

func ExamplePrometheusHandler() {
	router := http.NewRouter()
	router.HandleFunc("GET /metrics", http.PrometheusHandler(func() []http.PrometheusMetric {
		return []http.PrometheusMetric{
			{Name: "myapp_jobs_total", Help: "Jobs done.", Type: "counter", Value: 42},
			{Name: "myapp_queue_length", Help: "Jobs waiting.", Type: "gauge", Value: 7},
		}
	}))
	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	fmt.Println(rec.Header().Get("Content-Type"))
	fmt.Print(rec.Body)
	// Output:
	// text/plain; version=0.0.4; charset=utf-8
	// # HELP myapp_jobs_total Jobs done.
	// # TYPE myapp_jobs_total counter
	// myapp_jobs_total 42
	// # HELP myapp_queue_length Jobs waiting.
	// # TYPE myapp_queue_length gauge
	// myapp_queue_length 7
}

// Metrics of one name form a family, told apart by labels.
func ExamplePrometheusMetric() {
	collect := func() []http.PrometheusMetric {
		return []http.PrometheusMetric{
			{Name: "myapp_jobs_total", Help: "Jobs done.", Type: "counter", Value: 40,
				Labels: map[string]string{"queue": "mail"}},
			{Name: "myapp_jobs_total", Type: "counter", Value: 2,
				Labels: map[string]string{"queue": "export"}},
		}
	}
	rec := httptest.NewRecorder()
	http.PrometheusHandler(collect)(rec, httptest.NewRequest("GET", "/metrics", nil))
	fmt.Print(rec.Body)
	// Output:
	// # HELP myapp_jobs_total Jobs done.
	// # TYPE myapp_jobs_total counter
	// myapp_jobs_total{queue="export"} 2
	// myapp_jobs_total{queue="mail"} 40
}

// Three jobs took up to 0.1 s, one took up to 1 s, and one took longer.
func ExamplePrometheusHistogram() {
	collect := func() []http.PrometheusMetric {
		return []http.PrometheusMetric{{
			Name: "myapp_job_seconds", Help: "Time a job took.",
			Histogram: &http.PrometheusHistogram{
				Bounds: []float64{0.1, 1},
				Counts: []uint64{3, 1, 1},
				Sum:    4.5,
			},
		}}
	}
	rec := httptest.NewRecorder()
	http.PrometheusHandler(collect)(rec, httptest.NewRequest("GET", "/metrics", nil))
	fmt.Print(rec.Body)
	// Output:
	// # HELP myapp_job_seconds Time a job took.
	// # TYPE myapp_job_seconds histogram
	// myapp_job_seconds_bucket{le="0.1"} 3
	// myapp_job_seconds_bucket{le="1"} 4
	// myapp_job_seconds_bucket{le="+Inf"} 5
	// myapp_job_seconds_sum 4.5
	// myapp_job_seconds_count 5
}

// A page with an application's own metrics, those of its requests and those
// of the Go runtime.
func ExampleRuntimeMetrics() {
	metrics := http.NewMetrics()
	handler := http.PrometheusHandler(func() []http.PrometheusMetric {
		out := []http.PrometheusMetric{
			{Name: "myapp_up", Help: "Always 1.", Type: "gauge", Value: 1},
		}
		out = append(out, metrics.Collect()...)
		return append(out, http.RuntimeMetrics()...)
	})
	rec := httptest.NewRecorder()
	handler(rec, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(rec.Body.String()) {
		if strings.HasPrefix(line, "# TYPE") {
			fmt.Print(line)
		}
	}
	// Output:
	// # TYPE go_gc_completed_total counter
	// # TYPE go_gc_pause_total_seconds counter
	// # TYPE go_goroutines gauge
	// # TYPE go_memstats_alloc_bytes gauge
	// # TYPE go_memstats_heap_inuse_bytes gauge
	// # TYPE go_memstats_heap_objects gauge
	// # TYPE go_memstats_stack_inuse_bytes gauge
	// # TYPE go_memstats_sys_bytes gauge
	// # TYPE http_requests_in_flight gauge
	// # TYPE myapp_up gauge
}
