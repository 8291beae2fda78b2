package http_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// wsURL returns the ws or wss URL of a test server.
func wsURL(srv *testkit.Server) string { return strings.Replace(srv.URL, "http", "ws", 1) }

// startTLS starts an HTTP/1.1 server with TLS.
func startTLS(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(handler)
	srv.StartTLS()
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv
}

func clientTLS(srv *httptest.Server) *tls.Config {
	return srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
}

// dialTLS opens a raw connection to a server.
func dialTLS(t *testing.T, srv *httptest.Server) *testkit.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", srv.Listener.Addr().String(), clientTLS(srv))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return testkit.Wrap(t, conn)
}

// dialWS connects to a server. It closes the connection at the end of the test.
func dialWS(t testing.TB, url string, options *http.DialOptions) *http.Conn {
	t.Helper()
	conn, _, err := http.Dial(context.Background(), url, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// wsPair returns the server's and the client's end of a connection.
func wsPair(t testing.TB, upgrader *http.Upgrader, options *http.DialOptions) (server, client *http.Conn) {
	t.Helper()
	upgraded := make(chan *http.Conn, 1)
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			t.Error(err)
		}
		upgraded <- conn
	}))
	client = dialWS(t, wsURL(srv), options)
	server = <-upgraded
	t.Cleanup(func() { closeBoth(server, client) })
	return server, client
}

// closeBoth closes both ends of a connection concurrently, so that each answers
// the other.
func closeBoth(a, b *http.Conn) {
	var both sync.WaitGroup
	both.Go(func() { a.Close() })
	both.Go(func() { b.Close() })
	both.Wait()
}

// rawClient performs a client's handshake by hand. It returns the network
// connection and the server's Conn.
func rawClient(t *testing.T, upgrader http.Upgrader) (*http.Conn, *testkit.Conn) {
	t.Helper()
	upgraded := make(chan *http.Conn, 1)
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			t.Error(err)
		}
		upgraded <- conn
	}))
	raw := testkit.Dial(t, srv.Addr())
	raw.Send(handshake)
	if resp := raw.ReadResponse("GET"); resp.StatusCode != 101 {
		t.Fatal(resp.Status)
	}
	conn := <-upgraded
	t.Cleanup(func() { conn.CloseNow() })
	return conn, raw
}

// rawServer performs a server's handshake by hand. It returns the client's Conn
// and the network connection.
func rawServer(t *testing.T) (*http.Conn, *testkit.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	accepted := make(chan *testkit.Conn, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { conn.Close() })
		if err := answerHandshake(conn, bufio.NewReader(conn), ""); err != nil {
			t.Error(err)
		}
		accepted <- testkit.Wrap(t, conn)
	}()
	conn, _, err := http.Dial(t.Context(), "ws://"+listener.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return conn, <-accepted
}

// answering starts a server that sends text on every connection, and returns
// its URL. In the text, ACCEPT is replaced by the right Sec-WebSocket-Accept.
func answering(t *testing.T, text string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			var answer strings.Builder
			if answerHandshake(&answer, bufio.NewReader(conn), "") == nil {
				_, accept, _ := strings.Cut(answer.String(), "Accept: ")
				io.WriteString(conn, strings.Replace(text, "ACCEPT", strings.TrimSpace(accept), 1))
			}
			conn.Close()
		}
	}()
	return "ws://" + listener.Addr().String()
}

// answerHandshake performs a server's handshake by hand.
func answerHandshake(conn io.Writer, br *bufio.Reader, extensions string) error {
	req, err := nethttp.ReadRequest(br)
	if err != nil {
		return err
	}
	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	if extensions != "" {
		extensions = "Sec-WebSocket-Extensions: " + extensions + "\r\n"
	}
	_, err = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\n%s\r\n", base64.StdEncoding.EncodeToString(sum[:]), extensions)
	return err
}

// echo upgrades requests and echoes messages.
func echo(upgrader *http.Upgrader) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if conn, err := upgrader.Upgrade(w, r); err == nil {
			echoAll(conn, 0)
		}
	}
}

// echoAll echoes messages until an error occurs, and closes the connection.
func echoAll(conn *http.Conn, limit int64) {
	defer conn.Close()
	conn.SetMaxMessageSize(limit)
	for {
		messageType, payload, err := conn.ReadMessage()
		if err != nil || conn.WriteMessage(messageType, payload) != nil {
			return
		}
	}
}

// quiet discards the log of a handler.
func quiet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(http.ContextWithLogger(r.Context(), slog.New(slog.DiscardHandler))))
	})
}

// wantMessage reads a message and compares it.
func wantMessage(t testing.TB, conn *http.Conn, messageType int, payload string) {
	t.Helper()
	gotType, got, err := conn.ReadMessage()
	if err != nil || gotType != messageType || string(got) != payload {
		t.Fatalf("read type %d, %.60q (%d bytes), %v; want type %d, %.60q", gotType, got, len(got), err, messageType, payload)
	}
}

// readClose reads frames up to a close frame, and returns its code and reason.
func readClose(t *testing.T, conn *testkit.Conn) (code int, reason string) {
	t.Helper()
	for {
		head := make([]byte, 2)
		if _, err := io.ReadFull(conn, head); err != nil {
			t.Fatal(err)
		}
		key := make([]byte, 4)
		if head[1]&0x80 != 0 {
			if _, err := io.ReadFull(conn, key); err != nil {
				t.Fatal(err)
			}
		}
		payload := make([]byte, head[1]&0x7F)
		if _, err := io.ReadFull(conn, payload); err != nil {
			t.Fatal(err)
		}
		for i := range payload {
			payload[i] ^= key[i%4]
		}
		if head[0] == 0x88 {
			return int(binary.BigEndian.Uint16(payload)), string(payload[2:])
		}
	}
}

// masked returns an encoded frame of a client, with a masking key of zeros.
// plain returns one of a server.
func masked(first byte, payload string) string {
	return string([]byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}) + payload
}

func plain(first byte, payload string) string {
	return string([]byte{first, byte(len(payload))}) + payload
}

// deflated returns the compressed payload of a message.
func deflated(t *testing.T, text string) string {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\x00\x00\xFF\xFF")
}

// compressedFrame returns a frame of a compressed message, masked for a server.
func compressedFrame(first byte, payload []byte, masked bool) string {
	head := []byte{first, byte(len(payload))}
	if len(payload) > 125 {
		head = []byte{first, 126, byte(len(payload) >> 8), byte(len(payload))}
	}
	if masked {
		head[1] |= 0x80
		head = append(head, 0, 0, 0, 0) // the masking key: zeros leave the payload unchanged
	}
	return string(head) + string(payload)
}
