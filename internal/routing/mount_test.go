package routing

import (
	"fmt"
	"net/http"
	"testing"
)

// A handler can set patterns as it likes, for example the path, which clients choose.
func TestPatternsOfAMountedHandlerAreBounded(t *testing.T) {
	t.Parallel()
	m := NewMount("/app", http.NotFoundHandler(), false)
	for i := range maxFullPatterns + 10 {
		pattern := fmt.Sprintf("/%d", i)
		if full := *m.FullPattern(&pattern); full != "/app"+pattern {
			t.Fatalf("got %q, want %q", full, "/app"+pattern)
		}
	}
	if n := len(*m.full.Load()); n != maxFullPatterns {
		t.Errorf("the Mount holds %d patterns, want %d", n, maxFullPatterns)
	}
}
