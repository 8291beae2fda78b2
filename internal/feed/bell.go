package feed

import (
	"sync"
	"sync/atomic"
)

// A bell wakes all goroutines that are waiting for a change. The zero value
// is ready to use, and safe for concurrent use by multiple goroutines.
//
// Ringing takes constant time, however many goroutines wait. They share one
// channel, and closing it takes milliseconds if there are 10,000 of them, so a
// goroutine that runs only for that purpose closes it. If the bell rings again
// in the meantime, that goroutine repeats its work once.
type bell struct {
	changed atomic.Pointer[chan struct{}] // closed by the next ring; nil until it is needed
	armed   atomic.Bool                   // somebody may hold changed

	mu      sync.Mutex
	waking  bool // the goroutine runs
	another bool // the bell rang since the goroutine last took changed
}

// wait returns a channel that is closed when the bell rings. Call wait first and
// then look for the change: a change that comes later rings the bell.
func (b *bell) wait() <-chan struct{} {
	// The order matters. A ring after armed is set closes the channel that is
	// current at that time: c, unless c has already been closed.
	c := b.channel()
	if !b.armed.Load() {
		b.armed.Store(true)
	}
	return c
}

func (b *bell) channel() chan struct{} {
	for {
		if c := b.changed.Load(); c != nil {
			return *c
		}
		c := make(chan struct{})
		b.changed.CompareAndSwap(nil, &c)
	}
}

// ring wakes all goroutines that wait now. The change must be visible already.
func (b *bell) ring() {
	if !b.armed.Load() || !b.armed.Swap(false) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.another = b.waking; !b.waking {
		b.waking = true
		go b.wake()
	}
}

func (b *bell) wake() {
	for again := true; again; {
		if c := b.changed.Swap(nil); c != nil {
			close(*c)
		}
		b.mu.Lock()
		again = b.another
		b.waking, b.another = again, false
		b.mu.Unlock()
	}
}
