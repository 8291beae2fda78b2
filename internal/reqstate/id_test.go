package reqstate_test

import (
	"regexp"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
)

func TestNewIDIsAVersion4UUID(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for range 10_000 {
		id := reqstate.NewID()
		if !form.MatchString(id) {
			t.Fatalf("NewID() = %q", id)
		}
		if seen[id] {
			t.Fatalf("NewID() returned %q twice", id)
		}
		seen[id] = true
	}
}

// TestNewIDUsesEveryBit detects a byte or nibble that is constant.
func TestNewIDUsesEveryBit(t *testing.T) {
	t.Parallel()
	var digits [36]map[byte]bool
	for range 1000 {
		for i, c := range []byte(reqstate.NewID()) {
			if digits[i] == nil {
				digits[i] = map[byte]bool{}
			}
			digits[i][c] = true
		}
	}
	for i, got := range digits {
		want := 16
		switch i {
		case 8, 13, 18, 23, 14:
			want = 1
		case 19:
			want = 4
		}
		if len(got) != want {
			t.Errorf("character %d has %d different values, want %d", i, len(got), want)
		}
	}
}

func TestNewIDAllocatesOnce(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { reqstate.NewID() }); n > 1 {
		t.Errorf("NewID allocates %v times, want only the string", n)
	}
}

func BenchmarkNewID(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		reqstate.NewID()
	}
}
