package testkit

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// CheckLeaks fails the test if, at its end, goroutines run that did not run
// when CheckLeaks was called; it prints their stacks. Call it first: cleanups
// run in reverse, so that everything the test starts later has ended by then.
//
// It looks at the whole process, so it panics in a test that is parallel, which
// would take the goroutines of others for its own. Those others wait while a
// test runs that is not.
func CheckLeaks(tb testing.TB) {
	tb.Helper()
	tb.Setenv("CHECK_LEAKS", "1") // nobody reads it; this is how a parallel test is told
	before := goroutines()
	tb.Cleanup(func() {
		// A goroutine that has been told to end needs a moment to do it, so
		// this one look is repeated.
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
			//house:allow sleep nothing announces that a goroutine has ended
			time.Sleep(time.Millisecond)
		}
	})
}

// newGoroutines returns the stacks of the goroutines that are not in before.
// The one that delivers signals does not count: the first call of
// signal.Notify starts it for the rest of the process's life.
func newGoroutines(before map[string]string) []string {
	var fresh []string
	for id, stack := range goroutines() {
		if _, ok := before[id]; !ok && !strings.Contains(stack, "os/signal.loop") {
			fresh = append(fresh, stack)
		}
	}
	return fresh
}

// goroutines returns the stacks of all goroutines of the process but the
// caller's, by their number.
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
		// The first is the caller itself. A header reads "goroutine 7 [running]:".
		if id, _, ok := strings.Cut(strings.TrimPrefix(stack, "goroutine "), " ["); ok && i > 0 {
			all[id] = stack
		}
	}
	return all
}
