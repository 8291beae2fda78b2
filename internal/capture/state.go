package capture

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/stanza-go/framework/pkg/http/internal/clientip"
)

// State is what the middleware of one request know of it together. It is a
// context, and sits in the request's: the outermost middleware that needs one
// puts it there with [WithState], and those further in find it. So however
// many there are, the request is copied once (in the
// State's own allocation), and what an inner one learns
// (the matched pattern, the id) is known to the outer ones although they hold
// an older copy of the request.
//
// Fields are set and read with atomics: handlers that run under
// [http.TimeoutHandler] may still be going when outer middleware reads them.
type State struct {
	context.Context // of the request before

	outer *http.Request       // the request before
	inner http.Request        // the copy that carries the State
	w     http.ResponseWriter // the writer that came with outer

	id      atomic.Pointer[string]
	pattern atomic.Pointer[string]
	base    atomic.Pointer[slog.Logger] // what RequestLogger was given
	logger  atomic.Pointer[slog.Logger] // with the request's attributes
	trusted atomic.Pointer[clientip.Set]
	closes  atomic.Bool // CloseConnection was called

	used  atomic.Int32
	slots [15]string // one more than the documented chain takes, and what fits the allocator's size
}

type stateKey struct{}

// LoggerKey is the context key of a request's [*slog.Logger].
type LoggerKey struct{}

// WithState returns r with a State in its context. Where one was there
// already, r comes back as it is and owned is nil; otherwise the caller must
// defer owned.Release. w is the writer that goes on with the request.
func WithState(w http.ResponseWriter, r *http.Request) (_ *http.Request, owned *State) {
	cw, _ := w.(*Writer)
	if cw != nil && cw.state != nil && r == &cw.state.inner {
		return r, nil // known without asking the context
	}
	// Nothing but the context counts otherwise: of a request that a handler has
	// made anew and passes on with its own writer, the writer's is another's.
	if s := StateOf(r.Context()); s != nil {
		if cw != nil && cw.state == nil {
			cw.state = s
		}
		return r, nil
	}
	s := &State{Context: r.Context(), outer: r, w: w}
	s.inner = *r.WithContext(s) // one allocation for both
	if cw != nil && cw.state == nil {
		cw.state = s
	}
	return &s.inner, s
}

// Release hands back to the original request what a server and outer
// middleware read from it after the handler returned: the multipart form,
// whose temporary files the server removes, and the pattern. If CloseConnection
// was called, it also asks the server to close the connection. A nil State is
// allowed and does nothing.
func (s *State) Release() {
	if s == nil {
		return
	}
	s.outer.MultipartForm = s.inner.MultipartForm
	s.outer.Pattern = s.inner.Pattern
	if s.closes.Load() && s.outer.ProtoMajor == 1 {
		LimitReached(s.w)
	}
}

// StateOf returns the State in ctx, or nil.
func StateOf(ctx context.Context) *State {
	s, _ := ctx.Value(stateKey{}).(*State)
	return s
}

// stateOf is StateOf(r.Context()), found faster where w knows it.
func stateOf(w http.ResponseWriter, r *http.Request) *State {
	if cw, ok := w.(*Writer); ok && cw.state != nil {
		return cw.state
	}
	return StateOf(r.Context())
}

// Value returns the State itself for its own key, and the request's logger,
// once it has one, for [LoggerKey].
func (s *State) Value(key any) any {
	switch key {
	case stateKey{}:
		return s
	case LoggerKey{}:
		if l := s.Logger(); l != nil {
			return l
		}
	}
	return s.Context.Value(key)
}

// ID returns the request's id, or "".
func (s *State) ID() string { return load(&s.id) }

// SetID sets the request's id if it has none yet, and returns the id that it
// has then. The string that id points to must not change afterwards.
func (s *State) SetID(id *string) string {
	s.id.CompareAndSwap(nil, id)
	return s.ID()
}

// Pattern returns the pattern of the route that matched, or "".
func (s *State) Pattern() string { return load(&s.pattern) }

// SetPattern tells the State of w and r, if there is one, which route's
// pattern matched. Of nested routers the innermost speaks last. What pattern
// points to must not change after.
func SetPattern(w http.ResponseWriter, r *http.Request, pattern *string) {
	if s := stateOf(w, r); s != nil {
		s.pattern.Store(pattern)
	}
}

// CloseConnection asks the server of an HTTP/1 request to close the connection
// after the response, without waiting for the rest of the request's body. It
// may be called from any goroutine, since nothing happens before Release, which
// the server's own goroutine runs: under [http.TimeoutHandler] the response may
// be written while the handler is still running.
func (s *State) CloseConnection() { s.closes.Store(true) }

// LimitReached does to the server's own writer, if w leads to it, what an
// [http.MaxBytesReader] does whose limit was reached: the server closes the
// connection after the response, and lingers before it does, so that unread
// bytes do not cost the client the response.
func LimitReached(w http.ResponseWriter) {
	limited := http.MaxBytesReader(Innermost(w), io.NopCloser(strings.NewReader("x")), 0)
	_, _ = limited.Read(make([]byte, 1)) // fails: that is its purpose
}

// Trusted returns the proxies that are trusted with the client's address. It
// may be called on a nil State.
func (s *State) Trusted() *clientip.Set {
	if s == nil {
		return nil
	}
	return s.trusted.Load()
}

// Trust adds to the trusted proxies.
func (s *State) Trust(proxies *clientip.Set) {
	for {
		before := s.trusted.Load()
		if s.trusted.CompareAndSwap(before, before.And(proxies)) {
			return
		}
	}
}

// SetLogger sets the logger that Logger derives the request's from.
func (s *State) SetLogger(base *slog.Logger) { s.base.Store(base) }

// Logger returns the request's logger, or nil if SetLogger was not called. Once
// the request has an id, the logger adds it to each line as request_id.
func (s *State) Logger() *slog.Logger {
	if l := s.logger.Load(); l != nil {
		return l
	}
	l := s.base.Load()
	id := s.ID()
	if l == nil || id == "" {
		return l
	}
	l = l.With(slog.String("request_id", id))
	s.logger.Store(l)
	return l
}

// Strings returns n empty strings for use as header values, as many slices
// of one: s[0:1:1], s[1:2:2] and so on. Where the request has a State they
// come out of its memory, so that a response's header fields cost no
// allocation each and no slice is shared between responses.
func Strings(w http.ResponseWriter, n int) []string {
	if cw, ok := w.(*Writer); ok && cw.state != nil {
		return cw.state.Strings(n)
	}
	return make([]string, n)
}

// Strings is the function [Strings] for a known State.
func (s *State) Strings(n int) []string {
	end := int(s.used.Add(int32(n)))
	if end > len(s.slots) {
		return make([]string, n)
	}
	return s.slots[end-n : end : end]
}

func load(p *atomic.Pointer[string]) string {
	if s := p.Load(); s != nil {
		return *s
	}
	return ""
}
