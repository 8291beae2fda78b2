// Package feed keeps the latest entries of something that many readers follow,
// each at its own pace and across lost connections. It knows nothing of HTTP.
//
// A reader remembers one thing, the id of the last entry it has seen, and asks
// for what came [Log.After] that. The log knows no readers, so one that stalls
// costs nothing and holds nobody up, and one that left needs no clearing away.
package feed

import (
	"crypto/rand"
	"strconv"
	"strings"
	"sync"
)

// An Entry is one value of a [Log].
type Entry[T any] struct {
	// ID names the entry: no other entry has it, of this process or another.
	ID    string
	Value T
}

// A Log numbers entries and keeps the latest of them. Its methods may be called
// from any goroutine.
type Log[T any] struct {
	// epoch begins every id. It differs from process to process, so that an id
	// from before a restart is not taken for an entry of today.
	epoch string

	mu      sync.Mutex
	ring    []Entry[T] // entry n is at (n-1) % len(ring)
	last    uint64     // the number of the newest entry, 0 before the first
	changed chan struct{}
}

// New returns an empty log that keeps the latest entries, so many as keep says.
func New[T any](keep int) *Log[T] {
	return &Log[T]{
		epoch:   rand.Text()[:10] + "-",
		ring:    make([]Entry[T], keep),
		changed: make(chan struct{}),
	}
}

// Append adds an entry and wakes everyone who waits for one.
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

// After returns the entries after the one with that id, oldest first, and a
// channel that is closed when there is another. It returns false if some of
// them may be gone: the id is too old, of another process, or no id at all.
func (l *Log[T]) After(id string) (entries []Entry[T], changed <-chan struct{}, ok bool) {
	digits, ours := strings.CutPrefix(id, l.epoch)
	seen, err := strconv.ParseUint(digits, 10, 64)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !ours || err != nil || seen < l.gone() || seen > l.last {
		return nil, nil, false
	}
	for n := seen; n < l.last; n++ {
		entries = append(entries, l.ring[n%uint64(len(l.ring))])
	}
	return entries, l.changed, true
}

// Newest returns the id after which nothing has been appended yet.
func (l *Log[T]) Newest() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id(l.last)
}

// Oldest returns the id after which come all the entries that are kept.
func (l *Log[T]) Oldest() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id(l.gone())
}

// gone returns how many entries are no longer kept.
func (l *Log[T]) gone() uint64 { return l.last - min(l.last, uint64(len(l.ring))) }

// id returns the id of the entry with that number.
func (l *Log[T]) id(n uint64) string { return l.epoch + strconv.FormatUint(n, 10) }
