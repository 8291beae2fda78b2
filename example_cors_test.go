package http_test

import (
	"fmt"
	"net/http/httptest"

	"github.com/stanza-go/framework/pkg/http"
)

// This API is called by pages from other origins, and its users log in with a
// cookie. Before a page may send PUT, its browser sends a preflight request.
func ExampleCORS() {
	router := http.NewRouter()
	router.Use(http.CORS(http.CORSConfig{
		AllowOrigins:     []string{"https://app.example.com", "http://localhost:5173"},
		AllowCredentials: true,
	}))
	router.HandleFunc("PUT /profile", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})

	for _, origin := range []string{"https://app.example.com", "https://evil.example"} {
		preflight := httptest.NewRequest("OPTIONS", "/profile", nil)
		preflight.Header.Set("Origin", origin)
		preflight.Header.Set("Access-Control-Request-Method", "PUT")
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, preflight)
		fmt.Printf("%s: %d, allowed origin %q\n", origin, rec.Code, rec.Header().Get("Access-Control-Allow-Origin"))
	}
	// Output:
	// https://app.example.com: 204, allowed origin "https://app.example.com"
	// https://evil.example: 204, allowed origin ""
}

// Every tenant has a subdomain, and scripts may read the header X-Total-Count.
func ExampleCORSConfig() {
	router := http.NewRouter()
	router.Use(http.CORS(http.CORSConfig{
		AllowOrigins:  []string{"https://*.example.com"},
		AllowMethods:  []string{"GET", "POST"},
		AllowHeaders:  []string{"Authorization", "Content-Type", "X-Tenant"},
		ExposeHeaders: []string{"X-Total-Count"},
		MaxAge:        600, // ten minutes
	}))
	router.HandleFunc("GET /items", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Total-Count", "3")
	})

	r := httptest.NewRequest("GET", "/items", nil)
	r.Header.Set("Origin", "https://acme.example.com")
	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, r)
	fmt.Println(rec.Header().Get("Access-Control-Allow-Origin"))
	fmt.Println(rec.Header().Get("Access-Control-Expose-Headers"))
	// Output:
	// https://acme.example.com
	// X-Total-Count
}

// The origins of customers are in a database, and developers may use any port.
func ExampleCORSConfig_allowOriginFunc() {
	customers := map[string]bool{"https://shop.example": true}
	router := http.NewRouter()
	router.Use(http.CORS(http.CORSConfig{
		AllowOrigins: []string{"http://localhost:*"},
		AllowOriginFunc: func(r *http.Request, origin string) bool {
			return customers[origin]
		},
	}))

	for _, origin := range []string{"https://shop.example", "http://localhost:5173", "https://evil.example"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Origin", origin)
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, r)
		fmt.Printf("%s: allowed origin %q\n", origin, rec.Header().Get("Access-Control-Allow-Origin"))
	}
	// Output:
	// https://shop.example: allowed origin "https://shop.example"
	// http://localhost:5173: allowed origin "http://localhost:5173"
	// https://evil.example: allowed origin ""
}

// Other origins can use only the public part of the API. The group has no routes for
// OPTIONS, but CORS responds to preflights with the methods of the group's routes.
func ExampleCORS_group() {
	serve := func(w http.ResponseWriter, r *http.Request) {}
	router := http.NewRouter()
	public := router.Group("/public")
	public.Use(http.CORS(http.CORSConfig{AllowOrigins: []string{"https://app.example.com"}}))
	public.HandleFunc("PUT /items/{id}", serve)
	public.HandleFunc("DELETE /items/{id}", serve)
	router.HandleFunc("PUT /internal/items/{id}", serve)

	for _, path := range []string{"/public/items/7", "/internal/items/7"} {
		preflight := httptest.NewRequest("OPTIONS", path, nil)
		preflight.Header.Set("Origin", "https://app.example.com")
		preflight.Header.Set("Access-Control-Request-Method", "PUT")
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, preflight)
		fmt.Printf("%s: %d, allowed methods %q\n", path, rec.Code, rec.Header().Get("Access-Control-Allow-Methods"))
	}
	// Output:
	// /public/items/7: 204, allowed methods "DELETE, PUT"
	// /internal/items/7: 405, allowed methods ""
}
