package feed

import "context"

// Beginning is the position of a follower that has received nothing yet and gets
// a snapshot or the kept events first. If a client returns with it, it begins
// again as a newcomer. It is never the id of an event.
const Beginning = "begin"

// A Step is the next part of a stream. Send its fields in their order.
type Step struct {
	Gap      bool     // events are missing before Position
	Position string   // of the follower; set at its beginning and after a gap
	Snapshot *Entry   // the state at the position that is its ID
	Events   []*Entry // valid until the next call of Next
}

// Empty reports whether there is nothing to send.
func (s Step) Empty() bool {
	return !s.Gap && s.Position == "" && s.Snapshot == nil && len(s.Events) == 0
}

// Start configures where the followers of a feed begin and continue.
type Start struct {
	History bool // newcomers get the events that are kept
	Latest  bool // followers that are behind skip to the newest event
}

// A Follower follows one feed. It is not safe for concurrent use.
type Follower struct {
	start     Start
	log       *Log
	snapshots *Snapshots // nil if the feed takes no snapshots
	copied    *copied    // nil if the feed has no store
	leave     func()     // releases log

	phase  followerPhase
	after  string    // the position asked for, while arriving
	wanted uint64    // the read of the store to wait for while arriving, or 0
	shot   *snapshot // joined while begun
	next   uint64    // number of the event that comes next, while following
	events []*Entry  // reused for Step.Events
	closed bool
}

// A followerPhase is the phase of a Follower. These are the transitions:
//
//	arriving   begun      the follower is a newcomer, and a snapshot comes next
//	arriving   following  its position is known, or there is no snapshot
//	begun      following  the snapshot was returned
//	following  begun      there is a gap, and a snapshot comes next
type followerPhase int

const (
	arriving followerPhase = iota
	begun
	following
)

// Follow returns a Follower of a log that has no store. It continues after the
// event with the id after. If after is empty, it begins as a newcomer. snapshots
// may be nil.
func (l *Log) Follow(after string, start Start, snapshots *Snapshots) *Follower {
	return &Follower{log: l, after: after, start: start, snapshots: snapshots}
}

// Next returns the next step without waiting. If the step is empty, changed is
// closed when there may be more. Next can be called at any time. Call it at each
// heartbeat too: a follower that waits for a slow snapshot then gets [ErrBehind]
// early.
//
// Next returns [ErrClosed] after the last event of a closed feed, and ErrBehind
// or the error of the user's function if there is no snapshot. After an error,
// there are no more steps.
func (f *Follower) Next() (step Step, changed <-chan struct{}, err error) {
	switch {
	case f.closed:
		return Step{}, nil, ErrClosed
	case f.phase == arriving:
		return f.arrive()
	case f.phase == begun:
		return f.begin()
	}
	return f.follow()
}

// Unread takes back the last n events of the step that Next has just returned. The
// caller must not have used them. They are returned again, if they are still kept.
func (f *Follower) Unread(n int) { f.next -= uint64(n) }

// Wait is like Next, but waits until there is something to return or ctx is
// done. Then the error is the cause.
func (f *Follower) Wait(ctx context.Context) (Step, error) {
	for {
		step, changed, err := f.Next()
		if err != nil || !step.Empty() {
			return step, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Step{}, context.Cause(ctx)
		}
	}
}

// Close releases the follower's resources. The caller must close every Follower.
// Calls after the first have no effect.
func (f *Follower) Close() {
	if f.closed {
		return
	}
	f.closed = true
	f.events = nil
	if f.shot != nil {
		f.snapshots.leave(f.shot)
		f.shot = nil
	}
	if f.leave != nil {
		f.leave()
	}
}

// arrive looks for the position that was asked for.
func (f *Follower) arrive() (Step, <-chan struct{}, error) {
	var changed <-chan struct{}
	ready := true
	if f.copied != nil {
		changed = f.copied.bell.wait()
		ready = f.copied.wasRead(f.wanted)
	}
	if f.log.Closed() {
		return Step{}, nil, ErrClosed
	}
	newcomer := f.after == "" || f.after == Beginning
	next, known := f.log.Find(f.after)
	if f.copied != nil && f.wanted == 0 && !known && !newcomer && ValidID(f.after) {
		// Another process may have published the event a moment ago.
		f.wanted, ready = f.copied.ask(), false
	}
	switch {
	case known:
		f.next, f.phase = next, following
		return Step{Position: f.after}, nil, nil
	case !ready:
		return Step{}, changed, nil
	case newcomer:
		return f.restart(false), nil, nil
	}
	return f.missed(), nil, nil
}

// missed continues if the position is unknown or no longer kept. With Latest, the
// newest event replaces all others, so there is no gap.
func (f *Follower) missed() Step {
	first, next, _ := f.log.bounds()
	if f.start.Latest && first < next && ValidID(f.after) {
		f.next, f.phase = next-1, following
		return Step{Position: f.after}
	}
	return f.restart(true)
}

// restart makes the follower begin as a newcomer. gap reports whether events are
// missing.
func (f *Follower) restart(gap bool) Step {
	if f.snapshots != nil {
		f.phase = begun
		return Step{Gap: gap, Position: Beginning}
	}
	first, next, position := f.log.bounds()
	if f.start.History && first < next {
		next, position = first, Beginning
	}
	if position == "" {
		position = Beginning
	}
	f.next, f.phase = next, following
	return Step{Gap: gap, Position: position}
}

// begin waits for the snapshot.
func (f *Follower) begin() (Step, <-chan struct{}, error) {
	if f.shot == nil {
		f.shot = f.snapshots.join()
	}
	entry, next, over, err := f.snapshots.result(f.shot)
	if !over {
		return Step{}, f.shot.done, nil
	}
	f.snapshots.leave(f.shot)
	f.shot = nil
	if first, _, _ := f.log.bounds(); err == nil && next < first {
		err = ErrBehind
	}
	if err != nil {
		f.Close()
		return Step{}, nil, err
	}
	f.next, f.phase = next, following
	return Step{Snapshot: entry}, nil, nil
}

// follow returns the events from number f.next on.
func (f *Follower) follow() (Step, <-chan struct{}, error) {
	changed := f.log.bell.wait()
	var events []*Entry
	var err error
	if f.start.Latest {
		events, err = f.log.ReadNewest(f.next, f.events[:0])
	} else {
		events, err = f.log.Read(f.next, f.events[:0])
	}
	switch {
	case err == ErrMissed:
		return f.restart(true), nil, nil
	case err != nil:
		return Step{}, nil, err
	case len(events) == 0:
		f.forgetEvents()
		return Step{}, changed, nil
	}
	f.events = events
	f.next = events[len(events)-1].sequence + 1
	return Step{Events: events}, nil, nil
}

// forgetEvents drops the references to earlier events, so that a waiting follower
// does not keep events in memory that the log has dropped.
func (f *Follower) forgetEvents() {
	clear(f.events[:cap(f.events)]) // an earlier batch may have been longer
	f.events = f.events[:0]
	if cap(f.events) > 8 {
		f.events = nil
	}
}
