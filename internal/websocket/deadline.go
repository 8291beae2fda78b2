package websocket

import (
	"net"
	"sync"
	"time"
)

// deadlines combines the user's deadlines with those that a Conn sets. In each
// direction, the earliest one that applies is set on the network connection.
// Each has a separate field, so that setting one never removes another.
//
// Some network connections, for example SSH channels, do not support deadlines
// and return an error. SetReadDeadline and SetWriteDeadline return it to the
// user, and the Conn ignores it for the deadlines that it sets. On such a
// connection, a pong or reply may block until Close or CloseNow is called.
// Close also has a timer, which closes the network connection, so that reads
// and writes fail.
type deadlines struct {
	conn    net.Conn
	closing *closing

	mu          sync.Mutex
	userRead    time.Time // does not apply from phaseAwaiting on
	userWrite   time.Time // does not apply while userWriteStale is set
	closeBy     time.Time // deadline of Close, for both directions; zero until phaseClosing
	lingerUntil time.Time // deadline of lingering; zero before
	controlBy   time.Time // deadline of sending a pong or a ping of KeepAlive; zero at other times
	replyBy     time.Time // deadline of sending the reader's close frame; zero before
	stallBy     time.Time // deadline for the network to accept bytes; left as it is between writes

	// userWriteStale is set if userWrite had passed when a pong, a close frame
	// or a ping of KeepAlive became due. Such a deadline was meant for an
	// earlier message.
	userWriteStale bool

	// userWriteChanged is closed when userWrite changes. It is nil unless a
	// goroutine waits for that.
	userWriteChanged chan struct{}
}

// SetReadDeadline sets the read deadline, as [net.Conn] does.
func (c *Conn) SetReadDeadline(t time.Time) error {
	d := &c.deadlines
	d.mu.Lock()
	defer d.mu.Unlock()
	d.userRead = t
	return d.applyRead()
}

// SetWriteDeadline sets the write deadline, as [net.Conn] does.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	d := &c.deadlines
	d.mu.Lock()
	defer d.mu.Unlock()
	d.userWrite, d.userWriteStale = t, false
	if d.userWriteChanged != nil {
		close(d.userWriteChanged)
		d.userWriteChanged = nil
	}
	return d.applyWrite()
}

// watchUserWrite returns the user's write deadline, and a channel that is
// closed when it changes.
func (d *deadlines) watchUserWrite() (time.Time, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.userWriteChanged == nil {
		d.userWriteChanged = make(chan struct{})
	}
	return d.userWrite, d.userWriteChanged
}

// beginClose sets the deadline of all reads and writes, including those in
// progress, to t or earlier.
func (d *deadlines) beginClose(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closeBy = t
	d.checkUserWrite()
	_ = d.applyRead()  // may not be supported
	_ = d.applyWrite() // likewise
}

// beginAwait removes the user's read deadline. A peer that has not sent a
// message in time may still answer a close frame. The phase must be
// phaseAwaiting or later.
func (d *deadlines) beginAwait() {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = d.applyRead() // may not be supported
}

// beginLinger limits reading after the closing handshake.
func (d *deadlines) beginLinger() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lingerUntil = time.Now().Add(lingerTimeout)
	_ = d.applyRead() // may not be supported
}

// beginLimit limits the sending of a pong or ping, until endLimit.
func (d *deadlines) beginLimit(limit time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.controlBy = time.Now().Add(limit)
	d.checkUserWrite()
	_ = d.applyWrite() // may not be supported
}

// endLimit removes the limit of beginLimit. The user's deadline applies again,
// even if it has passed, unless a close frame is due.
func (d *deadlines) endLimit() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.controlBy = time.Time{}
	d.userWriteStale = d.userWriteStale && (!d.replyBy.IsZero() || !d.closeBy.IsZero())
	_ = d.applyWrite() // may not be supported
}

// beginReply limits sending the reader's close frame to CloseTimeout, including
// the wait for another goroutine's frame. No frame follows, so there is no
// endReply.
func (d *deadlines) beginReply() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.replyBy = time.Now().Add(CloseTimeout)
	d.checkUserWrite()
	_ = d.applyWrite() // may not be supported
}

// checkUserWrite sets userWriteStale if the user's write deadline has passed. A
// deadline that is set later applies. The caller must hold d.mu.
func (d *deadlines) checkUserWrite() {
	if !d.userWrite.IsZero() && !d.userWrite.After(time.Now()) {
		d.userWriteStale = true
	}
}

// applyRead sets the read deadline of the network connection. The caller must
// hold d.mu.
func (d *deadlines) applyRead() error {
	t := earlier(d.closeBy, d.lingerUntil)
	if !d.closing.reached(phaseAwaiting) {
		t = earlier(t, d.userRead)
	}
	return d.conn.SetReadDeadline(t)
}

// applyWrite sets the write deadline of the network connection. The caller must
// hold d.mu.
func (d *deadlines) applyWrite() error {
	return d.conn.SetWriteDeadline(earlier(d.stallBy, d.writeBy()))
}

// writeBy returns the write deadline without that of the write timeout. The
// caller must hold d.mu.
func (d *deadlines) writeBy() time.Time {
	t := earlier(d.closeBy, earlier(d.controlBy, d.replyBy))
	if !d.userWriteStale {
		t = earlier(t, d.userWrite)
	}
	return t
}

// setStall sets the write deadline of the write timeout.
func (d *deadlines) setStall(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stallBy = t
	_ = d.applyWrite() // may not be supported
}

// stalled reports whether a write that has timed out did so because of the
// write timeout alone.
func (d *deadlines) stalled() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.writeBy()
	return !d.stallBy.IsZero() && (t.IsZero() || t.After(time.Now()))
}

// closeExpired reports whether the deadline of Close has passed.
func (d *deadlines) closeExpired() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.closeBy.IsZero() && !time.Now().Before(d.closeBy)
}

// earlier returns the earlier of two deadlines. The zero time means no
// deadline.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
