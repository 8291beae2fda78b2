package shutdown_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/shutdown"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A fixture is a server with a registry, and channels for its events.
type fixture struct {
	*testkit.Server
	reg   *shutdown.Registry
	begun chan struct{} // closed when net/http starts to shut down
	news  chan net.Conn // connections that have just been accepted
	idles chan net.Conn // connections that have just become idle
}

// attach returns a registry for a server, and makes the server's handler count the
// requests.
func attach(hs *http.Server) *shutdown.Registry {
	reg := shutdown.Attach(hs)
	hs.Handler = counting{hs.Handler, reg}
	return reg
}

// A counting handler counts the requests of next in a registry.
type counting struct {
	next http.Handler
	reg  *shutdown.Registry
}

func (h counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := h.reg.Begin(r)
	defer call.End()
	h.next.ServeHTTP(w, call.Request)
}

func start(t *testing.T, protocol testkit.Protocol, handler http.HandlerFunc) *fixture {
	t.Helper()
	f := &fixture{begun: make(chan struct{}), news: make(chan net.Conn, 16), idles: make(chan net.Conn, 16)}
	f.Server = testkit.StartServer(t, protocol, handler, func(hs *http.Server) {
		hs.RegisterOnShutdown(func() { close(f.begun) })
		hs.ConnState = func(c net.Conn, state http.ConnState) {
			to := map[http.ConnState]chan net.Conn{http.StateNew: f.news, http.StateIdle: f.idles}[state]
			select {
			case to <- c:
			default: // not interesting, or more than tests wait for
			}
		}
		f.reg = attach(hs)
	})
	return f
}

// drain calls Drain in the background. The channel receives the result.
func (f *fixture) drain(ctx context.Context) <-chan error {
	result := make(chan error, 1)
	go func() { result <- f.reg.Drain(ctx) }()
	return result
}

// get sends a request in the background. The channel receives the body or the
// error.
func (f *fixture) get(path string) <-chan string {
	result := make(chan string, 1)
	go func() {
		res, err := f.Client().Get(f.URL + path)
		if err != nil {
			result <- "error: " + err.Error()
			return
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			result <- fmt.Sprintf("%s, then error: %v", body, err)
			return
		}
		result <- string(body)
	}()
	return result
}

func eachProtocol(t *testing.T, test func(t *testing.T, protocol testkit.Protocol)) {
	for _, protocol := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
		t.Run(string(protocol), func(t *testing.T) {
			t.Parallel()
			test(t, protocol)
		})
	}
}

// openStream registers the request with context ctx as an event stream without
// slow writes.
func openStream(ctx context.Context) *shutdown.Stream { return shutdown.OpenStream(ctx, nil) }

func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestDrainingAnUnusedServerSucceedsEvenWithoutTime(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, protocol testkit.Protocol) {
		f := start(t, protocol, func(http.ResponseWriter, *http.Request) {})
		for range 2 {
			if err := f.reg.Drain(ended()); err != nil {
				t.Errorf("Drain: %v", err)
			}
		}
	})
}

func TestIdleConnectionsDoNotFailADrainWithoutTime(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, protocol testkit.Protocol) {
		f := start(t, protocol, func(http.ResponseWriter, *http.Request) {})
		testkit.Receive(t, f.get("/"), "a response")
		testkit.Receive(t, f.idles, "the connection to become idle")
		if protocol == testkit.HTTP2 { // HTTP/2 is idle before and after the first request
			testkit.Receive(t, f.idles, "the connection to become idle")
		}
		if err := f.reg.Drain(ended()); err != nil {
			t.Errorf("Drain: %v", err)
		}
	})
}

func TestConnectionsWithoutAWholeRequestAreClosedAtOnce(t *testing.T) {
	t.Parallel()
	for _, sent := range []string{"", "GET / HTTP/1.1\r\nHos"} {
		t.Run(fmt.Sprintf("%q", sent), func(t *testing.T) {
			t.Parallel()
			f := start(t, testkit.HTTP1, func(http.ResponseWriter, *http.Request) {})
			conn := testkit.Dial(t, f.Addr())
			conn.Send(sent)
			testkit.Receive(t, f.news, "the connection")
			if err := testkit.Receive(t, f.drain(t.Context()), "the drain"); err != nil {
				t.Errorf("Drain: %v", err)
			}
			if got := conn.ReadAll(); got != "" {
				t.Errorf("the server answered %q", got)
			}
		})
	}
}

func TestIdleKeepAliveConnectionIsClosed(t *testing.T) {
	t.Parallel()
	f := start(t, testkit.HTTP1, func(http.ResponseWriter, *http.Request) {})
	conn := testkit.Dial(t, f.Addr())
	conn.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	conn.ReadResponse("GET")
	testkit.Receive(t, f.idles, "the connection to become idle")
	if err := testkit.Receive(t, f.drain(t.Context()), "the drain"); err != nil {
		t.Errorf("Drain: %v", err)
	}
	if got := conn.ReadAll(); got != "" {
		t.Errorf("the server sent %q at the end", got)
	}
}

func TestRunningRequestFinishesUndisturbed(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, protocol testkit.Protocol) {
		entered, release := make(chan struct{}), make(chan struct{})
		f := start(t, protocol, func(w http.ResponseWriter, r *http.Request) {
			close(entered)
			<-release
			if err := r.Context().Err(); err != nil {
				t.Errorf("the request's context ended: %v", err)
			}
			io.WriteString(w, "whole")
		})
		body := f.get("/")
		testkit.Receive(t, entered, "the handler")
		result := f.drain(t.Context())
		testkit.Receive(t, f.begun, "the shutdown")
		select {
		case err := <-result:
			t.Fatalf("Drain returned %v before the request was done", err)
		default:
		}
		close(release)
		if got := testkit.Receive(t, body, "the response"); got != "whole" {
			t.Errorf("the client got %q", got)
		}
		if err := testkit.Receive(t, result, "the drain"); err != nil {
			t.Errorf("Drain: %v", err)
		}
	})
}

func TestStreamIsCancelledWhileASlowRequestFinishes(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, protocol testkit.Protocol) {
		peers, release := make(chan string, 2), make(chan struct{})
		f := start(t, protocol, func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/stream":
				// Middleware may have derived contexts.
				ctx := context.WithValue(r.Context(), http.ServerContextKey, "other")
				for range 2 { // the second call returns the same stream
					if openStream(ctx) == nil {
						t.Error("OpenStream found no registry")
					}
				}
				peers <- r.RemoteAddr
				<-r.Context().Done()
				io.WriteString(w, "goodbye")
			case "/slow":
				peers <- r.RemoteAddr
				<-release
				if err := r.Context().Err(); err != nil {
					t.Errorf("the slow request's context ended: %v", err)
				}
				io.WriteString(w, "done")
			}
		})
		slow := f.get("/slow")
		first := testkit.Receive(t, peers, "the slow handler")
		stream := f.get("/stream")
		second := testkit.Receive(t, peers, "the stream")
		if (first == second) != (protocol == testkit.HTTP2) {
			t.Fatalf("connections are %s and %s", first, second)
		}
		result := f.drain(t.Context())
		if got := testkit.Receive(t, stream, "the stream's end"); got != "goodbye" {
			t.Errorf("the stream ended with %q", got)
		}
		close(release)
		if got := testkit.Receive(t, slow, "the slow response"); got != "done" {
			t.Errorf("the slow request got %q", got)
		}
		if err := testkit.Receive(t, result, "the drain"); err != nil {
			t.Errorf("Drain: %v", err)
		}
	})
}

func TestConnectionIsUsableAfterAStreamHasEndedByItself(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, protocol testkit.Protocol) {
		var peers sync.Map
		release := make(chan struct{})
		entered := make(chan struct{})
		f := start(t, protocol, func(w http.ResponseWriter, r *http.Request) {
			peers.Store(r.RemoteAddr, true)
			if r.URL.Path == "/stream" {
				openStream(r.Context())
				return
			}
			close(entered)
			<-release
			if err := r.Context().Err(); err != nil {
				t.Errorf("the drain canceled the stream's successor: %v", err)
			}
		})
		testkit.Receive(t, f.get("/stream"), "the stream")
		f.get("/plain")
		testkit.Receive(t, entered, "the handler")
		result := f.drain(t.Context())
		testkit.Receive(t, f.begun, "the shutdown")
		close(release)
		if err := testkit.Receive(t, result, "the drain"); err != nil {
			t.Errorf("Drain: %v", err)
		}
		n := 0
		peers.Range(func(any, any) bool { n++; return true })
		if n != 1 {
			t.Errorf("the requests used %d connections", n)
		}
	})
}

// hijack takes over the connection of a request, like an upgrade.
func hijack(t *testing.T, w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Errorf("hijack: %v", err)
		panic(http.ErrAbortHandler)
	}
	return conn
}

const upgrade = "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n\r\n"

func TestExchangeIsStoppedAndWaitedFor(t *testing.T) {
	t.Parallel()
	stopped, entered := make(chan int, 10), make(chan struct{})
	f := start(t, testkit.HTTP1, func(w http.ResponseWriter, r *http.Request) {
		conn := hijack(t, w)
		defer conn.Close()
		remove := shutdown.AddWebSocket(r.Context(), func(ctx context.Context) {
			stopped <- 1
			io.WriteString(conn, "going away")
		})
		close(entered)
		io.ReadAll(conn)
		remove()
		remove()
	})
	client := testkit.Dial(t, f.Addr())
	client.Send(upgrade)
	testkit.Receive(t, entered, "the handler")
	result := f.drain(t.Context())
	b := make([]byte, len("going away"))
	if _, err := io.ReadFull(client, b); err != nil || string(b) != "going away" {
		t.Errorf("the peer was told %q, %v", b, err)
	}
	client.Close()
	if err := testkit.Receive(t, result, "the drain"); err != nil {
		t.Errorf("Drain: %v", err)
	}
	if n := len(stopped); n != 1 {
		t.Errorf("stop was called %d times", n)
	}
}

func TestExchangeThatHasEndedIsNotStopped(t *testing.T) {
	t.Parallel()
	f := start(t, testkit.HTTP1, func(w http.ResponseWriter, r *http.Request) {
		shutdown.AddWebSocket(r.Context(), func(context.Context) { t.Error("stop was called") })()
	})
	testkit.Receive(t, f.get("/"), "the response")
	if err := testkit.Receive(t, f.drain(t.Context()), "the drain"); err != nil {
		t.Errorf("Drain: %v", err)
	}
}

func TestHijackedConnectionOutlivesTheServersShutdown(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	f := start(t, testkit.HTTP1, func(w http.ResponseWriter, r *http.Request) {
		conn := hijack(t, w)
		defer conn.Close()
		close(entered)
		<-release
		if err := r.Context().Err(); err != nil {
			t.Errorf("the context of the hijacked request ended: %v", err)
		}
		io.WriteString(conn, "last words")
	})
	client := testkit.Dial(t, f.Addr())
	client.Send(upgrade)
	testkit.Receive(t, entered, "the handler")
	result := f.drain(t.Context())
	testkit.Receive(t, f.begun, "the shutdown")
	close(release)
	if got := client.ReadAll(); got != "last words" {
		t.Errorf("the peer got %q", got)
	}
	if err := testkit.Receive(t, result, "the drain"); err != nil {
		t.Errorf("Drain: %v", err)
	}
}

func TestWhatDoesNotEndIsCutAndCounted(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 10)
	release := make(chan struct{})
	canceled := make(chan string, 10)
	f := start(t, testkit.HTTP1, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/websocket":
			hijack(t, w)
			shutdown.AddWebSocket(r.Context(), func(context.Context) {})
		case "/hijack":
			hijack(t, w)
		case "/stream":
			openStream(r.Context())
		}
		entered <- struct{}{}
		if r.URL.Path != "/stream" {
			<-r.Context().Done()
			canceled <- r.URL.Path
		}
		<-release
	})
	t.Cleanup(func() { close(release) }) // runs before the cleanup of the server, which waits for handlers
	var clients []*testkit.Conn
	for _, path := range []string{"/websocket", "/hijack", "/stream", "/stream", "/slow"} {
		conn := testkit.Dial(t, f.Addr())
		conn.Send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
		testkit.Receive(t, entered, path)
		clients = append(clients, conn)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := f.drain(ctx)
	testkit.Receive(t, f.begun, "the shutdown")
	cancel()
	err := testkit.Receive(t, result, "the drain")
	want := "aborted 5 connections, 1 request, 1 WebSocket, 2 event streams: context canceled"
	if err == nil || err.Error() != want || !errors.Is(err, context.Canceled) {
		t.Errorf("Drain returns %v, want %s", err, want)
	}
	for range 3 {
		testkit.Receive(t, canceled, "a request's context to end")
	}
	for _, conn := range clients {
		if got := conn.ReadAll(); got != "" {
			t.Errorf("a cut connection got %q", got)
		}
	}
	if again := f.reg.Drain(ended()); again == nil || again.Error() != want {
		t.Errorf("a second Drain returns %v", again)
	}
}

func TestCutStreamsOfHTTP2AreCancelledAndCounted(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 10)
	f := start(t, testkit.HTTP2, func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // otherwise the client may still get an empty response
	})
	bodies := []<-chan string{f.get("/"), f.get("/")}
	for range bodies {
		testkit.Receive(t, entered, "the handler")
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := f.drain(ctx)
	testkit.Receive(t, f.begun, "the shutdown")
	cancel()
	// The handlers return when their contexts are canceled, after the counting.
	if err := testkit.Receive(t, result, "the drain"); err == nil || !strings.Contains(err.Error(), "2 requests") {
		t.Errorf("Drain returns %v, want it to count 2 requests", err)
	}
	for _, body := range bodies {
		if got := testkit.Receive(t, body, "the end of a request"); !strings.HasPrefix(got, "error: ") {
			t.Errorf("a cut request got %q", got)
		}
	}
}

func TestTheFirstContextToEndCutsForAllCallers(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	f := start(t, testkit.HTTP1, func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-release // ignores the context
	})
	t.Cleanup(func() { close(release) })
	f.get("/")
	testkit.Receive(t, entered, "the handler")
	patient := f.drain(t.Context())
	testkit.Receive(t, f.begun, "the shutdown")
	hasty := f.drain(ended())
	first, second := testkit.Receive(t, hasty, "the hasty drain"), testkit.Receive(t, patient, "the patient drain")
	if first == nil || second == nil || first.Error() != second.Error() {
		t.Errorf("results differ: %v and %v", first, second)
	}
}

// A stalledConn is like a TLS connection whose peer does not read: Close blocks
// while the innermost connection is open.
type stalledConn struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

func (c *stalledConn) NetConn() net.Conn { return underneath{c.Conn, c} }
func (c *stalledConn) Close() error      { <-c.closed; return nil }

// underneath has no NetConn method: it is the innermost connection.
type underneath struct {
	net.Conn
	outer *stalledConn
}

func (c underneath) Close() error {
	c.outer.once.Do(func() { close(c.outer.closed) })
	return c.Conn.Close()
}

// A pipeListener accepts the connections that are sent to it.
type pipeListener chan net.Conn

func (l pipeListener) Addr() net.Addr { return &net.UnixAddr{} }
func (l pipeListener) Close() error   { close(l); return nil }
func (l pipeListener) Accept() (net.Conn, error) {
	conn, ok := <-l
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func TestStalledPeersDoNotHoldUpTheDrain(t *testing.T) {
	t.Parallel()
	for name, timeout := range map[string]time.Duration{"with time": time.Hour, "without time": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				hs := &http.Server{Handler: http.NotFoundHandler()}
				reg := attach(hs)
				l := make(pipeListener)
				go hs.Serve(l)
				for range 3 {
					client, server := net.Pipe()
					defer client.Close()
					l <- &stalledConn{Conn: server, closed: make(chan struct{})}
					io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
					go io.Copy(io.Discard, client)
				}
				synctest.Wait() // the connections are idle
				ctx, cancel := context.WithTimeout(t.Context(), timeout)
				defer cancel()
				began := time.Now()
				if err := reg.Drain(ctx); err != nil {
					t.Errorf("Drain: %v", err)
				}
				if took := time.Since(began); took > time.Minute {
					t.Errorf("Drain took %v", took)
				}
			})
		})
	}
}

// The drain depends on two properties of net/http that its documentation does not
// promise: it starts no new request on HTTP/1.x after it has called the functions
// of RegisterOnShutdown, and it closes idle connections even if the context of
// Shutdown has ended. This test must be run with each supported Go release; Go
// 1.26 and 1.27 have both properties.
func TestShutdownOrdersItsStepsAsTheDrainExpects(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
		var served atomic.Int64
		release := make(chan struct{})
		hs := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			served.Add(1)
			if r.URL.Path == "/slow" {
				<-release
			}
		})}
		l := make(pipeListener)
		go hs.Serve(l)
		dial := func(request string) net.Conn {
			client, server := net.Pipe()
			t.Cleanup(func() { client.Close() })
			l <- server
			go io.WriteString(client, request)
			return client
		}
		idle := dial(get)
		if _, err := http.ReadResponse(bufio.NewReader(idle), nil); err != nil {
			t.Fatal(err)
		}
		fresh := dial("")
		busy := dial(strings.Replace(get, "/", "/slow", 1) + get)
		synctest.Wait()
		before := served.Load()
		if before != 2 {
			t.Fatalf("%d requests were served", before)
		}
		begun := make(chan struct{})
		hs.RegisterOnShutdown(func() {
			go io.WriteString(fresh, get)
			go io.WriteString(idle, get)
			close(release) // the next request on busy has been sent already
			close(begun)
		})
		if err := hs.Shutdown(ended()); !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown: %v", err)
		}
		<-begun
		for _, conn := range []net.Conn{idle, fresh, busy} {
			io.Copy(io.Discard, conn)
		}
		if n := served.Load() - before; n != 0 {
			t.Errorf("%d requests were served after the shutdown had begun", n)
		}
	})
}

// A fakeConn records whether it was closed.
type fakeConn struct {
	net.Conn
	end atomic.Bool
}

func (c *fakeConn) Close() error { c.end.Store(true); return nil }
func (c *fakeConn) closed() bool { return c.end.Load() }

// A bench is a server without a network. The test calls its hooks.
type bench struct {
	t   *testing.T
	hs  *http.Server
	reg *shutdown.Registry
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, hs: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Context().Value(handlerKey{}).(func(*http.Request))(r)
	})}}
	b.reg = attach(b.hs)
	return b
}

type handlerKey struct{}

// connect opens a connection and puts it into each of the states.
func (b *bench) connect(states ...http.ConnState) (*fakeConn, context.Context) {
	conn := new(fakeConn)
	ctx := b.hs.ConnContext(b.t.Context(), conn)
	for _, state := range states {
		b.hs.ConnState(conn, state)
	}
	return conn, ctx
}

// serve calls handler with a request on the connection whose context is ctx.
func (b *bench) serve(ctx context.Context, protoMajor int, handler func(*http.Request)) {
	r := httptest.NewRequest("GET", "/", nil)
	r.ProtoMajor = protoMajor
	b.hs.Handler.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithValue(ctx, handlerKey{}, handler)))
}

// drain calls Drain in the background and returns when it blocks.
func (b *bench) drain() <-chan error {
	result := make(chan error, 1)
	go func() { result <- b.reg.Drain(b.t.Context()) }()
	synctest.Wait()
	return result
}

func TestDrainWaitsForEverythingThatGoesOn(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		begin func(b *bench) (end func())
	}{
		{"connection", func(b *bench) func() {
			conn, _ := b.connect(http.StateNew, http.StateActive)
			return func() { b.hs.ConnState(conn, http.StateClosed) }
		}},
		{"handler of a hijacked connection", func(b *bench) func() {
			conn, ctx := b.connect(http.StateNew, http.StateActive)
			release := make(chan struct{})
			go b.serve(ctx, 1, func(*http.Request) {
				b.hs.ConnState(conn, http.StateHijacked)
				<-release
			})
			return func() { close(release) }
		}},
		{"exchange whose handler has returned", func(b *bench) func() {
			conn, ctx := b.connect(http.StateNew, http.StateActive)
			stopped := make(chan struct{})
			var remove func()
			b.serve(ctx, 1, func(r *http.Request) {
				b.hs.ConnState(conn, http.StateHijacked)
				remove = shutdown.AddWebSocket(r.Context(), func(context.Context) { close(stopped) })
			})
			return func() { <-stopped; remove() }
		}},
		{"stop function", func(b *bench) func() {
			conn, ctx := b.connect(http.StateNew, http.StateActive)
			release := make(chan struct{})
			b.serve(ctx, 1, func(r *http.Request) {
				b.hs.ConnState(conn, http.StateHijacked)
				var remove func()
				remove = shutdown.AddWebSocket(r.Context(), func(context.Context) { remove(); <-release })
			})
			return func() { close(release) }
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				end := tt.begin(b)
				synctest.Wait()
				result := b.drain()
				select {
				case err := <-result:
					t.Errorf("Drain returned %v too early", err)
				default:
				}
				end()
				if err := <-result; err != nil {
					t.Errorf("Drain: %v", err)
				}
			})
		})
	}
}

func TestExchangesThatBeginDuringTheDrainAreStoppedAtOnce(t *testing.T) {
	t.Parallel()
	for _, protoMajor := range []int{1, 2} {
		t.Run(fmt.Sprint("HTTP/", protoMajor), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				conn, ctx := b.connect(http.StateNew, http.StateActive)
				result := b.drain()
				b.serve(ctx, protoMajor, func(r *http.Request) {
					openStream(r.Context())
					<-r.Context().Done()
					stopped := make(chan struct{})
					defer shutdown.AddWebSocket(r.Context(), func(context.Context) { close(stopped) })()
					<-stopped
				})
				b.hs.ConnState(conn, http.StateClosed)
				if err := <-result; err != nil {
					t.Errorf("Drain: %v", err)
				}
			})
		})
	}
}

func TestEachStreamOfAConnectionIsRegistered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		conn, ctx := b.connect(http.StateNew, http.StateActive)
		b.serve(ctx, 1, func(r *http.Request) { openStream(r.Context()) })
		go func() {
			b.serve(ctx, 1, func(r *http.Request) {
				openStream(r.Context())
				<-r.Context().Done()
			})
			b.hs.ConnState(conn, http.StateClosed)
		}()
		synctest.Wait()
		if err := <-b.drain(); err != nil {
			t.Errorf("Drain: %v", err)
		}
	})
}

func TestStopFunctionLosesItsContextWhenTheDrainIsCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		conn, ctx := b.connect(http.StateNew, http.StateActive)
		b.serve(ctx, 1, func(r *http.Request) {
			b.hs.ConnState(conn, http.StateHijacked)
			var remove func()
			remove = shutdown.AddWebSocket(r.Context(), func(ctx context.Context) {
				<-ctx.Done()
				remove()
			})
		})
		patient := b.drain()
		err := b.reg.Drain(ended())
		if !errors.Is(err, context.Canceled) || err.Error() != "aborted 1 WebSocket: context canceled" {
			t.Errorf("a Drain without time returns %v", err)
		}
		if again := <-patient; again == nil || again.Error() != err.Error() {
			t.Errorf("a Drain with time returns %v", again)
		}
	})
}

func TestIdleConnectionIsClosedByForceInTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		idle, _ := b.connect(http.StateNew, http.StateActive, http.StateIdle)
		active, _ := b.connect(http.StateNew, http.StateActive)
		unused, _ := b.connect(http.StateNew)
		result := b.drain()
		late, _ := b.connect(http.StateNew)
		if !unused.closed() || !late.closed() || idle.closed() || active.closed() {
			t.Errorf("at first, closed are unused %t, late %t, idle %t, active %t; want the first two",
				unused.closed(), late.closed(), idle.closed(), active.closed())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if !idle.closed() || active.closed() {
			t.Errorf("after a minute, closed are idle %t, active %t; want the first", idle.closed(), active.closed())
		}
		b.hs.ConnState(active, http.StateIdle)
		b.hs.ConnState(active, http.StateActive)
		time.Sleep(time.Minute)
		synctest.Wait()
		if active.closed() {
			t.Error("a connection was closed that is active again")
		}
		for _, conn := range []*fakeConn{idle, unused, late, active} {
			b.hs.ConnState(conn, http.StateClosed)
		}
		if err := <-result; err != nil {
			t.Errorf("Drain: %v", err)
		}
	})
}

func TestConnectionContextsEndWithTheirConnections(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	conn, ctx := b.connect(http.StateNew)
	if ctx.Err() != nil {
		t.Error("the context of an open connection has ended")
	}
	b.hs.ConnState(conn, http.StateClosed)
	if ctx.Err() == nil {
		t.Error("the context of a closed connection goes on")
	}
}

func TestContextOfAHijackedConnectionEndsWithItsHandler(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	conn, ctx := b.connect(http.StateNew, http.StateActive)
	b.serve(ctx, 1, func(r *http.Request) {
		b.hs.ConnState(conn, http.StateHijacked)
		if r.Context().Err() != nil {
			t.Error("hijacking has ended the context")
		}
	})
	if ctx.Err() == nil {
		t.Error("the context goes on after the handler")
	}
}

func TestHooksThatWereSetAreCalled(t *testing.T) {
	t.Parallel()
	type key struct{}
	var states []http.ConnState
	hs := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}),
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, key{}, "mine")
		},
		ConnState: func(_ net.Conn, state http.ConnState) { states = append(states, state) },
	}
	attach(hs)
	conn := new(fakeConn)
	if ctx := hs.ConnContext(t.Context(), conn); ctx.Value(key{}) != "mine" {
		t.Error("the context misses the value of the server's own ConnContext")
	}
	hs.ConnState(conn, http.StateNew)
	hs.ConnState(conn, http.StateClosed)
	if len(states) != 2 {
		t.Errorf("the server's own ConnState was called with %v", states)
	}
}

func TestWithoutARegistryNothingHappens(t *testing.T) {
	t.Parallel()
	remove := shutdown.AddWebSocket(t.Context(), func(context.Context) { t.Error("stop was called") })
	remove()
	if openStream(t.Context()) != nil {
		t.Error("OpenStream found a registry")
	}
}

// net/http removes the temporary files of the form in its own request. The form
// must not be in the copy only.
func TestMultipartFormOfAnHTTP2RequestReachesTheServersOwnRequest(t *testing.T) {
	t.Parallel()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if err := form.WriteField("a", "b"); err != nil {
		t.Fatal(err)
	}
	form.Close()
	req := httptest.NewRequest("POST", "/", &body)
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.ProtoMajor = 2
	hs := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1 << 20); err != nil {
			t.Error(err)
		}
		panic(http.ErrAbortHandler)
	})}
	attach(hs)
	func() {
		defer func() { recover() }()
		hs.Handler.ServeHTTP(httptest.NewRecorder(), req)
	}()
	if req.MultipartForm == nil {
		t.Error("the form is lost")
	}
}

func TestRequestsOfHTTP1CostNoAllocation(t *testing.T) {
	hs := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	attach(hs)
	conn := new(fakeConn)
	ctx := hs.ConnContext(t.Context(), conn)
	hs.ConnState(conn, http.StateNew)
	w, req := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil).WithContext(ctx)
	allocs := testing.AllocsPerRun(100, func() {
		hs.ConnState(conn, http.StateActive)
		hs.Handler.ServeHTTP(w, req)
		hs.ConnState(conn, http.StateIdle)
	})
	if allocs > 0 {
		t.Errorf("a request costs %v allocations", allocs)
	}
}

func TestDrainUnderLoadLosesNothingThatHasBegun(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, protocol testkit.Protocol) {
		var begun, finished, answered atomic.Int64
		warm := make(chan struct{}, 1)
		f := start(t, protocol, func(w http.ResponseWriter, r *http.Request) {
			if begun.Add(1) == 100 {
				close(warm)
			}
			defer finished.Add(1)
			if r.URL.Path == "/stream" {
				openStream(r.Context())
				http.NewResponseController(w).Flush()
				select {
				case <-r.Context().Done():
				case <-time.After(time.Millisecond):
				}
			}
			io.WriteString(w, "whole")
		})
		var clients sync.WaitGroup
		for i := range 8 {
			clients.Go(func() {
				path := []string{"/plain", "/stream"}[i%2]
				for {
					switch body := <-f.get(path); {
					case body == "whole":
						answered.Add(1)
					case strings.HasPrefix(body, "error: "):
						return // the server has closed its listener
					default:
						t.Errorf("a client got %q", body)
						return
					}
				}
			})
		}
		testkit.Receive(t, warm, "some requests")
		if err := testkit.Receive(t, f.drain(t.Context()), "the drain"); err != nil {
			t.Errorf("Drain: %v", err)
		}
		if b, n := begun.Load(), finished.Load(); b != n {
			t.Errorf("of %d handlers %d had returned", b, n)
		}
		clients.Wait()
		if n, a := finished.Load(), answered.Load(); n != a {
			t.Errorf("of %d responses %d arrived", n, a)
		}
	})
}

func BenchmarkHandler(b *testing.B) {
	plain := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	hs := &http.Server{Handler: plain}
	attach(hs)
	conn := new(fakeConn)
	ctx := hs.ConnContext(b.Context(), conn)
	hs.ConnState(conn, http.StateNew)
	w := httptest.NewRecorder()
	for _, protocol := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
		b.Run(string(protocol), func(b *testing.B) {
			req := httptest.NewRequest("GET", "/", nil).WithContext(ctx)
			if protocol == testkit.HTTP2 {
				req.ProtoMajor = 2
			}
			b.ReportAllocs()
			for b.Loop() {
				hs.ConnState(conn, http.StateActive)
				hs.Handler.ServeHTTP(w, req)
				hs.ConnState(conn, http.StateIdle)
			}
		})
	}
}
