package testkit

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A Conn is a raw connection, for requests that an HTTP client cannot send. If
// one of its methods fails, the test ends.
type Conn struct {
	net.Conn
	tb testing.TB
	br *bufio.Reader
}

// Dial connects to a TCP address, such as [Server.Addr]. The connection is
// closed when the test ends.
func Dial(tb testing.TB, addr string) *Conn {
	tb.Helper()
	conn, err := net.DialTimeout("tcp", addr, Patience)
	if err != nil {
		tb.Fatalf("dial %s: %v", addr, err)
	}
	tb.Cleanup(func() {
		_ = conn.Close() // the test may have closed it already
	})
	return Wrap(tb, conn)
}

// Wrap returns a [Conn] for an existing connection, such as a TLS connection or
// one end of a pipe. The caller must close it.
func Wrap(tb testing.TB, conn net.Conn) *Conn {
	tb.Helper()
	if err := conn.SetDeadline(time.Now().Add(Patience)); err != nil {
		tb.Fatalf("set deadline: %v", err)
	}
	return &Conn{Conn: conn, tb: tb, br: bufio.NewReader(conn)}
}

// Read reads from the buffer that [Conn.ReadResponse] fills.
func (c *Conn) Read(p []byte) (int, error) { return c.br.Read(p) }

// Send writes s unchanged.
func (c *Conn) Send(s string) {
	c.tb.Helper()
	if _, err := io.WriteString(c.Conn, s); err != nil {
		c.tb.Fatalf("send %.60q: %v", s, err)
	}
}

// Get sends a GET request with the given header lines and returns the response.
// The server closes the connection after it.
func (c *Conn) Get(target string, fields ...string) *Response {
	c.tb.Helper()
	lines := append([]string{"GET " + target + " HTTP/1.1", "Host: example.com", "Connection: close"}, fields...)
	c.Send(strings.Join(lines, "\r\n") + "\r\n\r\n")
	return c.Response(http.MethodGet)
}

// ReadResponse parses the next response, final or 1xx, to a request with the
// given method. The caller must read its body before the next response.
func (c *Conn) ReadResponse(method string) *http.Response {
	c.tb.Helper()
	res, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		c.tb.Fatalf("read response: %v", err)
	}
	return res
}

// ReadAll returns everything that the server sends until it closes or resets
// the connection.
func (c *Conn) ReadAll() string {
	c.tb.Helper()
	b, err := io.ReadAll(c.br)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		c.tb.Fatalf("the server did not close the connection after %q", b)
	}
	return string(b)
}

// Response reads the next response and its whole body. See [Conn.ReadResponse].
func (c *Conn) Response(method string) *Response {
	c.tb.Helper()
	res := c.ReadResponse(method)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.tb.Fatalf("read response body: %v after %q", err, body)
	}
	return &Response{res, string(body)}
}
