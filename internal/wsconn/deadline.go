package wsconn

import (
	"net"
	"sync"
	"time"
)

// deadlines joins the user's deadlines with those that bound what a Conn does
// of its own accord: the earlier one counts.
type deadlines struct {
	mu    sync.Mutex
	write time.Time // the user's
	bound time.Time // of the closing handshake; zero until it begins
}

// SetReadDeadline sets the deadline of reading, as [net.Conn].
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.dl.mu.Lock()
	defer c.dl.mu.Unlock()
	return c.conn.SetReadDeadline(earlier(t, c.dl.bound))
}

// SetWriteDeadline sets the deadline of writing, as [net.Conn].
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.dl.mu.Lock()
	defer c.dl.mu.Unlock()
	c.dl.write = t
	return c.conn.SetWriteDeadline(earlier(t, c.dl.bound))
}

// writeDeadline returns the deadline that counts for writing.
func (d *deadlines) writeDeadline() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return earlier(d.write, d.bound)
}

// boundAll sets the bound of the closing handshake. The user's deadlines count
// no more: that a peer was silent does not keep it from answering.
func (d *deadlines) boundAll(conn net.Conn, t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.write, d.bound = time.Time{}, t
	return conn.SetDeadline(t)
}

// boundWrites lets writing take no longer than CloseTimeout, until unboundWrites.
func (d *deadlines) boundWrites(conn net.Conn) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return conn.SetWriteDeadline(earlier(earlier(d.write, d.bound), time.Now().Add(CloseTimeout)))
}

func (d *deadlines) unboundWrites(conn net.Conn) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return conn.SetWriteDeadline(earlier(d.write, d.bound))
}

// earlier returns the earlier of two deadlines, of which a zero one is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
