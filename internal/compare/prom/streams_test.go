package prom_test

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// startBusyServer starts a server on which every kind of stream is open, one request is
// handled by a throttle, another one waits for it, and others were rejected.
func startBusyServer(t *testing.T) (address string) {
	t.Helper()
	m := http.NewMetrics()
	router := http.NewRouter()
	router.Use(http.RequestID(http.RequestIDConfig{}), m.Middleware(), http.Recovery(nil))
	router.HandleFunc("GET /metrics", http.PrometheusHandler(m.Collect))
	router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
	router.HandleFunc("GET /events/{topic}", func(w http.ResponseWriter, r *http.Request) {
		http.NewSSEWriter(w)
		<-r.Context().Done()
	})
	router.HandleFunc("GET /rooms/{id}", func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return
		}
		go func() { // the connection outlives its handler
			_, _, _ = conn.ReadMessage() // fails when the client leaves
			conn.Close()
		}()
	})
	stop := make(chan struct{})
	router.HandleFunc("CONNECT /tunnel", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		<-stop
	})
	reports := router.Group("/reports")
	reports.Use(http.Throttle(http.ThrottleConfig{Limit: 1, Backlog: 1, Wait: time.Hour, Metrics: m, Name: "reports"}))
	reports.HandleFunc("GET /{id}", func(http.ResponseWriter, *http.Request) { <-stop })
	login := router.Group("/login")
	login.Use(http.RateLimit(http.RateLimitConfig{Limit: 1, Window: time.Hour}))
	login.HandleFunc("GET /", func(http.ResponseWriter, *http.Request) {})

	srv := http.NewServer(router, http.WithAddr("127.0.0.1:0"))
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(stop)
		ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
		defer cancel()
		if err := srv.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	occupy(t, srv.Addr(), m)
	return srv.Addr()
}

// occupy opens the streams and sends the requests.
func occupy(t *testing.T, address string, m *http.Metrics) {
	t.Helper()
	send := func(request string) *testkit.Conn {
		conn := testkit.Dial(t, address)
		conn.Send(request + " HTTP/1.1\r\nHost: x\r\n\r\n")
		return conn
	}
	for i := range 5 {
		send(fmt.Sprint("GET /users/", i)).Response("GET").Want(t, 200, "hello")
	}
	for range 2 {
		send("GET /events/news").ReadResponse("GET")
	}
	for range 3 {
		conn, _, err := http.Dial(t.Context(), "ws://"+address+"/rooms/7", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.CloseNow() }) // the test is over
	}
	send("CONNECT /tunnel").ReadResponse("CONNECT")
	value := func(name string) (sum float64) {
		for _, metric := range m.Collect() {
			if metric.Name == name {
				sum += metric.Value
			}
		}
		return sum
	}
	for _, name := range []string{"http_throttle_running_requests", "http_throttle_waiting_requests"} {
		send("GET /reports/1")
		for deadline := time.Now().Add(testkit.Patience); value(name) < 1; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s stays 0", name)
			}
		}
	}
	for range 4 {
		send("GET /reports/1").ReadResponse("GET")
		send("GET /login/").ReadResponse("GET")
	}
}

func TestPromtoolAcceptsAScrapeDuringStreamsAndOverload(t *testing.T) {
	conn := testkit.Dial(t, startBusyServer(t))
	page := conn.Get("/metrics").Body
	if out, status := checkMetrics(t, []byte(page)); status != 0 || out != "" {
		t.Errorf("exit status %d: %s", status, out)
	}
	t.Log(page)
}

func TestPrometheusScrapesStreamsAndOverload(t *testing.T) {
	p := startPrometheus(t, startBusyServer(t))
	p.await(`http_open_streams{kind="sse",route="/events/{topic}"}`, 2)
	p.await(`http_open_streams{kind="websocket",route="/rooms/{id}"}`, 3)
	p.await(`http_open_streams{kind="hijacked",route="/tunnel"}`, 1)
	p.await(`http_requests_in_flight`, 6) // 2 event streams, the tunnel, 2 reports, the scrape
	p.await(`http_requests_total{route="/rooms/{id}",status="1xx"}`, 3)
	p.await(`http_requests_rejected_total{reason="throttle",route="/reports/{id}"}`, 4)
	p.await(`http_requests_rejected_total{reason="rate_limit",route="/login/"}`, 3)
	p.await(`http_throttle_running_requests{throttle="reports"}`, 1)
	p.await(`http_throttle_waiting_requests{throttle="reports"}`, 1)
	p.await(`sum(http_request_duration_seconds_count{route="/users/{id}"})`, 5)
	if n, ok := p.query(`count(http_request_duration_seconds_count{route=~"/rooms.*|/events.*|/tunnel"})`); ok {
		t.Errorf("%v histograms of streams", n)
	}
	for _, expression := range dashboardExpressions(t) {
		p.query(expression) // ends the test if Prometheus rejects it
	}
}
