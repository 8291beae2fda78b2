package websocket

import (
	"io"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// A claimed length is believed up to growth times the bytes that have arrived,
// and up to firstGrant once there are any. Until it is believed, the payload
// is gathered in pooled chunks.
const (
	firstGrant = 64 << 10
	growth     = 16
)

// A compressed message is decompressed up to textGrowth times the bytes that
// have arrived, and up to firstText in any case. The rest waits in compressed
// form until the message is whole.
const (
	firstText  = 16 << 10
	textGrowth = 4
)

// readPayload reads the rest of the open message, or goes on to do so after a
// deadline. For messages that are not compressed and not over a megabyte that
// makes one allocation, the payload.
func (c *Conn) readPayload() ([]byte, error) {
	in, gathered := &c.in, &c.in.gathered
	if in.whole != nil {
		return c.fill()
	}
	if gathered.size == 0 && !in.compressed && in.fin && in.remaining <= int64(in.br.Buffered()) {
		return c.readBuffered()
	}
	if err := c.await(); err != nil {
		return nil, err
	}
	for in.open {
		if !in.compressed && in.fin {
			if err := c.await(); err != nil {
				return nil, err
			}
			arrived := int64(gathered.size + in.br.Buffered())
			if in.size <= max(firstGrant, arrived*growth) {
				in.whole = make([]byte, in.size)
				in.filled = len(gathered.appendTo(in.whole[:0]))
				gathered.release()
				return c.fill()
			}
		}
		room, err := c.limited(gathered.room())
		if err != nil {
			return nil, err
		}
		n, err := c.read(room)
		gathered.grow(n)
		if err != nil && err != io.EOF {
			return nil, err
		}
	}
	return gathered.appendTo(make([]byte, 0, gathered.size)), nil
}

// limited returns the part of room that a compressed message may fill with what
// has arrived of it. It waits for more until there is one.
func (c *Conn) limited(room []byte) ([]byte, error) {
	in := &c.in
	for in.compressed && !(source{c}).Ended() {
		most := max(firstText, textGrowth*in.inflater.Received())
		if left := most - int64(in.gathered.size); left > 0 {
			return room[:min(int64(len(room)), left)], nil
		}
		if err := in.inflater.Fetch(); err != nil {
			return nil, c.inflated(err)
		}
	}
	return room, nil
}

// readBuffered returns the message that is whole in the buffer.
func (c *Conn) readBuffered() ([]byte, error) {
	in := &c.in
	if in.remaining == 0 {
		in.open = false
		return []byte{}, nil
	}
	p, err := c.next()
	if err != nil {
		return nil, err
	}
	if in.opcode == frame.Text && !in.text.Check(p) {
		return nil, c.violated(frame.ErrUTF8)
	}
	if err := c.finish(); err != io.EOF {
		return nil, err
	}
	return append([]byte{}, p...), nil
}

// await waits for payload of the current frame. Decompression must have read
// what was in the buffer.
func (c *Conn) await() error {
	if c.in.remaining > 0 && c.in.br.Buffered() == 0 {
		if _, err := c.in.br.Peek(1); err != nil {
			return c.lost(err)
		}
	}
	return nil
}

// fill reads what is missing of a payload whose size is known.
func (c *Conn) fill() ([]byte, error) {
	in := &c.in
	for in.open {
		n, err := c.read(in.whole[in.filled:])
		in.filled += n
		if err != nil && err != io.EOF {
			return nil, err
		}
	}
	return in.whole, nil
}

// chunkSize is the most that a pooled buffer may have.
const chunkSize = 64 << 10

// chunks gathers bytes in pooled buffers, each about twice as large as all
// before it together. They are guarded by streamLock. A reader of the message
// gets a copy of the bytes.
type chunks struct {
	list []*bufpool.Buffer
	size int
}

// room returns free space to read into.
func (c *chunks) room() []byte {
	if n := len(c.list); n > 0 {
		if b := c.list[n-1].B; len(b) < cap(b) {
			return b[len(b):cap(b)]
		}
	}
	b := bufpool.Get()
	if want := min(chunkSize, 2*c.size); cap(b.B) < want {
		b.B = make([]byte, 0, want)
	}
	c.list = append(c.list, b)
	return b.B[:cap(b.B)]
}

// grow takes n bytes that were read into the space that room returned last.
func (c *chunks) grow(n int) {
	b := c.list[len(c.list)-1]
	b.B = b.B[:len(b.B)+n]
	c.size += n
}

// appendTo appends all bytes to p.
func (c *chunks) appendTo(p []byte) []byte {
	for _, b := range c.list {
		p = append(p, b.B...)
	}
	return p
}

// release gives the buffers back. A short list is kept for the next message.
func (c *chunks) release() {
	for i, b := range c.list {
		bufpool.Put(b)
		c.list[i] = nil
	}
	c.size = 0
	if c.list = c.list[:0]; cap(c.list) > 8 {
		c.list = nil
	}
}
