package deflate

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// inflate decompresses a message with compress/flate only.
func inflate(t testing.TB, compressed, earlier []byte) []byte {
	t.Helper()
	r := flate.NewReaderDict(io.MultiReader(bytes.NewReader(compressed), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")), earlier)
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("compressed %x: %v", compressed[:min(len(compressed), 64)], err)
	}
	return out
}

// pieces is a Source of p in pieces of n bytes.
type pieces struct {
	p []byte
	n int
}

func (s *pieces) Next() ([]byte, error) {
	if len(s.p) == 0 {
		return nil, io.EOF
	}
	piece := s.p[:min(s.n, len(s.p))]
	s.p = s.p[len(piece):]
	return piece, nil
}

func (s *pieces) Ended() bool { return len(s.p) == 0 }

func decompress(d *Decompressor, compressed []byte, piece int, limit int64) ([]byte, error) {
	return io.ReadAll(d.Open(&pieces{compressed, piece}, limit))
}

// texts has an input for each case that the encoder distinguishes.
func texts() map[string][]byte {
	random := make([]byte, 40_000)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(random)
	var words, skewed bytes.Buffer
	for i := range 12_000 {
		fmt.Fprintf(&words, "%s %d, ", []string{"alpha", "beta", "gamma", "delta"}[random[i]%4], random[i+1])
		// Fibonacci frequencies require codes that are longer than allowed.
		skewed.WriteByte(byte(20 * min(11, leadingOnes(random[i:i+2]))))
		skewed.WriteByte(random[i] & random[i+1] & random[i+2] & random[i+3])
	}
	return map[string][]byte{
		"empty":     {},
		"one byte":  {'x'},
		"short":     []byte("Hello"),
		"zeros":     make([]byte, 80_000),
		"random":    random,
		"words":     words.Bytes(),
		"skewed":    skewed.Bytes(),
		"every one": random[:256],
		"run ends":  append(bytes.Repeat([]byte("a"), 3+258*2), "bcd"...),
	}
}

func leadingOnes(p []byte) int {
	n := 0
	for n < 16 && p[n/8]&(0x80>>(n%8)) != 0 {
		n++
	}
	return n
}

func TestCompressedMessagesAreReadByFlate(t *testing.T) {
	t.Parallel()
	for name, text := range texts() {
		for _, bits := range []int{8, 9, 12, 15} {
			got := inflate(t, NewCompressor(bits, false).Append(nil, text), nil)
			if !bytes.Equal(got, text) {
				t.Errorf("%s, window bits %d: is different after decompression", name, bits)
			}
		}
	}
}

func TestEmptyMessageIsOneByte(t *testing.T) {
	t.Parallel()
	for _, takeover := range []bool{false, true} {
		if got := NewCompressor(15, takeover).Append(nil, nil); !bytes.Equal(got, []byte{0}) {
			t.Errorf("takeover %v: %x, want 00 (RFC 7692, section 7.2.3.6)", takeover, got)
		}
	}
}

// TestContextTakeover compresses many messages with one compressor, and
// decompresses each with only as much of the earlier messages as the window
// holds.
func TestContextTakeover(t *testing.T) {
	t.Parallel()
	words := texts()["words"]
	for _, bits := range []int{8, 9, 12, 15} {
		c := NewCompressor(bits, true)
		d := NewDecompressor(bits, true)
		var earlier []byte
		rest := words[:100_000]
		for size := 0; len(rest) > 0; size = (size*7 + 13) % 40_000 {
			message := rest[:min(size, len(rest))]
			rest = rest[len(message):]
			compressed := c.Append(nil, message)
			if got := inflate(t, compressed, earlier); !bytes.Equal(got, message) {
				t.Fatalf("window bits %d: flate read another message", bits)
			}
			if got, err := decompress(d, compressed, 100, 1<<20); err != nil || !bytes.Equal(got, message) {
				t.Fatalf("window bits %d: Decompressor read another message: %v", bits, err)
			}
			earlier = keepLast(earlier, message, 1<<bits)
		}
	}
}

func TestContextMakesMessagesSmaller(t *testing.T) {
	t.Parallel()
	message := []byte(`{"event":"presence","user":"ada","state":"online"}`)
	c := NewCompressor(15, true)
	first, second := len(c.Append(nil, message)), len(c.Append(nil, message))
	if second > 8 {
		t.Errorf("the same message took %d bytes, then %d", first, second)
	}
}

func TestSkippedMessagesCountForTheWindow(t *testing.T) {
	t.Parallel()
	words := texts()["words"]
	shared := NewCompressor(15, false)
	for _, bits := range []int{8, 9, 12, 15} {
		c, d := NewCompressor(bits, true), NewDecompressor(bits, true)
		for i := range 40 {
			message := words[i*700 : i*700+900]
			compressed := []byte(nil)
			if i%3 == 1 && bits == 15 || i%3 == 1 && len(message) <= 1<<bits {
				compressed = shared.Append(nil, message)
				c.Skip(message)
			} else {
				compressed = c.Append(nil, message)
			}
			if got, err := decompress(d, compressed, 1<<10, 1<<20); err != nil || !bytes.Equal(got, message) {
				t.Fatalf("window bits %d, message %d: is different after decompression: %v", bits, i, err)
			}
		}
	}
}

func TestWritingInPiecesMakesNoDifference(t *testing.T) {
	t.Parallel()
	for name, text := range texts() {
		c := NewCompressor(12, false)
		want := c.Append(nil, text)
		for _, size := range []int{1, 1000, bufSize} {
			m, got := c.Begin(), []byte(nil)
			for rest := text; len(rest) > 0; rest = rest[min(size, len(rest)):] {
				got = m.Write(got, rest[:min(size, len(rest))])
			}
			if got = m.End(got); !bytes.Equal(got, want) {
				t.Errorf("%s in pieces of %d: different output", name, size)
			}
		}
	}
}

func TestSizeIsThatOfFlateLevelOne(t *testing.T) {
	t.Parallel()
	for name, text := range texts() {
		var reference bytes.Buffer
		w, _ := flate.NewWriter(&reference, flate.BestSpeed)
		w.Write(text)
		w.Flush()
		got := len(NewCompressor(15, false).Append(nil, text))
		// Completely repetitive texts still take a few bytes per block.
		if most := reference.Len()*105/100 + len(text)/1000 + 64; got > most {
			t.Errorf("%s: %d bytes, level 1 makes %d", name, got, reference.Len())
		}
	}
}

func TestLimitStopsInflation(t *testing.T) {
	t.Parallel()
	bomb := NewCompressor(15, false).Append(nil, make([]byte, 4<<20))
	if len(bomb) > 64<<10 {
		t.Fatalf("the compressed message has %d bytes, too many for the test", len(bomb))
	}
	for _, limit := range []int64{0, 1, 4096, 4<<20 - 1} {
		source := &pieces{bomb, 16}
		r := NewDecompressor(15, true).Open(source, limit)
		n, err := io.Copy(io.Discard, r)
		if n != limit || !errors.Is(err, ErrLimit) {
			t.Errorf("limit %d: read %d bytes, %v", limit, n, err)
		}
	}
	got, err := decompress(NewDecompressor(15, true), bomb, 16, 4<<20)
	if len(got) != 4<<20 || err != nil {
		t.Errorf("a message of just the limit: %d bytes, %v", len(got), err)
	}
}

func TestCorruptMessages(t *testing.T) {
	t.Parallel()
	for name, compressed := range map[string]string{
		"reserved block type":   "\x06",
		"bad stored length":     "\x00\x01\x00\x00\x00x",
		"distance too far back": "\x02\x03\x02", // a match before any text
		"final block, no more":  "\xf3\x48\xcd\xc9\xc9\x07",
	} {
		_, err := decompress(NewDecompressor(15, false), []byte(compressed), 10, 1<<20)
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The examples of RFC 7692, section 7.2.3.
func TestExamplesOfTheRFC(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, compressed string }{
		{"one block", "\xf2\x48\xcd\xc9\xc9\x07\x00"},
		{"stored", "\x00\x05\x00\xfa\xffHello\x00"},
		{"final block", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"},
		{"two blocks", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"},
	}
	for _, tt := range tests {
		for piece := 1; piece <= len(tt.compressed); piece++ {
			got, err := decompress(NewDecompressor(15, false), []byte(tt.compressed), piece, 5)
			if string(got) != "Hello" || err != nil {
				t.Errorf("%s in pieces of %d: %q, %v", tt.name, piece, got, err)
			}
		}
	}
	d := NewDecompressor(15, true)
	for _, compressed := range []string{"\xf2\x48\xcd\xc9\xc9\x07\x00", "\xf2\x00\x11\x00\x00"} {
		if got, err := decompress(d, []byte(compressed), 2, 5); string(got) != "Hello" || err != nil {
			t.Errorf("with takeover: %q, %v", got, err)
		}
	}
}

type failingSource struct{ err error }

func (s failingSource) Next() ([]byte, error) { return nil, s.err }
func (s failingSource) Ended() bool           { return false }

func TestErrorsOfTheSourceAreReturned(t *testing.T) {
	t.Parallel()
	for _, want := range []error{io.ErrUnexpectedEOF, errors.New("broken wire")} {
		_, err := NewDecompressor(15, false).Open(failingSource{want}, 10).Read(make([]byte, 10))
		if err != want {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

func TestNothingIsKeptWithoutTakeover(t *testing.T) {
	t.Parallel()
	c, d := NewCompressor(15, false), NewDecompressor(15, false)
	compressed := c.Append(nil, texts()["words"])
	if _, err := decompress(d, compressed, 100, 1<<30); err != nil {
		t.Fatal(err)
	}
	if c.history != nil || d.window != nil {
		t.Error("the compressor or decompressor keeps a context")
	}
}

func TestContextIsBounded(t *testing.T) {
	t.Parallel()
	words := texts()["words"]
	for _, bits := range []int{8, 9, 12, 15} {
		c, d := NewCompressor(bits, true), NewDecompressor(bits, true)
		for _, size := range []int{10, 700, 50_000, 3} {
			if _, err := decompress(d, c.Append(nil, words[:size]), 1000, 1<<30); err != nil {
				t.Fatal(err)
			}
		}
		if got, most := cap(c.history.text), min(contextSize, 1<<bits); got > most {
			t.Errorf("window bits %d: compressor keeps %d bytes", bits, got)
		}
		if got := cap(d.window.ring); got > 1<<bits {
			t.Errorf("window bits %d: decompressor keeps %d bytes", bits, got)
		}
	}
}

func TestCompressingDoesNotAllocate(t *testing.T) {
	if testkit.Race {
		t.Skip("pools drop items at random under the race detector")
	}
	message := texts()["words"][:4000]
	for _, takeover := range []bool{false, true} {
		c := NewCompressor(15, takeover)
		dst := c.Append(nil, message)
		if n := testing.AllocsPerRun(100, func() { dst = c.Append(dst[:0], message) }); n != 0 {
			t.Errorf("takeover %v: %v allocations", takeover, n)
		}
	}
}

func FuzzCompress(f *testing.F) {
	for _, text := range texts() {
		f.Add(text[:min(len(text), 3000)], uint8(15), 100)
	}
	f.Fuzz(func(t *testing.T, text []byte, bits uint8, cut int) {
		if bits < 8 || bits > 15 || cut < 0 || cut > len(text) {
			return
		}
		c, d := NewCompressor(int(bits), true), NewDecompressor(int(bits), true)
		var earlier []byte
		for _, message := range [][]byte{text[:cut], text[cut:], text} {
			compressed := c.Append(nil, message)
			if got := inflate(t, compressed, earlier); !bytes.Equal(got, message) {
				t.Fatal("flate read another message")
			}
			got, err := decompress(d, compressed, 1+cut%50, int64(len(message)))
			if err != nil || !bytes.Equal(got, message) {
				t.Fatalf("Decompressor read another message: %v", err)
			}
			earlier = keepLast(earlier, message, 1<<bits)
		}
	})
}

// FuzzDecompress decompresses any input. The output never exceeds the limit,
// and does not depend on how the input is split.
func FuzzDecompress(f *testing.F) {
	f.Add([]byte("\xf2\x48\xcd\xc9\xc9\x07\x00"), 3)
	f.Add([]byte("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), 3)
	f.Add(NewCompressor(15, false).Append(nil, make([]byte, 1<<20)), 100)
	f.Add([]byte(strings.Repeat("\x00\x00\x00\xff\xff", 20)), 7)
	f.Fuzz(func(t *testing.T, compressed []byte, piece int) {
		const limit = 1 << 16
		want, wantErr := decompress(NewDecompressor(15, true), compressed, len(compressed)+1, limit)
		got, err := decompress(NewDecompressor(15, true), compressed, max(1, piece), limit)
		if len(want) > limit || !bytes.Equal(got, want) || !errors.Is(err, wantErr) {
			t.Fatalf("at once %d bytes, %v; in pieces %d bytes, %v", len(want), wantErr, len(got), err)
		}
	})
}

func BenchmarkCompress(b *testing.B) {
	words := texts()["words"]
	for _, size := range []int{64, 256, 1 << 10, 16 << 10, 64 << 10} {
		text := words[:size]
		for _, takeover := range []bool{false, true} {
			b.Run(fmt.Sprintf("size=%d/takeover=%v", size, takeover), func(b *testing.B) {
				c, dst := NewCompressor(15, takeover), []byte(nil)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					dst = c.Append(dst[:0], text)
				}
			})
		}
		b.Run(fmt.Sprintf("size=%d/flate", size), func(b *testing.B) {
			w, _ := flate.NewWriter(io.Discard, flate.BestSpeed)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				w.Reset(io.Discard)
				w.Write(text)
				w.Flush()
			}
		})
	}
}

func BenchmarkDecompress(b *testing.B) {
	words := texts()["words"]
	for _, size := range []int{64, 1 << 10, 64 << 10} {
		for _, takeover := range []bool{false, true} {
			b.Run(fmt.Sprintf("size=%d/takeover=%v", size, takeover), func(b *testing.B) {
				compressed := NewCompressor(15, false).Append(nil, words[:size])
				d, buf := NewDecompressor(15, takeover), make([]byte, 4<<10)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					r := d.Open(&pieces{compressed, 4 << 10}, 1<<30)
					for {
						if _, err := r.Read(buf); err != nil {
							break
						}
					}
				}
			})
		}
	}
}
