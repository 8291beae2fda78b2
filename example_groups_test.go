package http_test

import (
	"fmt"
	"io"
	"net/http/httptest"

	"github.com/stanza-go/framework/pkg/http"
)

// Groups share a prefix and middleware, and they nest. A prefix may contain
// wildcards.
func ExampleGroup() {
	router := http.NewRouter()
	org := router.Group("/orgs/{org}")
	teams := org.Group("/teams")
	teams.HandleFunc("GET /{team}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "team %s of %s", r.PathValue("team"), r.PathValue("org"))
	})

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/orgs/acme/teams/blue", nil))
	fmt.Println(rec.Body)
	// Output: team blue of acme
}

// A group can hand all paths below its prefix to one handler.
func ExampleGroup_Handle() {
	router := http.NewRouter()
	old := router.Group("/old")
	old.Handle("/", http.RedirectHandler("/new/", http.StatusMovedPermanently))

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/old/page", nil))
	fmt.Println(rec.Code, rec.Header().Get("Location"))
	// Output: 301 /new/
}

// A pattern without a path matches the group's prefix.
func ExampleGroup_HandleFunc() {
	router := http.NewRouter()
	handler := func(w http.ResponseWriter, r *http.Request) {}
	users := router.Group("/users")
	users.HandleFunc("GET", handler)
	users.HandleFunc("GET /{id}", handler)
	users.HandleFunc("GET admin.example.com/{id}", handler)

	for _, route := range router.Routes() {
		fmt.Println(route.Method, route.Path)
	}
	// Output:
	// GET /users
	// GET /users/{id}
	// GET admin.example.com/users/{id}
}

// The middleware of a group runs for all of its routes, including those
// registered before the call of Use.
func ExampleGroup_Use() {
	router := http.NewRouter()
	admin := router.Group("/admin")
	admin.HandleFunc("GET /secrets", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "the secrets")
	})
	admin.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.WriteError(w, http.StatusForbidden, "administrators only")
		})
	})

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/admin/secrets", nil))
	fmt.Println(rec.Code, rec.Body)
	// Output: 403 {"error":"administrators only"}
}

// A group without a prefix adds middleware to some routes of its parent.
func ExampleGroup_Group() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}
	router := http.NewRouter()
	api := router.Group("/api")
	api.HandleFunc("POST /logs", handler)
	protected := api.Group("")
	protected.Use(http.NewCrossOriginProtection().Handler)
	protected.HandleFunc("POST /news", handler)

	for _, path := range []string{"/api/logs", "/api/news"} {
		r := httptest.NewRequest("POST", path, nil)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, r)
		fmt.Println(path, rec.Code)
	}
	// Output:
	// /api/logs 204
	// /api/news 403
}

// Generated code often registers its routes on an interface with HandleFunc
// and ServeHTTP. A group implements it.
func ExampleGroup_ServeHTTP() {
	type serveMux interface {
		HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request))
		ServeHTTP(w http.ResponseWriter, r *http.Request)
	}
	registerPets := func(mux serveMux) http.Handler { // as a generator writes it
		mux.HandleFunc("GET /pets", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, r.Pattern)
		})
		return mux
	}

	router := http.NewRouter()
	handler := registerPets(router.Group("/api"))
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, httptest.NewRequest("GET", "/api/pets", nil))
	fmt.Println(rec.Body)
	// Output: GET /api/pets
}
