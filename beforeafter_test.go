package http_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// shopBefore registers an API that customers use from their own domains, without
// AllowOriginFunc and CORS on a group.
func shopBefore(router *http.Router, isCustomer func(origin string) bool) {
	allowed := func(origin string) bool {
		return isCustomer(origin) || strings.HasPrefix(origin, "http://localhost:")
	}
	api := router.Group("/api")
	api.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Vary", "Origin")
			if origin := r.Header.Get("Origin"); allowed(origin) {
				w.Header().Set("Access-Control-Allow-Origin", origin)
			}
			next.ServeHTTP(w, r)
		})
	})
	preflight := func(methods string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Vary", "Access-Control-Request-Method")
			w.Header().Add("Vary", "Access-Control-Request-Headers")
			if w.Header().Get("Access-Control-Allow-Origin") != "" {
				w.Header().Set("Access-Control-Allow-Methods", methods)
				w.Header().Set("Access-Control-Allow-Headers", "Content-Type")
				w.Header().Set("Access-Control-Max-Age", "86400")
			}
			w.WriteHeader(http.StatusNoContent)
		}
	}
	api.HandleFunc("GET /items", named("list"))
	api.HandleFunc("POST /items", named("create"))
	api.Handle("OPTIONS /items", preflight("GET, HEAD, POST"))
	api.HandleFunc("PUT /items/{id}", named("update"))
	api.HandleFunc("DELETE /items/{id}", named("delete"))
	api.Handle("OPTIONS /items/{id}", preflight("DELETE, PUT"))
}

// shopAfter is the same with both.
func shopAfter(router *http.Router, isCustomer func(origin string) bool) {
	api := router.Group("/api")
	api.Use(http.CORS(http.CORSConfig{
		AllowOrigins:    []string{"http://localhost:*"},
		AllowOriginFunc: func(r *http.Request, origin string) bool { return isCustomer(origin) },
		AllowHeaders:    []string{"Content-Type"},
	}))
	api.HandleFunc("GET /items", named("list"))
	api.HandleFunc("POST /items", named("create"))
	api.HandleFunc("PUT /items/{id}", named("update"))
	api.HandleFunc("DELETE /items/{id}", named("delete"))
}

func TestShopsBeforeAndAfterRespondAlike(t *testing.T) {
	t.Parallel()
	isCustomer := func(origin string) bool { return origin == "https://shop.example" }
	shops := map[string]func(*http.Router, func(string) bool){"before": shopBefore, "after": shopAfter}
	servers := map[string]*testkit.Server{}
	for name, shop := range shops {
		router := http.NewRouter()
		shop(router, isCustomer)
		servers[name] = testkit.StartServer(t, testkit.HTTP1, router)
	}
	for _, origin := range []string{"https://shop.example", "http://localhost:5173", "https://evil.example", "null"} {
		for _, target := range []string{"GET /api/items", "POST /api/items", "PUT /api/items/7", "DELETE /api/items/7", "GET /nothing"} {
			method, path, _ := strings.Cut(target, " ")
			for _, asked := range []bool{false, true} {
				responses := map[string]*testkit.Response{}
				for name, srv := range servers {
					fields := []string{"Origin: " + origin}
					if asked {
						fields = append(fields, "Access-Control-Request-Method: "+method)
						responses[name] = srv.Do(t, "OPTIONS", path, "", fields...)
						continue
					}
					responses[name] = srv.Do(t, method, path, "", fields...)
				}
				before, after := responses["before"], responses["after"]
				if before.StatusCode != after.StatusCode || before.Body != after.Body || !maps.Equal(corsFields(before.Header), corsFields(after.Header)) ||
					strings.Join(before.Header["Vary"], ", ") != strings.Join(after.Header["Vary"], ", ") {
					t.Errorf("%s from %s, preflight %t: before %v %v, after %v %v", target, origin, asked, before, before.Header, after, after.Header)
				}
			}
		}
	}
}

func TestProgramsAreShorterAfter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ file, before, after string }{
		{"beforeafter_test.go", "shopBefore", "shopAfter"},
		{"streamcsv_test.go", "exportBefore", "exportAfter"},
	} {
		before, after := linesOf(t, tt.file, tt.before), linesOf(t, tt.file, tt.after)
		t.Logf("%s has %d lines, %s has %d", tt.before, before, tt.after, after)
		if after == 0 || 2*after > before {
			t.Errorf("%s has %d lines, %s has %d; want at most half", tt.before, before, tt.after, after)
		}
	}
}

// linesOf returns the number of lines in the body of a function.
func linesOf(t *testing.T, file, function string) int {
	t.Helper()
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range parsed.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Name.Name == function {
			return fset.Position(f.Body.Rbrace).Line - fset.Position(f.Body.Lbrace).Line - 1
		}
	}
	t.Fatalf("%s has no function %s", file, function)
	return 0
}
