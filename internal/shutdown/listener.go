package shutdown

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A Listener can stop listening while the server that accepts its connections goes on.
//
// It loses as few connections as possible. When a listener is closed, the kernel resets
// those that nobody has accepted yet. When [http.Server.Shutdown] is called, net/http
// drops requests that it has read, but whose handlers it has not called.
type Listener struct {
	net.Listener
	stopping   atomic.Bool
	stopped    chan struct{} // closed when the net.Listener is closed after a stop
	closed     chan struct{} // closed by Close
	closeInner func() error  // closes the net.Listener, once
	markClosed func()        // closes closed, once
}

// NewListener returns a Listener that accepts the connections of l. Close closes l.
func NewListener(l net.Listener) *Listener {
	closed := make(chan struct{})
	return &Listener{
		Listener:   l,
		stopped:    make(chan struct{}),
		closed:     closed,
		closeInner: sync.OnceValue(l.Close),
		markClosed: sync.OnceFunc(func() { close(closed) }),
	}
}

// Accept returns the next connection. After a stop it blocks until Close is called, and then
// returns [net.ErrClosed]. Only one goroutine may call it.
func (l *Listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil || !l.stopping.Load() {
		return conn, err
	}
	// Nobody is waiting to be accepted, or the net.Listener is closed.
	_ = l.closeInner() // Close returns the error
	select {
	case <-l.stopped:
	default:
		close(l.stopped)
	}
	<-l.closed
	return nil, net.ErrClosed
}

// queueTime is how long connections are accepted after a stop. It must be positive, because
// Accept returns no connection after the deadline has passed, even if one is waiting.
const queueTime = 100 * time.Millisecond

// stop closes the net.Listener after all connections that are waiting have been accepted.
// If it has no SetDeadline method, it is closed immediately. stop returns when it is closed.
func (l *Listener) stop() {
	l.stopping.Store(true)
	d, ok := l.Listener.(interface{ SetDeadline(time.Time) error })
	if !ok || d.SetDeadline(time.Now().Add(queueTime)) != nil {
		_ = l.closeInner() // Close returns the error
	}
	select {
	case <-l.stopped:
	case <-l.closed:
	}
}

// Close closes the net.Listener.
func (l *Listener) Close() error {
	l.markClosed()
	return l.closeInner()
}
