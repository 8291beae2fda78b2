package http_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	nethttp "net/http"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/shutdown"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestServerServesFromStartToStop(t *testing.T) {
	testkit.CheckLeaks(t)
	srv := http.NewServer(http.HandlerFunc(echoPath), onLoopback())
	if got := srv.Addr(); got != "127.0.0.1:0" {
		t.Errorf("Addr before Start is %q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := srv.Start(ctx); err != nil {
		t.Fatal(err)
	}
	cancel() // must not affect the running server
	addr := srv.Addr()
	if _, port, err := net.SplitHostPort(addr); err != nil || port == "0" {
		t.Errorf("Addr after Start is %q", addr)
	}
	if got := testkit.Dial(t, addr).Get("/hello").Body; got != "/hello" {
		t.Errorf("the client got %q", got)
	}
	idle := testkit.Dial(t, addr)
	idle.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	io.Copy(io.Discard, idle.ReadResponse("GET").Body)
	unused := testkit.Dial(t, addr)

	if err := testkit.Receive(t, stopLater(srv, t.Context()), "Stop"); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if !refusesConnections(addr) {
		t.Error("a stopped server accepts connections")
	}
	for _, conn := range []*testkit.Conn{idle, unused} {
		if got := conn.ReadAll(); got != "" {
			t.Errorf("a connection without a request got %q", got)
		}
	}
	if err, ok := <-srv.Err(); ok {
		t.Errorf("Err delivers %v", err)
	}
	if srv.Addr() != addr {
		t.Errorf("Addr after Stop is %q", srv.Addr())
	}
}

func TestStartReportsATakenPort(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := taken.Addr().String()
	srv := http.NewServer(http.HandlerFunc(echoPath), http.WithAddr(addr))
	err = srv.Start(t.Context())
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.HasPrefix(err.Error(), "http: start: ") || !strings.Contains(err.Error(), addr) {
		t.Fatalf("Start returns %v", err)
	}
	taken.Close()
	if err := srv.Start(t.Context()); err != nil {
		t.Fatalf("a second Start, with the port free: %v", err)
	}
	if err := srv.Stop(t.Context()); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

func TestStartReportsABadAddressAndAnEndedContext(t *testing.T) {
	t.Parallel()
	srv := http.NewServer(http.HandlerFunc(echoPath), http.WithAddr("127.0.0.1:http:80"))
	var addrErr *net.AddrError
	if err := srv.Start(t.Context()); !errors.As(err, &addrErr) {
		t.Errorf("Start with a bad address returns %v", err)
	}
	if err := srv.Start(noTime()); !errors.Is(err, context.Canceled) {
		t.Errorf("Start with an ended context returns %v", err)
	}
}

func TestStartReportsABadKeyPair(t *testing.T) {
	t.Parallel()
	certFile, keyFile, _ := testkit.KeyPair(t)
	_, otherKey, _ := testkit.KeyPair(t)
	tests := []struct {
		name, cert, key string
		is              error
	}{
		{"missing certificate", certFile + ".missing", keyFile, fs.ErrNotExist},
		{"missing key", certFile, keyFile + ".missing", fs.ErrNotExist},
		{"swapped", keyFile, certFile, nil},
		{"key of another certificate", certFile, otherKey, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := http.NewServer(http.HandlerFunc(echoPath), onLoopback(), http.WithTLS(tt.cert, tt.key))
			err := srv.Start(t.Context())
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.HasPrefix(err.Error(), "http: start: TLS key pair: ") {
				t.Errorf("Start returns %v", err)
			}
			if srv.Addr() != "127.0.0.1:0" {
				t.Errorf("a port was bound: %s", srv.Addr())
			}
		})
	}
}

func TestStartsAndStopsInEveryOrder(t *testing.T) {
	t.Parallel()
	const start, stop, badStart = "start", "stop", "bad start"
	type step struct {
		do   string
		want error
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"start twice", []step{{start, nil}, {start, http.ErrServerStarted}, {stop, nil}}},
		{"stop twice", []step{{start, nil}, {stop, nil}, {stop, nil}}},
		{"stop first", []step{{stop, nil}, {stop, nil}, {start, http.ErrServerClosed}}},
		{"start after stop", []step{{start, nil}, {stop, nil}, {start, http.ErrServerClosed}, {stop, nil}}},
		{"stop after a failed start", []step{{badStart, context.Canceled}, {stop, nil}, {start, http.ErrServerClosed}}},
		{"start after a failed start", []step{{badStart, context.Canceled}, {start, nil}, {stop, nil}}},
		{"failed start of a running server", []step{{start, nil}, {badStart, http.ErrServerStarted}, {stop, nil}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := http.NewServer(http.HandlerFunc(echoPath), onLoopback())
			for i, step := range tt.steps {
				var err error
				switch step.do {
				case start:
					err = srv.Start(t.Context())
				case badStart:
					err = srv.Start(noTime())
				case stop:
					err = srv.Stop(t.Context())
				}
				if !errors.Is(err, step.want) {
					t.Errorf("step %d, %s: got %v, want %v", i+1, step.do, err, step.want)
				}
			}
			if _, ok := <-srv.Err(); ok {
				t.Error("Err delivers an error")
			}
		})
	}
}

func TestStopOfAServerThatNeverStartedClosesItsListener(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := http.NewServer(http.HandlerFunc(echoPath), http.WithListener(l))
	if srv.Addr() != l.Addr().String() {
		t.Errorf("Addr is %s, want the listener's %s", srv.Addr(), l.Addr())
	}
	for range 2 {
		if err := srv.Stop(t.Context()); err != nil {
			t.Errorf("Stop: %v", err)
		}
	}
	if !refusesConnections(l.Addr().String()) {
		t.Error("the listener is open")
	}
}

func TestStopFromManyGoroutinesWaitsForTheSameEnd(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	begun := make(chan struct{})
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-release
		io.WriteString(w, "whole")
	}, http.WithHTTPServer(func(hs *nethttp.Server) {
		hs.RegisterOnShutdown(func() { close(begun) }) // panics if called twice
	}))
	conn := testkit.Dial(t, srv.Addr())
	conn.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	testkit.Receive(t, entered, "the handler")
	var results []<-chan error
	for range 5 {
		results = append(results, stopLater(srv, t.Context()))
	}
	testkit.Receive(t, begun, "the shutdown")
	for _, result := range results {
		select {
		case err := <-result:
			t.Errorf("Stop returned %v while a request ran", err)
		default:
		}
	}
	close(release)
	res := conn.ReadResponse("GET")
	if body, _ := io.ReadAll(res.Body); string(body) != "whole" || !res.Close {
		t.Errorf("the request got %q, and Connection: close is %t", body, res.Close)
	}
	for _, result := range results {
		if err := testkit.Receive(t, result, "Stop"); err != nil {
			t.Errorf("Stop: %v", err)
		}
	}
}

func TestStopCutsWhatDoesNotEndAndSaysWhat(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 3)
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			shutdown.OpenStream(r.Context(), nil)
			entered <- struct{}{}
			<-r.Context().Done() // but do not return
		}
		entered <- struct{}{}
		<-t.Context().Done()
	})
	for _, path := range []string{"/slow", "/stream"} {
		conn := testkit.Dial(t, srv.Addr())
		conn.Send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
		testkit.Receive(t, entered, path)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := stopLater(srv, ctx)
	testkit.Receive(t, entered, "the cancellation of the stream")
	cancel()
	err := testkit.Receive(t, result, "Stop")
	const want = "http: stop: aborted 2 connections, 1 request (GET unmatched: 1), 1 event stream (GET unmatched: 1): context canceled"
	if !errors.Is(err, context.Canceled) || err.Error() != want {
		t.Errorf("Stop returns %v\nwant %s", err, want)
	}
}

// Stop ends event streams and WebSockets, and waits for a slow request. All of
// them pass through the documented chain of middleware.
func TestStopEndsLongLivedExchanges(t *testing.T) {
	testkit.CheckLeaks(t)
	entered, release := make(chan string, 2), make(chan struct{})
	router := http.NewRouter()
	router.Use(documentedChain())
	router.HandleFunc("GET /stream", func(w http.ResponseWriter, r *http.Request) {
		events := http.NewSSEWriter(w)
		entered <- "stream"
		<-r.Context().Done()
		if err := events.Data("goodbye"); err != nil {
			t.Errorf("the last event: %v", err)
		}
	})
	router.HandleFunc("GET /socket", echo(&http.Upgrader{}))
	router.HandleFunc("GET /slow", func(w http.ResponseWriter, r *http.Request) {
		entered <- "slow"
		<-release
		if err := r.Context().Err(); err != nil {
			t.Errorf("the slow request's context ended: %v", err)
		}
		io.WriteString(w, "finished")
	})
	srv := startServer(t, router.ServeHTTP)
	conns := map[string]*testkit.Conn{}
	socket := dialWS(t, "ws://"+srv.Addr()+"/socket", nil)
	for _, name := range []string{"stream", "slow"} {
		conns[name] = testkit.Dial(t, srv.Addr())
		conns[name].Send("GET /" + name + " HTTP/1.1\r\nHost: x\r\n\r\n")
		testkit.Receive(t, entered, name)
	}
	result := stopLater(srv, t.Context())
	if got := conns["stream"].ReadAll(); !strings.HasSuffix(got, "data: goodbye\n\n\r\n0\r\n\r\n") {
		t.Errorf("the stream ended with %q", got)
	}
	_, _, err := socket.ReadMessage() // answers the close frame
	if closed, ok := errors.AsType[*http.CloseError](err); !ok || closed.Code != http.CloseGoingAway {
		t.Errorf("the socket was told %v", err)
	}
	close(release)
	if got := conns["slow"].ReadAll(); !strings.HasSuffix(got, "finished") {
		t.Errorf("the slow request got %q", got)
	}
	if err := testkit.Receive(t, result, "Stop"); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

// A brokenListener fails in the first call of Accept.
type brokenListener struct{ net.Listener }

var errBroken = errors.New("the listener broke")

func (brokenListener) Accept() (net.Conn, error) { return nil, errBroken }

func listenBroken(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return brokenListener{l}
}

func TestErrReceivesAServingFailure(t *testing.T) {
	testkit.CheckLeaks(t)
	l := listenBroken(t)
	srv := http.NewServer(http.HandlerFunc(echoPath), http.WithListener(l))
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := testkit.Receive(t, srv.Err(), "the failure"); !errors.Is(err, errBroken) {
		t.Errorf("Err delivers %v", err)
	}
	if err := srv.Stop(t.Context()); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if err, ok := <-srv.Err(); ok {
		t.Errorf("Err delivers %v as well", err)
	}
}

// Without the cipher suite that HTTP/2 requires, net/http does not start to serve.
func TestErrReceivesTheErrorOfABadTLSConfig(t *testing.T) {
	t.Parallel()
	certFile, keyFile, _ := testkit.KeyPair(t)
	srv := startServer(t, echoPath, http.WithTLS(certFile, keyFile), http.WithHTTPServer(func(hs *nethttp.Server) {
		hs.TLSConfig = &tls.Config{
			MinVersion:   tls.VersionTLS12,
			CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256},
		}
	}))
	if err := testkit.Receive(t, srv.Err(), "the failure"); err == nil || !strings.Contains(err.Error(), "CipherSuites") {
		t.Errorf("Err delivers %v", err)
	}
	if !refusesConnections(srv.Addr()) {
		t.Error("the listener is open")
	}
}

func TestRunReturnsAServingFailure(t *testing.T) {
	testkit.CheckLeaks(t)
	srv := http.NewServer(http.HandlerFunc(echoPath), http.WithListener(listenBroken(t)))
	err := srv.Run(t.Context())
	if !errors.Is(err, errBroken) || err.Error() != "http: serve: the listener broke" {
		t.Errorf("Run returns %v", err)
	}
}

func TestRunReturnsAFailedStart(t *testing.T) {
	t.Parallel()
	srv := http.NewServer(http.HandlerFunc(echoPath), onLoopback(), http.WithTLS("missing", "missing"))
	if err := srv.Run(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Run returns %v", err)
	}
}

func TestRunStopsAllServersTogether(t *testing.T) {
	testkit.CheckLeaks(t)
	for _, end := range []string{"context", "stop"} {
		t.Run(end, func(t *testing.T) {
			var servers []*http.Server
			for range 3 {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				servers = append(servers, http.NewServer(http.HandlerFunc(echoPath), http.WithListener(l)))
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			result := make(chan error, 1)
			go func() { result <- http.Run(ctx, servers...) }()
			for _, srv := range servers {
				if got := testkit.Dial(t, srv.Addr()).Get("/up").Body; got != "/up" {
					t.Errorf("the server answered %q", got)
				}
			}
			if end == "context" {
				cancel()
			} else if err := servers[1].Stop(t.Context()); err != nil {
				t.Errorf("Stop: %v", err)
			}
			if err := testkit.Receive(t, result, "Run"); err != nil {
				t.Errorf("Run returns %v", err)
			}
			for _, srv := range servers {
				if !refusesConnections(srv.Addr()) {
					t.Errorf("%s accepts connections", srv.Addr())
				}
			}
		})
	}
}

func TestRunStopsTheOthersIfOneServerCannotStart(t *testing.T) {
	testkit.CheckLeaks(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	handler := http.HandlerFunc(echoPath)
	first := http.NewServer(handler, onLoopback(), http.WithDrainDelay(time.Hour))
	second := http.NewServer(handler, http.WithAddr(taken.Addr().String()))
	third := http.NewServer(handler, onLoopback())
	err = http.Run(t.Context(), first, second, third)
	want := "(server " + taken.Addr().String() + ")"
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), want) {
		t.Errorf("Run returns %v, want it to contain %s", err, want)
	}
	if err := first.Start(t.Context()); !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("the first server was not stopped: Start returns %v", err)
	}
	for _, srv := range []*http.Server{second, third} { // neither was started
		if err := srv.Stop(t.Context()); err != nil {
			t.Errorf("Stop: %v", err)
		}
	}
}

func TestRunNamesTheServersThatFail(t *testing.T) {
	testkit.CheckLeaks(t)
	handler := http.HandlerFunc(echoPath)
	first := http.NewServer(handler, onLoopback())
	second := http.NewServer(handler, http.WithListener(listenBroken(t)), http.WithDrainDelay(time.Hour))
	err := http.Run(t.Context(), first, second)
	want := "http: serve: the listener broke (server " + second.Addr() + ")"
	if !errors.Is(err, errBroken) || err.Error() != want {
		t.Errorf("Run returns %v, want %s", err, want)
	}
}

// runLater calls Run in the background and waits until the server responds.
func runLater(t *testing.T, srv *http.Server, ctx context.Context, l net.Listener) <-chan error {
	t.Helper()
	result := make(chan error, 1)
	go func() { result <- srv.Run(ctx) }()
	if got := testkit.Dial(t, l.Addr().String()).Get("/up").Body; got != "/up" {
		t.Errorf("the server answered %q", got)
	}
	return result
}

func TestRunEndsWellWithItsContextOrAStop(t *testing.T) {
	testkit.CheckLeaks(t)
	for _, end := range []string{"context", "stop"} {
		t.Run(end, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			srv := http.NewServer(http.HandlerFunc(echoPath), http.WithListener(l))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			result := runLater(t, srv, ctx, l)
			if end == "context" {
				cancel()
			} else if err := srv.Stop(t.Context()); err != nil {
				t.Errorf("Stop: %v", err)
			}
			if err := testkit.Receive(t, result, "Run"); err != nil {
				t.Errorf("Run returns %v", err)
			}
		})
	}
}

func TestRunCutsWhatOutlastsTheDrainTimeout(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered := make(chan struct{})
	srv := http.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/up" {
			io.WriteString(w, "/up")
			return
		}
		close(entered)
		<-r.Context().Done()
	}), http.WithListener(l), http.WithDrainTimeout(time.Millisecond))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := runLater(t, srv, ctx, l)
	testkit.Dial(t, srv.Addr()).Send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	testkit.Receive(t, entered, "the handler")
	cancel()
	err = testkit.Receive(t, result, "Run")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "aborted 1 connection, 1 request") {
		t.Errorf("Run returns %v", err)
	}
}

// tlsClient returns a client that trusts pool and prefers HTTP/2.
func tlsClient(t *testing.T, pool *x509.CertPool) *nethttp.Client {
	transport := &nethttp.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool},
		ForceAttemptHTTP2: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &nethttp.Client{Transport: transport, Timeout: testkit.Patience}
}

func TestTLSServesHTTP2(t *testing.T) {
	t.Parallel()
	certFile, keyFile, pool := testkit.KeyPair(t)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	shared := &tls.Config{MinVersion: tls.VersionTLS13}
	tests := []struct {
		name string
		opts []http.ServerOption
	}{
		{"files", []http.ServerOption{http.WithTLS(certFile, keyFile)}},
		{"files and a TLSConfig", []http.ServerOption{http.WithTLS(certFile, keyFile),
			http.WithHTTPServer(func(hs *nethttp.Server) { hs.TLSConfig = shared })}},
		{"TLSConfig", []http.ServerOption{http.WithTLS("", ""), http.WithHTTPServer(func(hs *nethttp.Server) {
			hs.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
		})}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := startServer(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }, tt.opts...)
			testkit.Get(t, tlsClient(t, pool), "https://"+srv.Addr()).Want(t, 200, "HTTP/2.0")
			if err := testkit.Receive(t, stopLater(srv, t.Context()), "Stop"); err != nil {
				t.Errorf("Stop: %v", err)
			}
		})
	}
	t.Cleanup(func() {
		if len(shared.Certificates) > 0 || len(shared.NextProtos) > 0 {
			t.Error("the user's own TLSConfig was changed")
		}
	})
}

func TestStreamEndsAndSlowRequestFinishesOnOneHTTP2Connection(t *testing.T) {
	testkit.CheckLeaks(t)
	certFile, keyFile, pool := testkit.KeyPair(t)
	peers, release := make(chan string, 2), make(chan struct{})
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		peers <- r.RemoteAddr
		if r.URL.Path == "/stream" {
			events := http.NewSSEWriter(w)
			<-r.Context().Done()
			if err := events.Data("goodbye"); err != nil {
				t.Errorf("the last event: %v", err)
			}
			return
		}
		<-release
		if err := r.Context().Err(); err != nil {
			t.Errorf("the slow request's context ended: %v", err)
		}
		io.WriteString(w, "finished")
	}, http.WithTLS(certFile, keyFile))

	client := tlsClient(t, pool)
	bodies := map[string]chan string{"/slow": make(chan string, 1), "/stream": make(chan string, 1)}
	var seen []string
	for _, path := range []string{"/slow", "/stream"} {
		go func() {
			res, err := testkit.Send(client, testkit.NewRequest("GET", "https://"+srv.Addr()+path, ""))
			if err != nil {
				bodies[path] <- err.Error()
				return
			}
			bodies[path] <- res.Body
		}()
		seen = append(seen, testkit.Receive(t, peers, path))
	}
	if seen[0] != seen[1] {
		t.Fatalf("the requests came on two connections, %v", seen)
	}
	result := stopLater(srv, t.Context())
	if got := testkit.Receive(t, bodies["/stream"], "the stream's end"); got != "data: goodbye\n\n" {
		t.Errorf("the stream got %q", got)
	}
	close(release)
	if got := testkit.Receive(t, bodies["/slow"], "the slow response"); got != "finished" {
		t.Errorf("the slow request got %q", got)
	}
	if err := testkit.Receive(t, result, "Stop"); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

func TestOptionsSetTheServerUnderneath(t *testing.T) {
	t.Parallel()
	type settings struct {
		Addr                                string
		Read, ReadHeader, Write, Idle       time.Duration
		MaxHeaderBytes                      int
		TLSConfig, ConnContext, BaseContext bool
	}
	defaults := settings{":8080", 15 * time.Second, 5 * time.Second, 15 * time.Second, 60 * time.Second, 0, false, false, false}
	tests := []struct {
		name string
		opts []http.ServerOption
		want func(*settings)
	}{
		{"none", nil, func(*settings) {}},
		{"all", []http.ServerOption{
			http.WithAddr("localhost:1"), http.WithReadTimeout(2), http.WithReadHeaderTimeout(3),
			http.WithWriteTimeout(4), http.WithIdleTimeout(5), http.WithMaxHeaderBytes(6),
		}, func(s *settings) { *s = settings{"localhost:1", 2, 3, 4, 5, 6, false, false, false} }},
		{"no limits", []http.ServerOption{
			http.WithReadTimeout(0), http.WithReadHeaderTimeout(0), http.WithWriteTimeout(0), http.WithIdleTimeout(0),
		}, func(s *settings) { s.Read, s.ReadHeader, s.Write, s.Idle = 0, -1, 0, -1 }},
		{"the later wins", []http.ServerOption{http.WithAddr(":1"), http.WithAddr(":2")},
			func(s *settings) { s.Addr = ":2" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := defaults
			tt.want(&want)
			var got settings
			look := http.WithHTTPServer(func(hs *nethttp.Server) {
				got = settings{hs.Addr, hs.ReadTimeout, hs.ReadHeaderTimeout, hs.WriteTimeout, hs.IdleTimeout,
					hs.MaxHeaderBytes, hs.TLSConfig != nil, hs.ConnContext != nil, hs.BaseContext != nil}
			})
			// Options that come later are applied before it is called.
			http.NewServer(http.HandlerFunc(echoPath), append([]http.ServerOption{look}, tt.opts...)...)
			if got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestWithHTTPServerHasTheLastWordAndIsHeardEverywhere(t *testing.T) {
	t.Parallel()
	type key string
	states := make(chan http.ConnState, 10)
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Context().Value(key("base")), r.Context().Value(key("conn")), w.Header().Get("X-Wrapped"))
	}, http.WithAddr("256.256.256.256:0"), http.WithHTTPServer(func(hs *nethttp.Server) {
		inner := hs.Handler
		hs.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Wrapped", "handler")
			inner.ServeHTTP(w, r)
		})
		hs.Addr = "127.0.0.1:0"
		hs.BaseContext = func(net.Listener) context.Context {
			return context.WithValue(context.Background(), key("base"), "base,")
		}
		hs.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, key("conn"), "conn,")
		}
		hs.ConnState = func(_ net.Conn, state http.ConnState) { states <- state }
	}))
	if got := testkit.Dial(t, srv.Addr()).Get("/").Body; got != "base,conn,handler" {
		t.Errorf("the handler saw %q", got)
	}
	if got := testkit.Receive(t, states, "the connection's state"); got != http.StateNew {
		t.Errorf("the first state is %v", got)
	}
}

func TestUnencryptedHTTP2CanBeTurnedOnAndDrains(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		shutdown.OpenStream(r.Context(), nil)
		close(entered)
		<-r.Context().Done()
		io.WriteString(w, r.Proto)
	}, http.WithHTTPServer(func(hs *nethttp.Server) {
		hs.Protocols = new(nethttp.Protocols)
		hs.Protocols.SetUnencryptedHTTP2(true)
	}))
	transport := &nethttp.Transport{Protocols: new(nethttp.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	body := make(chan string, 1)
	go func() {
		res, err := testkit.Send(&nethttp.Client{Transport: transport}, testkit.NewRequest("GET", "http://"+srv.Addr(), ""))
		if err != nil {
			body <- err.Error()
			return
		}
		body <- res.Body
	}()
	testkit.Receive(t, entered, "the handler")
	result := stopLater(srv, t.Context())
	if got := testkit.Receive(t, body, "the response"); got != "HTTP/2.0" {
		t.Errorf("the client got %q", got)
	}
	if err := testkit.Receive(t, result, "Stop"); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

func TestWithListenerServesAUnixSocket(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no Unix sockets")
	}
	dir, err := os.MkdirTemp("", "http") // the path of t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := startServer(t, echoPath, http.WithListener(l))
	if srv.Addr() != path {
		t.Errorf("Addr is %q, want %q", srv.Addr(), path)
	}
	raw, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	conn := testkit.Wrap(t, raw)
	conn.Send("GET /unix HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if got := conn.ReadAll(); !strings.HasSuffix(got, "/unix") {
		t.Errorf("the client got %q", got)
	}
}

func TestBadSettingsPanicWithTheUsersLine(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(echoPath)
	certified := http.WithHTTPServer(func(hs *nethttp.Server) {
		hs.TLSConfig = &tls.Config{Certificates: make([]tls.Certificate, 1)}
	})
	tests := []struct {
		want string
		make func()
	}{
		{"NewServer: option 1 is nil; option 3 is nil; the handler is nil; " +
			"WithTLS has no files, and TLSConfig has no certificates; set one of them", func() {
			http.NewServer(nil, nil, http.WithTLS("", ""), nil)
		}},
		{"NewServer: the handler is nil", func() { http.NewServer(nil) }},
		{"NewServer: the handler is nil", func() { http.NewServer(http.HandlerFunc(nil)) }},
		{"NewServer: the handler is nil", func() {
			http.NewServer(handler, http.WithHTTPServer(func(hs *nethttp.Server) { hs.Handler = nil }))
		}},
		{"NewServer: option 2 is nil", func() { http.NewServer(handler, onLoopback(), nil) }},
		{"WithAddr: the address is empty", func() { http.WithAddr("") }},
		{"WithListener: the listener is nil", func() { http.WithListener(nil) }},
		{`WithTLS: certificate "c.pem" and key "": one name is empty; set both or neither`, func() { http.WithTLS("c.pem", "") }},
		{`WithTLS: certificate "" and key "k.pem": one name is empty; set both or neither`, func() { http.WithTLS("", "k.pem") }},
		{"NewServer: WithTLS has no files, and TLSConfig has no certificates; set one of them", func() { http.NewServer(handler, http.WithTLS("", "")) }},
		{`NewServer: TLSConfig has certificates, but the server does not use TLS; add WithTLS("", "")`,
			func() { http.NewServer(handler, certified) }},
		{"WithReadTimeout: -1s is negative", func() { http.WithReadTimeout(-time.Second) }},
		{"WithReadHeaderTimeout: -1s is negative", func() { http.WithReadHeaderTimeout(-time.Second) }},
		{"WithWriteTimeout: -1s is negative", func() { http.WithWriteTimeout(-time.Second) }},
		{"WithIdleTimeout: -1s is negative", func() { http.WithIdleTimeout(-time.Second) }},
		{"WithMaxHeaderBytes: 0 is not positive", func() { http.WithMaxHeaderBytes(0) }},
		{"WithDrainDelay: -1s is negative", func() { http.WithDrainDelay(-time.Second) }},
		{"Server.OnDrain: the function is nil", func() { http.NewServer(handler).OnDrain(nil) }},
		{"Run: there is no server to run", func() { http.Run(t.Context()) }},
		{"Run: server 2 of 2 is nil", func() { http.Run(t.Context(), http.NewServer(handler), nil) }},
		{"Run: server 3 is the same as server 1", func() {
			a, b := http.NewServer(handler), http.NewServer(handler)
			http.Run(t.Context(), a, b, a)
		}},
		{"WithDrainTimeout: 0s is not positive", func() { http.WithDrainTimeout(0) }},
		{"WithHTTPServer: the function is nil", func() { http.WithHTTPServer(nil) }},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			wantPanic(t, tt.want, tt.make)
		})
	}
}

// In the trace of a panic, each frame of this module has the name of a method.
func TestFramesUnderAServerAreNamed(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var anonymous []string
	look := func() {
		var pcs [64]uintptr
		frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs[:])])
		for frame, more := frames.Next(); more; frame, more = frames.Next() {
			ours := strings.Contains(frame.Function, "stanza-go/framework") && !strings.HasSuffix(frame.File, "_test.go")
			if ours && strings.Contains(frame.Function, ".func") {
				mu.Lock()
				anonymous = append(anonymous, frame.Function)
				mu.Unlock()
			}
		}
	}
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		look()
		panic(http.ErrAbortHandler)
	}, http.WithHTTPServer(func(hs *nethttp.Server) {
		hs.ConnState = func(net.Conn, http.ConnState) { look() }
		hs.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
			look()
			return ctx
		}
	}))
	conn := testkit.Dial(t, srv.Addr())
	conn.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	conn.ReadAll()
	if err := testkit.Receive(t, stopLater(srv, t.Context()), "Stop"); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if len(anonymous) > 0 {
		t.Errorf("anonymous frames: %q", anonymous)
	}
}

func TestAServerWithoutNewServerPanicsInEveryMethod(t *testing.T) {
	t.Parallel()
	calls := map[string]func(*http.Server){
		"Addr":    func(s *http.Server) { s.Addr() },
		"Err":     func(s *http.Server) { s.Err() },
		"OnDrain": func(s *http.Server) { s.OnDrain(func(context.Context) {}) },
		"Run":     func(s *http.Server) { s.Run(t.Context()) },
		"Start":   func(s *http.Server) { s.Start(t.Context()) },
		"Stop":    func(s *http.Server) { s.Stop(t.Context()) },
	}
	for method := range reflect.TypeFor[*http.Server]().Methods() {
		for name, srv := range map[string]*http.Server{"zero": new(http.Server), "nil": nil} {
			t.Run(method.Name+" "+name, func(t *testing.T) {
				t.Parallel()
				wantPanic(t, "Server used without NewServer; create it with NewServer(handler, options...)",
					func() { calls[method.Name](srv) })
			})
		}
	}
}
