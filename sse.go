package http

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/eventstream"
	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// ErrInvalidEvent is wrapped by the error that [Conn.WriteEvent], or a method of an
// [SSEWriter] or a [Feed], returns if its arguments cannot be sent as an event. The
// method then sends nothing, and the connection, stream or feed can still be used.
var ErrInvalidEvent = eventstream.ErrInvalidEvent

// errStreamEnded is the error of a stream whose handler has returned.
var errStreamEnded = errors.New("http: event stream used after its handler returned")

// An SSEWriter sends a stream of server-sent events, which browsers read with
// EventSource (WHATWG HTML §9.2). Create one with [NewSSEWriter]. The methods of
// a zero SSEWriter panic.
//
// An SSEWriter is safe for concurrent use by multiple goroutines until the
// handler returns. Events that are sent concurrently are not interleaved. An
// SSEWriter must not be used after the handler has returned. Under a [Server], its
// methods then return an error.
//
// # Delivery
//
// Each method that sends returns after it has written and flushed the event. It
// calls the Write method of the ResponseWriter once for an event of up to 32 KiB,
// and several times for a larger event.
//
// # Errors
//
// If an error wraps [ErrInvalidEvent], the event was not sent, and the stream can
// still be used. Any other error means that the stream has ended: all later calls
// return the same error, and the handler should return.
type SSEWriter struct {
	w      ResponseWriter
	rc     *ResponseController
	hidden bool // w does not support deadlines

	mu     eventLock // guards the fields below
	err    error     // why the stream has ended, or nil
	buf    []byte    // memory of the previous event, reused by the next one
	stream *response.Stream

	watched    bool          // end is called when the handler returns
	maxSilence time.Duration // 0 without KeepAlive
	lastWrite  time.Time     // of the last event; kept only if maxSilence is not 0
	commenter  *time.Timer   // sends a comment; nil until KeepAlive
}

// An eventLock is a mutex that is held while an event is written. With a [sync.Mutex], a
// goroutine that waits for a comment to be sent would stop the fake clock of
// testing/synctest, and thereby the write timeout. A channel of capacity 1 would be a lock
// too, but takes three times as long as this.
type eventLock struct {
	state   atomic.Int32  // 0 if unlocked, 1 if locked, 2 if others may be waiting
	unlocks chan struct{} // of capacity 1; wakes one of those that wait
}

// Lock implements [sync.Locker].
func (l *eventLock) Lock() {
	if l.state.CompareAndSwap(0, 1) {
		return
	}
	for l.state.Swap(2) != 0 {
		<-l.unlocks // perhaps left from an earlier unlock, hence the loop
	}
}

// Unlock implements [sync.Locker].
func (l *eventLock) Unlock() {
	if l.state.Swap(0) == 2 {
		select {
		case l.unlocks <- struct{}{}:
		default: // one of those that wait is about to wake up
		}
	}
}

// NewSSEWriter starts an event stream as the response to a request. It immediately
// sends the header with status 200, so other header fields must be set before the
// call.
//
// # Header
//
// NewSSEWriter sets these fields, unless they are already set:
//
//   - Content-Type: text/event-stream
//   - Cache-Control: no-cache
//   - X-Accel-Buffering: no, so that nginx does not buffer events
//   - Connection: keep-alive, for HTTP/1 only
//
// If Content-Type is set to any other media type, NewSSEWriter replaces it. It
// removes Content-Length.
//
// # Timeouts and the end of the stream
//
// The server's write timeout does not apply to the stream. Instead, each write has
// a timeout of 30 seconds, after which the stream ends with an error; see
// [SSEWriter.SetWriteTimeout]. If the stream cannot be started, for
// example because w cannot flush, all methods that send return the error.
//
// A write succeeds as soon as the operating system has buffered the bytes. Under a
// [Server] on Linux with HTTP/1, at most 64 KiB are buffered for a client that reads
// slowly or not at all; elsewhere, often several megabytes.
//
// A write also succeeds if the client's machine has disappeared. Under a [Server] on
// Linux, the connection is closed if the client has not acknowledged the bytes within
// the timeout. Elsewhere, it can take 15 minutes until the connection is closed.
//
// The request's context is canceled when the client disconnects and when
// [Server.Stop] is called. Once Stop has been called, a write fails if it takes
// longer than 5 seconds. Stop waits until the handler returns.
//
// # Wrapped ResponseWriters
//
// If middleware wraps the ResponseWriter, the wrapper should have an Unwrap method,
// as [ResponseController] requires. A wrapper without it must implement [Flusher].
// The stream then works only under a [Server], or inside middleware of this package
// that wraps the ResponseWriter. Elsewhere, the server's write timeout ends the
// stream, and NewSSEWriter logs a warning that names the wrapper's type.
func NewSSEWriter(w ResponseWriter) *SSEWriter {
	s := newSSEWriter(w)
	_ = s.start() // all methods that send return the error
	return s
}

// newSSEWriter returns an SSEWriter whose header has not been sent. The caller must
// call start.
func newSSEWriter(w ResponseWriter) *SSEWriter {
	s := &SSEWriter{w: w, rc: NewResponseController(w), mu: eventLock{unlocks: make(chan struct{}, 1)}}
	cw := response.Find(w)
	if cw != nil && cw.TimedOut() {
		s.err = ErrHandlerTimeout
		return s
	}
	keepAlive := response.IsHTTP1(w)
	if cw != nil {
		keepAlive = cw.Request().ProtoMajor == 1
	}
	setStreamHeader(w.Header(), keepAlive)
	cw.LiftTimeouts()
	cw.HandStreamOver()
	// The server's own write deadline has to be removed even before the first
	// write: in HTTP/2, a deadline resets the stream when it passes.
	setDeadline := s.rc.SetWriteDeadline
	err := setDeadline(time.Time{})
	s.hidden = errors.Is(err, ErrNotSupported)
	switch {
	case cw != nil && cw.Ended():
		s.err = errStreamEnded
		return s
	case s.hidden:
		setDeadline = nil
		response.RequestStream(w.Header())
	case err != nil:
		s.err = err
		return s
	}
	s.stream = response.OpenStream(cw, setDeadline)
	if cw != nil {
		s.watched = true
		cw.OnDone(s.end)
		cw.CountStream(reqstate.EventStream)
	}
	return s
}

// start sends the header of the response and then blocks, as sendBlocks does. It returns
// the error that ended the stream.
func (s *SSEWriter) start(blocks ...[]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.w.WriteHeader(StatusOK)
	s.err = s.writeBlocks(blocks)
	if errors.Is(s.err, ErrNotSupported) {
		s.err = fmt.Errorf("http: event stream: %T cannot flush: %w", response.Innermost(s.w), s.err)
	}
	if s.hidden && !response.StreamTaken(s.w.Header()) {
		warnHidden(s.w, response.Find(s.w))
	}
	return s.err
}

// sendBlocks writes encoded events and flushes them.
func (s *SSEWriter) sendBlocks(blocks ...[]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = s.writeBlocks(blocks)
	}
	return s.err
}

// writeBlocks writes blocks, joined into pieces, and flushes them. It does not copy
// blocks that are larger than a piece, because other streams may send them too.
func (s *SSEWriter) writeBlocks(blocks [][]byte) (err error) {
	if len(blocks) == 1 {
		return s.write(blocks[0])
	}
	joined := bufpool.Get()
	defer func() {
		if err == nil {
			bufpool.Put(joined) // a Write that failed may still be using it
		}
	}()
	for _, b := range blocks {
		if len(joined.B)+len(b) > maxPiece && len(joined.B) > 0 {
			if err = s.writePiece(joined.B, false); err != nil {
				return err
			}
			joined.B = joined.B[:0]
		}
		for ; len(b) > maxPiece; b = b[maxPiece:] {
			if err = s.writePiece(b[:maxPiece], false); err != nil {
				return err
			}
		}
		joined.B = append(joined.B, b...)
	}
	return s.writePiece(joined.B, true)
}

// warnHidden logs that the server's write timeout will end the stream.
func warnHidden(w ResponseWriter, cw *response.Writer) {
	wrapper := response.Innermost(w)
	if !response.Hides(wrapper) {
		return // the writer of a test, which has no deadlines
	}
	ctx := context.Background()
	if cw != nil {
		ctx = cw.Request().Context()
	}
	LoggerFromContext(ctx).WarnContext(ctx, "http: the server's write timeout will end an event stream: "+
		"a middleware's ResponseWriter has no Unwrap method; add one that returns the writer it wraps",
		slog.String("type", fmt.Sprintf("%T", wrapper)))
}

// setStreamHeader sets the fields of an event stream that h does not have.
func setStreamHeader(h Header, keepAlive bool) {
	values := [4]string{"text/event-stream", "no-cache", "no", "keep-alive"}
	for i, name := range [4]string{"Content-Type", "Cache-Control", "X-Accel-Buffering", "Connection"} {
		_, set := h[name]
		switch {
		case name == "Content-Type" && !isEventStream(h):
		case name == "Connection" && !keepAlive, set:
			continue
		}
		h[name] = values[i : i+1 : i+1]
	}
	delete(h, "Content-Length")
}

// isEventStream reports whether the media type in h is that of an event stream.
func isEventStream(h Header) bool {
	mediaType, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), "text/event-stream")
}

// Event sends an event with the given name; browsers pass it to the listeners of
// addEventListener(name, ...). If name is empty, Event is like [SSEWriter.Data].
// data can contain line breaks; the client receives each of them as "\n".
//
// Event returns an error that wraps [ErrInvalidEvent] if name contains a line
// break or a NUL, or if name or data is not valid UTF-8.
func (s *SSEWriter) Event(name, data string) error {
	return s.send(func(b []byte) ([]byte, error) {
		b, err := eventstream.AppendField(b, "event", name)
		if err != nil {
			return b, err
		}
		return eventstream.AppendLines(b, "data", data)
	})
}

// Data sends an event without a name; browsers pass it to onmessage. Data returns
// the same errors as [SSEWriter.Event].
func (s *SSEWriter) Data(data string) error { return s.Event("", data) }

// EventWithID is like [SSEWriter.Event], and also sends an id, which the client
// sends back when it reconnects; see [LastEventID]. If id is empty, the client
// forgets the last id.
//
// EventWithID returns the same errors as Event. The rules for name also apply to
// id.
func (s *SSEWriter) EventWithID(id, name, data string) error {
	return s.send(func(b []byte) ([]byte, error) {
		b, err := eventstream.AppendID(b, id)
		if err != nil {
			return b, err
		}
		if b, err = eventstream.AppendField(b, "event", name); err != nil {
			return b, err
		}
		return eventstream.AppendLines(b, "data", data)
	})
}

// ID sends an id without an event. The id has the same meaning as in
// [SSEWriter.EventWithID], and an invalid id causes the same errors.
func (s *SSEWriter) ID(id string) error {
	return s.send(func(b []byte) ([]byte, error) { return eventstream.AppendID(b, id) })
}

// Comment sends text that the client ignores. To send comments regularly, see
// [SSEWriter.KeepAlive]. Comment returns an error that wraps [ErrInvalidEvent] if
// text is not valid UTF-8.
func (s *SSEWriter) Comment(text string) error {
	return s.send(func(b []byte) ([]byte, error) { return eventstream.AppendLines(b, "", text) })
}

// Retry sets the number of milliseconds that the client waits before it
// reconnects. It returns an error that wraps [ErrInvalidEvent] if ms is negative.
func (s *SSEWriter) Retry(ms int) error {
	return s.send(func(b []byte) ([]byte, error) {
		if ms < 0 {
			return b, fmt.Errorf("%w: retry of %d ms is negative", ErrInvalidEvent, ms)
		}
		return eventstream.AppendRetry(b, int64(ms)), nil
	})
}

// SetWriteTimeout sets the maximum time for each write of the stream. If a write
// takes longer, because the client reads too slowly or not at all, the stream ends.
// With HTTP/1, a write may take up to half as long again. The default is 30 seconds;
// zero or less means no limit. An event of more than 32 KiB is sent in several
// writes.
//
// SetWriteTimeout has no effect if middleware wraps the ResponseWriter in a type that
// has no Unwrap method.
func (s *SSEWriter) SetWriteTimeout(d time.Duration) {
	s.mustBeMade()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream != nil {
		s.stream.SetTimeout(d)
	}
}

// KeepAlive sends an empty comment whenever the stream would otherwise be idle for
// longer than every, so that proxies do not close the connection and clients that have
// disappeared are detected. For example, KeepAlive(30*time.Second) fits proxies that
// close a connection after 60 seconds.
//
// KeepAlive starts no goroutine, and returns immediately. The comments end with
// the stream or when the handler returns. They are sent up to a quarter of the
// interval early, so that many streams do not send theirs together. Another call
// of KeepAlive replaces the interval; if every is 0 or negative, comments stop.
//
// KeepAlive must know when the handler returns. It therefore needs a [Server], or
// a middleware of this package that wraps the response, such as [Recovery].
// Without them, or if a wrapped ResponseWriter has no Unwrap method, KeepAlive
// sends no comments and logs a warning.
func (s *SSEWriter) KeepAlive(every time.Duration) {
	s.mustBeMade()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.maxSilence = max(every, 0); s.commenter != nil {
		s.commenter.Stop()
	}
	switch {
	case s.maxSilence == 0 || s.err != nil:
		return
	case !s.watched:
		s.maxSilence = 0
		LoggerFromContext(context.Background()).Warn("http: SSEWriter.KeepAlive has no effect: it cannot know when the handler returns;"+
			" serve the handler with a Server, or add Recovery to the router",
			slog.String("type", fmt.Sprintf("%T", response.Innermost(s.w))))
		return
	}
	s.lastWrite = time.Now()
	s.commenter = time.AfterFunc(s.nextComment(), s.commentIfSilent)
}

// nextComment returns when the next comment is due if nothing is sent before: a
// random time in the last quarter of maxSilence.
func (s *SSEWriter) nextComment() time.Duration {
	return time.Until(s.lastWrite.Add(s.maxSilence - rand.N(s.maxSilence/4+1)))
}

// commentIfSilent sends a comment unless something was sent since the timer was
// set, and sets the timer again.
func (s *SSEWriter) commentIfSilent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.maxSilence == 0 || s.err != nil {
		return
	}
	if time.Since(s.lastWrite) >= s.maxSilence-s.maxSilence/4 {
		if s.err = s.write([]byte(":\n\n")); s.err != nil {
			return
		}
		s.lastWrite = time.Now()
	}
	s.commenter.Reset(s.nextComment())
}

// LastEventID returns the id of the last event that the client received on an
// earlier stream, or "" if there is none. It is untrusted: clients can send any
// value.
func LastEventID(r *Request) string { return r.Header.Get("Last-Event-ID") }

// mustBeMade panics if s was not returned by NewSSEWriter.
func (s *SSEWriter) mustBeMade() {
	if s == nil || s.w == nil {
		callsite.Panicf("SSEWriter used without NewSSEWriter; create it with NewSSEWriter(w)")
	}
}

// maxEventBuffer is the largest buffer that is kept for the next event.
const maxEventBuffer = 64 << 10

// send writes and flushes the lines that fill appends, followed by an empty
// line.
func (s *SSEWriter) send(fill func([]byte) ([]byte, error)) error {
	s.mustBeMade()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	b, err := fill(s.buf[:0])
	if cap(b) <= maxEventBuffer {
		s.buf = b
	}
	if err != nil {
		return err
	}
	s.err = s.write(append(b, '\n'))
	if s.maxSilence > 0 {
		s.lastWrite = time.Now()
	}
	return s.err
}

// maxPiece is the largest part of an event that is written at once. The write
// timeout applies to each piece, so a client may take longer than the timeout to
// read a large event.
const maxPiece = 32 << 10

// write writes b in pieces and flushes it.
func (s *SSEWriter) write(b []byte) error {
	for len(b) > maxPiece {
		if err := s.writePiece(b[:maxPiece], false); err != nil {
			return err
		}
		b = b[maxPiece:]
	}
	return s.writePiece(b, true)
}

func (s *SSEWriter) writePiece(b []byte, last bool) error {
	if err := s.stream.Begin(); err != nil {
		return err
	}
	var err error
	if len(b) > 0 {
		_, err = s.w.Write(b)
	}
	if err == nil && last {
		err = s.rc.Flush()
	}
	return cmp.Or(err, s.stream.End())
}

// end is called when the handler has returned. From then on the ResponseWriter
// must not be used.
func (s *SSEWriter) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = errStreamEnded
		s.stream.Finish()
	}
	if s.commenter != nil {
		s.commenter.Stop()
	}
}
