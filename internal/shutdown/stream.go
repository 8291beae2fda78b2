package shutdown

import (
	"context"
	"sync"
	"time"
)

// resetGrace is how long a write to an HTTP/2 stream may go on after the
// stream was reset. If it takes longer, the reset itself waits behind the
// peer's unread data, and only closing the connection helps.
const resetGrace = time.Second

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// A Stream is the response to a request that goes on until it is told to end.
// All methods may be called on a nil Stream, and then do nothing, and from
// any goroutine.
type Stream struct {
	exchange
	setWriteDeadline func(time.Time) error

	mu     sync.Mutex
	ending bool   // the drain has begun
	closed bool   // the handler has returned
	writes int    // running
	cancel func() // of the timer that waits for them
	turn   int    // counts the timers, for one that is late
}

// OpenStream registers the request with context ctx as an event stream: when
// the drain begins, and at once if it has begun, the request's context is
// cancelled, and that of no other request on its connection. The
// registration ends when the request's handler returns. For a request that
// has a Stream already, OpenStream returns that, with the new function.
//
// The caller must put every write to the response between
// [Stream.BeginWrite] and [Stream.EndWrite], so that the drain notices a peer
// that does not read. On HTTP/2 the drain then ends the write through
// setWriteDeadline, which must set the response's write deadline and may be
// called from another goroutine while the response is written to. If it may
// not be called any more, the caller must call [Stream.Close] before.
//
// OpenStream returns nil if ctx does not come from a server with a
// [Registry]; then nothing will cancel the request's context but what always
// does.
func OpenStream(ctx context.Context, setWriteDeadline func(time.Time) error) *Stream {
	s := scopeOf(ctx)
	if s == nil {
		return nil
	}
	r := s.registry
	r.mu.Lock()
	stream, fresh := s.stream, s.stream == nil
	if fresh {
		stream = &Stream{setWriteDeadline: setWriteDeadline}
		stream.exchange = exchange{kind: EventStream, scope: s, stop: stream.end}
		s.stream = stream
		s.connection().streamed.Store(true)
		r.marked.Add(1)
	}
	r.mu.Unlock()
	if fresh {
		r.add(&stream.exchange)
		return stream
	}
	stream.mu.Lock()
	defer stream.mu.Unlock()
	stream.setWriteDeadline = setWriteDeadline
	return stream
}

// BeginWrite says that something is about to be written to the response.
func (s *Stream) BeginWrite() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	s.watch()
}

// EndWrite says that what BeginWrite announced was written, or has failed.
func (s *Stream) EndWrite() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes--
	s.watch()
}

// Close says that setWriteDeadline must not be called from now on.
func (s *Stream) Close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.watch()
}

// Abandon ends the registration, for a caller that finds that the handler has
// returned already.
func (s *Stream) Abandon() {
	if s == nil {
		return
	}
	s.Close()
	r := s.scope.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.scope.stream == s {
		r.forgetStream(s.scope)
	}
}

// end cancels the request's context. It is the exchange's stop function.
func (s *Stream) end(context.Context) {
	s.scope.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending = true
	s.watch()
}

// watch waits Grace for the next change, which calls watch again, if that is
// due: during a drain while a write goes on. The caller holds s.mu.
func (s *Stream) watch() {
	if s.cancel != nil {
		s.cancel()
		s.cancel = nil
	}
	s.turn++
	if s.ending && !s.closed && s.writes > 0 {
		s.wait(Grace, s.stalled)
	}
}

// wait calls f in d, with s.mu held, unless watch is called before.
// The caller holds s.mu.
func (s *Stream) wait(d time.Duration, f func()) {
	turn := s.turn
	s.cancel = s.scope.registry.after(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.turn == turn {
			f()
		}
	})
}

// stalled ends a write that takes too long. The caller holds s.mu.
func (s *Stream) stalled() {
	conn := s.scope.connection()
	if conn == s.scope {
		conn.drop()
		return
	}
	// Other streams of the connection may be well.
	_ = s.setWriteDeadline(past) // whatever it says, the connection is next
	s.wait(resetGrace, conn.drop)
}
