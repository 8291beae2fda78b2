package feed

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// ErrBehind is returned by [Follower.Next] if the feed dropped events that follow
// the snapshot before the snapshot was ready. Trying again may succeed.
var ErrBehind = errors.New("http: feed: taking the snapshot took longer than the feed keeps events")

// errSlow is the error if the user's function does not return in time.
var errSlow = fmt.Errorf("http: feed: Snapshot did not return within %v", maxSnapshotTime)

// errStuckSnapshots is the error if no more calls of the user's function may begin.
var errStuckSnapshots = fmt.Errorf("http: feed: %d calls of Snapshot have not returned", maxStuckSnapshots)

// errNoSnapshot is the error if the user's function called runtime.Goexit.
var errNoSnapshot = errors.New("http: feed: Snapshot did not return")

// A PanicError is the error of a function that panicked.
type PanicError struct {
	Function string
	Value    any
	Stack    []byte
}

// Error returns the name of the function and the value of the panic.
func (e *PanicError) Error() string {
	return fmt.Sprintf("http: feed: %s panicked: %v", e.Function, e.Value)
}

// maxSnapshotAge is how long a snapshot serves newcomers.
const maxSnapshotAge = time.Second

// maxSnapshotTime is how long a call of the user's function may take.
const maxSnapshotTime = time.Minute

// maxStuckSnapshots is the largest number of calls that have been given up but have
// not returned.
const maxStuckSnapshots = 10

// Snapshots takes snapshots of the state that a log's events change. At most
// one call of the user's function runs at a time. It serves all newcomers that
// wait, and its result serves later ones while it is recent. A call that takes
// longer than a minute is given up, and another call may begin, unless 10 such calls have not returned. Snapshots is safe
// for concurrent use by multiple goroutines.
type Snapshots struct {
	log       *Log
	maxBehind uint64 // number of events after a snapshot that is still recent
	take      func(ctx context.Context) (Event, error)

	mu      sync.Mutex
	last    *snapshot // the last one that succeeded, until it is too old
	expiry  *time.Timer
	running *snapshot // its call has not returned, although it may be over
	queued  *snapshot // begins when the call of running returns or is given up
	stuck   int       // number of calls that were given up and have not returned
	closed  bool
}

// A snapshot is one call of the user's function. The position is taken before
// the call, so the state contains at least the events before the position.
//
//	queued   running  the call begins
//	running  over     the call returns; or it takes too long, its position is
//	                  dropped, its last newcomer leaves, or the feed is closed
//	queued   over     the feed is closed, or too many calls are stuck
type snapshot struct {
	// Set when the call begins.
	next   uint64 // number of the event after the position
	began  time.Time
	cancel context.CancelFunc
	limit  *time.Timer // calls giveUp

	waiting int           // number of newcomers
	over    bool          // entry or err is set, and done is closed
	done    chan struct{} // closed when over becomes true
	entry   *Entry
	err     error
}

// NewSnapshots returns a Snapshots that calls take. The context passed to take is
// canceled when nobody waits for the snapshot any more.
//
// A snapshot serves newcomers for one second, unless the log has since got more
// than half as many events as it keeps.
func NewSnapshots(log *Log, take func(ctx context.Context) (Event, error)) *Snapshots {
	return &Snapshots{log: log, maxBehind: uint64(log.limits.Events / 2), take: take}
}

// join returns a snapshot that is recent, or running, or begins as soon as
// possible. The caller must call leave.
func (s *Snapshots) join() *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	shot := s.find()
	shot.waiting++
	return shot
}

// find returns the snapshot for a newcomer. The caller holds mu.
func (s *Snapshots) find() *snapshot {
	if s.isRecent(s.last) {
		return s.last
	}
	if s.running != nil {
		s.dropIfBehind(s.running)
		if !s.running.over {
			return s.running
		}
	}
	if s.queued != nil {
		return s.queued
	}
	shot := &snapshot{done: make(chan struct{})}
	switch {
	case s.closed:
		s.finish(shot, nil, ErrClosed)
	case s.running != nil:
		s.queued = shot
	default:
		s.begin(shot)
	}
	return shot
}

// isRecent reports whether a snapshot can serve newcomers.
func (s *Snapshots) isRecent(shot *snapshot) bool {
	if shot == nil || time.Since(shot.began) >= maxSnapshotAge {
		return false
	}
	first, next, _ := s.log.bounds()
	return shot.next >= first && next-shot.next <= s.maxBehind
}

// dropIfBehind ends a snapshot whose newcomers would miss events.
func (s *Snapshots) dropIfBehind(shot *snapshot) {
	if first, _, _ := s.log.bounds(); shot.cancel != nil && shot.next < first {
		s.finish(shot, nil, ErrBehind)
	}
}

// begin calls the user's function in a goroutine. The caller holds mu.
func (s *Snapshots) begin(shot *snapshot) {
	if s.stuck >= maxStuckSnapshots {
		s.finish(shot, nil, errStuckSnapshots)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	_, next, position := s.log.bounds()
	if position == "" {
		position = Beginning
	}
	shot.next, shot.began, shot.cancel = next, time.Now(), cancel
	shot.limit = time.AfterFunc(maxSnapshotTime, func() { s.giveUp(shot) })
	s.running = shot
	go func() {
		var event Event
		err := errNoSnapshot
		defer func() { s.returned(shot, position, event, err) }()
		defer recovered("Snapshot", &err)
		event, err = s.take(ctx)
	}()
}

// recovered must be deferred. If the deferring function panics, recovered sets *err
// to a [PanicError].
func recovered(function string, err *error) {
	if v := recover(); v != nil {
		*err = &PanicError{Function: function, Value: v, Stack: debug.Stack()}
	}
}

// returned runs when the call of the user's function has ended.
func (s *Snapshots) returned(shot *snapshot, position string, event Event, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		err = event.Check()
	}
	event.ID = position
	if err == nil && !shot.over {
		s.keep(shot)
	}
	s.finish(shot, &Entry{Event: event}, err)
	if s.running != shot { // it was given up
		s.stuck--
		return
	}
	shot.limit.Stop()
	s.beginQueued()
}

// giveUp runs when the call of the user's function takes too long.
func (s *Snapshots) giveUp(shot *snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != shot {
		return
	}
	s.stuck++
	s.finish(shot, nil, errSlow)
	s.beginQueued()
}

// beginQueued begins the next call after that of running. The caller holds mu.
func (s *Snapshots) beginQueued() {
	s.running = nil
	if next := s.queued; next != nil {
		s.queued = nil
		s.begin(next)
	}
}

// keep remembers a snapshot as long as it is recent. The caller holds mu.
func (s *Snapshots) keep(shot *snapshot) {
	if s.expiry != nil {
		s.expiry.Stop()
	}
	s.last = shot
	s.expiry = time.AfterFunc(maxSnapshotAge-time.Since(shot.began), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.last == shot {
			s.last, s.expiry = nil, nil
		}
	})
}

// finish sets the result of a snapshot, unless it has one. The caller holds mu.
func (s *Snapshots) finish(shot *snapshot, entry *Entry, err error) {
	if shot.cancel != nil {
		shot.cancel()
	}
	if shot.over {
		return
	}
	shot.over, shot.entry, shot.err = true, entry, err
	close(shot.done)
}

// result reports whether a snapshot is over. If it is, entry or err is set, and
// next is the number of the event that follows the snapshot.
func (s *Snapshots) result(shot *snapshot) (entry *Entry, next uint64, over bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropIfBehind(shot)
	return shot.entry, shot.next, shot.over, shot.err
}

// leave must be called once for each call of join. When nobody waits for a
// snapshot, its context is canceled.
func (s *Snapshots) leave(shot *snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if shot.waiting--; shot.waiting > 0 || shot.over {
		return
	}
	if s.queued == shot {
		s.queued = nil
		return
	}
	s.finish(shot, nil, context.Canceled)
}

// close ends the wait of all newcomers.
func (s *Snapshots) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, shot := range []*snapshot{s.running, s.queued} {
		if shot != nil {
			s.finish(shot, nil, ErrClosed)
		}
	}
	s.last, s.queued = nil, nil
	if s.expiry != nil {
		s.expiry.Stop()
	}
}
