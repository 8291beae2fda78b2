// Package response contains the ResponseWriter wrapper that the middleware of one
// request shares, [Writer].
//
// # Turns and stages
//
// Middleware that only observes the response, for example its status and length,
// calls [Observe] or [Enter] and reads the Writer after the handler has returned.
// Observers share a Writer with the middleware that wrapped last, so a chain of them
// costs one wrapper. Enter also gives middleware the request's [reqstate.State].
//
// Middleware that changes the body runs the handler with [Serve] and a [Stage]: the
// Writer holds the body until the stage has seen enough of it to decide.
//
// If the handler writes nothing, the Writer stays pending, and the server responds
// as it would without the Writer.
//
// Optional methods (flushing, hijacking, deadlines, full duplex) go to the next
// writer through [http.ResponseController], and its result is returned. Flush and
// Hijack are methods of the Writer itself, because unwrapping would skip a held body.
//
// # After the handler has returned
//
// A handler may leave goroutines running that still use its Writer. They must not
// reach another request. Therefore Writers are not pooled, and a Writer whose handler
// has returned forwards nothing: its methods return an error or do nothing, and Unwrap
// returns a writer that does the same. This also protects the server's own writer,
// which reuses its buffers. If such a goroutine is inside a method when the handler
// returns, the Writer waits for that method before the server finishes the response.
//
// A handler's calls may therefore overlap. Each holds the Writer's mutex, except while
// it reads from an [io.Reader] of the handler, which may block or call the Writer. The
// buffer of a held body is pooled. It is used and put back only under the mutex.
package response

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
	"github.com/stanza-go/framework/pkg/http/internal/shutdown"
)

// A Writer is the [http.ResponseWriter] that middleware puts around another one. Its
// methods are safe for concurrent use by multiple goroutines.
type Writer struct {
	next http.ResponseWriter
	req  *http.Request

	state      atomic.Pointer[reqstate.State] // of req; nil until it is known
	spareState atomic.Pointer[reqstate.State] // of the same exchange; nil once it is taken

	around       *surroundings // nil if it would be empty
	headerAccess atomic.Int32  // see headerUnused

	ended  atomic.Bool // the handler has returned or panicked, and calls are refused
	phase  atomic.Int32
	status atomic.Int32 // final; 0 while pending
	bytes  atomic.Int64 // of the body, as accepted by the next writer or the encoder
	onDone atomic.Pointer[doneFunc]

	mu     sync.Mutex           // guards the fields below, and changes of rare
	stream *Stream              // handles the deadlines of every write, or nil; see takeStream and BeginStream
	rare   atomic.Pointer[rare] // nil until one of its fields is needed

	*holding // nil if the Writer has no stage
}

// A rare contains the fields that few Writers need.
type rare struct {
	closeHijacked func() error            // nil unless hijacked; guarded by mu
	timeout       atomic.Pointer[Timeout] // the innermost one that is running, or nil
	writeDeadline atomic.Bool             // the server's write deadline has been replaced
	link          *link                   // in the first write of a redirect, or nil; guarded by mu
}

// needRare returns the fields of rare, for changes. The caller holds mu.
func (w *Writer) needRare() *rare {
	if w.rare.Load() == nil {
		w.rare.Store(new(rare))
	}
	return w.rare.Load()
}

func (w *Writer) start(next http.ResponseWriter, r *http.Request, state *reqstate.State) {
	w.next, w.req = next, r
	if state != nil {
		w.state.Store(state)
	}
	if _, ok := next.(*Writer); !ok {
		w.headerAccess.Store(headerGiven) // next may have given it to outer middleware
	}
	if coding := BorrowHeader(next)["Content-Encoding"]; len(coding) > 0 {
		w.around = &surroundings{coding: coding}
	}
}

// The surroundings of a Writer are facts about the handlers around it. The Writer has a
// pointer to them because most Writers need none.
type surroundings struct {
	coding []string           // Content-Encoding that an outer encoder had set when the Writer was made, or nil
	drain  *shutdown.Registry // of the server, if the Writer is the outermost; otherwise nil
}

// outerCoding returns the Content-Encoding that an outer encoder had set when the Writer
// was made, or nil.
func (w *Writer) outerCoding() []string {
	if w.around == nil {
		return nil
	}
	return w.around.coding
}

// end ends the response of a Writer without a stage after its handler has returned or,
// if returned is false, panicked.
func (w *Writer) end(returned bool) {
	if returned {
		_ = w.finish() // fails only with a stage
	} else {
		w.cancel()
	}
}

// finish ends the response after its handler has returned, and waits for calls by
// goroutines that the handler has left running.
//
// It runs the OnDone functions only after these calls have returned. Until then, a
// draining server may have to interrupt a write that the client does not read.
func (w *Writer) finish() error {
	w.ended.Store(true)
	w.mu.Lock()
	if w.onDone.Load() != nil {
		w.mu.Unlock()
		w.runOnDone()
		w.mu.Lock()
	}
	defer w.mu.Unlock()
	defer w.drop() // if the next writer panics, too
	w.stream.Finish()
	if w.holding != nil && w.hasWhole() {
		w.sendInSpiteOfTimeouts()
	}
	return w.complete()
}

// cancelUnless calls cancel if *returned is false, that is, if the handler has panicked.
func (w *Writer) cancelUnless(returned *bool) {
	if !*returned {
		w.cancel()
	}
}

// cancel gives up the response after its handler has panicked. It does not wait for
// calls in progress, because they may block until the server closes the connection,
// which it does only after cancel has returned.
func (w *Writer) cancel() {
	w.ended.Store(true)
	w.runOnDone()
	if !w.mu.TryLock() {
		w.openHeader() // for the response that outer middleware may send
		return
	}
	defer w.mu.Unlock()
	w.drop()
}

// runOnDone calls the functions that OnDone was given, each once.
func (w *Writer) runOnDone() {
	for d := w.onDone.Swap(nil); d != nil; d = d.next {
		d.f()
	}
}

// A doneFunc is an element of the list of functions that OnDone was given.
type doneFunc struct {
	f    func()
	next *doneFunc
}

// OnDone calls f when the handler has returned or panicked. If it already has, OnDone
// calls f immediately. After f has returned, no goroutine of the code that called OnDone
// may use the Writer.
func (w *Writer) OnDone(f func()) {
	d := &doneFunc{f: f}
	for {
		d.next = w.onDone.Load()
		if w.onDone.CompareAndSwap(d.next, d) {
			break
		}
	}
	if w.ended.Load() {
		w.runOnDone()
	}
}

// lock locks mu for a call by the handler. If the handler has returned, lock returns
// errEnded and leaves mu unlocked.
func (w *Writer) lock() error {
	if w.ended.Load() {
		return errEnded
	}
	w.mu.Lock()
	if w.ended.Load() {
		w.mu.Unlock()
		return errEnded
	}
	return nil
}

// lockWrite is like lock, but for calls that contribute to the response. If the handler's
// deadline has passed, it returns [http.ErrHandlerTimeout], and mu is not locked.
func (w *Writer) lockWrite() error {
	if err := w.lock(); err != nil {
		return err
	}
	if w.TimedOut() {
		w.mu.Unlock()
		return http.ErrHandlerTimeout
	}
	return nil
}

// Request returns the request that the Writer answers.
func (w *Writer) Request() *http.Request { return w.req }

// State returns the state of the Writer's request. It returns nil if the request has none
// yet, or if w is nil.
func (w *Writer) State() *reqstate.State {
	if w == nil {
		return nil
	}
	return w.state.Load()
}

// Status returns the final status of the response: the one that the handler chose, 101
// if it hijacked the connection without choosing one, or 200 if it wrote nothing.
func (w *Writer) Status() int {
	if status := w.status.Load(); status != 0 {
		return int(status)
	}
	return http.StatusOK
}

// Declared returns the Content-Length at the time when the handler chose the status, or
// -1 if it was missing or invalid. It panics if the Writer has no stage.
func (w *Writer) Declared() int64 { return w.declared }

// Bytes returns how many bytes of the body the next writer or the encoder has accepted or,
// while the body is held, how many the handler has written. It is 0 for a response to HEAD.
func (w *Writer) Bytes() int64 {
	if w.at() == held && w.req.Method != http.MethodHead && w.mu.TryLock() { // false if the body is just being released
		defer w.mu.Unlock()
		if w.at() == held && w.body != nil { // nil if it was discarded
			return int64(len(w.body.B))
		}
	}
	return w.bytes.Load()
}

// Committed reports whether the handler has chosen the response's status, by writing its
// header or a part of its body, by flushing it, or by hijacking the connection.
func (w *Writer) Committed() bool { return w.at() != pending }

// Complete reports whether the handler has written a whole response: a response to HEAD, a
// status that has no body, or as much of the body as it declared with Content-Length. It
// returns false if the handler has hijacked the connection.
func (w *Writer) Complete() bool {
	if w.lock() != nil {
		return false
	}
	defer w.mu.Unlock()
	return w.hasWhole()
}

// hasWhole is like Complete, but also works when the handler has returned. The caller holds mu.
func (w *Writer) hasWhole() bool {
	declared, written := w.declaredLength(), w.bytes.Load()
	switch w.at() {
	case pending, hijacked:
		return false
	case held:
		written = int64(len(w.body.B))
	}
	return !bodyAllowed(w.Status()) || w.req.Method == http.MethodHead || declared == written
}

// declaredLength returns the Content-Length of the response, or -1. The caller holds mu.
func (w *Writer) declaredLength() int64 {
	if w.holding != nil {
		return w.declared
	}
	return ContentLength(w.nextHeader())
}

// Hijacked reports whether the handler has taken over the connection.
func (w *Writer) Hijacked() bool { return w.at() == hijacked }

// Ended reports whether the handler, or an outer one, has returned or panicked. Then
// nothing more that the handler writes reaches the client.
func (w *Writer) Ended() bool { return w.ended.Load() || w.outerEnded() }

// outerEnded reports whether an outer handler has returned or panicked before this
// Writer's handler. That happens if the outer handler runs the inner one in another
// goroutine and does not wait for it.
func (w *Writer) outerEnded() bool {
	for outer := range w.outer {
		if outer.ended.Load() {
			return true
		}
	}
	return false
}

// Sink returns the writer to which an encoder must write. It returns an error once the
// encoder has been given up.
func (w *Writer) Sink() io.Writer { return (*sink)(w) }

// at returns the phase.
func (w *Writer) at() phase { return phase(w.phase.Load()) }

// enterPhase changes the phase. The caller holds mu.
func (w *Writer) enterPhase(p phase) { w.phase.Store(int32(p)) }
