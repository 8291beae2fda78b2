package websocket

import (
	"io"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// The length in a frame's header is untrusted. Memory for the payload is
// allocated only if the length is at most firstGrant, or at most growth times
// the number of bytes that have arrived. Until then, the payload is collected
// in pooled chunks. For example, if a header announces 16 MB, that much memory
// is allocated only after 1 MB has arrived.
const (
	firstGrant = 64 << 10
	growth     = 16
)

// Until all of a compressed message has arrived, at most firstText bytes of
// text are decompressed, or textGrowth times the number of compressed bytes so
// far if that is more.
const (
	firstText  = 16 << 10
	textGrowth = 4
)

// readPayload reads the rest of the current message. If a deadline passes, the
// next call continues. For an uncompressed message of up to 1 MB, readPayload
// allocates only the payload.
func (c *Conn) readPayload() ([]byte, error) {
	in := &c.in
	if in.payload != nil {
		return c.fill()
	}
	if in.chunks.size == 0 && !in.compressed && in.lastFrame && in.frameLeft <= int64(in.br.Buffered()) {
		return c.readBuffered()
	}
	if err := c.awaitPayload(); err != nil {
		return nil, err
	}
	for in.inMessage {
		if granted, err := c.grant(); err != nil {
			return nil, err
		} else if granted {
			return c.fill()
		}
		if err := c.readChunk(); err != nil {
			return nil, err
		}
	}
	return in.chunks.appendTo(make([]byte, 0, in.chunks.size)), nil
}

// readBuffered returns the current message, all of which is in the read buffer.
func (c *Conn) readBuffered() ([]byte, error) {
	in := &c.in
	if in.frameLeft == 0 {
		in.inMessage = false
		return []byte{}, nil
	}
	p, err := c.next()
	if err != nil {
		return nil, err
	}
	if in.opcode == frame.Text && !in.utf8.Check(p) {
		return nil, c.failProtocol(frame.ErrUTF8)
	}
	if err := c.endMessage(); err != io.EOF {
		return nil, err
	}
	return append([]byte{}, p...), nil
}

// awaitPayload waits until payload of the current frame is in the read buffer.
func (c *Conn) awaitPayload() error {
	if c.in.frameLeft > 0 && c.in.br.Buffered() == 0 {
		if _, err := c.in.br.Peek(1); err != nil {
			return c.readFailed(err)
		}
	}
	return nil
}

// grant allocates the payload if its size is known and enough of it has
// arrived. The size is known in the last frame of a message that is not
// compressed.
func (c *Conn) grant() (granted bool, err error) {
	in := &c.in
	if in.compressed || !in.lastFrame {
		return false, nil
	}
	if err := c.awaitPayload(); err != nil {
		return false, err
	}
	arrived := int64(in.chunks.size + in.br.Buffered())
	if in.announced > max(firstGrant, arrived*growth) {
		return false, nil
	}
	in.payload = make([]byte, in.announced)
	in.filled = len(in.chunks.appendTo(in.payload[:0]))
	in.chunks.release()
	return true, nil
}

// fill reads the missing bytes of a payload that grant has allocated.
func (c *Conn) fill() ([]byte, error) {
	in := &c.in
	for in.inMessage {
		n, err := c.read(in.payload[in.filled:])
		in.filled += n
		if err != nil && err != io.EOF {
			return nil, err
		}
	}
	return in.payload, nil
}

// readChunk reads part of the current message into the chunks.
func (c *Conn) readChunk() error {
	in := &c.in
	room, err := c.limitText(in.chunks.room())
	if err != nil {
		return err
	}
	n, err := c.read(room)
	in.chunks.grow(n)
	if err == io.EOF {
		err = nil
	}
	return err
}

// limitText shortens room to the number of bytes that may be decompressed now.
// If that is zero, it waits for more compressed bytes first. If the message is
// not compressed, or all of it has arrived, limitText returns room unchanged.
func (c *Conn) limitText(room []byte) ([]byte, error) {
	in := &c.in
	for in.compressed && !(source{c}).Ended() {
		most := max(firstText, textGrowth*in.inflater.Received())
		if left := most - int64(in.chunks.size); left > 0 {
			return room[:min(int64(len(room)), left)], nil
		}
		if err := in.inflater.Fetch(); err != nil {
			return nil, c.inflateFailed(err)
		}
	}
	return room, nil
}

// chunkSize is the maximum size of a pooled buffer.
const chunkSize = 64 << 10

// chunks collects bytes in pooled buffers. Each buffer has room for at least
// twice the bytes in all earlier ones, or chunkSize if that is less. The reader
// of the message gets a copy of the bytes.
type chunks struct {
	list []*bufpool.Buffer
	size int // bytes in all buffers
}

// room returns free space to read into. It is never empty.
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

// grow adds n bytes that were read into the space returned by room.
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

// release returns the buffers to the pool. It keeps a short list for the next
// message.
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
