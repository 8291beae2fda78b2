package http_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestDialOverTLS(t *testing.T) {
	t.Parallel()
	srv := startTLS(t, echo(&http.Upgrader{}))
	address := strings.Replace(srv.URL, "https", "wss", 1)
	if _, _, err := http.Dial(t.Context(), address, nil); err == nil {
		t.Error("an unknown certificate was trusted")
	}
	conn := dialWS(t, address, &http.DialOptions{TLSConfig: clientTLS(srv)})
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
			t.Errorf("%s: %v, want it to contain %q", tt.name, err, tt.want)
		}
	}
}

func TestDialNamesEveryBadArgument(t *testing.T) {
	t.Parallel()
	_, _, err := http.Dial(t.Context(), "ftp://example.com", &http.DialOptions{
		Header:       http.Header{"upgrade": {"h2c"}, "Content-Length": {"5"}, "X-A": {"a\r\nb"}, "X B": {"lost"}, "": {"lost"}},
		Subprotocols: []string{"chat", "a b", "chat"},
	})
	const want = `websocket: dial: unsupported URL scheme "ftp"; use ws, wss, http or https; ` +
		`DialOptions.Header: "" is not a header field name; ` +
		`DialOptions.Header: "Content-Length" is reserved and cannot be set; ` +
		`DialOptions.Header: "X B" is not a header field name; ` +
		`DialOptions.Header: "upgrade" is reserved and cannot be set; ` +
		`DialOptions.Header: "X-A" contains the control character '\r' at byte 1 of its value; ` +
		`DialOptions.Subprotocols: "a b" is not a token; ` +
		`DialOptions.Subprotocols: "chat" is listed twice`
	if err == nil || err.Error() != want {
		t.Errorf("Dial: %v\nwant  %s", err, want)
	}
}

func TestDialChecksTheResponse(t *testing.T) {
	t.Parallel()
	const proper = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n"
	tests := []struct{ name, answer, want string }{
		{"proper", proper + "\r\n", ""},
		{"in other words", "HTTP/1.1 101 OK\r\nupgrade: WebSocket\r\nConnection: x, upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n", ""},
		{"200 with a body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", `the server responded with 200 OK: "hello"`},
		{"403 with JSON", "HTTP/1.1 403 Forbidden\r\nContent-Length: 15\r\n\r\n{\"error\":\"no\"}\n", `the server responded with 403 Forbidden: "{\"error\":\"no\"}"`},
		{"body of bytes", "HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n\x00\x01", "the server responded with 500 Oops"},
		{"endless body", "HTTP/1.1 500 Oops\r\n\r\n" + strings.Repeat("long ", 10_000), "the server responded with 500 Oops: \"long long"},
		{"redirect", "HTTP/1.1 302 Found\r\nLocation: https://example.com/\r\nContent-Length: 0\r\n\r\n", `the server redirects to "https://example.com/" (302 Found); Dial does not follow redirects`},
		{"no Upgrade", strings.Replace(proper, "Upgrade: websocket\r\n", "", 1) + "\r\n", "switched to a protocol other than WebSocket: Upgrade is missing, Connection is \"Upgrade\""},
		{"no Connection", strings.Replace(proper, "Connection: Upgrade\r\n", "", 1) + "\r\n", "switched to a protocol other than WebSocket"},
		{"wrong key", strings.Replace(proper, "ACCEPT", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 1) + "\r\n", "Sec-WebSocket-Accept does not match"},
		{"no key", strings.Replace(proper, "Sec-WebSocket-Accept: ACCEPT\r\n", "", 1) + "\r\n", "Sec-WebSocket-Accept does not match"},
		{"subprotocol", proper + "Sec-WebSocket-Protocol: chat\r\n\r\n", "subprotocol that was not offered: \"chat\""},
		{"extension", proper + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "extension that was not offered: \"permessage-deflate\""},
		{"malformed extension", proper + "Sec-WebSocket-Extensions: ;\r\n\r\n", "malformed Sec-WebSocket-Extensions header: \";\""},
		{"nothing", "", "unexpected EOF"},
		{"cut", "HTTP/1.1 101 Swi", "unexpected EOF"},
		{"no HTTP", "SSH-2.0-OpenSSH\r\n", "malformed HTTP"},
		{"endless header", "HTTP/1.1 101 Switching Protocols\r\nX: " + strings.Repeat("x", 2<<20), "the response header exceeds 256 KiB: unexpected EOF"},
		{"endless status line", "HTTP/1.1 403 " + strings.Repeat("x", 2<<20), "the response header exceeds 256 KiB"},
		{"long status line", "HTTP/1.1 403 " + strings.Repeat("x", 200<<10) + "\r\n\r\n", "the server responded with 403 xxx"},
		{"early hints", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + proper + "\r\n", ""},
		{"informational responses", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 5) + proper + "\r\n", ""},
		{"informational responses, then a refusal", "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 X\r\n\r\nHTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "the server responded with 403 No"},
		{"too many informational responses", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 11) + proper + "\r\n", "more than 10 informational responses"},
		{"long informational responses", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: "+strings.Repeat("x", 60<<10)+"\r\n\r\n", 8) + proper + "\r\n", "exceeds 256 KiB"},
		{"informational response only", "HTTP/1.1 103 Early Hints\r\n\r\n", "unexpected EOF"},
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
				t.Errorf("Dial: %v, want it to contain %q", err, tt.want)
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
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections but sends nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	// While it connects, package net may report os.ErrDeadlineExceeded instead.
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
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

// proxyServer starts an HTTP proxy that supports CONNECT, and counts its uses.
func proxyServer(t *testing.T, secure bool, auth string) (*url.URL, *atomic.Int32) {
	t.Helper()
	uses := new(atomic.Int32)
	srv := httptest.NewUnstartedServer(connectProxy(t, auth, uses))
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

// connectProxy returns the handler of such a proxy.
func connectProxy(t *testing.T, auth string, uses *atomic.Int32) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
	})
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
	}); err == nil || !strings.Contains(err.Error(), `unsupported URL scheme "socks5"; use http or https`) {
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
		t.Errorf("a proxy with an unknown certificate: %v", err)
	}
}

// The Proxy function gets a URL with the scheme http or https, which selects
// HTTP_PROXY or HTTPS_PROXY.
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
	address := answering(t, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n"+
		"\x81\x05first\x82\x7e\x10\x00"+strings.Repeat("y", 4096))
	conn := dialWS(t, address, nil)
	wantMessage(t, conn, http.TextMessage, "first")
	wantMessage(t, conn, http.BinaryMessage, strings.Repeat("y", 4096))
}

// The error texts contain no control characters that a server or a proxy has
// sent.
func TestDialErrorsArePrintable(t *testing.T) {
	t.Parallel()
	const evil = "\x1b]0;\u009b2J\u202e\a\x7f\xff"
	const proper = "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n"
	const utf8 = "\u009b2J\u202e\xff" // the part that a header field may contain
	tests := []struct{ name, answer, contains string }{
		{"status", "HTTP/1.1 403 " + evil + "\r\nContent-Length: 0\r\n\r\n", `the server responded with 403 \x1b]0;\u009b2J\u202e\a\x7f\xff`},
		{"status before a body", "HTTP/1.1 403 " + evil + "\r\nContent-Length: 2\r\n\r\nno", `\xff: "no"`},
		{"status of a redirect", "HTTP/1.1 302 " + evil + "\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", `the server redirects to "/" (302 \x1b]0;`},
		{"location", "HTTP/1.1 302 X\r\nLocation: /" + utf8 + "\r\nContent-Length: 0\r\n\r\n", "redirects to"},
		{"body", "HTTP/1.1 403 X\r\nContent-Length: 4\r\n\r\n" + utf8[:4], "403 X"},
		{"no HTTP", evil + "\r\n\r\n", "malformed HTTP"},
		{"no version", "HTTP/" + evil + " 101 X\r\n\r\n", "malformed HTTP version"},
		{"no status", "HTTP/1.1 " + evil + "\r\n\r\n", "malformed HTTP status code"},
		{"field", "HTTP/1.1 101 X\r\n" + evil + "\r\n\r\n", "malformed MIME header"},
		{"length", "HTTP/1.1 403 X\r\nContent-Length: " + utf8 + "\r\n\r\n", "bad Content-Length"},
		{"coding", "HTTP/1.1 403 X\r\nTransfer-Encoding: " + utf8 + "\r\n\r\n", "transfer encoding"},
		{"upgrade", strings.Replace(proper, ": websocket", ": "+utf8, 1) + "\r\n", `Upgrade is "\u009b2J\u202e\xff"`},
		{"key", strings.Replace(proper, "ACCEPT", utf8, 1) + "\r\n", `Sec-WebSocket-Accept does not match the request's key: the value is "\u009b`},
		{"subprotocol", proper + "Sec-WebSocket-Protocol: " + utf8 + "\r\n\r\n", `not offered: "\u009b`},
		{"extension", proper + "Sec-WebSocket-Extensions: " + utf8 + "\r\n\r\n", `header: "\u009b`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for by, options := range map[string]*http.DialOptions{
				"server": nil,
				"proxy": {Proxy: func(*http.Request) (*url.URL, error) {
					return url.Parse(strings.Replace(answering(t, tt.answer), "ws", "http", 1))
				}},
			} {
				target := answering(t, tt.answer)
				_, _, err := http.Dial(t.Context(), target, options)
				if err == nil || by == "server" && !strings.Contains(err.Error(), tt.contains) {
					t.Fatalf("%s: %v, want it to contain %s", by, err, tt.contains)
				}
				for _, c := range err.Error() {
					if c == utf8Error || !unicode.IsPrint(c) {
						t.Fatalf("%s: %q is not printable", by, err.Error())
					}
				}
			}
		})
	}
}

const utf8Error = '\uFFFD'

func TestDialErrorsHoldNoPassword(t *testing.T) {
	t.Parallel()
	bad := []string{
		"ws://ada:s3cret@exa mple.com/", "ws://ada:s3cret@example.com:port/", "ws://ada:s3cret@example.com/%zz", "ws://ada:s3cret%zz@example.com/",
		"ws://ada:s3cret /@example.com", "ws://ada:s3cret/word@example.com/", "ws://ada:pass@s3cret@exa mple.com", "ws://ada:s3cret", "ws://ada:s3cret/",
		"ws://ada:s3cret%40example.com/", "ws://ada:s3cret@[::1/", "ws://ada:s3cret@example.com:99:99/", "://ada:s3cret@example.com/", "ws:ada:s3cret@example.com",
		"ws:/ada:s3cret@example.com/", "ws://ada:s3cret\x00@example.com/", "ada:s3cret@example.com:80", "ftp://ada:s3cret@example.com/",
		`ws://ada:"s3cret"@exa mple.com/`, "ws://ada:s3cret@/", "ws://ada:s3cret@example.com/#fragment", `ws://ada:s3cret?x="@exa mple.com"`,
	}
	check := func(t *testing.T, err error) {
		t.Helper()
		var parse *url.Error
		if err == nil || strings.Contains(err.Error(), "s3cret") || errors.As(err, &parse) && strings.Contains(fmt.Sprint(parse, parse.URL, parse.Err), "s3cret") {
			t.Errorf("Dial: %v", err)
		}
	}
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", r.URL.Query().Get("to"))
		w.WriteHeader(http.StatusFound)
	}))
	for _, address := range bad {
		_, _, err := http.Dial(t.Context(), address, nil)
		check(t, err)
		dial := func(proxy func(*http.Request) (*url.URL, error)) {
			_, _, err := http.Dial(t.Context(), "ws://example.invalid/", &http.DialOptions{Proxy: proxy, DialContext: func(context.Context, string, string) (net.Conn, error) {
				return nil, io.EOF
			}})
			check(t, err)
		}
		address = strings.Replace(address, "ws:", "http:", 1)
		dial(func(*http.Request) (*url.URL, error) { return url.Parse(address) })
		dial(func(*http.Request) (*url.URL, error) { return nil, fmt.Errorf("proxy address %q is bad", address) })
		dial(func(*http.Request) (*url.URL, error) { return nil, errors.New("bad proxy address " + address) })
		dial(func(*http.Request) (*url.URL, error) { // as ProxyFromEnvironment does
			u, err := url.Parse(address)
			if err != nil || u.Host == "" {
				if u, err := url.Parse("http://" + address); err == nil {
					return u, nil
				}
			}
			if err != nil {
				return nil, fmt.Errorf("invalid proxy address %q: %v", address, err)
			}
			return u, nil
		})
		if header := (http.Header{"Location": {address}}); strings.IndexFunc(address, unicode.IsControl) < 0 {
			_, _, err = http.Dial(t.Context(), wsURL(srv)+"/?to="+url.QueryEscape(header.Get("Location")), nil)
			check(t, err)
		}
	}
	_, _, err := http.Dial(t.Context(), "ws://ada:s3cret@exa mple.com/", nil)
	var parse *url.Error
	if !errors.As(err, &parse) || err.Error() != `websocket: dial: parse "ws://xxxxx@exa mple.com/": invalid character in host name` {
		t.Errorf("Dial: %v", err)
	}
}

// A cancelingConn cancels a context in the first Read after the bytes that it
// has read end with a given text.
type cancelingConn struct {
	net.Conn
	after  string
	cancel func()
	read   []byte
}

func (c *cancelingConn) Read(p []byte) (int, error) {
	if strings.HasSuffix(string(c.read), c.after) {
		c.cancel()
	}
	n, err := c.Conn.Read(p)
	c.read = append(c.read, p[:n]...)
	return n, err
}

func TestDialKeepsTheResponseWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, "partial")
		http.NewResponseController(w).Flush()
		<-release
	}))
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	_, resp, err := http.Dial(ctx, wsURL(srv), &http.DialOptions{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return &cancelingConn{Conn: conn, after: "partial\r\n", cancel: cancel}, err
	}})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), `the server responded with 503 Service Unavailable: "partial"`) {
		t.Errorf("Dial: %v", err)
	}
	if resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("response %v", resp)
	}
	if body, err := io.ReadAll(resp.Body); string(body) != "partial" || err != nil {
		t.Errorf("body %q, %v", body, err)
	}
}

// The TLS configuration is used for an https proxy too, but with the proxy's
// host as the ServerName.
func TestDialThroughAProxyWithTLSConfig(t *testing.T) {
	t.Parallel()
	names := make(chan string, 10)
	noted := func(next http.Handler) *httptest.Server {
		srv := httptest.NewUnstartedServer(next)
		srv.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			names <- hello.ServerName
			return nil, nil
		}}
		srv.StartTLS()
		t.Cleanup(srv.Close)
		return srv
	}
	proxy := noted(connectProxy(t, "", new(atomic.Int32)))
	proxyURL, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	plain, secure := testkit.StartServer(t, testkit.HTTP1, echo(&http.Upgrader{})), noted(echo(&http.Upgrader{}))
	config := clientTLS(secure)
	config.ServerName = "example.com" // is in the certificate, but is not the proxy's host
	for target, want := range map[string][]string{wsURL(plain): {""}, strings.Replace(secure.URL, "https", "wss", 1): {"", "example.com"}} {
		conn := dialWS(t, target, &http.DialOptions{Proxy: nethttp.ProxyURL(proxyURL), TLSConfig: config})
		if err := conn.WriteMessage(http.TextMessage, []byte("x")); err != nil {
			t.Fatal(err)
		}
		wantMessage(t, conn, http.TextMessage, "x")
		for _, name := range want {
			if got := <-names; got != name {
				t.Errorf("%s: asked for server name %q, want %q", target, got, name)
			}
		}
		conn.CloseNow()
	}
	if config.ServerName != "example.com" {
		t.Error("the configuration was changed")
	}
}

// A proxy may send informational responses too.
func TestProxyMaySendInformationalResponses(t *testing.T) {
	t.Parallel()
	target := answering(t, "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n")
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		connectProxy(t, "", new(atomic.Int32)).ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	proxyURL, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	dialWS(t, target, &http.DialOptions{Proxy: nethttp.ProxyURL(proxyURL)}).CloseNow()
}

func TestCloseErrorsArePrintable(t *testing.T) {
	t.Parallel()
	err := &http.CloseError{Code: http.ClosePolicyViolation, Text: "\x1b[2J\u202e"}
	if got := err.Error(); got != `websocket: closed with code 1008: "\x1b[2J\u202e"` {
		t.Errorf("%s", got)
	}
}

// An undeadlinedConn does not support deadlines, like a channel of SSH.
type undeadlinedConn struct{ net.Conn }

var errNoDeadlines = errors.New("deadlines are not supported")

func (undeadlinedConn) SetDeadline(time.Time) error      { return errNoDeadlines }
func (undeadlinedConn) SetReadDeadline(time.Time) error  { return errNoDeadlines }
func (undeadlinedConn) SetWriteDeadline(time.Time) error { return errNoDeadlines }

func dialUndeadlined(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return undeadlinedConn{conn}, nil
}

func TestDialEndsWithItsContextWithoutDeadlines(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() // accepts no connection, so that no response arrives
	ctx, cancel := context.WithCancel(t.Context())
	dialled := make(chan error, 1)
	go func() {
		_, _, err := http.Dial(ctx, "ws://"+listener.Addr().String(), &http.DialOptions{
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				defer cancel()
				return dialUndeadlined(context.WithoutCancel(ctx), network, addr)
			},
		})
		dialled <- err
	}()
	if err := testkit.Receive(t, dialled, "Dial"); !errors.Is(err, context.Canceled) {
		t.Errorf("Dial: %v", err)
	}
}

func TestConnectionsWithoutDeadlines(t *testing.T) {
	t.Parallel()
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		conn.SetPongHandler(func([]byte) error { return conn.WriteMessage(http.TextMessage, []byte("got a pong")) })
		if err := conn.WritePing(nil); err != nil {
			t.Error(err)
		}
		_, _, err = conn.ReadMessage()
		if closed := (*http.CloseError)(nil); !errors.As(err, &closed) || closed.Code != http.CloseNormalClosure {
			t.Errorf("the server read %v, want a close frame", err)
		}
		conn.Close()
	}))
	conn, _, err := http.Dial(t.Context(), wsURL(srv), &http.DialOptions{DialContext: dialUndeadlined})
	if err != nil {
		t.Fatal(err)
	}
	wantMessage(t, conn, http.TextMessage, "got a pong")
	if err := conn.SetReadDeadline(time.Now()); !errors.Is(err, errNoDeadlines) {
		t.Errorf("SetReadDeadline: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestDialKnowsFieldsInAnySpelling(t *testing.T) {
	t.Parallel()
	for _, spell := range []func(string) string{strings.ToLower, strings.ToUpper} {
		got := make(chan *http.Request, 1)
		srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got <- r
			if conn, err := (http.Upgrader{}).Upgrade(w, r); err == nil {
				conn.CloseNow()
			}
		}))
		header := http.Header{
			spell("Host"):          {"example.com"},
			spell("Authorization"): {"Bearer x"},
			spell("User-Agent"):    {"me"},
			spell("X-Other"):       {"y"},
		}
		conn, _, err := http.Dial(t.Context(), "ws://user:pass@"+srv.Addr(), &http.DialOptions{Header: header})
		if err != nil {
			t.Fatal(err)
		}
		conn.CloseNow()
		r := <-got
		if r.Host != "example.com" {
			t.Errorf("Host is %q", r.Host)
		}
		for name, want := range map[string]string{"Authorization": "Bearer x", "User-Agent": "me", "X-Other": "y"} {
			if lines := r.Header[name]; len(lines) != 1 || lines[0] != want {
				t.Errorf("%s is %q, want %q alone", name, lines, want)
			}
		}
	}
}
