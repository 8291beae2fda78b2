package http_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// The tests in this file use the package as in each section of its reference
// documentation. They fail if a documented use does not compile or work; other tests
// check the details.

func TestReferenceRouter(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {
		http.WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	router.HandleFunc("GET /api/orgs/{org}", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, http.PathParam(r, "org"))
	})
	router.HandleFunc("GET /api/users/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, ok := http.PathParamInt64(w, r, "id")
		if !ok {
			return
		}
		fmt.Fprint(w, id)
	})
	testkit.Serve(t, router, "GET", "/health", "").Want(t, 200, `{"status":"ok"}`)
	testkit.Serve(t, router, "GET", "/api/orgs/acme", "").Want(t, 200, "acme")
	testkit.Serve(t, router, "GET", "/api/users/42", "").Want(t, 200, "42")
	if r := testkit.Serve(t, router, "GET", "/api/users/x", ""); r.StatusCode != 400 || !strings.HasPrefix(r.Body, `{"error":`) {
		t.Errorf("bad id: got %d %s", r.StatusCode, r.Body)
	}
}

func TestReferenceQueryParameters(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := http.QueryParam(r, "name")
		sort := http.QueryParamOr(r, "sort", "created_at")
		page := http.QueryParamInt(r, "page", 1)
		perPage := http.QueryParamInt(r, "per_page", 20)
		fmt.Fprint(w, name, " ", sort, " ", page, " ", perPage)
	})
	testkit.Serve(t, handler, "GET", "/?name=ada&per_page=x", "").Want(t, 200, "ada created_at 1 20")
	testkit.Serve(t, handler, "GET", "/?name=a&sort=name&page=3&per_page=5", "").Want(t, 200, "a name 3 5")
}

func TestReferenceRequestBodies(t *testing.T) {
	t.Parallel()
	bind := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req struct {
			Name  string `json:"name"`
			Email string `json:"email"`
		}
		if !http.BindJSON(w, r, &req) {
			return
		}
		fmt.Fprint(w, req.Name, req.Email)
	})
	read := func(limit int64) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var input account
			var err error
			if limit == 0 {
				err = http.ReadJSON(r, &input)
			} else {
				err = http.ReadJSONLimit(r, &input, limit)
			}
			if err != nil {
				http.WriteError(w, http.StatusBadRequest, fmt.Sprint("invalid JSON: ", errors.Is(err, http.ErrBodyTooLarge)))
				return
			}
			fmt.Fprint(w, len(input.Name))
		})
	}
	testkit.Serve(t, bind, "POST", "/", `{"name":"Ada","email":"@x"}`).Want(t, 200, "Ada@x")
	large := `{"name":"` + strings.Repeat("x", 1<<20) + `"}`
	for name, body := range map[string]string{"missing": "", "malformed": "{", "too large": large} {
		if r := testkit.Serve(t, bind, "POST", "/", body); r.StatusCode != 400 || !strings.HasPrefix(r.Body, `{"error":`) {
			t.Errorf("%s body: got %d %s", name, r.StatusCode, r.Body)
		}
	}
	testkit.Serve(t, read(0), "POST", "/", "nonsense").Want(t, 400, `{"error":"invalid JSON: false"}`)
	testkit.Serve(t, read(0), "POST", "/", large).Want(t, 400, `{"error":"invalid JSON: true"}`)
	testkit.Serve(t, read(10<<20), "POST", "/", large).Want(t, 200, strconv.Itoa(1<<20))
}

func TestReferenceResponses(t *testing.T) {
	t.Parallel()
	user := account{ID: 7, Name: "Ada"}
	testkit.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.WriteJSON(w, http.StatusOK, map[string]any{"user": user, "total": 1})
	}), "GET", "/", "").Want(t, 200, `{"total":1,"user":{"id":7,"name":"Ada","email":""}}`)
	testkit.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.WriteJSON(w, http.StatusCreated, user)
	}), "GET", "/", "").Want(t, 201, `{"id":7,"name":"Ada","email":""}`)
	testkit.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.WriteError(w, http.StatusNotFound, "user not found")
	}), "GET", "/", "").Want(t, 404, `{"error":"user not found"}`)
}

func TestReferenceServerErrorIsLoggedWithTheRequest(t *testing.T) {
	t.Parallel()
	var log testkit.Log
	router := http.NewRouter()
	router.Use(http.RequestID(http.RequestIDConfig{Generator: func() string { return "id-1" }}))
	router.Use(http.RequestLogger(log.Text()))
	router.HandleFunc("GET /users", func(w http.ResponseWriter, r *http.Request) {
		http.LoggerFromContext(r.Context()).Info("looking")
		http.WriteServerError(w, r, "failed to list users", errors.New("disk on fire"))
	})
	testkit.Serve(t, router, "GET", "/users", "").Want(t, 500, `{"error":"failed to list users"}`)
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	for i, want := range []string{
		`level=INFO msg=looking request_id=id-1`,
		`level=ERROR msg="failed to list users" request_id=id-1 error="disk on fire" method=GET path=/users`,
		`level=ERROR msg="http request" method=GET path=/users status=500 `,
	} {
		if i >= len(lines) || !strings.Contains(lines[i], want) {
			t.Errorf("line %d of the log is not %s:\n%s", i, want, log.String())
		}
	}
	if !strings.Contains(lines[len(lines)-1], "request_id=id-1") {
		t.Error("the request's line does not name its id")
	}
}

func TestReferenceCSVExport(t *testing.T) {
	t.Parallel()
	rows := []account{{1, "Ada", "ada@x"}, {2, "Bob", "bob@x"}}
	r := testkit.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := 0
		http.WriteCSV(w, "users", []string{"ID", "Email", "Name"}, func() []string {
			if i == len(rows) {
				return nil
			}
			row := rows[i]
			i++
			return []string{strconv.FormatInt(row.ID, 10), row.Email, row.Name}
		})
	}), "GET", "/", "")
	r.Want(t, 200, "ID,Email,Name\n1,ada@x,Ada\n2,bob@x,Bob\n")
	if got := r.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/csv") {
		t.Errorf("Content-Type is %q", got)
	}
	if got := r.Header.Get("Content-Disposition"); !regexp.MustCompile(`users-\d{8}\.csv`).MatchString(got) {
		t.Errorf("Content-Disposition is %q", got)
	}
}

func TestReferenceBulkIDs(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req struct {
			IDs []int64 `json:"ids"`
		}
		if !http.BindJSON(w, r, &req) {
			return
		}
		if !http.CheckBulkIDs(w, req.IDs, 2) {
			return
		}
		fmt.Fprint(w, len(req.IDs))
	})
	testkit.Serve(t, handler, "POST", "/", `{"ids":[1,2]}`).Want(t, 200, "2")
	for _, body := range []string{`{"ids":[]}`, `{"ids":[1,2,3]}`, `{}`} {
		if r := testkit.Serve(t, handler, "POST", "/", body); r.StatusCode != 400 {
			t.Errorf("%s: got %d", body, r.StatusCode)
		}
	}
}

func TestReferenceGroupsAndRoutes(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.Use(trace("router"))
	api := router.Group("/api")
	api.HandleFunc("GET /health", say("healthy"))
	admin := api.Group("/admin")
	admin.Use(trace("auth"))
	admin.Use(trace("scope"))
	admin.HandleFunc("GET /dashboard", say("dashboard"))
	admin.HandleFunc("GET /routes", func(w http.ResponseWriter, r *http.Request) {
		type entry struct {
			Method string `json:"method"`
			Path   string `json:"path"`
		}
		routes := router.Routes()
		out := make([]entry, 0, len(routes))
		for _, rt := range routes {
			out = append(out, entry{Method: rt.Method, Path: rt.Path})
		}
		http.WriteJSON(w, http.StatusOK, out)
	})
	user := api.Group("/user")
	user.Use(trace("auth"))
	user.HandleFunc("GET /profile", say("profile"))

	for path, order := range map[string][]string{
		"/api/health":          {"router"},
		"/api/admin/dashboard": {"router", "auth", "scope"},
		"/api/user/profile":    {"router", "auth"},
	} {
		if r := testkit.Serve(t, router, "GET", path, ""); r.StatusCode != 200 || !slices.Equal(r.Header["Trace"], order) {
			t.Errorf("%s: got %d, order %q, want %q", path, r.StatusCode, r.Header["Trace"], order)
		}
	}
	testkit.Serve(t, router, "GET", "/api/admin/routes", "").Want(t, 200, `[{"method":"GET","path":"/api/admin/dashboard"},`+
		`{"method":"GET","path":"/api/admin/routes"},{"method":"GET","path":"/api/health"},{"method":"GET","path":"/api/user/profile"}]`)
}

func TestReferenceChain(t *testing.T) {
	t.Parallel()
	var log testkit.Log
	var panicked any
	logger := log.Text()
	metrics := http.NewMetrics()
	router := http.NewRouter()
	router.Use(http.RequestID(http.RequestIDConfig{}))
	router.Use(metrics.Middleware())
	router.Use(http.RequestLogger(logger))
	router.Use(http.Compress(http.CompressConfig{}))
	router.Use(http.ETag(http.ETagConfig{}))
	router.Use(http.SecureHeaders(http.SecureHeadersConfig{}))
	router.Use(http.MaxBody(2 << 20))
	router.Use(http.CORS(http.CORSConfig{
		AllowOrigins:     []string{"http://localhost:23706", "http://localhost:23700"},
		AllowCredentials: true,
		MaxAge:           86400,
	}))
	router.Use(http.Recovery(func(recovered any, stack []byte) { panicked = recovered }))
	page := strings.Repeat("hello ", 1000)
	router.HandleFunc("GET /page", say(page))
	router.HandleFunc("GET /panic", func(w http.ResponseWriter, r *http.Request) { panic("oh") })

	r := testkit.Serve(t, router, "GET", "/page", "", "Accept-Encoding: gzip", "Origin: http://localhost:23700", "X-Request-ID: mine")
	for name, value := range map[string]string{
		"X-Request-Id": "mine", "Content-Encoding": "gzip",
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
		"Referrer-Policy": "strict-origin-when-cross-origin", "X-Xss-Protection": "0",
		"Permissions-Policy":               "camera=(), microphone=(), geolocation=()",
		"Access-Control-Allow-Origin":      "http://localhost:23700",
		"Access-Control-Allow-Credentials": "true",
	} {
		r.WantHeader(t, name, value)
	}
	if plain := r.Plain(t); plain != page {
		t.Errorf("the page came back as %d bytes", len(plain))
	}
	etag := r.Header.Get("Etag")
	testkit.Serve(t, router, "GET", "/page", "", "If-None-Match: "+etag).Want(t, 304, "")
	testkit.Serve(t, router, "GET", "/page", "", "If-None-Match: W/"+etag).Want(t, 304, "")

	preflight := testkit.Serve(t, router, "OPTIONS", "/page", "", "Origin: http://localhost:23706", "Access-Control-Request-Method: DELETE")
	preflight.Want(t, 204, "")
	preflight.WantHeader(t, "Access-Control-Max-Age", "86400")

	r = testkit.Serve(t, router, "GET", "/panic", "")
	if r.StatusCode != 500 || panicked != "oh" {
		t.Errorf("a panic gave %d, and %v to the callback", r.StatusCode, panicked)
	}
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(r.Header.Get("X-Request-ID")) {
		t.Errorf("X-Request-ID is %q, want a UUID", r.Header.Get("X-Request-ID"))
	}
	if stats := metrics.Stats(); stats.TotalRequests != 5 || stats.Status2xx != 2 || stats.Status3xx != 2 || stats.Status5xx != 1 ||
		stats.Status4xx != 0 || stats.ActiveRequests != 0 || stats.BytesWritten == 0 || stats.AvgDurationMs <= 0 {
		t.Errorf("metrics: %+v", stats)
	}
	if got := strings.Count(log.String(), `msg="http request"`); got != 5 {
		t.Errorf("%d requests were logged, want 5", got)
	}
}

func TestReferenceMiddlewareConfigurations(t *testing.T) {
	t.Parallel()
	serve := func(mw http.Middleware, text string) http.Handler { return mw(http.HandlerFunc(say(text))) }

	traced := http.RequestID(http.RequestIDConfig{Header: "X-Trace-ID", Generator: func() string { return "custom" }})
	r := testkit.Serve(t, traced(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, http.GetRequestID(r))
	})), "GET", "/", "")
	r.Want(t, 200, "custom")
	r.WantHeader(t, "X-Trace-ID", "custom")

	small := http.Compress(http.CompressConfig{Level: gzip.BestSpeed, MinSize: 512, ContentTypes: []string{"application/json"}})
	jsonText := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.WriteJSON(w, http.StatusOK, strings.Repeat("x", 600))
	})
	testkit.Serve(t, small(jsonText), "GET", "/", "", "Accept-Encoding: gzip").WantHeader(t, "Content-Encoding", "gzip")
	testkit.Serve(t, serve(small, strings.Repeat("x", 600)), "GET", "/", "", "Accept-Encoding: gzip").WantHeader(t, "Content-Encoding", "")

	weak := testkit.Serve(t, serve(http.ETag(http.ETagConfig{Weak: true}), "x"), "GET", "/", "")
	if !strings.HasPrefix(weak.Header.Get("Etag"), `W/"`) {
		t.Errorf("ETag is %q, want a weak one", weak.Header.Get("Etag"))
	}

	secure := testkit.Serve(t, serve(http.SecureHeaders(http.SecureHeadersConfig{
		HSTSMaxAge: 63072000, ContentSecurityPolicy: "default-src 'self'", FrameOptions: "SAMEORIGIN",
	}), "x"), "GET", "/", "")
	secure.WantHeader(t, "Strict-Transport-Security", "max-age=63072000")
	secure.WantHeader(t, "Content-Security-Policy", "default-src 'self'")
	secure.WantHeader(t, "X-Frame-Options", "SAMEORIGIN")

	limited := http.MaxBody(2 << 10)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var input account
		if http.BindJSON(w, r, &input) {
			io.WriteString(w, "bound")
		}
	}))
	testkit.Serve(t, limited, "POST", "/", `{"name":"`+strings.Repeat("x", 1<<10)+`"}`).Want(t, 200, "bound")
	if r := testkit.Serve(t, limited, "POST", "/", `{"name":"`+strings.Repeat("x", 4<<10)+`"}`); r.StatusCode != 400 {
		t.Errorf("a large body gave %d", r.StatusCode)
	}
	testkit.Serve(t, limited, "POST", "/", `{"name":"`+strings.Repeat("x", 4<<10)+`"}`, "Content-Type: multipart/form-data").Want(t, 200, "bound")
	testkit.Serve(t, serve(http.Recovery(nil), "fine"), "GET", "/", "").Want(t, 200, "fine")
}

func TestReferenceRateLimit(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	api := router.Group("/api")
	auth := api.Group("")
	auth.Use(http.RateLimit(http.RateLimitConfig{Limit: 1, Window: time.Minute}))
	auth.HandleFunc("POST /auth/login", say("in"))
	api.HandleFunc("GET /free", say("free"))
	keyed := router.Group("/keyed")
	keyed.Use(http.RateLimit(http.RateLimitConfig{
		Limit: 1, Window: time.Minute,
		KeyFunc: func(r *http.Request) string { return r.Header.Get("X-API-Key") },
	}))
	keyed.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, http.ClientIP(r)) })

	first := testkit.Serve(t, router, "POST", "/api/auth/login", "")
	first.Want(t, 200, "in")
	first.WantHeader(t, "X-RateLimit-Limit", "1")
	first.WantHeader(t, "X-RateLimit-Remaining", "0")
	if end, err := strconv.ParseInt(first.Header.Get("X-RateLimit-Reset"), 10, 64); err != nil || end < time.Now().Unix() {
		t.Errorf("X-RateLimit-Reset is %q", first.Header.Get("X-RateLimit-Reset"))
	}
	second := testkit.Serve(t, router, "POST", "/api/auth/login", "")
	second.Want(t, 429, `{"error":"rate limit exceeded"}`)
	if wait, err := strconv.Atoi(second.Header.Get("Retry-After")); err != nil || wait < 1 || wait > 60 {
		t.Errorf("Retry-After is %q", second.Header.Get("Retry-After"))
	}
	testkit.Serve(t, router, "GET", "/api/free", "").Want(t, 200, "free")
	testkit.Serve(t, router, "GET", "/keyed/", "", "X-API-Key: a", "X-Forwarded-For: 6.7.8.9").Want(t, 200, "6.7.8.9")
	testkit.Serve(t, router, "GET", "/keyed/", "", "X-API-Key: b", "X-Real-IP: 6.7.8.10").Want(t, 200, "6.7.8.10")
	if r := testkit.Serve(t, router, "GET", "/keyed/", "", "X-API-Key: a"); r.StatusCode != 429 {
		t.Errorf("the second request of a key gave %d", r.StatusCode)
	}
}

func TestReferenceLists(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pg := http.ParsePagination(r, 50, 100)
		col, dir := http.QueryParamSort(r, []string{"id", "email", "name", "created_at"}, "id", "DESC")
		http.PaginatedResponse(w, "users", []string{fmt.Sprint(pg.Limit, pg.Offset, " ", col, " ", dir)}, 42)
	})
	for query, want := range map[string]string{
		"": "50 0 id DESC",
		"?sort=name&order=asc&limit=20&offset=40":     "20 40 name ASC",
		"?sort=NAME&order=Desc&limit=1000&offset=-1":  "100 0 name DESC",
		"?sort=password&order=up&limit=0&offset=many": "1 0 id DESC",
	} {
		testkit.Serve(t, handler, "GET", "/"+query, "").Want(t, 200, `{"users":["`+want+`"],"total":42}`)
	}
}

func TestReferenceStatic(t *testing.T) {
	t.Parallel()
	site := func(name string) fstest.MapFS {
		return fstest.MapFS{
			name + "/dist/index.html":    {Data: []byte("<title>" + name + "</title>")},
			name + "/dist/assets/app.js": {Data: []byte("app of " + name)},
		}
	}
	router := http.NewRouter()
	router.Handle("GET /admin/{path...}", http.Static(site("admin")))
	router.Handle("GET /{path...}", http.Static(site("ui")))
	for path, want := range map[string]string{
		"/": "<title>ui</title>", "/users/7": "<title>ui</title>", "/assets/app.js": "app of ui",
		"/admin/": "<title>admin</title>", "/admin/settings": "<title>admin</title>", "/admin/assets/app.js": "app of admin",
	} {
		testkit.Serve(t, router, "GET", path, "").Want(t, 200, want)
	}
	if r := testkit.Serve(t, router, "GET", "/assets/missing.js", ""); r.StatusCode != 404 {
		t.Errorf("a missing file with an extension gave %d", r.StatusCode)
	}
}

func TestReferenceServer(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.HandleFunc("GET /", say("served"))
	srv := http.NewServer(router,
		http.WithAddr("127.0.0.1:0"),
		http.WithReadTimeout(15*time.Second),
		http.WithWriteTimeout(15*time.Second),
		http.WithIdleTimeout(60*time.Second),
	)
	lifecycle := hook{OnStart: srv.Start, OnStop: srv.Stop}
	if err := lifecycle.OnStart(t.Context()); err != nil {
		t.Fatal(err)
	}
	testkit.Get(t, http.DefaultClient, "http://"+srv.Addr()+"/").Want(t, 200, "served")
	if err := lifecycle.OnStop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestReferencePrometheus(t *testing.T) {
	t.Parallel()
	metrics := http.NewMetrics()
	handler := http.PrometheusHandler(func() []http.PrometheusMetric {
		stats := metrics.Stats()
		out := []http.PrometheusMetric{
			{Name: "myapp_http_requests_total", Help: "Total HTTP requests", Type: "counter", Value: float64(stats.TotalRequests)},
			{Name: "myapp_http_requests_active", Help: "In-flight requests", Type: "gauge", Value: float64(stats.ActiveRequests)},
		}
		return append(out, http.RuntimeMetrics()...)
	})
	testkit.Serve(t, metrics.Middleware()(http.HandlerFunc(say("x"))), "GET", "/", "")
	router := http.NewRouter()
	router.HandleFunc("GET /metrics", handler)
	r := testkit.Serve(t, router, "GET", "/metrics", "")
	if got := r.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/plain; version=0.0.4") {
		t.Errorf("Content-Type is %q", got)
	}
	for _, want := range []string{
		"# HELP myapp_http_requests_total Total HTTP requests\n# TYPE myapp_http_requests_total counter\nmyapp_http_requests_total 1\n",
		"# TYPE myapp_http_requests_active gauge\nmyapp_http_requests_active 0\n",
		"# TYPE go_goroutines gauge\n", "go_memstats_alloc_bytes ", "go_memstats_sys_bytes ", "go_memstats_heap_inuse_bytes ",
		"go_memstats_stack_inuse_bytes ", "go_memstats_heap_objects ", "# TYPE go_gc_completed_total counter\n", "go_gc_pause_total_seconds ",
	} {
		if !strings.Contains(r.Body, want) {
			t.Errorf("the page has no %q:\n%s", want, r.Body)
		}
	}
}

func TestReferenceStatusCodes(t *testing.T) {
	t.Parallel()
	codes := []int{
		http.StatusOK, http.StatusCreated, http.StatusNoContent,
		http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusNotModified,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect,
		http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
		http.StatusMethodNotAllowed, http.StatusConflict, http.StatusGone, http.StatusRequestEntityTooLarge,
		http.StatusUnprocessableEntity, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable,
	}
	want := []int{200, 201, 204, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 409, 410, 413, 422, 429, 500, 502, 503}
	if !slices.Equal(codes, want) {
		t.Errorf("got %v, want %v", codes, want)
	}
}

func TestReferenceEventStream(t *testing.T) {
	t.Parallel()
	type update struct {
		Count int    `json:"count"`
		Label string `json:"label"`
	}
	updates := make(chan string, 1)
	updates <- "two\nlines"
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sse := http.NewSSEWriter(w)
		sse.Retry(3000)
		data, _ := json.Marshal(update{Count: 42, Label: "active"})
		sse.Event("stats", string(data))
		sse.Data("unnamed")
		sse.Comment("keepalive")
		for {
			select {
			case <-r.Context().Done():
				return
			case msg := <-updates:
				sse.Event("message", msg)
			case <-time.After(30 * time.Second):
				sse.Comment("keepalive")
			}
		}
	})
	srv := testkit.StartServer(t, testkit.HTTP1, handler)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req, err := http.NewRequestWithContext(ctx, "GET", srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for name, value := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "Connection": "keep-alive",
	} {
		if got := res.Header.Get(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	stream := bufio.NewReader(res.Body)
	want := "retry: 3000\n\nevent: stats\ndata: {\"count\":42,\"label\":\"active\"}\n\ndata: unnamed\n\n" +
		": keepalive\n\nevent: message\ndata: two\ndata: lines\n\n"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(stream, got); err != nil || string(got) != want {
		t.Errorf("got %q, error %v, want %q", got, err, want)
	}
}

func TestReferenceWebSocket(t *testing.T) {
	t.Parallel()
	upgrader := http.Upgrader{}
	wsHandler := func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		defer conn.Close()

		conn.SetPingHandler(func(data []byte) error { return conn.WritePong(data) })
		conn.SetMaxMessageSize(1 << 20)
		conn.SetReadDeadline(time.Now().Add(60 * time.Second))
		conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if conn.RemoteAddr() == nil {
			t.Error("no remote address")
		}
		for {
			msgType, data, err := conn.ReadMessage()
			if err != nil {
				break
			}
			conn.WriteMessage(msgType, data)
		}
	}
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(wsHandler))
	conn := dialWS(t, wsURL(srv), nil)
	data, err := json.Marshal(map[string]string{"status": "ok"})
	if err != nil {
		t.Fatal(err)
	}
	conn.WriteMessage(http.TextMessage, data)
	wantMessage(t, conn, 1, `{"status":"ok"}`)
	conn.WriteMessage(http.BinaryMessage, data)
	wantMessage(t, conn, 2, `{"status":"ok"}`)
	conn.WritePing([]byte("heartbeat"))
	conn.WritePong([]byte("heartbeat"))
	conn.CloseWithMessage(http.CloseNormalClosure, "goodbye")
	_, _, err = conn.ReadMessage()
	var closeErr *http.CloseError
	if !errors.As(err, &closeErr) || closeErr.Code != 1000 {
		t.Errorf("after the close: %v", err)
	}
}

func TestReferenceWebSocketOrigins(t *testing.T) {
	t.Parallel()
	open := http.Upgrader{
		ReadBufferSize:  8192,
		WriteBufferSize: 8192,
		CheckOrigin:     func(r *http.Request) bool { return true },
	}
	for _, tt := range []struct {
		upgrader *http.Upgrader
		origin   string
		allowed  bool
	}{
		{&http.Upgrader{}, "", true},
		{&http.Upgrader{}, "https://elsewhere.example", false},
		{&open, "https://elsewhere.example", true},
	} {
		srv := testkit.StartServer(t, testkit.HTTP1, echo(tt.upgrader))
		header := http.Header{}
		if tt.origin != "" {
			header.Set("Origin", tt.origin)
		}
		conn, _, err := http.Dial(t.Context(), wsURL(srv), &http.DialOptions{Header: header})
		if (err == nil) != tt.allowed {
			t.Errorf("origin %q: %v", tt.origin, err)
		}
		if err == nil {
			conn.Close()
		}
	}
}

func TestReferenceCloseCodes(t *testing.T) {
	t.Parallel()
	codes := map[int]int{
		http.CloseNormalClosure: 1000, http.CloseGoingAway: 1001, http.CloseProtocolError: 1002,
		http.CloseUnsupportedData: 1003, http.CloseNoStatusReceived: 1005, http.CloseAbnormalClosure: 1006,
		http.CloseInvalidPayload: 1007, http.ClosePolicyViolation: 1008, http.CloseMessageTooBig: 1009,
	}
	for got, want := range codes {
		if got != want {
			t.Errorf("%d, want %d", got, want)
		}
	}
}

// An account is the user of the reference documentation.
type account struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// A hook has the start and stop functions of a lifecycle.
type hook struct{ OnStart, OnStop func(context.Context) error }

// say returns a handler function that writes text.
func say(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) }
}
