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
// them are measured from the moment at which the request reaches Timeout.
type TimeoutConfig struct {
	// Timeout is the maximum duration of the handler. If zero, the duration is not
	// limited.
	Timeout time.Duration

	// ReadTimeout is the maximum time for reading the request's body. It replaces the
	// server's read timeout (see [WithReadTimeout]), and can be longer or shorter. It
	// must not be longer than Timeout, unless Timeout is zero. If ReadTimeout is zero,
	// Timeout is used; if both are zero, the server's read timeout applies.
	ReadTimeout time.Duration

	// WriteTimeout is the maximum time for writing the response. It replaces the server's
	// write timeout (see [WithWriteTimeout]), and can be longer or shorter. It must be
	// longer than Timeout, so that the response can be sent. If zero, the server's write
	// timeout applies, or 10 seconds more than the longer of Timeout and ReadTimeout,
	// whichever is longer. Even if WriteTimeout is set, a request with a body gets at
	// least 5 seconds more than ReadTimeout.
	WriteTimeout time.Duration

	// Message is the error message in the response with status 503. If empty, "request
	// timed out" is used. Message must not be set without Timeout.
	Message string
}

// Timeout returns middleware that limits the duration of handlers and replaces the
// server's read and write timeouts, usually for a group. For example, this group accepts
// uploads that take up to a minute, although the server's default is 15 seconds:
//
//	uploads := router.Group("/uploads")
//	uploads.Use(http.Timeout(http.TimeoutConfig{Timeout: time.Minute}))
//
// # The handler's deadline
//
// When [TimeoutConfig].Timeout has passed,
//
//   - the request's context is done, with the error [context.DeadlineExceeded];
//   - reading the request's body fails with an error that wraps [os.ErrDeadlineExceeded];
//   - everything that the handler writes is discarded, and Write returns
//     [ErrHandlerTimeout].
//
// The handler should then return. When it has returned, Timeout responds with status 503
// and the body {"error": "request timed out"}. Unlike [TimeoutHandler], Timeout calls the
// handler in the request's goroutine, so the handler never runs after the response has
// been sent, and flushing and hijacking work. However, if a handler ignores its context,
// the response is delayed until the handler returns.
//
// If the header has already been sent, Timeout aborts the connection or the HTTP/2 stream
// after the handler has returned, so that the client does not mistake a partial response
// for a complete one. Timeout does not change a response that is already complete. A
// response is complete if the handler has written as many bytes as its Content-Length
// declares, or if its status does not allow a body.
//
// # Slow clients
//
// ReadTimeout and WriteTimeout limit how long a client can take to send the request's body
// and to read the response. If they are zero, they are derived from Timeout, as described
// at [TimeoutConfig]. For long downloads, set only WriteTimeout, because Timeout would also
// end the handler that sends the file.
//
// # Event streams and WebSockets
//
// Timeout has no effect on event streams and WebSockets once they have started. After the
// handler has called [NewSSEWriter], [Upgrader.Upgrade] or Hijack, its deadline no longer
// applies, and its context is not canceled at the deadline. If the deadline has already
// passed, these calls fail with [ErrHandlerTimeout]. Handlers inside a [Streaming] that
// comes after Timeout have no deadline either.
//
// # Nesting
//
// Timeouts can be nested, for example on a group and on one of its routes. A ReadTimeout
// or WriteTimeout of the inner one replaces that of the outer one. An inner Timeout can
// only shorten the handler's time: the earliest deadline applies, and the body cannot be
// read after it. If the outer one sets WriteTimeout, the inner one should too, because
// the default is derived from the server's write timeout and not from the outer Timeout.
//
// # Position in the chain
//
// Add Timeout to groups, after [RequestLogger] and [Metrics.Middleware], so that they
// record status 503, and before middleware that reads the request's body or calls
// databases or other services. It can come before or after any other middleware of this
// package. If it comes before [Throttle], its times include the time that the request
// waits there.
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
// [NewSSEWriter], for example event streams from other packages, gRPC, or downloads that do
// not end. Add it to the group of these handlers:
//
//	streams := router.Group("/events")
//	streams.Use(http.Streaming())
//
// The response is then treated like an event stream:
//
//   - The server's read and write timeouts do not apply, and neither does a [Timeout] that
//     comes before Streaming.
//   - Each write and each flush fails if it takes longer than 30 seconds, or up to 45
//     seconds over HTTP/1. The handler should then return.
//   - [Server.Stop] cancels the request's context, and the handler should return. From then
//     on, writes fail if they take longer than 5 seconds. Stop waits until the handler
//     returns.
//   - The header field X-Accel-Buffering is set to no before the handler is called, so that
//     nginx does not buffer the stream.
//
// A handler can also send an ordinary response, for example an error, or call
// [NewSSEWriter] or [Upgrader.Upgrade].
//
// If earlier middleware wraps the ResponseWriter in a type that has no Unwrap method, the
// timeouts cannot be replaced. Streaming and [Timeout] then log a warning, once.
//
// With a plain [net/http.Server], Streaming changes only the timeouts. Add it to the
// groups of the streams, not to the router, because it lets clients be slow for an
// unlimited time. A [Timeout] that comes after Streaming applies until the handler calls
// [NewSSEWriter], [Upgrader.Upgrade] or Hijack.
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
	response.SetHeader(turn.Writer, "X-Accel-Buffering", "no")
	h.next.ServeHTTP(turn.Writer, turn.Request)
	turn.Returned = true
}
