package http_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testkit"
)

// startTLS starts a server that speaks HTTP/1.1 over TLS.
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

func TestDialOverTLS(t *testing.T) {
	t.Parallel()
	srv := startTLS(t, echo(&http.Upgrader{}))
	url := strings.Replace(srv.URL, "https", "wss", 1)
	if _, _, err := http.Dial(t.Context(), url, nil); err == nil {
		t.Error("a certificate of no one was trusted")
	}
	conn := dialWS(t, url, &http.DialOptions{TLSConfig: clientTLS(srv)})
	for _, size := range []int{5, 4096, 100_000} {
		text := strings.Repeat("x", size)
		if err := conn.WriteMessage(http.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
		wantMessage(t, conn, http.TextMessage, text)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

func TestDialRefusesBadArguments(t *testing.T) {
	t.Parallel()
	dial := func(context.Context, string, string) (net.Conn, error) {
		t.Error("a connection was opened")
		return nil, io.EOF
	}
	tests := []struct {
		name, url string
		options   http.DialOptions
		want      string
	}{
		{"scheme", "ftp://example.com", http.DialOptions{}, `scheme "ftp"`},
		{"no scheme", "example.com/x", http.DialOptions{}, `scheme ""`},
		{"no host", "ws://", http.DialOptions{}, "no host"},
		{"fragment", "ws://example.com/#a", http.DialOptions{}, "fragment"},
		{"empty fragment", "ws://example.com/#", http.DialOptions{}, "fragment"},
		{"not a URL", "ws://exa mple.com", http.DialOptions{}, "parse"},
		{"header of the handshake", "ws://example.com", http.DialOptions{Header: http.Header{"sec-websocket-key": {"x"}}}, "sec-websocket-key"},
		{"header with a line break", "ws://example.com", http.DialOptions{Header: http.Header{"X-A": {"a\r\nb"}}}, "X-A"},
		{"subprotocol", "ws://example.com", http.DialOptions{Subprotocols: []string{"a b"}}, `"a b"`},
		{"subprotocol twice", "ws://example.com", http.DialOptions{Subprotocols: []string{"a", "a"}}, "twice"},
	}
	for _, tt := range tests {
		tt.options.DialContext = dial
		_, resp, err := http.Dial(t.Context(), tt.url, &tt.options)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "websocket: dial: ") || resp != nil {
			t.Errorf("%s: %v, want it to say %q", tt.name, err, tt.want)
		}
	}
}

// answering starts a server that answers every connection with text, in which
// ACCEPT stands for the right answer to the key.
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

func TestDialChecksTheResponse(t *testing.T) {
	t.Parallel()
	const proper = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n"
	tests := []struct{ name, answer, want string }{
		{"proper", proper + "\r\n", ""},
		{"in other words", "HTTP/1.1 101 OK\r\nupgrade: WebSocket\r\nConnection: x, upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n", ""},
		{"200 with a body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", `the server answered 200 OK: "hello"`},
		{"403 with JSON", "HTTP/1.1 403 Forbidden\r\nContent-Length: 15\r\n\r\n{\"error\":\"no\"}\n", `the server answered 403 Forbidden: "{\"error\":\"no\"}"`},
		{"body of bytes", "HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n\x00\x01", "the server answered 500 Oops"},
		{"endless body", "HTTP/1.1 500 Oops\r\n\r\n" + strings.Repeat("long ", 10_000), "the server answered 500 Oops: \"long long"},
		{"redirect", "HTTP/1.1 302 Found\r\nLocation: https://example.com/\r\nContent-Length: 0\r\n\r\n", `the server redirects to "https://example.com/" (302 Found), which is not followed`},
		{"no Upgrade", strings.Replace(proper, "Upgrade: websocket\r\n", "", 1) + "\r\n", "switched to something else"},
		{"no Connection", strings.Replace(proper, "Connection: Upgrade\r\n", "", 1) + "\r\n", "switched to something else"},
		{"wrong key", strings.Replace(proper, "ACCEPT", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 1) + "\r\n", "Sec-WebSocket-Accept is wrong"},
		{"no key", strings.Replace(proper, "Sec-WebSocket-Accept: ACCEPT\r\n", "", 1) + "\r\n", "Sec-WebSocket-Accept is wrong"},
		{"subprotocol", proper + "Sec-WebSocket-Protocol: chat\r\n\r\n", "subprotocol that was not offered"},
		{"extension", proper + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "extension that was not offered"},
		{"malformed extension", proper + "Sec-WebSocket-Extensions: ;\r\n\r\n", "malformed"},
		{"nothing", "", "unexpected EOF"},
		{"cut", "HTTP/1.1 101 Swi", "unexpected EOF"},
		{"no HTTP", "SSH-2.0-OpenSSH\r\n", "malformed HTTP"},
		{"endless header", "HTTP/1.1 101 Switching Protocols\r\nX: " + strings.Repeat("x", 2<<20), "unexpected EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conn, _, err := http.Dial(t.Context(), answering(t, tt.answer), nil)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				conn.Close()
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Dial: %v, want it to say %q", err, tt.want)
			}
			if err != nil && len(err.Error()) > 600 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

func TestDialReturnsTheResponseOfARefusal(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("text ", 1000)
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
		io.WriteString(w, body)
	}))
	_, resp, err := http.Dial(t.Context(), wsURL(srv), nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusTooManyRequests {
		t.Fatal(resp, err)
	}
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != body[:4096] {
		t.Errorf("body of %d bytes, %v", len(got), err)
	}
}

func TestDialSendsWhatItWasGiven(t *testing.T) {
	t.Parallel()
	got := make(chan *http.Request, 1)
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r
		http.WriteError(w, http.StatusTeapot, "no")
	}))
	_, _, err := http.Dial(t.Context(), strings.Replace(wsURL(srv), "//", "//ada:secret@", 1)+"/chat?room=1", &http.DialOptions{
		Header:            http.Header{"Cookie": {"a=1"}, "Host": {"virtual.example"}},
		Subprotocols:      []string{"a", "b"},
		EnableCompression: true,
		NoContextTakeover: true,
	})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("Dial: %v", err)
	}
	r := <-got
	user, password, _ := r.BasicAuth()
	if r.Host != "virtual.example" || r.RequestURI != "/chat?room=1" || r.Header.Get("Cookie") != "a=1" || user != "ada" || password != "secret" {
		t.Errorf("request %s to %s with %v", r.RequestURI, r.Host, r.Header)
	}
	if p, e := r.Header.Get("Sec-WebSocket-Protocol"), r.Header.Get("Sec-WebSocket-Extensions"); p != "a, b" ||
		e != "permessage-deflate; client_max_window_bits; server_no_context_takeover; client_no_context_takeover" {
		t.Errorf("offers %q and %q", p, e)
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, _, err := http.Dial(ctx, "ws://"+listener.Addr().String(), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Dial: %v", err)
	}
}

func TestDialContextDoesNotBoundTheConnection(t *testing.T) {
	t.Parallel()
	srv := testkit.StartServer(t, testkit.HTTP1, echo(&http.Upgrader{}))
	ctx, cancel := context.WithCancel(t.Context())
	conn, _, err := http.Dial(ctx, wsURL(srv), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cancel()
	if err := conn.WriteMessage(http.TextMessage, []byte("x")); err != nil {
		t.Fatal(err)
	}
	wantMessage(t, conn, http.TextMessage, "x")
}

// proxyServer starts an HTTP proxy that knows CONNECT, and counts its uses.
func proxyServer(t *testing.T, secure bool, auth string) (*url.URL, *atomic.Int32) {
	t.Helper()
	uses := new(atomic.Int32)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != auth {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		uses.Add(1)
		target, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer target.Close()
		w.WriteHeader(http.StatusOK)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		go io.Copy(target, rw)
		io.Copy(conn, target)
	}))
	if secure {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u, uses
}

func TestDialThroughAProxy(t *testing.T) {
	t.Parallel()
	plain := testkit.StartServer(t, testkit.HTTP1, echo(&http.Upgrader{}))
	secure := startTLS(t, echo(&http.Upgrader{}))
	proxy, uses := proxyServer(t, false, "")
	for _, target := range []string{wsURL(plain), strings.Replace(secure.URL, "https", "wss", 1)} {
		before := uses.Load()
		conn := dialWS(t, target, &http.DialOptions{Proxy: nethttp.ProxyURL(proxy), TLSConfig: clientTLS(secure)})
		if err := conn.WriteMessage(http.TextMessage, []byte("x")); err != nil {
			t.Fatal(err)
		}
		wantMessage(t, conn, http.TextMessage, "x")
		if uses.Load() != before+1 {
			t.Errorf("%s: the proxy was not used", target)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestDialThroughAProxyThatRefuses(t *testing.T) {
	t.Parallel()
	srv := testkit.StartServer(t, testkit.HTTP1, echo(&http.Upgrader{}))
	proxy, uses := proxyServer(t, false, "Basic YWRhOnNlY3JldA==")
	dial := func(user *url.Userinfo) error {
		u := *proxy
		u.User = user
		conn, _, err := http.Dial(t.Context(), wsURL(srv), &http.DialOptions{Proxy: nethttp.ProxyURL(&u)})
		if err == nil {
			conn.Close()
		}
		return err
	}
	if err := dial(url.UserPassword("eve", "guess")); err == nil || !strings.Contains(err.Error(), "407") || strings.Contains(err.Error(), "guess") {
		t.Errorf("Dial: %v", err)
	}
	if err := dial(url.UserPassword("ada", "secret")); err != nil || uses.Load() != 1 {
		t.Errorf("Dial: %v", err)
	}
	if _, _, err := http.Dial(t.Context(), wsURL(srv), &http.DialOptions{
		Proxy: func(*http.Request) (*url.URL, error) { return url.Parse("socks5://127.0.0.1:1") },
	}); err == nil || !strings.Contains(err.Error(), `"socks5" is not supported`) {
		t.Errorf("Dial: %v", err)
	}
	broken := errors.New("broken configuration")
	if _, _, err := http.Dial(t.Context(), wsURL(srv), &http.DialOptions{
		Proxy: func(*http.Request) (*url.URL, error) { return nil, broken },
	}); !errors.Is(err, broken) {
		t.Errorf("Dial: %v", err)
	}
}

func TestDialThroughAProxyOverTLS(t *testing.T) {
	t.Parallel()
	srv := testkit.StartServer(t, testkit.HTTP1, echo(&http.Upgrader{}))
	proxy, _ := proxyServer(t, true, "")
	_, _, err := http.Dial(t.Context(), wsURL(srv), &http.DialOptions{Proxy: nethttp.ProxyURL(proxy)})
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a proxy with a certificate of no one: %v", err)
	}
}

// The proxy function sees the scheme that the environment's variables are
// named after.
func TestProxyIsAskedForHTTP(t *testing.T) {
	t.Parallel()
	for scheme, want := range map[string]string{"ws": "http", "wss": "https", "http": "http", "https": "https"} {
		asked := ""
		_, _, err := http.Dial(t.Context(), scheme+"://example.invalid:1/x", &http.DialOptions{
			Proxy: func(r *http.Request) (*url.URL, error) {
				asked = r.URL.String()
				return nil, io.EOF
			},
		})
		if !errors.Is(err, io.EOF) || asked != want+"://example.invalid:1/x" {
			t.Errorf("%s: asked for %q, %v", scheme, asked, err)
		}
	}
}

func TestDialContextIsUsed(t *testing.T) {
	t.Parallel()
	srv := testkit.StartServer(t, testkit.HTTP1, echo(&http.Upgrader{}))
	var asked string
	conn := dialWS(t, "ws://somewhere.invalid/path", &http.DialOptions{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			asked = network + " " + addr
			return new(net.Dialer).DialContext(ctx, network, srv.Addr())
		},
	})
	if asked != "tcp somewhere.invalid:80" {
		t.Errorf("dialled %q", asked)
	}
	if conn.RemoteAddr().String() != srv.Addr() || conn.LocalAddr() == nil {
		t.Errorf("addresses %v and %v", conn.RemoteAddr(), conn.LocalAddr())
	}
}

func TestServerSpeaksFirst(t *testing.T) {
	t.Parallel()
	url := answering(t, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n"+
		"\x81\x05first\x82\x7e\x10\x00"+strings.Repeat("y", 4096))
	conn := dialWS(t, url, nil)
	wantMessage(t, conn, http.TextMessage, "first")
	wantMessage(t, conn, http.BinaryMessage, strings.Repeat("y", 4096))
}
