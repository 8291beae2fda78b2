package websocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/shutdown"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// lingerTimeout is how long Close waits, after the closing handshake, for the
// peer to close its side of the network connection.
const lingerTimeout = time.Second

// closing is the state of Close.
type closing struct {
	begun   atomic.Bool
	timeout atomic.Int64 // of Close, a time.Duration

	aborting sync.Once
	aborted  chan struct{} // closed when the closing handshake is given up
	reason   error         // why, once aborted is closed

	done chan struct{} // closed when the network connection is
	err  error         // result of Close, once done is closed

	mu    sync.Mutex
	after func(err error) // called when done is closed
}

func (e *closing) init() {
	e.timeout.Store(int64(CloseTimeout))
	e.aborted = make(chan struct{})
	e.done = make(chan struct{})
}

func (e *closing) isDone() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

// AfterClose makes Close and CloseNow call f with their result once they have
// closed the network connection. If that has happened, f is called at once.
// There can be one f.
func (c *Conn) AfterClose(f func(err error)) {
	c.end.mu.Lock()
	defer c.end.mu.Unlock()
	if c.end.isDone() {
		f(c.end.err)
		return
	}
	c.end.after = f
}

// finished ends what waits for Close.
func (e *closing) finished(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err = err
	close(e.done)
	if e.after != nil {
		e.after(err)
	}
}

// SetCloseTimeout sets how long Close may take, which must be more than 0.
func (c *Conn) SetCloseTimeout(d time.Duration) { c.end.timeout.Store(int64(d)) }

// Close ends the connection with the closing handshake (RFC 6455, section 7):
// it sends a close frame, unless one was sent before, waits for the peer's,
// and closes the network connection. If that takes longer than the timeout of
// SetCloseTimeout, Close closes the network connection and returns
// [os.ErrDeadlineExceeded]; if ctx ends before, it returns the error of ctx. A
// frame that another goroutine is sending is cut by then.
//
// Only the first call sends its code and reason. Others wait for it and return
// the same error, but their own timeout and context count as well.
func (c *Conn) Close(ctx context.Context, code int, reason string) error {
	timeout := time.Duration(c.end.timeout.Load())
	first := c.end.begun.CompareAndSwap(false, true)
	// The network connection may ignore deadlines, and closing one that uses
	// TLS may take seconds. The timer bounds that, too.
	stop := context.AfterFunc(ctx, func() {
		_ = c.abort(ctx.Err()) // the reason matters, not how closing went
	})
	defer stop()
	timer := time.AfterFunc(timeout, func() {
		_ = c.abort(os.ErrDeadlineExceeded) // as above
	})
	defer timer.Stop()
	if !first {
		<-c.end.done
		return c.end.err
	}
	deadline, late := time.Now().Add(timeout), os.ErrDeadlineExceeded
	if t, ok := ctx.Deadline(); ok && t.Before(deadline) {
		deadline, late = t, context.DeadlineExceeded
	}
	err := c.handshake(deadline, code, reason)
	if err == nil {
		_ = c.conn.Close() // all was said; that TLS cannot say goodbye does not matter
	} else {
		if isTimeout(err) {
			err = late
		}
		_ = c.abort(err) // err is the reason
		err = fmt.Errorf("websocket: closing handshake: %w", c.end.reason)
	}
	c.end.finished(err)
	return err
}

// CloseNow closes the network connection without a closing handshake. A Close
// that waits for the peer returns at once.
func (c *Conn) CloseNow() error {
	first := c.end.begun.CompareAndSwap(false, true)
	if c.end.isDone() {
		return nil
	}
	err := c.abort(errClosed)
	if first {
		c.end.finished(nil)
	}
	return err
}

// abort closes the network connection, so that whatever uses it fails at once.
// The reason of the first call is the one that counts.
func (c *Conn) abort(reason error) (err error) {
	c.end.aborting.Do(func() {
		c.end.reason = reason
		close(c.end.aborted)
		err = shutdown.CloseNow(c.conn)
	})
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// handshake does what Close says but close the network connection.
func (c *Conn) handshake(deadline time.Time, code int, reason string) error {
	c.dl.beginClose(deadline)
	err := c.sendClose(code, reason)
	if err != nil {
		return err // without a close frame no answer can be expected
	}
	if !c.streamLock.lockUnless(c.end.aborted, nil) {
		return errClosed
	}
	defer c.streamLock.unlock()
	err = c.awaitClose()
	if err == nil {
		c.linger()
	}
	if c.in.err == nil {
		c.in.err = errClosed
	}
	return err
}

// sendClose sends a close frame, unless one was sent before. An error means
// that the peer cannot be told anything.
func (c *Conn) sendClose(code int, reason string) error {
	b := newFrame()
	defer bufpool.Put(b)
	b.B = frame.AppendClose(b.B, code, reason)
	if !c.frameLock.lockUnless(c.end.aborted, nil) {
		return errClosed
	}
	defer c.frameLock.unlock()
	if c.out.err != nil || c.out.closeSent {
		return c.out.err
	}
	c.out.closeSent = true
	return c.send(frame.Header{Fin: true, Opcode: frame.Close}, b.B)
}

// awaitClose reads frames and discards them until the peer's close frame is
// there. It returns an error if the peer does not answer, and none if reading
// had ended before Close began. The caller holds streamLock.
func (c *Conn) awaitClose() error {
	in := &c.in
	in.discarding = true
	if in.err != nil {
		return in.cause
	}
	c.dl.beginClosingReads()
	for in.err == nil {
		if in.remaining > 0 {
			_, _ = c.next() // its error is in.err
			continue
		}
		if h, err := c.nextFrame(); err == nil {
			in.remaining, in.key, in.fin = h.Length, h.Key, h.Fin
		}
	}
	return in.cause
}

// linger lets the peer read all that was sent. A connection that is closed
// while bytes of the peer wait to be read is reset, and the reset may overtake
// the close frame. So a server first closes its own direction, and either end
// waits for the peer to close the other (RFC 6455, section 7.1.1). The caller
// holds streamLock.
func (c *Conn) linger() {
	if !c.client {
		half, ok := c.conn.(interface{ CloseWrite() error })
		if !ok || half.CloseWrite() != nil {
			return
		}
	}
	c.dl.beginLinger()
	b := bufpool.Get()
	defer bufpool.Put(b)
	for err := error(nil); err == nil; {
		_, err = c.conn.Read(b.B[:cap(b.B)])
	}
}
