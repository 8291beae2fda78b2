package http

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// TimeoutConfig configures [Timeout]. At least one of the durations is required. All of
// them begin when the request reaches Timeout.
type TimeoutConfig struct {
	// Timeout is the maximum time until the handler has returned. If zero, the time is
	// not limited.
	Timeout time.Duration

	// ReadTimeout is the maximum time for reading the request's body. It replaces the
	// server's, see [WithReadTimeout], and can be longer or shorter. It must not be
	// longer than Timeout. If zero, Timeout is used, or the server's if that is zero
	// too.
	ReadTimeout time.Duration

	// WriteTimeout is the maximum time for writing the response. It replaces the
	// server's, see [WithWriteTimeout], and can be longer or shorter. It must be longer
	// than Timeout, so that the response can be sent. If the request has a body, the time
	// is at least 5 seconds longer than ReadTimeout. If zero, the server's is used, but at
	// least 10 seconds more than Timeout and ReadTimeout.
	WriteTimeout time.Duration

	// Message is the error of the response with status 503. If empty, it is "request
	// timed out".
	Message string
}

// Timeout returns middleware that limits the time of a handler, and replaces the server's
// time limits, for a route or a group. For example, this group accepts uploads that take up
// to a minute, although the server's default is 15 seconds:
//
//	uploads := router.Group("/uploads")
//	uploads.Use(http.Timeout(http.TimeoutConfig{Timeout: time.Minute}))
//
// # The handler's time
//
// When [TimeoutConfig].Timeout has passed,
//
//   - the request's context is done, with the error [context.DeadlineExceeded];
//   - reading the request's body fails with an error that wraps [os.ErrDeadlineExceeded];
//   - everything that the handler writes is discarded, and Write returns
//     [ErrHandlerTimeout].
//
// The handler should then return. Timeout responds with status 503 and the body
// {"error": "request timed out"} after it has returned. Unlike [TimeoutHandler], Timeout
// calls the handler on the same goroutine, so nothing continues after the response, and
// flushing and hijacking work. But if a handler ignores its context, the response is
// delayed until it returns.
//
// If the header has already been sent, Timeout aborts the connection or the HTTP/2 stream
// after the handler has returned, so that the client does not mistake a partial response
// for a complete one. A response is left alone if the handler has written as many bytes as
// it declared with Content-Length, or if its status has no body.
//
// # Slow clients
//
// The client may be slow in sending the body or in reading the response. ReadTimeout and
// WriteTimeout limit the time for that. If they are zero, they are derived from Timeout, as
// TimeoutConfig describes. For downloads that take long, set WriteTimeout alone: Timeout
// would also end the handler that sends them.
//
// # Event streams and WebSockets
//
// Timeout has no effect on event streams and WebSockets once they have started. From the
// call of [NewSSEWriter], [Upgrader.Upgrade] or Hijack, the handler's time is unlimited, and
// its context is no longer done at the deadline. The same applies to handlers with
// [Streaming]. If the deadline has passed before, they fail with [ErrHandlerTimeout].
//
// # Nesting
//
// Timeouts can be nested, for example on a group and on one of its routes. The read and
// write timeouts of the inner one replace those of the outer one. The time of the handler
// can only be shortened: the earliest deadline applies, and the body cannot be read after it.
//
// # Position in the chain
//
// Add Timeout to groups, after [RequestLogger] and [Metrics.Middleware], so that they see
// status 503, and before middleware that reads the request's body or calls databases or
// other services. It can come before or after all other middleware of this package.
//
// Timeout panics if config is invalid.
func Timeout(config TimeoutConfig) Middleware {
	config.check()
	limits := &timeLimits{
		handler: config.Timeout,
		read:    cmp.Or(config.ReadTimeout, config.Timeout),
		write:   config.WriteTimeout,
		message: cmp.Or(config.Message, "request timed out"),
	}
	if config.WriteTimeout == 0 {
		longest := min(max(config.Timeout, config.ReadTimeout), math.MaxInt64-responseTime)
		limits.write, limits.extend = longest+responseTime, true
	}
	return func(next Handler) Handler { return &timeoutHandler{limits: limits, next: next} }
}

// responseTime is how much longer the response may be written than the handler may take.
const responseTime = 10 * time.Second

// check panics if the configuration is invalid.
func (c *TimeoutConfig) check() {
	var wrong callsite.FieldErrors
	for _, f := range []struct {
		name string
		d    time.Duration
	}{{"Timeout", c.Timeout}, {"ReadTimeout", c.ReadTimeout}, {"WriteTimeout", c.WriteTimeout}} {
		if f.d < 0 {
			wrong.Addf(f.name, "%v is negative", f.d)
		}
	}
	switch {
	case c.Timeout == 0 && c.ReadTimeout == 0 && c.WriteTimeout == 0:
		wrong.Addf("Timeout", "is not set, and ReadTimeout and WriteTimeout are not either")
	case c.Timeout == 0 && c.Message != "":
		wrong.Addf("Message", "has no effect without Timeout")
	case c.Timeout <= 0:
	case c.ReadTimeout > c.Timeout:
		wrong.Addf("ReadTimeout", "%v is longer than Timeout, %v", c.ReadTimeout, c.Timeout)
	case c.WriteTimeout > 0 && c.WriteTimeout <= c.Timeout:
		wrong.Addf("WriteTimeout", "%v is not longer than Timeout, %v", c.WriteTimeout, c.Timeout)
	}
	wrong.PanicIfAny("TimeoutConfig")
}

// timeLimits are the limits of a [Timeout]. The zero durations mean no limit.
type timeLimits struct {
	handler time.Duration
	read    time.Duration
	write   time.Duration
	extend  bool // write replaces the server's timeout only if that is shorter
	message string

	warned atomic.Bool // that deadlines are not supported
}

// A timeoutHandler is the handler of [Timeout].
type timeoutHandler struct {
	limits *timeLimits
	next   Handler
}

// ServeHTTP implements [Handler].
func (h *timeoutHandler) ServeHTTP(w ResponseWriter, r *Request) {
	turn := response.Observe(w, r)
	defer turn.End()
	start := time.Now()
	var timeout *response.Timeout
	inner := turn.Request
	if h.limits.handler > 0 {
		timeout = turn.NewTimeout(start.Add(h.limits.handler))
		defer timeout.End()
		inner = timeout.Request()
	}
	limits := response.LimitConnection(&turn, start, h.limits.read, h.limits.write, h.limits.extend)
	defer limits.End()
	if limits.Err != nil {
		warnNoDeadlines(&turn, &h.limits.warned, "Timeout", limits.Err)
	}
	h.next.ServeHTTP(turn.Writer, inner)
	if timeout != nil && timeout.End() {
		h.respond(turn.Writer)
	}
	turn.Returned = true
}

// respond responds instead of a handler that has returned too late.
func (h *timeoutHandler) respond(cw *response.Writer) {
	switch {
	case cw.Ended(), cw.Hijacked(), cw.Complete():
	case cw.Reset():
		cw.State().Reject(reqstate.TimedOut)
		// A handler that ignores its context may have returned after the write deadline.
		// If it cannot be set again, the response fails, as any other would.
		_ = cw.SetServerWriteDeadline(time.Now().Add(responseTime)) // see above
		WriteError(cw, StatusServiceUnavailable, h.limits.message)
	default:
		cw.State().Reject(reqstate.TimedOut)
		panic(http.ErrAbortHandler)
	}
}

// warnNoDeadlines logs, once, that a middleware cannot set the deadlines of the connection.
// err is from setting one.
func warnNoDeadlines(turn *response.Turn, warned *atomic.Bool, middleware string, err error) {
	wrapper := response.Innermost(turn.Writer)
	if !response.Hides(wrapper) || !errors.Is(err, ErrNotSupported) || warned.Swap(true) {
		return // the writer of a test, which has no deadlines, or a connection that has failed
	}
	ctx := turn.Request.Context()
	LoggerFromContext(ctx).WarnContext(ctx, "http: "+middleware+" cannot replace the server's timeouts: "+
		"a middleware's ResponseWriter has no Unwrap method; add one that returns the writer it wraps",
		slog.String("type", fmt.Sprintf("%T", wrapper)))
}

// Streaming returns middleware for handlers that write a stream themselves, without
// [NewSSEWriter]: event streams of other packages, gRPC, downloads without an end. Declare a
// route or a group as streaming:
//
//	streams := router.Group("/events")
//	streams.Use(http.Streaming())
//
// The response is then treated as an event stream is:
//
//   - The server's read and write timeouts do not apply, nor do those of a [Timeout] that
//     comes before Streaming.
//   - Each write and each flush has a timeout of 30 seconds, after which it fails. With
//     HTTP/1, it may take up to half as long again. The handler should then return.
//   - [Server.Stop] cancels the request's context, and the handler should return. Writes
//     that take longer than 5 seconds fail from then on. Stop waits until the handler
//     returns.
//
// A handler that responds with an ordinary response, for example with an error, works as
// without Streaming. It may also call [NewSSEWriter] or [Upgrader.Upgrade].
//
// If middleware outside wraps the ResponseWriter in a type without an Unwrap method, the
// timeouts cannot be replaced. Streaming and [Timeout] then log a warning, once.
//
// Under a [net/http.Server], only the timeouts apply. Add Streaming to the routes or groups
// of the streams, not to the router, because their clients are allowed to be slow for any
// length of time. A [Timeout] after Streaming applies, until an event stream starts.
func Streaming() Middleware {
	return func(next Handler) Handler { return &streamingHandler{next: next} }
}

// A streamingHandler is the handler of [Streaming].
type streamingHandler struct {
	next   Handler
	warned atomic.Bool // that deadlines are not supported
}

// ServeHTTP implements [Handler].
func (h *streamingHandler) ServeHTTP(w ResponseWriter, r *Request) {
	turn := response.Observe(w, r)
	defer turn.End()
	if err := turn.Writer.BeginStream(); err != nil {
		warnNoDeadlines(&turn, &h.warned, "Streaming", err)
	}
	h.next.ServeHTTP(turn.Writer, turn.Request)
	turn.Returned = true
}
