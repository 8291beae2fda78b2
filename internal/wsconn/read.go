package wsconn

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/wsdeflate"
	"github.com/stanza-go/framework/pkg/http/internal/wsframe"
)

// incoming is the state of reading. It belongs to the holder of readLock.
type incoming struct {
	br      *bufio.Reader
	decoder wsframe.Decoder
	err     error // what reading ended with, returned ever after
	cause   error // of the network, behind err

	// The data frame that is being read.
	remaining int64  // bytes of its payload that were not read yet
	key       uint32 // masking key, turned to the next byte
	fin       bool   // the frame is the last of its message

	// The message that is being read.
	open       bool // it has begun, and its end was not seen
	opcode     wsframe.Opcode
	compressed bool
	limit      int64 // bytes it may have
	size       int64 // bytes announced by its frames, if it is not compressed
	text       wsframe.UTF8
	gathered   chunks // payload that arrived, if it was not all there at once

	decompressor *wsdeflate.Decompressor
	inflater     *wsdeflate.Reader // of the message, if it is compressed

	discarding bool // control frames are not answered: the close frame was sent
}

// ReadMessage reads the next data message.
func (c *Conn) ReadMessage() (wsframe.Opcode, []byte, error) {
	c.readLock.lock()
	defer c.readLock.unlock()
	if err := c.nextMessage(); err != nil {
		return 0, nil, err
	}
	p, err := c.readPayload()
	if err != nil {
		return 0, nil, err
	}
	return c.in.opcode, p, nil
}

// NextMessage begins the next data message, after skipping what is left of the
// one before. Read then reads it.
func (c *Conn) NextMessage() (wsframe.Opcode, error) {
	c.readLock.lock()
	defer c.readLock.unlock()
	if err := c.nextMessage(); err != nil {
		return 0, err
	}
	return c.in.opcode, nil
}

// Read reads part of the message that NextMessage began; its end is [io.EOF].
func (c *Conn) Read(p []byte) (int, error) {
	c.readLock.lock()
	defer c.readLock.unlock()
	for {
		n, err := c.read(p)
		if n > 0 && err == io.EOF {
			err = nil
		}
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
	}
}

// nextMessage reads frames up to the first of a new message.
func (c *Conn) nextMessage() error {
	in := &c.in
	if in.err != nil {
		return in.err
	}
	for in.open {
		if err := c.skip(); err != nil {
			return err
		}
	}
	h, err := c.nextFrame()
	if err != nil {
		return err
	}
	in.open, in.opcode, in.compressed = true, h.Opcode, h.Compressed
	in.limit, in.size, in.text = c.limit.Load(), 0, wsframe.UTF8{}
	if in.compressed {
		in.inflater = in.decompressor.Open(source{c}, in.limit)
	}
	return c.announce(h)
}

// skip reads some of the open message and throws it away.
func (c *Conn) skip() error {
	b := bufpool.Get()
	defer bufpool.Put(b)
	_, err := c.read(b.B[:cap(b.B)])
	if err == io.EOF {
		err = nil
	}
	return err
}

// announce takes note of a data frame whose payload comes next. A message that
// is not compressed is known to be too long before it has arrived.
func (c *Conn) announce(h wsframe.Header) error {
	in := &c.in
	in.remaining, in.key, in.fin = h.Length, h.Key, h.Fin
	if in.compressed {
		return nil
	}
	if h.Length > in.limit-in.size {
		return c.fail(CodeMessageTooBig, reasonMessageTooBig, ErrReadLimit)
	}
	in.size += h.Length
	return nil
}

// read reads part of the open message. It may return fewer bytes than there
// are, even none; [io.EOF] comes with the last byte or after it.
func (c *Conn) read(p []byte) (n int, err error) {
	in := &c.in
	switch {
	case in.err != nil:
		return 0, in.err
	case !in.open:
		return 0, io.EOF
	case in.compressed:
		n, err = c.inflate(p)
	default:
		n, err = c.readRaw(p)
	}
	if err != nil && err != io.EOF {
		return n, err
	}
	if in.opcode == wsframe.Text && !in.text.Check(p[:n]) {
		return 0, c.violated(wsframe.ErrUTF8)
	}
	if err == io.EOF {
		return n, c.finish()
	}
	return n, nil
}

// finish ends the open message.
func (c *Conn) finish() error {
	c.in.open, c.in.inflater = false, nil
	if c.in.opcode == wsframe.Text && !c.in.text.Complete() {
		return c.violated(wsframe.ErrUTF8)
	}
	return io.EOF
}

// inflate reads decompressed bytes.
func (c *Conn) inflate(p []byte) (int, error) {
	n, err := c.in.inflater.Read(p)
	switch {
	case err == nil || err == io.EOF:
		return n, err
	case errors.Is(err, wsdeflate.ErrLimit):
		return n, c.fail(CodeMessageTooBig, reasonMessageTooBig, ErrReadLimit)
	case errors.Is(err, wsdeflate.ErrCorrupt):
		return n, c.fail(CodeInvalidPayload, err.Error(), fmt.Errorf("websocket: %w", err))
	}
	return n, err // of reading, and noted there
}

// readRaw reads payload as it is on the wire, but unmasked, into p. A large p
// is filled without a detour through the buffer.
func (c *Conn) readRaw(p []byte) (int, error) {
	in := &c.in
	if err := c.nonEmptyFrame(); err != nil {
		return 0, err
	}
	n, err := in.br.Read(p[:min(int64(len(p)), in.remaining)])
	in.key = c.unmask(p[:n])
	in.remaining -= int64(n)
	switch {
	case err != nil:
		return n, c.lost(err)
	case in.remaining == 0 && in.fin:
		return n, io.EOF
	}
	return n, nil
}

// next returns the payload that is in the buffer, unmasked, after waiting for
// at least one byte. It is valid until the next read.
func (c *Conn) next() ([]byte, error) {
	in := &c.in
	if err := c.nonEmptyFrame(); err != nil {
		return nil, err
	}
	if in.br.Buffered() == 0 {
		if _, err := in.br.Peek(1); err != nil {
			return nil, c.lost(err)
		}
	}
	n := int(min(int64(in.br.Buffered()), in.remaining))
	p, _ := in.br.Peek(n)   // what is buffered can be peeked at
	_, _ = in.br.Discard(n) // and discarded
	in.key = c.unmask(p)
	in.remaining -= int64(n)
	return p, nil
}

func (c *Conn) unmask(p []byte) uint32 {
	if c.client {
		return 0
	}
	return wsframe.Mask(p, c.in.key)
}

// A source hands the payload of a message to its decompression.
type source struct{ c *Conn }

// Next returns the next piece.
func (s source) Next() ([]byte, error) { return s.c.next() }

// nonEmptyFrame goes on to the next frame of the message while the current one
// has been read. It returns [io.EOF] if there is none.
func (c *Conn) nonEmptyFrame() error {
	for c.in.remaining == 0 {
		if c.in.fin {
			return io.EOF
		}
		h, err := c.nextFrame()
		if err != nil {
			return err
		}
		if err := c.announce(h); err != nil {
			return err
		}
	}
	return nil
}

// nextFrame reads the header of the next data frame, and handles the control
// frames before it.
func (c *Conn) nextFrame() (wsframe.Header, error) {
	for {
		h, err := c.readHeader()
		if err != nil || !h.Opcode.IsControl() {
			return h, err
		}
		if err := c.control(h); err != nil {
			return h, err
		}
	}
}

// readHeader reads a frame's header.
func (c *Conn) readHeader() (wsframe.Header, error) {
	br := c.in.br
	for need := 2; ; {
		if br.Buffered() < need {
			if _, err := br.Peek(need); err != nil {
				return wsframe.Header{}, c.lost(err)
			}
		}
		b, _ := br.Peek(min(br.Buffered(), wsframe.MaxHeader)) // is buffered
		h, size, err := c.in.decoder.Next(b)
		if err != nil {
			return h, c.violated(err)
		}
		if size <= len(b) {
			_, _ = br.Discard(size) // is buffered
			return h, nil
		}
		need = size
	}
}

// lost notes that the network failed.
func (c *Conn) lost(err error) error {
	c.in.cause = err
	switch {
	case c.end.begun.Load():
		c.in.err = errClosed
	case isTimeout(err):
		c.in.err = fmt.Errorf("websocket: read: %w", err)
	case err == io.EOF:
		c.in.err = c.closeError(CodeAbnormal, "connection lost", io.ErrUnexpectedEOF)
	default:
		c.in.err = c.closeError(CodeAbnormal, "connection lost", err)
	}
	return c.in.err
}

// violated fails the connection because the peer broke the protocol. The error
// is a [*wsframe.Error].
func (c *Conn) violated(err error) error {
	violation := err.(*wsframe.Error)
	return c.fail(violation.Code, violation.Reason, fmt.Errorf("websocket: protocol violation: %w", err))
}

// fail tells the peer why reading ends, with err, and notes that.
func (c *Conn) fail(code int, reason string, err error) error {
	c.in.err = err
	_ = c.sendClose(code, reason) // whether it can be sent or not, err is the reason
	return err
}
