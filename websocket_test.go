package http_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestEchoOfEverySize(t *testing.T) {
	t.Parallel()
	sizes := []int{0, 1, 125, 126, 128, 4000, 4082, 4096, 5000, 65535, 65536, 128 << 10, 128<<10 + 1, 300_000, 1 << 20}
	payload := []byte(strings.Repeat("Frame of text: κόσμε. ", 1<<20/24))
	payload = append(payload, payload...)
	for _, compression := range []bool{false, true} {
		srv := testkit.StartServer(t, testkit.HTTP1, echo(&http.Upgrader{EnableCompression: compression}))
		conn := dialWS(t, wsURL(srv), &http.DialOptions{EnableCompression: compression})
		for _, size := range sizes {
			if err := conn.WriteMessage(http.BinaryMessage, payload[:size]); err != nil {
				t.Fatal(err)
			}
			wantMessage(t, conn, http.BinaryMessage, string(payload[:size]))
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

// handshake is a valid handshake request. Tests replace parts of it.
const handshake = "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

func TestUpgradeRefusesImproperHandshakes(t *testing.T) {
	t.Parallel()
	srv := testkit.StartServer(t, testkit.HTTP1, quiet(echo(&http.Upgrader{EnableCompression: true})))
	const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	tests := []struct {
		name     string
		old, new string
		status   int
		message  string
	}{
		{"POST", "GET", "POST", 405, "a WebSocket begins with GET"},
		{"HTTP/1.0", "HTTP/1.1", "HTTP/1.0", 505, "a WebSocket needs HTTP/1.1, not HTTP/1.0"},
		{"no Upgrade", "Upgrade: websocket\r\n", "", 426, "not a WebSocket handshake"},
		{"another Upgrade", "Upgrade: websocket", "Upgrade: h2c", 426, "not a WebSocket handshake"},
		{"no Connection", "Connection: keep-alive, Upgrade\r\n", "", 426, "not a WebSocket handshake"},
		{"no version", "Sec-WebSocket-Version: 13\r\n", "", 426, "Sec-WebSocket-Version must be 13"},
		{"version 8", "Version: 13", "Version: 8", 426, "Sec-WebSocket-Version must be 13"},
		{"two versions", "Version: 13", "Version: 13, 8", 426, "Sec-WebSocket-Version must be 13"},
		{"no key", key, "", 400, "Sec-WebSocket-Key must be 16 bytes in base64"},
		{"two keys", key, key + key, 400, "Sec-WebSocket-Key must be 16 bytes in base64"},
		{"key of 15 bytes", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j", 400, "Sec-WebSocket-Key must be 16 bytes in base64"},
		{"key that is not base64", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZ?==", 400, "Sec-WebSocket-Key must be 16 bytes in base64"},
		{"body", "\r\n\r\n", "\r\nContent-Length: 1\r\n\r\nx", 400, "a WebSocket handshake has no body"},
		{"malformed extensions", "\r\n\r\n", "\r\nSec-WebSocket-Extensions: ;\r\n\r\n", 400, "malformed Sec-WebSocket-Extensions header"},
		{"other origin", "\r\n\r\n", "\r\nOrigin: https://evil.example\r\n\r\n", 403, "origin not allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conn := testkit.Dial(t, srv.Addr())
			conn.Send(strings.Replace(handshake, tt.old, tt.new, 1))
			resp := conn.ReadResponse("GET")
			body, _ := io.ReadAll(resp.Body)
			var answer struct{ Error string }
			if err := json.Unmarshal(body, &answer); err != nil || resp.StatusCode != tt.status || !strings.HasPrefix(answer.Error, tt.message) {
				t.Errorf("answered %s %s, want %d and %q", resp.Status, body, tt.status, tt.message)
			}
			if tt.status == 426 && (resp.Header.Get("Upgrade") != "websocket" || resp.Header.Get("Sec-WebSocket-Version") != "13") {
				t.Errorf("headers %v do not name the protocol and version", resp.Header)
			}
			if tt.status == 405 && resp.Header.Get("Allow") != "GET" {
				t.Errorf("Allow is %q", resp.Header.Get("Allow"))
			}
		})
	}
}

func TestUpgradeRefusesHTTP2(t *testing.T) {
	t.Parallel()
	srv := testkit.StartServer(t, testkit.HTTP2, echo(&http.Upgrader{}))
	resp := srv.Get(t, "/")
	body := resp.Body
	if resp.StatusCode != 505 || string(body) != `{"error":"a WebSocket needs HTTP/1.1, not HTTP/2.0"}` {
		t.Errorf("answered %s %s", resp.Status, body)
	}
}

func TestUpgradeWithoutHijacker(t *testing.T) {
	t.Parallel()
	r, err := nethttp.ReadRequest(bufio.NewReader(strings.NewReader(handshake)))
	if err != nil {
		t.Fatal(err)
	}
	w := new(nullWriter)
	if _, err := new(http.Upgrader).Upgrade(w, r); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("Upgrade: %v", err)
	}
}

func TestUpgradeSendsTheHeadersOfTheResponse(t *testing.T) {
	t.Parallel()
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-ID", "7")
		w.Header().Set("Content-Length", "100")
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Connection", "close")
		w.Header().Set("Sec-WebSocket-Accept", "forged")
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
		http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
		echo(&http.Upgrader{})(w, r)
	}))
	conn := testkit.Dial(t, srv.Addr())
	conn.Send(handshake + "\x81\x80\x00\x00\x00\x00")
	resp := conn.ReadResponse("GET")
	want := http.Header{
		"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Accept": {"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
		"X-Request-Id": {"7"}, "Set-Cookie": {"a=1", "b=2"},
	}
	if resp.StatusCode != 101 || fmt.Sprint(resp.Header) != fmt.Sprint(want) {
		t.Errorf("answered %s %v, want %v", resp.Status, resp.Header, want)
	}
	// The message that was sent together with the handshake is not lost.
	answer := make([]byte, 2)
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "\x81\x00" {
		t.Errorf("answer %x, %v", answer, err)
	}
}

func TestUpgradeRefusesLineBreaksInHeaders(t *testing.T) {
	t.Parallel()
	upgradeError := make(chan error, 1)
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Name", "a\r\nSet-Cookie: b=1")
		_, err := new(http.Upgrader).Upgrade(w, r)
		upgradeError <- err
	}))
	conn := testkit.Dial(t, srv.Addr())
	conn.Send(handshake)
	resp := conn.ReadResponse("GET")
	if err := <-upgradeError; err == nil || !strings.Contains(err.Error(), "X-Name") {
		t.Errorf("Upgrade: %v", err)
	}
	if resp.StatusCode != 500 || resp.Header["Set-Cookie"] != nil || resp.Header["X-Name"] != nil {
		t.Errorf("answered %s %v", resp.Status, resp.Header)
	}
}

func TestDefaultOriginCheck(t *testing.T) {
	t.Parallel()
	plain := testkit.StartServer(t, testkit.HTTP1, quiet(echo(&http.Upgrader{})))
	secure := startTLS(t, quiet(echo(&http.Upgrader{})))
	tests := []struct {
		host, origin string
		plain, tls   bool
	}{
		{"example.com", "", true, true},
		{"example.com", "https://example.com", true, true},
		{"example.com", "http://example.com", true, false},
		{"EXAMPLE.com", "https://example.com", true, true},
		{"example.com:443", "https://example.com", true, true},
		{"example.com:8080", "http://example.com:8080", true, false},
		{"example.com:8080", "http://example.com", false, false},
		{"example.com", "https://example.com:8443", false, false},
		{"example.com", "https://www.example.com", false, false},
		{"example.com", "https://example.com.evil.example", false, false},
		{"example.com", "https://evil-example.com", false, false},
		{"example.com", "ftp://example.com", false, false},
		{"example.com", "null", false, false},
		{"example.com", "example.com", false, false},
		{"example.com", "https://example.com\r\nOrigin: https://example.com", false, false},
		{"[2001:db8::1]:8080", "http://[2001:db8::1]:8080", true, false},
	}
	for _, tt := range tests {
		for _, over := range []struct {
			name  string
			conn  *testkit.Conn
			allow bool
		}{{"plain", testkit.Dial(t, plain.Addr()), tt.plain}, {"TLS", dialTLS(t, secure), tt.tls}} {
			request := strings.Replace(handshake, "Host: example.com", "Host: "+tt.host, 1)
			if tt.origin != "" {
				request = strings.Replace(request, "\r\n\r\n", "\r\nOrigin: "+tt.origin+"\r\n\r\n", 1)
			}
			over.conn.Send(request)
			want := map[bool]int{true: 101, false: 403}[over.allow]
			if resp := over.conn.ReadResponse("GET"); resp.StatusCode != want {
				t.Errorf("%s, Host %s, Origin %q: %s, want %d", over.name, tt.host, tt.origin, resp.Status, want)
			}
		}
	}
}

func TestCheckOriginDecides(t *testing.T) {
	t.Parallel()
	srv := testkit.StartServer(t, testkit.HTTP1, echo(&http.Upgrader{
		CheckOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") == "https://friend.example" },
	}))
	for origin, want := range map[string]bool{"https://friend.example": true, "https://other.example": false} {
		conn, resp, err := http.Dial(t.Context(), wsURL(srv), &http.DialOptions{Header: http.Header{"Origin": {origin}}})
		if (err == nil) != want || !want && resp.StatusCode != http.StatusForbidden {
			t.Errorf("Origin %s: %v", origin, err)
		}
		if err == nil {
			conn.Close()
		}
	}
}

func TestSubprotocols(t *testing.T) {
	t.Parallel()
	tests := []struct {
		server, client []string
		want           string
	}{
		{nil, nil, ""},
		{nil, []string{"chat"}, ""},
		{[]string{"chat"}, nil, ""},
		{[]string{"chat.v2", "chat.v1"}, []string{"chat.v1", "chat.v2"}, "chat.v2"},
		{[]string{"chat.v2", "chat.v1"}, []string{"chat.v1", "other"}, "chat.v1"},
		{[]string{"chat"}, []string{"Chat"}, ""},
	}
	for _, tt := range tests {
		server, client := wsPair(t, &http.Upgrader{Subprotocols: tt.server}, &http.DialOptions{Subprotocols: tt.client})
		if server.Subprotocol() != tt.want || client.Subprotocol() != tt.want {
			t.Errorf("%q and %q agreed on %q and %q, want %q", tt.server, tt.client, server.Subprotocol(), client.Subprotocol(), tt.want)
		}
		closeBoth(server, client)
	}
}

func TestUpgradeThroughTheChain(t *testing.T) {
	t.Parallel()
	var log testkit.Log
	metrics := http.NewMetrics()
	router := http.NewRouter()
	router.Use(
		http.RequestID(http.RequestIDConfig{}),
		metrics.Middleware(),
		http.RequestLogger(log.JSON()),
		http.Compress(http.CompressConfig{}),
		http.ETag(http.ETagConfig{}),
		http.SecureHeaders(http.SecureHeadersConfig{}),
		http.MaxBody(2<<20),
		http.CORS(http.CORSConfig{AllowOrigins: []string{"https://app.example"}}),
		http.Recovery(nil),
	)
	router.HandleFunc("GET /ws/{room}", echo(&http.Upgrader{}))
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	conn, resp, err := http.Dial(t.Context(), wsURL(srv)+"/ws/lobby", &http.DialOptions{Header: http.Header{"Accept-Encoding": {"gzip"}}})
	if err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("X-Request-Id") == "" || resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Content-Encoding") != "" {
		t.Errorf("headers of the 101: %v", resp.Header)
	}
	large := strings.Repeat("x", 3<<20) // MaxBody does not apply to messages
	if err := conn.WriteMessage(http.TextMessage, []byte(large)); err != nil {
		t.Fatal(err)
	}
	wantMessage(t, conn, http.TextMessage, large)
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	srv.Close() // does not wait for hijacked connections, so wait for the log below
	for deadline := time.Now().Add(testkit.Patience); !strings.Contains(log.String(), `"status":101`); {
		if time.Now().After(deadline) {
			t.Fatalf("log: %s", log.String())
		}
	}
}

// A deadlineConn records the deadlines that are set on it.
type deadlineConn struct {
	net.Conn
	mu          sync.Mutex
	read, write time.Time
}

func (c *deadlineConn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	c.read, c.write = t, t
	c.mu.Unlock()
	return c.Conn.SetDeadline(t)
}

func (c *deadlineConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	c.read = t
	c.mu.Unlock()
	return c.Conn.SetReadDeadline(t)
}

func (c *deadlineConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	c.write = t
	c.mu.Unlock()
	return c.Conn.SetWriteDeadline(t)
}

type deadlineListener struct {
	net.Listener
	conns chan *deadlineConn
}

func (l deadlineListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	dc := &deadlineConn{Conn: conn}
	l.conns <- dc
	return dc, nil
}

func TestUpgradeClearsTheServersDeadlines(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := deadlineListener{inner, make(chan *deadlineConn, 10)}
	srv := http.NewServer(echo(&http.Upgrader{}), http.WithListener(listener), quietly(),
		http.WithReadTimeout(time.Hour), http.WithWriteTimeout(time.Hour))
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Stop(noTime()) })
	conn := dialWS(t, "ws://"+inner.Addr().String(), nil)
	if err := conn.WriteMessage(http.TextMessage, []byte("x")); err != nil {
		t.Fatal(err)
	}
	wantMessage(t, conn, http.TextMessage, "x") // the wrapped connection works although it is not a TCPConn
	dc := <-listener.conns
	dc.mu.Lock()
	defer dc.mu.Unlock()
	if !dc.read.IsZero() || !dc.write.IsZero() {
		t.Errorf("deadlines are set: %v, %v", dc.read, dc.write)
	}
}

func TestStopClosesWebSockets(t *testing.T) {
	t.Parallel()
	srv := startServer(t, echo(&http.Upgrader{}))
	good := dialWS(t, "ws://"+srv.Addr(), nil)
	if err := good.WriteMessage(http.TextMessage, []byte("x")); err != nil {
		t.Fatal(err)
	}
	wantMessage(t, good, http.TextMessage, "x")
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	stopped := stopLater(srv, ctx)
	_, _, err := good.ReadMessage()
	var closed *http.CloseError
	if !errors.As(err, &closed) || closed.Code != http.CloseGoingAway || closed.Text != "server shutting down" {
		t.Errorf("the client read %v", err)
	}
	good.Close()
	if err := testkit.Receive(t, stopped, "Stop"); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

func TestStopCutsWebSocketsThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	srv := http.NewServer(echo(&http.Upgrader{}), onLoopback())
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn := testkit.Dial(t, srv.Addr())
	conn.Send(handshake)
	if resp := conn.ReadResponse("GET"); resp.StatusCode != 101 {
		t.Fatal(resp.Status)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := stopLater(srv, ctx)
	const frame = "\x88\x16\x03\xe9server shutting down"
	got := make([]byte, len(frame))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != frame {
		t.Errorf("the peer got %q, %v", got, err)
	}
	cancel()
	if err := testkit.Receive(t, result, "Stop"); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "1 WebSocket") {
		t.Errorf("Stop: %v", err)
	}
	if got := conn.ReadAll(); got != "" {
		t.Errorf("the peer got %q after the close frame", got)
	}
}

func TestMessageTypesAreChecked(t *testing.T) {
	t.Parallel()
	_, client := wsPair(t, &http.Upgrader{}, nil)
	for _, messageType := range []int{-1, 0, 3, 8, 9, 10, 257} {
		if err := client.WriteMessage(messageType, nil); err == nil {
			t.Errorf("WriteMessage accepts type %d", messageType)
		}
		if _, err := client.NextWriter(messageType); err == nil {
			t.Errorf("NextWriter accepts type %d", messageType)
		}
		if _, err := http.NewPreparedMessage(messageType, nil); err == nil {
			t.Errorf("NewPreparedMessage accepts type %d", messageType)
		}
	}
	if err := client.WritePing(make([]byte, 126)); err == nil {
		t.Error("WritePing accepts 126 bytes")
	}
	if err := client.CloseWithMessage(http.CloseNoStatusReceived, ""); err == nil {
		t.Error("CloseWithMessage accepts 1005")
	}
	if err := client.WriteMessage(http.TextMessage, nil); err != nil {
		t.Errorf("after all these: %v", err)
	}
}

func TestMessageTypesOfControlFrames(t *testing.T) {
	t.Parallel()
	if http.CloseMessage != 8 || http.PingMessage != 9 || http.PongMessage != 10 {
		t.Error("the constants are not the opcodes of RFC 6455, section 11.8")
	}
	var messageType http.MessageType = http.TextMessage
	var _ int = messageType // compiles without a conversion because MessageType is an alias
	_, client := wsPair(t, &http.Upgrader{}, nil)
	for messageType, method := range map[http.MessageType]string{
		http.CloseMessage: "CloseWithMessage", http.PingMessage: "WritePing", http.PongMessage: "WritePong",
	} {
		if err := client.WriteMessage(messageType, nil); err == nil || !strings.Contains(err.Error(), "use "+method) {
			t.Errorf("WriteMessage of type %d: %v; want it to mention %s", messageType, err, method)
		}
	}
}

// Users of the original package keep an Upgrader in an interface or a field, or
// use a composite literal.
func TestUpgraderIsAValue(t *testing.T) {
	t.Parallel()
	var upgrader interface {
		Upgrade(w http.ResponseWriter, r *http.Request) (*http.Conn, error)
	} = http.Upgrader{}
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var conn *http.Conn
		var err error
		if r.URL.Path == "/literal" {
			conn, err = http.Upgrader{Subprotocols: []string{"chat"}}.Upgrade(w, r)
		} else {
			conn, err = upgrader.Upgrade(w, r)
		}
		if err == nil {
			echoAll(conn, 0)
		}
	}))
	for _, path := range []string{"/literal", "/interface"} {
		conn := dialWS(t, wsURL(srv)+path, nil)
		if err := conn.WriteMessage(http.TextMessage, []byte(path)); err != nil {
			t.Fatal(err)
		}
		wantMessage(t, conn, http.TextMessage, path)
	}
}

func TestJSONMessages(t *testing.T) {
	t.Parallel()
	server, client := wsPair(t, &http.Upgrader{}, nil)
	type event struct {
		Name string `json:"name"`
		N    int    `json:"n"`
	}
	go func() {
		client.WriteMessage(http.TextMessage, []byte(`{"name":`))
		client.WriteMessage(http.TextMessage, nil)
		client.WriteJSON(event{"<tick>", 7})
	}()
	var got event
	var syntax *json.SyntaxError
	for range 2 {
		if err := server.ReadJSON(&got); !errors.As(err, &syntax) {
			t.Errorf("ReadJSON: %v", err)
		}
	}
	if err := server.ReadJSON(&got); err != nil || got != (event{"<tick>", 7}) {
		t.Errorf("ReadJSON: %v, %v", got, err)
	}
	if err := server.WriteJSON(make(chan int)); err == nil {
		t.Error("WriteJSON accepts a channel")
	}
	if err := server.WriteJSON(map[string]string{"a": strings.Repeat("b", 10_000)}); err != nil {
		t.Error(err)
	}
	wantMessage(t, client, http.TextMessage, `{"a":"`+strings.Repeat("b", 10_000)+`"}`)
	closeBoth(server, client)
}

func TestMaxMessageSize(t *testing.T) {
	t.Parallel()
	for _, compression := range []bool{false, true} {
		server, client := wsPair(t, &http.Upgrader{EnableCompression: compression}, &http.DialOptions{EnableCompression: compression})
		server.SetMaxMessageSize(1000)
		go func() {
			client.WriteMessage(http.TextMessage, bytes.Repeat([]byte("x"), 1000))
			client.WriteMessage(http.TextMessage, bytes.Repeat([]byte("x"), 1001))
		}()
		wantMessage(t, server, http.TextMessage, strings.Repeat("x", 1000))
		for range 2 {
			if _, _, err := server.ReadMessage(); !errors.Is(err, http.ErrReadLimit) {
				t.Errorf("ReadMessage: %v", err)
			}
		}
		var closed *http.CloseError
		if _, _, err := client.ReadMessage(); !errors.As(err, &closed) || closed.Code != http.CloseMessageTooBig {
			t.Errorf("the client read %v", err)
		}
		closeBoth(server, client)
	}
}

// This test is not parallel, because it would disturb tests that measure
// memory.
func TestMaxMessageSizeOff(t *testing.T) {
	server, client := wsPair(t, &http.Upgrader{}, nil)
	server.SetMaxMessageSize(-1)
	const size = 17 << 20
	go client.WriteMessage(http.BinaryMessage, make([]byte, size))
	if _, p, err := server.ReadMessage(); err != nil || len(p) != size {
		t.Errorf("read %d bytes, %v", len(p), err)
	}
	server.SetMaxMessageSize(0)
	go client.WriteMessage(http.BinaryMessage, make([]byte, size))
	if _, _, err := server.ReadMessage(); !errors.Is(err, http.ErrReadLimit) {
		t.Errorf("with the default limit: %v", err)
	}
	closeBoth(server, client)
}

func TestDeathOfThePeer(t *testing.T) {
	t.Parallel()
	srv := make(chan error, 1)
	server := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := new(http.Upgrader).Upgrade(w, r)
		if err == nil {
			defer conn.Close()
			_, _, err = conn.ReadMessage()
		}
		srv <- err
	}))
	conn, err := net.Dial("tcp", server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, handshake)
	conn.(*net.TCPConn).SetLinger(0) // makes Close reset the connection
	conn.Read(make([]byte, 1))
	conn.Close()
	var closed *http.CloseError
	if err := testkit.Receive(t, srv, "the server's read"); !errors.As(err, &closed) || closed.Code != http.CloseAbnormalClosure || errors.Unwrap(closed) == nil {
		t.Errorf("the server read %v", err)
	}
}

func TestSilentPeerIsFoundByTheReadDeadline(t *testing.T) {
	t.Parallel()
	server, _ := wsPair(t, &http.Upgrader{}, nil)
	if err := server.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, _, err := server.ReadMessage(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("ReadMessage: %v", err)
		}
	}
}

func TestStreams(t *testing.T) {
	t.Parallel()
	for _, compression := range []bool{false, true} {
		server, client := wsPair(t, &http.Upgrader{EnableCompression: compression, WriteBufferSize: 500},
			&http.DialOptions{EnableCompression: compression, ReadBufferSize: 1, WriteBufferSize: 1})
		text := strings.Repeat("streamed, ", 5000)
		go func() {
			for _, conn := range []*http.Conn{client, server} {
				w, err := conn.NextWriter(http.TextMessage)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := io.Copy(w, strings.NewReader(text)); err != nil {
					t.Error(err)
				}
				if err := w.Close(); err != nil {
					t.Error(err)
				}
			}
		}()
		for _, conn := range []*http.Conn{server, client} {
			messageType, r, err := conn.NextReader()
			if err != nil || messageType != http.TextMessage {
				t.Fatal(messageType, err)
			}
			if got, err := io.ReadAll(r); err != nil || string(got) != text {
				t.Errorf("compression %v: %d bytes, %v", compression, len(got), err)
			}
		}
		closeBoth(server, client)
	}
}

func TestBroadcast(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("to all, ", 100)
	message, err := http.NewPreparedMessage(http.TextMessage, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, options := range []*http.DialOptions{nil, {EnableCompression: true}, {EnableCompression: true, NoContextTakeover: true}} {
		server, client := wsPair(t, &http.Upgrader{EnableCompression: true}, options)
		for range 3 {
			if err := server.WritePreparedMessage(message); err != nil {
				t.Fatal(err)
			}
			if err := server.WriteMessage(http.TextMessage, []byte(text)); err != nil {
				t.Fatal(err)
			}
			if err := client.WritePreparedMessage(message); err != nil {
				t.Fatal(err)
			}
			wantMessage(t, client, http.TextMessage, text)
			wantMessage(t, client, http.TextMessage, text)
			wantMessage(t, server, http.TextMessage, text)
		}
		closeBoth(server, client)
	}
}

// Fifty goroutines write, ping and close concurrently. The peer receives only
// complete messages and a close frame.
func TestManyGoroutinesUseOneConnection(t *testing.T) {
	t.Parallel()
	server, client := wsPair(t, &http.Upgrader{EnableCompression: true}, &http.DialOptions{EnableCompression: true})
	pongs := 0
	server.SetPongHandler(func([]byte) error { pongs++; return nil })
	var users sync.WaitGroup
	for g := range 50 {
		users.Go(func() {
			for m := range 20 {
				switch (g + m) % 4 {
				case 0:
					server.WritePing(nil)
				case 1:
					server.WriteMessage(http.TextMessage, bytes.Repeat([]byte{byte('a' + g%26)}, 50*m))
				case 2:
					server.WriteJSON(strings.Repeat(string(rune('a'+g%26)), 100*m))
				case 3:
					server.SetWriteDeadline(time.Now().Add(time.Minute))
				}
			}
			if g%10 == 0 {
				server.Close()
			}
		})
	}
	users.Go(func() {
		for {
			if _, _, err := server.ReadMessage(); err != nil {
				return
			}
		}
	})
	for {
		_, p, err := client.ReadMessage()
		if err != nil {
			var closed *http.CloseError
			if !errors.As(err, &closed) || closed.Code != http.CloseNormalClosure {
				t.Errorf("the client read %v", err)
			}
			break
		}
		if p = bytes.Trim(p, `"`); len(bytes.Trim(p, string(p[:min(1, len(p))]))) > 0 {
			t.Fatalf("mixed message %.100q", p)
		}
	}
	client.Close()
	users.Wait()
}

func TestNoGoroutineRemains(t *testing.T) {
	testkit.CheckLeaks(t)
	server, client := wsPair(t, &http.Upgrader{}, nil)
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			if _, _, err := server.ReadMessage(); err != nil {
				return
			}
		}
	})
	server.SetPingHandler(func([]byte) error { return server.Close() })
	if err := client.WritePing(nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := client.ReadMessage(); err == nil {
		t.Error("the client read a message")
	}
	closeBoth(server, client)
	reader.Wait()
}

func TestCloseErrorText(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"websocket: closed with code 1000":          &http.CloseError{Code: 1000},
		"websocket: closed with code 1008: no spam": &http.CloseError{Code: 1008, Text: "no spam"},
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}

// Names in the header map need not be canonical.
func TestUpgradeLeavesOutFieldsInAnySpelling(t *testing.T) {
	t.Parallel()
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{"upgrade": "h2c", "CONTENT-LENGTH": "7", "sec-websocket-accept": "x", "x-kept": "y"} {
			w.Header()[name] = []string{value}
		}
		if conn, err := (http.Upgrader{}).Upgrade(w, r); err == nil {
			conn.CloseNow()
		}
	}))
	conn := testkit.Dial(t, srv.Addr())
	conn.Send(handshake)
	got := conn.ReadAll()
	if n := strings.Count(strings.ToLower(got), "upgrade: "); n != 1 || strings.Contains(got, "LENGTH") || strings.Contains(got, "sec-websocket-accept") || !strings.Contains(got, "x-kept: y\r\n") {
		t.Errorf("the response is %q", got)
	}
}
