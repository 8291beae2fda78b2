package deflate

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// blocks writes a DEFLATE stream bit by bit.
type blocks struct {
	out bitWriter
	p   []byte
}

func (b *blocks) bits(v uint64, n uint) *blocks {
	b.p = b.out.bits(b.p, v, n)
	return b
}

// header starts a block of the given type.
func (b *blocks) header(final bool, kind uint64) *blocks {
	if final {
		return b.bits(1|kind<<1, 3)
	}
	return b.bits(kind<<1, 3)
}

// align pads to a byte boundary, as after a final block.
func (b *blocks) align() *blocks {
	b.p = b.out.align(b.p)
	return b
}

// stored adds a stored block.
func (b *blocks) stored(final bool, text string) *blocks {
	b.header(final, 0).align()
	n := uint64(len(text))
	b.bits(n|(n^0xFFFF)<<16, 32)
	b.align()
	b.p = append(b.p, text...)
	return b
}

// fixed adds a block with fixed codes: the text and, unless length is 0, a
// match.
func (b *blocks) fixed(final bool, text string, length, distance int) *blocks {
	b.header(final, 1)
	for _, c := range []byte(text) {
		b.bits(uint64(fixedLiteral.bits[c]), uint(fixedLiteral.length[c]))
	}
	if length > 0 {
		symbol, extra, n := lengthCode(length - 3)
		b.p = b.out.symbol(b.p, &fixedLiteral, symbol, extra, n)
		symbol, extra, n = distCode(distance - 1)
		b.p = b.out.symbol(b.p, &fixedDist, symbol, extra, n)
	}
	b.bits(0, 7)
	if final {
		b.align()
	}
	return b
}

// emptyDynamic adds the shortest block with dynamic codes.
func (b *blocks) emptyDynamic(final bool) *blocks {
	b.header(final, 2).bits(0, 5).bits(0, 5).bits(14, 4)
	for _, symbol := range lengthOrder[:18] {
		length := uint64(0)
		if symbol == repeatZeros || symbol == 1 {
			length = 1
		}
		b.bits(length, 3)
	}
	b.bits(1|127<<1, 8).bits(1|107<<1, 8) // 138 and 118 symbols without a code
	b.bits(0, 2)                          // one bit for the end of the block, and for a distance
	b.bits(0, 1)                          // the end of the block
	if final {
		b.align()
	}
	return b
}

// end ends the message.
func (b *blocks) end() []byte { return b.header(false, 0).align().p }

// Blocks after a final block may refer to all text before them (RFC 7692,
// sections 7.2.1 and 7.2.3.4).
func TestBlocksAfterAFinalOne(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		compressed []byte
		fresh      string // without context takeover; "" is an error
		after      string // after a message "xyz"
	}{
		{"match into the final block", new(blocks).fixed(true, "abc", 0, 0).fixed(false, "", 3, 3).end(), "abcabc", "abcabc"},
		{"match into the message before", new(blocks).fixed(true, "abc", 0, 0).fixed(false, "", 3, 6).end(), "", "abcxyz"},
		{"match over both", new(blocks).fixed(true, "abc", 0, 0).fixed(false, "", 5, 5).end(), "", "abcyzabc"},
		{"match that overlaps itself", new(blocks).fixed(true, "ab", 0, 0).fixed(false, "", 10, 2).end(), "abababababab", "abababababab"},
		{"match too far back", new(blocks).fixed(true, "abc", 0, 0).fixed(false, "", 3, 7).end(), "", ""},
		{"stored final block", new(blocks).stored(true, "abc").fixed(false, "d", 3, 4).end(), "abcdabc", "abcdabc"},
		{"final blocks only", new(blocks).fixed(true, "ab", 0, 0).stored(true, "c").fixed(true, "", 3, 3).end(), "abcabc", "abcabc"},
		{"empty final blocks", new(blocks).fixed(true, "abc", 0, 0).fixed(true, "", 0, 0).stored(true, "").emptyDynamic(true).fixed(true, "", 4, 3).end(), "abcabca", "abcabca"},
	}
	for _, tt := range tests {
		for piece := 1; piece <= len(tt.compressed); piece++ {
			for _, takeover := range []bool{false, true} {
				d, want := NewDecompressor(15, takeover), tt.fresh
				if takeover {
					want = tt.after
				}
				before := new(blocks).fixed(true, "x", 0, 0).fixed(true, "yz", 0, 0).end()
				if got, err := decompress(d, before, 1, 3); string(got) != "xyz" || err != nil {
					t.Fatalf("%q, %v", got, err)
				}
				got, err := decompress(d, tt.compressed, piece, 100)
				if want != "" && (string(got) != want || err != nil) || want == "" && !errors.Is(err, ErrCorrupt) {
					t.Errorf("%s, takeover %v, pieces of %d: %q, %v; want %q", tt.name, takeover, piece, got, err, want)
				}
			}
		}
	}
}

// The maximum distance of a match is the negotiated window, within a message
// and across messages.
func TestMatchesStayInTheWindow(t *testing.T) {
	t.Parallel()
	for bits := minWindowBits; bits <= maxWindowBits; bits++ {
		size := 1 << bits
		text := "beyond" + strings.Repeat("0123456789abcdef", size/16)
		match := func(b *blocks, distance int) []byte { return b.fixed(false, "", 3, distance).end() }
		tests := []struct {
			name     string
			before   string
			message  *blocks
			distance int
			want     string // "" is an error
		}{
			{"within a message", "", new(blocks).stored(false, text), size, "012"},
			{"across messages", text, new(blocks), size, "012"},
			{"across both", text[:100], new(blocks).stored(false, text[100:]), size, "012"},
			{"too far", "", new(blocks).stored(false, text), size + 1, ""},
			{"too far across messages", text, new(blocks), size + 1, ""},
			{"further than all text", text[:100], new(blocks).stored(false, text[:50]), 151, ""},
			{"all text", text[:100], new(blocks).stored(false, text[:50]), 150, "bey"},
		}
		for _, tt := range tests {
			if tt.distance > maxWindow {
				continue // DEFLATE has no such distance
			}
			message := match(tt.message, tt.distance)
			for _, n := range []int{100, 1 << 20} { // bytes per read
				d := NewDecompressor(bits, true)
				if _, err := decompress(d, new(blocks).stored(false, tt.before).end(), 1000, 1<<20); err != nil {
					t.Fatal(err)
				}
				got, err := readAll(d.Open(&pieces{message, 1000}, 1<<20), n)
				if tt.want != "" && (err != nil || string(got[len(got)-3:]) != tt.want) || tt.want == "" && !errors.Is(err, ErrCorrupt) {
					t.Errorf("%d bits, %s: %q, %v; want %q", bits, tt.name, got[max(0, len(got)-3):], err, tt.want)
				}
			}
		}
	}
}

// readAll reads n bytes at a time.
func readAll(r io.Reader, n int) ([]byte, error) {
	var text []byte
	p := make([]byte, n)
	for {
		m, err := r.Read(p)
		if text = append(text, p[:m]...); err == io.EOF {
			return text, nil
		} else if err != nil {
			return text, err
		}
	}
}

// An endless source repeats some blocks forever.
type endless struct {
	unit   []byte
	served int
}

func (s *endless) Next() ([]byte, error) {
	piece := bytes.Repeat(s.unit, max(1, 4096/len(s.unit)))
	s.served += len(piece)
	return piece, nil
}

func (s *endless) Ended() bool { return false }

// repeated repeats the blocks of add until they end at a byte boundary.
func repeated(add func(b *blocks)) []byte {
	b := new(blocks)
	for add(b); b.out.n%8 != 0; {
		add(b)
	}
	return b.align().p
}

func emptyBlocks() map[string][]byte {
	return map[string][]byte{
		"stored":        repeated(func(b *blocks) { b.stored(false, "") }),
		"final stored":  repeated(func(b *blocks) { b.stored(true, "") }),
		"fixed":         repeated(func(b *blocks) { b.fixed(false, "", 0, 0) }),
		"final fixed":   repeated(func(b *blocks) { b.fixed(true, "", 0, 0) }),
		"dynamic":       repeated(func(b *blocks) { b.emptyDynamic(false) }),
		"final dynamic": repeated(func(b *blocks) { b.emptyDynamic(true) }),
	}
}

func TestBlocksWithoutTextComeToAnEnd(t *testing.T) {
	t.Parallel()
	for name, unit := range emptyBlocks() {
		for _, limit := range []int64{1000, math.MaxInt64} {
			for _, fetch := range []bool{false, true} {
				source := &endless{unit: unit}
				r := NewDecompressor(15, true).Open(source, limit)
				var err error
				for range 10 {
					if fetch && err == nil {
						err = r.Fetch()
					}
				}
				if err == nil {
					_, err = io.Copy(io.Discard, r)
				}
				if !errors.Is(err, ErrLimit) || source.served > 64<<10+2*4096 {
					t.Errorf("%s, limit %d: %v after %d bytes", name, limit, err, source.served)
				}
			}
		}
	}
}

func TestCompressedBytesAreBoundedByTheLimit(t *testing.T) {
	t.Parallel()
	for name, empty := range emptyBlocks() {
		unit := new(blocks).stored(false, "x").p
		unit = append(unit, bytes.Repeat(empty, 8/len(empty)+1)...)
		for _, limit := range []int64{0, 1000, 20_000} {
			source := &endless{unit: unit}
			n, err := io.Copy(io.Discard, NewDecompressor(15, false).Open(source, limit))
			if !errors.Is(err, ErrLimit) || n > limit || source.served > int(64<<10+2*limit+2*4096) {
				t.Errorf("%s, limit %d: %d bytes of text of %d, %v", name, limit, n, source.served, err)
			}
		}
	}
}

func TestFetchedBytesAreBoundedByTheLimit(t *testing.T) {
	t.Parallel()
	source := &endless{unit: []byte("whatever")}
	r := NewDecompressor(15, false).Open(source, 1000)
	var err error
	for err == nil {
		err = r.Fetch()
	}
	if err != ErrLimit || source.served > 64<<10+2000+2*4096 {
		t.Errorf("%v after %d bytes", err, source.served)
	}
}

// Senders that flush their compressor after each byte of text send up to 11
// bytes per byte.
func TestMostWastefulSendersAreRead(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 5))
	text := make([]byte, 8_000)
	for i := range text {
		text[i] = byte(random.Uint32())
	}
	for level := flate.HuffmanOnly; level <= 1; level++ {
		var compressed bytes.Buffer
		w, err := flate.NewWriter(&compressed, level)
		if err != nil {
			t.Fatal(err)
		}
		for i := range text {
			w.Write(text[i : i+1])
			w.Flush()
		}
		message := bytes.TrimSuffix(compressed.Bytes(), tail)
		got, err := decompress(NewDecompressor(15, true), message, 100, math.MaxInt64)
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("level %d, %d bytes for %d: %v", level, compressed.Len(), len(text), err)
		}
	}
}

// Read returns decompressed bytes before it waits for more input.
func TestReadDoesNotWaitWithOutputAtHand(t *testing.T) {
	t.Parallel()
	for name, compressed := range map[string][]byte{
		"fixed":   new(blocks).fixed(false, "abc", 200, 3).p,
		"stored":  new(blocks).stored(false, "abc"+strings.Repeat("abc", 67)[:200]).p[:150],
		"flushed": new(blocks).fixed(false, "abc", 200, 3).stored(false, "").p,
	} {
		waits := &waiting{pieces: pieces{compressed, 7}}
		r := NewDecompressor(15, false).Open(waits, 1<<20)
		n := 0
		for waits.err == nil {
			m, err := r.Read(make([]byte, 1000))
			if n += m; err != nil && err != waits.err || m > 0 && err != nil {
				t.Fatalf("%s: %d bytes, %v", name, m, err)
			}
		}
		if want := map[string]int{"fixed": 3, "stored": 145, "flushed": 203}[name]; n < want {
			t.Errorf("%s: %d bytes before it waits, want %d", name, n, want)
		}
	}
}

// A waiting source returns its pieces, and then an error that reports that it
// would have to wait.
type waiting struct {
	pieces
	err error
}

func (s *waiting) Next() ([]byte, error) {
	piece, err := s.pieces.Next()
	if err != nil {
		s.err = errors.New("waiting")
		err = s.err
	}
	return piece, err
}

func (s *waiting) Ended() bool { return false }

// A faulty source returns an error before each piece, and does not report its
// end.
type faulty struct {
	pieces
	failed bool
}

var errFaulty = errors.New("nothing yet")

func (s *faulty) Next() ([]byte, error) {
	if s.failed = !s.failed; s.failed {
		return nil, errFaulty
	}
	return s.pieces.Next()
}

func (s *faulty) Ended() bool { return false }

// A source may fail anywhere because of a deadline. Reading then continues.
func TestReadingGoesOnAfterErrorsOfTheSource(t *testing.T) {
	t.Parallel()
	texts := texts()
	for name, compressed := range map[string][]byte{
		"words":  NewCompressor(15, false).Append(nil, texts["words"][:3000]),
		"stored": NewCompressor(15, false).Append(nil, texts["random"][:3000]),
		"blocks": new(blocks).fixed(true, "abc", 0, 0).emptyDynamic(true).stored(true, "abc").emptyDynamic(false).fixed(false, "", 99, 6).end(),
	} {
		want := inflateAll(t, compressed)
		for _, piece := range []int{1, 2, 7, 100} {
			for _, fetch := range []bool{false, true} {
				source := &faulty{pieces: pieces{compressed, piece}}
				r := NewDecompressor(15, true).Open(source, 1<<20)
				var text []byte
				var err error
				for p := make([]byte, 50); err == nil || err == errFaulty; {
					if fetch && len(source.p) > 0 && r.Fetch() != nil {
						continue
					}
					n := 0
					n, err = r.Read(p)
					text = append(text, p[:n]...)
				}
				if err != io.EOF || !bytes.Equal(text, want) {
					t.Errorf("%s in pieces of %d, fetch %v: %d of %d bytes, %v", name, piece, fetch, len(text), len(want), err)
				}
			}
		}
	}
}

func inflateAll(t *testing.T, compressed []byte) []byte {
	t.Helper()
	text, err := reference(compressed, nil)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestInvalidBlocks(t *testing.T) {
	t.Parallel()
	dynamic := func(literals, dists, lengths uint64) *blocks {
		return new(blocks).header(false, 2).bits(literals, 5).bits(dists, 5).bits(lengths, 4)
	}
	tests := map[string]*blocks{
		"287 literal codes":         dynamic(30, 0, 0),
		"31 distance codes":         dynamic(0, 30, 0),
		"no code for lengths":       dynamic(0, 0, 0).bits(0, 12).bits(0, 30),
		"oversubscribed code":       dynamic(0, 0, 0).bits(0b001_001_001, 12),
		"incomplete code":           dynamic(0, 0, 0).bits(0b010_000_000, 12),
		"repetition of nothing":     dynamic(0, 0, 0).bits(0b001, 12).bits(0, 3),
		"repetition over the end":   dynamic(0, 0, 0).bits(0b001<<6, 12).bits(127<<1, 8).bits(127<<1, 8),
		"length symbol 286":         new(blocks).header(false, 1).bits(0b01100011, 8).bits(0, 32),
		"distance symbol 30":        new(blocks).header(false, 1).bits(0b1000000, 7).bits(0b01111, 5).bits(0, 32),
		"match with no text before": new(blocks).fixed(false, "", 3, 1),
		"reserved type":             new(blocks).header(false, 3),
		"length of a stored block":  new(blocks).header(false, 0).align().bits(1, 32).align(),
	}
	for name, b := range tests {
		for piece := range 20 {
			_, err := decompress(NewDecompressor(15, true), b.end(), piece+1, 1000)
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := reference(b.p, nil); err == nil {
			t.Errorf("%s: compress/flate accepts it", name)
		}
	}
}

// The rarest symbols of a Fibonacci distribution would have codes of more than
// 15 bits. The limited code must decode to the same symbols.
func TestLongestCodes(t *testing.T) {
	t.Parallel()
	freq := make([]uint32, literalSize)
	for i, n, next := 0, uint32(1), uint32(1); i < 30; i++ {
		freq[i*9] = n
		n, next = next, n+next
	}
	for _, limit := range []int{7, 12, maxCodeLength} {
		var c code
		var l lookup
		c.build(freq, limit)
		if !l.build(c.length[:literalSize]) {
			t.Fatalf("limit %d: lengths %v", limit, c.length)
		}
		for symbol, n := range freq {
			got, length := l.find(uint64(c.bits[symbol])).split()
			if n > 0 && (got != symbol || length != uint(c.length[symbol]) || length > uint(limit)) {
				t.Errorf("limit %d: symbol %d has %d bits, and is read as symbol %d of %d bits", limit, symbol, c.length[symbol], got, length)
			}
		}
	}
}

// Reading any input allocates little more than the text.
func TestDecompressingAllocatesLittle(t *testing.T) {
	d := NewDecompressor(15, false)
	compressed := new(blocks).fixed(false, "abc", 200, 3).emptyDynamic(false).end()
	source, buf := &pieces{}, make([]byte, 1000)
	n := testing.AllocsPerRun(100, func() {
		*source = pieces{compressed, 10}
		r := d.Open(source, 1000)
		for {
			if _, err := r.Read(buf); err != nil {
				return
			}
		}
	})
	if n > 1 { // the pool may allocate a Reader
		t.Errorf("%v allocations", n)
	}
}
