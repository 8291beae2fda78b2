package websocket

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/deflate"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// incoming is the read state. It is guarded by streamLock.
//
// A read deadline may pass at any byte, and the next call continues there.
// Therefore a control frame stays in the read buffer until all of it has
// arrived, and a message that has arrived in part is kept here.
type incoming struct {
	br      input
	decoder frame.Decoder

	err        error // if not nil, returned by all reading methods; never a timeout
	networkErr error // of a read that failed after Close was called
	handlerErr error // if not nil, returned by all reading methods, but Close still reads

	// The current data frame.
	frameLeft int64  // payload bytes not yet read
	maskKey   uint32 // rotated to the next byte
	lastFrame bool   // it is the last frame of its message

	// The current message.
	inMessage   bool // it has begun, and its end has not been read
	opcode      frame.Opcode
	compressed  bool
	maxSize     int64
	announced   int64 // payload bytes according to the headers, if not compressed
	emptyFrames int
	utf8        frame.UTF8
	inflater    *deflate.Reader // nil unless compressed
	number      atomic.Uint64   // incremented for each message; invalidates older readers

	// The payload of the current message, while ReadMessage reads it.
	assembling bool   // ReadMessage has begun the message
	chunks     chunks // payload so far, until its full size is allocated
	payload    []byte // allocated with its full size
	filled     int    // bytes of payload that have arrived

	// handedOver holds the bytes that ReadMessage had read when its deadline
	// passed. The MessageReader that continues the message returns them first.
	handedOver []byte

	decompressor *deflate.Decompressor
	spareReaders []MessageReader
}

// ReadMessage reads the next data message. If the read deadline passes, the
// next call continues with the part of the message that has arrived.
func (c *Conn) ReadMessage() (frame.Opcode, []byte, error) {
	if err := c.lockRead(); err != nil {
		return 0, nil, err
	}
	defer c.unlockRead()
	in := &c.in
	if !in.assembling {
		if err := c.nextMessage(); err != nil {
			return 0, nil, err
		}
		in.assembling = true
	}
	p, err := c.readPayload()
	if err == nil || in.err != nil {
		in.resetPayload()
	}
	if err != nil {
		return 0, nil, err
	}
	return in.opcode, p, nil
}

// resetPayload discards the payload that ReadMessage has read.
func (in *incoming) resetPayload() {
	in.chunks.release()
	in.assembling, in.payload, in.filled = false, nil, 0
}

// NextMessage skips the rest of the current message and begins the next. If the
// read deadline passed during ReadMessage, NextMessage continues that message
// instead.
func (c *Conn) NextMessage() (frame.Opcode, *MessageReader, error) {
	if err := c.lockRead(); err != nil {
		return 0, nil, err
	}
	defer c.unlockRead()
	in := &c.in
	if in.assembling {
		// The deadline of a ReadMessage has passed. Continue its message.
		if in.handedOver = in.payload[:in.filled]; in.handedOver == nil {
			in.handedOver = in.chunks.appendTo(nil)
		}
		in.resetPayload()
	} else if err := c.nextMessage(); err != nil {
		return 0, nil, err
	}
	return in.opcode, c.newReader(), nil
}

// readerBatch is the number of MessageReaders to allocate at a time.
const readerBatch = 16

// newReader returns a reader of the current message.
func (c *Conn) newReader() *MessageReader {
	in := &c.in
	if len(in.spareReaders) == 0 {
		in.spareReaders = make([]MessageReader, readerBatch)
	}
	r := &in.spareReaders[0]
	in.spareReaders = in.spareReaders[1:]
	r.c, r.number = c, in.number.Load()
	return r
}

// A MessageReader reads the payload of one message. It is safe for concurrent
// use by multiple goroutines.
type MessageReader struct {
	c      *Conn
	number uint64
}

// errOldReader is returned by a MessageReader after the next message has begun.
var errOldReader = errors.New("websocket: read from the reader of an earlier message")

// Read implements [io.Reader].
func (r *MessageReader) Read(p []byte) (int, error) {
	c := r.c
	if r.isOld() {
		return 0, errOldReader // without waiting for a method that reads the next message
	}
	if err := c.lockRead(); err != nil {
		return 0, err
	}
	defer c.unlockRead()
	if r.isOld() {
		return 0, errOldReader
	}
	if len(c.in.handedOver) > 0 {
		n := copy(p, c.in.handedOver)
		c.in.handedOver = c.in.handedOver[n:]
		return n, nil
	}
	if len(p) == 0 && c.in.inMessage {
		return 0, nil // the rest of the message may not have arrived
	}
	for {
		n, err := c.read(p)
		if n > 0 && c.in.err == nil {
			err = nil // the next call returns it: the end of the message, or a deadline
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// isOld reports whether the next message has begun.
func (r *MessageReader) isOld() bool { return r.number != r.c.in.number.Load() }

// lockRead acquires readLock and streamLock. If reading has ended, it holds
// neither and returns the error that ended it. If another goroutine is reading
// or in a handler, lockRead waits until that goroutine has finished or the
// connection is closed.
func (c *Conn) lockRead() error {
	locked := c.readLock.lockUnless(c.closing.done, nil)
	c.streamLock.lock()
	err := c.readable()
	if err == nil {
		return nil // locked is true: otherwise the connection is closed
	}
	c.streamLock.unlock()
	if locked {
		c.readLock.unlock()
	}
	return err
}

func (c *Conn) unlockRead() {
	c.streamLock.unlock()
	c.readLock.unlock()
}

// readable returns the error that ended reading, or nil. The caller must hold
// streamLock.
func (c *Conn) readable() error {
	in := &c.in
	switch {
	case in.handlerErr != nil:
		return in.handlerErr
	case in.err == nil && c.closing.reached(phaseClosed):
		in.err = c.closing.reason()
	}
	return in.err
}

// nextMessage reads up to the first data frame of the next message.
func (c *Conn) nextMessage() error {
	in := &c.in
	in.number.Add(1)
	in.handedOver = nil
	for in.inMessage {
		if err := c.skip(); err != nil {
			return err
		}
	}
	h, err := c.nextFrame()
	if err != nil {
		return err
	}
	in.inMessage, in.opcode, in.compressed = true, h.Opcode, h.Compressed
	in.maxSize, in.announced, in.emptyFrames, in.utf8 = c.maxSize.Load(), 0, 0, frame.UTF8{}
	if in.compressed {
		in.inflater = in.decompressor.Open(source{c}, in.maxSize)
	}
	return c.beginFrame(h)
}

// skip reads and discards part of the current message.
func (c *Conn) skip() error {
	b := bufpool.Get()
	defer bufpool.Put(b)
	_, err := c.read(b.B[:cap(b.B)])
	if err == io.EOF {
		err = nil
	}
	return err
}

// read reads part of the current message into p. It may return 0 bytes without
// an error. It returns [io.EOF] with the last byte or after it. If it sets
// in.err, it returns no bytes; with other errors, it may return some.
func (c *Conn) read(p []byte) (n int, err error) {
	in := &c.in
	switch {
	case in.err != nil:
		return 0, c.readable()
	case !in.inMessage:
		return 0, io.EOF
	case in.compressed:
		n, err = in.inflater.Read(p)
		err = c.inflateFailed(err)
	default:
		n, err = c.readRaw(p)
	}
	if in.err != nil {
		return 0, c.readable()
	}
	if in.opcode == frame.Text && !in.utf8.Check(p[:n]) {
		return 0, c.failProtocol(frame.ErrUTF8)
	}
	if err == io.EOF {
		return n, c.endMessage()
	}
	return n, err
}

// endMessage ends the current message. It returns [io.EOF] unless text is cut
// off in the middle of a character.
func (c *Conn) endMessage() error {
	c.in.inMessage, c.in.inflater = false, nil
	if c.in.opcode == frame.Text && !c.in.utf8.Complete() {
		return c.failProtocol(frame.ErrUTF8)
	}
	return io.EOF
}

// inflateFailed fails the connection if the peer's compressed data is too large
// or corrupt. It returns nil and all other errors unchanged.
func (c *Conn) inflateFailed(err error) error {
	switch {
	case errors.Is(err, deflate.ErrLimit):
		return c.fail(codeMessageTooBig, reasonMessageTooBig, ErrReadLimit)
	case errors.Is(err, deflate.ErrCorrupt):
		return c.fail(frame.CodeInvalidPayload, err.Error(), fmt.Errorf("websocket: %w", err))
	}
	return err
}

// readRaw reads payload into p and unmasks it, without decompression. It
// bypasses the read buffer if p is large and the buffer is empty.
func (c *Conn) readRaw(p []byte) (int, error) {
	in := &c.in
	if err := c.nonEmptyFrame(); err != nil {
		return 0, err
	}
	n, err := in.br.Read(p[:min(int64(len(p)), in.frameLeft)])
	c.keepAlive.heard() // even after an error; that ends reading
	in.maskKey = c.unmask(p[:n])
	in.frameLeft -= int64(n)
	switch {
	case err != nil && n == 0:
		return 0, c.readFailed(err)
	case in.frameLeft == 0 && in.lastFrame:
		return n, io.EOF
	}
	return n, nil
}

// next waits until the read buffer holds payload of the current message,
// unmasks it and returns it. The slice is valid until the next read.
func (c *Conn) next() ([]byte, error) {
	in := &c.in
	if err := c.nonEmptyFrame(); err != nil {
		return nil, err
	}
	if in.br.Buffered() == 0 {
		if _, err := in.br.Peek(1); err != nil {
			return nil, c.readFailed(err)
		}
	}
	c.keepAlive.heard()
	n := int(min(int64(in.br.Buffered()), in.frameLeft))
	p, _ := in.br.Peek(n)   // cannot fail: n bytes are buffered
	_, _ = in.br.Discard(n) // likewise
	in.maskKey = c.unmask(p)
	in.frameLeft -= int64(n)
	return p, nil
}

// unmask unmasks payload that a client has sent, and returns the rotated key. A
// server's payload is not masked.
func (c *Conn) unmask(p []byte) uint32 {
	if c.client {
		return 0
	}
	return frame.Mask(p, c.in.maskKey)
}

// A source is the compressed payload of the current message. It implements
// [deflate.Source].
type source struct{ c *Conn }

// Next implements [deflate.Source].
func (s source) Next() ([]byte, error) { return s.c.next() }

// Ended implements [deflate.Source].
func (s source) Ended() bool { return s.c.in.lastFrame && s.c.in.frameLeft == 0 }
