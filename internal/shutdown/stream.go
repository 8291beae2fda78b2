package shutdown

import (
	"context"
	"sync"
	"time"
)

// resetGrace is how long a write to an HTTP/2 stream may continue after the
// stream was reset. If it takes longer, the reset is waiting behind data that
// the peer does not read, and the connection has to be closed.
const resetGrace = time.Second

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// A streamPhase is a part of the life of a Stream.
//
//	open ──► stopping ──► closed
//	  └──────────────────────▲
//
//	from      to        when
//	open      stopping  the drain begins
//	open      closed    the handler has returned
//	stopping  closed    the handler has returned
type streamPhase int

const (
	open     streamPhase = iota // a write may take any length of time
	stopping                    // the request's context is canceled; if a write takes longer than Grace, the peer is dropped
	closed                      // setWriteDeadline must not be called
)

// A Stream is an event stream, the response to a request. It continues until its
// handler returns. To stop it, the drain cancels the request's context.
// It is safe for concurrent use by multiple goroutines. Calling a method of a
// nil Stream does nothing.
type Stream struct {
	exchange

	mu               sync.Mutex
	setWriteDeadline func(time.Time) error
	phase            streamPhase
	writes           int    // number of writes in progress
	cancelTimer      func() // of the timer that waits for them, or nil
	generation       int    // incremented by watch; a timer of an earlier one does nothing
}

// OpenStream registers the request with context ctx as an event stream. When
// the drain begins, or immediately if it has begun, the request's context is
// canceled; the contexts of other requests on its connection are not. The
// registration ends when the request's handler returns. If the request has a
// Stream already, OpenStream sets its setWriteDeadline and returns it.
//
// The caller must call [Stream.BeginWrite] before and [Stream.EndWrite] after
// every write to the response, so that the drain notices a peer that does not
// read. On HTTP/2, the drain ends such a write by calling setWriteDeadline,
// which must set the response's write deadline. setWriteDeadline must be safe
// to call from another goroutine while the response is written to. The caller
// must call [Stream.Close] before setWriteDeadline becomes unsafe to call.
//
// OpenStream returns nil if the server has no [Registry].
func OpenStream(ctx context.Context, setWriteDeadline func(time.Time) error) *Stream {
	s := scopeOf(ctx)
	if s == nil {
		return nil
	}
	stream, late := s.registry.addStream(s)
	stream.mu.Lock()
	stream.setWriteDeadline = setWriteDeadline
	stream.mu.Unlock()
	if late {
		s.registry.stop(&stream.exchange)
	}
	return stream
}

// StreamStopped reports whether the drain has canceled the context of a request with an event
// stream, which is ctx.
func StreamStopped(ctx context.Context) bool {
	s := scopeOf(ctx)
	if s == nil {
		return false
	}
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	return s.stream != nil && s.stream.stopped
}

// addStream returns the Stream of s. If s has none, addStream adds one, and
// reports whether the drain has begun already, so that the caller has to stop it.
func (r *Registry) addStream(s *scope) (stream *Stream, late bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.stream != nil {
		return s.stream, false
	}
	stream = new(Stream)
	stream.exchange = exchange{kind: eventStream, scope: s, route: s.route(), stop: stream.stop}
	s.stream = stream
	s.connection().hadStream.Store(true)
	r.exchanges[&stream.exchange] = struct{}{}
	r.longLived.Add(1)
	return stream, r.reached(draining)
}

// removeStream removes the Stream of s. The caller must hold r.mu.
func (r *Registry) removeStream(s *scope) {
	delete(r.exchanges, &s.stream.exchange)
	s.stream = nil
	r.longLived.Add(-1)
}

// SetWriteTimeout sets how long sent bytes may stay unacknowledged before the connection
// is closed, because the peer has disappeared: a write succeeds as soon as the kernel has
// the bytes, so its deadline does not notice that. Zero or less means no limit. On HTTP/2,
// the longest time of the connection's streams applies. It has an effect only on Linux.
func (s *Stream) SetWriteTimeout(d time.Duration) {
	if s != nil {
		s.scope.connection().limitUndelivered(d, s.scope.parent != nil)
	}
}

// BeginWrite must be called before each write to the response.
func (s *Stream) BeginWrite() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	s.watch()
}

// EndWrite must be called after each write, whether it succeeded or not.
func (s *Stream) EndWrite() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes--
	s.watch()
}

// Close makes sure that setWriteDeadline is no longer called. If a call is in
// progress, Close waits for it.
func (s *Stream) Close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase = closed
	s.watch()
}

// Remove closes s and ends its registration. It is for callers of [OpenStream]
// that find that the request's handler has already returned.
func (s *Stream) Remove() {
	if s == nil {
		return
	}
	s.Close()
	r := s.scope.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.scope.stream == s {
		r.removeStream(s.scope)
	}
}

// stop is the stop function of the exchange. It is called after the request's context
// was canceled.
func (s *Stream) stop(context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == open {
		s.phase = stopping
	}
	s.watch()
}

// watch restarts the timer that drops a peer that does not read. It must be called after
// every change of phase or writes. The caller must hold s.mu.
func (s *Stream) watch() {
	if s.cancelTimer != nil {
		s.cancelTimer()
		s.cancelTimer = nil
	}
	s.generation++
	if s.phase == stopping && s.writes > 0 {
		s.after(Grace, s.dropPeer)
	}
}

// after calls f with s.mu held when d has passed, unless watch is called before
// that. The caller must hold s.mu.
func (s *Stream) after(d time.Duration, f func()) {
	generation := s.generation
	s.cancelTimer = s.scope.registry.after(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.generation == generation {
			f()
		}
	})
}

// dropPeer ends a write that has taken too long. The caller must hold s.mu.
func (s *Stream) dropPeer() {
	connection := s.scope.connection()
	if connection == s.scope {
		connection.drop()
		return
	}
	// The clients of the connection's other streams may be reading.
	_ = s.setWriteDeadline(past) // if it fails, dropping the connection ends the write
	s.after(resetGrace, connection.drop)
}
