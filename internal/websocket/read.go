package websocket

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/deflate"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// incoming is the state of reading. It is guarded by streamLock.
//
// A deadline may pass at any byte. The next call must be able to go on from
// there, so control frames are taken out of the buffer whole, and the part of a
// message that has arrived stays here.
type incoming struct {
	br      *bufio.Reader
	decoder frame.Decoder
	err     error // what reading ended with, returned ever after; no timeout
	cause   error // of the network, if it failed after Close had begun
	stopped error // of a handler, returned ever after; the stream itself goes on

	// The data frame that is being read.
	remaining int64  // bytes of its payload that were not read yet
	key       uint32 // masking key, turned to the next byte
	fin       bool   // the frame is the last of its message

	// The message that is being read.
	open       bool // it has begun, and its end was not seen
	opcode     frame.Opcode
	compressed bool
	limit      int64 // bytes it may have
	size       int64 // bytes announced by its frames, if it is not compressed
	empty      int   // its frames without payload
	text       frame.UTF8
	number     atomic.Uint64   // counts messages, to tell their readers apart
	readers    []MessageReader // to hand out

	// What ReadMessage has read of the message.
	partial  bool   // it has begun to read the open message
	gathered chunks // payload that arrived, if it was not all there at once
	whole    []byte // room for the payload, if its size is known and believed
	filled   int    // bytes of whole that arrived
	head     []byte // what ReadMessage has left to a MessageReader

	decompressor *deflate.Decompressor
	inflater     *deflate.Reader // of the message, if it is compressed

	discarding bool // control frames are not answered: the close frame was sent
}

// ReadMessage reads the next data message. If the read deadline passes, what
// has arrived of the message is kept for the next call.
func (c *Conn) ReadMessage() (frame.Opcode, []byte, error) {
	if err := c.lockRead(); err != nil {
		return 0, nil, err
	}
	defer c.unlockRead()
	in := &c.in
	if !in.partial {
		if err := c.nextMessage(); err != nil {
			return 0, nil, err
		}
		in.partial = true
	}
	p, err := c.readPayload()
	if err == nil || in.err != nil {
		in.forget()
	}
	if err != nil {
		return 0, nil, err
	}
	return in.opcode, p, nil
}

// forget drops what ReadMessage has read.
func (in *incoming) forget() {
	in.gathered.release()
	in.partial, in.whole, in.filled = false, nil, 0
}

// NextMessage begins the next data message, after skipping what is left of the
// one before.
func (c *Conn) NextMessage() (frame.Opcode, *MessageReader, error) {
	if err := c.lockRead(); err != nil {
		return 0, nil, err
	}
	defer c.unlockRead()
	in := &c.in
	if in.partial {
		// ReadMessage has begun it, and a deadline has passed.
		if in.head = in.whole[:in.filled]; in.head == nil {
			in.head = in.gathered.appendTo(nil)
		}
		in.forget()
	} else if err := c.nextMessage(); err != nil {
		return 0, nil, err
	}
	return in.opcode, c.newReader(), nil
}

// readerBatch is how many readers are allocated at a time.
const readerBatch = 16

// newReader returns a reader of the open message.
func (c *Conn) newReader() *MessageReader {
	in := &c.in
	if len(in.readers) == 0 {
		in.readers = make([]MessageReader, readerBatch)
	}
	r := &in.readers[0]
	in.readers = in.readers[1:]
	r.c, r.number = c, in.number.Load()
	return r
}

// A MessageReader reads the payload of one message.
type MessageReader struct {
	c      *Conn
	number uint64
}

// errOldReader is returned by a MessageReader whose message is over.
var errOldReader = errors.New("websocket: read from the reader of an earlier message")

// Read reads part of the message; its end is [io.EOF]. When the next message
// has been asked for, Read returns an error.
func (r *MessageReader) Read(p []byte) (int, error) {
	c := r.c
	if r.isOld() {
		return 0, errOldReader // the lock may be held until the next message comes
	}
	if err := c.lockRead(); err != nil {
		return 0, err
	}
	defer c.unlockRead()
	if r.isOld() {
		return 0, errOldReader
	}
	if len(c.in.head) > 0 {
		n := copy(p, c.in.head)
		c.in.head = c.in.head[n:]
		return n, nil
	}
	for {
		n, err := c.read(p)
		if n > 0 && c.in.err == nil {
			err = nil // the end and a deadline show again
		}
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
	}
}

// isOld reports whether another message has been asked for.
func (r *MessageReader) isOld() bool { return r.number != r.c.in.number.Load() }

// lockRead takes both locks of reading, unless reading has ended. A goroutine
// that waits for another, which may be in a handler, gives up when the
// connection is closed.
func (c *Conn) lockRead() error {
	turn := c.readLock.lockUnless(c.end.done, nil)
	c.streamLock.lock()
	err := c.readable()
	if err == nil {
		return nil // it has its turn, or Close would be done
	}
	c.streamLock.unlock()
	if turn {
		c.readLock.unlock()
	}
	return err
}

func (c *Conn) unlockRead() {
	c.streamLock.unlock()
	c.readLock.unlock()
}

// readable returns what reading ended with, nil if it has not. The caller
// holds streamLock.
func (c *Conn) readable() error {
	in := &c.in
	switch {
	case in.stopped != nil:
		return in.stopped
	case in.err == nil && c.end.isDone():
		in.err = errClosed
	}
	return in.err
}

// nextMessage reads frames up to the first of a new message.
func (c *Conn) nextMessage() error {
	in := &c.in
	in.number.Add(1) // ends the use of earlier readers
	in.head = nil
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
	in.limit, in.size, in.empty, in.text = c.limit.Load(), 0, 0, frame.UTF8{}
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

// maxEmptyFrames is how many frames without payload a message may have. They do
// not count for its limit, and would otherwise keep a reader busy for ever.
const maxEmptyFrames = 1000

// announce takes note of a data frame whose payload comes next. A message that
// is not compressed is known to be too long before it has arrived.
func (c *Conn) announce(h frame.Header) error {
	in := &c.in
	in.remaining, in.key, in.fin = h.Length, h.Key, h.Fin
	if h.Length == 0 {
		if in.empty++; in.empty > maxEmptyFrames {
			return c.fail(CodeMessageTooBig, "too many empty frames", ErrReadLimit)
		}
	}
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
// are, even none; [io.EOF] comes with the last byte or after it. Bytes count
// beside an error unless it is in.err.
func (c *Conn) read(p []byte) (n int, err error) {
	in := &c.in
	switch {
	case in.err != nil:
		return 0, c.readable()
	case !in.open:
		return 0, io.EOF
	case in.compressed:
		n, err = c.inflate(p)
	default:
		n, err = c.readRaw(p)
	}
	if in.err != nil {
		return 0, c.readable()
	}
	if in.opcode == frame.Text && !in.text.Check(p[:n]) {
		return 0, c.violated(frame.ErrUTF8)
	}
	if err == io.EOF {
		return n, c.finish()
	}
	return n, err
}

// finish ends the open message.
func (c *Conn) finish() error {
	c.in.open, c.in.inflater = false, nil
	if c.in.opcode == frame.Text && !c.in.text.Complete() {
		return c.violated(frame.ErrUTF8)
	}
	return io.EOF
}

// inflate reads decompressed bytes.
func (c *Conn) inflate(p []byte) (int, error) {
	n, err := c.in.inflater.Read(p)
	return n, c.inflated(err)
}

// inflated fails the connection if decompression did, and returns the error
// that reading ends with. Other errors are those of reading.
func (c *Conn) inflated(err error) error {
	switch {
	case errors.Is(err, deflate.ErrLimit):
		return c.fail(CodeMessageTooBig, reasonMessageTooBig, ErrReadLimit)
	case errors.Is(err, deflate.ErrCorrupt):
		return c.fail(CodeInvalidPayload, err.Error(), fmt.Errorf("websocket: %w", err))
	}
	return err
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
	case err != nil && n == 0:
		return 0, c.lost(err)
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
	return frame.Mask(p, c.in.key)
}

// A source hands the payload of a message to its decompression.
type source struct{ c *Conn }

// Next returns the next piece.
func (s source) Next() ([]byte, error) { return s.c.next() }

// Ended reports whether the last frame's payload has been handed out.
func (s source) Ended() bool { return s.c.in.fin && s.c.in.remaining == 0 }

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
func (c *Conn) nextFrame() (frame.Header, error) {
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

// readHeader reads a frame's header. It leaves that of a control frame in the
// buffer until the payload is there, too.
func (c *Conn) readHeader() (frame.Header, error) {
	br := c.in.br
	for need := 2; ; {
		if br.Buffered() < need {
			if _, err := br.Peek(need); err != nil {
				return frame.Header{}, c.lost(err)
			}
		}
		b, _ := br.Peek(min(br.Buffered(), frame.MaxHeader)) // is buffered
		h, size, err := c.in.decoder.Next(b)
		if err != nil {
			return h, c.violated(err)
		}
		if size > len(b) {
			need = size
			continue
		}
		if whole := size + int(h.Length); h.Opcode.IsControl() && br.Buffered() < whole {
			need = whole
			continue
		}
		_, _ = br.Discard(size) // is buffered
		return h, nil
	}
}

// lost returns the error of a read that failed, and notes it unless it is a
// deadline of the user's that has passed.
func (c *Conn) lost(err error) error {
	timeout := isTimeout(err)
	switch {
	case c.in.discarding || c.end.begun.Load() && (!timeout || c.dl.boundPassed()):
		c.in.cause = err
		c.in.err = errClosed
	case timeout:
		return fmt.Errorf("websocket: read: %w", err)
	case err == io.EOF:
		c.in.err = c.closeError(CodeAbnormal, "connection lost", io.ErrUnexpectedEOF)
	default:
		c.in.err = c.closeError(CodeAbnormal, "connection lost", err)
	}
	return c.in.err
}

// violated fails the connection because the peer broke the protocol. The error
// is a [*frame.Error].
func (c *Conn) violated(err error) error {
	violation := err.(*frame.Error)
	return c.fail(violation.Code, violation.Reason, fmt.Errorf("websocket: protocol violation: %w", err))
}

// fail fails the connection for a fault of the peer, which is told the code
// and the reason.
func (c *Conn) fail(code int, reason string, err error) error {
	return c.endReading(code, reason, &failure{err, c.closeError(code, reason, nil)})
}

// endReading sends a close frame and notes the error with which reading ends.
func (c *Conn) endReading(code int, reason string, err error) error {
	c.in.err = err
	c.dl.beginAnswer()
	_ = c.sendClose(code, reason) // whether it can be sent or not, err is the reason
	return err
}

// A failure is the error of a connection that this end has failed.
type failure struct {
	err    error // what the peer did
	closed error // the close frame that it was sent, made by Config.CloseError
}

// Error returns what the peer did.
func (f *failure) Error() string { return f.err.Error() }

// Unwrap returns both errors.
func (f *failure) Unwrap() []error { return []error{f.err, f.closed} }
