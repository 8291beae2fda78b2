package http_test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"sync/atomic"
	"testing/fstest"

	"github.com/stanza-go/framework/pkg/http"
)

// A new router responds to every request with 404 and a JSON body.
func ExampleNewRouter() {
	router := http.NewRouter()

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	fmt.Println(rec.Code, rec.Body)
	// Output: 404 {"error":"not found"}
}

// A pattern consists of a method, a host and a path; only the path is
// required. If several patterns match a request, the most specific one wins.
func ExampleRouter() {
	router := http.NewRouter()
	for _, pattern := range []string{
		"GET /files/{path...}",
		"GET /files/{name}/info",
		"GET /files/{$}",
		"/files/",
		"GET cdn.example.com/files/",
	} {
		router.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			fmt.Printf("%-4s %-32s %s\n", r.Method, r.URL, r.Pattern)
		})
	}

	for _, request := range []struct{ method, url string }{
		{"GET", "http://example.com/files/"},
		{"GET", "http://example.com/files/a/b"},
		{"GET", "http://example.com/files/a/info"},
		{"POST", "http://example.com/files/a"},
		{"GET", "http://cdn.example.com/files/a"},
	} {
		router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(request.method, request.url, nil))
	}
	// Output:
	// GET  http://example.com/files/        GET /files/{$}
	// GET  http://example.com/files/a/b     GET /files/{path...}
	// GET  http://example.com/files/a/info  GET /files/{name}/info
	// POST http://example.com/files/a       /files/
	// GET  http://cdn.example.com/files/a   GET cdn.example.com/files/
}

// The zero value is ready to use, for example in a struct.
func ExampleRouter_zeroValue() {
	var site struct {
		router http.Router
		visits atomic.Int64
	}
	site.router.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "visit %d", site.visits.Add(1))
	})

	rec := httptest.NewRecorder()
	site.router.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	fmt.Println(rec.Body)
	// Output: visit 1
}

// Any [http.Handler] can be registered, for example a file server.
func ExampleRouter_Handle() {
	files := http.FileServerFS(fstest.MapFS{"robots.txt": {Data: []byte("User-agent: *")}})
	router := http.NewRouter()
	router.Handle("GET /robots.txt", files)

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/robots.txt", nil))
	fmt.Println(rec.Code, rec.Body)
	// Output: 200 User-agent: *
}

// A handler reads the wildcards of its pattern with PathValue.
func ExampleRouter_HandleFunc() {
	router := http.NewRouter()
	router.HandleFunc("GET /hello/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello, %s!", r.PathValue("name"))
	})

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/hello/Ann%20Lee", nil))
	fmt.Println(rec.Body)
	// Output: Hello, Ann Lee!
}

// The router's middleware runs for every request, even if no route matches.
func ExampleRouter_Use() {
	router := http.NewRouter()
	router.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Server", "Example")
			next.ServeHTTP(w, r)
		})
	})

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/nowhere", nil))
	fmt.Println(rec.Code, rec.Header().Get("Server"))
	// Output: 404 Example
}

// The routes of a group share a path prefix.
func ExampleRouter_Group() {
	router := http.NewRouter()
	v1 := router.Group("/v1")
	v1.HandleFunc("GET /users", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Pattern)
	})

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/v1/users", nil))
	fmt.Println(rec.Body)
	// Output: GET /v1/users
}

// The handler must set the status itself.
func ExampleRouter_NotFound() {
	router := http.NewRouter()
	router.NotFound(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, "There is nothing at %s.", r.URL.Path)
	}))

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/nowhere", nil))
	fmt.Println(rec.Code, rec.Body)
	// Output: 404 There is nothing at /nowhere.
}

// When the handler is called, the Allow header is already set.
func ExampleRouter_MethodNotAllowed() {
	router := http.NewRouter()
	router.HandleFunc("GET /clock", func(w http.ResponseWriter, r *http.Request) {})
	router.MethodNotAllowed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusMethodNotAllowed)
		fmt.Fprintf(w, "Use one of %s.", w.Header().Get("Allow"))
	}))

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("PUT", "/clock", nil))
	fmt.Println(rec.Code, rec.Body)
	// Output: 405 Use one of GET, HEAD.
}

// Routes returns the routes sorted by path and method, including those of
// groups.
func ExampleRouter_Routes() {
	handler := func(w http.ResponseWriter, r *http.Request) {}
	router := http.NewRouter()
	router.HandleFunc("POST /users", handler)
	router.HandleFunc("GET /users", handler)
	router.Group("/api").HandleFunc("GET /roles", handler)
	router.HandleFunc("/about", handler)

	for _, route := range router.Routes() {
		fmt.Printf("%-6s %s\n", route.Method, route.Path)
	}
	// Output:
	//        /about
	// GET    /api/roles
	// GET    /users
	// POST   /users
}

// A router is a handler, so a router can be mounted on another one.
func ExampleRouter_ServeHTTP() {
	shop := http.NewRouter()
	shop.HandleFunc("GET /shop/{item}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "one %s", r.PathValue("item"))
	})
	site := http.NewRouter()
	site.Handle("/shop/", shop)

	rec := httptest.NewRecorder()
	site.ServeHTTP(rec, httptest.NewRequest("GET", "/shop/lamp", nil))
	fmt.Println(rec.Body)
	// Output: one lamp
}

// The path of a route includes the host if its pattern has one.
func ExampleRoute() {
	router := http.NewRouter()
	router.HandleFunc("DELETE api.example.com/users/{id}", func(w http.ResponseWriter, r *http.Request) {})
	fmt.Printf("%+v\n", router.Routes()[0])
	// Output: {Method:DELETE Path:api.example.com/users/{id}}
}
