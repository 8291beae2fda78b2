package docs

import (
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

//snippet:begin README.md

import "github.com/stanza-go/framework/pkg/http"

//snippet:end

func TestRoutes(t *testing.T) {
	t.Parallel()
	//snippet:begin README.md
	router := http.NewRouter()
	router.HandleFunc("GET /users/{id}", getUser)
	router.HandleFunc("GET /files/{path...}", download)
	router.HandleFunc("GET /{$}", hello)
	//snippet:end
	testkit.Serve(t, router, "GET", "/users/7", "").Want(t, 200, "user 7")
	testkit.Serve(t, router, "GET", "/files/a/b.txt", "").Want(t, 200, "download a/b.txt")
	testkit.Serve(t, router, "GET", "/", "").Want(t, 200, "hello")
	testkit.Serve(t, router, "GET", "/nope", "").Want(t, 404, `{"error":"not found"}`)
	testkit.Serve(t, router, "POST", "/users/7", "").Want(t, 405, `{"error":"method not allowed"}`)
}

func TestGroups(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	//snippet:begin README.md
	api := router.Group("/api")
	api.HandleFunc("POST /login", login)

	users := api.Group("/users")
	users.Use(requireLogin)
	users.HandleFunc("GET", listUsers)           // GET /api/users
	users.HandleFunc("GET /{id}", getUser)       // GET /api/users/{id}
	users.HandleFunc("DELETE /{id}", deleteUser) // DELETE /api/users/{id}
	//snippet:end
	testkit.Serve(t, router, "POST", "/api/login", "").Want(t, 200, "login")
	for request, want := range map[string]string{
		"GET /api/users":      "list",
		"GET /api/users/7":    "user 7",
		"DELETE /api/users/7": "delete 7",
	} {
		method, path, _ := strings.Cut(request, " ")
		testkit.Serve(t, router, method, path, "").Want(t, 401, `{"error":"login required"}`)
		testkit.Serve(t, router, method, path, "", "Authorization: login").Want(t, 200, want)
	}
}

func TestMistakesInRegistrationsNameTheirLines(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	_, file, line, _ := runtime.Caller(0)
	router.HandleFunc("GET /users/{id}", getUser)
	got := func() (recovered any) {
		defer func() { recovered = recover() }()
		router.HandleFunc("GET /users/{name}", getUser)
		return nil
	}()
	text := strings.ReplaceAll("panic: "+got.(string)+"\n", file, "/src/hello/main.go")
	text = strings.ReplaceAll(text, ":"+strconv.Itoa(line+1)+")", ":9)")
	text = strings.ReplaceAll(text, ":"+strconv.Itoa(line+4)+":", ":10:")
	if want := block(t, "README.md", "panic: http: "); text != want {
		t.Errorf("got  %q\nwant %q", text, want)
	}
}

func TestWithAndMount(t *testing.T) {
	t.Parallel()
	router, shop := http.NewRouter(), http.NewServeMux()
	shop.HandleFunc("GET /items/", hello)
	api := router.Group("/api")
	noSuchEndpoint := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.WriteError(w, http.StatusNotFound, "no such endpoint")
	})
	//snippet:begin README.md
	router.With(requireLogin).HandleFunc("GET /stats", stats) // middleware for one route
	router.Mount("/shop", shop)                               // removes /shop from the path
	api.NotFound(noSuchEndpoint)                              // for /api and all paths below
	router.TrailingSlash(http.SlashRedirect)                  // /stats/ redirects to /stats
	router.AnswerOptions()                                    // OPTIONS gets 204 with Allow
	//snippet:end
	testkit.Serve(t, router, "GET", "/stats", "").Want(t, 401, `{"error":"login required"}`)
	testkit.Serve(t, router, "GET", "/shop/items/7", "").Want(t, 200, "hello")
	testkit.Serve(t, router, "GET", "/shop/items", "").WantHeader(t, "Location", "/shop/items/")
	testkit.Serve(t, router, "GET", "/api/x", "").Want(t, 404, `{"error":"no such endpoint"}`)
	testkit.Serve(t, router, "GET", "/stats/", "").WantHeader(t, "Location", "/stats")
	testkit.Serve(t, router, "OPTIONS", "/stats", "").WantHeader(t, "Allow", "GET, HEAD, OPTIONS")
}

func TestNotFoundAndRoutes(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.HandleFunc("GET /users/{id}", getUser)
	router.HandleFunc("DELETE /users/{id}", deleteUser)
	fmt := &console{t: t}
	//snippet:begin README.md
	router.NotFound(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.WriteError(w, http.StatusNotFound, "no such page")
	}))
	for _, route := range router.Routes() {
		fmt.Printf("%-6s %s\n", route.Method, route.Path)
	}
	//snippet:end
	testkit.Serve(t, router, "GET", "/nope", "").Want(t, 404, `{"error":"no such page"}`)
	if want := "DELETE /users/{id}\nGET    /users/{id}\n"; fmt.String() != want {
		t.Errorf("printed %q, want %q", fmt, want)
	}
}
