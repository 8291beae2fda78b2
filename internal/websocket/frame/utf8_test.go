package frame_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// extendable reports whether p is the start of some valid UTF-8. It tries all
// completions of the last character, and shares no code with the package under
// test.
func extendable(p []byte) bool {
	for len(p) > 0 {
		r, size := utf8.DecodeRune(p)
		if r == utf8.RuneError && size == 1 {
			break
		}
		p = p[size:]
	}
	if len(p) == 0 {
		return true
	}
	if len(p) > 3 {
		return false
	}
	var finish func(p []byte) bool
	finish = func(p []byte) bool {
		if utf8.Valid(p) {
			return true
		}
		if len(p) == utf8.UTFMax {
			return false
		}
		// The bounds of continuation bytes in the tables. Every incomplete
		// character can be completed with one of these.
		for _, c := range []byte{0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF} {
			if finish(append(p[:len(p):len(p)], c)) {
				return true
			}
		}
		return false
	}
	return finish(p)
}

// checkUTF8 checks p in pieces. Check must fail for the piece with the byte
// that proves p invalid, and not before.
func checkUTF8(t *testing.T, p []byte, piece int) {
	t.Helper()
	var u frame.UTF8
	for start := 0; start < len(p); start += piece {
		end := min(start+piece, len(p))
		ok, want := u.Check(p[start:end]), extendable(p[:end])
		if ok != want {
			t.Fatalf("%x in pieces of %d: Check returns %v at byte %d, want %v", p, piece, ok, end, want)
		}
		if !ok {
			if utf8.Valid(p) {
				t.Fatalf("%x is rejected", p)
			}
			return
		}
	}
	if u.Complete() != utf8.Valid(p) {
		t.Fatalf("%x in pieces of %d: Complete returns %v", p, piece, u.Complete())
	}
}

var utf8Texts = []string{
	"",
	"plain ASCII that is longer than a machine word or four",
	"κόσμε",
	"\U0010FFFF\u0800\u0080\uD7FF\uE000\uFFFD",
	"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
	"\xf4\x90\x80\x80",
	"\xf4\x8f\xbf\xbf",
	"\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
	"\xed\xa0\x80", "\xed\xbf\xbf", "\xf5\x80\x80\x80", "\xff", "\xfe",
	"\x80", "a\xbf", "\xe2\x82", "\xf0\x9f\x98", "\xe2\x28\xa1", "\xf0\x9f\x41",
	strings.Repeat("é", 40) + "\xc3",
	strings.Repeat("x", 63) + "\xe2\x82\xac",
}

func TestUTF8FailsAtTheByteThatProvesIt(t *testing.T) {
	t.Parallel()
	for _, text := range utf8Texts {
		for piece := 1; piece <= max(1, len(text)); piece++ {
			checkUTF8(t, []byte(text), piece)
		}
	}
}

func TestUTF8EveryLeadWithTheBoundsOfItsSuccessors(t *testing.T) {
	t.Parallel()
	bounds := []byte{0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF}
	for lead := range 256 {
		for _, second := range bounds {
			for _, third := range []byte{0x7F, 0x80, 0xBF, 0xC0} {
				checkUTF8(t, []byte{byte(lead), second, third, 0x80}, 1)
				checkUTF8(t, []byte{byte(lead), second, third, 0x80}, 3)
			}
		}
	}
}

func FuzzUTF8(f *testing.F) {
	for _, text := range utf8Texts {
		f.Add([]byte(text), 1)
		f.Add([]byte(text), 5)
	}
	f.Fuzz(func(t *testing.T, p []byte, piece int) {
		if len(p) < 1<<12 {
			checkUTF8(t, p, max(1, piece))
		}
	})
}

func BenchmarkUTF8(b *testing.B) {
	for _, bench := range []struct{ name, text string }{
		{"ascii", strings.Repeat("x", 64<<10)},
		{"greek", strings.Repeat("κόσμε ", 64<<10/12)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			p := []byte(bench.text)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				var u frame.UTF8
				u.Check(p)
			}
		})
	}
}
