package http_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A pipeServer is a server with connections in memory, which use the fake clock of
// synctest. If a peer does not read, the first write to it blocks.
type pipeServer struct {
	*http.Server
	listener *testkit.PipeListener
	tls      *tls.Config // of clients, or nil
}

// startPipeServer starts a server, with TLS if secure.
func startPipeServer(t *testing.T, secure bool, handler http.HandlerFunc, opts ...http.ServerOption) *pipeServer {
	t.Helper()
	s := &pipeServer{listener: testkit.NewPipeListener()}
	opts = append(opts, http.WithListener(s.listener), quietly())
	if secure {
		cert, key, pool := testkit.KeyPair(t)
		s.tls = &tls.Config{RootCAs: pool, ServerName: "localhost"}
		opts = append(opts, http.WithTLS(cert, key))
	}
	s.Server = http.NewServer(handler, opts...)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// send opens a connection, which is closed when the test ends, and sends a request.
func (s *pipeServer) send(t *testing.T, request string) *testkit.Conn {
	t.Helper()
	conn, err := s.listener.Dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if s.tls != nil {
		conn = tls.Client(conn, s.tls)
	}
	c := testkit.Wrap(t, conn)
	c.Send(request)
	return c
}

// upgrade opens a WebSocket at a path. Nothing is read from it.
func (s *pipeServer) upgrade(t *testing.T, path string) *testkit.Conn {
	t.Helper()
	c := s.send(t, strings.Replace(handshake, "GET / ", "GET "+path+" ", 1))
	if res := c.ReadResponse("GET"); res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%s answers %s", path, res.Status)
	}
	return c
}

// stop stops the server with a timeout of 12 seconds. It fails the test if that
// takes more than 6 seconds or returns an error.
func (s *pipeServer) stop(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
	defer cancel()
	began := time.Now()
	err := s.Stop(ctx)
	if took := time.Since(began); err != nil || took > 6*time.Second {
		t.Errorf("Stop took %v and returned %v", took, err)
	}
}

// overPlainAndTLS runs test with a fake clock, without TLS and with it.
func overPlainAndTLS(t *testing.T, test func(t *testing.T, secure bool)) {
	for name, secure := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, secure) })
		})
	}
}

// socketHandlers are different uses of a WebSocket.
var socketHandlers = map[string]struct {
	serve func(conn *http.Conn, r *http.Request)
	pings bool // the peer sends a ping
	open  bool // the connection is not closed
}{
	"reads": {serve: func(conn *http.Conn, r *http.Request) {
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
	}},
	"writes": {serve: func(conn *http.Conn, r *http.Request) {
		for {
			if err := conn.WriteMessage(http.TextMessage, []byte("x")); err != nil {
				return
			}
		}
	}},
	"reads and writes": {serve: func(conn *http.Conn, r *http.Request) {
		left := make(chan struct{})
		go func() {
			defer close(left)
			conn.ReadMessage()
		}()
		for {
			select {
			case <-left:
				return
			case <-time.After(time.Second):
				conn.WriteMessage(http.BinaryMessage, make([]byte, 1<<20))
			}
		}
	}},
	"waits for the context": {serve: func(conn *http.Conn, r *http.Request) {
		<-r.Context().Done()
	}},
	"waits for the context in a ping handler": {serve: func(conn *http.Conn, r *http.Request) {
		conn.SetPingHandler(func([]byte) error {
			<-r.Context().Done()
			return nil
		})
		conn.ReadMessage()
	}, pings: true},
	"has returned": {serve: func(conn *http.Conn, r *http.Request) {}, open: true},
	"closes": {serve: func(conn *http.Conn, r *http.Request) {
		conn.CloseWithMessage(http.ClosePolicyViolation, "no")
	}},
}

func TestStopDropsWebSocketPeersThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	overPlainAndTLS(t, func(t *testing.T, secure bool) {
		srv := startPipeServer(t, secure, func(w http.ResponseWriter, r *http.Request) {
			conn, err := http.Upgrader{}.Upgrade(w, r)
			if err != nil {
				t.Error(err)
				return
			}
			handler := socketHandlers[r.URL.Query().Get("does")]
			if !handler.open {
				defer conn.Close()
			}
			handler.serve(conn, r)
		})
		for name, handler := range socketHandlers {
			for range 3 {
				c := srv.upgrade(t, "/?does="+strings.ReplaceAll(name, " ", "+"))
				if handler.pings {
					c.Send("\x89\x80\x00\x00\x00\x00") // an empty ping, masked
				}
			}
		}
		synctest.Wait()
		srv.stop(t)
	})
}

func TestStopDropsConnectionsThatOthersHaveHijacked(t *testing.T) {
	t.Parallel()
	handlers := map[string]func(conn net.Conn, r *http.Request){
		"/reads":  func(conn net.Conn, r *http.Request) { io.Copy(io.Discard, conn) },
		"/writes": func(conn net.Conn, r *http.Request) { conn.Write(make([]byte, 1<<20)) },
		"/waits":  func(conn net.Conn, r *http.Request) { <-r.Context().Done() },
	}
	overPlainAndTLS(t, func(t *testing.T, secure bool) {
		srv := startPipeServer(t, secure, func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			handlers[r.URL.Path](conn, r)
		})
		for path := range handlers {
			srv.send(t, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		}
		synctest.Wait()
		srv.stop(t)
	})
}

// The handler of a hijacked connection has some time to finish.
func TestStopLeavesHijackedConnectionsToTheirHandlersAtFirst(t *testing.T) {
	t.Parallel()
	overPlainAndTLS(t, func(t *testing.T, secure bool) {
		srv := startPipeServer(t, secure, func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			time.Sleep(4 * time.Second)
			if err := r.Context().Err(); err != nil {
				t.Errorf("the request's context ended: %v", err)
			}
			io.WriteString(conn, "last words")
		})
		c := srv.send(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		synctest.Wait()
		got := make(chan string, 1)
		go func() { got <- c.ReadAll() }()
		srv.stop(t)
		if got := <-got; got != "last words" {
			t.Errorf("the peer got %q", got)
		}
	})
}

// Stop waits for a handler that continues after its peer was disconnected, and
// counts it in the error.
func TestStopNamesTheHandlerOfASilentPeerThatGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		srv := startPipeServer(t, false, func(w http.ResponseWriter, r *http.Request) {
			conn, err := http.Upgrader{}.Upgrade(w, r)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			<-release
		})
		srv.upgrade(t, "/")
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		began := time.Now()
		err := srv.Stop(ctx)
		const want = "http: stop: aborted 1 connection, 1 WebSocket (GET unmatched: 1): context deadline exceeded"
		if took := time.Since(began); err == nil || err.Error() != want || took != 12*time.Second {
			t.Errorf("Stop took %v and returned %v\nwant %s", took, err, want)
		}
		close(release)
	})
}

// streamSize is more than an HTTP/2 client buffers.
const streamSize = 5 << 20

// streamHandlers are different uses of an event stream.
var streamHandlers = map[string]func(events *http.SSEWriter, r *http.Request){
	"/small": func(events *http.SSEWriter, r *http.Request) {
		for r.Context().Err() == nil {
			events.Data(strings.Repeat("x", 10_000))
		}
	},
	"/large": func(events *http.SSEWriter, r *http.Request) {
		for r.Context().Err() == nil {
			events.Data(strings.Repeat("x", 1<<20))
		}
	},
	"/unlimited": func(events *http.SSEWriter, r *http.Request) {
		events.SetWriteTimeout(0)
		events.Data(strings.Repeat("x", streamSize))
	},
	"/goodbye": func(events *http.SSEWriter, r *http.Request) {
		<-r.Context().Done()
		events.Data(strings.Repeat("x", streamSize))
	},
	"/nothing": func(events *http.SSEWriter, r *http.Request) {
		<-r.Context().Done()
	},
}

func serveStreams(w http.ResponseWriter, r *http.Request) {
	streamHandlers[r.URL.Path](http.NewSSEWriter(w), r)
}

func TestStopDropsStreamsWhoseClientsDoNotRead(t *testing.T) {
	t.Parallel()
	overPlainAndTLS(t, func(t *testing.T, secure bool) {
		srv := startPipeServer(t, secure, documentedChain()(http.HandlerFunc(serveStreams)).ServeHTTP)
		for path := range streamHandlers {
			request := "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n"
			srv.send(t, request) // reads nothing, not even the header
			srv.send(t, request).ReadResponse("GET")
			_, err := io.CopyN(io.Discard, srv.send(t, request), 50)
			if err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		srv.stop(t)
	})
}

// http2Client returns a client that uses HTTP/2.
func (s *pipeServer) http2Client(t *testing.T) *nethttp.Client {
	transport := &nethttp.Transport{
		TLSClientConfig:   s.tls.Clone(),
		ForceAttemptHTTP2: true,
		DialContext:       s.listener.Dial,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &nethttp.Client{Transport: transport}
}

// The client reads the connection, so only the streams are stalled. Another request
// on the connection continues.
func TestStopResetsStalledHTTP2StreamsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := startPipeServer(t, true, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/slow" {
				serveStreams(w, r)
				return
			}
			time.Sleep(7 * time.Second)
			if err := r.Context().Err(); err != nil {
				t.Errorf("the slow request's context ended: %v", err)
			}
			io.WriteString(w, "finished")
		})
		client := srv.http2Client(t)
		for path := range streamHandlers {
			res, err := client.Get("https://localhost" + path)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
		}
		slow := make(chan string, 1)
		go func() {
			res, err := testkit.Send(client, testkit.NewRequest("GET", "https://localhost/slow", ""))
			if err != nil {
				slow <- err.Error()
				return
			}
			slow <- res.Body
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		began := time.Now()
		if err := srv.Stop(ctx); err != nil {
			t.Errorf("Stop: %v", err)
		}
		if took := time.Since(began); took > 9*time.Second {
			t.Errorf("Stop took %v, and the slow request 7s of it", took)
		}
		if got := <-slow; got != "finished" {
			t.Errorf("the slow request got %q", got)
		}
	})
}

// http2Request is the start of an HTTP/2 connection and a request for a path
// (RFC 9113, RFC 7541).
func http2Request(path string) string {
	block := "\x82\x87\x41\x01x\x44" + string(rune(len(path))) + path // GET, https, authority x, path
	return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
		"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + // SETTINGS
		"\x00\x00" + string(rune(len(block))) + "\x01\x05\x00\x00\x00\x01" + block // HEADERS
}

// readUntilHeaders reads HTTP/2 frames up to the first header of a response.
func readUntilHeaders(t *testing.T, conn io.Reader) {
	t.Helper()
	for {
		var head [9]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			t.Fatal(err)
		}
		length := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
		if _, err := io.CopyN(io.Discard, conn, length); err != nil {
			t.Fatal(err)
		}
		if head[3] == 1 {
			return
		}
	}
}

func TestStopDropsHTTP2ConnectionsThatAreNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := startPipeServer(t, true, serveStreams)
		srv.tls.NextProtos = []string{"h2"}
		for _, path := range []string{"/small", "/large", "/unlimited", "/goodbye", "/nothing"} {
			readUntilHeaders(t, srv.send(t, http2Request(path)))
		}
		synctest.Wait()
		srv.stop(t)
	})
}

// A client that reads 32 KiB every three seconds is not disconnected.
func TestStopWaitsForSlowClientsOfStreams(t *testing.T) {
	t.Parallel()
	slowly := func(t *testing.T, srv *pipeServer, body io.Reader, size int) {
		synctest.Wait()
		result := stopLater(srv.Server, t.Context())
		read, piece := 0, make([]byte, 32<<10)
		for {
			time.Sleep(3 * time.Second)
			n, err := io.ReadFull(body, piece)
			read += n
			if err != nil {
				break
			}
		}
		if read < size {
			t.Errorf("the client got %d bytes of %d", read, size)
		}
		if err := <-result; err != nil {
			t.Errorf("Stop: %v", err)
		}
	}
	for _, path := range []string{"/unlimited", "/goodbye"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			overPlainAndTLS(t, func(t *testing.T, secure bool) {
				srv := startPipeServer(t, secure, serveStreams)
				c := srv.send(t, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
				c.SetDeadline(time.Time{})
				slowly(t, srv, c.ReadResponse("GET").Body, streamSize)
			})
			t.Run("HTTP2", func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					srv := startPipeServer(t, true, serveStreams)
					res, err := srv.http2Client(t).Get("https://localhost" + path)
					if err != nil {
						t.Fatal(err)
					}
					defer res.Body.Close()
					slowly(t, srv, res.Body, streamSize)
				})
			})
		})
	}
}
