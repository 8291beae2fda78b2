package websocket

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// control acts on a control frame, whose payload is in the buffer.
func (c *Conn) control(h frame.Header) error {
	in := &c.in
	data, _ := in.br.Peek(int(h.Length)) // is buffered
	if h.Masked {
		frame.Mask(data, h.Key)
	}
	_, _ = in.br.Discard(len(data)) // is buffered, and stays until something is read
	switch {
	case h.Opcode == frame.Close:
		return c.peerCloses(data)
	case in.discarding:
		return nil
	case h.Opcode == frame.Ping:
		if handler := c.onPing.Load(); handler != nil {
			return c.handle(*handler, data)
		}
		return c.answerPing(data)
	default:
		if handler := c.onPong.Load(); handler != nil {
			return c.handle(*handler, data)
		}
		return nil
	}
}

// handle calls a handler of the user's. Its error ends reading.
func (c *Conn) handle(handler func([]byte) error, data []byte) error {
	err := c.callHandler(handler, append([]byte{}, data...))
	if err == io.EOF {
		err = fmt.Errorf("websocket: handler: %w", err) // bare, it would end the message
	}
	c.in.stopped = err
	return c.readable()
}

// callHandler lends streamLock to Close while the handler runs.
func (c *Conn) callHandler(handler func([]byte) error, data []byte) error {
	c.streamLock.unlock()
	defer c.streamLock.lock()
	return handler(data)
}

// peerCloses reads a close frame and answers it with its code, unless ours
// was sent before (RFC 6455, section 5.5.1).
func (c *Conn) peerCloses(data []byte) error {
	code, reason, err := frame.ParseClose(data)
	if err != nil {
		return c.violated(err)
	}
	return c.endReading(code, "", c.closeError(code, reason, nil))
}

// A pongQueue holds the pong that could not be sent at once. A newer one takes
// its place: RFC 6455, section 5.5.3, lets an endpoint answer only the latest
// of several pings. So a flood of pings costs no memory.
type pongQueue struct {
	waiting atomic.Bool // what follows is to be sent
	mu      sync.Mutex
	data    [frame.MaxControl]byte
	n       int
}

func (q *pongQueue) put(data []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.n = copy(q.data[:], data)
	q.waiting.Store(true)
}

// appendTo takes the pong out and appends its payload to b.
func (q *pongQueue) appendTo(b []byte) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting.Store(false)
	return append(b, q.data[:q.n]...)
}

// answerPing sends a pong, or leaves that to the goroutine that is sending a
// frame. Reading ends if the peer takes too long to read it. If the network
// has failed in another way, what the peer had sent before can still be read.
//
// The error does not wrap the timeout: callers take one for a read deadline,
// after which they may read on.
func (c *Conn) answerPing(data []byte) error {
	c.pongs.put(data)
	if err := c.sendPongs(); isTimeout(err) {
		c.in.err = c.closeError(CodeAbnormal, "the peer does not read", errors.New(err.Error()))
	}
	return c.in.err
}

// sendPongs sends the waiting pong unless frameLock is taken. The holder calls
// it after unlocking, so that none is left behind. A peer that sends pings and
// reads nothing cannot hold the caller for longer than CloseTimeout.
func (c *Conn) sendPongs() error {
	for c.pongs.waiting.Load() && c.frameLock.tryLock() {
		err := c.sendPong()
		c.frameLock.unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// sendPong sends the waiting pong. The caller holds frameLock.
func (c *Conn) sendPong() error {
	b := newFrame()
	defer bufpool.Put(b)
	b.B = c.pongs.appendTo(b.B)
	if c.writable() != nil {
		return nil // after a close frame no pong is due
	}
	c.dl.beginPong()
	if err := c.send(frame.Header{Fin: true, Opcode: frame.Pong}, b.B); err != nil {
		return err
	}
	c.dl.endPong()
	return nil
}
