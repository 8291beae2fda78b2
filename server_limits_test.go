package http_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// drip sends s in the background, one byte at a time, until the server closes the
// connection.
func drip(t *testing.T, conn *testkit.Conn, s string) {
	var sending sync.WaitGroup
	t.Cleanup(sending.Wait)
	sending.Go(func() {
		pace := time.NewTicker(time.Millisecond)
		defer pace.Stop()
		for i := range len(s) {
			if _, err := io.WriteString(conn.Conn, s[i:i+1]); err != nil {
				return
			}
			<-pace.C
		}
	})
}

func TestDrippedHeaderIsCutByTheHeaderTimeout(t *testing.T) {
	t.Parallel()
	srv := startServer(t, echoPath, http.WithReadTimeout(0), http.WithReadHeaderTimeout(50*time.Millisecond))
	conn := testkit.Dial(t, srv.Addr())
	conn.Send("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	drip(t, conn, strings.Repeat("a", 20_000))
	if got := conn.ReadAll(); got != "" {
		t.Errorf("the server answered %q", got)
	}
}

func TestDrippedBodyIsCutByTheReadTimeout(t *testing.T) {
	t.Parallel()
	failure := make(chan error, 1)
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		failure <- err
	}, http.WithReadTimeout(50*time.Millisecond), http.WithReadHeaderTimeout(0))
	conn := testkit.Dial(t, srv.Addr())
	conn.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n")
	drip(t, conn, strings.Repeat("a", 20_000))
	if err := testkit.Receive(t, failure, "the handler"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reading the body ended with %v", err)
	}
	conn.ReadAll()
}

func TestIdleConnectionIsClosedByTheIdleTimeout(t *testing.T) {
	t.Parallel()
	srv := startServer(t, echoPath, http.WithReadTimeout(0), http.WithIdleTimeout(10*time.Millisecond))
	conn := testkit.Dial(t, srv.Addr())
	conn.Send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
	if got := conn.ReadAll(); !strings.HasSuffix(got, "/x") {
		t.Errorf("the client got %q", got)
	}
}

func TestResponseIsCutByTheWriteTimeout(t *testing.T) {
	t.Parallel()
	failure := make(chan error, 1)
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		chunk := make([]byte, 1<<20)
		for {
			if _, err := w.Write(chunk); err != nil {
				failure <- err
				return
			}
		}
	}, http.WithWriteTimeout(50*time.Millisecond))
	conn := testkit.Dial(t, srv.Addr())
	conn.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n") // the client does not read
	if err := testkit.Receive(t, failure, "the handler"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("writing ended with %v", err)
	}
}

// answerTo sends raw bytes and returns everything that it receives, without the
// Date field.
func answerTo(t *testing.T, addr, request string) string {
	t.Helper()
	conn := testkit.Dial(t, addr)
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() {
		// This fails if the server closes the connection early.
		io.WriteString(conn.Conn, request)
		conn.Conn.(*net.TCPConn).CloseWrite()
	})
	return regexp.MustCompile(`Date: [^\r]*\r\n`).ReplaceAllString(conn.ReadAll(), "")
}

func TestMalformedRequestsGetWhatNetHTTPGives(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, "%s %s %q", r.Method, r.URL.Path, body)
	})
	bare := testkit.StartServer(t, testkit.HTTP1, handler)
	srv := startServer(t, handler)
	const host = "Host: x\r\n"
	tests := []struct{ name, request, status string }{
		{"no Host", "GET / HTTP/1.1\r\n\r\n", "400"},
		{"two Hosts", "GET / HTTP/1.1\r\n" + host + host + "\r\n", "400"},
		{"bad Host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"},
		{"bad method token", "GE(T / HTTP/1.1\r\n" + host + "\r\n", "400"},
		{"no method", " / HTTP/1.1\r\n" + host + "\r\n", "400"},
		{"no version", "GET /\r\n" + host + "\r\n", "400"},
		{"unknown version", "GET / HTTP/3.7\r\n" + host + "\r\n", "505"},
		{"bad target", "GET http://[::1 HTTP/1.1\r\n" + host + "\r\n", "400"},
		{"bad escape", "GET /%zz HTTP/1.1\r\n" + host + "\r\n", "400"},
		{"2 MB of headers", "GET / HTTP/1.1\r\n" + host + strings.Repeat("X-Filler: "+strings.Repeat("f", 1000)+"\r\n", 2000) + "\r\n", "431"},
		{"2 MB of one header", "GET / HTTP/1.1\r\n" + host + "X-Filler: " + strings.Repeat("f", 2<<20) + "\r\n\r\n", "431"},
		{"2 MB of request line", "GET /" + strings.Repeat("f", 2<<20) + " HTTP/1.1\r\n" + host + "\r\n", "431"},
		{"header without colon", "GET / HTTP/1.1\r\n" + host + "X-Broken\r\n\r\n", "400"},
		{"space before colon", "GET / HTTP/1.1\r\n" + host + "X-Broken : 1\r\n\r\n", "400"},
		{"control character in a value", "GET / HTTP/1.1\r\n" + host + "X-Broken: a\x01b\r\n\r\n", "400"},
		{"body shorter than its length", "POST / HTTP/1.1\r\n" + host + "Content-Length: 10\r\n\r\nshort", "400"},
		{"negative length", "POST / HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n", "400"},
		{"length that is no number", "POST / HTTP/1.1\r\n" + host + "Content-Length: ten\r\n\r\n", "400"},
		{"two lengths", "POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400"},
		{"bad chunk size", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n", "400"},
		{"huge chunk size", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n", "400"},
		{"chunk longer than its size", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", "400"},
		{"unfinished chunks", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n3\r\nab", "400"},
		{"unknown transfer coding", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: rot13\r\n\r\n", "501"},
		{"unknown expectation", "POST / HTTP/1.1\r\n" + host + "Expect: miracles\r\nContent-Length: 1\r\n\r\na", "417"},
		{"garbage", "\x00\x01\x02\xff\xfe garbage\r\n\r\n", "400"},
		{"TLS to a plain port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"},
		{"nothing", "", ""},
		{"half a request line", "GET / HT", "400"},
		{"sound", "POST /p HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\nab", "200"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want, got := answerTo(t, bare.Addr(), tt.request), answerTo(t, srv.Addr(), tt.request)
			if got != want {
				t.Errorf("the server answers\n%q\nand net/http\n%q", got, want)
			}
			status := ""
			if _, rest, ok := strings.Cut(got, " "); ok {
				status = rest[:3]
			}
			if status != tt.status {
				t.Errorf("the answer is %q, want status %q", got, tt.status)
			}
			if got := testkit.Dial(t, srv.Addr()).Get("/after").Body; got != `GET /after ""` {
				t.Errorf("the next request gets %q", got)
			}
		})
	}
}

func TestMaxHeaderBytesLimitsTheHeader(t *testing.T) {
	t.Parallel()
	srv := startServer(t, echoPath, http.WithMaxHeaderBytes(1000))
	for size, status := range map[int]string{500: "200", 10_000: "431"} {
		got := answerTo(t, srv.Addr(), "GET / HTTP/1.1\r\nHost: x\r\nX-Filler: "+strings.Repeat("f", size)+"\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 "+status) {
			t.Errorf("a header of about %d bytes gets %q, want %s", size, got, status)
		}
	}
}
