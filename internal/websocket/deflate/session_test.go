package deflate

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// reference decompresses a message with compress/flate. Because compress/flate
// stops after a final block, reference then starts a new stream, with the text
// so far as the dictionary. It returns the text up to an error.
func reference(compressed, earlier []byte) ([]byte, error) {
	text, err := referenceBefore("\x01\x00\x00\xff\xff", compressed, earlier)
	if err != nil {
		return text, err
	}
	// The end of a truncated block can look like the end of a complete one, but
	// not before two different last blocks.
	marked, err := referenceBefore("\x01\x01\x00\xfe\xffA", compressed, earlier)
	if err != nil || string(marked) != string(text)+"A" {
		return text, io.ErrUnexpectedEOF
	}
	return text, nil
}

// referenceBefore decompresses a message that is followed by a last block.
func referenceBefore(last string, compressed, earlier []byte) ([]byte, error) {
	in := strings.NewReader(string(compressed) + "\x00\x00\xff\xff" + last)
	all := bytes.Clone(earlier)
	for in.Len() > 0 {
		text, err := io.ReadAll(flate.NewReaderDict(in, all[max(0, len(all)-maxWindow):]))
		all = append(all, text...)
		if err != nil {
			return all[len(earlier):], err
		}
	}
	return all[len(earlier):], nil
}

// A chunked source returns a message in pieces of random sizes. Like the buffer
// of a connection, it overwrites a piece in the next call.
type chunkedSource struct {
	random *rand.Rand
	rest   []byte
	piece  []byte
}

func (s *chunkedSource) Next() ([]byte, error) {
	for i := range s.piece {
		s.piece[i] = 0xAA
	}
	if len(s.rest) == 0 {
		return nil, io.EOF
	}
	n := 1 + s.random.IntN(min(len(s.rest), 1<<s.random.IntN(14)))
	s.piece = append(s.piece[:0], s.rest[:n]...)
	s.rest = s.rest[n:]
	return s.piece, nil
}

func (s *chunkedSource) Ended() bool { return len(s.rest) == 0 }

// decompressRandomly decompresses a message from pieces of random sizes into
// buffers of random sizes, and sometimes calls Fetch.
func decompressRandomly(random *rand.Rand, d *Decompressor, compressed []byte, limit int64) ([]byte, error) {
	source := &chunkedSource{random: random, rest: compressed}
	r := d.Open(source, limit)
	var text []byte
	for {
		for random.IntN(4) == 0 && !source.Ended() {
			if err := r.Fetch(); err != nil {
				return text, err
			}
		}
		n := len(text)
		text = append(text, make([]byte, 1+random.IntN(1<<random.IntN(16)))...)
		m, err := r.Read(text[n:])
		if text = text[:n+m]; err == io.EOF {
			return text, nil
		} else if err != nil {
			return text, err
		}
	}
}

// randomText returns a message for one of the cases that an encoder
// distinguishes. The messages of a session share words.
func randomText(random *rand.Rand) []byte {
	size := random.IntN(1 << random.IntN(14))
	if random.IntN(50) == 0 {
		size = 100_000 + random.IntN(100_000)
	}
	text := make([]byte, 0, size+20)
	switch random.IntN(6) {
	case 0: // empty
	case 1: // incompressible
		for range size {
			text = append(text, byte(random.Uint32()))
		}
	case 2: // repetitive
		unit := fmt.Sprint(random.IntN(1000))
		for len(text) < size {
			text = append(text, unit...)
		}
	case 3: // few symbols with very different frequencies
		for range size {
			text = append(text, byte(min(20, random.ExpFloat64()*4)))
		}
	default: // text
		for len(text) < size {
			text = fmt.Appendf(text, `{"event":%q,"n":%d} `, []string{"presence", "message", "edit"}[random.IntN(3)], random.IntN(1<<random.IntN(20)))
		}
	}
	return text
}

func eachWindow(t *testing.T, test func(t *testing.T, bits int, takeover bool)) {
	t.Helper()
	for bits := minWindowBits; bits <= maxWindowBits; bits++ {
		for _, takeover := range []bool{false, true} {
			t.Run(fmt.Sprintf("bits=%d/takeover=%v", bits, takeover), func(t *testing.T) {
				t.Parallel()
				test(t, bits, takeover)
			})
		}
	}
}

// encodeSession compresses messages and decompresses each twice: with
// compress/flate and only the part of the earlier text that is in the window,
// and with a Decompressor, which rejects distances beyond the window.
func encodeSession(t testing.TB, random *rand.Rand, bits int, takeover bool, messages int) {
	t.Helper()
	c, d := NewCompressor(bits, takeover), NewDecompressor(bits, takeover)
	var earlier []byte
	for i := range messages {
		text := randomText(random)
		var compressed []byte
		m := c.Begin()
		for rest := text; len(rest) > 0; {
			n := 1 + random.IntN(len(rest))
			compressed = m.Write(compressed, rest[:n])
			rest = rest[n:]
		}
		compressed = m.End(compressed)
		if got, err := reference(compressed, earlier); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("message %d of %d bytes: compress/flate read %d bytes, %v", i, len(text), len(got), err)
		}
		if got, err := decompressRandomly(random, d, compressed, int64(len(text))); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("message %d of %d bytes: Decompressor read %d bytes, %v", i, len(text), len(got), err)
		}
		if takeover {
			earlier = keepLast(earlier, text, 1<<bits)
		}
	}
}

func TestSessionsOfTheCompressor(t *testing.T) {
	t.Parallel()
	eachWindow(t, func(t *testing.T, bits int, takeover bool) {
		encodeSession(t, rand.New(rand.NewPCG(1, uint64(bits))), bits, takeover, 60)
	})
}

// A flateSession compresses messages with compress/flate, as other programs do.
type flateSession struct {
	random  *rand.Rand
	w       *flate.Writer
	out     bytes.Buffer
	earlier []byte // text that matches may refer to
}

func newFlateSession(t testing.TB, random *rand.Rand, level int) *flateSession {
	t.Helper()
	w, err := flate.NewWriter(nil, level)
	if err != nil {
		t.Fatal(err)
	}
	return &flateSession{random: random, w: w}
}

// message compresses a message in up to five segments. Some end with a final
// block.
func (s *flateSession) message(text []byte) []byte {
	var compressed []byte
	earlier := s.earlier
	for range s.random.IntN(5) {
		n := s.random.IntN(len(text) + 1)
		compressed = append(compressed, s.segment(text[:n], earlier, s.random.IntN(2) == 0)...)
		earlier = append(earlier[:len(earlier):len(earlier)], text[:n]...)
		text = text[n:]
	}
	compressed = append(compressed, s.segment(text, earlier, false)...)
	return bytes.TrimSuffix(compressed, []byte("\x00\x00\xff\xff"))
}

// segment compresses text with a stream that has already compressed earlier. It
// does not use [flate.NewWriterDict], whose writer stores the dictionary in the
// output.
func (s *flateSession) segment(text, earlier []byte, final bool) []byte {
	s.w.Reset(&s.out)
	s.w.Write(earlier[max(0, len(earlier)-maxWindow):])
	s.w.Flush()
	s.out.Reset()
	s.w.Write(text)
	if final {
		s.w.Close()
	} else {
		s.w.Flush()
	}
	return s.out.Bytes()
}

// flateMessages decompresses messages of compress/flate at one level. Each is
// made by a new writer that has the earlier text.
func flateMessages(t testing.TB, random *rand.Rand, level int, takeover bool, messages int) {
	t.Helper()
	s := newFlateSession(t, random, level)
	d := NewDecompressor(15, takeover)
	for i := range messages {
		text := randomText(random)
		compressed := s.message(text)
		if want, err := reference(compressed, s.earlier); err != nil || !bytes.Equal(want, text) {
			t.Fatalf("level %d, message %d: the reference reads %d of %d bytes, %v", level, i, len(want), len(text), err)
		}
		got, err := decompressRandomly(random, d, compressed, int64(len(text)))
		if err != nil || !bytes.Equal(got, text) {
			t.Fatalf("level %d, message %d: read %d of %d bytes, %v", level, i, len(got), len(text), err)
		}
		if takeover {
			s.earlier = keepLast(s.earlier, text, maxWindow)
		}
	}
}

func TestSessionsOfFlate(t *testing.T) {
	t.Parallel()
	for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
		for _, takeover := range []bool{false, true} {
			t.Run(fmt.Sprintf("level=%d/takeover=%v", level, takeover), func(t *testing.T) {
				t.Parallel()
				flateMessages(t, rand.New(rand.NewPCG(2, uint64(level+2))), level, takeover, 12)
			})
		}
	}
}

// Most programs in Go implement context takeover with one flate.Writer that is
// flushed after each message.
func TestSessionsOfOneFlateWriter(t *testing.T) {
	t.Parallel()
	for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
		random := rand.New(rand.NewPCG(3, uint64(level+2)))
		var out bytes.Buffer
		w, err := flate.NewWriter(&out, level)
		if err != nil {
			t.Fatal(err)
		}
		d := NewDecompressor(15, true)
		for i := range 20 {
			text := randomText(random)
			out.Reset()
			w.Write(text)
			w.Flush()
			compressed := bytes.TrimSuffix(out.Bytes(), []byte("\x00\x00\xff\xff"))
			if got, err := decompressRandomly(random, d, compressed, int64(len(text))); err != nil || !bytes.Equal(got, text) {
				t.Fatalf("level %d, message %d: read %d of %d bytes, %v", level, i, len(got), len(text), err)
			}
		}
	}
}

// compareCorrupt compares the Decompressor with compress/flate on any input.
// Either both return the same text, or both fail after the same text.
func compareCorrupt(t testing.TB, random *rand.Rand, compressed, earlier []byte, bits int) {
	t.Helper()
	want, wantErr := reference(compressed, earlier)
	d := NewDecompressor(bits, true)
	d.window.write(earlier)
	got, err := decompressRandomly(random, d, compressed, math.MaxInt64)
	switch {
	case err != nil && !errors.Is(err, ErrCorrupt):
		t.Fatalf("%x: %v", compressed, err)
	case err == nil && wantErr != nil:
		t.Fatalf("%x: no error where compress/flate has %v", compressed, wantErr)
	case err != nil && wantErr == nil && bits == 15:
		t.Fatalf("%x: %v where compress/flate has no error", compressed, err)
	}
	if n := min(len(got), len(want)); !bytes.Equal(got[:n], want[:n]) || err == nil && len(got) != len(want) {
		t.Fatalf("%x: read %d bytes, compress/flate %d others", compressed, len(got), len(want))
	}
}

func TestCorruptSessions(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(4, 4))
	for i := range 40 {
		text, earlier := randomText(random), randomText(random)
		text = text[:min(len(text), 1<<random.IntN(12))]
		s := newFlateSession(t, random, random.IntN(10))
		s.earlier = earlier
		message := s.message(text)
		if i%4 == 0 {
			message = NewCompressor(15, false).Append(nil, text)
		}
		for range 15 {
			compressed := bytes.Clone(message)
			for range 1 + random.IntN(3) {
				compressed = damage(random, compressed)
			}
			compareCorrupt(t, random, compressed, earlier, minWindowBits+random.IntN(8))
		}
	}
}

// damage flips a bit of p, or removes some bytes.
func damage(random *rand.Rand, p []byte) []byte {
	i := random.IntN(len(p) + 1)
	if i < len(p) && random.IntN(3) > 0 {
		p[i] ^= 1 << random.IntN(8)
		return p
	}
	return append(p[:i], p[i+random.IntN(len(p)-i+1):]...)
}

// FuzzSession runs a session of the Compressor, a session of compress/flate,
// and one with damaged or arbitrary bytes.
func FuzzSession(f *testing.F) {
	f.Add(uint64(1), 8, true, 1, []byte("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"))
	f.Add(uint64(2), 15, false, 9, []byte("\xf2\x00\x11\x00\x00"))
	f.Add(uint64(3), 11, true, -2, []byte("\x04\xc1\x01\x01\x00\x00\x00\x80\x90\xfe\xaf\xee\x08"))
	f.Fuzz(func(t *testing.T, seed uint64, bits int, takeover bool, level int, compressed []byte) {
		if bits < minWindowBits || bits > maxWindowBits || level < flate.HuffmanOnly || level > flate.BestCompression || len(compressed) > 1<<12 {
			return
		}
		random := rand.New(rand.NewPCG(seed, 0))
		encodeSession(t, random, bits, takeover, 3)
		flateMessages(t, random, level, takeover, 3)
		compareCorrupt(t, random, compressed, randomText(random), bits)
		compareCorrupt(t, random, compressed, nil, 15)
	})
}
