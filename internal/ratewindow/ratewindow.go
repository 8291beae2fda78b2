// Package ratewindow counts requests by key in fixed windows of time, for many
// keys, in bounded memory and without a background goroutine.
//
// A key's window starts with the first request that finds no live window for the
// key. It covers the half-open interval [start, start+window) and admits at most
// limit requests. Windows of different keys therefore end at different times. If
// they were aligned to the clock, all blocked clients would retry at the same
// moment.
//
// # How it works
//
// Keys are distributed over shards by a hash with a random seed, so nobody outside
// the process can choose keys that all fall into one shard. A shard consists of a
// mutex, a queue of windows and an index into the queue:
//
//	index  [ · 3 · · 1 · 2 · ]      hash -> position in the queue
//	queue  [ · w1 w2 w3 · · · · ]   circular, oldest first
//
// All windows have the same length and are appended when they start, so the queue
// is always sorted by end time and expired windows are at its front. Collecting
// them is exact and cheap: a call removes at most a few windows from the front. A
// new key never uses the overflow window while an expired window still occupies
// memory in its shard.
//
// Only the 64-bit hash of a key is stored. Memory per key is therefore small and
// constant, the garbage collector has nothing to scan, and a credential used as a
// key does not stay in memory. On the other hand, two live keys with equal hashes
// share a window. Among a million live keys, the probability of that is below one
// in thirty million.
package ratewindow

import (
	"hash/maphash"
	"math"
	"math/bits"
	"runtime"
	"sync/atomic"
	"time"
)

// Limits on the work that one call does to collect expired windows.
const (
	ownSweep       = 2  // windows removed from the shard of the key
	neighborSweep  = 16 // windows removed from another shard
	neighborVisits = 16 // other shards visited before a new key overflows
)

// maxShards limits the number of shards that is derived from maxKeys. That many shards take
// 8 MB before the first request.
const maxShards = 1 << 16

// A Decision is the result of counting one request.
type Decision struct {
	// Allowed reports whether the request is within the limit.
	Allowed bool
	// Remaining is the number of further requests that the window admits.
	Remaining int
	// Reset is the time at which the window ends, on the time scale of
	// [Counters.Take]. A request at Reset or later starts a new window.
	Reset time.Duration
}

// Counters holds the windows of all keys under one limit. It is safe for
// concurrent use by multiple goroutines.
type Counters struct {
	limit   int
	window  time.Duration
	maxKeys int64
	seed    maphash.Seed
	shift   uint // hash>>shift is the index of the key's shard
	shards  []shard

	_    [64]byte     // keeps live, which changes often, off the cache line of the fields above
	live atomic.Int64 // number of windows in memory
}

// New returns Counters that admit limit requests per key and window and hold at
// most maxKeys windows. All three must be positive.
//
// Once maxKeys windows are live, new keys share one overflow window per shard
// until other windows expire. Keys that have a window keep it.
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
		c.shards[i].neighbor = uint32(i)
	}
	return c
}

// shardCount returns the number of shards, a power of two. There are enough of
// them that cores rarely contend for one and that growing one takes little time,
// but not so many that most would be empty, because maxKeys may be far above the number of
// keys in use.
func shardCount(maxKeys, procs int) int {
	n := max(16*procs, min(maxKeys/4096, maxShards))
	n = max(min(n, maxKeys/64), 1)
	return 1 << bits.Len(uint(n-1))
}

// Len returns the number of windows in memory, including expired windows that have
// not been collected yet. It never exceeds the maxKeys passed to [New].
func (c *Counters) Len() int { return int(c.live.Load()) }

// Take counts one request for key and decides whether it is allowed, in one atomic
// step. A denied request is not counted.
//
// now is the time elapsed on a monotonic clock since a fixed moment, for example
// the result of [time.Since]. The moment must be the same for all calls.
// Concurrent calls need not arrive in the order in which they read the clock.
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

// Refund takes back one request that [Counters.Take] allowed for key, and reports
// whether it did. It does nothing if the key has no live window, or if the window
// counts no request.
//
// reset is the Reset field of the Decision of that Take, or zero. If it is not zero,
// Refund does nothing if that window has ended, even if the key has a newer one. If
// it is zero, Refund uses the key's current window. now is as for Take.
func (c *Counters) Refund(key string, reset, now time.Duration) bool {
	hash := maphash.String(c.seed, key)
	s := &c.shards[hash>>c.shift]

	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.find(hash)
	if w == nil { // a live key without its own window was counted here
		w = &s.overflow
	}
	if w.end <= s.advance(now) || reset != 0 && w.end != reset || w.used == 0 {
		return false
	}
	w.used--
	return true
}

// open returns a new window for hash, or the overflow window of the shard if there
// is no room. The previous window of hash, if any, must have expired.
func (c *Counters) open(s *shard, hash uint64, now time.Duration) *window {
	end := now + c.window
	if end < now {
		end = math.MaxInt64
	}
	s.abandon(hash)
	switch {
	case s.oldest.Load() <= int64(now):
		s.pop() // c.live stays the same: the new window replaces this one
	case c.reserve():
	case c.visit(s, now, neighborVisits) && c.reserve():
	default:
		if s.overflow.end <= now {
			s.overflow = window{end: end}
		}
		return &s.overflow
	}
	return s.push(window{hash: hash, end: end})
}

// reserve counts one more window and reports whether there is room for it.
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

// release subtracts n collected windows from c.live.
func (c *Counters) release(n int) {
	if n > 0 {
		c.live.Add(int64(-n))
	}
}

// visit collects expired windows in up to limit other shards and reports whether
// it found any. It stops at the first shard that had any. Without these visits, a
// shard without requests would keep its expired windows forever.
//
// s is the shard that the caller has locked. visit skips shards that are in use,
// so it never waits, and concurrent visits cannot deadlock.
func (c *Counters) visit(s *shard, now time.Duration, limit int) bool {
	for range min(limit, len(c.shards)) {
		s.neighbor++
		t := &c.shards[int(s.neighbor)&(len(c.shards)-1)]
		if t.oldest.Load() > int64(now) || !t.mu.TryLock() {
			continue
		}
		n := t.collect(t.advance(now), neighborSweep)
		t.mu.Unlock()
		if n > 0 {
			c.release(n)
			return true
		}
	}
	return false
}
