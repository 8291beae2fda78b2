package websocket

import (
	"fmt"
	"net"
	"os"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/deflate"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

const (
	// maxFragment is the maximum payload of a data frame in bytes, except for
	// the buffered frames of a Writer, whose size is configured. It limits how
	// long a control frame waits.
	maxFragment = 128 << 10

	// maxCopied is the maximum payload in bytes of a frame into which a client
	// copies the caller's data. With its header, it fills the largest pooled
	// buffer.
	maxCopied = chunkSize - frame.MaxHeader
)

// outgoing is the write state.
type outgoing struct {
	bufferSize int // see Config.WriteBufferSize
	threshold  int // size of the smallest message that is compressed

	// Guarded by messageLock.
	compressor *deflate.Compressor // nil without compression

	// Guarded by frameLock.
	err        error        // if not nil, returned by all writing methods: ErrCloseSent, or networkErr
	networkErr error        // of a failed write
	keys       *maskingKeys // nil for a server
	vector     [2][]byte    // backing array of buffers
	buffers    net.Buffers  // a field, because a local variable would escape to the heap
	stallBy    time.Time    // write deadline that the write timeout has set; zero without
}

// writable returns the error that ended writing, or nil. The caller must hold
// frameLock.
func (c *Conn) writable() error {
	if c.out.err == nil && c.closing.reached(phaseClosed) {
		return c.closing.reason()
	}
	return c.out.err
}

// writeFailed returns the error of a failed network write, and ends writing,
// because part of the frame may have been sent. The caller must hold frameLock.
func (c *Conn) writeFailed(err error) error {
	c.out.networkErr = c.closing.reason()
	if !c.closing.reached(phaseAborted) {
		c.out.networkErr = fmt.Errorf("websocket: write: %w", err)
	}
	if c.out.err == nil {
		c.out.err = c.out.networkErr
	}
	c.closing.end()
	return c.out.networkErr
}

// WriteMessage sends a data message.
func (c *Conn) WriteMessage(op frame.Opcode, data []byte) error {
	if err := c.lockWrite(&c.messageLock); err != nil {
		return err
	}
	defer c.messageLock.unlock()
	if c.out.compressor != nil && len(data) >= c.out.threshold {
		return c.writeCompressed(op, data)
	}
	return c.writeFragments(frame.Header{Opcode: op}, data)
}

// WriteFrom calls fill, which appends the payload of a data message to a
// buffer, and sends the message. If fill returns an error, WriteFrom sends
// nothing and returns the error.
func (c *Conn) WriteFrom(op frame.Opcode, fill func(b *bufpool.Buffer) error) error {
	b := newFrame()
	defer bufpool.Put(b)
	if err := fill(b); err != nil {
		return err
	}
	if err := c.lockWrite(&c.messageLock); err != nil {
		return err
	}
	defer c.messageLock.unlock()
	if c.out.compressor != nil && len(b.B)-frame.MaxHeader >= c.out.threshold {
		return c.writeCompressed(op, b.B[frame.MaxHeader:])
	}
	return c.writeOwned(frame.Header{Opcode: op}, b.B)
}

// writeCompressed sends a message compressed. Without context takeover, it
// sends the message uncompressed if that is not longer. The caller must hold
// messageLock.
func (c *Conn) writeCompressed(op frame.Opcode, data []byte) error {
	b := newFrame()
	defer bufpool.Put(b)
	b.B = c.out.compressor.Append(b.B, data)
	if !c.out.compressor.ContextTakeover() && len(b.B)-frame.MaxHeader >= len(data) {
		return c.writeFragments(frame.Header{Opcode: op}, data)
	}
	return c.writeOwned(frame.Header{Opcode: op, Compressed: true}, b.B)
}

// WriteControl sends a ping or pong with at most 125 bytes of data.
func (c *Conn) WriteControl(op frame.Opcode, data []byte) error {
	b := newFrame()
	defer bufpool.Put(b)
	b.B = append(b.B, data...)
	if err := c.lockWrite(&c.frameLock); err != nil {
		return err
	}
	return c.sendLocked(frame.Header{Fin: true, Opcode: op}, b.B)
}

// errWaitTimeout is returned if the write deadline passes while another frame
// or message is being sent.
var errWaitTimeout = fmt.Errorf("websocket: write: %w", os.ErrDeadlineExceeded)

// lockWrite acquires messageLock or frameLock. It stops waiting when the
// connection is closed, or when the user's write deadline passes. The deadline
// may change during the wait.
func (c *Conn) lockWrite(lock *semaphore) error {
	if lock.tryLock() {
		return nil
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	locked := lock.lockUntil(c.closing.done, func() (expired <-chan time.Time, changed <-chan struct{}) {
		deadline, changed := c.deadlines.watchUserWrite()
		if deadline.IsZero() {
			return nil, changed
		}
		timer.Reset(time.Until(deadline))
		return timer.C, changed
	})
	switch {
	case locked:
		return nil
	case c.closing.reached(phaseClosed):
		return c.closing.reason()
	}
	return errWaitTimeout
}

// writeFragments sends a message in frames of at most maxFragment bytes. The
// opcode and compression of the first frame are in h. The caller must hold
// messageLock.
func (c *Conn) writeFragments(h frame.Header, data []byte) error {
	if c.client {
		return c.copyFragments(h, data)
	}
	for {
		n := min(len(data), maxFragment)
		h.Fin, h.Length = n == len(data), int64(n)
		if err := c.sendPayload(h, data[:n]); err != nil || h.Fin {
			return err
		}
		data = data[n:]
		h = frame.Header{Opcode: frame.Continuation}
	}
}

// copyFragments is writeFragments for a client. It copies the data, because
// masking must not change the caller's slice.
func (c *Conn) copyFragments(h frame.Header, data []byte) error {
	b := newFrame()
	defer bufpool.Put(b)
	if want := frame.MaxHeader + min(len(data), maxCopied); cap(b.B) < want {
		b.B = append(make([]byte, 0, want), headerSpace[:]...)
	}
	for {
		n := min(len(data), maxCopied)
		h.Fin = n == len(data)
		b.B = append(b.B[:frame.MaxHeader], data[:n]...)
		if err := c.sendFrame(h, b.B); err != nil || h.Fin {
			return err
		}
		data = data[n:]
		h = frame.Header{Opcode: frame.Continuation}
	}
}

// writeOwned is writeFragments for data that follows header space in b, a
// buffer that the Conn owns. It overwrites b: each header but the first
// replaces the end of the payload that has just been sent.
func (c *Conn) writeOwned(h frame.Header, b []byte) error {
	for {
		n := min(len(b)-frame.MaxHeader, maxFragment)
		end := frame.MaxHeader + n
		h.Fin = end == len(b)
		if err := c.sendFrame(h, b[:end]); err != nil || h.Fin {
			return err
		}
		b = b[n:]
		h = frame.Header{Opcode: frame.Continuation}
	}
}

// sendPayload sends a frame of a server. It copies a small payload in order to
// send the frame with one write, and sends a large one without copying it.
func (c *Conn) sendPayload(h frame.Header, payload []byte) error {
	b := bufpool.Get()
	defer bufpool.Put(b)
	b.B = frame.AppendHeader(b.B, h)
	if len(b.B)+len(payload) <= c.out.bufferSize {
		b.B = append(b.B, payload...)
		payload = nil
	}
	c.frameLock.lock()
	err := c.writable()
	if err == nil {
		err = c.write(b, payload)
	}
	c.frameLock.unlock()
	return c.afterFrame(err)
}

// write writes a frame that consists of b and rest. The caller must hold
// frameLock.
func (c *Conn) write(b *bufpool.Buffer, rest []byte) error {
	var err error
	switch {
	case len(rest) == 0 || c.vectored:
		err = c.writeNetwork(b.B, rest)
	default:
		// Fill the buffer for the first write: a write of the header alone
		// would cost a packet or a TLS record.
		n := min(len(rest), c.out.bufferSize-len(b.B))
		b.B = append(b.B, rest[:n]...)
		err = c.writeNetwork(b.B, rest[n:])
	}
	if err != nil {
		return c.writeFailed(err)
	}
	return nil
}

// sendFrame sends a frame whose payload is in b, after header space.
func (c *Conn) sendFrame(h frame.Header, b []byte) error {
	c.frameLock.lock()
	return c.sendLocked(h, b)
}

// sendLocked is sendFrame for a caller that holds frameLock. It unlocks
// frameLock.
func (c *Conn) sendLocked(h frame.Header, b []byte) error {
	err := c.writable()
	if err == nil {
		err = c.send(h, b)
	}
	c.frameLock.unlock()
	return c.afterFrame(err)
}

// send writes a frame whose payload is in b, after header space. For a client,
// it masks the payload in place. The caller must hold frameLock.
func (c *Conn) send(h frame.Header, b []byte) error {
	payload := b[frame.MaxHeader:]
	h.Length = int64(len(payload))
	if c.client {
		h.Masked, h.Key = true, c.out.keys.next()
		frame.Mask(payload, h.Key)
	}
	if err := c.writeNetwork(putHeader(h, b), nil); err != nil {
		return c.writeFailed(err)
	}
	return nil
}

// putHeader writes a header to the end of the header space in b, and returns
// the frame.
func putHeader(h frame.Header, b []byte) []byte {
	var head [frame.MaxHeader]byte
	start := frame.MaxHeader - len(frame.AppendHeader(head[:0], h))
	copy(b[start:], head[:frame.MaxHeader-start])
	return b[start:]
}

// afterFrame sends the pong and the ping that became due while the caller held
// frameLock. It returns err, the result of sending the caller's frame.
func (c *Conn) afterFrame(err error) error {
	if c.isPending() {
		_ = c.sendPending() // the next write returns its error; this frame was sent
	}
	return err
}
