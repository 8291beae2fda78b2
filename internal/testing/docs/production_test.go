package docs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	//snippet:begin docs/production.md
	router.Use(http.TrustedProxies(
		netip.MustParsePrefix("130.211.0.0/22"),
		netip.MustParsePrefix("35.191.0.0/16"),
		netip.MustParsePrefix("198.51.100.7/32"), // the load balancer
	))
	//snippet:end
	router.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, http.ClientIP(r)) })
	for peer, want := range map[string]string{
		"35.191.3.4:5678":  "8.8.8.8", // Google's proxies
		"130.211.1.2:5678": "8.8.8.8",
		"1.1.1.1:5678":     "1.1.1.1", // anyone
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = peer
		r.Header.Set("X-Forwarded-For", "6.6.6.6, 8.8.8.8, 198.51.100.7")
		w := httptest.NewRecorder()
		router.ServeHTTP(w, r)
		if got := w.Body.String(); got != want {
			t.Errorf("through %s the client is %s, want %s", peer, got, want)
		}
	}
}

// The example in the section about proxies.
func TestForwardedAddress(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "10.0.0.1:5678"
	r.Header.Set("X-Forwarded-For", "6.6.6.6, 8.8.8.8, 10.0.0.2")
	if got := http.ClientIP(r); got != "8.8.8.8" {
		t.Errorf("the client is %s, want 8.8.8.8", got)
	}
}

func TestDeadlineOfAHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &memory{users: []User{{7, "Ada"}}}
		r := httptest.NewRequest("GET", "/", nil)
		//snippet:begin docs/production.md
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		user, err := store.Find(ctx, 7)
		//snippet:end
		if want := fmt.Sprintf("7 until %v", time.Now().Add(5*time.Second)); err != nil || user.ID != 7 || store.asked != want {
			t.Errorf("the store was asked for %s, want %s; %v", store.asked, want, err)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if _, err := store.Find(ctx, 7); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after 5 seconds: %v", err)
		}
	})
}

//snippet:begin docs/production.md

func export(w http.ResponseWriter, r *http.Request) {
	err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(10 * time.Minute))
	if err != nil {
		http.WriteServerError(w, r, "failed to export", err)
		return
	}
	sendFile(w, r)
}

//snippet:end

// sendFile sends a response for nine minutes.
func sendFile(w http.ResponseWriter, r *http.Request) {
	for n := range 9 {
		time.Sleep(time.Minute)
		fmt.Fprintln(w, "part", n)
	}
}

func TestLongDownload(t *testing.T) {
	inMemory(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/export" {
			export(w, r)
			return
		}
		sendFile(w, r)
	}, func(t *testing.T, s *memoryServer) {
		client := &http.Client{Transport: &http.Transport{DialContext: s.Dial, DisableKeepAlives: true}}
		got, err := testkit.Send(client, testkit.NewRequest("GET", "http://example.com/export", "")) // takes longer than Do waits
		if err != nil {
			t.Fatal(err)
		}
		if got.StatusCode != 200 || strings.Count(got.Body, "part") != 9 {
			t.Errorf("got %d %q", got.StatusCode, got.Body)
		}
		if _, err := client.Get("http://example.com/without"); err == nil {
			t.Error("without extending the deadline, the download does not fail")
		}
	})
}

func TestServerWithTLSOfFiles(t *testing.T) {
	client := inFolder(t)
	router := http.NewRouter()
	router.HandleFunc("GET /hello", hello)
	s := newSite(t)
	newServer := s.newServer
	//snippet:begin docs/production.md
	server := newServer(router, http.WithAddr(":443"), http.WithTLS("cert.pem", "key.pem"))
	//snippet:end
	s.during(t, func() { mustRun(t, server) }, func(url string) {
		testkit.Get(t, client, strings.Replace(url, "http", "https", 1)+"/hello").Want(t, 200, "hello")
		client.CloseIdleConnections()
	})
}

// mustRun runs a server until it is stopped.
func mustRun(t *testing.T, server *http.Server) {
	if err := server.Run(context.Background()); err != nil {
		t.Error(err)
	}
}

// A certificateStore represents a store of certificates by name.
type certificateStore struct {
	certificate tls.Certificate
	asked       string
}

// For returns the certificate.
func (s *certificateStore) For(name string) (*tls.Certificate, error) {
	s.asked = name
	return &s.certificate, nil
}

func TestServerWithTLSOfAFunction(t *testing.T) {
	client := inFolder(t)
	pair, err := tls.LoadX509KeyPair("cert.pem", "key.pem")
	if err != nil {
		t.Fatal(err)
	}
	certificates := &certificateStore{certificate: pair}
	router := http.NewRouter()
	router.HandleFunc("GET /hello", hello)
	s := newSite(t)
	newServer := s.newServer
	//snippet:begin docs/production.md
	server := newServer(router, http.WithTLS("", ""), http.WithHTTPServer(func(s *nethttp.Server) {
		s.TLSConfig = &tls.Config{
			GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				return certificates.For(hello.ServerName)
			},
		}
	}))
	//snippet:end
	s.during(t, func() { mustRun(t, server) }, func(url string) {
		url = strings.NewReplacer("http", "https", "127.0.0.1", "localhost").Replace(url)
		testkit.Get(t, client, url+"/hello").Want(t, 200, "hello")
		client.CloseIdleConnections()
	})
	if certificates.asked != "localhost" {
		t.Errorf("the server asked for a certificate for %q, want localhost", certificates.asked)
	}
}

// The command creates a certificate that a client can trust.
func TestSelfSignedCertificate(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip(err)
	}
	command := block(t, "docs/production.md", "go run ")
	dir := t.TempDir()
	testkit.Run(t, dir, "sh", "-c", command)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(pair.Leaf)
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: "localhost", Roots: pool}); err != nil {
		t.Error(err)
	}
}

func TestRedirectToHTTPS(t *testing.T) {
	t.Parallel()
	//snippet:begin docs/production.md
	redirects := http.NewRouter()
	redirects.HandleFunc("GET /{path...}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://example.com"+r.URL.RequestURI(), http.StatusMovedPermanently)
	})
	//snippet:end
	for path, want := range map[string]string{
		"/":                 "https://example.com/",
		"/a%2Fb/?q=1&q=%20": "https://example.com/a%2Fb/?q=1&q=%20",
		"//evil.example":    "/evil.example",
	} {
		got := testkit.Serve(t, redirects, "GET", path, "")
		got.WantHeader(t, "Location", want)
	}
	testkit.Serve(t, redirects, "POST", "/", "").Want(t, 405, `{"error":"method not allowed"}`)
}

func TestServerWithUnencryptedHTTP2(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.HandleFunc("GET /hello", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) })
	s := newSite(t)
	newServer := s.newServer
	//snippet:begin docs/production.md
	server := newServer(router, http.WithHTTPServer(func(s *nethttp.Server) {
		s.Protocols = new(http.Protocols)
		s.Protocols.SetHTTP1(true)
		s.Protocols.SetUnencryptedHTTP2(true)
	}))
	//snippet:end
	s.during(t, func() { mustRun(t, server) }, func(url string) {
		for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
			transport := &http.Transport{Protocols: new(http.Protocols)}
			transport.Protocols.SetHTTP1(protocol == "HTTP/1.1")
			transport.Protocols.SetUnencryptedHTTP2(protocol == "HTTP/2.0")
			testkit.Get(t, &http.Client{Transport: transport}, url+"/hello").Want(t, 200, protocol)
			transport.CloseIdleConnections()
		}
	})
}

func TestHSTS(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	//snippet:begin docs/production.md
	router.Use(http.SecureHeaders(http.SecureHeadersConfig{
		HSTSMaxAge:            63072000, // two years, in seconds
		ContentSecurityPolicy: "default-src 'self'",
	}))
	//snippet:end
	got := testkit.Serve(t, router, "GET", "/", "")
	got.WantHeader(t, "Strict-Transport-Security", "max-age=63072000")
	got.WantHeader(t, "Content-Security-Policy", "default-src 'self'")
}

//snippet:begin docs/production.md

func account(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "private, no-transform")
	http.WriteJSON(w, http.StatusOK, map[string]string{
		"search": http.QueryParam(r, "q"),
		"token":  "a secret",
	})
}

//snippet:end

func TestSecretsAreNotCompressed(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.Use(http.Compress(http.CompressConfig{MinSize: 1}))
	router.HandleFunc("GET /secret", account)
	func() {
		account := func(w http.ResponseWriter, r *http.Request) {
			http.WriteJSON(w, http.StatusOK, strings.Repeat("secret ", 1000))
		}
		//snippet:begin docs/production.md
		uncompressed := func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "no-transform")
				next.ServeHTTP(w, r)
			})
		}
		private := router.Group("/account")
		private.Use(uncompressed)
		private.HandleFunc("GET", account)
		//snippet:end
	}()
	router.HandleFunc("GET /hello", hello)
	testkit.Serve(t, router, "GET", "/hello", "", "Accept-Encoding: gzip").WantHeader(t, "Content-Encoding", "gzip")
	for _, path := range []string{"/secret?q=x", "/account"} {
		got := testkit.Serve(t, router, "GET", path, "", "Accept-Encoding: gzip")
		got.WantHeader(t, "Content-Encoding", "")
		if got.StatusCode != 200 || !strings.Contains(got.Body, "secret") {
			t.Errorf("%s: got %d %.40s", path, got.StatusCode, got.Body)
		}
	}
}

func TestDrainTimeout(t *testing.T) {
	t.Parallel()
	// The first call of signal.Notify starts goroutines that never end. Call it here rather
	// than in Run, because they must not belong to the bubble of synctest.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	signal.Stop(signals)
	synctest.Test(t, func(t *testing.T) {
		router := http.NewRouter()
		ended := make(chan struct{})
		router.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { <-ended })
		ln := testkit.NewPipeListener()
		newServer := func(handler http.Handler, option http.ServerOption) *http.Server {
			return http.NewServer(handler, option, http.WithListener(ln))
		}
		//snippet:begin docs/production.md
		server := newServer(router, http.WithDrainTimeout(8*time.Second)) // docker stop
		//snippet:end
		ctx, stop := context.WithCancel(t.Context())
		result := make(chan error)
		go func() { result <- server.Run(ctx) }()
		conn, err := ln.Dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		synctest.Wait()
		before := time.Now()
		stop()
		go func() {
			io.Copy(io.Discard, conn) // until the server closes it
			close(ended)
		}()
		if err := <-result; !errors.Is(err, context.DeadlineExceeded) || time.Since(before) != 8*time.Second {
			t.Errorf("after %v: %v", time.Since(before), err)
		}
	})
}

func TestReady(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	//snippet:begin docs/production.md
	router.Handle("GET /ready", http.ReadyHandler())
	server := http.NewServer(router,
		http.WithDrainDelay(12*time.Second),   // a bit more than the probe's period × its failure threshold
		http.WithDrainTimeout(15*time.Second), // with the delay, shorter than the kill timeout
	)
	//snippet:end
	testkit.Serve(t, router, "GET", "/ready", "").Want(t, 200, `{"status":"ready"}`)
	if err := server.Stop(t.Context()); err != nil { // it was not started, so there is no delay
		t.Errorf("Stop: %v", err)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	//snippet:begin docs/production.md
	router.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {
		http.WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	//snippet:end
	testkit.Serve(t, router, "GET", "/health", "").Want(t, 200, `{"status":"ok"}`)
}

// A supervisor replaces package os. It holds the socket that systemd passes as
// file 3.
type supervisor struct{ socket *os.File }

// NewFile returns the socket.
func (s supervisor) NewFile(fd uintptr, _ string) *os.File {
	if fd != 3 {
		return nil
	}
	return s.socket
}

func TestInheritedSocket(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	router := http.NewRouter()
	router.HandleFunc("GET /hello", hello)
	log, os := &console{t: t}, supervisor{socket}
	//snippet:begin docs/production.md
	inherited, err := net.FileListener(os.NewFile(3, "socket"))
	if err != nil {
		log.Fatal(err)
	}
	server := http.NewServer(router, http.WithListener(inherited))
	//snippet:end
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: testkit.Patience}
	testkit.Get(t, client, "http://"+listener.Addr().String()+"/hello").Want(t, 200, "hello")
	client.CloseIdleConnections()
	if err := server.Stop(t.Context()); err != nil || log.String() != "" {
		t.Errorf("Stop: %v; logged %q", err, log)
	}
}

//snippet:begin docs/production.md

type RateLimitStore interface {
	Increment(ctx context.Context, key string, window time.Duration) (count int64, left time.Duration, err error)
}

type RateLimitRefundStore interface {
	RateLimitStore
	Decrement(ctx context.Context, key string, limit int64) error
}

//snippet:end

// The documented interfaces are the same as the package's.
var _ = func(store RateLimitStore) http.RateLimitStore { return store }
var _ = func(store http.RateLimitStore) RateLimitStore { return store }
var _ = func(store RateLimitRefundStore) http.RateLimitRefundStore { return store }
var _ = func(store http.RateLimitRefundStore) RateLimitRefundStore { return store }

// A sharedStore represents a store that several instances share.
type sharedStore struct {
	count int64
	err   error
}

// Increment counts.
func (s *sharedStore) Increment(_ context.Context, _ string, window time.Duration) (int64, time.Duration, error) {
	s.count++
	return s.count, window, s.err
}

func TestSharedRateLimit(t *testing.T) {
	t.Parallel()
	redisStore := &sharedStore{count: 18} // counted by another instance
	router := http.NewRouter()
	//snippet:begin docs/production.md
	auth := router.Group("/auth")
	auth.Use(http.RateLimit(http.RateLimitConfig{Limit: 20, Store: redisStore, LocalFallback: true}))
	//snippet:end
	auth.HandleFunc("POST /login", login)
	for n, want := range []int{200, 200, 429} {
		if got := testkit.Record(router, testkit.NewRequest("POST", "/auth/login", "")); got.StatusCode != want {
			t.Errorf("request %d: status %d, want %d", n+1, got.StatusCode, want)
		}
	}
	redisStore.err = errors.New("no Redis")
	if got := testkit.Record(router, testkit.NewRequest("POST", "/auth/login", "")); got.StatusCode != 200 {
		t.Errorf("without the store: status %d", got.StatusCode)
	}
}

// A process replaces package os.
type process struct{ Stdout io.Writer }

func TestLogging(t *testing.T) {
	old := slog.Default()
	defer slog.SetDefault(old)
	out := &console{t: t}
	os := process{out}
	router := http.NewRouter()
	//snippet:begin docs/production.md
	logger := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	slog.SetDefault(logger)
	router.Use(http.RequestID(http.RequestIDConfig{}))
	router.Use(http.RequestLogger(logger, http.LogSkip(func(r *http.Request) bool {
		return r.Pattern == "GET /health" || r.Pattern == "GET /metrics"
	})))
	//snippet:end
	router.HandleFunc("GET /health", hello)
	router.HandleFunc("GET /metrics", hello)
	router.HandleFunc("GET /hello", hello)
	for _, path := range []string{"/health", "/metrics", "/hello?token=secret"} {
		testkit.Serve(t, router, "GET", path, "").Want(t, 200, "hello")
	}
	slog.Info("by default")
	text := out.String()
	if strings.Count(text, "\n") != 2 || !strings.Contains(text, `"path":"/hello"`) || !strings.Contains(text, `"request_id":"`) ||
		strings.Contains(text, "secret") || !strings.Contains(text, `"msg":"by default"`) {
		t.Errorf("the log:\n%s", text)
	}
}

func TestErrorLog(t *testing.T) {
	t.Parallel()
	out := &console{t: t}
	logger := out.logger()
	router := http.NewRouter()
	router.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("spilt") })
	s := newSite(t)
	newServer := s.newServer
	//snippet:begin docs/production.md
	server := newServer(router, http.WithHTTPServer(func(s *nethttp.Server) {
		s.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelWarn)
	}))
	//snippet:end
	s.during(t, func() { mustRun(t, server) }, func(url string) {
		if res, err := http.Get(url + "/panic"); err == nil {
			t.Errorf("a panic got the response %s", res.Status)
		}
	})
	if text := out.String(); !strings.Contains(text, "level=WARN") || !strings.Contains(text, "spilt") {
		t.Errorf("the log:\n%s", text)
	}
}

func TestInternalServer(t *testing.T) {
	t.Parallel()
	metrics := http.NewMetrics()
	router := http.NewRouter()
	router.Use(metrics.Middleware())
	router.HandleFunc("GET /hello", hello)
	testkit.Serve(t, router, "GET", "/hello", "")
	ctx, log := t.Context(), &console{t: t}
	s := newSite(t)
	newServer := s.newServer
	//snippet:begin docs/production.md
	internal := http.NewRouter()
	internal.HandleFunc("GET /metrics", http.PrometheusHandler(func() []http.PrometheusMetric {
		return append(metrics.Collect(), http.RuntimeMetrics()...)
	}))
	internalServer := newServer(internal, http.WithAddr("127.0.0.1:2112"))
	if err := internalServer.Start(ctx); err != nil {
		log.Fatal(err)
	}
	//snippet:end
	client := &http.Client{Timeout: testkit.Patience}
	page := testkit.Get(t, client, "http://"+internalServer.Addr()+"/metrics").Body
	client.CloseIdleConnections()
	if err := internalServer.Stop(ctx); err != nil || log.String() != "" {
		t.Errorf("Stop: %v; logged %q", err, log)
	}
	for _, name := range []string{"http_requests_in_flight", "http_requests_total", "http_request_duration_seconds", "http_response_body_bytes_total", "go_goroutines"} {
		if !strings.Contains(page, "# TYPE "+name+" ") {
			t.Errorf("the page of metrics lacks %s", name)
		}
	}
	for _, bound := range []string{`le="0.005"`, `le="10"`} {
		if !strings.Contains(page, bound) {
			t.Errorf("the histogram has no bucket %s", bound)
		}
	}
}
