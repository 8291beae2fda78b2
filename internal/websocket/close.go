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

// lingerTimeout limits how long Close waits, after the closing handshake, for
// the peer to close its side of the network connection.
const lingerTimeout = time.Second

// A phase is the progress of closing a connection. It never goes back.
//
//	open ───► closing ───► awaiting ───► closed
//	  │          │            │            ▲
//	  └──────────┴────────────┴─► aborted ─┘
//
// The phase covers Close and CloseNow only. The two directions end separately,
// in any phase: reading when incoming.err is set, for example by the peer's
// close frame; writing when outgoing.err is set, for example to ErrCloseSent by
// our close frame.
type phase int32

const (
	// phaseOpen lasts until Close or CloseNow is called. The reader may already
	// have replied to the peer's close frame, or failed the connection.
	phaseOpen phase = iota

	// phaseClosing begins with the first call of Close, which sends a close
	// frame unless one was sent. A reading method that is under way continues,
	// and may read the peer's close frame.
	phaseClosing

	// phaseAwaiting begins when Close has acquired streamLock. Close reads up
	// to the peer's close frame. It discards messages, does not answer pings,
	// calls no handlers and ignores the user's read deadline. Then it lingers.
	phaseAwaiting

	// phaseAborted begins when the closing handshake is abandoned: CloseNow was
	// phaseAborted begins when the closing handshake is abandoned: CloseNow was
	// called, KeepAlive gave up, or the timeout passed, the context ended or the
	// network failed during Close. The network connection is closed, so all
	// reads and writes fail.
	phaseAborted

	// phaseClosed begins when the network connection is closed and the result
	// of Close is known.
	phaseClosed
)

// closing is the state of Close and CloseNow.
type closing struct {
	phase   atomic.Int32 // a phase; changed only by advance
	timeout atomic.Int64 // of Close, a time.Duration

	abortOnce   sync.Once
	aborted     chan struct{} // closed in phaseAborted
	abortReason error         // set before aborted is closed

	// lost points to the error with which KeepAlive has ended the connection.
	// It is nil otherwise.
	lost atomic.Pointer[error]

	endOnce sync.Once
	ended   chan struct{} // closed by end

	done   chan struct{} // closed in phaseClosed
	result error         // of Close; set before done is closed

	mu         sync.Mutex
	afterClose func(result error) // called when done is closed
}

func (s *closing) init() {
	s.timeout.Store(int64(CloseTimeout))
	s.aborted = make(chan struct{})
	s.ended = make(chan struct{})
	s.done = make(chan struct{})
}

// end records that no message can be sent any more, or none would be received: a close
// frame was sent, or the network has failed.
func (s *closing) end() { s.endOnce.Do(func() { close(s.ended) }) }

// advance moves to phase p, and returns the previous phase. If that is p or
// later, advance changes nothing.
func (s *closing) advance(p phase) (before phase) {
	for {
		before = phase(s.phase.Load())
		if before >= p || s.phase.CompareAndSwap(int32(before), int32(p)) {
			return before
		}
	}
}

// reached reports whether the phase is p or later.
func (s *closing) reached(p phase) bool { return phase(s.phase.Load()) >= p }

// finish enters phaseClosed with the result of Close.
func (s *closing) finish(result error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result = result
	s.advance(phaseClosed)
	close(s.done)
	if s.afterClose != nil {
		s.afterClose(result)
	}
}

// reason returns the error of reading and writing methods after the connection
// was closed.
func (s *closing) reason() error {
	if lost := s.lost.Load(); lost != nil {
		return *lost
	}
	return errClosed
}

// finish enters phaseClosed with the result of Close, and stops the pings of
// KeepAlive.
func (c *Conn) finish(result error) {
	c.closing.finish(result)
	c.keepAlive.stop()
}

// AfterClose sets the function that is called once, after Close or CloseNow has
// closed the connection. Its argument is the result of Close, or nil if only
// CloseNow was called. If the connection is closed already, AfterClose calls f
// immediately. A later f replaces an earlier one. f must not call AfterClose.
func (c *Conn) AfterClose(f func(result error)) {
	c.closing.mu.Lock()
	defer c.closing.mu.Unlock()
	if c.closing.reached(phaseClosed) {
		f(c.closing.result)
		return
	}
	c.closing.afterClose = f
}

// SetCloseTimeout sets how long Close may take. The duration must be positive.
func (c *Conn) SetCloseTimeout(d time.Duration) { c.closing.timeout.Store(int64(d)) }

// Close performs the closing handshake (RFC 6455, section 7): it sends a close
// frame, unless one was sent before, waits for the peer's, and closes the
// network connection. If that takes longer than the timeout set by
// SetCloseTimeout, or ctx ends first, Close closes the network connection and
// returns an error that wraps [os.ErrDeadlineExceeded] or the error of ctx. A
// frame that another goroutine is sending at that time may be truncated.
//
// Only the first call sends its code and reason. Later calls wait for it and
// return the same error, but their timeout and context apply too.
func (c *Conn) Close(ctx context.Context, code int, reason string) error {
	timeout := time.Duration(c.closing.timeout.Load())
	first := c.closing.advance(phaseClosing) == phaseOpen
	defer c.abortAfter(ctx, timeout)()
	if !first {
		<-c.closing.done
		return c.closing.result
	}
	deadline, timeoutErr := time.Now().Add(timeout), os.ErrDeadlineExceeded
	if t, ok := ctx.Deadline(); ok && t.Before(deadline) {
		deadline, timeoutErr = t, context.DeadlineExceeded
	}
	err := c.closeHandshake(deadline, code, reason)
	if err == nil {
		_ = c.conn.Close() // the handshake is complete, so an error of TLS does not matter
	} else {
		if isTimeout(err) {
			err = timeoutErr
		}
		_ = c.abort(err) // err is the reason
		err = fmt.Errorf("websocket: closing handshake: %w", c.closing.abortReason)
	}
	c.finish(err)
	return err
}

// abortAfter aborts the closing handshake after the timeout or when ctx ends,
// until stop is called. Deadlines of the network connection are not enough: it
// may not support them, and closing a TLS connection may take seconds.
func (c *Conn) abortAfter(ctx context.Context, timeout time.Duration) (stop func()) {
	stopContext := context.AfterFunc(ctx, func() {
		_ = c.abort(ctx.Err()) // the reason is what matters
	})
	timer := time.AfterFunc(timeout, func() {
		_ = c.abort(os.ErrDeadlineExceeded) // likewise
	})
	return func() {
		timer.Stop()
		stopContext()
	}
}

// CloseNow closes the network connection without a closing handshake. A Close
// that is waiting for the peer returns immediately.
func (c *Conn) CloseNow() error {
	before := c.closing.advance(phaseAborted)
	if before == phaseClosed {
		return nil
	}
	err := c.abort(errClosed)
	if before == phaseOpen { // no Close is running that would finish
		c.finish(nil)
	}
	return err
}

// abort closes the network connection immediately, so that all reads and writes
// fail. Only the first call has an effect.
func (c *Conn) abort(reason error) (err error) {
	c.closing.abortOnce.Do(func() {
		c.closing.abortReason = reason
		c.closing.advance(phaseAborted)
		close(c.closing.aborted)
		c.closing.end()
		err = shutdown.CloseNow(c.conn)
	})
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// closeHandshake does all of Close except closing the network connection.
func (c *Conn) closeHandshake(deadline time.Time, code int, reason string) error {
	c.deadlines.beginClose(deadline)
	err := c.sendClose(code, reason)
	if err != nil {
		return err // without a close frame, the peer does not send one either
	}
	if !c.streamLock.lockUnless(c.closing.aborted, nil) {
		return c.closing.reason()
	}
	defer c.streamLock.unlock()
	err = c.awaitClose()
	if err == nil {
		c.linger()
	}
	if c.in.err == nil {
		c.in.err = c.closing.reason()
	}
	return err
}

// sendClose sends a close frame, unless one was sent before. It returns an
// error if the network has failed, now or earlier.
func (c *Conn) sendClose(code int, reason string) error {
	b := newFrame()
	defer bufpool.Put(b)
	b.B = frame.AppendClose(b.B, code, reason)
	if !c.frameLock.lockUnless(c.closing.aborted, nil) {
		return c.closing.reason()
	}
	defer c.frameLock.unlock()
	if c.out.err != nil {
		return c.out.networkErr
	}
	c.out.err = ErrCloseSent
	c.closing.end()
	return c.send(frame.Header{Fin: true, Opcode: frame.Close}, b.B)
}

// awaitClose reads and discards frames up to the peer's close frame. It returns
// an error if the network fails before that frame arrives, and nil if reading
// had ended before Close was called. The caller must hold streamLock.
func (c *Conn) awaitClose() error {
	in := &c.in
	c.closing.advance(phaseAwaiting)
	if in.err != nil {
		return in.networkErr
	}
	c.deadlines.beginAwait()
	for in.err == nil {
		if in.frameLeft > 0 {
			_, _ = c.next() // sets in.err if it fails
			continue
		}
		if h, err := c.nextFrame(); err == nil {
			in.frameLeft, in.maskKey, in.lastFrame = h.Length, h.Key, h.Fin
		}
	}
	return in.networkErr
}

// linger waits until the peer has closed its side of the network connection, at
// most lingerTimeout. If this end closed the connection while bytes from the
// peer were unread, TCP would reset it, and the reset could overtake the close
// frame. A server closes its side first (RFC 6455, section 7.1.1). The caller
// must hold streamLock.
func (c *Conn) linger() {
	if !c.client {
		half, ok := c.conn.(interface{ CloseWrite() error })
		if !ok || half.CloseWrite() != nil {
			return
		}
	}
	c.deadlines.beginLinger()
	b := bufpool.Get()
	defer bufpool.Put(b)
	for err := error(nil); err == nil; {
		_, err = c.conn.Read(b.B[:cap(b.B)])
	}
}
