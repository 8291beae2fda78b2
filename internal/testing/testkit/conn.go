package testkit

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// A Conn is a raw connection to a server, for requests that no HTTP client
// would send. Its methods fail the test instead of returning errors.
type Conn struct {
	net.Conn
	tb testing.TB
	br *bufio.Reader
}

// Dial connects to a TCP address ("host:port", as [Server.Addr] gives it).
// The connection closes with the test.
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

// Wrap makes a [Conn] of a connection that the test has made itself, such as
// a TLS connection or one end of a pipe. Closing it stays with the caller.
func Wrap(tb testing.TB, conn net.Conn) *Conn {
	tb.Helper()
	if err := conn.SetDeadline(time.Now().Add(Patience)); err != nil {
		tb.Fatalf("set deadline: %v", err)
	}
	return &Conn{Conn: conn, tb: tb, br: bufio.NewReader(conn)}
}

// Read reads through the buffer that [Conn.ReadResponse] reads ahead into.
func (c *Conn) Read(p []byte) (int, error) { return c.br.Read(p) }

// Send writes s as it is.
func (c *Conn) Send(s string) {
	c.tb.Helper()
	if _, err := io.WriteString(c.Conn, s); err != nil {
		c.tb.Fatalf("send %.60q: %v", s, err)
	}
}

// ReadResponse parses the next response, final or 1xx, taking it for the
// answer to a request with the given method. Its body reads from the
// connection and must be read before the next response.
func (c *Conn) ReadResponse(method string) *http.Response {
	c.tb.Helper()
	res, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		c.tb.Fatalf("read response: %v", err)
	}
	return res
}

// ReadAll returns everything the server sends until it closes the connection.
// How it closes does not matter: a reset after the last byte is an end too.
func (c *Conn) ReadAll() string {
	c.tb.Helper()
	b, err := io.ReadAll(c.br)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		c.tb.Fatalf("the server keeps the connection open; it sent %q", b)
	}
	return string(b)
}
