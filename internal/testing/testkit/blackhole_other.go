//go:build !linux

package testkit

import (
	"net"
	"testing"
)

// BlackHole skips the test.
func BlackHole(tb testing.TB, _ net.Conn) {
	tb.Helper()
	tb.Skip("needs socket filters of Linux")
}
