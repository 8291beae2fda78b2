package http_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"sync/atomic"

	"github.com/stanza-go/framework/pkg/http"
)

// If a proxy has already given the request an ID, RequestID keeps it.
func ExampleRequestID() {
	router := http.NewRouter()
	router.Use(http.RequestID(http.RequestIDConfig{}))

	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Request-ID", "trace-17")
	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, r)
	fmt.Println(rec.Header().Get("X-Request-ID"))
	// Output: trace-17
}

// This example sends consecutive numbers in a header of another name.
func ExampleRequestIDConfig() {
	var last atomic.Int64
	router := http.NewRouter()
	router.Use(http.RequestID(http.RequestIDConfig{
		Header:    "X-Trace-ID",
		Generator: func() string { return fmt.Sprint("trace-", last.Add(1)) },
	}))

	for range 2 {
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
		fmt.Println(rec.Header().Get("X-Trace-ID"))
	}
	// Output:
	// trace-1
	// trace-2
}

// A handler includes the ID in its response, so that users can quote it.
func ExampleGetRequestID() {
	router := http.NewRouter()
	router.Use(http.RequestID(http.RequestIDConfig{}))
	router.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		http.WriteJSON(w, http.StatusAccepted, map[string]string{"request_id": http.GetRequestID(r)})
	})

	r := httptest.NewRequest("POST", "/orders", nil)
	r.Header.Set("X-Request-ID", "trace-17")
	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, r)
	fmt.Println(rec.Code, rec.Body)
	// Output: 202 {"request_id":"trace-17"}
}

// A function that gets only a context sends the ID of the request to another service.
func ExampleRequestIDFromContext() {
	charge := func(ctx context.Context) {
		r := httptest.NewRequestWithContext(ctx, "POST", "http://payments.internal/charges", nil)
		r.Header.Set("X-Request-ID", http.RequestIDFromContext(ctx))
		fmt.Println(r.Method, r.URL, r.Header.Get("X-Request-ID"))
	}
	router := http.NewRouter()
	router.Use(http.RequestID(http.RequestIDConfig{}))
	router.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) { charge(r.Context()) })

	r := httptest.NewRequest("POST", "/orders", nil)
	r.Header.Set("X-Request-ID", "trace-17")
	router.ServeHTTP(httptest.NewRecorder(), r)
	// Output: POST http://payments.internal/charges trace-17
}
