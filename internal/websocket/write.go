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
	// maxFragment is the largest payload of a data frame, so that a control
	// frame never waits long for one to go out.
	maxFragment = 128 << 10

	// maxCopied is the largest payload of a frame whose payload is copied: it
	// fills a pooled buffer with its header.
	maxCopied = chunkSize - frame.MaxHeader
)

// outgoing is the state of writing.
type outgoing struct {
	bufferSize int // largest frame that is copied, of a server
	threshold  int // size of the smallest message that is compressed

	// Held by messageLock.
	compressor *deflate.Compressor // nil without compression

	// Held by frameLock.
	err       error // what writing ended with
	closeSent bool
	keys      *maskingKeys // nil for a server
	vector    [2][]byte
	buffers   net.Buffers
}

// writable returns why no frame can be sent. The caller holds frameLock.
func (c *Conn) writable() error {
	switch {
	case c.out.closeSent:
		return ErrCloseSent
	case c.out.err == nil && c.end.isDone():
		return errClosed
	}
	return c.out.err
}

// broke notes that the network failed, perhaps in the middle of a frame. The
// caller holds frameLock.
func (c *Conn) broke(err error) error {
	select {
	case <-c.end.aborted:
		c.out.err = errClosed
	default:
		c.out.err = fmt.Errorf("websocket: write: %w", err)
	}
	return c.out.err
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

// WriteFrom sends what fill appends to a buffer as a data message.
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

// writeCompressed sends a message compressed, or as it is if that is shorter
// and the peer's window need not follow. The caller holds messageLock.
func (c *Conn) writeCompressed(op frame.Opcode, data []byte) error {
	b := newFrame()
	defer bufpool.Put(b)
	b.B = c.out.compressor.Append(b.B, data)
	if !c.out.compressor.ContextTakeover() && len(b.B)-frame.MaxHeader >= len(data) {
		return c.writeFragments(frame.Header{Opcode: op}, data)
	}
	return c.writeOwned(frame.Header{Opcode: op, Compressed: true}, b.B)
}

// WriteControl sends a ping or pong of at most 125 bytes.
func (c *Conn) WriteControl(op frame.Opcode, data []byte) error {
	b := newFrame()
	defer bufpool.Put(b)
	b.B = append(b.B, data...)
	if err := c.lockWrite(&c.frameLock); err != nil {
		return err
	}
	return c.sendLocked(frame.Header{Fin: true, Opcode: op}, b.B)
}

// errWaitTimeout is returned if the write deadline passes while another frame or
// message is being sent.
var errWaitTimeout = fmt.Errorf("websocket: write: %w", os.ErrDeadlineExceeded)

// lockWrite waits for a lock of writing until the connection is closed or the
// write deadline passes. The user may change the deadline meanwhile.
func (c *Conn) lockWrite(lock *semaphore) error {
	if lock.tryLock() {
		return nil
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	locked := lock.lockUntil(c.end.done, func() (expired <-chan time.Time, changed <-chan struct{}) {
		deadline, changed := c.dl.watchWrite()
		if deadline.IsZero() {
			return nil, changed
		}
		timer.Reset(time.Until(deadline))
		return timer.C, changed
	})
	switch {
	case locked:
		return nil
	case c.end.isDone():
		return errClosed
	}
	return errWaitTimeout
}

// writeFragments sends a message in frames of at most maxFragment. The header
// is that of the first frame, without its length.
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

// copyFragments is writeFragments for a client, which must not mask the data
// in place: it is the caller's.
func (c *Conn) copyFragments(h frame.Header, data []byte) error {
	b := newFrame()
	defer bufpool.Put(b)
	if want := frame.MaxHeader + min(len(data), maxCopied); cap(b.B) < want {
		b.B = append(make([]byte, 0, want), reserved[:]...)
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

// writeOwned sends the message in b, which starts after room for a header, in
// frames of at most maxFragment. The header of each but the first overwrites
// the end of the one before, which has been sent.
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

// sendPayload sends a frame of a server. A small payload is copied behind its
// header; a large one is handed to the network from where it is.
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

// write writes a frame's start and the rest of it. The caller holds frameLock.
func (c *Conn) write(b *bufpool.Buffer, rest []byte) error {
	var err error
	switch {
	case len(rest) == 0:
		_, err = c.conn.Write(b.B)
	case c.vectored:
		c.out.vector = [2][]byte{b.B, rest}
		c.out.buffers = c.out.vector[:]
		_, err = c.out.buffers.WriteTo(c.conn)
		c.out.vector, c.out.buffers = [2][]byte{}, nil
	default:
		// The first write takes as much as the buffer is meant for, rather
		// than a few bytes of header.
		n := min(len(rest), c.out.bufferSize-len(b.B))
		b.B = append(b.B, rest[:n]...)
		if _, err = c.conn.Write(b.B); err == nil && n < len(rest) {
			_, err = c.conn.Write(rest[n:])
		}
	}
	if err != nil {
		return c.broke(err)
	}
	return nil
}

// sendFrame sends a frame whose payload is in b, after room for a header.
func (c *Conn) sendFrame(h frame.Header, b []byte) error {
	c.frameLock.lock()
	return c.sendLocked(h, b)
}

// sendLocked is sendFrame for a caller who holds frameLock, which it unlocks.
func (c *Conn) sendLocked(h frame.Header, b []byte) error {
	err := c.writable()
	if err == nil {
		err = c.send(h, b)
	}
	c.frameLock.unlock()
	return c.afterFrame(err)
}

// send writes a frame, and masks its payload in place for a client. The caller
// holds frameLock.
func (c *Conn) send(h frame.Header, b []byte) error {
	payload := b[frame.MaxHeader:]
	h.Length = int64(len(payload))
	if c.client {
		h.Masked, h.Key = true, c.out.keys.next()
		frame.Mask(payload, h.Key)
	}
	if _, err := c.conn.Write(putHeader(h, b)); err != nil {
		return c.broke(err)
	}
	return nil
}

// putHeader writes a header into b right before the payload, which starts
// after room for one, and returns the frame.
func putHeader(h frame.Header, b []byte) []byte {
	var head [frame.MaxHeader]byte
	start := frame.MaxHeader - len(frame.AppendHeader(head[:0], h))
	copy(b[start:], head[:frame.MaxHeader-start])
	return b[start:]
}

// afterFrame sends the pong that came due while the caller held frameLock.
func (c *Conn) afterFrame(err error) error {
	if c.pongs.waiting.Load() {
		_ = c.sendPongs() // the next write returns its error; this frame went out
	}
	return err
}
