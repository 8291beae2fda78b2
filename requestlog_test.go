package http_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	nethttp "net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestRequestIDIsMadeOrKept(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 128)
	tests := []struct {
		name string
		sent []string
		kept bool
	}{
		{"none", nil, false},
		{"one", []string{"trace-1"}, true},
		{"longest", []string{long}, true},
		{"too long", []string{long + "x"}, false},
		{"empty", []string{""}, false},
		{"space", []string{"a b"}, false},
		{"control character", []string{"a\x01b"}, false},
		{"line break", []string{"a\r\nX: y"}, false},
		{"not ASCII", []string{"ä"}, false},
		{"two of them", []string{"a", "b"}, false},
	}
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var seen string
			h := http.RequestID(http.RequestIDConfig{})(nethttp.HandlerFunc(func(_ nethttp.ResponseWriter, r *nethttp.Request) {
				seen = http.GetRequestID(r)
			}))
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["X-Request-Id"] = tt.sent
			rec := testkit.Record(h, r)
			got := rec.Header["X-Request-Id"]
			if len(got) != 1 || got[0] != seen {
				t.Fatalf("the client got %q, the handler %q", got, seen)
			}
			if tt.kept && seen != tt.sent[0] || !tt.kept && !uuid.MatchString(seen) {
				t.Errorf("sent %q, the id is %q", tt.sent, seen)
			}
		})
	}
}

func TestTheFirstRequestIDStays(t *testing.T) {
	t.Parallel()
	var out testkit.Log
	var seen []string // by see, before and after the inner handlers, and by the handler
	see := func(next nethttp.Handler) nethttp.Handler {
		return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			seen = append(seen, http.GetRequestID(r))
			next.ServeHTTP(w, r)
			seen = append(seen, http.GetRequestID(r))
		})
	}
	router := http.NewRouter()
	router.Use(http.RequestID(http.RequestIDConfig{}), http.RequestLogger(out.JSON()), see, func(next nethttp.Handler) nethttp.Handler {
		return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) { next.ServeHTTP(w, r.Clone(r.Context())) })
	})
	group := router.Group("/api")
	group.Use(http.RequestID(http.RequestIDConfig{Generator: func() string { return "second" }}), see)
	inner := group.Group("/v1")
	inner.Use(http.RequestID(http.RequestIDConfig{Header: "X-Trace-ID", Generator: func() string { return "third" }}), see)
	inner.HandleFunc("GET /x", func(w nethttp.ResponseWriter, r *nethttp.Request) {
		http.LoggerFromContext(r.Context()).Info("in the handler")
		io.WriteString(w, http.RequestIDFromContext(context.WithoutCancel(r.Context())))
	})
	testkit.EachProtocol(t, router, func(t *testing.T, srv *testkit.Server) {
		for _, sent := range []map[string]string{
			nil,
			{"X-Request-ID": "mine"},
			{"X-Trace-ID": "another"},
			{"X-Request-ID": "mine", "X-Trace-ID": "another"},
		} {
			before := len(out.String())
			seen = nil
			var fields []string
			for name, value := range sent {
				fields = append(fields, name+": "+value)
			}
			res := srv.Get(t, "/api/v1/x", fields...)
			id := res.Body
			if want := sent["X-Request-ID"]; want != "" && id != want || len(id) < 4 || id == "another" {
				t.Errorf("sent %v: the id is %q", sent, id)
			}
			for _, name := range []string{"X-Request-Id", "X-Trace-Id"} {
				if got := res.Header[name]; len(got) != 1 || got[0] != id {
					t.Errorf("sent %v: %s is %q, want %q", sent, name, got, id)
				}
			}
			if len(seen) != 6 || strings.Join(seen, "") != strings.Repeat(id, 6) {
				t.Errorf("sent %v: middleware saw %q, want %q", sent, seen, id)
			}
			if lines := out.String()[before:]; strings.Count(lines, `"request_id":"`+id+`"`) != 2 {
				t.Errorf("sent %v: the log has not two lines with %q:\n%s", sent, id, lines)
			}
		}
	})
}

func TestALoggerAskedForBeforeTheIDHasItAfterwards(t *testing.T) {
	t.Parallel()
	var out testkit.Log
	early := func(next nethttp.Handler) nethttp.Handler {
		return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			http.LoggerFromContext(r.Context()).Info("early")
			next.ServeHTTP(w, r)
		})
	}
	h := http.Chain(http.RequestLogger(out.JSON()), early, http.RequestID(http.RequestIDConfig{}))(
		nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) { http.LoggerFromContext(r.Context()).Info("late") }))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	for line := range strings.Lines(out.String()) {
		if got, want := strings.Contains(line, "request_id"), !strings.Contains(line, "early"); got != want {
			t.Errorf("request_id in this line is %v: %s", got, line)
		}
	}
}

func TestRequestIDConfig(t *testing.T) {
	t.Parallel()
	serve := func(c http.RequestIDConfig) nethttp.Header {
		rec := testkit.Record(http.RequestID(c)(nethttp.NotFoundHandler()), testkit.NewRequest("GET", "/", ""))
		return rec.Header
	}
	h := serve(http.RequestIDConfig{Header: "x-trace-id", Generator: func() string { return "mine" }})
	if got := h.Get("X-Trace-ID"); got != "mine" {
		t.Errorf("X-Trace-ID is %q, want the generator's", got)
	}
	h = serve(http.RequestIDConfig{Generator: func() string { return "two\r\nlines" }})
	if got := h.Get("X-Request-ID"); len(got) != 36 {
		t.Errorf("X-Request-ID is %q, want a UUID in place of what cannot be sent", got)
	}
	wantPanicMatch(t, `requestlog_test.go:\d+: RequestIDConfig.Header: "X Trace" is not a valid header field name`, func() {
		http.RequestID(http.RequestIDConfig{Header: "X Trace"})
	})
}

func TestGetRequestIDWithoutTheMiddlewareIsEmpty(t *testing.T) {
	t.Parallel()
	if got := http.GetRequestID(httptest.NewRequest("GET", "/", nil)); got != "" {
		t.Errorf("GetRequestID() = %q", got)
	}
	if got := http.RequestIDFromContext(context.Background()); got != "" {
		t.Errorf("RequestIDFromContext() = %q", got)
	}
}

func TestRequestLoggerWritesTheseLines(t *testing.T) {
	t.Parallel()
	var out testkit.Log
	router := http.NewRouter()
	router.Use(
		http.RequestID(http.RequestIDConfig{}),
		http.RequestLogger(out.JSON()),
		http.Recovery(nil),
	)
	router.HandleFunc("GET /users/{id}", func(w nethttp.ResponseWriter, r *nethttp.Request) {
		http.LoggerFromContext(r.Context()).Info("in the handler")
		io.WriteString(w, "hello")
	})
	router.HandleFunc("POST /fail", func(w nethttp.ResponseWriter, r *nethttp.Request) {
		http.WriteServerError(w, r, "failed to save", errors.New("disk full"))
	})
	router.HandleFunc("GET /panic", func(nethttp.ResponseWriter, *nethttp.Request) { panic("oops") })
	router.HandleFunc("GET /abort", func(nethttp.ResponseWriter, *nethttp.Request) { panic(nethttp.ErrAbortHandler) })
	router.HandleFunc("GET /early", func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		w.WriteHeader(nethttp.StatusEarlyHints)
		w.WriteHeader(nethttp.StatusNotFound)
	})
	router.HandleFunc("GET /hijack", func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		conn, _, err := nethttp.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
	})
	// The line may be written after the client has received the response.
	logged := make(chan bool, 1)
	srv := testkit.StartServer(t, testkit.HTTP1, nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		defer func() { logged <- true }()
		router.ServeHTTP(w, r)
	}))
	// Each request uses a new connection, so the client does not retry it.
	transport := &nethttp.Transport{DisableKeepAlives: true}
	for _, request := range []string{
		"GET /users/7?token=secret", "HEAD /users/7", "POST /fail", "GET /panic", "GET /abort", "GET /early", "GET /hijack",
		"GET /none", "PUT /fail", "GET /line%0Abreak%1b[31m", "GET /über%20sicht", "GET /users/a%2Fb",
	} {
		method, path, _ := strings.Cut(request, " ")
		r, err := nethttp.NewRequest(method, srv.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Request-ID", strings.ToLower(method)+"-1")
		if resp, err := transport.RoundTrip(r); err == nil {
			resp.Body.Close()
		}
		<-logged
	}
	testkit.Golden(t, "requestlog.golden", []byte(out.String()))
}

func TestRequestLoggerOptions(t *testing.T) {
	t.Parallel()
	var out testkit.Log
	router := http.NewRouter()
	router.Use(http.RequestLogger(out.JSON(),
		http.LogSkip(func(r *nethttp.Request) bool { return r.Pattern == "GET /health" }),
		http.LogAttrs(func(r *nethttp.Request) []slog.Attr { return []slog.Attr{slog.String("route", r.Pattern)} }),
	))
	// The request is copied between the logger and the route.
	router.Use(func(next nethttp.Handler) nethttp.Handler {
		return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), struct{ int }{1}, 1)))
		})
	})
	router.HandleFunc("GET /health", func(nethttp.ResponseWriter, *nethttp.Request) {})
	router.HandleFunc("GET /x/{id}", func(nethttp.ResponseWriter, *nethttp.Request) {})
	for _, path := range []string{"/health", "/x/1"} {
		router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	line := out.String()
	if strings.Count(line, "\n") != 1 || strings.Contains(line, "health") {
		t.Errorf("logged %q, want one line without the skipped request", line)
	}
	for _, want := range []string{`"pattern":"GET /x/{id}"`, `"route":"GET /x/{id}"`} {
		if !strings.Contains(line, want) {
			t.Errorf("logged %q, want it to hold %s", line, want)
		}
	}
}

// The user is known only to the middleware of a group, which is after the logger.
func TestAddLogAttrsReachesTheRequestsLine(t *testing.T) {
	t.Parallel()
	var out testkit.Log
	router := http.NewRouter()
	router.Use(http.RequestLogger(out.JSON(), http.LogAttrs(func(*nethttp.Request) []slog.Attr {
		return []slog.Attr{slog.String("from", "LogAttrs")}
	})))
	group := router.Group("/api")
	group.Use(func(next nethttp.Handler) nethttp.Handler {
		return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			user, _, _ := r.BasicAuth()
			http.AddLogAttrs(r.Context(), slog.String("user", user), slog.String("cache", "miss"))
			type key struct{}
			next.ServeHTTP(w, r.Clone(context.WithValue(r.Context(), key{}, 1)))
		})
	})
	group.HandleFunc("GET /own", func(w nethttp.ResponseWriter, r *nethttp.Request) {
		http.AddLogAttrs(r.Context())
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		http.AddLogAttrs(ctx, slog.String("cache", "hit"), slog.Group("db", slog.Int("queries", 2)))
		http.LoggerFromContext(ctx).Info("in the handler")
	})
	group.HandleFunc("GET /panics", func(w nethttp.ResponseWriter, r *nethttp.Request) {
		http.AddLogAttrs(r.Context(), slog.Int("step", 3))
		panic(nethttp.ErrAbortHandler)
	})
	group.HandleFunc("GET /socket", func(w nethttp.ResponseWriter, r *nethttp.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return
		}
		http.AddLogAttrs(r.Context(), slog.Bool("socket", true))
		conn.Close()
	})
	logged := make(chan bool, 1)
	srv := testkit.StartServer(t, testkit.HTTP1, nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		defer func() { logged <- true }()
		router.ServeHTTP(w, r)
	}))
	for path, want := range map[string]string{
		"own":    `"from":"LogAttrs","user":"ann","cache":"hit","db":{"queries":2}}`,
		"panics": `"from":"LogAttrs","user":"ann","cache":"miss","step":3}`,
		"socket": `"from":"LogAttrs","user":"ann","cache":"miss","socket":true}`,
	} {
		before := len(out.String())
		fields := []string{"Authorization: Basic YW5uOng="}
		if path == "socket" {
			fields = append(fields, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
				"Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==")
		}
		transport := &nethttp.Transport{DisableKeepAlives: path != "socket"}
		r := testkit.NewRequest("GET", srv.URL+"/api/"+path, "", fields...)
		if res, err := transport.RoundTrip(r); err == nil {
			res.Body.Close()
		}
		<-logged
		if lines := out.String()[before:]; !strings.HasSuffix(strings.TrimSpace(lines), want) || strings.Count(lines, `"user"`) != 1 {
			t.Errorf("%s: logged %s, want one line that ends in %s", path, lines, want)
		}
	}
}

// Goroutines of a handler may add attributes at the same time, also after the handler has
// returned.
func TestAddLogAttrsFromManyGoroutines(t *testing.T) {
	t.Parallel()
	var out testkit.Log
	var all sync.WaitGroup
	late := make(chan bool)
	h := http.RequestLogger(out.JSON())(nethttp.HandlerFunc(func(_ nethttp.ResponseWriter, r *nethttp.Request) {
		var first sync.WaitGroup
		for i := range 8 {
			first.Go(func() { http.AddLogAttrs(r.Context(), slog.Int("n"+strconv.Itoa(i), i), slog.Int("last", i)) })
		}
		first.Wait()
		all.Go(func() {
			<-late
			http.AddLogAttrs(r.Context(), slog.Bool("late", true))
		})
	}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	close(late)
	all.Wait()
	http.AddLogAttrs(context.Background(), slog.Bool("elsewhere", true))
	line := out.String()
	for i := range 8 {
		if !strings.Contains(line, fmt.Sprintf(`"n%d":%d`, i, i)) {
			t.Errorf("the line lacks attribute n%d: %s", i, line)
		}
	}
	if strings.Count(line, `"last"`) != 1 || strings.Contains(line, "late") || strings.Contains(line, "elsewhere") {
		t.Errorf("logged %s", line)
	}
}

func TestLogFilterSeesStatusAndDuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out testkit.Log
		var asked []string
		filter := func(r *nethttp.Request, status int, duration time.Duration) bool {
			asked = append(asked, fmt.Sprintf("%s %d %v", r.Pattern, status, duration))
			return status >= 400 || duration >= time.Second
		}
		router := http.NewRouter()
		router.Use(http.RequestLogger(out.JSON(),
			http.LogSkip(func(r *nethttp.Request) bool { return r.URL.Path == "/skipped" }),
			http.LogFilter(filter),
			http.LogFilter(func(r *nethttp.Request, _ int, _ time.Duration) bool { return r.URL.Path != "/slow/3s" })))
		router.HandleFunc("GET /slow/{time}", func(_ nethttp.ResponseWriter, r *nethttp.Request) {
			d, err := time.ParseDuration(r.PathValue("time"))
			if err != nil {
				t.Error(err)
			}
			time.Sleep(d)
		})
		router.HandleFunc("GET /panic", func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.WriteHeader(200)
			panic(nethttp.ErrAbortHandler)
		})
		for _, path := range []string{"/slow/10ms", "/slow/2s", "/slow/3s", "/none", "/skipped", "/panic"} {
			func() {
				defer func() { _ = recover() }()
				router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
			}()
		}
		want := []string{"GET /slow/{time} 200 10ms", "GET /slow/{time} 200 2s", "GET /slow/{time} 200 3s", " 404 0s"}
		if !slices.Equal(asked, want) {
			t.Errorf("the filter was asked about %q, want %q", asked, want)
		}
		var logged []string
		for line := range strings.Lines(out.String()) {
			_, path, _ := strings.Cut(line, `"path":"`)
			path, _, _ = strings.Cut(path, `"`)
			logged = append(logged, path)
		}
		if want := []string{"/slow/2s", "/none", "/panic"}; !slices.Equal(logged, want) {
			t.Errorf("logged %q, want %q", logged, want)
		}
	})
}

func TestRequestLoggerRefusesNil(t *testing.T) {
	t.Parallel()
	wantPanicMatch(t, `requestlog_test.go:\d+: LogFilter: nil function`, func() { http.LogFilter(nil) })
	wantPanicMatch(t, `requestlog_test.go:\d+: LogSkip: nil function`, func() { http.LogSkip(nil) })
	wantPanicMatch(t, `requestlog_test.go:\d+: LogAttrs: nil function`, func() { http.LogAttrs(nil) })
	wantPanicMatch(t, `requestlog_test.go:\d+: RequestLogger: nil option`, func() { http.RequestLogger(nil, nil) })
}

func TestNilLoggerIsTheDefaultOfTheMoment(t *testing.T) {
	var out testkit.Log
	h := http.RequestLogger(nil)(nethttp.NotFoundHandler())
	old := slog.Default()
	slog.SetDefault(out.JSON())
	defer slog.SetDefault(old)
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if !strings.Contains(out.String(), `"msg":"http request"`) {
		t.Errorf("the default logger got %q", out.String())
	}
}

func TestLoggerFromContextIsNeverNil(t *testing.T) {
	t.Parallel()
	if got := http.LoggerFromContext(context.Background()); got != slog.Default() {
		t.Errorf("without a logger: %v", got)
	}
	own := slog.New(slog.DiscardHandler)
	if got := http.LoggerFromContext(http.ContextWithLogger(context.Background(), own)); got != own {
		t.Errorf("with a logger: %v", got)
	}
	if got := http.LoggerFromContext(http.ContextWithLogger(context.Background(), nil)); got != slog.Default() {
		t.Errorf("with nil: %v", got)
	}
}

func TestInnermostLoggerWins(t *testing.T) {
	t.Parallel()
	own := slog.New(slog.DiscardHandler)
	var got *slog.Logger
	h := http.RequestLogger(slog.New(slog.DiscardHandler))(nethttp.HandlerFunc(func(_ nethttp.ResponseWriter, r *nethttp.Request) {
		got = http.LoggerFromContext(http.ContextWithLogger(r.Context(), own))
	}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if got != own {
		t.Error("a logger that the handler put into the context is not the one that comes out")
	}
}

// TestLoggerSurvivesTheRequest uses a context after its request has ended, as
// background work does, while other requests are served.
func TestLoggerSurvivesTheRequest(t *testing.T) {
	t.Parallel()
	var out testkit.Log
	var first context.Context
	h := stack(http.RequestID(http.RequestIDConfig{}), http.RequestLogger(out.JSON()))(
		nethttp.HandlerFunc(func(_ nethttp.ResponseWriter, r *nethttp.Request) {
			if first == nil {
				first = r.Context()
			}
		}))
	for _, id := range []string{"one", "two", "three"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Request-ID", id)
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	http.LoggerFromContext(first).Info("later")
	if want := `{"level":"INFO","msg":"later","request_id":"one"}` + "\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("logged %s, want the last line to be %s", out.String(), want)
	}
}

func TestRequestLoggerUnderATimeout(t *testing.T) {
	t.Parallel()
	var out testkit.Log
	release := make(chan struct{})
	finished := make(chan struct{})
	router := http.NewRouter()
	router.HandleFunc("GET /slow", func(w nethttp.ResponseWriter, r *nethttp.Request) {
		defer close(finished)
		<-release
		io.WriteString(w, "too late")
		http.LoggerFromContext(r.Context()).Info("still here")
	})
	h := http.RequestLogger(out.JSON())(nethttp.TimeoutHandler(
		stack(http.RequestID(http.RequestIDConfig{}), http.Recovery(nil))(router), 1, "timed out"))
	rec := testkit.Record(h, testkit.NewRequest("GET", "/slow", ""))
	close(release)
	<-finished
	if rec.StatusCode != nethttp.StatusServiceUnavailable || !strings.Contains(out.String(), `"status":503`) {
		t.Errorf("the client got %d, logged %s", rec.StatusCode, out.String())
	}
}

func TestRequestLoggerAllocations(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	attrs := []slog.Attr{
		slog.String("method", "GET"), slog.String("path", "/"), slog.Int("status", 200), slog.Duration("duration", 1),
		slog.Int("bytes", 0), slog.String("remote_ip", "192.0.2.1"), slog.String("request_id", "abc"),
	}
	logger := slog.New(slog.NewJSONHandler(io.Discard, nil))
	bare := testing.AllocsPerRun(200, func() {
		logger.LogAttrs(context.Background(), slog.LevelInfo, "http request", attrs...)
	})
	h := http.RequestLogger(logger)(nethttp.HandlerFunc(func(nethttp.ResponseWriter, *nethttp.Request) {}))
	rec, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
	if n := testing.AllocsPerRun(200, func() { h.ServeHTTP(rec, r) }); n > bare+1 {
		t.Errorf("RequestLogger allocates %v times a request, slog alone %v", n, bare)
	}
	id := http.RequestID(http.RequestIDConfig{})(nethttp.HandlerFunc(func(nethttp.ResponseWriter, *nethttp.Request) {}))
	if n := testing.AllocsPerRun(200, func() { id.ServeHTTP(rec, r) }); n > 2 {
		t.Errorf("RequestID allocates %v times a request, want the id and the state", n)
	}
}
