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

// stopTime is how long a stop takes at most. It takes longer than queueTime if new connections
// arrive faster than they are accepted, or if the net.Listener returns none although its
// deadline has passed, for example because it limits their number.
const stopTime = arrivalTime / 2

// It may take some time until a goroutine notices that its deadline has passed. Connections
// that arrive in this time would be lost, so Accept is then called again, with a deadline that
// is near, until it returns no connection this many times.
const (
	lastTries = 3
	lastTry   = 30 * time.Microsecond
)

// stop closes the net.Listener after all connections that are waiting have been accepted, but
// after stopTime at the latest. If it has no SetDeadline method, it is closed immediately.
// stop returns when it is closed.
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

// extend makes Accept return an error when d has passed. It returns false if it cannot.
func (l *Listener) extend(d time.Duration) bool {
	inner, ok := l.Listener.(interface{ SetDeadline(time.Time) error })
	return ok && inner.SetDeadline(time.Now().Add(d)) == nil
}

// Close closes the net.Listener.
func (l *Listener) Close() error {
	l.markClosed()
	return l.closeInner()
}
