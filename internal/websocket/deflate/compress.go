package deflate

import (
	"encoding/binary"
	"math/bits"
	"sync"
)

const (
	maxWindow = 1 << maxWindowBits

	// blockSize is the number of input bytes after which a block ends. The last
	// match of a block may extend beyond that.
	blockSize = 16 << 10

	// bufSize is room for a window and as much new input.
	bufSize = 2 * maxWindow

	minMatch = 4 // shorter matches rarely save anything
	maxMatch = 258

	// hashBits is the base-2 logarithm of the size of the hash table. A
	// connection with context takeover keeps the table.
	hashBits = 12
)

// contextSize is the number of bytes of earlier messages that context takeover
// keeps. Keeping more would hardly make small messages smaller.
const contextSize = 8 << 10

// A Compressor compresses the messages of one end of a connection. It is not
// safe for concurrent use.
//
// With context takeover, it keeps contextSize bytes and a table of 8 KB between
// messages. Without context takeover, it keeps nothing. While a message is
// compressed, it takes about 150 KB from a pool.
type Compressor struct {
	windowBits      int
	window          int // maximum distance of a match
	contextTakeover bool
	history         *history // nil without context takeover, and before the first message
}

// A history is the text of earlier messages that matches may refer to.
type history struct {
	table table
	text  []byte // the last bytes sent
	end   uint16 // position of the byte after text
}

// A table maps the hash of 4 bytes to the position of their last occurrence. A
// position is the offset in the stream modulo 1<<16. Stale entries are
// harmless, because the bytes of every match are compared.
type table [1 << hashBits]uint16

// NewCompressor returns a Compressor with a window of 1<<windowBits bytes.
func NewCompressor(windowBits int, contextTakeover bool) *Compressor {
	return &Compressor{windowBits: windowBits, window: 1 << windowBits, contextTakeover: contextTakeover}
}

// WindowBits returns the base-2 logarithm of the window size.
func (c *Compressor) WindowBits() int { return c.windowBits }

// ContextTakeover reports whether messages may refer to earlier ones.
func (c *Compressor) ContextTakeover() bool { return c.contextTakeover }

// Append appends the compressed form of a message to dst.
func (c *Compressor) Append(dst, message []byte) []byte {
	m := c.Begin()
	return m.End(m.Write(dst, message))
}

// Skip adds to the history a message that is sent in a form compressed
// elsewhere, without context. The peer adds it to its window too.
func (c *Compressor) Skip(message []byte) {
	if h := c.ensureHistory(); h != nil {
		h.end += uint16(len(message))
		h.text = keepLast(h.text, message, c.maxHistory())
	}
}

// ensureHistory returns the history, or nil without context takeover.
func (c *Compressor) ensureHistory() *history {
	if c.contextTakeover && c.history == nil {
		c.history = new(history)
	}
	return c.history
}

// maxHistory returns the number of bytes of history to keep.
func (c *Compressor) maxHistory() int { return min(c.window, contextSize) }

// keepLast appends p to kept and returns the last size bytes, in place. The
// capacity grows as needed, up to size.
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

// A Message is a message that is being compressed. It is valid until End, and
// its Compressor must not be used until then. It is not safe for concurrent
// use.
type Message struct {
	compressor *Compressor
	table      *table

	buf   [bufSize]byte // text before the message, then text to compress
	start int           // start of the text to compress
	end   int           // its end
	base  uint16        // position of buf[0] in the stream

	scratch table // used without context takeover
	block   block
}

// messages is safe to use because no user code has access to a Message. A
// connection uses one during a call, or in a Writer, which drops it under its
// lock when closed.
var messages = sync.Pool{New: func() any { return new(Message) }}

// Begin starts a message.
func (c *Compressor) Begin() *Message {
	m := messages.Get().(*Message)
	m.compressor = c
	m.block.reset()
	if h := c.ensureHistory(); h == nil {
		clear(m.scratch[:])
		m.table, m.base, m.start = &m.scratch, 0, 0
	} else {
		m.table = &h.table
		m.start = copy(m.buf[:], h.text)
		m.base = h.end - uint16(m.start)
	}
	m.end = m.start
	return m
}

// Write adds p to the message. It appends the compressed form of full buffers
// to dst.
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

// End appends the rest of the compressed message to dst and returns m to the
// pool. The message ends with an empty stored block without the four bytes of
// its length (RFC 7692, section 7.2.1).
func (m *Message) End(dst []byte) []byte {
	dst = m.compress(dst)
	dst = m.block.endStored(dst)
	if h := m.compressor.history; h != nil {
		h.text = keepLast(h.text[:0], m.buf[:m.end], m.compressor.maxHistory())
		h.end = m.base + uint16(m.end)
	}
	m.compressor, m.table = nil, nil
	messages.Put(m)
	return dst
}

// slide removes the text that is beyond the window from the buffer.
func (m *Message) slide() {
	kept := copy(m.buf[:], m.buf[m.end-min(m.end, m.compressor.window):m.end])
	m.base += uint16(m.end - kept)
	m.start, m.end = kept, kept
}

// compress appends blocks with all of the text to compress to dst.
func (m *Message) compress(dst []byte) []byte {
	for m.start < m.end {
		first := m.start
		m.start = m.tokenize(min(first+blockSize, m.end))
		dst = m.block.write(dst, m.buf[first:m.start])
	}
	return dst
}

// tokenize adds the tokens of the text up to stop to the block, and returns the
// end of the last one. A match may extend beyond stop.
func (m *Message) tokenize(stop int) int {
	text := m.buf[:m.end]
	literal := m.start // start of the literals not yet added
	i := m.start
	for i < stop && i+minMatch <= len(text) {
		length, distance := m.match(text, i)
		if length == 0 {
			// The longer there is no match, the larger the steps.
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

// match finds an earlier occurrence of the text at i, and adds i to the table.
// If there is no match, length is 0.
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

// add adds every second position of text[from:to] to the table.
func (t *table) add(text []byte, from, to int, base uint16) {
	for to = min(to, len(text)-minMatch+1); from < to; from += 2 {
		t[hash(binary.LittleEndian.Uint32(text[from:]))] = base + uint16(from)
	}
}

// hash returns the table index for 4 bytes, by multiplicative hashing (Knuth).
func hash(word uint32) uint32 { return word * 2654435761 >> (32 - hashBits) }

// commonPrefix returns the length of the common prefix of a and b. It requires
// len(a) <= len(b).
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
