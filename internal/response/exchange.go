package response

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
)

// An exchange is the memory of one request, allocated at once: its first [Writer], the
// State, and the copy of the request. Handlers can keep each of them, so an exchange is
// never reused.
//
// [Observe] and [Enter] allocate an exchange for a request that has no Writer, and use
// its Writer. The first call of Enter that needs a State takes the one in the exchange. For
// example, if a Router runs in a Server, the Server's handler calls Observe, and RequestID
// calls EnterState:
//
//	Server     Observe     allocates the exchange, uses writer
//	RequestID  EnterState  takes state, shares writer
//	Metrics    Enter       shares both
//
// Without a Server, [EnterState] allocates the exchange and takes the State, and the first
// turn that needs a Writer takes the one in the exchange.
type exchange struct {
	writer Writer
	state  reqstate.State
}

// newExchange returns the Writer of a new exchange.
func newExchange() *Writer {
	e := new(exchange)
	e.writer.spareState.Store(&e.state)
	return &e.writer
}

// takeState returns the State that was allocated together with the Writer, or a new one
// if that has been taken.
func (w *Writer) takeState() *reqstate.State {
	if s := w.spareState.Swap(nil); s != nil {
		return s
	}
	return new(reqstate.State)
}

// A Turn is the time during which one middleware serves a request, from [Enter],
// [EnterState] or [Observe] to [Turn.End]. The middleware must call the next handler with
// Writer and Request.
type Turn struct {
	Writer  *Writer // nil if EnterState passes on a writer of another type
	Request *http.Request
	State   *reqstate.State // of Request; nil only after Observe

	// Returned must be set when the next handler has returned. If it is false when End
	// is called, the handler has panicked.
	Returned bool

	next      http.ResponseWriter // the argument that the turn began with
	newWriter bool                // Writer was made for this turn
	newState  bool                // State was made for this turn
}

// Enter begins the turn of a middleware that needs a Writer and a State. It uses those
// that the request already has, and adds the missing ones, as this table shows:
//
//	                   r has a State   r has no State
//	w is a *Writer     nothing         a State
//	w is another type  a Writer        both
//
// If w is a *Writer and r has no State, then either no outer middleware has called Enter,
// or a handler has created r and passes it on with its own writer. If w is another type and
// r has a State, either other middleware has wrapped the Writer, or the State comes from
// EnterState.
//
// The middleware must end the turn:
//
//	turn := response.Enter(w, r)
//	defer turn.End()
//	next.ServeHTTP(turn.Writer, turn.Request)
//	turn.Returned = true
func Enter(w http.ResponseWriter, r *http.Request) Turn {
	t := Observe(w, r)
	if t.State == nil {
		t.State, t.newState = t.Writer.takeState(), true
		t.Request = t.State.Begin(r)
		t.Writer.state.CompareAndSwap(nil, t.State)
		if t.newWriter {
			t.Writer.req = t.Request
		}
	}
	return t
}

// EnterState begins the turn of a middleware that needs a State but not a Writer. The
// middleware must call the next handler with pass and the Request of the turn. If w is not a
// *Writer, pass is w itself, because handlers may depend on its type.
func EnterState(w http.ResponseWriter, r *http.Request) (t Turn, pass http.ResponseWriter) {
	if _, shared := w.(*Writer); shared {
		t = Enter(w, r)
		return t, t.Writer
	}
	t = Turn{Request: r, State: reqstate.Of(r.Context()), next: w}
	if t.State == nil {
		e := new(exchange)
		e.writer.spareState.Store(&e.state) // until takeWriter
		t.State, t.newState = &e.state, true
		t.Request = e.state.BeginWith((*exchangeContext)(e), r)
	}
	return t, w
}

// An exchangeContext is the context of a request whose State was taken by EnterState. The
// Writer of the exchange is found through it.
type exchangeContext exchange

type exchangeKey struct{}

// takeWriter returns the Writer of the exchange whose State is in ctx. If there is none, or
// if it has been taken, takeWriter returns a new one.
func takeWriter(ctx context.Context) *Writer {
	if c, ok := ctx.Value(exchangeKey{}).(*exchangeContext); ok && c.writer.spareState.CompareAndSwap(&c.state, nil) {
		return &c.writer
	}
	return new(Writer)
}

// Value implements [context.Context].
func (c *exchangeContext) Value(key any) any {
	if _, ok := key.(exchangeKey); ok {
		return c
	}
	return c.state.Value(key)
}

// Deadline implements [context.Context].
func (c *exchangeContext) Deadline() (deadline time.Time, ok bool) { return c.state.Deadline() }

// Done implements [context.Context].
func (c *exchangeContext) Done() <-chan struct{} { return c.state.Done() }

// Err implements [context.Context].
func (c *exchangeContext) Err() error { return c.state.Err() }

// Observe begins the turn of a middleware that needs a Writer but not a State. If w is not
// a *Writer, Observe wraps it in one. It does not copy the request.
func Observe(w http.ResponseWriter, r *http.Request) Turn {
	cw, shared := w.(*Writer)
	if state := cw.State(); state.Carries(r) { // found without a search in the context
		return Turn{Writer: cw, Request: r, State: state}
	}
	t := Turn{Writer: cw, Request: r, State: reqstate.Of(r.Context()), next: w, newWriter: !shared}
	switch {
	case shared:
		if t.State != nil {
			cw.state.CompareAndSwap(nil, t.State)
		}
		return t
	case t.State != nil:
		t.Writer = takeWriter(r.Context())
	default:
		t.Writer = newExchange()
	}
	t.Writer.start(w, r, t.State)
	return t
}

// observeFirst is like Observe for a request that has neither a Writer nor a State.
func observeFirst(w http.ResponseWriter, r *http.Request) Turn {
	t := Turn{Writer: newExchange(), Request: r, next: w, newWriter: true}
	t.Writer.start(w, r, nil)
	return t
}

// End ends the turn. It must be deferred. If the turn began with a new Writer, End ends
// the response. If it began with a new State, End ends the State and, if
// [reqstate.State.CloseConnection] was called, makes the server close the connection.
func (t *Turn) End() {
	if t.newState {
		defer t.endState()
	}
	if t.newWriter {
		t.Writer.end(t.Returned)
	}
}

func (t *Turn) endState() {
	t.State.End()
	if t.State.ClosesConnection() {
		LimitReached(t.next)
	}
}

// Status returns the final status of the response. If the handler has panicked before it
// wrote anything, Status returns 500, although the server closes the connection without a
// response.
func (t *Turn) Status() int {
	if !t.Returned && !t.Writer.Committed() {
		return http.StatusInternalServerError
	}
	return t.Writer.Status()
}

// StateOf returns the state of the request that w answers. If w is not a [Writer], or has
// no State, StateOf returns the State in the context of r, or nil if there is none.
func StateOf(w http.ResponseWriter, r *http.Request) *reqstate.State {
	if cw, ok := w.(*Writer); ok {
		if state := cw.State(); state != nil {
			return state
		}
	}
	return reqstate.Of(r.Context())
}

// SetPattern sets the pattern of the route that matched r in the State of r; w is the writer
// of the response. If r has no State yet, SetPattern sets the pattern in the one that the
// first middleware to need a State will take, because the error of
// [shutdown.Registry.Drain] contains the pattern even if no middleware needs a State. The
// string must not change afterwards.
func SetPattern(w http.ResponseWriter, r *http.Request, pattern *string) {
	if state := StateOf(w, r); state != nil {
		state.SetPattern(pattern)
		return
	}
	for cw, ok := w.(*Writer); ok; cw, ok = cw.next.(*Writer) {
		cw.spareState.Load().SetPattern(pattern)
	}
}

// LimitReached makes an HTTP/1 server close the connection after the response, as an
// [http.MaxBytesReader] does when it reaches its limit. It finds the server's own writer
// through Unwrap methods. The server waits briefly before it closes the connection,
// because closing it with unread bytes could destroy the response before the client has
// read it.
func LimitReached(w http.ResponseWriter) {
	limited := http.MaxBytesReader(Innermost(w), io.NopCloser(strings.NewReader("x")), 0)
	_, _ = limited.Read(make([]byte, 1)) // fails, and thereby informs the server's writer
}
