package response

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A Timeout limits the time of a handler. The handler gets a copy of the request whose context
// is the Timeout. When the deadline has passed, the context is done, and the Writer accepts
// nothing more from the handler.
//
// The methods of [context.Context] are safe for concurrent use by multiple goroutines. The
// handler may keep the context, so a Timeout is never reused for another request.
//
// Deriving a context from a Timeout starts no goroutine, even with other contexts in between:
// package context takes the Timeout for a context of its own; see deadlineSignal.
type Timeout struct {
	request  http.Request // the copy
	original *http.Request
	parent   context.Context // of original
	outer    *Timeout        // of the same Writer, or nil
	fields   *rare           // of the Writer
	spare    rare            // used as fields if the Writer has none yet
	deadline time.Time
	ended    bool // End was called

	phase  atomic.Int32
	whole  atomic.Bool                    // a stage inside has the complete response, which is sent even if late
	signal atomic.Pointer[deadlineSignal] // nil until Done is called

	mu  sync.Mutex // guards the creation of signal, and err
	err error      // what Err has returned, or nil
}

// A timeoutPhase is the state of a Timeout.
//
//	running ─┬─► expired
//	         ├─► lifted
//	         └─► returned
//
//	from     to        when
//	running  expired   the deadline has passed
//	running  lifted    the handler starts an event stream or takes over the connection
//	running  returned  the handler has returned or panicked in time
//
// Nothing changes the phase at the time of the deadline: the first call that needs to know
// compares the deadline with the clock.
type timeoutPhase int32

const (
	running  timeoutPhase = iota // the deadline applies
	expired                      // the response is refused
	lifted                       // the deadline no longer applies
	returned                     // the deadline no longer applies
)

// NewTimeout limits the time of the handler that is called next with the Turn's Writer. The
// caller must pass on the request that [Timeout.Request] returns, and must call
// [Timeout.End] when the handler has returned or panicked.
func (t *Turn) NewTimeout(deadline time.Time) *Timeout {
	to := &Timeout{original: t.Request, parent: t.Request.Context(), deadline: deadline}
	to.request = *t.Request.WithContext(to)
	w := t.Writer
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rare.Load() == nil {
		w.rare.Store(&to.spare)
	}
	to.fields = w.rare.Load()
	to.outer = to.fields.timeout.Swap(to)
	return to
}

// Request returns the request to pass on.
func (t *Timeout) Request() *http.Request { return &t.request }

// End must be called when the handler has returned or panicked, by the goroutine that called
// [Turn.NewTimeout]. It cancels the context, makes the Writer accept calls again, and reports
// whether the response is late: the deadline has passed, and no stage inside had the complete
// response by then. It may be called more than once.
func (t *Timeout) End() (late bool) {
	late = t.Passed() && !t.whole.Load()
	if t.ended {
		return late
	}
	t.ended = true
	t.phase.CompareAndSwap(int32(running), int32(returned))
	t.fields.timeout.Store(t.outer) // without the Writer's mu, which is held during writes to the network
	// As for a State, outer handlers read these fields of their own request.
	if form := t.request.MultipartForm; form != nil {
		t.original.MultipartForm = form
	}
	if pattern := t.request.Pattern; pattern != "" {
		t.original.Pattern = pattern
	}
	t.cancel()
	return late
}

// Passed reports whether the deadline has passed while it applied.
func (t *Timeout) Passed() bool {
	if timeoutPhase(t.phase.Load()) == running && !time.Now().Before(t.deadline) {
		t.phase.CompareAndSwap(int32(running), int32(expired))
	}
	return timeoutPhase(t.phase.Load()) == expired
}

// Lifted reports whether the handler has started an event stream or has taken over the
// connection before the deadline.
func (t *Timeout) Lifted() bool { return timeoutPhase(t.phase.Load()) == lifted }

// lift ends the effect of the deadline, unless it has passed.
func (t *Timeout) lift() {
	if !t.Passed() && t.phase.CompareAndSwap(int32(running), int32(lifted)) {
		t.stopTimer()
	}
}

// TimedOut reports whether the handler's deadline has passed, so that the Writer accepts
// nothing from it.
func (w *Writer) TimedOut() bool {
	if w.timeout().anyPassed() {
		return true
	}
	if w.holding == nil {
		return false // the Writers around this one get every write, and refuse it
	}
	for outer := range w.outer {
		if outer.timeout().anyPassed() {
			return true
		}
	}
	return false
}

// timeout returns the innermost Timeout of w that is running, or nil.
func (w *Writer) timeout() *Timeout {
	if fields := w.rare.Load(); fields != nil {
		return fields.timeout.Load()
	}
	return nil
}

// anyPassed reports whether the deadline of t, which may be nil, or of an outer one has
// passed. It ignores those that do not apply to a complete response.
func (t *Timeout) anyPassed() bool {
	for ; t != nil; t = t.outer {
		if t.Passed() && !t.whole.Load() {
			return true
		}
	}
	return false
}

// sendInSpiteOfTimeouts makes the Writers around w accept the complete response that w
// holds or encodes, although their deadlines may have passed. The handler has written all of it
// in time, because w accepts nothing late.
func (w *Writer) sendInSpiteOfTimeouts() {
	for outer := range w.outer {
		for t := outer.timeout(); t != nil; t = t.outer {
			t.whole.Store(true)
		}
	}
}

// LiftTimeouts ends the effect of all deadlines of the handler that have not passed. It must
// be called when the handler starts something that may continue for any length of time. If w
// is nil, it does nothing.
func (w *Writer) LiftTimeouts() {
	if w != nil {
		w.mu.Lock()
		w.liftOwn()
		w.mu.Unlock()
		w.liftOuter()
	}
}

// liftOwn lifts the Timeouts of w. The caller holds mu.
func (w *Writer) liftOwn() {
	if w.timeout() == nil {
		return
	}
	for t := w.timeout(); t != nil; t = t.outer {
		t.lift()
	}
	// The read deadline was for the request's body. On HTTP/1, it would also end the
	// request's context, because the server keeps reading after the body.
	_ = w.SetServerReadDeadline(time.Time{}) // not supported, or hijacked
}

// liftOuter lifts the Timeouts of the Writers around w.
func (w *Writer) liftOuter() {
	for outer := range w.outer {
		outer.mu.Lock()
		outer.liftOwn()
		outer.mu.Unlock()
	}
}

// Deadline implements [context.Context].
func (t *Timeout) Deadline() (time.Time, bool) {
	deadline, ok := t.parent.Deadline()
	if t.Lifted() || ok && deadline.Before(t.deadline) {
		return deadline, ok
	}
	return t.deadline, true
}

// Value implements [context.Context].
func (t *Timeout) Value(key any) any {
	if s := t.signal.Load(); s != nil {
		return s.derived.Value(key) // among others, the key by which package context finds its own
	}
	return t.parent.Value(key)
}

// Err implements [context.Context]. The error is [context.DeadlineExceeded] after the
// deadline.
func (t *Timeout) Err() error {
	if s := t.signal.Load(); s != nil {
		return s.derived.Err()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.errLocked()
}

// errLocked returns the context's error while there is no signal. The caller holds mu.
func (t *Timeout) errLocked() error {
	switch {
	case t.err != nil:
	case t.Passed():
		t.err = context.DeadlineExceeded
	default:
		t.err = t.parent.Err()
	}
	return t.err
}

// Done implements [context.Context].
func (t *Timeout) Done() <-chan struct{} {
	if s := t.signal.Load(); s != nil {
		return s.derived.Done()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.signal.Load(); s != nil {
		return s.derived.Done()
	}
	s := newDeadlineSignal(t.parent)
	if err := t.errLocked(); err != nil {
		s.send(err)
	} else {
		end := t.end
		if t.parent.Done() != nil {
			s.stopParent = context.AfterFunc(t.parent, end)
		}
		if timeoutPhase(t.phase.Load()) == running {
			s.timer = time.AfterFunc(time.Until(t.deadline), end)
		}
	}
	t.signal.Store(s)
	return s.derived.Done()
}

// end ends the context because the deadline has passed or the parent is done.
func (t *Timeout) end() {
	t.mu.Lock() // until Done has stored the signal
	err := t.errLocked()
	s := t.signal.Load()
	t.mu.Unlock()
	if err != nil {
		s.send(err)
	}
}

// stopTimer stops the timer of the deadline, if there is one.
func (t *Timeout) stopTimer() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.signal.Load(); s != nil && s.timer != nil {
		s.timer.Stop()
	}
}

// cancel ends the context because the handler has returned.
func (t *Timeout) cancel() {
	t.stopTimer()
	t.mu.Lock()
	s := t.signal.Load()
	if s == nil && t.errLocked() == nil {
		t.err = context.Canceled
	}
	t.mu.Unlock()
	if s == nil {
		return
	}
	if s.stopParent != nil {
		s.stopParent()
	}
	s.cancel()
}

// A deadlineSignal makes a context done with any error, at any time. A context of package
// context can be canceled only with [context.Canceled], and its deadline cannot be changed.
// But its parent may have another type. If that type has an AfterFunc method, package context
// calls it to learn when the parent is done, and starts no goroutine.
//
// A deadlineSignal is such a parent. The Timeout uses the Done channel, error and values of
// derived, a child from package context. Contexts that handlers derive from the Timeout are
// therefore done at the same moment.
type deadlineSignal struct {
	context.Context // of the request; for the values

	derived    context.Context
	cancel     context.CancelFunc // of derived
	timer      *time.Timer        // or nil
	stopParent func() bool        // or nil

	done chan struct{}

	mu   sync.Mutex // guards the fields below
	err  error
	tell func() // ends derived
}

func newDeadlineSignal(parent context.Context) *deadlineSignal {
	s := &deadlineSignal{Context: parent, done: make(chan struct{})}
	s.derived, s.cancel = context.WithCancel(s)
	return s
}

// send makes the context done.
func (s *deadlineSignal) send(err error) {
	s.mu.Lock()
	tell := s.tell
	if s.err == nil {
		s.err = err
		close(s.done)
	}
	s.tell = nil
	s.mu.Unlock()
	if tell != nil {
		tell()
	}
}

// AfterFunc is called by package context when it derives a context.
func (s *deadlineSignal) AfterFunc(f func()) (stop func() bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell = f
	return s.forget
}

// forget is the stop function of AfterFunc.
func (s *deadlineSignal) forget() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.tell != nil
	s.tell = nil
	return known
}

// Deadline implements [context.Context]. Nothing calls it: a Timeout has its own.
func (s *deadlineSignal) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements [context.Context].
func (s *deadlineSignal) Done() <-chan struct{} { return s.done }

// Err implements [context.Context].
func (s *deadlineSignal) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
