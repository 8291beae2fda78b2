package feed

// These declarations give the tests access to internals.

const (
	EntrySize = entrySize
	MaxBatch  = maxBatch
)

// ErrSlow is the error for a snapshot that was given up.
var ErrSlow = errSlow

// Memory returns the size that a log counts for an event before it is encoded.
func (e Event) Memory() int64 { return e.memory() }

// Bytes returns the size that the log counts in total, and the sum of the sizes
// of the events that it keeps.
func (l *Log) Bytes() (total, sum int64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for n := l.ring.first.Load(); n < l.ring.next.Load(); n++ {
		sum += l.ring.at(n).size
	}
	return l.bytes, sum
}

// A Bell is a bell.
type Bell struct{ bell }

// Wait is bell.wait.
func (b *Bell) Wait() <-chan struct{} { return b.wait() }

// Ring is bell.ring.
func (b *Bell) Ring() { b.ring() }

// Waking reports whether the goroutine runs that wakes others.
func (b *Bell) Waking() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waking
}

// Newest returns the position of the log.
func (l *Log) Newest() string {
	_, _, position := l.bounds()
	return position
}

// Abandoned returns how many calls of the store have been given up and have not
// returned.
func (r *Registry) Abandoned() int64 {
	return r.tail.appends.abandoned.Load() + r.tail.reads.abandoned.Load() + r.tail.watches.abandoned.Load()
}

// Lock holds the log's lock until release is called.
func (l *Log) Lock() (release func()) {
	l.mu.Lock()
	return l.mu.Unlock
}
