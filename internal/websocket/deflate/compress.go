package deflate

import (
	"encoding/binary"
	"math/bits"
	"sync"
)

const (
	maxWindow = 1 << maxWindowBits

	// blockSize is how many bytes of input share one Huffman code.
	blockSize = 16 << 10

	// bufSize holds a whole window and as much new input.
	bufSize = 2 * maxWindow

	minMatch = 4 // shorter ones rarely pay
	maxMatch = 258

	// hashBits sizes the table of earlier positions. It is the larger part
	// of what a connection with context takeover keeps.
	hashBits = 12
)

// ContextSize is how many bytes of the earlier messages are kept for context
// takeover. A larger context makes small messages hardly any smaller.
const ContextSize = 8 << 10

// A Compressor compresses the messages that one end of a connection sends. It
// is not safe for concurrent use.
//
// Without context takeover it holds no memory between messages. With it, it
// holds ContextSize bytes of context and 8 KB of table from the first message
// on. While a message is being compressed it borrows about 150 KB from a pool.
type Compressor struct {
	windowBits int
	window     int // largest distance of a match
	takeover   bool
	history    *history // nil without context takeover, and before the first message
}

// A history is what the next message may refer to.
type history struct {
	table table
	text  []byte // the last bytes sent
	end   uint16 // position of the byte that follows text
}

// A table maps the hash of 4 bytes to the last position where they stood.
// Positions are those of the stream, modulo 2^16. A stale entry does no harm,
// since every match is compared byte by byte.
type table [1 << hashBits]uint16

// NewCompressor returns a compressor for a window of 1<<windowBits bytes.
func NewCompressor(windowBits int, contextTakeover bool) *Compressor {
	return &Compressor{windowBits: windowBits, window: 1 << windowBits, takeover: contextTakeover}
}

// WindowBits returns the binary logarithm of the window.
func (c *Compressor) WindowBits() int { return c.windowBits }

// ContextTakeover reports whether messages refer to earlier ones.
func (c *Compressor) ContextTakeover() bool { return c.takeover }

// Append compresses a message and appends the result to dst.
func (c *Compressor) Append(dst, message []byte) []byte {
	m := c.Begin()
	return m.End(m.Write(dst, message))
}

// Skip takes note of a message that was sent in compressed form, but was
// compressed elsewhere and without context. The peer's window holds it now.
func (c *Compressor) Skip(message []byte) {
	if h := c.remembered(); h != nil {
		h.end += uint16(len(message))
		h.text = keepLast(h.text, message, c.contextSize())
	}
}

// remembered returns the history, or nil if there is to be none.
func (c *Compressor) remembered() *history {
	if c.takeover && c.history == nil {
		c.history = new(history)
	}
	return c.history
}

func (c *Compressor) contextSize() int { return min(c.window, ContextSize) }

// keepLast appends p to kept and cuts the result to its last size bytes, in
// place. The slice grows as needed, and never past size.
func keepLast(kept, p []byte, size int) []byte {
	p = p[max(0, len(p)-size):]
	if over := len(kept) + len(p) - size; over > 0 {
		kept = kept[:copy(kept, kept[over:])]
	}
	if need := len(kept) + len(p); cap(kept) < need {
		kept = append(make([]byte, 0, min(size, 2*need)), kept...)
	}
	return append(kept, p...)
}

// A Message is one message on its way through a Compressor. It is valid until
// End; its Compressor must not be used in between.
type Message struct {
	compressor *Compressor
	table      *table

	buf   [bufSize]byte // earlier text, then text to compress
	start int           // where the text to compress starts
	end   int           // where it ends
	base  uint16        // position of buf[0] in the stream

	own   table // used without context takeover
	block block
}

// messages are pooled. A connection holds one for the length of a call, or in a
// message writer, which has a lock of its own and forgets it when it is closed.
var messages = sync.Pool{New: func() any { return new(Message) }}

// Begin starts a message.
func (c *Compressor) Begin() *Message {
	m := messages.Get().(*Message)
	m.compressor = c
	m.block.reset()
	if h := c.remembered(); h == nil {
		clear(m.own[:])
		m.table, m.base, m.start = &m.own, 0, 0
	} else {
		m.table = &h.table
		m.start = copy(m.buf[:], h.text)
		m.base = h.end - uint16(m.start)
	}
	m.end = m.start
	return m
}

// Write compresses more of the message and appends what is ready to dst.
func (m *Message) Write(dst, p []byte) []byte {
	for {
		n := copy(m.buf[m.end:], p)
		m.end += n
		if p = p[n:]; len(p) == 0 {
			return dst
		}
		dst = m.compress(dst)
		m.slide()
	}
}

// End ends the message, appends the rest of its compressed form to dst and
// gives m back. The form is that of RFC 7692, section 7.2.1: the stream ends
// with an empty stored block whose four bytes of length are left out.
func (m *Message) End(dst []byte) []byte {
	dst = m.compress(dst)
	dst = m.block.endStored(dst)
	if h := m.compressor.history; h != nil {
		h.text = keepLast(h.text[:0], m.buf[:m.end], m.compressor.contextSize())
		h.end = m.base + uint16(m.end)
	}
	m.compressor, m.table = nil, nil
	messages.Put(m)
	return dst
}

// slide drops the text that is out of the window's reach.
func (m *Message) slide() {
	kept := copy(m.buf[:], m.buf[m.end-min(m.end, m.compressor.window):m.end])
	m.base += uint16(m.end - kept)
	m.start, m.end = kept, kept
}

// compress turns all of the text to compress into blocks.
func (m *Message) compress(dst []byte) []byte {
	for m.start < m.end {
		first := m.start
		m.start = m.tokenize(min(first+blockSize, m.end))
		dst = m.block.write(dst, m.buf[first:m.start])
	}
	return dst
}

// tokenize finds the matches and literals of the text up to about stop: the
// last match may end after it. It returns where it ended.
func (m *Message) tokenize(stop int) int {
	text := m.buf[:m.end]
	literal := m.start // start of the literals that are not in the block yet
	i := m.start
	for i < stop && i+minMatch <= len(text) {
		length, distance := m.match(text, i)
		if length == 0 {
			// The longer no match turns up, the larger the steps.
			i += 1 + (i-literal)>>6
			continue
		}
		m.block.literals(text[literal:i])
		m.block.match(length, distance)
		m.table.add(text, i+1, i+length, m.base)
		i += length
		literal = i
	}
	i = max(stop, literal)
	m.block.literals(text[literal:i])
	return i
}

// match looks for an earlier copy of the text at i and enters i in the table.
// The length is 0 if there is none.
func (m *Message) match(text []byte, i int) (length, distance int) {
	word := binary.LittleEndian.Uint32(text[i:])
	entry := &m.table[hash(word)]
	position := m.base + uint16(i)
	distance = int(position - *entry)
	*entry = position
	if distance == 0 || distance > min(i, m.compressor.window) ||
		binary.LittleEndian.Uint32(text[i-distance:]) != word {
		return 0, 0
	}
	here := text[i:min(len(text), i+maxMatch)]
	return commonPrefix(here, text[i-distance:]), distance
}

// add enters the positions of text[from:to] in the table, every second one.
func (t *table) add(text []byte, from, to int, base uint16) {
	for to = min(to, len(text)-minMatch+1); from < to; from += 2 {
		t[hash(binary.LittleEndian.Uint32(text[from:]))] = base + uint16(from)
	}
}

// hash spreads 4 bytes over the table by a multiplication (Knuth).
func hash(word uint32) uint32 { return word * 2654435761 >> (32 - hashBits) }

// commonPrefix returns how many bytes a and b have in common at the start. It
// takes b to be at least as long as a.
func commonPrefix(a, b []byte) int {
	n := 0
	for n+8 <= len(a) {
		if diff := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); diff != 0 {
			return n + bits.TrailingZeros64(diff)>>3
		}
		n += 8
	}
	for n < len(a) && a[n] == b[n] {
		n++
	}
	return n
}
