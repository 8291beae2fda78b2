package main

import (
	"encoding/binary"
	"hash/fnv"
	"sync"
)

// A history is what a client has received, in order. Two clients that have received the
// same things in the same order have equal totals. Its methods are safe for concurrent
// use by multiple goroutines.
type history struct {
	mu    sync.Mutex
	total total
	times map[string]int // how often each thing was received; nil if that is not kept
}

// A total is the length of a history and a digest of it.
type total struct {
	count  int64
	digest uint64
}

// add appends a thing to the history. It reports false if the history has the thing
// already and keeps how often it was received.
func (h *history) add(thing string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	digest := fnv.New64a()
	_, _ = digest.Write(binary.AppendUvarint(nil, h.total.digest)) // never fails
	_, _ = digest.Write([]byte(thing))                             // never fails
	h.total = total{h.total.count + 1, digest.Sum64()}
	if h.times == nil {
		return true
	}
	h.times[thing]++
	return h.times[thing] == 1
}

// now returns the total so far.
func (h *history) now() total {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.total
}

// timesOf returns how often a thing was received. The history must keep that.
func (h *history) timesOf(thing string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.times[thing]
}
