package http_test

import (
	"fmt"
	"net/http/httptest"
	"testing/fstest"

	"github.com/stanza-go/framework/pkg/http"
)

// A client-side route such as /users/7 gets the application's page; a missing
// file gets 404.
func ExampleStatic() {
	ui := fstest.MapFS{ // usually an embed.FS
		"dist/index.html":      {Data: []byte("<title>app</title>")},
		"dist/app-1a2b3c4d.js": {Data: []byte("start()")},
	}
	router := http.NewRouter()
	router.Handle("GET /{path...}", http.Static(ui))

	for _, path := range []string{"/", "/users/7", "/app-1a2b3c4d.js", "/missing.js"} {
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		fmt.Println(path, rec.Code, rec.Body)
	}
	// Output:
	// / 200 <title>app</title>
	// /users/7 200 <title>app</title>
	// /app-1a2b3c4d.js 200 start()
	// /missing.js 404 {"error":"not found"}
}

// If an API shares the host, a handler for NotFound keeps unknown paths of the
// API from getting the application's page.
func ExampleStatic_api() {
	ui := fstest.MapFS{"index.html": {Data: []byte("<title>app</title>")}}
	router := http.NewRouter()
	router.Handle("GET /{path...}", http.Static(ui))
	router.Group("/api").NotFound(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.WriteError(w, http.StatusNotFound, "no such endpoint")
	}))

	for _, path := range []string{"/about", "/api/about"} {
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		fmt.Println(path, rec.Code, rec.Header().Get("Content-Type"))
	}
	// Output:
	// /about 200 text/html; charset=utf-8
	// /api/about 404 application/json
}
