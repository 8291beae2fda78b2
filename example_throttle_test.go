package http_test

import (
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// Only one report is computed at a time. A second request during that time is
// rejected, because there is no backlog.
func ExampleThrottle() {
	router := http.NewRouter()
	reports := router.Group("/reports")
	reports.Use(http.Throttle(http.ThrottleConfig{Limit: 1}))
	started, finish := make(chan bool), make(chan bool)
	reports.HandleFunc("GET /slow", func(w http.ResponseWriter, r *http.Request) {
		started <- true
		<-finish
		http.WriteJSON(w, http.StatusOK, "done")
	})

	first := httptest.NewRecorder()
	served := make(chan bool)
	go func() {
		router.ServeHTTP(first, httptest.NewRequest("GET", "/reports/slow", nil))
		close(served)
	}()
	<-started

	second := httptest.NewRecorder()
	router.ServeHTTP(second, httptest.NewRequest("GET", "/reports/slow", nil))
	fmt.Println(second.Code, second.Body)
	fmt.Println("Retry-After:", second.Header().Get("Retry-After"))

	finish <- true
	<-served
	fmt.Println(first.Code, first.Body)
	// Output:
	// 503 {"error":"server is busy"}
	// Retry-After: 1
	// 200 "done"
}

// At most four requests are handled at once, and up to 16 more wait for at most two
// seconds.
func ExampleThrottleConfig() {
	router := http.NewRouter()
	router.Use(http.Throttle(http.ThrottleConfig{
		Limit:   4,
		Backlog: 16,
		Wait:    2 * time.Second,
	}))
	router.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		http.WriteJSON(w, http.StatusOK, "ok")
	})

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	fmt.Println(rec.Code, rec.Body)
	// Output: 200 "ok"
}

// Metrics exports how many requests a throttle handles and how many wait.
func ExampleThrottleConfig_metrics() {
	metrics := http.NewMetrics()
	router := http.NewRouter()
	router.Use(metrics.Middleware())
	reports := router.Group("/reports")
	reports.Use(http.Throttle(http.ThrottleConfig{Limit: 4, Backlog: 16, Metrics: metrics, Name: "reports"}))
	reports.HandleFunc("GET /{id}", func(w http.ResponseWriter, r *http.Request) {
		for _, metric := range metrics.Collect() {
			if metric.Labels["throttle"] == "reports" {
				fmt.Println(metric.Name, metric.Value)
			}
		}
	})
	router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/reports/1", nil))
	// Output:
	// http_throttle_running_requests 1
	// http_throttle_waiting_requests 0
}
