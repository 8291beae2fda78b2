package testkit_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// Fatalf records the failure and ends the goroutine.
func (r *recorder) Fatalf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
	runtime.Goexit()
}

func TestReceive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := make(chan int, 1)
		c <- 7
		if got := testkit.Receive(t, c, "a number"); got != 7 {
			t.Errorf("received %d, want 7", got)
		}
		r, ended := new(recorder), make(chan bool)
		go func() {
			defer close(ended)
			testkit.Receive(r, c, "another number")
		}()
		<-ended
		if want := []string{"timed out waiting for another number"}; !slices.Equal(r.failures, want) {
			t.Errorf("failures %q, want %q", r.failures, want)
		}
	})
}
