package testkit

import (
	"testing"
	"time"
)

// Receive receives from c. If nothing arrives within [Patience], it ends the test
// with a message that includes what.
func Receive[T any](tb testing.TB, c <-chan T, what string) T {
	tb.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(Patience):
		tb.Fatalf("timed out waiting for %s", what)
		panic("unreachable")
	}
}
