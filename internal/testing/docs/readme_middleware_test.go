package docs

import (
	"embed"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestDocumentedChain(t *testing.T) {
	t.Parallel()
	log := &console{t: t}
	logger := log.logger()
	router := http.NewRouter()
	//snippet:begin README.md
	metrics := http.NewMetrics()

	router.Use(http.RequestID(http.RequestIDConfig{}))
	router.Use(metrics.Middleware())
	router.Use(http.RequestLogger(logger))
	router.Use(http.Compress(http.CompressConfig{}))
	router.Use(http.ETag(http.ETagConfig{}))
	router.Use(http.SecureHeaders(http.SecureHeadersConfig{}))
	router.Use(http.MaxBody(2 << 20))
	router.Use(http.CORS(http.CORSConfig{AllowOrigins: []string{"https://app.example.com"}}))
	router.Use(http.Recovery(func(recovered any, stack []byte) {
		logger.Error("panic", "value", recovered, "stack", string(stack))
	}))
	//snippet:end
	router.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 0 {
			_, err := io.Copy(io.Discard, r.Body)
			http.WriteJSON(w, http.StatusOK, err != nil)
			return
		}
		http.WriteJSON(w, http.StatusOK, strings.Repeat("text ", 1000))
	})
	router.HandleFunc("GET /panic", func(w http.ResponseWriter, r *http.Request) { panic("spilt") })

	page := testkit.Serve(t, router, "GET", "/page", "", "Accept-Encoding: gzip", "Origin: https://app.example.com")
	for name, value := range map[string]string{
		"Content-Encoding":            "gzip",
		"X-Content-Type-Options":      "nosniff",
		"Access-Control-Allow-Origin": "https://app.example.com",
	} {
		page.WantHeader(t, name, value)
	}
	id := page.Header.Get("X-Request-Id")
	if len(id) != 36 || !strings.Contains(log.String(), "path=/page status=200") || !strings.Contains(log.String(), "request_id="+id) {
		t.Errorf("the id is %q, the log:\n%s", id, log)
	}
	testkit.Serve(t, router, "GET", "/page", "", "If-None-Match: "+page.Header.Get("ETag")).Want(t, 304, "")
	testkit.Serve(t, router, "POST", "/page", strings.Repeat("x", 2<<20)).Want(t, 200, "false")
	testkit.Serve(t, router, "POST", "/page", strings.Repeat("x", 2<<20+1)).Want(t, 200, "true")
	testkit.Serve(t, router, "GET", "/panic", "").Want(t, 500, `{"error":"internal server error"}`)
	if text := log.String(); !strings.Contains(text, "msg=panic value=spilt") || !strings.Contains(text, "level=ERROR msg=\"http request\" method=GET path=/panic status=500") {
		t.Errorf("the log:\n%s", text)
	}
	if got := metrics.Stats(); got.TotalRequests != 5 || got.Status5xx != 1 {
		t.Errorf("metrics %+v", got)
	}
}

func TestRequestsLogger(t *testing.T) {
	t.Parallel()
	log := &console{t: t}
	router := http.NewRouter()
	router.Use(http.RequestID(http.RequestIDConfig{}), http.RequestLogger(log.logger()))
	router.HandleFunc("GET /pay", func(w http.ResponseWriter, r *http.Request) {
		//snippet:begin README.md
		logger := http.LoggerFromContext(r.Context()) // a *slog.Logger, never nil
		logger.Info("paid", "order", 7)
		id := http.GetRequestID(r)
		//snippet:end
		//snippet:begin README.md
		http.AddLogAttrs(r.Context(), slog.String("user", "ann"))
		//snippet:end
		fmt.Fprint(w, id)
	})
	id := testkit.Serve(t, router, "GET", "/pay", "").Body
	if len(id) != 36 || !regexp.MustCompile(`(?m)^level=INFO msg=paid .*request_id=`+id+` .*order=7$`).MatchString(log.String()) ||
		!regexp.MustCompile(`(?m)^level=INFO msg="http request" .*path=/pay .*user=ann$`).MatchString(log.String()) {
		t.Errorf("id %q, log:\n%s", id, log)
	}
}

func TestLogOptions(t *testing.T) {
	t.Parallel()
	log := &console{t: t}
	logger := log.logger()
	router := http.NewRouter()
	//snippet:begin README.md
	router.Use(http.RequestLogger(logger,
		http.LogSkip(func(r *http.Request) bool { return r.Pattern == "GET /health" }),
		http.LogFilter(func(r *http.Request, status int, duration time.Duration) bool {
			return status >= 400 || duration > time.Second // only errors and slow requests
		}),
		http.LogAttrs(func(r *http.Request) []slog.Attr {
			return []slog.Attr{slog.String("user_agent", r.UserAgent())}
		}),
	))
	//snippet:end
	router.HandleFunc("GET /health", hello)
	router.HandleFunc("GET /hello", hello)
	testkit.Serve(t, router, "GET", "/health", "").Want(t, 200, "hello")
	testkit.Serve(t, router, "GET", "/hello", "", "User-Agent: curl").Want(t, 200, "hello")
	testkit.Serve(t, router, "GET", "/hallo", "", "User-Agent: curl").Want(t, 404, `{"error":"not found"}`)
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "path=/hallo") || !strings.Contains(text, "user_agent=curl") {
		t.Errorf("the log:\n%s", text)
	}
}

func TestChain(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	//snippet:begin README.md
	guarded := http.Chain(requireLogin, requireAdmin)
	router.Group("/admin").Use(guarded)
	//snippet:end
	router.Group("/admin").HandleFunc("GET /other", hello)
	for authorization, want := range map[string]int{"": 401, "login": 401, "login, admin": 200} {
		admin := http.NewRouter()
		group := admin.Group("/admin")
		group.Use(guarded)
		group.HandleFunc("GET /hello", hello)
		if got := testkit.Serve(t, admin, "GET", "/admin/hello", "", "Authorization: "+authorization); got.StatusCode != want {
			t.Errorf("with %q: got %d %s, want %d", authorization, got.StatusCode, got.Body, want)
		}
	}
	testkit.Serve(t, router, "GET", "/admin/other", "").Want(t, 200, "hello") // groups with the same prefix are separate
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		router := http.NewRouter()
		router.HandleFunc("GET /hello", hello)
		//snippet:begin README.md
		auth := router.Group("/auth")
		auth.Use(http.RateLimit(http.RateLimitConfig{Limit: 20, Window: time.Minute}))
		auth.HandleFunc("POST /login", login)
		//snippet:end
		for n := range 20 {
			got := testkit.Record(router, testkit.NewRequest("POST", "/auth/login", ""))
			if left := fmt.Sprint(19 - n); got.StatusCode != 200 || got.Header.Get("X-RateLimit-Remaining") != left {
				t.Fatalf("request %d: status %d, %v", n+1, got.StatusCode, got.Header)
			}
		}
		got := testkit.Record(router, testkit.NewRequest("POST", "/auth/login", ""))
		if got.StatusCode != 429 || got.Header.Get("Retry-After") != "60" || got.Header.Get("X-RateLimit-Limit") != "20" || got.Header.Get("X-RateLimit-Reset") == "" {
			t.Errorf("over the limit: %d %v", got.StatusCode, got.Header)
		}
		if got := testkit.Record(router, testkit.NewRequest("GET", "/hello", "")); got.StatusCode != 200 {
			t.Errorf("outside of the group: %d", got.StatusCode)
		}
		time.Sleep(time.Minute)
		if got := testkit.Record(router, testkit.NewRequest("POST", "/auth/login", "")); got.StatusCode != 200 {
			t.Errorf("a minute later: %d", got.StatusCode)
		}
	})
}

func TestLimitOfFailedLogIns(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	checkPassword := func(account, password string) bool { return password == "secret" }
	//snippet:begin README.md
	attempts := http.NewRateLimiter(http.RateLimitConfig{Limit: 5, Window: 15 * time.Minute})

	router.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		account := r.FormValue("account")
		if ok, _ := attempts.Allow(r.Context(), account); !ok {
			http.WriteError(w, http.StatusTooManyRequests, "too many failed attempts")
			return
		}
		if !checkPassword(account, r.FormValue("password")) {
			http.WriteError(w, http.StatusUnauthorized, "wrong account or password")
			return
		}
		attempts.Refund(r.Context(), account)
		http.WriteJSON(w, http.StatusOK, "welcome")
	})
	//snippet:end
	try := func(account, password string) int {
		return testkit.Record(router, testkit.NewRequest("POST", "/login?account="+account+"&password="+password, "")).StatusCode
	}
	for i := range 20 {
		want := 200
		if i >= 10 { // after five failures
			want = 429
		}
		if got := try("ada", "secret"); got != want {
			t.Errorf("log-in %d: status %d, want %d", i, got, want)
		}
		if i%2 == 1 {
			try("ada", "guess")
		}
	}
	if got := try("bob", "secret"); got != 200 {
		t.Errorf("another account: status %d", got)
	}
}

func TestRateLimitByKey(t *testing.T) {
	t.Parallel()
	api := http.NewRouter()
	//snippet:begin README.md
	api.Use(http.RateLimit(http.RateLimitConfig{
		Limit:   100,
		KeyFunc: func(r *http.Request) string { return r.Header.Get("X-API-Key") },
	}))
	//snippet:end
	api.HandleFunc("GET /hello", hello)
	for n := range 101 {
		want := 200
		if n == 100 {
			want = 429
		}
		if got := testkit.Record(api, testkit.NewRequest("GET", "/hello", "", "X-API-Key: one")); got.StatusCode != want {
			t.Fatalf("request %d: status %d", n+1, got.StatusCode)
		}
	}
	if got := testkit.Record(api, testkit.NewRequest("GET", "/hello", "", "X-API-Key: two")); got.StatusCode != 200 {
		t.Errorf("another key: status %d", got.StatusCode)
	}
}

//snippet:begin README.md

//go:embed all:dist
var dist embed.FS

func newApplication() *http.Router {
	router := http.NewRouter()
	router.Handle("GET /{path...}", http.Static(dist))

	api := router.Group("/api")
	api.HandleFunc("GET /users", listUsers)
	api.NotFound(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.WriteError(w, http.StatusNotFound, "no such endpoint")
	}))
	return router
}

//snippet:end

func TestStaticSite(t *testing.T) {
	t.Parallel()
	application := newApplication()
	index := testkit.Serve(t, application, "GET", "/", "")
	if index.StatusCode != 200 || !strings.Contains(index.Body, "<title>") {
		t.Fatalf("got %d %s", index.StatusCode, index.Body)
	}
	index.WantHeader(t, "Cache-Control", "no-cache")
	testkit.Serve(t, application, "GET", "/orders/7", "").Want(t, 200, index.Body)
	testkit.Serve(t, application, "GET", "/_chunk.js", "").Want(t, 200, "export {};\n")
	testkit.Serve(t, application, "GET", "/app-DDmkKxT2.js", "").WantHeader(t, "Cache-Control", "public, max-age=31536000, immutable")
	if testkit.Serve(t, application, "GET", "/app-DDmkKxT2.js", "").Header.Get("ETag") == "" {
		t.Error("an embedded file has no ETag")
	}
	compressed := testkit.Serve(t, application, "GET", "/app-DDmkKxT2.js", "", "Accept-Encoding: gzip")
	compressed.WantHeader(t, "Content-Encoding", "gzip")
	if missing := testkit.Serve(t, application, "GET", "/app.js", ""); missing.StatusCode != 404 {
		t.Errorf("missing file: status %d", missing.StatusCode)
	}
	if hidden := testkit.Serve(t, application, "GET", "/.secret", ""); hidden.StatusCode != 404 {
		t.Errorf("dot-file: status %d", hidden.StatusCode)
	}
	testkit.Serve(t, application, "GET", "/api/users", "").Want(t, 200, "list")
	testkit.Serve(t, application, "GET", "/api/usres", "").Want(t, 404, `{"error":"no such endpoint"}`)
	testkit.Serve(t, application, "POST", "/api/usres", "").Want(t, 404, `{"error":"no such endpoint"}`)
}
