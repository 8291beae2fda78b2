// Package feed contains feeds: logs of events in one order, which any number of
// followers read, each at its own pace.
//
// # The log
//
// A [Log] numbers its events and keeps the newest of them in a ring:
//
//	         first             next
//	           |                 |
//	 1  2  3   4   5   6   7   8
//	dropped    kept
//
// A follower holds the number of the event that it needs next, and pulls. The
// log does not know its followers. If that number is smaller than first, the
// follower has missed events, and [Log.Read] returns [ErrMissed]. Publishing
// rings a bell, which takes constant time.
//
// # Positions
//
// Outside the process, a position is the id of the event before it. Ids contain
// a random tag, so an id from another log, or from the same feed in an earlier
// process, is treated as unknown and cannot match an event of this log.
//
// # Parts
//
// A [Follower] turns a log into the steps that a client gets: its position, a
// gap, a snapshot, events. [Snapshots] share calls of the user's function. A
// [Registry] holds the logs of feeds by key and forgets those that are not
// needed. With a [Store] the events come from there, and one pair of goroutines
// copies them into the logs.
package feed

import (
	"crypto/rand"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// ErrClosed is the error for a feed that has been closed.
var ErrClosed = errors.New("http: feed closed")

// ErrMissed is returned by [Log.Read] if events have been dropped before they
// were read.
var ErrMissed = errors.New("http: feed: events were dropped")

// Limits bound what a [Log] keeps. All must be positive.
type Limits struct {
	Events int
	Bytes  int64
	Age    time.Duration
}

// A Log contains the events of one feed. It is safe for concurrent use by
// multiple goroutines.
type Log struct {
	limits  Limits
	tag     string
	emptied func() // called after the last event was dropped for its age; may be nil
	bell    bell

	ring   ring        // the events that are kept, by number; mu guards changes
	closed atomic.Bool // mu guards changes

	mu        sync.RWMutex
	bytes     int64             // size of the events that are kept
	sequences map[string]uint64 // numbers of the events that are kept, by id
	keys      map[string]*Entry // events that are kept and have a key
	start     string            // id of the event before first, or "" if it is unknown
	expiry    *time.Timer       // drops the oldest event; nil if no event is kept
}

// New returns an empty Log for events that get their ids from [Log.Append].
func New(limits Limits) *Log {
	l := &Log{limits: limits, tag: rand.Text()[:16]}
	l.ring.skip() // number 0 is the position of the empty log
	l.start = l.id(0)
	return l
}

// id returns the id of an event that Append adds, from its number.
func (l *Log) id(sequence uint64) string {
	var buf [32]byte
	b := strconv.AppendUint(buf[:0], sequence, 36)
	b = append(b, '.')
	return string(append(b, l.tag...))
}

// Append adds an event and returns its new id. If the log still keeps an event
// with the same Key, Append adds nothing and returns the id of that event.
func (l *Log) Append(e Event) (id string, err error) {
	id, added, err := l.append(e)
	if added {
		l.bell.ring()
	}
	return id, err
}

func (l *Log) append(e Event) (id string, added bool, err error) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed.Load() {
		return "", false, ErrClosed
	}
	l.expire(now)
	if e.Key != "" {
		if known := l.keys[e.Key]; known != nil {
			return known.ID, false, nil
		}
	}
	e.ID = l.id(l.ring.next.Load())
	l.add(e, now)
	return e.ID, true, nil
}

// Extend adds events after the newest one, under the ids that a store gave them.
func (l *Log) Extend(events []Event) {
	l.fill(events, nil)
}

// Reset replaces all events by others, as a store returned them. All followers
// have missed events. position is the one before the events, or "" if it is
// unknown.
func (l *Log) Reset(events []Event, position string) {
	l.fill(events, func() {
		for l.ring.len() > 0 {
			l.drop()
		}
		l.ring.skip() // a follower that has read everything has missed events too
		l.start = position
	})
}

func (l *Log) fill(events []Event, prepare func()) {
	now := time.Now()
	l.mu.Lock()
	defer l.bell.ring() // after Unlock
	defer l.mu.Unlock()
	if l.closed.Load() {
		return
	}
	if prepare != nil {
		prepare()
	}
	for _, e := range events {
		l.add(e, now)
	}
}

// add adds an event that has an id. The caller holds mu.
func (l *Log) add(e Event, now time.Time) {
	entry := &Entry{Event: e, log: l, sequence: l.ring.next.Load(), added: now, size: e.memory()}
	l.ring.add(entry)
	l.bytes += entry.size
	if l.sequences == nil {
		l.sequences = make(map[string]uint64)
	}
	l.sequences[e.ID] = entry.sequence
	if e.Key != "" {
		if l.keys == nil {
			l.keys = make(map[string]*Entry)
		}
		l.keys[e.Key] = entry
	}
	l.trim()
	l.schedule(now)
}

// trim drops events beyond the limits of number and size. It keeps the newest,
// so that followers get an event even if it exceeds the limit by itself.
func (l *Log) trim() {
	for n := l.ring.len(); n > 1 && (n > uint64(l.limits.Events) || l.bytes > l.limits.Bytes); n = l.ring.len() {
		l.drop()
	}
}

// expire drops events that are too old.
func (l *Log) expire(now time.Time) {
	for e := l.ring.oldest(); e != nil && now.Sub(e.added) >= l.limits.Age; e = l.ring.oldest() {
		l.drop()
	}
}

// drop drops the oldest event. Its id remains known as a position: no event
// after it is missing.
func (l *Log) drop() {
	entry := l.ring.drop()
	l.start = entry.ID
	l.bytes -= entry.size
	delete(l.sequences, entry.ID)
	if entry.Key != "" && l.keys[entry.Key] == entry {
		delete(l.keys, entry.Key)
	}
	if l.ring.len() == 0 { // give the memory back
		l.sequences, l.keys = nil, nil
	}
}

// schedule sets the timer for the oldest event, unless it is set. It may be set
// for an event that was dropped since, and then fires early.
func (l *Log) schedule(now time.Time) {
	oldest := l.ring.oldest()
	if l.expiry != nil || l.closed.Load() || oldest == nil {
		return
	}
	age := now.Sub(oldest.added)
	l.expiry = time.AfterFunc(l.limits.Age-age, l.expired)
}

// expired runs when the timer fires.
func (l *Log) expired() {
	now := time.Now()
	l.mu.Lock()
	l.expire(now)
	l.expiry = nil
	l.schedule(now)
	empty := l.ring.len() == 0
	l.mu.Unlock()
	if empty && l.emptied != nil {
		l.emptied()
	}
}

// grow counts n more bytes for an event, if it is still kept.
func (l *Log) grow(e *Entry, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.sequence < l.ring.first.Load() {
		return
	}
	e.size += n
	l.bytes += n
	l.trim()
}

// Find returns the number of the event after the one that id names. It returns
// false if events after that one have been dropped, or if the id is unknown.
func (l *Log) Find(id string) (next uint64, ok bool) {
	if !ValidID(id) {
		return 0, false
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if s, ok := l.sequences[id]; ok {
		return s + 1, true
	}
	return l.ring.first.Load(), id == l.start
}

// bounds returns the numbers of the oldest event and of the next one, and the
// id of the event before the next one, which is "" if it is unknown.
func (l *Log) bounds() (first, next uint64, position string) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	position = l.start
	if newest := l.ring.newest(); newest != nil {
		position = newest.ID
	}
	return l.ring.first.Load(), l.ring.next.Load(), position
}

// maxBatch bounds the text of the events that Read returns at once, in bytes.
const maxBatch = 64 << 10

// Read appends to dst the events from number next on: at most 64 KiB of them, but
// at least one if there is one. It returns [ErrMissed] if events from next on
// have been dropped, and [ErrClosed] if there are no events from next on and the
// log is closed. It does not wait for other methods.
func (l *Log) Read(next uint64, dst []*Entry) ([]*Entry, error) {
	closed := l.closed.Load() // before end, because nothing is added after Close
	began, end := len(dst), l.ring.next.Load()
	for number, size := next, 0; number < end; number++ {
		entry := l.ring.at(number)
		if entry == nil { // dropped
			break
		}
		if size += MaxID + len(entry.Name) + len(entry.Data); size > maxBatch && len(dst) > began {
			break
		}
		dst = append(dst, entry)
	}
	if len(dst) > began {
		return dst, nil
	}
	return dst, l.ended(next, end, closed)
}

// ended returns the error of a Read that has found no event from number next on.
func (l *Log) ended(next, end uint64, closed bool) error {
	switch {
	case next < l.ring.first.Load():
		return ErrMissed
	case next >= end && closed:
		return ErrClosed
	}
	return nil
}

// ReadNewest is like Read, but skips all events except the newest. It returns
// ErrMissed only if events from next on have been dropped and the log is empty.
func (l *Log) ReadNewest(next uint64, dst []*Entry) ([]*Entry, error) {
	for {
		closed, end := l.closed.Load(), l.ring.next.Load()
		if next < end {
			if entry := l.ring.at(end - 1); entry != nil {
				return append(dst, entry), nil
			}
		}
		if end == l.ring.next.Load() {
			return dst, l.ended(next, end, closed)
		}
	}
}

// Close wakes all followers, which get the events that are left and then
// [ErrClosed]. No events can be added after Close.
func (l *Log) Close() {
	l.mu.Lock()
	l.closed.Store(true)
	if l.expiry != nil {
		l.expiry.Stop()
		l.expiry = nil
	}
	l.mu.Unlock()
	l.bell.ring()
}

// Closed reports whether Close was called.
func (l *Log) Closed() bool { return l.closed.Load() }

// Empty reports whether no event is kept.
func (l *Log) Empty() bool { return l.ring.len() == 0 }
