// Package reqstate holds the facts about one request that its middleware shares:
// the ID, the matched pattern, the logger, attributes for the log, the trusted
// proxies, and the observers of rare events.
//
// The facts are in a [State], which is part of the request's context. The
// outermost middleware that needs a State adds it, and the others find it there.
// Therefore the request is copied only once, and outer middleware learns the facts
// that inner middleware sets, for example the matched pattern, although it holds
// an older copy of the request.
//
// Handlers can keep a State, so it is never reused for another request.
package reqstate

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/clientip"
)

// A State is the shared state of one request, and the context of the copy of the
// request that [State.Begin] returns.
//
// Its methods, except Begin, BeginWith and End, are safe for concurrent use by
// multiple goroutines. For example, a handler under [http.TimeoutHandler] may still
// be running when outer middleware reads the State.
type State struct {
	original *http.Request
	request  http.Request // the copy that carries the State

	id         atomic.Pointer[string]
	pattern    atomic.Pointer[string]
	baseLogger atomic.Pointer[slog.Logger] // without attributes of the request
	logger     atomic.Pointer[slog.Logger] // derived from baseLogger
	trusted    atomic.Pointer[clientip.Set]
	scope      atomic.Pointer[Scope]

	observers       atomic.Pointer[Observers]
	more            atomic.Pointer[more]
	closeConnection atomic.Bool

	usedValues atomic.Int32
	values     [maxValues]string
}

// A more holds facts that most requests do not have.
type more struct {
	mu       sync.Mutex
	logAttrs []slog.Attr // for the request's log line, each key once
	stream   *Stream     // the last one, or nil
	bodyRead bool
}

// maxValues is the number of header values that fit in a State. It is enough for the
// documented middleware chain, which uses up to 15, and makes an exchange of
// internal/response fit the allocator's size class of 768 bytes, of which the allocator
// uses 8 itself.
const maxValues = 16

type stateKey struct{}

// LoggerKey is the context key of a request's [*slog.Logger].
type LoggerKey struct{}

// Of returns the State in ctx, or nil.
func Of(ctx context.Context) *State {
	s, _ := ctx.Value(stateKey{}).(*State)
	return s
}

// Begin makes s, which must be new, the State of r. It returns a copy of r whose
// context is s. The copy is in the State's own memory. The caller must call End
// when the handler has returned.
func (s *State) Begin(r *http.Request) *http.Request { return s.BeginWith(s, r) }

// BeginWith is like Begin, but the context of the copy is ctx, which must wrap s.
func (s *State) BeginWith(ctx context.Context, r *http.Request) *http.Request {
	s.original = r
	s.request = *r.WithContext(ctx)
	return &s.request
}

// End copies to the original request the fields that a server and outer middleware
// read after the handler has returned: the multipart form, whose temporary files
// the server removes, and the pattern. It does not change the copy of the request,
// which handlers may still hold.
func (s *State) End() {
	if form := s.request.MultipartForm; form != nil {
		s.original.MultipartForm = form
	}
	// A router sets the pattern in the State, even if it was called with another
	// copy of the request. An http.ServeMux sets it in the request it is called
	// with, which may be the State's copy.
	pattern := s.Pattern()
	if pattern == "" {
		pattern = s.request.Pattern
	}
	if pattern != "" {
		s.original.Pattern = pattern
	}
}

// Carries reports whether r is the copy of the request that Begin returned. s may
// be nil.
func (s *State) Carries(r *http.Request) bool { return s != nil && r == &s.request }

// Value returns the State for its own key and the request's logger, if it has
// one, for [LoggerKey].
func (s *State) Value(key any) any {
	switch key {
	case stateKey{}:
		return s
	case LoggerKey{}:
		if l := s.Logger(); l != nil {
			return l
		}
	}
	return s.original.Context().Value(key)
}

// Deadline implements [context.Context].
func (s *State) Deadline() (deadline time.Time, ok bool) { return s.original.Context().Deadline() }

// Done implements [context.Context].
func (s *State) Done() <-chan struct{} { return s.original.Context().Done() }

// Err implements [context.Context].
func (s *State) Err() error { return s.original.Context().Err() }

// ID returns the request's ID, or "" if it is not set.
func (s *State) ID() string { return load(&s.id) }

// SetID sets the request's ID unless it is already set. It returns the ID that the
// request has afterwards.
func (s *State) SetID(id string) string {
	kept := s.Values(1)
	kept[0] = id
	s.id.CompareAndSwap(nil, &kept[0])
	return s.ID()
}

// Pattern returns the pattern of the route that matched, or "".
func (s *State) Pattern() string { return load(&s.pattern) }

// PatternPointer returns the last argument of SetPattern. It is nil if SetPattern
// was not called, or if s is nil.
func (s *State) PatternPointer() *string {
	if s == nil {
		return nil
	}
	return s.pattern.Load()
}

// SetPattern sets the pattern of the route that matched. If routers are nested,
// the innermost one sets it last. If the router is mounted, SetPattern inserts the
// prefix of the mount. The string must not change afterwards. If s is nil, SetPattern
// does nothing.
func (s *State) SetPattern(pattern *string) {
	if s == nil {
		return
	}
	if scope := s.scope.Load(); scope != nil {
		pattern = scope.Mounted.fullPattern(pattern)
	}
	s.pattern.Store(pattern)
}

// KeepPattern calls SetPattern with a copy of r.Pattern.
func (s *State) KeepPattern(r *http.Request) {
	if s != nil {
		pattern := r.Pattern
		s.SetPattern(&pattern)
	}
}

// CloseConnection asks for the connection of an HTTP/1 request to be closed after
// the response, without waiting for the rest of the request's body. Nothing
// happens until the handler has returned, because under [http.TimeoutHandler] the
// response may be written while the handler is still running.
func (s *State) CloseConnection() { s.closeConnection.Store(true) }

// ClosesConnection reports whether CloseConnection was called for a request over
// HTTP/1.
func (s *State) ClosesConnection() bool {
	return s.closeConnection.Load() && s.original.ProtoMajor == 1
}

// Trusted returns the proxies that are trusted to report the client's address. It
// returns nil if s is nil.
func (s *State) Trusted() *clientip.Set {
	if s == nil {
		return nil
	}
	return s.trusted.Load()
}

// Trust adds proxies to those that Trusted returns.
func (s *State) Trust(proxies *clientip.Set) {
	for {
		before := s.trusted.Load()
		if s.trusted.CompareAndSwap(before, before.And(proxies)) {
			return
		}
	}
}

// SetLogger sets the logger from which Logger derives the request's logger. It has no
// effect once Logger has returned a logger with the request's ID.
func (s *State) SetLogger(base *slog.Logger) { s.baseLogger.Store(base) }

// Logger returns the request's logger, or nil if SetLogger was not called. Once
// the request has an ID, the logger adds it to each record as request_id.
func (s *State) Logger() *slog.Logger {
	if l := s.logger.Load(); l != nil {
		return l
	}
	l := s.baseLogger.Load()
	id := s.ID()
	if l == nil || id == "" {
		return l
	}
	l = l.With(slog.String("request_id", id))
	s.logger.Store(l)
	return l
}

// AddLogAttrs adds attributes to those that LogAttrs returns. An attribute replaces an
// earlier one with the same key, unless the key is empty.
func (s *State) AddLogAttrs(attrs []slog.Attr) {
	m := s.needMore()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, attr := range attrs {
		same := func(a slog.Attr) bool { return a.Key == attr.Key }
		if i := slices.IndexFunc(m.logAttrs, same); i >= 0 && attr.Key != "" {
			m.logAttrs[i] = attr
		} else {
			m.logAttrs = append(m.logAttrs, attr)
		}
	}
}

// LogAttrs returns a copy of the attributes for the request's log line.
func (s *State) LogAttrs() []slog.Attr {
	m := s.more.Load()
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.logAttrs)
}

// SetBodyRead records that middleware has read the body of the request to its end, and that the
// handler reads a copy.
func (s *State) SetBodyRead() {
	m := s.needMore()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bodyRead = true
}

// BodyRead reports whether SetBodyRead was called. If s is nil, it returns false.
func (s *State) BodyRead() bool {
	if s == nil {
		return false
	}
	m := s.more.Load()
	if m == nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bodyRead
}

// needMore returns s.more, after creating it if necessary.
func (s *State) needMore() *more {
	if m := s.more.Load(); m != nil {
		return m
	}
	s.more.CompareAndSwap(nil, new(more))
	return s.more.Load()
}

// Values returns a slice of n empty strings for use as header values. It is part of the
// State's memory, and no other call returns the same part. If the State has no room
// left, or if s is nil, Values allocates the slice.
func (s *State) Values(n int) []string {
	if s == nil {
		return make([]string, n)
	}
	end := int(s.usedValues.Add(int32(n)))
	if end > len(s.values) {
		return make([]string, n)
	}
	return s.values[end-n : end : end]
}

func load(p *atomic.Pointer[string]) string {
	if s := p.Load(); s != nil {
		return *s
	}
	return ""
}
