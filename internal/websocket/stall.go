package websocket

import (
	"fmt"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/sendqueue"
)

// maxPiece is the largest part of a frame that is written at once if a write
// timeout is set and the network connection does not report partial writes. It
// is the maximum size of a TLS record.
const maxPiece = 16 << 10

// longestTimeout replaces longer timeouts. It is small enough that 1.5 times its
// value does not overflow.
const longestTimeout = 100 * 365 * 24 * time.Hour

// SetWriteTimeout sets how long a write may wait while the network takes none
// of its bytes. It applies to frames that start after the call. If d is 0, there
// is no limit.
func (c *Conn) SetWriteTimeout(d time.Duration) {
	c.writeTimeout.Store(int64(min(d, longestTimeout)))
	if d > 0 && !c.limited.Swap(true) {
		sendqueue.Limit(c.conn)
	}
}

// writeNetwork writes b and then rest to the network connection. The caller must
// hold frameLock.
func (c *Conn) writeNetwork(b, rest []byte) error {
	timeout := time.Duration(c.writeTimeout.Load())
	if timeout > 0 {
		return c.writeUnlessStalled(b, rest, timeout)
	}
	if !c.out.stallBy.IsZero() { // the timeout was removed
		c.out.stallBy = time.Time{}
		c.deadlines.setStall(time.Time{})
	}
	if !c.keepAlive.unheard.Load() {
		_, err := c.writeBuffers(b, rest)
		return err
	}
	began := time.Now()
	n, err := c.writeBuffers(b, rest)
	if n > 0 {
		c.noteWait(time.Since(began))
	}
	return err
}

// longWait is how long a write takes at least if it waits for the peer. The kernel
// lets a write continue when a large part of its buffer is free.
const longWait = 20 * time.Millisecond

// noteWait is called after the network has taken bytes, with the time that they waited.
func (c *Conn) noteWait(d time.Duration) {
	if d >= longWait {
		c.keepAlive.heard()
	}
}

// writeBuffers writes b and then rest, and returns the number of bytes written.
func (c *Conn) writeBuffers(b, rest []byte) (int64, error) {
	switch {
	case len(rest) == 0:
		n, err := c.conn.Write(b)
		return int64(n), err
	case len(b) == 0:
		n, err := c.conn.Write(rest)
		return int64(n), err
	case c.vectored:
		c.out.vector = [2][]byte{b, rest}
		c.out.buffers = c.out.vector[:]
		n, err := c.out.buffers.WriteTo(c.conn)
		c.out.vector, c.out.buffers = [2][]byte{}, nil
		return n, err
	}
	n, err := c.conn.Write(b)
	if err != nil {
		return int64(n), err
	}
	m, err := c.conn.Write(rest)
	return int64(n + m), err
}

// writeUnlessStalled is writeNetwork with a timeout, which starts again whenever
// the network has taken some bytes.
//
// A TCP connection returns the number of bytes that it has taken before a
// deadline. The deadline is therefore a quarter of the timeout, and the write
// continues after it. TLS connections fail for good after a deadline, so others
// get the bytes in pieces, and each piece has the whole timeout.
func (c *Conn) writeUnlessStalled(b, rest []byte, timeout time.Duration) error {
	wait := timeout
	if c.vectored {
		wait = max(timeout/4, time.Millisecond)
	}
	progress := time.Now()
	for now := progress; ; now = time.Now() {
		c.beginWait(now, wait)
		piece, after := b, rest
		if !c.vectored {
			piece, after = firstPiece(b, rest), nil
		}
		n, err := c.writeBuffers(piece, after)
		if n > 0 {
			progress = time.Now()
			c.noteWait(progress.Sub(now))
		}
		b, rest = skip(b, rest, n)
		switch {
		case err != nil && (!isTimeout(err) || !c.deadlines.stalled()):
			return err
		case err != nil && (time.Since(progress) >= timeout || n == 0 && !c.vectored):
			return fmt.Errorf("the peer has read nothing for %v: %w", timeout, err)
		case len(b) == 0 && len(rest) == 0:
			return nil
		}
	}
}

// beginWait sets a write deadline that is wait to wait*5/4 away. Usually an
// earlier call has set a deadline in that range, and setting another would be slow.
func (c *Conn) beginWait(now time.Time, wait time.Duration) {
	if left := c.out.stallBy.Sub(now); left >= wait && left <= wait+wait/4 {
		return
	}
	c.out.stallBy = now.Add(wait + wait/4)
	c.deadlines.setStall(c.out.stallBy)
}

// firstPiece returns the first bytes of b or, if it is empty, of rest.
func firstPiece(b, rest []byte) []byte {
	if len(b) == 0 {
		b = rest
	}
	return b[:min(len(b), maxPiece)]
}

// skip removes the first n bytes of b and rest.
func skip(b, rest []byte, n int64) (_, _ []byte) {
	first := min(int64(len(b)), n)
	return b[first:], rest[n-first:]
}
