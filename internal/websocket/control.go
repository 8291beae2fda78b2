package websocket

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// handleControl handles a control frame whose payload is in the read buffer.
func (c *Conn) handleControl(h frame.Header) error {
	in := &c.in
	data, _ := in.br.Peek(int(h.Length)) // cannot fail: the payload is buffered
	if h.Masked {
		frame.Mask(data, h.Key)
	}
	_, _ = in.br.Discard(len(data)) // likewise; data is valid until the next read
	switch {
	case h.Opcode == frame.Close:
		return c.handleClose(data)
	case c.closing.reached(phaseAwaiting):
		return nil
	case h.Opcode == frame.Ping:
		if handler := c.onPing.Load(); handler != nil {
			return c.callHandler(*handler, data)
		}
		return c.answerPing(data)
	default:
		if handler := c.onPong.Load(); handler != nil {
			return c.callHandler(*handler, data)
		}
		return nil
	}
}

// callHandler calls a handler with a copy of data. If the handler returns an
// error, reading ends with it.
func (c *Conn) callHandler(handler func([]byte) error, data []byte) error {
	err := c.callUnlocked(handler, append([]byte{}, data...))
	if err == io.EOF {
		err = fmt.Errorf("websocket: ping or pong handler: %w", err) // a bare EOF would end the message
	}
	c.in.handlerErr = err
	return c.readable()
}

// callUnlocked releases streamLock while the handler runs, so that the handler
// or another goroutine can call Close.
func (c *Conn) callUnlocked(handler func([]byte) error, data []byte) error {
	c.streamLock.unlock()
	defer c.streamLock.lock()
	return handler(data)
}

// handleClose parses the peer's close frame and replies with its code, unless
// our close frame was sent before (RFC 6455, section 5.5.1).
func (c *Conn) handleClose(data []byte) error {
	code, reason, err := frame.ParseClose(data)
	if err != nil {
		return c.failProtocol(err)
	}
	return c.endReading(code, "", c.closeError(code, reason, nil))
}

// A pongQueue holds a pong that could not be sent immediately. A newer pong
// replaces it, because an endpoint need not answer every ping, only the latest
// (RFC 6455, section 5.5.3). A flood of pings therefore costs no memory.
type pongQueue struct {
	pending atomic.Bool // data holds a pong to send
	mu      sync.Mutex
	data    [frame.MaxControl]byte
	n       int
}

func (q *pongQueue) put(data []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.n = copy(q.data[:], data)
	q.pending.Store(true)
}

// takeTo removes the pong and appends its data to b.
func (q *pongQueue) takeTo(b []byte) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pending.Store(false)
	return append(b, q.data[:q.n]...)
}

// answerPing sends a pong, or leaves it to the goroutine that is sending a
// frame. If the pong times out because the peer does not read, reading ends. If
// the network fails in another way, reading continues, because the peer may
// have sent messages before the failure.
//
// The error does not wrap the timeout, because callers would mistake it for
// that of a read deadline, after which reading can continue.
func (c *Conn) answerPing(data []byte) error {
	c.pongs.put(data)
	if err := c.sendPending(); isTimeout(err) {
		c.in.err = c.closeError(codeAbnormal, "the peer does not read", errors.New(err.Error()))
	}
	return c.in.err
}

// isPending reports whether a pong, or a ping of KeepAlive, is to be sent.
func (c *Conn) isPending() bool { return c.pongs.pending.Load() || c.keepAlive.pingDue.Load() }

// sendPending sends pending pongs and pings while frameLock is free. Every
// holder of frameLock calls it after unlocking, so none remains pending. The
// exception is sendClose, after which no control frame can be sent. Sending a
// pong takes at most CloseTimeout, and sending a ping at most the patience of
// KeepAlive, even if the peer does not read.
func (c *Conn) sendPending() error {
	for c.isPending() && c.frameLock.tryLock() {
		var err error
		if c.pongs.pending.Load() {
			err = c.sendPong()
		}
		if err == nil && c.keepAlive.pingDue.Load() {
			err = c.sendPing()
		}
		c.frameLock.unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// sendPong sends the pending pong. The caller must hold frameLock.
func (c *Conn) sendPong() error {
	b := newFrame()
	defer bufpool.Put(b)
	b.B = c.pongs.takeTo(b.B)
	if c.writable() != nil {
		return nil // for example, no pong follows a close frame
	}
	return c.sendLimited(frame.Header{Fin: true, Opcode: frame.Pong}, b.B, CloseTimeout)
}

// sendLimited is send with a time limit. If the user's write deadline has
// passed, it was set for an earlier message, and does not apply.
func (c *Conn) sendLimited(h frame.Header, b []byte, limit time.Duration) error {
	c.deadlines.beginLimit(limit)
	if err := c.send(h, b); err != nil {
		return err
	}
	c.deadlines.endLimit()
	return nil
}
