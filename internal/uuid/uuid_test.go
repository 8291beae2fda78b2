package uuid_test

import (
	"regexp"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/uuid"
)

func TestNewIsAVersion4UUID(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for range 10_000 {
		id := uuid.New()
		if !form.MatchString(id) {
			t.Fatalf("New() = %q", id)
		}
		if seen[id] {
			t.Fatalf("New() gave %q twice", id)
		}
		seen[id] = true
	}
}

// TestNewUsesEveryBit catches a byte or nibble left constant.
func TestNewUsesEveryBit(t *testing.T) {
	t.Parallel()
	var digits [36]map[byte]bool
	for range 1000 {
		for i, c := range []byte(uuid.New()) {
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
			t.Errorf("character %d takes %d values, want %d", i, len(got), want)
		}
	}
}

func TestNewAllocatesOnce(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { uuid.New() }); n > 1 {
		t.Errorf("New allocates %v times, want the string alone", n)
	}
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		uuid.New()
	}
}
