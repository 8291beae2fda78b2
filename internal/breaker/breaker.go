// Package breaker stops calling a remote service while it fails or hangs, so that callers
// do not wait for it.
//
// # Phases
//
//	closed ──(failures in a row, or a stall)──> open ──(pause is over)──> probing
//	  ^                                          ^                         │   │
//	  └────────────────(success)─────────────────┼─────────────────────────┘   │
//	                                             └──────────(failure)──────────┘
//
// A closed Breaker passes calls on. An open one rejects them during a pause. After the
// pause, one call is passed on as the probe, and the others are still rejected. If the probe
// succeeds, the Breaker closes. If it fails, the Breaker opens again, for twice as long. A
// probe that has not returned MinPause after its Timeout has failed too. Results of calls
// that began before the last change of phase are ignored.
//
// # Hanging calls
//
// At most Calls calls run at once. Further callers wait for their turn, so that bursts are
// not rejected. If the service hangs, however, callers would pile up until the first calls
// time out. The Breaker therefore opens as soon as callers find that all places are taken and
// that no call has succeeded for much longer than recent calls took.
//
// A service that works, but is slow, needs more places. Each call that waited for more than
// an eighth of Timeout and then succeeds adds one, up to MaxCalls. Added places are removed
// when fewer than Calls calls are running.
package breaker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/throttle"
)

// ErrOpen is returned by [Breaker.Do] if the function was not called.
var ErrOpen = errors.New("breaker is open")

// A Config configures a [Breaker]. All fields are required.
type Config struct {
	Calls    int           // maximum number of concurrent calls, unless callers wait for long
	MaxCalls int           // maximum number of concurrent calls if callers wait for long
	Timeout  time.Duration // of a call, including the time that it waits for its turn
	Failures int           // failures in a row that open the Breaker

	// MinPause and MaxPause bound the pause, during which an open Breaker rejects calls.
	// The actual pause is up to a fifth shorter or longer, at random, so that several
	// processes do not probe at the same moment. If the Breaker opens again within
	// MaxPause of closing, the pause continues to grow; otherwise, it starts at MinPause.
	MinPause, MaxPause time.Duration

	// Report is called for events that operators should know about, in the goroutine of
	// the call that caused them. It must be safe for concurrent use by multiple goroutines.
	//
	// Failed is reported at most once per Quiet, and so are Opened and StillOpen together.
	// Closed is reported if Opened, or a StillOpen since then, was.
	Report func(context.Context, Event)
	Quiet  time.Duration
}

// An EventKind is the kind of an [Event].
type EventKind uint8

const (
	// Failed means that a call failed, but calls are still passed on.
	Failed EventKind = iota
	// Opened means that calls are rejected from now on.
	Opened
	// StillOpen means that a probe failed.
	StillOpen
	// Closed means that a probe succeeded.
	Closed
)

// An Event is a failure or a change of phase.
type Event struct {
	Kind EventKind
	Err  error // nil if Closed
	// If Opened or StillOpen, Pause is the time until the next probe. If Closed, it is
	// the time since the Breaker opened.
	Pause time.Duration
}

// A phase is the state of a Breaker; see the package documentation.
type phase uint8

const (
	closed phase = iota
	open
	probing
)

// A Breaker passes on or rejects the calls of one service. It is safe for concurrent use
// by multiple goroutines.
type Breaker struct {
	Config
	gate *throttle.Gate

	mu       sync.Mutex
	phase    phase
	change   uint64    // number of changes of phase
	failures int       // in a row, while closed
	openedAt time.Time // when closed became open
	closedAt time.Time // when probing became closed
	probeAt  time.Time // end of the pause while open; latest end of the probe while probing
	pause    time.Duration

	progress  time.Time            // when a call last took a free place, or succeeded
	suspected time.Time            // when a stall was first seen; valid if after progress
	slowest   time.Duration        // duration of the slowest recent call that succeeded
	announced bool                 // the opening, or a failed probe since then, was reported
	reported  [StillOpen]time.Time // when, by kind; Opened includes StillOpen
}

// New returns a closed Breaker.
func New(config Config) *Breaker {
	return &Breaker{
		Config:  config,
		gate:    throttle.New(config.Calls, int(^uint(0)>>1), config.Timeout),
		slowest: config.Timeout, // until calls have shown that they are faster
	}
}

// Do calls the function and returns its error, or returns [ErrOpen] without calling it.
// An error or a panic of the function is a failure of the service.
//
// The function's context is done when Timeout has passed since Do was called. It has the
// values of ctx, but it is not done when ctx is: a client that disconnects is not a failure
// of the service.
func (b *Breaker) Do(ctx context.Context, call func(context.Context) error) error {
	pass, err := b.enter(ctx)
	if err != nil {
		return ErrOpen
	}
	callCtx, cancel := context.WithDeadline(context.WithoutCancel(ctx), pass.arrived.Add(b.Timeout))
	defer cancel()
	err = errPanic // unless call returns
	defer func() {
		b.gate.Leave()
		b.settle(ctx, pass, err)
	}()
	err = call(callCtx)
	return err
}

// errPanic is the error of a call that panicked.
var errPanic = errors.New("the call panicked")

// A pass is the permission for one call.
type pass struct {
	arrived, began time.Time // before and after the call waited for its turn
	change         uint64    // Breaker.change when the call arrived
}

// enter waits until a call may run. It returns an error if the call is rejected.
func (b *Breaker) enter(ctx context.Context) (pass, error) {
	p, err := b.admit(ctx, time.Now())
	if err != nil {
		return p, err
	}
	// The wait ends after Timeout, and not when ctx is done; see Do.
	if b.gate.Enter(context.Background(), nil) != throttle.Admitted {
		err := fmt.Errorf("%d calls are running and none has returned in time", b.gate.Counts().Running)
		b.settle(ctx, p, err)
		return p, err
	}
	if !b.current(p) {
		b.gate.Leave()
		return p, ErrOpen
	}
	p.began = time.Now()
	return p, nil
}

// admit decides whether a call may wait for its turn. It makes a call the probe if the
// pause is over, and opens the Breaker if the service, or the probe, has stalled.
func (b *Breaker) admit(ctx context.Context, now time.Time) (p pass, err error) {
	b.mu.Lock()
	p = pass{arrived: now, began: now, change: b.change}
	switch {
	case b.phase != closed && now.Before(b.probeAt):
		b.mu.Unlock()
		return p, ErrOpen
	case b.phase == open:
		b.to(probing)
		b.probeAt = now.Add(b.Timeout).Add(b.MinPause) // the sum of both could overflow
		p.change = b.change
	case b.phase == probing: // the probe ignores its context
		err = errors.New("a call has not returned although its context is done")
	case b.stalled(now):
		err = fmt.Errorf("%d calls are running and none has returned for %v", b.gate.Counts().Running, now.Sub(b.progress))
	}
	if err == nil {
		b.mu.Unlock()
		return p, nil
	}
	event, report := b.trip(now, err)
	b.mu.Unlock()
	b.gate.Expire()
	b.report(ctx, event, report)
	return p, ErrOpen
}

// stalled reports whether at least Calls calls are running and none has succeeded for too
// long. It returns true only if it has already seen this some time before: for example, if
// the process was not scheduled for a while, results may have arrived that no goroutine has
// read yet. The caller holds b.mu.
func (b *Breaker) stalled(now time.Time) bool {
	if b.gate.Shrink(b.Calls) {
		b.progress = now // this call takes the place
		return false
	}
	patience := min(max(4*b.slowest, b.Timeout/10), b.Timeout)
	if now.Sub(b.progress) <= patience {
		return false
	}
	if !b.suspected.After(b.progress) {
		b.suspected = now
		return false
	}
	return now.Sub(b.suspected) > patience/5
}

// current reports whether the phase is the same as when the call of p arrived.
func (b *Breaker) current(p pass) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return p.change == b.change
}

// settle records err, the result of the call of p.
func (b *Breaker) settle(ctx context.Context, p pass, err error) {
	now := time.Now()
	var event Event
	var report, opened bool
	b.mu.Lock()
	switch {
	case p.change != b.change: // the call began in an earlier phase
	case err == nil:
		event, report = b.succeed(now, p)
	case b.phase == closed && b.failures+1 < b.Failures:
		b.failures++
		event, report = Event{Kind: Failed, Err: err}, b.due(Failed, now)
	default:
		event, report = b.trip(now, err)
		opened = true
	}
	b.mu.Unlock()
	if opened { // nobody need wait any longer
		b.gate.Expire()
	}
	b.report(ctx, event, report)
}

// succeed records that a call succeeded. It closes the Breaker after a probe. The caller
// holds b.mu.
func (b *Breaker) succeed(now time.Time, p pass) (event Event, report bool) {
	b.failures = 0
	b.progress = now
	b.slowest = max(now.Sub(p.began), b.slowest-b.slowest/16)
	if p.began.Sub(p.arrived) > b.Timeout/8 {
		b.gate.Grow(b.MaxCalls)
	}
	if b.phase != probing {
		return Event{}, false
	}
	b.to(closed)
	b.closedAt = now
	return Event{Kind: Closed, Pause: now.Sub(b.openedAt)}, b.announced
}

// trip opens the Breaker because of an error. The caller holds b.mu, and must then call
// Expire on the gate.
func (b *Breaker) trip(now time.Time, err error) (event Event, report bool) {
	event = Event{Kind: StillOpen, Err: err}
	if b.phase == closed {
		event.Kind = Opened
		b.openedAt, b.announced = now, false
		if b.closedAt.IsZero() || now.Sub(b.closedAt) > b.MaxPause {
			b.pause = 0
		}
	}
	b.pause = min(max(2*b.pause, b.MinPause), b.MaxPause)
	event.Pause = b.pause*4/5 + rand.N(b.pause*2/5+1)
	b.probeAt = now.Add(event.Pause)
	b.failures = 0
	b.to(open)
	if report = b.due(Opened, now); report {
		b.announced = true
	}
	return event, report
}

// to changes the phase. The caller holds b.mu.
func (b *Breaker) to(p phase) {
	b.phase = p
	b.change++
}

// due reports whether an event of a kind may be reported now. If so, it records that the
// event is reported. The caller holds b.mu.
func (b *Breaker) due(kind EventKind, now time.Time) bool {
	if now.Sub(b.reported[kind]) < b.Quiet {
		return false
	}
	b.reported[kind] = now
	return true
}

// report calls Report if report is set. The caller does not hold b.mu.
func (b *Breaker) report(ctx context.Context, event Event, report bool) {
	if report {
		b.Report(ctx, event)
	}
}
