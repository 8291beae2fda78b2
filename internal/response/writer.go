// Package response contains the two values that the middleware of one request
// share: the ResponseWriter wrapper, [Writer], and the state in the request's
// context, [State].
//
// # The wrapper
//
// Middleware that only observes the response (status, bytes, whether the header
// has been sent) calls [Observe] and reads the Writer after the handler
// returned. Observers share a Writer with the middleware that wrapped last, so
// a stack of them costs one wrapper. Middleware that changes the body runs the
// handler with [Serve] and a [Stage]: the Writer holds the body back until the
// stage has seen enough of it to decide.
//
// A response that the handler leaves untouched stays untouched: the Writer
// stays pending, and the server answers as it would have without it.
//
// Optional methods (flushing, hijacking, deadlines, full duplex) go to the
// next writer through [http.ResponseController], and its result is returned.
// Flush and Hijack are methods of the Writer itself, because unwrapping would
// skip a body that is held back.
//
// # After the handler returned
//
// A handler may leave goroutines behind that still use its Writer. They must
// not reach another request, so neither Writers nor States are pooled, and a
// Writer whose handler has returned forwards nothing: its methods return an
// error or do nothing, and Unwrap returns a writer that does the same. This
// protects the server underneath too, which reuses its buffers. If such a
// goroutine is inside a call when the handler returns, the Writer waits for
// that call before it lets the server finish the response.
//
// A handler's calls may therefore overlap. Each holds the Writer's mutex,
// except while it reads from an [io.Reader] of the handler's, which may block
// or call the Writer again. The buffer of a held body is pooled; it is touched
// and given back only under the mutex.
package response

import (
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// Cause says why a held response is released.
type Cause int

const (
	// Full means that the body has outgrown the limit the stage asked for.
	Full Cause = iota
	// Flush means that the handler wants the bytes so far to reach the client.
	Flush
	// End means that the handler has returned: the body is whole.
	End
)

// A Stage inspects or rewrites the response of one middleware. Its methods
// are called one after the other and at most once a response, Hold first. They
// must not write to the Writer. A Stage holds no state of the request; it is
// shared by all of them.
type Stage interface {
	// Hold is called when the status ([Writer.Status]) and the header h are
	// known and nothing has been sent. It returns how many bytes of the body
	// may be held back before Release must be called, or false to let the
	// response pass; then Release is not called. It may change h.
	//
	// Responses that cannot have a body are shown to Hold too, and always pass.
	Hold(w *Writer, h http.Header) (limit int, ok bool)

	// Release decides over a response that was held: which status and body are
	// sent, and through which encoder the body passes, if any. For Full, body
	// may be only the part of it that came first. It may change h. The body
	// it returns must be part of the one it was given, or newly allocated.
	//
	// Release is not called for a body that turns out longer or shorter than
	// its Content-Length: that is for the server to refuse.
	Release(w *Writer, h http.Header, body []byte, why Cause) (status int, send []byte, enc Encoder)
}

// An Encoder rewrites the rest of a body on its way to the next writer.
type Encoder interface {
	io.Writer
	// Flush makes everything written so far decodable by the client.
	Flush() error
	// Close ends the encoded stream and gives up the encoder.
	Close() error
	// Abandon gives up the encoder without ending the stream, so that a
	// response cut short does not look whole. Nothing is written.
	Abandon()
}

// A phase is how far a response has got.
//
//	from     to        when
//	pending  held      the handler has chosen the status, and the stage wants the body
//	pending  passed    the handler has chosen the status, and there is no stage or it does not
//	held     encoded   the body is whole and has been encoded into memory
//	held     sent      flush, end, a body too large to hold or longer than its Content-Length
//	encoded  sent      flush, end
//	any      hijacked  the handler has taken over the connection
//	any      pending   Reset, if nothing has left for the client
type phase int32

const (
	pending  phase = iota // nothing but 1xx responses has been written
	held                  // the header has not been sent; the body waits in memory
	encoded               // the header has not been sent; the whole body waits, encoded
	sent                  // the header went to the next writer as the stage left it
	passed                // the header went to the next writer as the handler set it
	hijacked              // the connection belongs to the handler
)

// A Writer is the [http.ResponseWriter] that middleware puts around another.
type Writer struct {
	next  http.ResponseWriter
	req   *http.Request
	spare *State // in the same allocation, unused until it is claimed

	coding []string // Content-Encoding when the Writer was made, of an encoder outside

	state  atomic.Pointer[State]
	ended  atomic.Bool // the handler has returned
	notes  notes
	phase  atomic.Int32
	status atomic.Int32 // final; 0 while pending
	bytes  atomic.Int64 // of the body, as accepted by the next writer or the encoder
	onDone atomic.Pointer[doneFunc]

	mu         sync.Mutex // guards the fields below
	conn       net.Conn   // once hijacked
	implicit   bool       // the status was chosen by writing; the next writer will choose the same
	nextFailed bool       // the next writer has refused a write
	stream     *Stream    // of a stream that a wrapper hides from its handler, or nil

	*holding // nil in an observer
}

// Observe returns a Writer around w for middleware that looks on. If w is a
// Writer it is shared and owned is nil. The caller must defer owned.End.
func Observe(w http.ResponseWriter, r *http.Request) (_, owned *Writer) {
	if cw, ok := w.(*Writer); ok {
		return cw, nil
	}
	state := StateOf(r.Context())
	home := state
	if home == nil || !home.writerUsed.CompareAndSwap(false, true) {
		home = new(State)
		home.writerUsed.Store(true)
	}
	cw := &home.writer
	if home != state {
		cw.spare = home
	}
	cw.start(w, r, state)
	return cw, cw
}

// Serve runs next behind a Writer that holds its response for stage, and ends
// the response when next returns. If next panics, a held body is dropped and an
// encoded one stays visibly unfinished. If the body cannot be
// completed, because the encoder failed or the handler wrote less than it
// promised, the connection is aborted for the same reason. If the next writer
// failed, the client has gone and there is nothing to abort. Neither is there if
// a handler around has returned already; nobody would recover from a panic.
func Serve(next http.Handler, w http.ResponseWriter, r *http.Request, stage Stage) {
	outer, _ := w.(*Writer)
	cw := newStaged(outer, stage)
	if state := outer.State(); state != nil {
		cw.start(w, r, state)
	} else {
		cw.start(w, r, StateOf(r.Context()))
	}
	returned := false
	defer func() {
		if !returned {
			cw.cancel()
		}
	}()
	next.ServeHTTP(cw, r)
	returned = true
	if err := cw.finish(); err != nil && !cw.abandoned() {
		panic(http.ErrAbortHandler)
	}
}

// A staged is a Writer with a stage.
type staged struct {
	Writer
	holding
}

// A stagedPair is a Writer with a stage and room for the one inside it, because
// Compress and ETag usually come together. Neither serves a second response.
type stagedPair struct {
	first, second staged
	secondUsed    atomic.Bool
}

// newStaged returns a Writer for stage: the second of the pair that the next
// writer is the first of, if that is unused, or the first of a new pair.
func newStaged(outer *Writer, stage Stage) *Writer {
	if outer != nil && outer.holding != nil && outer.pair != nil && outer.pair.secondUsed.CompareAndSwap(false, true) {
		return outer.pair.second.prepare(holding{stage: stage, declared: -1})
	}
	pair := new(stagedPair)
	return pair.first.prepare(holding{stage: stage, declared: -1, pair: pair})
}

// prepare makes the Writer one that holds back.
func (s *staged) prepare(h holding) *Writer {
	s.holding = h
	s.Writer.holding = &s.holding
	return &s.Writer
}

func (w *Writer) start(next http.ResponseWriter, r *http.Request, state *State) {
	w.next, w.req = next, r
	w.coding = next.Header()["Content-Encoding"]
	w.state.Store(state)
}

// End ends the use of a Writer by its handler, which has returned or, if
// returned is false, panicked. It is for the owner that [Observe] named; on a
// nil Writer it does nothing.
func (w *Writer) End(returned bool) {
	switch {
	case w == nil:
	case returned:
		_ = w.finish() // nothing can fail without a stage
	default:
		w.cancel()
	}
}

// finish ends the response after its handler returned, and waits for calls by
// goroutines that the handler has left behind.
//
// What OnDone was given runs after these: until then a server that stops may
// have to end the write of one, if the client does not read.
func (w *Writer) finish() error {
	w.ended.Store(true)
	w.mu.Lock()
	//lint:ignore SA2001 no call is under way any more, nor can one begin
	w.mu.Unlock()
	w.refuseCalls()
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.drop() // if the next writer panics, too
	return w.complete()
}

// cancel gives up the response after its handler panicked. It does not wait
// for a call that is under way: the server is about to cut the connection,
// which may be what ends that call.
func (w *Writer) cancel() {
	w.refuseCalls()
	if w.mu.TryLock() {
		defer w.mu.Unlock()
		w.drop()
	}
}

// refuseCalls makes the Writer refuse calls from now on, and runs what OnDone
// was given.
func (w *Writer) refuseCalls() {
	w.ended.Store(true)
	for d := w.onDone.Swap(nil); d != nil; d = d.next {
		d.f()
	}
}

// A doneFunc is an element of the list of functions that OnDone was given.
type doneFunc struct {
	f    func()
	next *doneFunc
}

// OnDone calls f when the handler has returned or panicked, or at once if it
// has already. f must make whoever may still use the Writer stop.
func (w *Writer) OnDone(f func()) {
	d := &doneFunc{f: f}
	for {
		d.next = w.onDone.Load()
		if w.onDone.CompareAndSwap(d.next, d) {
			break
		}
	}
	if w.ended.Load() {
		w.refuseCalls()
	}
}

// enter begins a call of the handler's. Unless it returns an error, the caller
// must unlock mu.
func (w *Writer) enter() error {
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

// Request returns the request that the Writer answers.
func (w *Writer) Request() *http.Request { return w.req }

// State returns the request's state, or nil if it has none.
func (w *Writer) State() *State {
	if w == nil {
		return nil
	}
	return w.state.Load()
}

// Status returns the final status of the response: the one the handler chose,
// 101 after a hijacking that chose none, and 200 if nothing was written.
func (w *Writer) Status() int {
	if status := w.status.Load(); status != 0 {
		return int(status)
	}
	return http.StatusOK
}

// Declared returns the length of the body that the handler promised in
// Content-Length when it chose the status, or -1. It is for stages.
func (w *Writer) Declared() int64 { return w.declared }

// Bytes returns how many bytes of the body went through the Writer; none of a
// response to HEAD do.
func (w *Writer) Bytes() int64 { return w.bytes.Load() }

// Committed reports whether the handler has chosen the response's status, by
// writing its header, part of its body, or by hijacking the connection.
func (w *Writer) Committed() bool { return w.at() != pending }

// Hijacked reports whether the handler has taken over the connection.
func (w *Writer) Hijacked() bool { return w.at() == hijacked }

// Ended reports whether the handler, or one around it, has returned or
// panicked, so that nothing of the response reaches the client any more.
func (w *Writer) Ended() bool { return w.ended.Load() || w.abandoned() }

// abandoned reports whether a handler around this Writer's has returned or
// panicked before it: it has run this one on a goroutine, and not waited.
func (w *Writer) abandoned() bool {
	for outer := range w.outer {
		if outer.ended.Load() {
			return true
		}
	}
	return false
}

// Sink returns the writer that an encoder writes to: the one behind w, or
// memory. It refuses to write once the encoder has been given up.
func (w *Writer) Sink() io.Writer { return (*sink)(w) }

// at returns the phase.
func (w *Writer) at() phase { return phase(w.phase.Load()) }

// enterPhase changes the phase. The caller holds mu.
func (w *Writer) enterPhase(p phase) { w.phase.Store(int32(p)) }
