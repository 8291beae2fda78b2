package http_test

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// A report may take at most 10 milliseconds. A slower query is canceled, and the client
// gets status 503.
func ExampleTimeout() {
	query := func(ctx context.Context) error { // queries a slow database
		<-ctx.Done()
		return ctx.Err()
	}
	router := http.NewRouter()
	reports := router.Group("/reports")
	reports.Use(http.Timeout(http.TimeoutConfig{Timeout: 10 * time.Millisecond}))
	reports.HandleFunc("GET /sales", func(w http.ResponseWriter, r *http.Request) {
		if err := query(r.Context()); err != nil {
			fmt.Println("query:", err)
			http.WriteServerError(w, r, "query failed", err)
			return
		}
		http.WriteJSON(w, http.StatusOK, "sales")
	})

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/reports/sales", nil))
	fmt.Println(rec.Code, rec.Body)
	// Output:
	// query: context deadline exceeded
	// 503 {"error":"request timed out"}
}

// The download of a backup may take up to an hour. The handler itself has no deadline.
func ExampleTimeoutConfig() {
	router := http.NewRouter()
	backups := router.Group("/backups")
	backups.Use(http.Timeout(http.TimeoutConfig{WriteTimeout: time.Hour}))
	backups.HandleFunc("GET /today", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "many bytes")
	})

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/backups/today", nil))
	fmt.Println(rec.Code, rec.Body)
	// Output: 200 many bytes
}

// The handler writes an event stream itself. Without Streaming, the server's write timeout
// would end the stream.
func ExampleStreaming() {
	router := http.NewRouter()
	streams := router.Group("/streams")
	streams.Use(http.Streaming())
	streams.HandleFunc("GET /count", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 2 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			http.NewResponseController(w).Flush()
		}
	})

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/streams/count", nil))
	fmt.Print(rec.Body)
	// Output:
	// data: 0
	//
	// data: 1
}
