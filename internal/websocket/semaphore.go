package websocket

import (
	"sync/atomic"
	"time"
)

// A semaphore is a lock that one can stop waiting for. Those who wait get it in
// the order in which they came, which a sync.Mutex does not promise: a control
// frame goes out after the fragment that it met. While nobody waits it costs
// what a mutex does; a channel of one element would do the same, but took
// almost half of the time of an echo of 64 bytes.
//
// users counts the goroutine that has the lock and those that wait. Who
// unlocks while others wait hands the lock to one of them through turn, which
// therefore never has more than one element.
type semaphore struct {
	users atomic.Int32
	turn  chan struct{}
}

func newSemaphore() semaphore { return semaphore{turn: make(chan struct{}, 1)} }

func (s *semaphore) tryLock() bool { return s.users.CompareAndSwap(0, 1) }

func (s *semaphore) lock() {
	if s.users.Add(1) > 1 {
		<-s.turn
	}
}

// lockUnless waits for the lock until one of the channels is ready, and
// reports whether it has the lock. Either channel may be nil.
func (s *semaphore) lockUnless(stop <-chan struct{}, expired <-chan time.Time) bool {
	if s.users.Add(1) == 1 {
		return true
	}
	select {
	case <-s.turn:
		return true
	case <-stop:
	case <-expired:
	}
	return !s.leave()
}

// lockUntil is lockUnless with an end that may change: next returns the channel
// that is ready when the time is over, and one that is closed when next must be
// asked again.
func (s *semaphore) lockUntil(stop <-chan struct{}, next func() (expired <-chan time.Time, changed <-chan struct{})) bool {
	if s.users.Add(1) == 1 {
		return true
	}
	for {
		expired, changed := next()
		select {
		case <-s.turn:
			return true
		case <-changed:
			continue
		case <-stop:
		case <-expired:
		}
		return !s.leave()
	}
}

// leave stops waiting. If there is no other waiter whom the lock could be
// handed to, it is on its way already; then leave takes it and returns false.
func (s *semaphore) leave() bool {
	for {
		n := s.users.Load()
		if n == 1 {
			<-s.turn
			return false
		}
		if s.users.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

func (s *semaphore) unlock() {
	if s.users.Add(-1) > 0 {
		s.turn <- struct{}{}
	}
}
