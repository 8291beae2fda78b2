package response

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/stanza-go/framework/pkg/http/internal/clientip"
)

// State contains the facts about one request that its middleware share. It is
// part of the request's context: the outermost middleware that needs a State
// adds it with [WithState], and inner ones find it. So the request is copied
// only once, and outer middleware learn the facts that an inner one sets (the
// matched pattern, the id) although they hold an older copy of the request.
//
// A State, the copy of the request and the request's first [Writer] are one
// allocation. Handlers can keep each of them, so it is never used again.
//
// Fields are set and read with atomics: handlers that run under
// [http.TimeoutHandler] may still be running when outer middleware reads them.
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

	// Whichever of the State and its writer is needed first brings the other.
	stateUsed  atomic.Bool
	writerUsed atomic.Bool
	writer     Writer

	used  atomic.Int32
	slots [18]string // as many as the documented chain takes
}

type stateKey struct{}

// LoggerKey is the context key of a request's [*slog.Logger].
type LoggerKey struct{}

// WithState returns r with a State in its context. If one is there already,
// r comes back as it is and owned is nil; otherwise the caller must
// defer owned.Release. w is the writer that goes on with the request.
func WithState(w http.ResponseWriter, r *http.Request) (_ *http.Request, owned *State) {
	cw, _ := w.(*Writer)
	if s := cw.State(); s != nil && r == &s.inner {
		return r, nil // known without asking the context
	}
	// Only the context counts otherwise: if a handler has made a new request
	// and passes it on with its own writer, the writer's State is another's.
	s := StateOf(r.Context())
	if s == nil {
		owned = newState(cw)
		owned.Context, owned.outer, owned.w = r.Context(), r, w
		owned.inner = *r.WithContext(owned) // in the State's own memory
		s, r = owned, &owned.inner
	}
	if cw != nil {
		cw.state.CompareAndSwap(nil, s)
	}
	return r, owned
}

// newState returns the State that was allocated together with cw, if it is
// still unused, or a new one.
func newState(cw *Writer) *State {
	if cw != nil && cw.spare != nil && cw.spare.stateUsed.CompareAndSwap(false, true) {
		return cw.spare
	}
	s := new(State)
	s.stateUsed.Store(true)
	return s
}

// Release hands back to the original request the fields that a server and outer
// middleware read after the handler returned: the multipart form, whose
// temporary files the server removes, and the pattern. No handler
// holds that request; the copy that handlers hold is not written to. If
// CloseConnection was called, Release also asks the server to close the
// connection. A nil State is allowed and does nothing.
func (s *State) Release() {
	if s == nil {
		return
	}
	if form := s.inner.MultipartForm; form != nil {
		s.outer.MultipartForm = form
	}
	// A router knows the pattern even if the request was copied on the way to
	// it. A plain ServeMux sets it in the request it gets, perhaps this copy.
	pattern := s.Pattern()
	if pattern == "" {
		pattern = s.inner.Pattern
	}
	if pattern != "" {
		s.outer.Pattern = pattern
	}
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
	if cw, ok := w.(*Writer); ok {
		if s := cw.State(); s != nil {
			return s
		}
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

// SetID sets the request's id if it has none yet, and returns the id that the
// request has then.
func (s *State) SetID(id string) string {
	kept := s.strings(1)
	kept[0] = id
	s.id.CompareAndSwap(nil, &kept[0])
	return s.ID()
}

// SetHeader is the function [SetHeader] for a request that has this State.
func (s *State) SetHeader(w http.ResponseWriter, name, value string) {
	values := s.strings(1)
	values[0] = value
	w.Header()[name] = values
}

// Pattern returns the pattern of the route that matched, or "".
func (s *State) Pattern() string { return load(&s.pattern) }

// SetPattern sets the pattern of the route that matched in the State of w and
// r, if there is one. If routers are nested, the innermost sets it last. The
// string that pattern points to must not change afterwards.
func SetPattern(w http.ResponseWriter, r *http.Request, pattern *string) {
	if s := stateOf(w, r); s != nil {
		s.pattern.Store(pattern)
	}
}

// KeepPattern is SetPattern for the pattern that r has now.
func KeepPattern(w http.ResponseWriter, r *http.Request) {
	if s := stateOf(w, r); s != nil {
		pattern := r.Pattern
		s.pattern.Store(&pattern)
	}
}

// PatternOf returns what SetPattern was last given for the State of w and r, or
// nil.
func PatternOf(w http.ResponseWriter, r *http.Request) *string {
	if s := stateOf(w, r); s != nil {
		return s.pattern.Load()
	}
	return nil
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

// strings returns n empty strings, from the State's own memory if there are
// enough left. They are never returned again.
func (s *State) strings(n int) []string {
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
