package websocket

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestSemaphoreAdmitsOneAtATime(t *testing.T) {
	t.Parallel()
	s := newSemaphore()
	counter, admitted := 0, 0 // the race detector checks them too
	var mu sync.Mutex
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i := range 8 {
		wg.Go(func() {
			for n := range 2000 {
				switch {
				case i < 4:
					s.lock()
				case i < 6:
					if !s.tryLock() {
						continue
					}
				default:
					// In most cases, stop waiting immediately.
					expired := make(chan time.Time, 1)
					if n%3 > 0 {
						expired <- time.Time{}
					}
					if !s.lockUnless(stop, expired) {
						continue
					}
				}
				counter++
				mu.Lock()
				admitted++
				mu.Unlock()
				s.unlock()
			}
		})
	}
	wg.Wait()
	if counter != admitted || counter < 8000 {
		t.Errorf("counted %d of %d", counter, admitted)
	}
	if !s.isFree() {
		t.Error("the lock is still held at the end")
	}
}

func (s *semaphore) isFree() bool { return s.users.Load() == 0 && len(s.turn) == 0 }

func TestSemaphoreHandedToOneWhoLeavesIsNotLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for range 1000 {
			s := newSemaphore()
			s.lock()
			stop, done := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(done)
				if s.lockUnless(stop, nil) {
					s.unlock()
				}
			}()
			synctest.Wait()
			close(stop) // in most cases, the waiting goroutine is being handed the lock
			s.unlock()
			<-done
			if !s.isFree() {
				t.Fatal("the lock is still held at the end")
			}
		}
	})
}

func TestSemaphoreStopsWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSemaphore()
		s.lock()
		if s.tryLock() {
			t.Fatal("the lock is held by two goroutines")
		}
		stop := make(chan struct{})
		left := make(chan bool)
		go func() { left <- s.lockUnless(stop, nil) }()
		go func() { left <- s.lockUnless(nil, time.After(time.Second)) }()
		if <-left {
			t.Error("the lock is held by two goroutines")
		}
		close(stop)
		if <-left {
			t.Error("the lock is held by two goroutines")
		}
		s.unlock()
		if !s.lockUnless(stop, nil) {
			t.Error("a free lock cannot be acquired")
		}
		go func() { left <- s.lockUnless(nil, nil) }()
		synctest.Wait()
		s.unlock()
		if !<-left {
			t.Error("the lock is not handed to the next goroutine")
		}
	})
}
