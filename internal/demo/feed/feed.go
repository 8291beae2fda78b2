// Package feed keeps the latest entries of a log for many readers, which may read
// at different speeds and lose their connections. It is independent of HTTP.
//
// A reader remembers the ID of the last entry that it has seen, and gets the
// entries after it from [Log.After]. The log does not know its readers, so a slow
// reader does not delay others, and a reader that has left needs no cleanup.
package feed

import (
	"crypto/rand"
	"strconv"
	"strings"
	"sync"
)

// An Entry is one value of a [Log].
type Entry[T any] struct {
	// ID identifies the entry. It is unique, even across processes.
	ID    string
	Value T
}

// A Log keeps the latest entries. It is safe for concurrent use by multiple
// goroutines.
type Log[T any] struct {
	// epoch is the prefix of every ID. Each process has a different one, so that
	// IDs from before a restart are recognized.
	epoch string

	mu      sync.Mutex
	ring    []Entry[T]    // entry n is at (n-1) % len(ring)
	last    uint64        // the number of the newest entry, or 0
	changed chan struct{} // closed when an entry is appended
}

// New returns an empty log that keeps the latest keep entries.
func New[T any](keep int) *Log[T] {
	return &Log[T]{
		epoch:   rand.Text()[:10] + "-",
		ring:    make([]Entry[T], keep),
		changed: make(chan struct{}),
	}
}

// Append adds an entry, and closes the channels that After has returned.
func (l *Log[T]) Append(value T) Entry[T] {
	l.mu.Lock()
	defer l.mu.Unlock()
	entry := Entry[T]{l.id(l.last + 1), value}
	l.ring[l.last%uint64(len(l.ring))] = entry
	l.last++
	close(l.changed)
	l.changed = make(chan struct{})
	return entry
}

// After returns the entries after the one with the given ID, oldest first, and a
// channel that is closed when the next one is appended. ok is false if After
// cannot return all of them because the ID is too old, from another process, or
// invalid.
func (l *Log[T]) After(id string) (entries []Entry[T], changed <-chan struct{}, ok bool) {
	digits, ours := strings.CutPrefix(id, l.epoch)
	seen, err := strconv.ParseUint(digits, 10, 64)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !ours || err != nil || seen < l.dropped() || seen > l.last {
		return nil, nil, false
	}
	for n := seen; n < l.last; n++ {
		entries = append(entries, l.ring[n%uint64(len(l.ring))])
	}
	return entries, l.changed, true
}

// Newest returns the ID of the newest entry. After returns no entries for it.
func (l *Log[T]) Newest() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id(l.last)
}

// Oldest returns an ID for which After returns all entries that are kept.
func (l *Log[T]) Oldest() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id(l.dropped())
}

// dropped returns the number of entries that are no longer kept.
func (l *Log[T]) dropped() uint64 { return l.last - min(l.last, uint64(len(l.ring))) }

// id returns the ID of entry n.
func (l *Log[T]) id(n uint64) string { return l.epoch + strconv.FormatUint(n, 10) }
