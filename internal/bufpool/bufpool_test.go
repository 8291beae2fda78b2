package bufpool_test

import (
	"fmt"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
)

func TestBufferStartsEmptyAndAppends(t *testing.T) {
	t.Parallel()
	b := bufpool.Get()
	defer bufpool.Put(b)
	if len(b.B) != 0 {
		t.Fatalf("a new buffer holds %q", b.B)
	}
	fmt.Fprintf(b, "%d-%s", 7, "x")
	b.WriteString("!")
	if got := string(b.B); got != "7-x!" {
		t.Errorf("buffer holds %q, want %q", got, "7-x!")
	}
}

func TestPutBufferComesBackEmpty(t *testing.T) {
	for range 100 {
		b := bufpool.Get()
		if len(b.B) != 0 {
			t.Fatalf("a reused buffer holds %d bytes", len(b.B))
		}
		b.WriteString("left over")
		bufpool.Put(b)
	}
}

func TestLargeBuffersAreDropped(t *testing.T) {
	for range 100 {
		b := bufpool.Get()
		if cap(b.B) > 64<<10 {
			t.Fatalf("the pool kept a buffer of %d bytes", cap(b.B))
		}
		b.B = make([]byte, 0, 64<<10+1)
		bufpool.Put(b)
	}
}
