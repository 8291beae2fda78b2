package response

import (
	"errors"
	"net/http"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/shutdown"
)

// DefaultStreamTimeout is how long one write of a Stream may take.
const DefaultStreamTimeout = 30 * time.Second

// A Stream is the part of an event stream that is about time: it keeps the
// server's write timeout from ending it, bounds each write instead, and ends
// with the server. It is not safe for concurrent use, except Close.
type Stream struct {
	setWriteDeadline func(time.Time) error // nil if that is not supported
	drain            *shutdown.Stream      // nil if the server does not drain
	timeout          time.Duration
	renewed          time.Time // when the write deadline was set, if it stays
	stays            bool      // a deadline that passes between writes does no harm: the request came over HTTP/1
}

// OpenStream returns the Stream of the response that cw answers, or of one of
// which only the writer is known if cw is nil. setWriteDeadline must set the
// response's write deadline; nil says that this is not supported.
func OpenStream(cw *Writer, setWriteDeadline func(time.Time) error) *Stream {
	s := &Stream{setWriteDeadline: setWriteDeadline, timeout: DefaultStreamTimeout}
	if cw == nil {
		return s
	}
	s.stays = cw.req.ProtoMajor == 1
	if setWriteDeadline == nil {
		setWriteDeadline = func(time.Time) error { return http.ErrNotSupported }
	}
	s.drain = shutdown.OpenStream(cw.req.Context(), setWriteDeadline)
	cw.OnDone(s.drain.Close)
	if cw.Ended() {
		s.drain.Remove() // the connection may serve another request by now
	}
	return s
}

// SetTimeout changes how long a write may take. Zero or less means no limit.
func (s *Stream) SetTimeout(d time.Duration) { s.timeout, s.renewed = d, time.Time{} }

// Begin is to be called before each write, and sees to it that it ends in
// time. Unless it returns an error, End must be called after the write. On
// HTTP/1 the deadline may stay when the write is done, so it is not set anew
// for each event: it is renewed when half of it has passed.
func (s *Stream) Begin() error {
	if s == nil {
		return nil
	}
	if err := s.renew(); err != nil {
		return err
	}
	s.drain.BeginWrite()
	return nil
}

// End is to be called after each write.
func (s *Stream) End() error {
	if s == nil {
		return nil
	}
	s.drain.EndWrite()
	if s.stays || s.timeout <= 0 {
		return nil
	}
	return s.set(time.Time{})
}

func (s *Stream) renew() error {
	if s.timeout <= 0 {
		if s.stays && s.renewed.IsZero() {
			s.renewed = time.Now()
			return s.set(time.Time{})
		}
		return nil
	}
	// Since reads only the monotonic clock, which is half of what Now costs.
	if s.stays && !s.renewed.IsZero() && time.Since(s.renewed) < s.timeout/2 {
		return nil
	}
	now := time.Now()
	s.renewed = now
	wait := s.timeout
	if s.stays {
		wait += s.timeout / 2 // so that no event gets less than the timeout
	}
	return s.set(now.Add(wait))
}

// set sets the write deadline, if that is supported.
func (s *Stream) set(t time.Time) error {
	if s.setWriteDeadline == nil {
		return nil
	}
	return s.setWriteDeadline(t)
}

// A stream may begin behind a wrapper without Unwrap, from which no way leads
// to the writers that could set its deadline. The wrapper's header is usually
// theirs. Mark leaves a sign in it that changes nothing for the client: the
// field X-Accel-Buffering under a key in lower case, which no other code
// writes. The next Writer that knows how to set a deadline removes the sign
// when the header passes, and makes its response a stream.
const (
	streamField = "X-Accel-Buffering"
	streamMark  = "x-accel-buffering"
)

// Mark asks a Writer behind the header h, which must have an X-Accel-Buffering
// field, to take over the time of an event stream.
func Mark(h http.Header) {
	h[streamMark] = h[streamField]
	delete(h, streamField)
}

// Unmark reports, when the header has been sent, whether a Writer has done what
// Mark asked for.
func Unmark(h http.Header) bool {
	//lint:ignore SA1008 a key that no other code writes is the point
	values, marked := h[streamMark]
	if marked {
		h[streamField] = values
		delete(h, streamMark)
	}
	return !marked
}

// Hides reports whether w is a wrapper without Unwrap rather than a writer of
// a server or a test.
func Hides(w http.ResponseWriter) bool { return !isServers(w) }

// takeStream does what Mark asked for, if it did and this Writer can. It is
// called before the header is sent, by a caller who holds mu.
func (w *Writer) takeStream() {
	h := w.next.Header()
	//lint:ignore SA1008 as in Unmark
	if _, marked := h[streamMark]; !marked {
		return
	}
	set := http.NewResponseController(w.next).SetWriteDeadline
	if errors.Is(set(time.Time{}), http.ErrNotSupported) {
		return // perhaps one further out can
	}
	Unmark(h)
	w.stream = OpenStream(w, set)
}
