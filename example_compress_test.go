package http_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"

	"github.com/stanza-go/framework/pkg/http"
)

// Clients that accept gzip get a compressed body.
func ExampleCompress() {
	router := http.NewRouter()
	router.Use(http.Compress(http.CompressConfig{}))
	router.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat("All work and no play makes Jack a dull boy.\n", 100))
	})

	for _, encoding := range []string{"gzip", "identity"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", encoding)
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, r)
		fmt.Printf("%s: Content-Encoding %q, less than 200 bytes: %t\n",
			encoding, rec.Header().Get("Content-Encoding"), rec.Body.Len() < 200)
	}
	// Output:
	// gzip: Content-Encoding "gzip", less than 200 bytes: true
	// identity: Content-Encoding "", less than 200 bytes: false
}

// This configuration compresses JSON only, and prefers speed over size.
func ExampleCompressConfig() {
	router := http.NewRouter()
	router.Use(http.Compress(http.CompressConfig{
		Level:        gzip.BestSpeed,
		MinSize:      512,
		ContentTypes: []string{"application/json"},
	}))
	text := strings.Repeat("x", 600)
	router.HandleFunc("GET /json", func(w http.ResponseWriter, r *http.Request) {
		http.WriteJSON(w, http.StatusOK, text)
	})
	router.HandleFunc("GET /text", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, text)
	})

	for _, path := range []string{"/json", "/text"} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Accept-Encoding", "gzip")
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, r)
		fmt.Printf("%s: %q\n", path, rec.Header().Get("Content-Encoding"))
	}
	// Output:
	// /json: "gzip"
	// /text: ""
}

// An encoder named gzip replaces the built-in one, for example by a faster
// implementation. This example uses compress/gzip to avoid a dependency.
func ExampleCompressEncoder() {
	router := http.NewRouter()
	router.Use(http.Compress(http.CompressConfig{
		Encoders: []http.CompressEncoder{{
			Name:  "gzip",
			New:   func() http.CompressWriter { return gzip.NewWriter(io.Discard) },
			Reuse: true, // New returns a new writer for each call
		}},
	}))
	router.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		http.WriteJSON(w, http.StatusOK, strings.Repeat("x", 2000))
	})

	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, r)
	fmt.Println(rec.Header().Get("Content-Encoding"))
	// Output: gzip
}
