package http_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// labelled returns the metrics with a name, each as "label value", with the given labels
// joined.
func labelled(m *http.Metrics, name string, labels ...string) []string {
	var out []string
	for _, metric := range m.Collect() {
		if metric.Name == name {
			var values []string
			for _, label := range labels {
				values = append(values, metric.Labels[label])
			}
			out = append(out, fmt.Sprintf("%s %g", strings.Join(values, " "), metric.Value))
		}
	}
	slices.Sort(out)
	return out
}

// wantStreams compares the gauge of open streams, as "kind route number".
func wantStreams(t *testing.T, m *http.Metrics, when string, want ...string) {
	t.Helper()
	if got := labelled(m, "http_open_streams", "kind", "route"); !slices.Equal(got, want) {
		t.Errorf("%s, the open streams are %q, want %q", when, got, want)
	}
}

// wantOnlyStreams checks that the requests so far were counted, but not their durations.
func wantOnlyStreams(t *testing.T, m *http.Metrics, requests int64) {
	t.Helper()
	stats := m.Stats()
	if stats.TotalRequests != requests || stats.AvgDurationMs != 0 || stats.ActiveRequests != 0 || stats.OpenStreams != 0 {
		t.Errorf("after %d streams: %+v", requests, stats)
	}
	for _, metric := range m.Collect() {
		if metric.Histogram != nil {
			t.Errorf("there is a histogram %+v with labels %v", metric.Histogram, metric.Labels)
		}
	}
}

// streamChains are chains around a handler that streams.
func streamChains(m *http.Metrics) map[string]http.Middleware {
	return map[string]http.Middleware{
		"metrics alone": m.Middleware(),
		"documented chain": http.Chain(http.RequestID(http.RequestIDConfig{}), m.Middleware(),
			http.RequestLogger(new(testkit.Log).JSON()), http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{}),
			http.Recovery(nil)),
		"metrics twice":  http.Chain(m.Middleware(), m.Middleware()),
		"hiding wrapper": http.Chain(m.Middleware(), hidingMiddleware["hiding"]),
	}
}

func TestEventStreamsAreCountedApart(t *testing.T) {
	t.Parallel()
	feed := http.NewFeed(http.FeedConfig{})
	for _, name := range []string{"metrics alone", "documented chain", "hiding wrapper"} {
		for _, proto := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
			for path, handler := range map[string]http.Handler{
				"/events/{topic}": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					http.NewSSEWriter(w)
					<-r.Context().Done()
				}),
				"/feed/{room}": feed,
				"/declared/{id}": http.Streaming()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					io.WriteString(w, "x")
					w.(http.Flusher).Flush()
					<-r.Context().Done()
				})),
				"/both/{id}": http.Streaming()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					http.NewSSEWriter(w)
					<-r.Context().Done()
				})),
			} {
				kind := "sse"
				if path == "/declared/{id}" {
					kind = "stream"
				}
				t.Run(fmt.Sprint(name, proto, path), func(t *testing.T) {
					t.Parallel()
					m := http.NewMetrics()
					done := make(chan struct{}, 1)
					router := http.NewRouter()
					router.Use(streamChains(m)[name])
					router.Handle("GET "+path, handler)
					url, client := serveOwn(t, proto, announcing(router, done))
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					target, _, _ := strings.Cut(url+path, "{")
					r, err := http.NewRequestWithContext(ctx, "GET", target+"7", nil)
					if err != nil {
						t.Fatal(err)
					}
					resp, err := client.Do(r)
					if err != nil {
						t.Fatal(err)
					}
					defer resp.Body.Close()
					open := func(when string, n int) {
						t.Helper()
						want := []string{fmt.Sprintf("%s %s %d", kind, path, n)}
						if path == "/both/{id}" {
							want = append(want, "stream "+path+" 0")
						}
						wantStreams(t, m, when, want...)
					}
					open("while the client listens", 1)
					if stats := m.Stats(); stats.OpenStreams != 1 || stats.ActiveRequests != 1 {
						t.Errorf("while the client listens: %+v", stats)
					}
					cancel()
					testkit.Receive(t, done, "the end of the handler")
					open("after the client has left", 0)
					wantOnlyStreams(t, m, 1)
				})
			}
		}
	}
}

// A WebSocket may outlive its handler. It is open until it is closed.
func TestWebSocketsAreOpenUntilTheyAreClosed(t *testing.T) {
	t.Parallel()
	for _, returns := range []bool{true, false} {
		for _, name := range []string{"metrics alone", "documented chain", "metrics twice"} {
			t.Run(fmt.Sprintf("%s, handler returns early: %t", name, returns), func(t *testing.T) {
				t.Parallel()
				m := http.NewMetrics()
				returned, closed := make(chan struct{}, 1), make(chan struct{})
				router := http.NewRouter()
				router.Use(streamChains(m)[name])
				router.HandleFunc("GET /rooms/{id}", func(w http.ResponseWriter, r *http.Request) {
					conn, err := http.Upgrader{}.Upgrade(w, r)
					if err != nil {
						return
					}
					serve := func() {
						defer close(closed)
						_, _, _ = conn.ReadMessage() // fails when the client leaves
						conn.Close()
					}
					if returns {
						go serve()
					} else {
						serve()
					}
				})
				srv := startServer(t, announcing(router, returned).ServeHTTP)
				conn, _, err := http.Dial(t.Context(), "ws://"+srv.Addr()+"/rooms/7", nil)
				if err != nil {
					t.Fatal(err)
				}
				if returns {
					testkit.Receive(t, returned, "the end of the handler")
					if stats := m.Stats(); stats.ActiveRequests != 0 || stats.TotalRequests != metricsIn(name) {
						t.Errorf("after the handler has returned: %+v", stats)
					}
				}
				wantStreams(t, m, "while it is open", "websocket /rooms/{id} 1")
				conn.Close()
				<-closed
				if !returns {
					testkit.Receive(t, returned, "the end of the handler")
				}
				wantStreams(t, m, "after it was closed", "websocket /rooms/{id} 0")
				wantOnlyStreams(t, m, metricsIn(name))
			})
		}
	}
}

// metricsIn returns how often a chain of streamChains counts a request.
func metricsIn(name string) int64 {
	if name == "metrics twice" {
		return 2
	}
	return 1
}

func TestHijackedConnectionsAreOpenUntilTheHandlerReturns(t *testing.T) {
	t.Parallel()
	m := http.NewMetrics()
	hijacked, finish, done := make(chan struct{}), make(chan struct{}), make(chan struct{}, 1)
	router := http.NewRouter()
	router.Use(streamChains(m)["documented chain"])
	router.HandleFunc("CONNECT /tunnel", func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		close(hijacked)
		<-finish
	})
	srv := startServer(t, announcing(router, done).ServeHTTP)
	conn := testkit.Dial(t, srv.Addr())
	conn.Send("CONNECT /tunnel HTTP/1.1\r\nHost: x\r\n\r\n")
	testkit.Receive(t, hijacked, "the hijacking")
	wantStreams(t, m, "in the handler", "hijacked /tunnel 1")
	close(finish)
	testkit.Receive(t, done, "the end of the handler")
	wantStreams(t, m, "after the handler", "hijacked /tunnel 0")
	wantOnlyStreams(t, m, 1)
}

// A handler that panics cannot close its WebSocket any more.
func TestPanicEndsAnOpenStream(t *testing.T) {
	t.Parallel()
	for name, outer := range map[string]http.Middleware{
		"with Recovery inside": func(next http.Handler) http.Handler { return next },
		"without Recovery":     nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := http.NewMetrics()
			done := make(chan struct{}, 1)
			router := http.NewRouter()
			router.Use(m.Middleware())
			if outer != nil {
				router.Use(http.Recovery(nil))
			}
			router.HandleFunc("GET /ws", func(w http.ResponseWriter, r *http.Request) {
				if _, err := (http.Upgrader{}).Upgrade(w, r); err != nil {
					t.Error(err)
				}
				panic("lost")
			})
			srv := startServer(t, announcing(router, done).ServeHTTP)
			conn, _, err := http.Dial(t.Context(), "ws://"+srv.Addr()+"/ws", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			testkit.Receive(t, done, "the end of the handler")
			wantStreams(t, m, "after the panic", "websocket /ws 0")
			wantOnlyStreams(t, m, 1)
		})
	}
}

// The Metrics of a router and of a group differ. Each counts the stream.
func TestEachMetricsCountsAStream(t *testing.T) {
	t.Parallel()
	all, some := http.NewMetrics(), http.NewMetrics()
	done := make(chan struct{}, 1)
	router := http.NewRouter()
	router.Use(all.Middleware())
	group := router.Group("/live")
	group.Use(some.Middleware())
	group.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		http.NewSSEWriter(w)
		<-r.Context().Done()
	})
	srv := startServer(t, announcing(router, done).ServeHTTP)
	conn := testkit.Dial(t, srv.Addr())
	conn.Send("GET /live/events HTTP/1.1\r\nHost: x\r\n\r\n")
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Fatalf("got %q, %v", line, err)
	}
	for _, m := range []*http.Metrics{all, some} {
		wantStreams(t, m, "while the client listens", "sse /live/events 1")
	}
	conn.Close()
	testkit.Receive(t, done, "the end of the handler")
	for _, m := range []*http.Metrics{all, some} {
		wantStreams(t, m, "after the client has left", "sse /live/events 0")
		wantOnlyStreams(t, m, 1)
	}
}

// Streams of an hour do not change what is known about short requests.
func TestStreamsDoNotSpoilDurations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := http.NewMetrics()
		router := http.NewRouter()
		router.Use(m.Middleware())
		router.HandleFunc("GET /x", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery == "" {
				time.Sleep(10 * time.Millisecond)
				return
			}
			http.NewSSEWriter(w)
			time.Sleep(time.Hour)
		})
		for _, target := range []string{"/x", "/x?stream", "/x"} {
			router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", target, nil))
		}
		if stats := m.Stats(); stats.TotalRequests != 3 || stats.Status2xx != 3 || stats.AvgDurationMs != 10 {
			t.Errorf("got %+v, want 3 requests of 10 ms on average", stats)
		}
		for _, metric := range m.Collect() {
			if h := metric.Histogram; h != nil && (h.Sum != 0.02 || h.Counts[1] != 2 || h.Counts[11] != 0) {
				t.Errorf("the histogram is %+v", h)
			}
		}
	})
}

func TestThrottledRequestsAreCounted(t *testing.T) {
	t.Parallel()
	m := http.NewMetrics()
	running, finish := make(chan struct{}, 1), make(chan struct{})
	router := http.NewRouter()
	router.Use(m.Middleware())
	group := router.Group("/reports")
	group.Use(http.Throttle(http.ThrottleConfig{Limit: 1, Backlog: 1, Metrics: m, Name: "reports"}))
	group.HandleFunc("GET /{id}", func(w http.ResponseWriter, r *http.Request) {
		running <- struct{}{}
		<-finish
	})
	queue := func() string {
		return fmt.Sprint(labelled(m, "http_throttle_running_requests", "throttle"),
			labelled(m, "http_throttle_waiting_requests", "throttle"))
	}
	if got, want := queue(), "[reports 0] [reports 0]"; got != want {
		t.Errorf("before the first request: %s, want %s", got, want)
	}
	srv := startServer(t, router.ServeHTTP)
	first, second := testkit.Dial(t, srv.Addr()), testkit.Dial(t, srv.Addr())
	const request = "GET /reports/1 HTTP/1.1\r\nHost: x\r\n\r\n"
	first.Send(request)
	testkit.Receive(t, running, "the first request")
	second.Send(request)
	for queue() != "[reports 1] [reports 1]" { // nothing announces that a request waits
		time.Sleep(time.Millisecond)
	}
	for range 3 {
		testkit.Dial(t, srv.Addr()).Get("/reports/1").Want(t, 503, `{"error":"server is busy"}`)
	}
	if got, want := labelled(m, "http_requests_rejected_total", "reason", "route"), []string{"throttle /reports/{id} 3"}; !slices.Equal(got, want) {
		t.Errorf("rejected: %q, want %q", got, want)
	}
	close(finish)
	first.ReadResponse("GET")
	second.ReadResponse("GET")
	if got, want := queue(), "[reports 0] [reports 0]"; got != want {
		t.Errorf("after the last request: %s, want %s", got, want)
	}
}

// Several throttles may have one name, or none.
func TestThrottlesWithOneNameAreAddedUp(t *testing.T) {
	t.Parallel()
	m := http.NewMetrics()
	for _, name := range []string{"", "a", "b", "a"} {
		h := http.Throttle(http.ThrottleConfig{Limit: 1, Metrics: m, Name: name})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			got := labelled(m, "http_throttle_running_requests", "throttle")
			if !slices.Contains(got, name+" 1") {
				t.Errorf("in a request of throttle %q: %q", name, got)
			}
		}))
		serveOnce(h)
	}
	if got, want := labelled(m, "http_throttle_running_requests", "throttle"), []string{" 0", "a 0", "b 0"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	page := testkit.Record(http.PrometheusHandler(m.Collect), testkit.NewRequest("GET", "/", "")).Body
	if strings.Contains(page, "skipped") || !strings.Contains(page, "\nhttp_throttle_running_requests 0\n") {
		t.Errorf("the page is %s", page)
	}
}

// A client cannot create series with its choice of paths.
func TestRejectedRequestsHaveNoLabelOfTheClientsMaking(t *testing.T) {
	t.Parallel()
	m := http.NewMetrics()
	busy := http.Throttle(http.ThrottleConfig{Limit: 1})
	router := http.NewRouter()
	router.Use(m.Middleware(), busy)
	router.HandleFunc("GET /x", func(w http.ResponseWriter, r *http.Request) {
		for i := range 50 {
			router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", fmt.Sprint("/", i), nil))
		}
		io.WriteString(w, "ok")
	})
	router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/x", nil))
	if got, want := labelled(m, "http_requests_rejected_total", "reason", "route"), []string{"throttle unmatched 50"}; !slices.Equal(got, want) {
		t.Errorf("rejected: %q, want %q", got, want)
	}
}

func TestTimedOutRequestsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := http.NewMetrics()
		router := http.NewRouter()
		router.Use(m.Middleware())
		group := router.Group("/slow")
		group.Use(http.Timeout(http.TimeoutConfig{Timeout: time.Second}))
		group.HandleFunc("GET /{id}", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery != "" {
				io.WriteString(w, "part")
				w.(http.Flusher).Flush()
			}
			if r.PathValue("id") != "fast" {
				<-r.Context().Done()
			}
		})
		for _, target := range []string{"/slow/1", "/slow/2?part", "/slow/fast"} {
			_ = panicText(func() {
				router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", target, nil))
			})
		}
		if got, want := labelled(m, "http_requests_rejected_total", "reason", "route"), []string{"timeout /slow/{id} 2"}; !slices.Equal(got, want) {
			t.Errorf("rejected: %q, want %q", got, want)
		}
	})
}

func TestLimitedRequestsAreCounted(t *testing.T) {
	t.Parallel()
	m := http.NewMetrics()
	router := http.NewRouter()
	router.Use(m.Middleware())
	group := router.Group("/login")
	group.Use(http.RateLimit(http.RateLimitConfig{Limit: 1, Window: time.Hour}))
	group.HandleFunc("POST /{realm}", func(http.ResponseWriter, *http.Request) {})
	srv := startServer(t, router.ServeHTTP)
	conn := testkit.Dial(t, srv.Addr())
	for _, want := range []string{"200", "429", "429"} {
		conn.Send("POST /login/a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
		if resp := conn.Response("POST"); !strings.HasPrefix(resp.Status, want) {
			t.Errorf("got %v, want %s", resp, want)
		}
	}
	if got, want := labelled(m, "http_requests_rejected_total", "reason", "route"), []string{"rate_limit /login/{realm} 2"}; !slices.Equal(got, want) {
		t.Errorf("rejected: %q, want %q", got, want)
	}
}
