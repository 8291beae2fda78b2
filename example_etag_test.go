package http_test

import (
	"fmt"
	"io"
	"net/http/httptest"

	"github.com/stanza-go/framework/pkg/http"
)

// A client that sends the tag of its copy gets 304 without a body.
func ExampleETag() {
	router := http.NewRouter()
	router.Use(http.ETag(http.ETagConfig{}))
	router.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
	})

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	tag := rec.Header().Get("ETag")
	fmt.Println(rec.Code, tag, rec.Body)

	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("If-None-Match", tag)
	rec = httptest.NewRecorder()
	router.ServeHTTP(rec, r)
	fmt.Println(rec.Code, rec.Header().Get("ETag"), rec.Body)
	// Output:
	// 200 "3610a6869a71bb4c" hello
	// 304 "3610a6869a71bb4c"
}

// Equal weak tags mean that two bodies are equivalent, but not that they are
// identical.
func ExampleETagConfig() {
	router := http.NewRouter()
	router.Use(http.ETag(http.ETagConfig{Weak: true}))
	router.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
	})

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	fmt.Println(rec.Header().Get("ETag"))
	// Output: W/"3610a6869a71bb4c"
}
