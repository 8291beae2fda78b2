package wsconn

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/wsframe"
)

// lingerTimeout is how long Close waits, after the closing handshake, for the
// peer to close its side of the network connection.
const lingerTimeout = time.Second

// closing is the state of Close.
type closing struct {
	begun atomic.Bool
	done  chan struct{} // closed when the network connection is
	err   error         // what Close returns, once done is closed

	mu    sync.Mutex
	after func(err error) // called when done is closed
}

// AfterClose makes Close call f with its result when it has closed the network
// connection. If it has already, f is called at once. There can be one f.
func (c *Conn) AfterClose(f func(err error)) {
	c.end.mu.Lock()
	defer c.end.mu.Unlock()
	select {
	case <-c.end.done:
		f(c.end.err)
	default:
		c.end.after = f
	}
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

// Close ends the connection with the closing handshake (RFC 6455, section 7):
// it sends a close frame, unless one was sent before, waits for the peer's,
// and closes the network connection. All of that takes until ctx ends, which
// is the error then, and without a deadline no longer than CloseTimeout. A
// frame of another goroutine that is stuck by then is cut.
//
// Only the first call does this, with its code and reason; others wait for it
// and return the same. Within a ping or pong handler, Close does not wait.
func (c *Conn) Close(ctx context.Context, code int, reason string) error {
	stop := context.AfterFunc(ctx, c.cut)
	if !c.end.begun.CompareAndSwap(false, true) {
		defer stop()
		if c.handling.Load() {
			return nil
		}
		<-c.end.done
		return c.end.err
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(CloseTimeout)
	}
	finish := func() {
		defer stop()
		err := c.shutdown(deadline, code, reason)
		if isTimeout(err) && ok {
			err = context.DeadlineExceeded
		} else if isTimeout(err) && ctx.Err() != nil {
			err = ctx.Err()
		}
		if err != nil {
			err = fmt.Errorf("websocket: closing handshake: %w", err)
		}
		c.end.finished(err)
	}
	if c.handling.Load() {
		go finish()
		return nil
	}
	finish()
	return c.end.err
}

// cut makes all that uses the network fail at once.
func (c *Conn) cut() {
	_ = c.dl.boundAll(c.conn, time.Unix(1, 0)) // fails only if the connection is closed
}

// shutdown does what Close says.
func (c *Conn) shutdown(deadline time.Time, code int, reason string) error {
	err := c.dl.boundAll(c.conn, deadline)
	if err == nil {
		err = c.sendClose(code, reason)
	}
	if c.lockReadUntil(deadline) {
		defer c.readLock.unlock()
		if err == nil {
			err = c.awaitClose()
		}
		if err == nil {
			c.linger()
		}
		if c.in.err == nil {
			c.in.err = errClosed
		}
	} else if err == nil {
		err = os.ErrDeadlineExceeded
	}
	if e := c.conn.Close(); err == nil {
		err = e
	}
	return err
}

// sendClose sends a close frame, unless one was sent before. A writer that is
// stuck gives way after CloseTimeout.
func (c *Conn) sendClose(code int, reason string) error {
	if err := c.dl.boundWrites(c.conn); err != nil {
		return err
	}
	b := newFrame()
	defer bufpool.Put(b)
	b.B = wsframe.AppendClose(b.B, code, reason)
	c.frameLock.lock()
	defer c.frameLock.unlock()
	switch err := c.out.writable(); err {
	case nil:
		c.out.closeSent = true
		return c.send(wsframe.Header{Fin: true, Opcode: wsframe.Close}, b.B)
	case ErrCloseSent:
		return nil
	default:
		return err
	}
}

// lockReadUntil waits for readLock. The read deadline makes a reader that
// waits for the network give it up, but not one that is in a handler.
func (c *Conn) lockReadUntil(deadline time.Time) bool {
	if c.readLock.tryLock() {
		return true
	}
	timer := time.NewTimer(time.Until(deadline) + lingerTimeout)
	defer timer.Stop()
	return c.readLock.lockUnless(nil, timer.C)
}

// awaitClose reads frames and throws them away until the peer's close frame is
// there. It returns an error if the peer does not answer, and none if reading
// had ended before. The caller holds readLock.
func (c *Conn) awaitClose() error {
	in := &c.in
	before := in.err
	if before != nil && !isTimeout(in.cause) {
		return nil
	}
	// A timeout has left the stream as it was.
	in.err, in.cause, in.discarding = nil, nil, true
	for in.err == nil {
		if in.remaining > 0 {
			_, _ = c.next() // its error is in.err
			continue
		}
		if h, err := c.nextFrame(); err == nil {
			in.remaining, in.key, in.fin = h.Length, h.Key, h.Fin
		}
	}
	if before != nil {
		in.err = before
	}
	return in.cause
}

// linger lets the peer read all that was sent. A connection that is closed
// while bytes of the peer wait to be read is reset, and the reset may overtake
// the close frame. So a server first closes its own direction, and either end
// waits for the peer to close the other (RFC 6455, section 7.1.1). The caller
// holds readLock.
func (c *Conn) linger() {
	if !c.client {
		half, ok := c.conn.(interface{ CloseWrite() error })
		if !ok || half.CloseWrite() != nil {
			return
		}
	}
	c.dl.mu.Lock()
	err := c.conn.SetReadDeadline(earlier(c.dl.bound, time.Now().Add(lingerTimeout)))
	c.dl.mu.Unlock()
	b := bufpool.Get()
	defer bufpool.Put(b)
	for err == nil {
		_, err = c.conn.Read(b.B[:cap(b.B)])
	}
}
