package ratewindow

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// minQueue is the length of a shard's first queue. One of this length is kept
// when it empties, so that a key that comes back every window costs nothing.
const minQueue = 8

// gone is the end of a window that its key has abandoned for a newer one: it
// is out of the index and waits in the queue for its turn to be collected.
const gone time.Duration = math.MinInt64

// A window counts the requests of one key until end.
type window struct {
	hash uint64
	end  time.Duration
	used int
}

// A shard holds the windows of some keys. Its fields are guarded by mu; only
// oldest may be read without.
type shard struct {
	mu        sync.Mutex
	calls     uint32
	neighbour uint32        // the shard visited last
	latest    time.Duration // the latest time that any call has brought
	oldest    atomic.Int64  // when the queue's first window can go; the maximum if it is empty

	queue   []window // circular, by ends ascending; its length is a power of two
	head, n uint32   // the first window's place, and how many there are
	index   []uint32 // open addressing; place in queue + 1, or 0; twice as long

	overflow window // counts all keys that there was no room for

	_ [16]byte // two cache lines on 64-bit machines, shared with no other shard
}

// advance returns now, or the latest time seen if that is later: the order in
// which calls get the lock is the order of their times. That keeps the queue
// ordered.
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

// slot returns the slot of the index that leads to the window of hash.
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

// push appends w, which must end no earlier than the windows before it and
// have a hash that is not in the index.
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

// pop takes the first window off the queue.
func (s *shard) pop() {
	if w := &s.queue[s.head]; w.end != gone {
		s.unlink(w.hash)
	}
	s.head = s.place(1)
	s.n--
	s.oldest.Store(math.MaxInt64)
	if s.n > 0 {
		s.oldest.Store(int64(s.queue[s.head].end))
	}
}

// place returns where in the queue the i-th window stands.
func (s *shard) place(i uint32) uint32 {
	return (s.head + i) & uint32(len(s.queue)-1)
}

// abandon gives up the expired window of hash, if there is one. It cannot
// leave the middle of the queue, so it stays there without its hash.
func (s *shard) abandon(hash uint64) {
	if w := s.find(hash); w != nil {
		s.unlink(hash)
		w.end = gone
	}
}

// unlink removes hash from the index and moves up the entries behind it that
// linear probing would no longer find (Knuth, TAOCP vol. 3, 6.4, algorithm R).
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

// collect removes up to limit expired windows, or all at once if no other is
// left, and returns how many went. Memory follows the number of windows down.
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

// clear removes all windows and returns how many there were.
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

// resize moves the windows into a queue of the given length, a power of two.
func (s *shard) resize(length int) {
	queue := make([]window, length)
	for i := range s.n {
		queue[i] = s.queue[s.place(i)]
	}
	s.queue, s.head = queue, 0
	s.index = make([]uint32, 2*length)
	for i, w := range queue[:s.n] {
		if w.end != gone {
			slot, _ := s.slot(w.hash)
			s.index[slot] = uint32(i) + 1
		}
	}
}
