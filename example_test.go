package http_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing/fstest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// A small API: a group of routes with a guard, and a list of all routes.
func Example() {
	router := http.NewRouter()
	router.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "ok")
	})

	admin := router.Group("/admin")
	admin.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "" {
				http.Error(w, "who are you?", http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	admin.HandleFunc("DELETE /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "user %s is gone", r.PathValue("id"))
	})

	for _, rt := range router.Routes() {
		fmt.Printf("%-6s %s\n", rt.Method, rt.Path)
	}
	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("DELETE", "/admin/users/7", nil))
	fmt.Print(rec.Code, " ", rec.Body)
	// Output:
	// DELETE /admin/users/{id}
	// GET    /health
	// 401 who are you?
}

// Any function of this shape is a middleware. What it does before the call of
// the next handler happens on the way in, what it does after it on the way out.
func ExampleMiddleware() {
	var announce http.Middleware = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Println("in: ", r.Method, r.URL.Path)
			next.ServeHTTP(w, r)
			fmt.Println("out:", r.Method, r.URL.Path)
		})
	}
	router := http.NewRouter()
	router.Use(announce)
	router.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("the handler")
	})
	router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/x", nil))
	// Output:
	// in:  GET /x
	// the handler
	// out: GET /x
}

// A set of middleware with one name, for several groups.
func ExampleChain() {
	say := func(word string) http.Middleware {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Print(word, " ")
				next.ServeHTTP(w, r)
			})
		}
	}
	guarded := http.Chain(say("authenticate"), say("authorize"))

	router := http.NewRouter()
	router.Group("/admin").Use(guarded)
	billing := router.Group("/billing")
	billing.Use(guarded, say("audit"))
	billing.HandleFunc("POST /invoices", func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("handle")
	})
	router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/billing/invoices", nil))
	// Output: authenticate authorize audit handle
}

func ExampleNewRouter() {
	router := http.NewRouter()
	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	fmt.Println(rec.Code, rec.Body)
	// Output: 404 {"error":"not found"}
}

// A pattern is a method, a host and a path, of which only the path must be
// there. Of those that match the most specific one takes the request.
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
	for _, request := range [][2]string{
		{"GET", "http://example.com/files/"},
		{"GET", "http://example.com/files/a/b"},
		{"GET", "http://example.com/files/a/info"},
		{"POST", "http://example.com/files/a"},
		{"GET", "http://cdn.example.com/files/a"},
	} {
		router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(request[0], request[1], nil))
	}
	// Output:
	// GET  http://example.com/files/        GET /files/{$}
	// GET  http://example.com/files/a/b     GET /files/{path...}
	// GET  http://example.com/files/a/info  GET /files/{name}/info
	// POST http://example.com/files/a       /files/
	// GET  http://cdn.example.com/files/a   GET cdn.example.com/files/
}

func ExampleRouter_Handle() {
	files := http.FileServerFS(fstest.MapFS{"robots.txt": {Data: []byte("User-agent: *")}})
	router := http.NewRouter()
	router.Handle("GET /robots.txt", files)

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/robots.txt", nil))
	fmt.Println(rec.Code, rec.Body)
	// Output: 200 User-agent: *
}

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

// The router's middleware runs for every request, also for those that no route
// matches.
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

// The Allow header is set when the handler is called.
func ExampleRouter_MethodNotAllowed() {
	router := http.NewRouter()
	router.HandleFunc("GET /clock", func(w http.ResponseWriter, r *http.Request) {})
	router.MethodNotAllowed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusMethodNotAllowed)
		fmt.Fprintf(w, "Try one of %s.", w.Header().Get("Allow"))
	}))
	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("PUT", "/clock", nil))
	fmt.Println(rec.Code, rec.Body)
	// Output: 405 Try one of GET, HEAD.
}

func ExampleRouter_Routes() {
	handler := func(w http.ResponseWriter, r *http.Request) {}
	router := http.NewRouter()
	router.HandleFunc("POST /users", handler)
	router.HandleFunc("GET /users", handler)
	router.Group("/api").HandleFunc("GET /roles", handler)
	router.HandleFunc("/about", handler)

	for _, rt := range router.Routes() {
		fmt.Printf("%-6s %s\n", rt.Method, rt.Path)
	}
	// Output:
	//        /about
	// GET    /api/roles
	// GET    /users
	// POST   /users
}

// A router is a handler: a server takes it, and so does another router.
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

func ExampleRoute() {
	router := http.NewRouter()
	router.HandleFunc("DELETE api.example.com/users/{id}", func(w http.ResponseWriter, r *http.Request) {})
	fmt.Printf("%+v\n", router.Routes()[0])
	// Output: {Method:DELETE Path:api.example.com/users/{id}}
}

// Groups share a prefix and middleware, and nest. A prefix may have wildcards.
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

func ExampleGroup_Handle() {
	router := http.NewRouter()
	old := router.Group("/old")
	old.Handle("/", http.RedirectHandler("/new/", http.StatusMovedPermanently))

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/old/page", nil))
	fmt.Println(rec.Code, rec.Header().Get("Location"))
	// Output: 301 /new/
}

// A pattern without a path names the group's prefix itself.
func ExampleGroup_HandleFunc() {
	router := http.NewRouter()
	handler := func(w http.ResponseWriter, r *http.Request) {}
	users := router.Group("/users")
	users.HandleFunc("GET", handler)
	users.HandleFunc("GET /{id}", handler)
	users.HandleFunc("GET admin.example.com/{id}", handler)

	for _, rt := range router.Routes() {
		fmt.Println(rt.Method, rt.Path)
	}
	// Output:
	// GET /users
	// GET /users/{id}
	// GET admin.example.com/users/{id}
}

// A guard covers all routes of its group, wherever it is added.
func ExampleGroup_Use() {
	router := http.NewRouter()
	admin := router.Group("/admin")
	admin.HandleFunc("GET /secrets", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "the secrets")
	})
	admin.Use(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
		})
	})
	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/admin/secrets", nil))
	fmt.Println(rec.Code, rec.Body.Len())
	// Output: 403 0
}

// Generated code registers its routes on anything with these two methods.
func ExampleGroup_ServeHTTP() {
	type mux interface {
		HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request))
		http.Handler
	}
	serve := func(m mux) http.Handler { // as a generator writes it
		m.HandleFunc("GET /pets", func(w http.ResponseWriter, r *http.Request) { fmt.Println(r.Pattern) })
		return m
	}
	router := http.NewRouter()
	handler := serve(router.Group("/api"))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/api/pets", nil))
	// Output: GET /api/pets
}

// A group with the same prefix has middleware for some of the routes.
func ExampleGroup_Group() {
	only := func(user string) http.Middleware {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if name, _, _ := r.BasicAuth(); name != user {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				next.ServeHTTP(w, r)
			})
		}
	}
	handler := func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "done") }
	router := http.NewRouter()
	api := router.Group("/api")
	api.HandleFunc("GET /news", handler)
	writers := api.Group("")
	writers.Use(only("ann"))
	writers.HandleFunc("POST /news", handler)

	for _, method := range []string{"GET", "POST"} {
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, httptest.NewRequest(method, "/api/news", nil))
		fmt.Println(method, rec.Code)
	}
	// Output:
	// GET 200
	// POST 401
}

// A context that no request has put a logger into has the default one.
func ExampleLoggerFromContext() {
	fmt.Println(http.LoggerFromContext(context.Background()) == slog.Default())
	// Output: true
}

// Whatever handles the request from here on logs the tenant as well.
func ExampleContextWithLogger() {
	tenant := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			logger := http.LoggerFromContext(r.Context()).With("tenant", r.Header.Get("X-Tenant"))
			next.ServeHTTP(w, r.WithContext(http.ContextWithLogger(r.Context(), logger)))
		})
	}
	handler := tenant(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.LoggerFromContext(r.Context()).Info("invoice sent")
	}))

	withoutTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	r := httptest.NewRequest("POST", "/invoices", nil)
	r.Header.Set("X-Tenant", "acme")
	handler.ServeHTTP(httptest.NewRecorder(), r.WithContext(http.ContextWithLogger(r.Context(), logger)))
	// Output: level=INFO msg="invoice sent" tenant=acme
}

// Only the parameter's name is needed; the route's pattern says where it is.
func ExamplePathParam() {
	router := http.NewRouter()
	router.HandleFunc("GET /files/{path...}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(http.PathParam(r, "path"))
	})
	router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/files/a/b%20c.txt", nil))
	// Output: a/b c.txt
}

// A handler that is called with a bad id has only to return.
func ExamplePathParamInt64() {
	router := http.NewRouter()
	router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, ok := http.PathParamInt64(w, r, "id")
		if !ok {
			return
		}
		http.WriteJSON(w, http.StatusOK, map[string]int64{"id": id})
	})
	for _, target := range []string{"/users/7", "/users/seven"} {
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, httptest.NewRequest("GET", target, nil))
		fmt.Println(rec.Code, rec.Body)
	}
	// Output:
	// 200 {"id":7}
	// 400 {"error":"invalid path parameter \"id\": not an integer"}
}

func ExampleQueryParam() {
	r := httptest.NewRequest("GET", "/search?q=two+words&tag=a&tag=b", nil)
	fmt.Printf("%q %q %q\n", http.QueryParam(r, "q"), http.QueryParam(r, "tag"), http.QueryParam(r, "page"))
	// Output: "two words" "a" ""
}

func ExampleQueryParamOr() {
	r := httptest.NewRequest("GET", "/users?sort=&view=list", nil)
	fmt.Println(http.QueryParamOr(r, "view", "grid"), http.QueryParamOr(r, "sort", "created_at"))
	// Output: list created_at
}

func ExampleQueryParamInt() {
	r := httptest.NewRequest("GET", "/users?page=3&per_page=many", nil)
	fmt.Println(http.QueryParamInt(r, "page", 1), http.QueryParamInt(r, "per_page", 20))
	// Output: 3 20
}

// What the client sends picks from the list and never gets past it.
func ExampleQueryParamSort() {
	for _, query := range []string{"sort=EMAIL&order=asc", "sort=password", "sort=id;drop+table+users"} {
		r := httptest.NewRequest("GET", "/users?"+query, nil)
		col, dir := http.QueryParamSort(r, []string{"id", "email", "created_at"}, "created_at", "DESC")
		fmt.Println("ORDER BY", col, dir)
	}
	// Output:
	// ORDER BY email ASC
	// ORDER BY created_at DESC
	// ORDER BY created_at DESC
}

// At most 100 items a page, 50 unless the client says otherwise.
func ExampleParsePagination() {
	for _, query := range []string{"", "limit=20&offset=40", "limit=5000&offset=-3"} {
		r := httptest.NewRequest("GET", "/users?"+query, nil)
		fmt.Printf("%+v\n", http.ParsePagination(r, 50, 100))
	}
	// Output:
	// {Limit:50 Offset:0}
	// {Limit:20 Offset:40}
	// {Limit:100 Offset:0}
}

// The two numbers are what a LIMIT and an OFFSET clause take.
func ExamplePagination() {
	page := http.Pagination{Limit: 2, Offset: 1}
	names := []string{"Ada", "Bob", "Cid", "Dot"}
	from := min(page.Offset, len(names))
	fmt.Println(names[from:min(from+page.Limit, len(names))])
	// Output: [Bob Cid]
}

// Each kind of bad body gets a message that says what to mend.
func ExampleBindJSON() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		var req struct {
			Name string `json:"name"`
			Age  int    `json:"age"`
		}
		if !http.BindJSON(w, r, &req) {
			return
		}
		http.WriteJSON(w, http.StatusCreated, req)
	}
	for _, body := range []string{`{"name":"Ada","age":36}`, `{"name":"Ada","age":"36"}`, `{"name":`, ``} {
		rec := httptest.NewRecorder()
		handler(rec, httptest.NewRequest("POST", "/users", strings.NewReader(body)))
		fmt.Println(rec.Code, rec.Body)
	}
	// Output:
	// 201 {"name":"Ada","age":36}
	// 400 {"error":"field \"age\" has a string where an integer is expected (before offset 24)"}
	// 400 {"error":"malformed JSON: the text ends too early, at offset 8"}
	// 400 {"error":"the request body is empty"}
}

func ExampleReadJSON() {
	var point struct{ X, Y int }
	r := httptest.NewRequest("POST", "/points", strings.NewReader(`{"x":1,"y":2}`))
	fmt.Println(http.ReadJSON(r, &point), point)
	r = httptest.NewRequest("POST", "/points", strings.NewReader(`{"x":1}{"x":2}`))
	fmt.Println(http.ReadJSON(r, &point))
	// Output:
	// <nil> {1 2}
	// http: trailing data after the JSON value, at offset 7
}

// The limit is in bytes; 10<<20 would be 10 MB.
func ExampleReadJSONLimit() {
	var text string
	for _, limit := range []int64{5, 4} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(`"abc"`))
		err := http.ReadJSONLimit(r, &text, limit)
		fmt.Println(err, errors.Is(err, http.ErrBodyTooLarge))
	}
	// Output:
	// <nil> false
	// http: request body too large true
}

func ExampleCheckBulkIDs() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		var req struct {
			IDs []int64 `json:"ids"`
		}
		if !http.BindJSON(w, r, &req) || !http.CheckBulkIDs(w, req.IDs, 3) {
			return
		}
		http.WriteJSON(w, http.StatusOK, map[string]int{"deleted": len(req.IDs)})
	}
	for _, body := range []string{`{"ids":[1,2]}`, `{"ids":[]}`, `{"ids":[1,2,3,4]}`} {
		rec := httptest.NewRecorder()
		handler(rec, httptest.NewRequest("POST", "/users/delete", strings.NewReader(body)))
		fmt.Println(rec.Code, rec.Body)
	}
	// Output:
	// 200 {"deleted":2}
	// 400 {"error":"ids must not be empty"}
	// 400 {"error":"too many ids: at most 3 are allowed"}
}

func ExampleWriteJSON() {
	rec := httptest.NewRecorder()
	http.WriteJSON(rec, http.StatusCreated, map[string]any{"id": 7, "name": "Ada"})
	fmt.Println(rec.Code, rec.Header().Get("Content-Type"), rec.Header().Get("Content-Length"))
	fmt.Println(rec.Body)
	// Output:
	// 201 application/json 21
	// {"id":7,"name":"Ada"}
}

func ExampleWriteError() {
	rec := httptest.NewRecorder()
	http.WriteError(rec, http.StatusNotFound, "user not found")
	fmt.Println(rec.Code, rec.Body)
	// Output: 404 {"error":"user not found"}
}

// The log gets the cause, the client only the message.
func ExampleWriteServerError() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	r := httptest.NewRequest("GET", "/users", nil)
	r = r.WithContext(http.ContextWithLogger(r.Context(), logger))

	rec := httptest.NewRecorder()
	http.WriteServerError(rec, r, "failed to list users", errors.New("connection refused"))
	fmt.Println(rec.Code, rec.Body)
	// Output:
	// level=ERROR msg="failed to list users" error="connection refused" method=GET path=/users
	// 500 {"error":"failed to list users"}
}

func ExamplePaginatedResponse() {
	type user struct {
		Name string `json:"name"`
	}
	rec := httptest.NewRecorder()
	http.PaginatedResponse(rec, "users", []user{{"Ada"}, {"Bob"}}, 42)
	fmt.Println(rec.Body)

	var none []user
	rec = httptest.NewRecorder()
	http.PaginatedResponse(rec, "users", none, int64(0))
	fmt.Println(rec.Body)
	// Output:
	// {"users":[{"name":"Ada"},{"name":"Bob"}],"total":42}
	// {"users":[],"total":0}
}

// The rows may come from anywhere that has a next one, such as a database.
func ExampleWriteCSV() {
	users := [][]string{{"1", "ada@example.com", "Ada"}, {"2", "bob@example.com", `Bob "B"`}}
	rec := httptest.NewRecorder()
	http.WriteCSV(rec, "users", []string{"ID", "Email", "Name"}, func() []string {
		if len(users) == 0 {
			return nil
		}
		row := users[0]
		users = users[1:]
		return row
	})
	fmt.Println(rec.Header().Get("Content-Type"))
	fmt.Print(rec.Body)
	// Output:
	// text/csv; charset=utf-8
	// ID,Email,Name
	// 1,ada@example.com,Ada
	// 2,bob@example.com,"Bob ""B"""
}

// The header counts only if it comes from a proxy, not from a client.
func ExampleClientIP() {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Forwarded-For", "6.6.6.6, 203.0.114.9")

	r.RemoteAddr = "127.0.0.1:50000" // a proxy on the same machine
	fmt.Println(http.ClientIP(r))
	r.RemoteAddr = "8.8.8.8:50000" // a client that connects directly
	fmt.Println(http.ClientIP(r))
	// Output:
	// 203.0.114.9
	// 8.8.8.8
}

// A CDN connects from public addresses, which have to be named.
func ExampleTrustedProxies() {
	router := http.NewRouter()
	router.Use(http.TrustedProxies(netip.MustParsePrefix("173.245.48.0/20")))
	router.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(http.ClientIP(r))
	})
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "173.245.48.1:50000"
	r.Header.Set("X-Forwarded-For", "6.6.6.6, 203.0.114.9")
	router.ServeHTTP(httptest.NewRecorder(), r)
	// Output: 203.0.114.9
}

// Two attempts to log in a minute are allowed to each client.
func ExampleRateLimit() {
	router := http.NewRouter()
	auth := router.Group("/auth")
	auth.Use(http.RateLimit(http.RateLimitConfig{Limit: 2, Window: time.Minute}))
	auth.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		http.WriteJSON(w, http.StatusOK, "welcome")
	})

	for range 3 {
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, httptest.NewRequest("POST", "/auth/login", nil))
		fmt.Println(rec.Code, rec.Body, rec.Header().Get("X-RateLimit-Remaining"), rec.Header().Get("Retry-After") != "")
	}
	// Output:
	// 200 "welcome" 1 false
	// 200 "welcome" 0 false
	// 429 {"error":"rate limit exceeded"} 0 true
}

// Requests are counted by API key instead of by address.
func ExampleRateLimitConfig() {
	limit := http.RateLimit(http.RateLimitConfig{
		Limit:   1,
		KeyFunc: func(r *http.Request) string { return r.Header.Get("X-API-Key") },
		Message: "one request a minute, please",
	})
	handler := limit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "ok")
	}))
	for _, key := range []string{"alice", "bob", "alice"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-API-Key", key)
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, r)
		fmt.Println(key, rec.Code, rec.Body)
	}
	// Output:
	// alice 200 ok
	// bob 200 ok
	// alice 429 {"error":"one request a minute, please"}
}

// sqlStore would count in a database: one statement that inserts or updates
// the row of the key and returns its count and end. A map stands in for it.
type sqlStore struct {
	mu   sync.Mutex
	rows map[string]sqlRow
}

type sqlRow struct {
	count int64
	end   time.Time
}

func (s *sqlStore) Increment(ctx context.Context, key string, window time.Duration) (int64, time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	row := s.rows[key]
	if !now.Before(row.end) {
		row = sqlRow{end: now.Add(window)}
	}
	row.count++
	s.rows[key] = row
	return row.count, row.end.Sub(now), nil
}

// Two servers share one limit through a store.
func ExampleRateLimitStore() {
	store := &sqlStore{rows: map[string]sqlRow{}}
	server := func() http.Handler {
		router := http.NewRouter()
		router.Use(http.RateLimit(http.RateLimitConfig{Limit: 3, Store: store}))
		router.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {})
		return router
	}
	servers := []http.Handler{server(), server()}
	for i := range 4 {
		rec := httptest.NewRecorder()
		servers[i%2].ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
		fmt.Println("server", i%2, "answers", rec.Code)
	}
	// Output:
	// server 0 answers 200
	// server 1 answers 200
	// server 0 answers 200
	// server 1 answers 429
}

// Count all requests of a router, and show the numbers to operators.
func ExampleMetrics() {
	metrics := http.NewMetrics()
	router := http.NewRouter()
	router.Use(metrics.Middleware())
	router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
	})
	router.HandleFunc("GET /stats", func(w http.ResponseWriter, r *http.Request) {
		stats := metrics.Stats()
		fmt.Fprintf(w, "%d answered, %d being served", stats.TotalRequests, stats.ActiveRequests)
	})

	for _, path := range []string{"/users/1", "/users/2", "/lost"} {
		router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/stats", nil))
	fmt.Println(rec.Body)
	// Output: 3 answered, 1 being served
}

func ExampleNewMetrics() {
	metrics := http.NewMetrics()
	fmt.Println(metrics.Stats().TotalRequests)
	// Output: 0
}

// Metrics belong outside everything that may answer in a handler's place, so
// that those answers count too.
func ExampleMetrics_Middleware() {
	metrics := http.NewMetrics()
	router := http.NewRouter()
	router.Use(
		metrics.Middleware(),
		func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusServiceUnavailable)
			})
		},
	)
	router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	fmt.Println(metrics.Stats().Status5xx)
	// Output: 1
}

func ExampleMetrics_Stats() {
	metrics := http.NewMetrics()
	handler := metrics.Middleware()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "12345")
	}))
	for range 3 {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}
	stats := metrics.Stats()
	fmt.Println(stats.TotalRequests, stats.Status2xx, stats.BytesWritten, stats.AvgDurationMs > 0)
	// Output: 3 3 15 true
}

// A page for operators shows the errors among all requests.
func ExampleMetricsStats() {
	stats := http.MetricsStats{TotalRequests: 200, Status2xx: 197, Status5xx: 3}
	fmt.Printf("%.1f%% errors\n", 100*float64(stats.Status5xx)/float64(stats.TotalRequests))
	// Output: 1.5% errors
}

// Routes appear as patterns, however many paths were asked for.
func ExampleMetrics_Collect() {
	metrics := http.NewMetrics()
	router := http.NewRouter()
	router.Use(metrics.Middleware())
	router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {})
	for _, path := range []string{"/users/1", "/users/2", "/lost"} {
		router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	for _, m := range metrics.Collect() {
		if m.Name == "http_requests_total" {
			fmt.Println(m.Labels["method"], m.Labels["route"], m.Labels["status"], m.Value)
		}
	}
	// Output:
	// GET /users/{id} 2xx 2
	// GET unmatched 4xx 1
}

func ExamplePrometheusHandler() {
	router := http.NewRouter()
	router.HandleFunc("GET /metrics", http.PrometheusHandler(func() []http.PrometheusMetric {
		return []http.PrometheusMetric{
			{Name: "myapp_jobs_total", Help: "Jobs done.", Type: "counter", Value: 42},
			{Name: "myapp_queue_length", Help: "Jobs waiting.", Type: "gauge", Value: 7},
		}
	}))
	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	fmt.Println(rec.Header().Get("Content-Type"))
	fmt.Print(rec.Body)
	// Output:
	// text/plain; version=0.0.4; charset=utf-8
	// # HELP myapp_jobs_total Jobs done.
	// # TYPE myapp_jobs_total counter
	// myapp_jobs_total 42
	// # HELP myapp_queue_length Jobs waiting.
	// # TYPE myapp_queue_length gauge
	// myapp_queue_length 7
}

// Metrics of one name form a family, told apart by labels.
func ExamplePrometheusMetric() {
	collect := func() []http.PrometheusMetric {
		return []http.PrometheusMetric{
			{Name: "myapp_jobs_total", Help: "Jobs done.", Type: "counter", Value: 40,
				Labels: map[string]string{"queue": "mail"}},
			{Name: "myapp_jobs_total", Type: "counter", Value: 2,
				Labels: map[string]string{"queue": "export"}},
		}
	}
	rec := httptest.NewRecorder()
	http.PrometheusHandler(collect)(rec, httptest.NewRequest("GET", "/metrics", nil))
	fmt.Print(rec.Body)
	// Output:
	// # HELP myapp_jobs_total Jobs done.
	// # TYPE myapp_jobs_total counter
	// myapp_jobs_total{queue="export"} 2
	// myapp_jobs_total{queue="mail"} 40
}

// Three jobs took up to 0.1 s, one took up to 1 s, and one took longer.
func ExamplePrometheusHistogram() {
	collect := func() []http.PrometheusMetric {
		return []http.PrometheusMetric{{
			Name: "myapp_job_seconds", Help: "Time a job took.",
			Histogram: &http.PrometheusHistogram{
				Bounds: []float64{0.1, 1},
				Counts: []uint64{3, 1, 1},
				Sum:    4.5,
			},
		}}
	}
	rec := httptest.NewRecorder()
	http.PrometheusHandler(collect)(rec, httptest.NewRequest("GET", "/metrics", nil))
	fmt.Print(rec.Body)
	// Output:
	// # HELP myapp_job_seconds Time a job took.
	// # TYPE myapp_job_seconds histogram
	// myapp_job_seconds_bucket{le="0.1"} 3
	// myapp_job_seconds_bucket{le="1"} 4
	// myapp_job_seconds_bucket{le="+Inf"} 5
	// myapp_job_seconds_sum 4.5
	// myapp_job_seconds_count 5
}

// A page with an application's own metrics, those of its requests and those
// of the Go runtime.
func ExampleRuntimeMetrics() {
	metrics := http.NewMetrics()
	handler := http.PrometheusHandler(func() []http.PrometheusMetric {
		out := []http.PrometheusMetric{
			{Name: "myapp_up", Help: "Always 1.", Type: "gauge", Value: 1},
		}
		out = append(out, metrics.Collect()...)
		return append(out, http.RuntimeMetrics()...)
	})
	rec := httptest.NewRecorder()
	handler(rec, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(rec.Body.String()) {
		if strings.HasPrefix(line, "# TYPE") {
			fmt.Print(line)
		}
	}
	// Output:
	// # TYPE go_gc_completed_total counter
	// # TYPE go_gc_pause_total_seconds counter
	// # TYPE go_goroutines gauge
	// # TYPE go_memstats_alloc_bytes gauge
	// # TYPE go_memstats_heap_inuse_bytes gauge
	// # TYPE go_memstats_heap_objects gauge
	// # TYPE go_memstats_stack_inuse_bytes gauge
	// # TYPE go_memstats_sys_bytes gauge
	// # TYPE http_requests_in_flight gauge
	// # TYPE myapp_up gauge
}

func ExampleSecureHeaders() {
	router := http.NewRouter()
	router.Use(http.SecureHeaders(http.SecureHeadersConfig{}))

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/nowhere", nil))
	fmt.Println(rec.Code)
	for _, name := range []string{"X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "X-XSS-Protection", "Permissions-Policy"} {
		fmt.Println(name+":", rec.Header().Get(name))
	}
	// Output:
	// 404
	// X-Content-Type-Options: nosniff
	// X-Frame-Options: DENY
	// Referrer-Policy: strict-origin-when-cross-origin
	// X-XSS-Protection: 0
	// Permissions-Policy: camera=(), microphone=(), geolocation=()
}

// A site that is always on HTTPS, frames its own pages, and lets one page do
// what the others must not.
func ExampleSecureHeadersConfig() {
	router := http.NewRouter()
	router.Use(http.SecureHeaders(http.SecureHeadersConfig{
		ContentSecurityPolicy: "default-src 'self'",
		FrameOptions:          "SAMEORIGIN",
		PermissionsPolicy:     "-", // not sent
		HSTSMaxAge:            63072000,
		HSTSIncludeSubdomains: true,
	}))
	router.HandleFunc("GET /map", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self' tiles.example.com")
	})

	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest("GET", "/map", nil))
	for _, name := range []string{"Content-Security-Policy", "X-Frame-Options", "Permissions-Policy", "Strict-Transport-Security"} {
		fmt.Printf("%s: %q\n", name, rec.Header().Get(name))
	}
	// Output:
	// Content-Security-Policy: "default-src 'self' tiles.example.com"
	// X-Frame-Options: "SAMEORIGIN"
	// Permissions-Policy: ""
	// Strict-Transport-Security: "max-age=63072000; includeSubDomains"
}

func ExampleMaxBody() {
	router := http.NewRouter()
	router.Use(http.MaxBody(16))
	router.HandleFunc("POST /users", func(w http.ResponseWriter, r *http.Request) {
		var user struct{ Name string }
		if !http.BindJSON(w, r, &user) {
			return
		}
		fmt.Fprintln(w, "hello,", user.Name)
	})

	for _, body := range []string{`{"name":"Ada"}`, `{"name":"Ada Lovelace"}`} {
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, httptest.NewRequest("POST", "/users", strings.NewReader(body)))
		fmt.Println(rec.Code, strings.TrimSpace(rec.Body.String()))
	}
	// Output:
	// 200 hello, Ada
	// 400 {"error":"request body too large"}
}

// An API whose pages live on another origin, with a login by cookie.
func ExampleCORS() {
	router := http.NewRouter()
	router.Use(http.CORS(http.CORSConfig{
		AllowOrigins:     []string{"https://app.example.com", "http://localhost:5173"},
		AllowCredentials: true,
	}))
	router.HandleFunc("PUT /profile", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})

	// Before a page may send PUT, its browser asks.
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

// Every tenant has a subdomain; scripts may read how many items there are.
func ExampleCORSConfig() {
	cors := http.CORS(http.CORSConfig{
		AllowOrigins:  []string{"https://*.example.com"},
		AllowMethods:  []string{"GET", "POST"},
		AllowHeaders:  []string{"Authorization", "Content-Type", "X-Tenant"},
		ExposeHeaders: []string{"X-Total-Count"},
		MaxAge:        600, // ten minutes
	})
	handler := cors(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Total-Count", "3")
	}))

	r := httptest.NewRequest("GET", "/items", nil)
	r.Header.Set("Origin", "https://acme.example.com")
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, r)
	fmt.Println(rec.Header().Get("Access-Control-Allow-Origin"))
	fmt.Println(rec.Header().Get("Access-Control-Expose-Headers"))
	// Output:
	// https://acme.example.com
	// X-Total-Count
}

// A server in the hands of a lifecycle: start, serve, stop.
func ExampleServer() {
	router := http.NewRouter()
	router.HandleFunc("GET /hello", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
	})
	srv := http.NewServer(router, http.WithAddr("127.0.0.1:0"))

	if err := srv.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	res, err := http.Get("http://" + srv.Addr() + "/hello")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	fmt.Println(string(body), err)

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(srv.Stop(ctx))
	// Output:
	// hello <nil>
	// <nil>
}

func ExampleNewServer() {
	router := http.NewRouter()
	srv := http.NewServer(router,
		http.WithAddr(":23710"),
		http.WithReadTimeout(15*time.Second),
		http.WithWriteTimeout(15*time.Second),
		http.WithIdleTimeout(60*time.Second),
	)
	fmt.Println(srv.Addr())
	// Output: :23710
}

// What keeps a server from serving is known when Start returns.
func ExampleServer_Start() {
	ctx := context.Background()
	first := http.NewServer(http.NewRouter(), http.WithAddr("127.0.0.1:0"))
	if err := first.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer first.Stop(ctx)

	second := http.NewServer(http.NewRouter(), http.WithAddr(first.Addr()))
	err := second.Start(ctx)
	fmt.Println(errors.Is(err, syscall.EADDRINUSE))
	// Output: true
}

// A request that runs when the server is stopped gets its whole response.
func ExampleServer_Stop() {
	entered := make(chan struct{})
	stopping := make(chan struct{})
	router := http.NewRouter()
	router.HandleFunc("GET /report", func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-stopping
		io.WriteString(w, "the whole report")
	})
	srv := http.NewServer(router, http.WithAddr("127.0.0.1:0"))
	if err := srv.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	report := make(chan string)
	go func() {
		res, err := http.Get("http://" + srv.Addr() + "/report")
		if err != nil {
			report <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		report <- string(body)
	}()
	<-entered

	stopped := make(chan error)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		stopped <- srv.Stop(ctx)
	}()
	close(stopping)
	fmt.Println(<-report)
	fmt.Println(<-stopped)
	// Output:
	// the whole report
	// <nil>
}

// Most main functions end with Run: it returns after Ctrl-C, after the SIGTERM
// of a supervisor, and, as here, when its context ends.
func ExampleServer_Run() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, quit := context.WithCancel(context.Background())
	router := http.NewRouter()
	router.HandleFunc("POST /quit", func(w http.ResponseWriter, r *http.Request) { quit() })
	srv := http.NewServer(router, http.WithListener(listener))

	go http.Post("http://"+srv.Addr()+"/quit", "", nil)
	if err := srv.Run(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("stopped")
	// Output: stopped
}

// With port 0 the system picks a free port, and Addr tells which.
func ExampleServer_Addr() {
	srv := http.NewServer(http.NewRouter(), http.WithAddr("127.0.0.1:0"))
	fmt.Println(srv.Addr())
	if err := srv.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Stop(context.Background())
	_, port, _ := net.SplitHostPort(srv.Addr())
	fmt.Println(port != "0")
	// Output:
	// 127.0.0.1:0
	// true
}

// A program that has more to do than to wait watches Err beside the rest.
// Here the listener is closed under the server.
func ExampleServer_Err() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	srv := http.NewServer(http.NewRouter(), http.WithListener(listener))
	if err := srv.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	listener.Close()

	interrupt := make(chan os.Signal, 1)
	select {
	case err := <-srv.Err():
		fmt.Println("failed:", errors.Is(err, net.ErrClosed))
	case <-interrupt:
	}
	fmt.Println(srv.Stop(context.Background()))
	// Output:
	// failed: true
	// <nil>
}

// Options are values: what several servers share can be kept in one place.
func ExampleServerOption() {
	internal := []http.ServerOption{
		http.WithReadTimeout(2 * time.Second),
		http.WithWriteTimeout(2 * time.Second),
	}
	metrics := http.NewServer(http.NewRouter(), append(internal, http.WithAddr("localhost:9090"))...)
	fmt.Println(metrics.Addr())
	// Output: localhost:9090
}

func ExampleWithAddr() {
	srv := http.NewServer(http.NewRouter(), http.WithAddr("localhost:8081"))
	fmt.Println(srv.Addr())
	// Output: localhost:8081
}

// A listener from elsewhere: a Unix socket, for a proxy on the same machine.
func ExampleWithListener() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	listener, err := net.Listen("unix", filepath.Join(dir, "app.sock"))
	if err != nil {
		fmt.Println(err)
		return
	}
	srv := http.NewServer(http.NewRouter(), http.WithListener(listener))
	if err := srv.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(filepath.Base(srv.Addr()))
	fmt.Println(srv.Stop(context.Background()))
	// Output:
	// app.sock
	// <nil>
}

// The files are read when the server starts, and a mistake shows right there.
func ExampleWithTLS() {
	srv := http.NewServer(http.NewRouter(), http.WithAddr("127.0.0.1:0"), http.WithTLS("cert.pem", "key.pem"))
	err := srv.Start(context.Background())
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	// Output: true
}

// Large uploads over slow lines need more than the default 15 seconds.
func ExampleWithReadTimeout() {
	http.NewServer(http.NewRouter(),
		http.WithReadTimeout(5*time.Minute),
		http.WithHTTPServer(func(hs *nethttp.Server) { fmt.Println(hs.ReadTimeout) }),
	)
	// Output: 5m0s
}

// A client that does not finish its header in time is cut off.
func ExampleWithReadHeaderTimeout() {
	srv := http.NewServer(http.NewRouter(),
		http.WithAddr("127.0.0.1:0"),
		http.WithReadHeaderTimeout(10*time.Millisecond),
	)
	if err := srv.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Stop(context.Background())
	conn, err := net.Dial("tcp", srv.Addr())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: exam")
	_, err = conn.Read(make([]byte, 1))
	fmt.Println(err)
	// Output: EOF
}

// Reports that take a while to make need more than the default 15 seconds.
func ExampleWithWriteTimeout() {
	http.NewServer(http.NewRouter(),
		http.WithWriteTimeout(time.Minute),
		http.WithHTTPServer(func(hs *nethttp.Server) { fmt.Println(hs.WriteTimeout) }),
	)
	// Output: 1m0s
}

// Behind a proxy, keep connections a little longer than the proxy does, so
// that it never finds one closed that it was about to use.
func ExampleWithIdleTimeout() {
	http.NewServer(http.NewRouter(),
		http.WithIdleTimeout(75*time.Second),
		http.WithHTTPServer(func(hs *nethttp.Server) { fmt.Println(hs.IdleTimeout) }),
	)
	// Output: 1m15s
}

func ExampleWithMaxHeaderBytes() {
	srv := http.NewServer(http.NewRouter(), http.WithAddr("127.0.0.1:0"), http.WithMaxHeaderBytes(4<<10))
	if err := srv.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Stop(context.Background())
	req, err := http.NewRequest("GET", "http://"+srv.Addr(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	req.Header.Set("Cookie", strings.Repeat("c", 16<<10))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	fmt.Println(res.Status)
	// Output: 431 Request Header Fields Too Large
}

// A request that does not end in time is cut, and Run says so.
func ExampleWithDrainTimeout() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, quit := context.WithCancel(context.Background())
	router := http.NewRouter()
	router.HandleFunc("GET /endless", func(w http.ResponseWriter, r *http.Request) {
		quit()
		<-r.Context().Done()
	})
	srv := http.NewServer(router, http.WithListener(listener), http.WithDrainTimeout(time.Millisecond))

	go http.Get("http://" + srv.Addr() + "/endless")
	fmt.Println(srv.Run(ctx))
	// Output: http: stop: cut 1 connection, 1 request: context deadline exceeded
}

// Whatever has no option of its own can be set on the server underneath.
func ExampleWithHTTPServer() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, nil))
	srv := http.NewServer(http.NewRouter(), http.WithHTTPServer(func(hs *nethttp.Server) {
		hs.Addr = "localhost:8082"
		hs.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelWarn)
	}))
	fmt.Println(srv.Addr())
	// Output: localhost:8082
}

// serveExample answers one GET of handler in memory.
func serveExample(handler http.Handler, header ...string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	handler.ServeHTTP(rec, r)
	return rec
}

// plainLogger logs to the standard output what is the same on each run.
func plainLogger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "duration" {
				return slog.Attr{}
			}
			return a
		},
	}))
}

// An id that came from a proxy in front is kept.
func ExampleRequestID() {
	handler := http.RequestID(http.RequestIDConfig{})(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			fmt.Println("handling", http.GetRequestID(r))
		}))
	rec := serveExample(handler, "X-Request-ID", "trace-17")
	fmt.Println(rec.Header().Get("X-Request-ID"))
	// Output:
	// handling trace-17
	// trace-17
}

func ExampleRequestIDConfig() {
	n := 0
	handler := http.RequestID(http.RequestIDConfig{
		Header:    "X-Trace-ID",
		Generator: func() string { n++; return fmt.Sprint("trace-", n) },
	})(http.NotFoundHandler())
	fmt.Println(serveExample(handler).Header().Get("X-Trace-ID"))
	// Output: trace-1
}

func ExampleGetRequestID() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		http.WriteJSON(w, http.StatusOK, map[string]string{"id": http.GetRequestID(r)})
	}
	chain := http.RequestID(http.RequestIDConfig{})(http.HandlerFunc(handler))
	fmt.Println(serveExample(chain, "X-Request-ID", "trace-17").Body)
	// Output: {"id":"trace-17"}
}

func ExampleRequestLogger() {
	router := http.NewRouter()
	router.Use(http.RequestID(http.RequestIDConfig{}))
	router.Use(http.RequestLogger(plainLogger()))
	router.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.LoggerFromContext(r.Context()).Info("saying hello")
		fmt.Fprint(w, "hello")
	})
	serveExample(router, "X-Request-ID", "trace-17")
	// Output:
	// level=INFO msg="saying hello" request_id=trace-17
	// level=INFO msg="http request" method=GET path=/ status=200 bytes=5 remote_ip=192.0.2.1 request_id=trace-17 pattern="GET /{$}"
}

func ExampleLogOption() {
	options := []http.LogOption{
		http.LogSkip(func(r *http.Request) bool { return r.URL.Path == "/health" }),
	}
	handler := http.RequestLogger(plainLogger(), options...)(http.NotFoundHandler())
	serveExample(handler)
	// Output: level=INFO msg="http request" method=GET path=/ status=404 bytes=19 remote_ip=192.0.2.1
}

// The health check of a load balancer does not fill the log.
func ExampleLogSkip() {
	router := http.NewRouter()
	router.Use(http.RequestLogger(plainLogger(), http.LogSkip(func(r *http.Request) bool {
		return r.Pattern == "GET /{$}"
	})))
	router.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {})
	serveExample(router)
	fmt.Println("nothing logged")
	// Output: nothing logged
}

func ExampleLogAttrs() {
	handler := http.RequestLogger(plainLogger(), http.LogAttrs(func(r *http.Request) []slog.Attr {
		return []slog.Attr{slog.String("agent", r.UserAgent())}
	}))(http.NotFoundHandler())
	serveExample(handler, "User-Agent", "curl/8")
	// Output: level=INFO msg="http request" method=GET path=/ status=404 bytes=19 remote_ip=192.0.2.1 agent=curl/8
}

func ExampleCompress() {
	handler := http.Compress(http.CompressConfig{})(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, strings.Repeat("All work and no play makes Jack a dull boy.\n", 100))
		}))
	rec := serveExample(handler, "Accept-Encoding", "gzip")
	fmt.Println(rec.Header().Get("Content-Encoding"), rec.Body.Len() < 200)
	// Output: gzip true
}

// Only JSON, and fast rather than small.
func ExampleCompressConfig() {
	compress := http.Compress(http.CompressConfig{
		Level:        gzip.BestSpeed,
		MinSize:      512,
		ContentTypes: []string{"application/json"},
	})
	handler := compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.WriteJSON(w, http.StatusOK, strings.Repeat("x", 600))
	}))
	fmt.Println(serveExample(handler, "Accept-Encoding", "gzip").Header().Get("Content-Encoding"))
	// Output: gzip
}

// A faster gzip in place of the built-in one.
func ExampleCompressEncoder() {
	compress := http.Compress(http.CompressConfig{Encoders: []http.CompressEncoder{{
		Name: "gzip",
		New: func() http.CompressWriter {
			w, _ := gzip.NewWriterLevel(io.Discard, gzip.HuffmanOnly)
			return w
		},
		Reuse: true, // nothing else refers to the writers
	}}})
	handler := compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.WriteJSON(w, http.StatusOK, strings.Repeat("x", 2000))
	}))
	fmt.Println(serveExample(handler, "Accept-Encoding", "gzip").Header().Get("Content-Encoding"))
	// Output: gzip
}

func ExampleETag() {
	handler := http.ETag(http.ETagConfig{})(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") }))
	first := serveExample(handler)
	tag := first.Header().Get("ETag")
	again := serveExample(handler, "If-None-Match", tag)
	fmt.Println(first.Code, tag)
	fmt.Println(again.Code, again.Body.Len())
	// Output:
	// 200 "3610a6869a71bb4c"
	// 304 0
}

func ExampleETagConfig() {
	handler := http.ETag(http.ETagConfig{Weak: true})(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") }))
	fmt.Println(serveExample(handler).Header().Get("ETag"))
	// Output: W/"3610a6869a71bb4c"
}

func ExampleRecovery() {
	handler := http.Recovery(func(recovered any, stack []byte) {
		fmt.Println("panic:", recovered)
	})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		panic("out of cheese")
	}))
	rec := serveExample(handler)
	fmt.Println(rec.Code, rec.Body)
	// Output:
	// panic: out of cheese
	// 500 {"error":"internal server error"}
}

// A stream of the ticks of a clock, until the client leaves or the server
// stops.
func ExampleSSEWriter() {
	ticks := make(chan string, 2)
	ticks <- "10:00"
	ticks <- "10:01"
	close(ticks)
	handler := func(w http.ResponseWriter, r *http.Request) {
		stream := http.NewSSEWriter(w)
		for {
			select {
			case <-r.Context().Done():
				return
			case tick, ok := <-ticks:
				if !ok || stream.Event("tick", tick) != nil {
					return
				}
			}
		}
	}
	fmt.Print(serveExample(http.HandlerFunc(handler)).Body)
	// Output:
	// event: tick
	// data: 10:00
	//
	// event: tick
	// data: 10:01
	//
}

// exampleStream returns what f sends, with | at the end of each line.
func exampleStream(f func(*http.SSEWriter)) string {
	rec := serveExample(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(http.NewSSEWriter(w)) }))
	return strings.ReplaceAll(rec.Body.String(), "\n", "|")
}

func ExampleNewSSEWriter() {
	rec := serveExample(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.NewSSEWriter(w) }))
	fmt.Println(rec.Header().Get("Content-Type"), rec.Flushed)
	// Output: text/event-stream true
}

func ExampleSSEWriter_Event() {
	fmt.Println(exampleStream(func(s *http.SSEWriter) { s.Event("stats", `{"count":42}`) }))
	// Output: event: stats|data: {"count":42}||
}

func ExampleSSEWriter_Data() {
	fmt.Println(exampleStream(func(s *http.SSEWriter) { s.Data("two\nlines") }))
	// Output: data: two|data: lines||
}

func ExampleSSEWriter_EventWithID() {
	fmt.Println(exampleStream(func(s *http.SSEWriter) { s.EventWithID("17", "task", "done") }))
	// Output: id: 17|event: task|data: done||
}

func ExampleSSEWriter_ID() {
	fmt.Println(exampleStream(func(s *http.SSEWriter) { s.ID("17") }))
	// Output: id: 17||
}

func ExampleSSEWriter_Comment() {
	fmt.Println(exampleStream(func(s *http.SSEWriter) { s.Comment("keepalive") }))
	// Output: : keepalive||
}

func ExampleSSEWriter_Retry() {
	fmt.Println(exampleStream(func(s *http.SSEWriter) { s.Retry(5000) }))
	// Output: retry: 5000||
}

func ExampleSSEWriter_SetWriteTimeout() {
	fmt.Println(exampleStream(func(s *http.SSEWriter) {
		s.SetWriteTimeout(5 * time.Second)
		s.Data("in time")
	}))
	// Output: data: in time||
}

// A client that reconnects is sent what it has missed.
func ExampleLastEventID() {
	events := []string{"one", "two", "three"}
	handler := func(w http.ResponseWriter, r *http.Request) {
		stream := http.NewSSEWriter(w)
		seen, _ := strconv.Atoi(http.LastEventID(r))
		for i := min(max(seen, 0), len(events)); i < len(events); i++ {
			stream.EventWithID(strconv.Itoa(i+1), "", events[i])
		}
	}
	fmt.Print(serveExample(http.HandlerFunc(handler), "Last-Event-ID", "2").Body)
	// Output:
	// id: 3
	// data: three
	//
}

// Reloading a client-side route gets the application's page; a missing file
// does not.
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

// loudWriter is a coding for those who like capitals.
type loudWriter struct{ w io.Writer }

func (l *loudWriter) Write(p []byte) (int, error) { return l.w.Write(bytes.ToUpper(p)) }

func (l *loudWriter) Flush() error { return nil }

func (l *loudWriter) Close() error { return nil }

func (l *loudWriter) Reset(w io.Writer) { l.w = w }

func ExampleCompressWriter() {
	compress := http.Compress(http.CompressConfig{MinSize: 1, Encoders: []http.CompressEncoder{
		{Name: "loud", New: func() http.CompressWriter { return &loudWriter{} }},
	}})
	handler := compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") }))
	fmt.Println(serveExample(handler, "Accept-Encoding", "loud").Body)
	// Output: HELLO
}

// talk runs a server that hands each WebSocket to serve, and a client. Both
// ends are closed in the end.
func talk(serve, client func(conn *http.Conn)) {
	upgrader := http.Upgrader{}
	served := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(served)
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		defer conn.Close()
		serve(conn)
	}))
	defer srv.Close()
	conn, _, err := http.Dial(context.Background(), srv.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	client(conn)
	conn.Close()
	<-served
}

// echoMessages is what a server does in most of the examples.
func echoMessages(conn *http.Conn) {
	for {
		messageType, payload, err := conn.ReadMessage()
		if err != nil {
			return
		}
		conn.WriteMessage(messageType, payload)
	}
}

// A handler that sends every message back, at work.
func ExampleUpgrader() {
	upgrader := http.Upgrader{
		Subprotocols:      []string{"echo.v1"},
		EnableCompression: true,
	}
	router := http.NewRouter()
	router.HandleFunc("GET /echo", func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return // Upgrade has answered
		}
		defer conn.Close()
		for {
			messageType, payload, err := conn.ReadMessage()
			if err != nil {
				return
			}
			if err := conn.WriteMessage(messageType, payload); err != nil {
				return
			}
		}
	})
	srv := httptest.NewServer(router)
	defer srv.Close()

	conn, _, err := http.Dial(context.Background(), srv.URL+"/echo", &http.DialOptions{Subprotocols: []string{"echo.v1"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	conn.WriteMessage(http.TextMessage, []byte("hello"))
	_, payload, _ := conn.ReadMessage()
	fmt.Printf("%s over %s\n", payload, conn.Subprotocol())
	// Output: hello over echo.v1
}

// A request that does not ask for a WebSocket is answered with what is missing.
func ExampleUpgrader_Upgrade() {
	upgrader := http.Upgrader{}
	res := serveExample(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := upgrader.Upgrade(w, r); err != nil {
			return
		}
	}))
	fmt.Println(res.Code, res.Header().Get("Upgrade"), res.Header().Get("Sec-WebSocket-Version"))
	// Output: 426 websocket 13
}

// One goroutine reads, to notice when the client leaves, and another writes.
func ExampleConn() {
	events := make(chan string, 2)
	events <- "one"
	events <- "two"
	serve := func(conn *http.Conn) {
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			for {
				if _, _, err := conn.ReadMessage(); err != nil {
					return
				}
			}
		}()
		heartbeat := time.NewTicker(30 * time.Second)
		defer heartbeat.Stop()
		for {
			select {
			case <-gone:
				return
			case event := <-events:
				conn.WriteMessage(http.TextMessage, []byte(event))
			case <-heartbeat.C:
				conn.WritePing(nil)
			}
		}
	}
	talk(serve, func(conn *http.Conn) {
		for range 2 {
			_, payload, _ := conn.ReadMessage()
			fmt.Println(string(payload))
		}
	})
	// Output:
	// one
	// two
}

func ExampleConn_ReadMessage() {
	serve := func(conn *http.Conn) {
		conn.WriteMessage(http.TextMessage, []byte("hello"))
		conn.WriteMessage(http.BinaryMessage, []byte{1, 2, 3})
		conn.CloseWithMessage(http.CloseNormalClosure, "that is all")
	}
	talk(serve, func(conn *http.Conn) {
		for {
			messageType, payload, err := conn.ReadMessage()
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Println(messageType == http.TextMessage, len(payload))
		}
	})
	// Output:
	// true 5
	// false 3
	// websocket: closed with code 1000: that is all
}

// Name the type of a message where it is passed on.
func ExampleMessageType() {
	shout := func(messageType http.MessageType, payload []byte) []byte {
		if messageType == http.TextMessage {
			return bytes.ToUpper(payload)
		}
		return payload
	}
	talk(echoMessages, func(conn *http.Conn) {
		conn.WriteMessage(http.TextMessage, []byte("hello"))
		messageType, payload, err := conn.ReadMessage()
		fmt.Printf("%s %v\n", shout(messageType, payload), err)
	})
	// Output: HELLO <nil>
}

func ExampleConn_WriteMessage() {
	talk(echoMessages, func(conn *http.Conn) {
		if err := conn.WriteMessage(http.BinaryMessage, []byte{0xCA, 0xFE}); err != nil {
			fmt.Println(err)
			return
		}
		_, payload, _ := conn.ReadMessage()
		fmt.Printf("%x\n", payload)
	})
	// Output: cafe
}

// A long message is read as a stream, in little memory.
func ExampleConn_NextReader() {
	serve := func(conn *http.Conn) {
		_, r, err := conn.NextReader()
		if err != nil {
			return
		}
		lines := 0
		for scanner := bufio.NewScanner(r); scanner.Scan(); {
			lines++
		}
		conn.WriteJSON(lines)
	}
	talk(serve, func(conn *http.Conn) {
		conn.WriteMessage(http.TextMessage, []byte(strings.Repeat("line\n", 10_000)))
		var lines int
		conn.ReadJSON(&lines)
		fmt.Println(lines)
	})
	// Output: 10000
}

// A message is sent while it is made.
func ExampleConn_NextWriter() {
	talk(echoMessages, func(conn *http.Conn) {
		w, err := conn.NextWriter(http.TextMessage)
		if err != nil {
			fmt.Println(err)
			return
		}
		for i := range 3 {
			fmt.Fprintf(w, "part %d; ", i)
		}
		w.Close()
		_, payload, _ := conn.ReadMessage()
		fmt.Println(string(payload))
	})
	// Output: part 0; part 1; part 2;
}

func ExampleConn_ReadJSON() {
	serve := func(conn *http.Conn) {
		var order struct {
			Item  string `json:"item"`
			Count int    `json:"count"`
		}
		if err := conn.ReadJSON(&order); err != nil {
			return
		}
		conn.WriteJSON(fmt.Sprint(order.Count, " × ", order.Item))
	}
	talk(serve, func(conn *http.Conn) {
		conn.WriteMessage(http.TextMessage, []byte(`{"item": "tea", "count": 2}`))
		var answer string
		conn.ReadJSON(&answer)
		fmt.Println(answer)
	})
	// Output: 2 × tea
}

func ExampleConn_WriteJSON() {
	talk(echoMessages, func(conn *http.Conn) {
		conn.WriteJSON(map[string]string{"status": "ok"})
		_, payload, _ := conn.ReadMessage()
		fmt.Println(string(payload))
	})
	// Output: {"status":"ok"}
}

// A message that goes to many is encoded once.
func ExampleNewPreparedMessage() {
	message, err := http.NewPreparedMessage(http.TextMessage, []byte("to everyone"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		talk(func(conn *http.Conn) { conn.WritePreparedMessage(message) }, func(conn *http.Conn) {
			_, payload, _ := conn.ReadMessage()
			fmt.Println(string(payload))
		})
	}
	// Output:
	// to everyone
	// to everyone
}

func ExampleConn_WritePreparedMessage() {
	message, _ := http.NewPreparedMessage(http.BinaryMessage, []byte{1, 2, 3})
	talk(echoMessages, func(conn *http.Conn) {
		conn.WritePreparedMessage(message)
		_, payload, _ := conn.ReadMessage()
		fmt.Println(payload)
	})
	// Output: [1 2 3]
}

// The pong tells that the peer is alive, and how far it is.
func ExampleConn_WritePing() {
	talk(echoMessages, func(conn *http.Conn) {
		conn.SetPongHandler(func(data []byte) error {
			fmt.Println("pong", string(data))
			return nil
		})
		conn.WritePing([]byte("heartbeat"))
		conn.WriteMessage(http.TextMessage, nil)
		conn.ReadMessage() // handles the pong on its way to the message
	})
	// Output: pong heartbeat
}

// A pong that answers nothing is a sign of life that asks for no answer.
func ExampleConn_WritePong() {
	serve := func(conn *http.Conn) {
		conn.SetPongHandler(func(data []byte) error {
			fmt.Println(string(data))
			return nil
		})
		conn.ReadMessage()
	}
	talk(serve, func(conn *http.Conn) { conn.WritePong([]byte("still here")) })
	// Output: still here
}

func ExampleConn_SetPingHandler() {
	serve := func(conn *http.Conn) {
		conn.SetPingHandler(func(data []byte) error {
			fmt.Println("ping received:", string(data))
			return conn.WritePong(data)
		})
		conn.ReadMessage()
	}
	talk(serve, func(conn *http.Conn) { conn.WritePing([]byte("are you there?")) })
	// Output: ping received: are you there?
}

// A client that answers no ping is given up.
func ExampleConn_SetPongHandler() {
	const patience = time.Minute
	serve := func(conn *http.Conn) {
		conn.SetReadDeadline(time.Now().Add(patience))
		conn.SetPongHandler(func([]byte) error {
			conn.SetReadDeadline(time.Now().Add(patience))
			return conn.WriteMessage(http.TextMessage, []byte("you are alive"))
		})
		conn.WritePing(nil) // from time to time
		conn.ReadMessage()
	}
	talk(serve, func(conn *http.Conn) {
		_, payload, _ := conn.ReadMessage() // answers the ping on the way
		fmt.Println(string(payload))
	})
	// Output: you are alive
}

func ExampleConn_SetMaxMessageSize() {
	serve := func(conn *http.Conn) {
		conn.SetMaxMessageSize(10)
		_, _, err := conn.ReadMessage()
		fmt.Println(errors.Is(err, http.ErrReadLimit))
	}
	talk(serve, func(conn *http.Conn) {
		conn.WriteMessage(http.TextMessage, []byte("more than ten bytes"))
		_, _, err := conn.ReadMessage()
		fmt.Println(err)
	})
	// Unordered output:
	// true
	// websocket: closed with code 1009: message too big
}

func ExampleConn_SetReadDeadline() {
	serve := func(conn *http.Conn) {
		conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		_, _, err := conn.ReadMessage()
		fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))
	}
	talk(serve, func(conn *http.Conn) { conn.ReadMessage() })
	// Output: true
}

// A client that does not read what it is sent is given up.
func ExampleConn_SetWriteDeadline() {
	serve := func(conn *http.Conn) {
		conn.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		for {
			if err := conn.WriteMessage(http.BinaryMessage, make([]byte, 1<<20)); err != nil {
				fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))
				return
			}
		}
	}
	served := make(chan struct{})
	talk(func(conn *http.Conn) { defer close(served); serve(conn) }, func(conn *http.Conn) { <-served })
	// Output: true
}

func ExampleConn_Close() {
	talk(func(conn *http.Conn) { conn.ReadMessage() }, func(conn *http.Conn) {
		fmt.Println(conn.Close())
		fmt.Println(conn.WriteMessage(http.TextMessage, nil) == http.ErrCloseSent)
	})
	// Output:
	// <nil>
	// true
}

func ExampleConn_CloseWithMessage() {
	serve := func(conn *http.Conn) { conn.CloseWithMessage(http.ClosePolicyViolation, "no spam") }
	talk(serve, func(conn *http.Conn) {
		_, _, err := conn.ReadMessage()
		fmt.Println(err)
	})
	// Output: websocket: closed with code 1008: no spam
}

// A peer that floods the server is not worth a closing handshake.
func ExampleConn_CloseNow() {
	serve := func(conn *http.Conn) {
		conn.ReadMessage()
		conn.CloseNow()
	}
	talk(serve, func(conn *http.Conn) {
		conn.WriteMessage(http.TextMessage, []byte("flood"))
		_, _, err := conn.ReadMessage()
		var closeErr *http.CloseError
		fmt.Println(errors.As(err, &closeErr) && closeErr.Code == http.CloseAbnormalClosure)
	})
	// Output: true
}

// A client that may ignore the close frame holds the handler for a moment only.
func ExampleConn_SetCloseTimeout() {
	served := make(chan struct{})
	serve := func(conn *http.Conn) {
		defer close(served)
		conn.SetCloseTimeout(10 * time.Millisecond)
		err := conn.CloseWithMessage(http.ClosePolicyViolation, "no spam")
		fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))
	}
	talk(serve, func(conn *http.Conn) { <-served }) // does not read
	// Output: true
}

func ExampleCloseError() {
	serve := func(conn *http.Conn) { conn.CloseWithMessage(http.CloseNormalClosure, "goodbye") }
	talk(serve, func(conn *http.Conn) {
		_, _, err := conn.ReadMessage()
		var closeErr *http.CloseError
		if errors.As(err, &closeErr) {
			fmt.Printf("closed with code %d: %s\n", closeErr.Code, closeErr.Text)
		}
	})
	// Output: closed with code 1000: goodbye
}

func ExampleCloseError_Error() {
	err := &http.CloseError{Code: http.CloseGoingAway, Text: "server shutting down"}
	fmt.Println(err.Error())
	// Output: websocket: closed with code 1001: server shutting down
}

// Behind a connection that ended without a close frame is an error of the
// network.
func ExampleCloseError_Unwrap() {
	var network net.Conn
	serve := func(conn *http.Conn) {
		_, _, err := conn.ReadMessage()
		var closeErr *http.CloseError
		if errors.As(err, &closeErr) && closeErr.Code == http.CloseAbnormalClosure {
			fmt.Println(closeErr.Unwrap() == io.ErrUnexpectedEOF)
		}
	}
	upgrader := http.Upgrader{}
	served := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(served)
		if conn, err := upgrader.Upgrade(w, r); err == nil {
			serve(conn)
			conn.Close()
		}
	}))
	defer srv.Close()
	_, _, err := http.Dial(context.Background(), srv.URL, &http.DialOptions{
		DialContext: func(ctx context.Context, proto, addr string) (conn net.Conn, err error) {
			network, err = new(net.Dialer).DialContext(ctx, proto, addr)
			return network, err
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	network.Close() // the cable is cut
	<-served
	// Output: true
}

func ExampleConn_Subprotocol() {
	upgrader := http.Upgrader{Subprotocols: []string{"chat.v2", "chat.v1"}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := upgrader.Upgrade(w, r); err == nil {
			conn.Close()
		}
	}))
	defer srv.Close()
	conn, _, err := http.Dial(context.Background(), srv.URL, &http.DialOptions{Subprotocols: []string{"chat.v1", "chat.v2"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	fmt.Println(conn.Subprotocol())
	// Output: chat.v2
}

func ExampleConn_RemoteAddr() {
	serve := func(conn *http.Conn) { fmt.Println(conn.RemoteAddr().(*net.TCPAddr).IP) }
	talk(serve, func(conn *http.Conn) { conn.ReadMessage() })
	// Output: 127.0.0.1
}

func ExampleConn_LocalAddr() {
	serve := func(conn *http.Conn) { fmt.Println(conn.LocalAddr().Network()) }
	talk(serve, func(conn *http.Conn) { conn.ReadMessage() })
	// Output: tcp
}

// A client that takes no longer than it has time for.
func ExampleDial() {
	upgrader := http.Upgrader{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := upgrader.Upgrade(w, r); err == nil {
			echoMessages(conn)
			conn.Close()
		}
	}))
	defer srv.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, _, err := http.Dial(ctx, "ws://"+srv.Listener.Addr().String(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	conn.WriteMessage(http.TextMessage, []byte("hello"))
	_, payload, _ := conn.ReadMessage()
	fmt.Println(string(payload))
	// Output: hello
}

// The options of a client that authenticates, and what it is told if that is
// not enough.
func ExampleDialOptions() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.WriteError(w, http.StatusForbidden, "token expired")
	}))
	defer srv.Close()
	_, res, err := http.Dial(context.Background(), srv.URL, &http.DialOptions{
		Header:            http.Header{"Authorization": {"Bearer old"}},
		EnableCompression: true,
	})
	fmt.Println(res.StatusCode)
	fmt.Println(err)
	// Output:
	// 403
	// websocket: dial: the server answered 403 Forbidden: "{\"error\":\"token expired\"}"
}

func ExampleGenerateKey() {
	key, err := base64.StdEncoding.DecodeString(http.GenerateKey())
	fmt.Println(len(key), err)
	// Output: 16 <nil>
}
