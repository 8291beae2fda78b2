package websocket

import (
	"net"
	"sync"
	"time"
)

// deadlines joins the user's deadlines with those that a Conn sets itself. Of
// all that apply, the earliest counts; setting one never replaces another.
//
// A network connection may refuse deadlines, as one through SSH does. The user
// gets its error. A Conn goes on without the deadlines that it sets itself: if
// the network connection is closed, reading and writing say so, and Close has
// a timer as well.
type deadlines struct {
	conn net.Conn

	mu          sync.Mutex
	read, write time.Time     // the user's
	bound       time.Time     // of Close, for both directions; zero until it begins
	linger      time.Time     // of the time that Close lingers
	pong        time.Time     // of the pong being sent
	answer      time.Time     // of the close frame
	closing     bool          // Close reads, and the user's read deadline does not apply
	spent       bool          // write had passed before the pong or close frame came due
	changed     chan struct{} // closed when write changes; nil unless someone waits for that
}

// SetReadDeadline sets the deadline of reading, as [net.Conn] does.
func (c *Conn) SetReadDeadline(t time.Time) error {
	d := &c.dl
	d.mu.Lock()
	defer d.mu.Unlock()
	d.read = t
	return d.applyRead()
}

// SetWriteDeadline sets the deadline of writing, as [net.Conn] does.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	d := &c.dl
	d.mu.Lock()
	defer d.mu.Unlock()
	d.write, d.spent = t, false
	if d.changed != nil {
		close(d.changed)
		d.changed = nil
	}
	return d.applyWrite()
}

// watchWrite returns the user's write deadline, and a channel that is closed
// when it changes.
func (d *deadlines) watchWrite() (time.Time, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.changed == nil {
		d.changed = make(chan struct{})
	}
	return d.write, d.changed
}

// beginClose bounds all that happens on the connection from now on.
func (d *deadlines) beginClose(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bound = t
	d.spend()
	_ = d.applyRead()  // may not be supported
	_ = d.applyWrite() // likewise
}

// beginClosingReads ends the use of the user's read deadline: that a peer was
// silent does not keep it from answering a close frame.
func (d *deadlines) beginClosingReads() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closing = true
	_ = d.applyRead() // may not be supported
}

// beginLinger bounds reading after the closing handshake.
func (d *deadlines) beginLinger() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.linger = time.Now().Add(lingerTimeout)
	_ = d.applyRead() // may not be supported
}

// beginPong bounds the sending of a pong until endPong.
func (d *deadlines) beginPong() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pong = time.Now().Add(CloseTimeout)
	d.spend()
	_ = d.applyWrite() // may not be supported
}

func (d *deadlines) endPong() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pong = time.Time{}
	d.spent = d.spent && (!d.answer.IsZero() || !d.bound.IsZero())
	_ = d.applyWrite() // may not be supported
}

// beginAnswer bounds the sending of a close frame by the reader, and the frame
// of another goroutine that it has to wait for. It is the last frame.
func (d *deadlines) beginAnswer() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer = time.Now().Add(CloseTimeout)
	d.spend()
	_ = d.applyWrite() // may not be supported
}

// spend takes note of a user's write deadline that has passed. It was set for
// a message sent before, and must not keep the Conn from sending a pong or a
// close frame. One that is set later counts.
func (d *deadlines) spend() {
	if !d.write.IsZero() && !d.write.After(time.Now()) {
		d.spent = true
	}
}

func (d *deadlines) applyRead() error {
	t := earlier(d.bound, d.linger)
	if !d.closing {
		t = earlier(t, d.read)
	}
	return d.conn.SetReadDeadline(t)
}

func (d *deadlines) applyWrite() error {
	t := earlier(d.bound, earlier(d.pong, d.answer))
	if !d.spent {
		t = earlier(t, d.write)
	}
	return d.conn.SetWriteDeadline(t)
}

// boundPassed reports whether the time of Close is over.
func (d *deadlines) boundPassed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.bound.IsZero() && !time.Now().Before(d.bound)
}

// earlier returns the earlier of two deadlines. A zero time is no deadline.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
