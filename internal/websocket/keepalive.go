package websocket

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// A keepAlive sends pings and ends the connection if the peer does not answer.
// It has a timer but no goroutine, and costs the reader one atomic load per
// frame: the reader only notes that the peer was heard, and the timer reads the
// clock.
type keepAlive struct {
	unheard atomic.Bool // heard was not called since the last ping
	pingDue atomic.Bool // a ping is to be sent by the next holder of frameLock

	mu       sync.Mutex
	timer    *time.Timer   // nil until KeepAlive
	every    time.Duration // 0 while there are no pings
	patience time.Duration
	nextPing time.Time
	giveUp   time.Time // end of the patience; zero if no ping is unanswered
	watched  bool      // a method was reading when the patience began
	unsent   bool      // the ping with which the patience began was not sent yet
}

// KeepAlive sends a ping after each interval. If nothing was read for the
// patience after a ping, it ends the connection. The time during which no
// method reads does not count, because the peer may have answered then. If there
// is a write timeout, the time during which a ping waits for the end of another
// frame does not count either. If the peer has taken bytes for which a write had
// to wait, that counts as if something was read: a slow peer may get to the ping
// much later. Another call replaces both times. If every is 0, pings stop.
//
// The first ping is sent after a random part of the interval, so that
// connections that were opened together do not send their pings together.
func (c *Conn) KeepAlive(every, patience time.Duration) {
	k := &c.keepAlive
	k.mu.Lock()
	defer k.mu.Unlock()
	k.every, k.patience, k.giveUp = every, patience, time.Time{}
	k.unheard.Store(false)
	if every == 0 || c.closing.reached(phaseClosing) {
		k.stopTimer()
		return
	}
	wait := 1 + rand.N(every)
	k.nextPing = time.Now().Add(wait)
	if k.timer == nil {
		k.timer = time.AfterFunc(wait, c.keepAliveTick)
		return
	}
	k.timer.Reset(wait)
}

// stop stops the pings of a connection that has ended.
func (k *keepAlive) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopTimer()
}

// stopTimer stops the timer. The caller must hold k.mu.
func (k *keepAlive) stopTimer() {
	k.every = 0
	if k.timer != nil {
		k.timer.Stop()
	}
}

// limit returns the patience.
func (k *keepAlive) limit() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.patience
}

// sent begins the patience, after a ping was sent. It has no effect if an earlier
// ping is unanswered.
func (k *keepAlive) sent() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.unsent {
		k.unsent, k.giveUp = false, time.Now().Add(k.patience)
	}
}

// heard records that the peer is alive: bytes were read from the peer, or it took bytes for
// which a write had to wait.
func (k *keepAlive) heard() {
	if k.unheard.Load() {
		k.unheard.Store(false)
	}
}

// keepAliveTick is called by the timer, when a ping is due or the patience may
// have ended.
func (c *Conn) keepAliveTick() {
	ping, patience, silent := c.nextTick()
	switch {
	case silent:
		c.abandon(c.closeError(codeAbnormal, "the peer does not answer",
			fmt.Errorf("nothing arrived for %v after a ping", patience)))
	case ping:
		c.keepAlive.pingDue.Store(true)
		if err := c.sendPending(); isTimeout(err) {
			c.abandon(c.closeError(codeAbnormal, "the peer does not read", errors.New(err.Error())))
		} else if err != nil {
			c.keepAlive.stop() // for example, no ping follows a close frame
		}
	}
}

// nextTick reports whether a ping is due, and whether the peer was silent for
// too long after one. It sets the timer for the next tick.
func (c *Conn) nextTick() (ping bool, patience time.Duration, silent bool) {
	k := &c.keepAlive
	k.mu.Lock()
	defer k.mu.Unlock()
	now, reading := time.Now(), c.streamLock.held()
	switch {
	case k.every == 0 || c.closing.reached(phaseClosing):
		return false, 0, false
	case !k.unheard.Load():
		k.giveUp = time.Time{}
	case k.giveUp.After(now):
	case k.watched && reading && !(k.pingDue.Load() && c.writeTimeout.Load() > 0):
		return false, k.patience, true
	default:
		k.giveUp, k.watched = now.Add(k.patience), reading
	}
	if ping = !k.nextPing.After(now); ping {
		if k.giveUp.IsZero() {
			k.giveUp, k.watched, k.unsent = now.Add(k.patience), reading, true
			k.unheard.Store(true)
		}
		k.nextPing = now.Add(k.every)
	}
	k.timer.Reset(earlier(k.nextPing, k.giveUp).Sub(now))
	return ping, k.patience, false
}

// abandon ends a connection in phaseOpen without a closing handshake. Reading
// and writing methods return reason.
func (c *Conn) abandon(reason error) {
	if c.closing.reached(phaseClosing) {
		return // Close has its own time limit
	}
	c.closing.lost.CompareAndSwap(nil, &reason)
	if c.closing.advance(phaseAborted) == phaseOpen {
		_ = c.abort(reason) // the reason is what matters
		c.finish(reason)
	}
}

// sendPing sends the ping that is due. The caller must hold frameLock.
func (c *Conn) sendPing() error {
	b := newFrame()
	defer bufpool.Put(b)
	c.keepAlive.pingDue.Store(false)
	if err := c.writable(); err != nil {
		return err
	}
	err := c.sendLimited(frame.Header{Fin: true, Opcode: frame.Ping}, b.B, c.keepAlive.limit())
	if err == nil {
		c.keepAlive.sent()
	}
	return err
}
