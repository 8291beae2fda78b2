package http_test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"

	"github.com/stanza-go/framework/pkg/http"
)

// A mounted router does not know its prefix, but logs and metrics have the whole
// pattern.
func ExampleRouter_Mount() {
	shop := http.NewRouter()
	shop.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "item %s of %s at %s", r.PathValue("id"), r.PathValue("tenant"), r.URL.Path)
	})
	router := http.NewRouter()
	router.Mount("/{tenant}/shop", shop)

	r := httptest.NewRequest("GET", "/acme/shop/items/7", nil)
	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, r)
	fmt.Println(rec.Body)
	fmt.Println(r.Pattern)
	// Output:
	// item 7 of acme at /items/7
	// GET /{tenant}/shop/items/{id}
}

// If the mounted ServeMux adds a slash by a redirect, the redirect has the prefixes of
// the group and of the mount.
func ExampleGroup_Mount() {
	files := http.NewServeMux()
	files.HandleFunc("/docs/", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.URL.Path)
	})
	router := http.NewRouter()
	admin := router.Group("/admin")
	admin.Mount("/files", files)

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/admin/files/docs", nil))
	fmt.Println(rec.Code, rec.Header().Get("Location"))
	// Output: 307 /admin/files/docs/
}

// With adds middleware to one route.
func ExampleRouter_With() {
	sameOrigin := http.NewCrossOriginProtection().Handler
	router := http.NewRouter()
	router.With(sameOrigin).HandleFunc("POST /news", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})

	r := httptest.NewRequest("POST", "/news", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, r)
	fmt.Println(rec.Code)
	// Output: 403
}

// The route has the prefix of the group, and only this route has the limit.
func ExampleGroup_With() {
	create := func(w http.ResponseWriter, r *http.Request) {
		var text string
		if http.BindJSON(w, r, &text) {
			w.WriteHeader(http.StatusNoContent)
		}
	}
	router := http.NewRouter()
	api := router.Group("/api")
	api.With(http.MaxBody(10)).HandleFunc("POST /titles", create)
	api.HandleFunc("POST /notes", create)

	for _, path := range []string{"/api/titles", "/api/notes"} {
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, httptest.NewRequest("POST", path, strings.NewReader(`"more than ten bytes"`)))
		fmt.Println(path, rec.Code)
	}
	// Output:
	// /api/titles 400
	// /api/notes 204
}

// The pages of a site and its API respond to unknown paths in different forms.
func ExampleGroup_NotFound() {
	router := http.NewRouter()
	router.NotFound(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, "<h1>Page not found</h1>")
	}))
	router.Group("/api").NotFound(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.WriteError(w, http.StatusNotFound, "no such endpoint")
	}))

	for _, path := range []string{"/about", "/api/about"} {
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		fmt.Println(rec.Body)
	}
	// Output:
	// <h1>Page not found</h1>
	// {"error":"no such endpoint"}
}

// The Allow header is already set.
func ExampleGroup_MethodNotAllowed() {
	router := http.NewRouter()
	api := router.Group("/api")
	api.HandleFunc("GET /notes", func(w http.ResponseWriter, r *http.Request) {})
	api.MethodNotAllowed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.WriteError(w, http.StatusMethodNotAllowed, "allowed: "+w.Header().Get("Allow"))
	}))

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("PUT", "/api/notes", nil))
	fmt.Println(rec.Body)
	// Output: {"error":"allowed: GET, HEAD"}
}

// With SlashServe, clients may add or omit a slash.
func ExampleRouter_TrailingSlash() {
	router := http.NewRouter()
	router.TrailingSlash(http.SlashServe)
	router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "user %s", r.PathValue("id"))
	})

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/users/7/", nil))
	fmt.Println(rec.Body)
	// Output: user 7
}

// The policy decides how the router responds to an extra slash at the end of a path.
func ExampleSlashPolicy() {
	for _, policy := range []http.SlashPolicy{0, http.SlashRedirect, http.SlashServe, http.SlashStrict} {
		router := http.NewRouter()
		router.TrailingSlash(policy)
		router.HandleFunc("GET /users", func(w http.ResponseWriter, r *http.Request) {})
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, httptest.NewRequest("GET", "/users/", nil))
		fmt.Printf("%d %q\n", rec.Code, rec.Header().Get("Location"))
	}
	// Output:
	// 404 ""
	// 307 "/users"
	// 200 ""
	// 404 ""
}

// No route for OPTIONS is needed.
func ExampleRouter_AnswerOptions() {
	router := http.NewRouter()
	router.AnswerOptions()
	router.HandleFunc("GET /notes", func(w http.ResponseWriter, r *http.Request) {})
	router.HandleFunc("POST /notes", func(w http.ResponseWriter, r *http.Request) {})

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("OPTIONS", "/notes", nil))
	fmt.Println(rec.Code, rec.Header().Get("Allow"))
	// Output: 204 GET, HEAD, OPTIONS, POST
}
