package testkit

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// CheckLeaks fails the test if goroutines that started after this call are still
// running when the test ends, and prints their stacks. It must be called first:
// cleanups run in reverse order, so everything that the test starts later has ended
// when CheckLeaks checks.
//
// CheckLeaks panics in a parallel test, because it cannot distinguish that
// test's goroutines from those of others.
func CheckLeaks(tb testing.TB) {
	tb.Helper()
	tb.Setenv("CHECK_LEAKS", "1") // unused, but Setenv panics in a parallel test
	before := goroutines()
	tb.Cleanup(func() {
		// A goroutine that was asked to end may need a moment to do so.
		deadline := time.Now().Add(Patience)
		for {
			leaked := newGoroutines(before)
			if len(leaked) == 0 {
				return
			}
			if time.Now().After(deadline) || tb.Failed() {
				tb.Errorf("%d goroutines still run:\n\n%s", len(leaked), strings.Join(leaked, "\n\n"))
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
}

// newGoroutines returns the stacks of the goroutines that are not in before. It
// ignores the goroutine that delivers signals: the first call of signal.Notify
// starts it, and it never ends.
func newGoroutines(before map[string]string) []string {
	var fresh []string
	for id, stack := range goroutines() {
		if _, ok := before[id]; !ok && !strings.Contains(stack, "os/signal.loop") {
			fresh = append(fresh, stack)
		}
	}
	return fresh
}

// goroutines returns the stacks of all goroutines except the caller's, by number.
func goroutines() map[string]string {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	all := make(map[string]string)
	for i, stack := range strings.Split(string(buf), "\n\n") {
		// The first stack is the caller's. Each starts with "goroutine 7 [running]:".
		if id, _, ok := strings.Cut(strings.TrimPrefix(stack, "goroutine "), " ["); ok && i > 0 {
			all[id] = stack
		}
	}
	return all
}
