package ratewindow

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// minQueue is the initial and minimum length of a shard's queue. A queue of this
// length is kept when it becomes empty, so a key that comes back in every window
// does not cause allocations.
const minQueue = 8

// abandoned is the value of window.end if the key has started a newer window. The
// old window is no longer in the index, but stays in the queue until it reaches
// the front.
const abandoned time.Duration = math.MinInt64

// A window counts the requests of one key until end.
type window struct {
	hash uint64
	end  time.Duration
	used int
}

// A shard holds the windows of the keys whose hashes select it. mu guards all
// fields, except that oldest may be read without it.
type shard struct {
	mu       sync.Mutex
	calls    uint32
	neighbor uint32        // index of the shard visited last
	latest   time.Duration // the latest time passed to advance
	oldest   atomic.Int64  // end of the queue's first window, or math.MaxInt64 if it is empty

	queue   []window // circular, sorted by end; its length is a power of two
	head, n uint32   // position of the first window, and the number of windows
	index   []uint32 // hash table with open addressing: position in queue + 1, or 0 if empty

	overflow window // counts requests with keys for which there was no room

	_ [16]byte // pads to two cache lines on 64-bit machines, so that shards do not share one
}

// advance returns now, or the latest time seen so far if that is later. Times
// therefore never decrease in the order in which calls acquire the lock, which
// keeps the queue sorted.
func (s *shard) advance(now time.Duration) time.Duration {
	s.latest = max(s.latest, min(now, math.MaxInt64-1))
	return s.latest
}

// find returns the window of hash, expired or not, or nil.
func (s *shard) find(hash uint64) *window {
	if i, ok := s.slot(hash); ok {
		return &s.queue[s.index[i]-1]
	}
	return nil
}

// slot returns the slot of the index that refers to the window of hash. If hash
// has no window, ok is false and i is the slot for a new one.
func (s *shard) slot(hash uint64) (i uint64, ok bool) {
	if len(s.index) == 0 {
		return 0, false
	}
	mask := uint64(len(s.index) - 1)
	for i = hash & mask; s.index[i] != 0; i = (i + 1) & mask {
		if s.queue[s.index[i]-1].hash == hash {
			return i, true
		}
	}
	return i, false
}

// push appends w to the queue and adds it to the index. w must not end before the
// windows in the queue, and its hash must not be in the index.
func (s *shard) push(w window) *window {
	if int(s.n) == len(s.queue) {
		s.resize(max(2*len(s.queue), minQueue))
	}
	if s.n == 0 {
		s.oldest.Store(int64(w.end))
	}
	place := s.place(s.n)
	s.queue[place] = w
	s.n++
	i, _ := s.slot(w.hash)
	s.index[i] = place + 1
	return &s.queue[place]
}

// pop removes the first window from the queue.
func (s *shard) pop() {
	if w := &s.queue[s.head]; w.end != abandoned {
		s.unlink(w.hash)
	}
	s.head = s.place(1)
	s.n--
	s.oldest.Store(math.MaxInt64)
	if s.n > 0 {
		s.oldest.Store(int64(s.queue[s.head].end))
	}
}

// place returns the position in the queue of the i-th window.
func (s *shard) place(i uint32) uint32 {
	return (s.head + i) & uint32(len(s.queue)-1)
}

// abandon removes the expired window of hash from the index, if there is one. A
// window cannot be removed from the middle of the queue, so it stays there.
func (s *shard) abandon(hash uint64) {
	if w := s.find(hash); w != nil {
		s.unlink(hash)
		w.end = abandoned
	}
}

// unlink removes hash from the index. It moves up later entries that linear
// probing would not find otherwise (Knuth, TAOCP vol. 3, 6.4, algorithm R).
func (s *shard) unlink(hash uint64) {
	free, _ := s.slot(hash)
	mask := uint64(len(s.index) - 1)
	for i := (free + 1) & mask; s.index[i] != 0; i = (i + 1) & mask {
		home := s.queue[s.index[i]-1].hash & mask
		if (i-home)&mask >= (i-free)&mask {
			s.index[free] = s.index[i]
			free = i
		}
	}
	s.index[free] = 0
}

// collect removes up to limit expired windows, or all windows if all have expired,
// and returns the number removed. If few windows are left, it shrinks the queue.
func (s *shard) collect(now time.Duration, limit int) int {
	if s.oldest.Load() > int64(now) {
		return 0
	}
	if s.queue[s.place(s.n-1)].end <= now {
		return s.clear()
	}
	n := 0
	for n < limit && s.oldest.Load() <= int64(now) {
		s.pop()
		n++
	}
	if len(s.queue) > minQueue && int(s.n) <= len(s.queue)/4 {
		s.resize(len(s.queue) / 2)
	}
	return n
}

// clear removes all windows and returns their number.
func (s *shard) clear() int {
	n := int(s.n)
	s.head, s.n = 0, 0
	s.oldest.Store(math.MaxInt64)
	if len(s.queue) > minQueue {
		s.queue, s.index = nil, nil
	}
	clear(s.index)
	return n
}

// resize moves the windows to a new queue. length must be a power of two.
func (s *shard) resize(length int) {
	queue := make([]window, length)
	for i := range s.n {
		queue[i] = s.queue[s.place(i)]
	}
	s.queue, s.head = queue, 0
	s.index = make([]uint32, 2*length)
	for i, w := range queue[:s.n] {
		if w.end != abandoned {
			slot, _ := s.slot(w.hash)
			s.index[slot] = uint32(i) + 1
		}
	}
}
