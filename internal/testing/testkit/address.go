package testkit

import (
	"net"
	"testing"
)

// FreeAddress returns a TCP address of the loopback interface. Its port was free, but
// another process may take it; use it only for programs that must be given a port.
func FreeAddress(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	if err := l.Close(); err != nil {
		tb.Fatal(err)
	}
	return l.Addr().String()
}
