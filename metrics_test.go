package http_test

import (
	"context"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// announcing sends on done when next has returned, after its deferred calls.
func announcing(next http.Handler, done chan<- struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { done <- struct{}{} }()
		next.ServeHTTP(w, r)
	})
}

// collected returns the metrics with a name, each as "method route status value".
func collected(m *http.Metrics, name string) []string {
	var out []string
	for _, metric := range m.Collect() {
		if metric.Name == name {
			l := metric.Labels
			out = append(out, fmt.Sprintf("%s %s %s %g", l["method"], l["route"], l["status"], metric.Value))
		}
	}
	slices.Sort(out)
	return out
}

func TestMetricsCountTheFinalStatus(t *testing.T) {
	t.Parallel()
	write := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	tests := []struct {
		name    string
		proto   testkit.Protocol // both if empty
		method  string           // GET if empty
		handler http.HandlerFunc
		want    http.MetricsStats
	}{
		{name: "empty handler", handler: func(http.ResponseWriter, *http.Request) {}, want: http.MetricsStats{Status2xx: 1}},
		{name: "body", handler: write(201, "12345"), want: http.MetricsStats{Status2xx: 1, BytesWritten: 5}},
		{name: "HEAD", method: "HEAD", handler: write(200, "12345"), want: http.MetricsStats{Status2xx: 1}},
		{name: "redirect", handler: write(302, ""), want: http.MetricsStats{Status3xx: 1}},
		{name: "client error", handler: write(404, "no"), want: http.MetricsStats{Status4xx: 1, BytesWritten: 2}},
		{name: "server error", handler: write(503, "no"), want: http.MetricsStats{Status5xx: 1, BytesWritten: 2}},
		{name: "odd status", handler: write(799, "?"), want: http.MetricsStats{BytesWritten: 1}},
		{name: "early hints", handler: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(103)
			w.WriteHeader(404)
		}, want: http.MetricsStats{Status4xx: 1}},
		{name: "second status", handler: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			w.WriteHeader(500)
		}, want: http.MetricsStats{Status2xx: 1}},
		{name: "panic before the write", handler: func(http.ResponseWriter, *http.Request) {
			panic("lost")
		}, want: http.MetricsStats{Status5xx: 1}},
		{name: "abort before the write", handler: func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}, want: http.MetricsStats{Status5xx: 1}},
		{name: "abort after the flush", handler: func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "123")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, want: http.MetricsStats{Status2xx: 1, BytesWritten: 3}},
		{name: "hijack", proto: testkit.HTTP1, handler: func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
			conn.Close()
		}, want: http.MetricsStats{}},
	}
	for _, tt := range tests {
		for _, proto := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
			if tt.proto != "" && tt.proto != proto {
				continue
			}
			t.Run(tt.name+"/"+string(proto), func(t *testing.T) {
				t.Parallel()
				m := http.NewMetrics()
				done := make(chan struct{}, 10)
				srv := testkit.StartServer(t, proto, announcing(m.Middleware()(tt.handler), done))
				_, _ = testkit.Send(srv.Client(), testkit.NewRequest(tt.method, srv.URL, "")) // some handlers abort
				<-done
				got, want := m.Stats(), tt.want
				if timed := tt.name != "hijack"; (got.AvgDurationMs > 0) != timed {
					t.Errorf("mean duration is %v", got.AvgDurationMs)
				}
				want.TotalRequests, want.AvgDurationMs = 1, got.AvgDurationMs
				if got != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
			})
		}
	}
}

func TestMetricsHaveNoLabelOfTheClientsMaking(t *testing.T) {
	t.Parallel()
	m := http.NewMetrics()
	router := http.NewRouter()
	router.Use(m.Middleware())
	router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {})
	router.HandleFunc("/any/", func(w http.ResponseWriter, r *http.Request) {})
	serve := func(method, target string) {
		router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, target, nil))
	}
	for i := range 50 {
		serve("GET", fmt.Sprint("/users/", i))
		serve("GET", fmt.Sprint("/nowhere/", i))
		serve("POST", fmt.Sprint("/users/", i))
		serve(fmt.Sprint("QUACK", i), fmt.Sprint("/any/", i))
	}
	want := []string{
		"GET /users/{id} 2xx 50",
		"GET unmatched 4xx 50",
		"POST unmatched 4xx 50",
		"other /any/ 2xx 50",
	}
	if got := collected(m, "http_requests_total"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// ServeMux sets the pattern of a CONNECT request that it redirects to the path.
func TestMetricsDoNotTakeAPathForAPattern(t *testing.T) {
	t.Parallel()
	m := http.NewMetrics()
	mux := http.NewServeMux()
	mux.HandleFunc("/users/{id}/", func(w http.ResponseWriter, r *http.Request) {})
	handler := m.Middleware()(mux)
	for i := range 10 {
		r := httptest.NewRequest("GET", "/", nil)
		r.Method, r.URL = "CONNECT", &url.URL{Host: "example.com", Path: fmt.Sprint("/users/", i)}
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/users/7/x", nil))
	want := []string{"CONNECT unmatched 3xx 10", "GET /users/{id}/ 2xx 1"}
	if got := collected(m, "http_requests_total"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMetricsKnowTheRouteThoughTheRequestWasCopied(t *testing.T) {
	t.Parallel()
	type key struct{}
	copying := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, 1)))
		})
	}
	m := http.NewMetrics()
	router := http.NewRouter()
	router.Use(m.Middleware(), copying)
	router.Group("/api").HandleFunc("GET example.com/users/{id}", func(w http.ResponseWriter, r *http.Request) {})
	router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "http://example.com/api/users/7", nil))
	want := []string{"GET example.com/api/users/{id} 2xx 1"}
	if got := collected(m, "http_requests_total"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMetricsHandBackThePatternTheyWereGivenARequestFor(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {})
	r := httptest.NewRequest("GET", "/users/7", nil)
	http.NewMetrics().Middleware()(mux).ServeHTTP(httptest.NewRecorder(), r)
	if r.Pattern != "GET /users/{id}" {
		t.Errorf("the outer request's pattern is %q", r.Pattern)
	}
}

func TestActiveRequestsRiseAndReturnToZero(t *testing.T) {
	t.Parallel()
	m := http.NewMetrics()
	var inside, out sync.WaitGroup
	release := make(chan struct{})
	handler := m.Middleware()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inside.Done()
		<-release
		panic(http.ErrAbortHandler)
	}))
	inside.Add(5)
	for range 5 {
		out.Go(func() {
			defer func() { recover() }()
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		})
	}
	inside.Wait()
	if got := m.Stats(); got.ActiveRequests != 5 || got.TotalRequests != 0 {
		t.Errorf("with five requests inside: %+v", got)
	}
	close(release)
	out.Wait()
	if got := m.Stats(); got.ActiveRequests != 0 || got.TotalRequests != 5 {
		t.Errorf("after five requests: %+v", got)
	}
}

func TestMetricsMeasureTheHandlersTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := http.NewMetrics()
		handler := m.Middleware()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			d, _ := time.ParseDuration(r.URL.Query().Get("d"))
			time.Sleep(d)
		}))
		for _, d := range []string{"5ms", "100ms", "20s"} {
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/?d="+d, nil))
		}
		if got, want := m.Stats().AvgDurationMs, 20105.0/3; got != want {
			t.Errorf("mean duration is %v ms, want %v", got, want)
		}
		for _, metric := range m.Collect() {
			if h := metric.Histogram; h != nil {
				want := []uint64{1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1}
				if !slices.Equal(h.Counts, want) || h.Sum != 20.105 || h.Bounds[0] != 0.005 || h.Bounds[10] != 10 {
					t.Errorf("histogram %+v, want counts %v", h, want)
				}
			}
		}
	})
}

func TestMetricsStatsAsJSONHasTheDocumentedNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		stats http.MetricsStats
		want  string
	}{
		{http.MetricsStats{}, `{"total_requests":0,"active_requests":0,"status_2xx":0,"status_3xx":0,"status_4xx":0,` +
			`"status_5xx":0,"bytes_written":0,"avg_duration_ms":0,"open_streams":0}`},
		{http.MetricsStats{1, 2, 3, 4, 5, 6, 7, 8.25, 9}, `{"total_requests":1,"active_requests":2,"status_2xx":3,"status_3xx":4,` +
			`"status_4xx":5,"status_5xx":6,"bytes_written":7,"avg_duration_ms":8.25,"open_streams":9}`},
	} {
		rec := httptest.NewRecorder()
		http.WriteJSON(rec, http.StatusOK, tt.stats)
		if got := rec.Body.String(); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
}

func TestMiddlewareOfOneMetricsCountsTogether(t *testing.T) {
	t.Parallel()
	m := http.NewMetrics()
	var wg sync.WaitGroup
	for range 8 {
		handler := m.Middleware()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "abc")
		}))
		wg.Go(func() {
			for range 250 {
				handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
				m.Stats()
			}
		})
	}
	wg.Wait()
	got := m.Stats()
	if got.TotalRequests != 2000 || got.Status2xx != 2000 || got.BytesWritten != 6000 || got.ActiveRequests != 0 {
		t.Errorf("got %+v, want 2000 requests of 3 bytes", got)
	}
}

func TestCollectedMetricsAreAValidPage(t *testing.T) {
	t.Parallel()
	m := http.NewMetrics()
	router := http.NewRouter()
	router.Use(m.Middleware())
	router.HandleFunc(`GET /a"b\c/{x}`, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
	router.Handle("GET /metrics", http.PrometheusHandler(m.Collect))
	for _, target := range []string{"/a%22b%5Cc/1", "/a%22b%5Cc/2", "/lost"} {
		router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", target, nil))
	}
	rec := testkit.Record(router, testkit.NewRequest("GET", "/metrics", ""))
	// Durations differ from run to run.
	page := regexp.MustCompile(`(?m)^(\w+_(sum|bucket)\{.*\}) .*$`).ReplaceAllString(rec.Body, "$1 X")
	testkit.Golden(t, "metrics.prom", []byte(page))
	if strings.Contains(page, "# skipped") {
		t.Error("something was left out")
	}
}

func TestMetricsAllocateTheSharedStateAtMost(t *testing.T) {
	if testkit.Race {
		t.Skip("allocations are not counted under the race detector")
	}
	m := http.NewMetrics()
	w, r := new(nullWriter), httptest.NewRequest("GET", "/", nil)
	alone := m.Middleware()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	if n := testing.AllocsPerRun(1000, func() { alone.ServeHTTP(w, r) }); n > 1 {
		t.Errorf("%v allocations alone, want at most 1", n)
	}
	// A second middleware shares the state and the writer of the first.
	twice := m.Middleware()(alone)
	if n := testing.AllocsPerRun(1000, func() { twice.ServeHTTP(w, r) }); n > 1 {
		t.Errorf("%v allocations within other middleware, want none more", n)
	}
}

func BenchmarkMetrics(b *testing.B) {
	m := http.NewMetrics()
	router := http.NewRouter()
	router.Use(m.Middleware())
	router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {})
	bare := http.NewRouter()
	bare.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {})
	for _, bench := range []struct {
		name    string
		handler nethttp.Handler
	}{{"without", bare}, {"with", router}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				w := new(nullWriter)
				for pb.Next() {
					r := http.Request{Method: "GET", URL: &url.URL{Path: "/users/7"}, Host: "x"}
					bench.handler.ServeHTTP(w, &r)
				}
			})
		})
	}
}

func TestPrometheusHandlerAnswersOverBothProtocols(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.HandleFunc("GET /metrics", http.PrometheusHandler(func() []http.PrometheusMetric {
		return []http.PrometheusMetric{
			{Name: "jobs_total", Help: "Jobs done.", Type: "counter", Value: 42},
			{Name: "not valid", Type: "gauge", Value: 1},
			{Name: "jobs_total", Type: "counter", Value: 1, Labels: map[string]string{"queue": "a\nb"}},
		}
	}))
	const want = "# HELP jobs_total Jobs done.\n# TYPE jobs_total counter\njobs_total 42\n" +
		"jobs_total{queue=\"a\\nb\"} 1\n# skipped \"not valid\": invalid name\n"
	testkit.EachProtocol(t, router, func(t *testing.T, srv *testkit.Server) {
		for _, method := range []string{"GET", "HEAD"} {
			res := srv.Do(t, method, "/metrics", "")
			body := res.Body
			if got := res.Header.Get("Content-Type"); got != "text/plain; version=0.0.4; charset=utf-8" {
				t.Errorf("%s: Content-Type %q", method, got)
			}
			if res.ContentLength != int64(len(want)) {
				t.Errorf("%s: Content-Length %d, want %d", method, res.ContentLength, len(want))
			}
			if method == "GET" && string(body) != want || method == "HEAD" && len(body) > 0 {
				t.Errorf("%s: body %q, want %q", method, body, want)
			}
		}
	})
}

func TestPrometheusHandlerLeavesPanicsOfTheCollectorAlone(t *testing.T) {
	t.Parallel()
	handler := http.PrometheusHandler(func() []http.PrometheusMetric { panic("no data") })
	rec := httptest.NewRecorder()
	defer func() {
		if got := recover(); got != "no data" {
			t.Errorf("recovered %v, want the collector's panic", got)
		}
		if rec.Body.Len() > 0 || len(rec.Header()) > 0 {
			t.Errorf("%d bytes and the header %v were written", rec.Body.Len(), rec.Header())
		}
	}()
	handler(rec, httptest.NewRequest("GET", "/metrics", nil))
}

func TestPrometheusHandlerWithoutCollectorPanicsAtTheCall(t *testing.T) {
	t.Parallel()
	defer func() {
		if got := fmt.Sprint(recover()); !strings.Contains(got, "metrics_test.go:") || !strings.Contains(got, "PrometheusHandler: nil") {
			t.Errorf("panic %q", got)
		}
	}()
	http.PrometheusHandler(nil)
}

func TestRuntimeMetricsHaveTheDocumentedNames(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"go_goroutines":                 "gauge",
		"go_memstats_alloc_bytes":       "gauge",
		"go_memstats_sys_bytes":         "gauge",
		"go_memstats_heap_inuse_bytes":  "gauge",
		"go_memstats_stack_inuse_bytes": "gauge",
		"go_memstats_heap_objects":      "gauge",
		"go_gc_completed_total":         "counter",
		"go_gc_pause_total_seconds":     "counter",
	}
	metrics := http.RuntimeMetrics()
	if len(metrics) != len(want) {
		t.Errorf("%d metrics, want %d", len(metrics), len(want))
	}
	for _, m := range metrics {
		if m.Type != want[m.Name] || m.Help == "" {
			t.Errorf("%+v, want the type %q", m, want[m.Name])
		}
		if m.Value <= 0 && m.Type == "gauge" {
			t.Errorf("%s is %v", m.Name, m.Value)
		}
	}
}

func BenchmarkPrometheusHandler50(b *testing.B) {
	metrics := make([]http.PrometheusMetric, 50)
	for i := range metrics {
		metrics[i] = http.PrometheusMetric{
			Name: fmt.Sprintf("app_metric_%d_total", i), Help: "What happened so far.",
			Type: "counter", Value: float64(i) * 1.5,
		}
	}
	handler := http.PrometheusHandler(func() []http.PrometheusMetric { return metrics })
	w, r := new(nullWriter), httptest.NewRequest("GET", "/metrics", nil)
	b.ReportAllocs()
	for b.Loop() {
		handler(w, r)
	}
}

func TestZeroMetricsAreReadyToUse(t *testing.T) {
	t.Parallel()
	var unused http.Metrics
	if got := unused.Stats(); got != (http.MetricsStats{}) {
		t.Errorf("before the first request: %+v", got)
	}
	if got := unused.Collect(); len(got) != 1 {
		t.Errorf("before the first request, Collect returns %v", got)
	}

	// The first use may be in several goroutines.
	var m http.Metrics
	var users sync.WaitGroup
	for range 8 {
		users.Go(func() {
			serveOnce(m.Middleware()(reply("")))
			m.Collect()
			m.Stats()
		})
	}
	users.Wait()
	if got := m.Stats(); got.TotalRequests != 8 || got.Status2xx != 8 || got.ActiveRequests != 0 {
		t.Errorf("after 8 requests: %+v", got)
	}
}
