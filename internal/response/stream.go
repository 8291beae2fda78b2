package response

import (
	"errors"
	"net/http"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
	"github.com/stanza-go/framework/pkg/http/internal/sendqueue"
	"github.com/stanza-go/framework/pkg/http/internal/shutdown"
)

// DefaultStreamTimeout is the default timeout of each write to a Stream.
const DefaultStreamTimeout = 30 * time.Second

// A Stream handles the deadlines of an event stream. It replaces the server's
// write timeout with a timeout for each write, and lets a drain of the server stop
// the stream. It is not safe for concurrent use. On a nil Stream, Begin, End and
// Finish do nothing.
type Stream struct {
	opened           time.Time
	setWriteDeadline func(time.Time) error // nil if it is not supported
	drain            *shutdown.Stream      // nil if the server does not drain
	timeout          time.Duration
	limited          bool      // drain has the timeout
	http1            bool      // a deadline may pass between two writes without effect
	deadlineSet      time.Time // when the deadline was set last; used for HTTP/1
	cw               *Writer   // of the response, or nil
}

// OpenStream returns a Stream for the response of cw. If cw is nil, only the
// deadlines are handled. setWriteDeadline must set the response's write
// deadline, or be nil if that is not supported. It must be safe for concurrent
// use by multiple goroutines.
func OpenStream(cw *Writer, setWriteDeadline func(time.Time) error) *Stream {
	s := &Stream{opened: time.Now(), setWriteDeadline: setWriteDeadline, timeout: DefaultStreamTimeout}
	if cw == nil {
		return s
	}
	s.cw, s.http1 = cw, cw.req.ProtoMajor == 1
	if s.http1 {
		// The limit remains for later responses on the connection, which it does
		// not slow down.
		sendqueue.Limit(shutdown.NetConn(cw.req.Context()))
	}
	s.drain = shutdown.OpenStream(cw.req.Context(), s.set)
	cw.OnDone(s.drain.Close)
	if cw.Ended() {
		s.drain.Remove() // the connection may be serving another request by now
	}
	return s
}

// BeginStream makes w set a deadline for each write from now on, as for an event stream, and
// lets a drain of the server stop the request. It lifts the Timeouts of the handler and
// removes the read deadline. If the write deadline cannot be set, BeginStream returns an
// error, but a drain can still stop the request.
func (w *Writer) BeginStream() error {
	w.LiftTimeouts()
	if err := w.lock(); err != nil {
		return err
	}
	defer w.mu.Unlock()
	_ = w.SetServerReadDeadline(time.Time{}) // not supported, or the connection has failed
	set := w.SetServerWriteDeadline
	err := set(time.Time{})
	if errors.Is(err, http.ErrNotSupported) {
		set = nil
	}
	w.stream = OpenStream(w, set)
	w.CountStream(reqstate.Streaming)
	return err
}

// HandStreamOver ends the effect of BeginStream, because the handler handles the deadlines
// from now on. w may be nil.
func (w *Writer) HandStreamOver() {
	if w == nil {
		return
	}
	w.mu.Lock()
	w.stream = nil
	w.mu.Unlock()
	for outer := range w.outer {
		outer.mu.Lock()
		outer.stream = nil
		outer.mu.Unlock()
	}
}

// CountStream makes the observers of the request count the response as an open stream until
// the handler has returned.
func (w *Writer) CountStream(kind reqstate.StreamKind) {
	if stream := w.requestState().OpenStream(kind); stream != nil {
		w.OnDone(stream.HandlerReturned)
	}
}

// requestState is like State, but also finds a State that the Writer does not know yet.
func (w *Writer) requestState() *reqstate.State {
	if s := w.State(); s != nil {
		return s
	}
	return reqstate.Of(w.req.Context())
}

// longestTimeout is used for longer timeouts. Half as much again does not
// overflow.
const longestTimeout = 100 * 365 * 24 * time.Hour

// SetTimeout sets the timeout of each write. Zero or less means no limit.
func (s *Stream) SetTimeout(d time.Duration) {
	s.timeout, s.deadlineSet, s.limited = min(d, longestTimeout), time.Time{}, false
}

// Begin must be called before each write. It sets the write deadline. If it
// returns nil, the caller must call End after the write.
func (s *Stream) Begin() error {
	if s == nil {
		return nil
	}
	if !s.limited {
		s.limited = true
		s.drain.SetWriteTimeout(s.timeout)
	}
	if err := s.beginTimeout(); err != nil {
		return err
	}
	s.drain.BeginWrite()
	return nil
}

// End must be called after each write. Except on HTTP/1, it removes the write deadline.
func (s *Stream) End() error {
	if s == nil {
		return nil
	}
	s.drain.EndWrite()
	if s.http1 || s.timeout <= 0 {
		return nil
	}
	return s.set(time.Time{})
}

// Finish must be called when the handler has returned. On HTTP/1, net/http then
// sends the end of the body, but the deadline of the last write may have passed by
// then, so Finish sets a new one, which net/http removes before the next request. If
// the stream has no timeout, Finish removes the deadline.
func (s *Stream) Finish() {
	if s == nil || !s.http1 || s.deadlineSet.IsZero() {
		return
	}
	var deadline time.Time
	if s.timeout > 0 {
		deadline = time.Now().Add(s.timeout)
	}
	// The Writer no longer accepts calls, so set the deadline on the next one.
	_ = http.NewResponseController(s.cw.next).SetWriteDeadline(deadline) // the connection may have failed
}

// beginTimeout sets the write deadline.
//
// On HTTP/1, the deadline need not be removed after the write, so a new one is set
// only when half of the timeout has passed. On HTTP/2, a deadline that passes resets
// the stream, even if nothing is being written, so End removes it.
func (s *Stream) beginTimeout() error {
	if s.timeout <= 0 {
		if s.http1 && s.deadlineSet.IsZero() {
			s.deadlineSet = time.Now()
			return s.set(time.Time{})
		}
		return nil
	}
	if s.http1 && !s.deadlineSet.IsZero() && time.Since(s.deadlineSet) < s.timeout/2 {
		return nil
	}
	now := s.now()
	s.deadlineSet = now
	wait := s.timeout
	if s.http1 {
		wait += s.timeout / 2 // so that the last write before the next deadline gets the whole timeout
	}
	return s.set(now.Add(wait))
}

// now returns the current time. It uses Since, which reads only the monotonic clock and
// takes half as long as Now.
func (s *Stream) now() time.Time { return s.opened.Add(time.Since(s.opened)) }

// set sets the write deadline, if that is supported.
func (s *Stream) set(t time.Time) error {
	if s.setWriteDeadline == nil {
		return nil
	}
	return s.setWriteDeadline(t)
}
