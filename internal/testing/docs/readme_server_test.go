package docs

import (
	"context"
	"crypto/tls"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	metrics := http.NewMetrics()
	router.Use(metrics.Middleware())
	router.HandleFunc("GET /hello", hello)
	router.HandleFunc("GET /fail", func(w http.ResponseWriter, r *http.Request) {
		http.WriteError(w, http.StatusInternalServerError, "failed")
	})
	//snippet:begin README.md
	router.HandleFunc("GET /metrics", http.PrometheusHandler(func() []http.PrometheusMetric {
		all := append(metrics.Collect(), http.RuntimeMetrics()...)
		return append(all, http.PrometheusMetric{
			Name: "myapp_users", Help: "Registered users.", Type: "gauge", Value: 42,
		})
	}))
	//snippet:end
	testkit.Serve(t, router, "GET", "/hello", "")
	testkit.Serve(t, router, "GET", "/fail", "")
	fmt := &console{t: t}
	func() {
		//snippet:begin README.md
		stats := metrics.Stats() // totals, counts by status class, mean duration
		fmt.Println(stats.TotalRequests, stats.ActiveRequests, stats.Status5xx)
		//snippet:end
	}()
	if want := "2 0 1\n"; fmt.String() != want {
		t.Errorf("printed %q, want %q", fmt, want)
	}
	page := testkit.Serve(t, router, "GET", "/metrics", "").Body
	for _, line := range []string{
		`http_requests_total{method="GET",route="/hello",status="2xx"} 1`,
		`http_requests_total{method="GET",route="/fail",status="5xx"} 1`,
		`# HELP myapp_users Registered users.`,
		`# TYPE myapp_users gauge`,
		`myapp_users 42`,
		`# TYPE go_goroutines gauge`,
	} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("the page of metrics lacks %q", line)
		}
	}
}

// inFolder changes to a new directory and creates a certificate and its key
// there. The returned client trusts the certificate.
func inFolder(t *testing.T) *http.Client {
	t.Helper()
	certFile, keyFile, pool := testkit.KeyPair(t)
	t.Chdir(t.TempDir())
	for from, to := range map[string]string{certFile: "cert.pem", keyFile: "key.pem"} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: testkit.Patience}
}

func TestServerWithTLS(t *testing.T) {
	client := inFolder(t)
	router := http.NewRouter()
	router.HandleFunc("GET /hello", hello)
	s, log := newSite(t), &console{t: t}
	newServer := s.newServer
	s.during(t, func() {
		//snippet:begin README.md
		server := newServer(router,
			http.WithAddr(":8443"),
			http.WithTLS("cert.pem", "key.pem"),
			http.WithWriteTimeout(time.Minute),
		)
		if err := server.Run(context.Background()); err != nil {
			log.Fatal(err)
		}
		//snippet:end
	}, func(url string) {
		res, err := client.Get(strings.Replace(url, "http", "https", 1) + "/hello")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != 200 || res.ProtoMajor != 2 {
			t.Errorf("got %s over %s", res.Status, res.Proto)
		}
		client.CloseIdleConnections() // otherwise, Stop waits a second for HTTP/2 connections
	})
}

// A caller is a console that sends a request after each line.
type caller struct {
	console
	ask func()
}

// Println records a line and sends the request.
func (c *caller) Println(a ...any) {
	c.console.Println(a...)
	c.ask()
}

func TestStartAndStop(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.HandleFunc("GET /hello", hello)
	ctx, log := t.Context(), &console{t: t}
	fmt := &caller{console: console{t: t}}
	fmt.ask = func() {
		address := regexp.MustCompile(`127\.0\.0\.1:[1-9]\d*`).FindString(fmt.String())
		client := &http.Client{Timeout: testkit.Patience}
		defer client.CloseIdleConnections()
		testkit.Get(t, client, "http://"+address+"/hello").Want(t, 200, "hello")
	}
	//snippet:begin README.md
	server := http.NewServer(router, http.WithAddr("127.0.0.1:0")) // any free port
	if err := server.Start(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("serving at", server.Addr()) // Start does not block

	stopCtx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := server.Stop(stopCtx); err != nil {
		log.Print(err) // counts the requests and connections that were cut off
	}
	//snippet:end
	if !strings.HasPrefix(fmt.String(), "serving at ") || log.String() != "" {
		t.Errorf("printed %q, logged %q", fmt.String(), log)
	}
	if _, err := http.Get("http://" + server.Addr() + "/hello"); err == nil {
		t.Error("the server still serves after Stop")
	}
}
