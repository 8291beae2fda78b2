package reqstate

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
)

// A StreamKind is a kind of long-lived response. Later kinds are more specific than earlier
// ones.
type StreamKind uint8

// The kinds of streams.
const (
	Streaming   StreamKind = iota // a response of a route that is declared to stream
	EventStream                   // server-sent events
	Hijacked                      // a connection that a handler has taken over
	WebSocket
	StreamKinds // their number
)

// A Rejection is the reason why middleware responded instead of the handler.
type Rejection uint8

// The reasons for rejections.
const (
	Throttled   Rejection = iota // too many requests at once
	RateLimited                  // too many requests by one client
	TimedOut                     // the handler took too long
	Rejections                   // their number
)

// An Observer counts events that are too rare to check for at the end of each request. Its
// methods must be safe for concurrent use by multiple goroutines. pattern is the pattern of
// the route that matched, or "".
type Observer interface {
	// OpenStreams returns the counter of open streams, which the caller updates.
	OpenStreams(pattern string, kind StreamKind) *atomic.Int64
	// Rejected counts a rejected request.
	Rejected(pattern string, reason Rejection)
}

// Observers is a linked list of Observers. Each Observer is in the list once.
type Observers struct {
	Observer Observer
	outer    *Observers
}

// Observe adds o.Observer to the request's Observers, unless it is one of them already. o
// must have one element, and may be shared by requests.
func (s *State) Observe(o *Observers) {
	for {
		outer := s.observers.Load()
		if outer.has(o.Observer) {
			return
		}
		list := o
		if outer != nil {
			list = &Observers{Observer: o.Observer, outer: outer}
		}
		if s.observers.CompareAndSwap(outer, list) {
			break
		}
	}
	if m := s.more.Load(); m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.stream.join(o.Observer)
	}
}

// has reports whether o contains an Observer.
func (o *Observers) has(observer Observer) bool {
	for ; o != nil; o = o.outer {
		if o.Observer == observer {
			return true
		}
	}
	return false
}

// Reject makes the request's Observers count a rejection. If s is nil, Reject does nothing.
func (s *State) Reject(reason Rejection) {
	if s == nil {
		return
	}
	for o := s.observers.Load(); o != nil; o = o.outer {
		o.Observer.Rejected(s.route(), reason)
	}
}

// OpenStream makes the request's Observers count the response as an open stream. If the
// request has an open stream already, OpenStream returns it, and changes its kind if the new
// one is more specific. The caller must call [Stream.HandlerReturned] or [Stream.End]. If s is
// nil, OpenStream returns nil.
func (s *State) OpenStream(kind StreamKind) *Stream {
	if s == nil {
		return nil
	}
	m := s.needMore()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stream == nil || !m.stream.change(kind) {
		m.stream = &Stream{pattern: s.route(), kind: kind}
		for o := s.observers.Load(); o != nil; o = o.outer {
			m.stream.join(o.Observer)
		}
	}
	return m.stream
}

// EndStream ends the request's stream, if it has one, even if it is a WebSocket. It is for
// handlers that have panicked.
func (s *State) EndStream() {
	if s == nil {
		return
	}
	if m := s.more.Load(); m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.stream.End()
	}
}

// DropStream ends and forgets the request's stream, if it has one. It is for streams that could
// not begin, so that the response is an ordinary one.
func (s *State) DropStream() {
	if s == nil {
		return
	}
	if m := s.more.Load(); m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.stream.End()
		m.stream = nil
	}
}

// Streamed reports whether the request has had a stream that was not dropped.
func (s *State) Streamed() bool {
	m := s.more.Load()
	if m == nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stream != nil
}

// route returns the pattern of the route that has matched so far, or "". Some routers, for
// example [http.ServeMux], set it only in the request. That of a CONNECT request is ignored,
// because a ServeMux sets it to the path, which clients choose.
func (s *State) route() string {
	pattern := s.Pattern()
	if pattern == "" && s.request.Method != http.MethodConnect {
		pattern = s.request.Pattern
	}
	return pattern
}

// A Stream is a long-lived response that Observers count while it is open. It does
// not refer to the request, because a WebSocket can outlive its handler. It is safe for
// concurrent use by multiple goroutines. If it is nil, its methods do nothing.
type Stream struct {
	pattern string

	mu        sync.Mutex
	kind      StreamKind
	ended     bool
	observers []Observer
}

// join makes an Observer count s, unless s has ended or the Observer counts it already.
func (s *Stream) join(o Observer) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended && !slices.Contains(s.observers, o) {
		s.observers = append(s.observers, o)
		o.OpenStreams(s.pattern, s.kind).Add(1)
	}
}

// change changes the kind if the new one is more specific. It reports whether s is still open.
func (s *Stream) change(kind StreamKind) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended && s.kind < kind {
		s.count(-1)
		s.kind = kind
		s.count(+1)
	}
	return !s.ended
}

// HandlerReturned ends s, except if it is a WebSocket.
func (s *Stream) HandlerReturned() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kind != WebSocket {
		s.end()
	}
}

// End ends s. It may be called more than once.
func (s *Stream) End() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
}

// end ends s. The caller holds s.mu.
func (s *Stream) end() {
	if !s.ended {
		s.ended = true
		s.count(-1)
	}
}

// count adds n to the numbers of open streams. The caller holds s.mu.
func (s *Stream) count(n int64) {
	for _, o := range s.observers {
		o.OpenStreams(s.pattern, s.kind).Add(n)
	}
}
