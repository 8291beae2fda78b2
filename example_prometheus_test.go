package http_test

import (
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/stanza-go/framework/pkg/http"
)

// The function passed to PrometheusHandler is called for each scrape.
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

// Metrics with the same name form a family and differ in their labels.
func ExamplePrometheusMetric() {
	router := http.NewRouter()
	router.HandleFunc("GET /metrics", http.PrometheusHandler(func() []http.PrometheusMetric {
		return []http.PrometheusMetric{
			{Name: "myapp_jobs_total", Help: "Jobs done.", Type: "counter", Value: 40,
				Labels: map[string]string{"queue": "mail"}},
			{Name: "myapp_jobs_total", Type: "counter", Value: 2,
				Labels: map[string]string{"queue": "export"}},
		}
	}))

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	fmt.Print(rec.Body)
	// Output:
	// # HELP myapp_jobs_total Jobs done.
	// # TYPE myapp_jobs_total counter
	// myapp_jobs_total{queue="export"} 2
	// myapp_jobs_total{queue="mail"} 40
}

// Three jobs took up to 0.1 s, one took up to 1 s, and one took longer.
func ExamplePrometheusHistogram() {
	router := http.NewRouter()
	router.HandleFunc("GET /metrics", http.PrometheusHandler(func() []http.PrometheusMetric {
		return []http.PrometheusMetric{{
			Name: "myapp_job_seconds", Help: "Time a job took.",
			Histogram: &http.PrometheusHistogram{
				Bounds: []float64{0.1, 1},
				Counts: []uint64{3, 1, 1},
				Sum:    4.5,
			},
		}}
	}))

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
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

// This page has the metrics of the application, of its requests, and of the Go
// runtime.
func ExampleRuntimeMetrics() {
	metrics := http.NewMetrics()
	router := http.NewRouter()
	router.HandleFunc("GET /metrics", http.PrometheusHandler(func() []http.PrometheusMetric {
		all := []http.PrometheusMetric{{Name: "myapp_up", Help: "Always 1.", Type: "gauge", Value: 1}}
		all = append(all, metrics.Collect()...)
		return append(all, http.RuntimeMetrics()...)
	}))

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
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
