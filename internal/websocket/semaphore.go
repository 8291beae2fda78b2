package websocket

import (
	"sync/atomic"
	"time"
)

// A semaphore is a mutex that a goroutine can stop waiting for.
//
// Unlike a sync.Mutex, it is acquired by waiting goroutines in the order of
// their calls, so that a control frame is sent right after the fragment that it
// waits for. Without contention, it is as fast as a mutex. A channel with a
// buffer of one would do the same, but locking it took almost half the time of
// echoing a 64-byte message.
type semaphore struct {
	users atomic.Int32  // the holder and the waiting goroutines
	turn  chan struct{} // hands the lock from the holder to a waiting goroutine
}

// newSemaphore returns an unlocked semaphore. Only the holder sends on turn,
// and only if a goroutine is waiting, so a buffer of one element is enough.
func newSemaphore() semaphore { return semaphore{turn: make(chan struct{}, 1)} }

func (s *semaphore) tryLock() bool { return s.users.CompareAndSwap(0, 1) }

// held reports whether a goroutine holds the lock.
func (s *semaphore) held() bool { return s.users.Load() > 0 }

func (s *semaphore) lock() {
	if s.users.Add(1) > 1 {
		<-s.turn
	}
}

// lockUnless waits for the lock until one of the channels is ready, and reports
// whether it has acquired the lock. Either channel may be nil.
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

// lockUntil is lockUnless with a deadline that may change. The function next
// returns a channel that is ready at the deadline, and one that is closed when
// the deadline changes; lockUntil then calls next again.
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

// leave stops waiting, and reports whether it succeeded. If no other goroutine
// is waiting and the holder has unlocked, the lock is already being handed
// over; leave then acquires it and returns false.
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
