package http_test

import (
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// routingCases are requests to the routes of [registerAPI].
var routingCases = []struct {
	name, method, target string
	status               int
}{
	{"static", "GET", "/api/health", 200},
	{"1 param", "GET", "/api/users/42", 200},
	{"5 params", "GET", "/api/orgs/a/teams/b/repos/c/issues/d/comments/e", 200},
	{"404", "GET", "/nowhere/at/all", 404},
	{"405", "DELETE", "/api/health", 405},
	{"redirect", "GET", "/api/files", 307},
}

// registerAPI registers some routes with the same handler.
func registerAPI(handle func(pattern string, handler func(http.ResponseWriter, *http.Request))) {
	for _, pattern := range []string{
		"GET /api/health",
		"GET /api/users",
		"POST /api/users",
		"GET /api/users/{id}",
		"PUT /api/users/{id}",
		"DELETE /api/users/{id}",
		"GET /api/orgs/{org}/teams/{team}/repos/{repo}/issues/{issue}/comments/{comment}",
		"GET /api/files/{path...}",
		"GET /api/files/{$}",
	} {
		handle(pattern, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	}
}

// routers returns a ServeMux, a router, and a router with groups.
func routers() []struct {
	name    string
	handler http.Handler
} {
	mux := http.NewServeMux()
	registerAPI(mux.HandleFunc)
	router := http.NewRouter()
	registerAPI(router.HandleFunc)
	return []struct {
		name    string
		handler http.Handler
	}{{"ServeMux", mux}, {"Router", router}}
}

func TestRoutingAllocatesNoMoreThanServeMux(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	for _, tt := range routingCases {
		var allocs [2]float64
		for i, rt := range routers() {
			w := new(nullWriter)
			r, _ := http.NewRequest(tt.method, tt.target, nil)
			allocs[i] = testing.AllocsPerRun(200, func() {
				clear(w.header)
				r.Pattern = ""
				rt.handler.ServeHTTP(w, r)
			})
			if w.status != tt.status {
				t.Errorf("%s: %s answers %d, want %d", tt.name, rt.name, w.status, tt.status)
			}
		}
		mux, router := allocs[0], allocs[1]
		switch tt.status {
		case http.StatusNotFound, http.StatusMethodNotAllowed:
			if router > mux/2 {
				t.Errorf("%s: ServeMux allocates %v times, the router %v times: not half as often", tt.name, mux, router)
			}
		case http.StatusTemporaryRedirect:
			// ServeMux records a segment while it compares the router's pattern
			// for all requests. Nothing else may be added.
			if router > mux+1 {
				t.Errorf("%s: ServeMux allocates %v times, the router %v times", tt.name, mux, router)
			}
		default:
			if router > mux {
				t.Errorf("%s: ServeMux allocates %v times, the router %v times", tt.name, mux, router)
			}
		}
	}
}

func BenchmarkRouting(b *testing.B) {
	for _, tt := range routingCases {
		for _, rt := range routers() {
			b.Run(tt.name+"/"+rt.name, func(b *testing.B) {
				w := new(nullWriter)
				r, _ := http.NewRequest(tt.method, tt.target, nil)
				b.ReportAllocs()
				for b.Loop() {
					clear(w.header)
					r.Pattern = "" // as in a request from a server
					rt.handler.ServeHTTP(w, r)
				}
			})
		}
	}
}
