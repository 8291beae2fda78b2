package shutdown

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A Listener can stop listening while the server that accepts its connections keeps running.
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

// Accept returns the next connection. If stop was called and no connection is waiting, Accept
// blocks until Close is called, and then returns [net.ErrClosed]. Only one goroutine may call
// Accept.
func (l *Listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	for range lastTries {
		if err == nil || !l.stopping.Load() {
			return conn, err
		}
		l.extend(lastTry)
		conn, err = l.Listener.Accept()
	}
	if err == nil {
		return conn, nil
	}
	// No connection is waiting to be accepted, or the net.Listener is closed.
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

// stopTime is the longest time that a stop takes. It takes longer than queueTime if new connections
// arrive faster than they are accepted, or if the net.Listener returns none although its
// deadline has passed, for example because it limits their number.
const stopTime = arrivalTime / 2

// A goroutine may notice only some time after its deadline that it has passed. Connections
// that arrive in between would be lost, so Accept of the net.Listener is then called up to
// lastTries times, each with a deadline of lastTry, until it returns a connection.
const (
	lastTries = 3
	lastTry   = 30 * time.Microsecond
)

// stop closes the net.Listener when all waiting connections have been accepted, but after
// stopTime at the latest. If the net.Listener has no SetDeadline method, stop closes it
// immediately. stop returns when the net.Listener is closed.
func (l *Listener) stop() {
	l.stopping.Store(true)
	if !l.extend(queueTime) {
		_ = l.closeInner() // Close returns the error
	}
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	select {
	case <-l.stopped:
	case <-l.closed:
	case <-timer.C:
		_ = l.closeInner() // likewise
	}
}

// extend makes Accept of the net.Listener return an error when d has passed. It returns false
// if that is not supported.
func (l *Listener) extend(d time.Duration) bool {
	inner, ok := l.Listener.(interface{ SetDeadline(time.Time) error })
	return ok && inner.SetDeadline(time.Now().Add(d)) == nil
}

// Close closes the net.Listener.
func (l *Listener) Close() error {
	l.markClosed()
	return l.closeInner()
}
