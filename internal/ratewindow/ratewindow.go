// Package ratewindow counts requests per key in fixed windows of time, for
// many keys at once, in bounded memory and without a goroutine of its own.
//
// A key's window opens with the first request that finds none, covers the
// half-open interval [start, start+window) and admits at most limit requests.
// Windows of different keys therefore end at different moments; were they
// aligned to the clock instead, every blocked client would come back in the
// same instant.
//
// # How it works
//
// Keys are spread over shards by a hash with a random seed, so that nobody
// outside the process can aim at one shard. A shard is a mutex, a queue of
// windows and an index into it:
//
//	index  [ · 3 · · 1 · 2 · ]      hash -> place in the queue
//	queue  [ · w1 w2 w3 · · · · ]   circular, oldest first
//
// All windows are equally long and open in the order of time, so the queue is
// ordered by their ends without being sorted, and whatever has expired stands
// at its front. That makes collecting exact and cheap: a call takes at most a
// few windows off the front, and a new key is never turned away while an
// expired window still holds its place in the shard.
//
// Of a key only its 64-bit hash is kept. Memory per key is small and constant
// however long the keys are, the garbage collector has nothing to scan, and
// no credential used as a key stays in memory. The price: two live keys share
// a window if their hashes are equal, which among a million live keys has a
// probability below one in thirty million.
package ratewindow

import (
	"hash/maphash"
	"math"
	"math/bits"
	"runtime"
	"sync/atomic"
	"time"
)

// Bounds on the collecting that one call may do for others.
const (
	ownSweep       = 2  // windows taken off the call's own shard
	neighbourSweep = 16 // windows taken off another shard
	neighbourTries = 16 // other shards looked at before a new key overflows
)

// A Decision tells what became of one request.
type Decision struct {
	// Allowed reports whether the request was within the limit.
	Allowed bool
	// Remaining is how many further requests the window admits.
	Remaining int
	// Reset is when the window ends, on the scale of the time passed to
	// [Counters.Take]: a request at Reset or later opens a new window.
	Reset time.Duration
}

// Counters holds the windows of all keys under one limit. All methods may be
// called from any number of goroutines.
type Counters struct {
	limit   int
	window  time.Duration
	maxKeys int64
	seed    maphash.Seed
	shift   uint // a hash shifted right by it is a shard's number
	shards  []shard

	_    [64]byte // live changes with every new key, the fields above never
	live atomic.Int64
}

// New returns counters that admit limit requests per key and window and hold
// at most maxKeys windows. All three must be positive.
//
// Once maxKeys windows are live, requests with a key that has none are
// counted together, in one more window for each shard, until windows expire.
// Keys that have a window keep it.
func New(limit int, window time.Duration, maxKeys int) *Counters {
	n := shardCount(maxKeys, runtime.GOMAXPROCS(0))
	c := &Counters{
		limit:   limit,
		window:  window,
		maxKeys: int64(maxKeys),
		seed:    maphash.MakeSeed(),
		shift:   uint(64 - bits.TrailingZeros(uint(n))),
		shards:  make([]shard, n),
	}
	for i := range c.shards {
		c.shards[i].oldest.Store(math.MaxInt64)
		c.shards[i].neighbour = uint32(i)
	}
	return c
}

// shardCount returns a power of two: enough shards that cores seldom meet on
// one, and that a shard stays so small that growing it delays nobody, but
// not so many that most would be empty.
func shardCount(maxKeys, procs int) int {
	n := max(16*procs, maxKeys/4096)
	n = max(min(n, maxKeys/64), 1)
	return 1 << bits.Len(uint(n-1))
}

// Len returns how many windows are in memory, expired ones that were not
// collected yet included. It never exceeds the maxKeys given to [New].
func (c *Counters) Len() int { return int(c.live.Load()) }

// Take counts one request for key and decides on it, in one step. A denied
// request is not counted.
//
// The time now is what has passed since a moment that is the same for all
// calls, by a clock that does not run backwards: time.Since of a fixed
// [time.Time] is one. Calls that overtake one another between reading the
// clock and calling Take are in order.
func (c *Counters) Take(key string, now time.Duration) Decision {
	hash := maphash.String(c.seed, key)
	s := &c.shards[hash>>c.shift]

	s.mu.Lock()
	now = s.advance(now)
	c.release(s.collect(now, ownSweep))
	w := s.find(hash)
	if w == nil || w.end <= now {
		w = c.open(s, hash, now)
		c.visit(s, now, 1)
	}
	d := Decision{Allowed: w.used < c.limit, Reset: w.end}
	if d.Allowed {
		w.used++
	}
	d.Remaining = c.limit - w.used
	if s.calls++; s.calls%8 == 0 {
		c.visit(s, now, 1)
	}
	s.mu.Unlock()
	return d
}

// open returns a new window for hash, or the one that new keys of the shard
// share because there is no room. The window hash may have had has expired.
func (c *Counters) open(s *shard, hash uint64, now time.Duration) *window {
	end := now + c.window
	if end < now {
		end = math.MaxInt64
	}
	s.abandon(hash)
	switch {
	case s.oldest.Load() <= int64(now):
		s.pop() // its place in the count goes to the new window
	case c.reserve():
	case c.visit(s, now, neighbourTries) && c.reserve():
	default:
		if s.overflow.end <= now {
			s.overflow = window{end: end}
		}
		return &s.overflow
	}
	return s.push(window{hash: hash, end: end})
}

// reserve takes a place for one more window, if there is one.
func (c *Counters) reserve() bool {
	for {
		n := c.live.Load()
		if n >= c.maxKeys {
			return false
		}
		if c.live.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release gives back the places of n collected windows.
func (c *Counters) release(n int) {
	if n > 0 {
		c.live.Add(int64(-n))
	}
}

// visit collects in other shards on behalf of s, which is locked: without it
// a shard that no request comes to would keep its expired windows for ever.
// It looks at up to tries shards, stops after the first that had something to
// collect and reports whether there was one. A shard that is in use is
// passed over, so that visiting never waits and two visitors cannot deadlock.
func (c *Counters) visit(s *shard, now time.Duration, tries int) bool {
	for range min(tries, len(c.shards)) {
		s.neighbour++
		t := &c.shards[int(s.neighbour)&(len(c.shards)-1)]
		if t.oldest.Load() > int64(now) || !t.mu.TryLock() {
			continue
		}
		n := t.collect(t.advance(now), neighbourSweep)
		t.mu.Unlock()
		if n > 0 {
			c.release(n)
			return true
		}
	}
	return false
}
