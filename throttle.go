package http

import (
	"bytes"
	"cmp"
	"io"
	"strconv"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
	"github.com/stanza-go/framework/pkg/http/internal/response"
	"github.com/stanza-go/framework/pkg/http/internal/throttle"
)

// ThrottleConfig configures [Throttle]. Limit is required.
type ThrottleConfig struct {
	// Limit is the maximum number of requests that are handled at once. It must
	// be positive. If the handlers mostly wait for a database, start with the size
	// of its connection pool; if they mostly compute, start with the number of CPUs.
	Limit int

	// Backlog is the maximum number of requests that wait to be handled. If zero,
	// no request waits. Each waiting request holds a goroutine, its connection, and
	// the memory for a short body, and delays the requests behind it: if the backlog
	// is full, the last request waits for about Backlog/Limit times the duration of a
	// request.
	Backlog int

	// Wait is the maximum time that a request waits. If zero, 5 seconds is used.
	// It must not be set without Backlog.
	Wait time.Duration

	// Metrics, if not nil, exports the numbers of running and waiting requests as
	// http_throttle_running_requests and http_throttle_waiting_requests; see
	// [Metrics.Collect]. [Metrics.Middleware] counts rejected requests even if
	// Metrics is nil.
	Metrics *Metrics

	// Name is the value of the throttle label of these metrics. If several throttles
	// have the same name, their numbers are added. If Name is empty, the label is
	// omitted. Name must not be set without Metrics.
	Name string
}

// Throttle returns middleware that limits how many requests are handled at once.
// Requests beyond the limit wait in the backlog. If the backlog is full, Throttle
// immediately responds with status 503 and the body {"error": "server is busy"}. The
// time that a request waits is therefore bounded, even if more requests arrive than the
// server can handle.
//
// If the body of a rejected HTTP/1 request is longer than 64 KiB, or of unknown length,
// Throttle does not read it: it responds and then closes the connection.
//
// # Order
//
// Requests are handled in order of arrival. A new request never overtakes waiting
// requests.
//
// # Waiting
//
// A request stops waiting
//
//   - when it is first in the backlog and a running request ends; its handler is
//     then called;
//   - when it has waited for [ThrottleConfig].Wait; it then gets the same response
//     with status 503;
//   - when its context is done, usually because the client has disconnected. It
//     leaves the backlog immediately, and its handler is not called. Loggers and
//     metrics record status 503.
//
// Over HTTP/1, net/http notices that a client has disconnected only after the
// request's body has been read. Throttle therefore reads bodies of up to 64 KiB while
// their requests wait, and the handler gets a copy. If such a body arrives slowly, the
// response is delayed until the body has arrived or the server's read timeout has passed.
// If the body is longer, or of unknown length, a disconnected client's request stays in
// the backlog until its turn comes or Wait has passed.
//
// If a request waits, the server's write timeout begins when the wait ends. The read timeout
// of a longer body includes the wait; to replace it, use [Timeout].
//
// Waiting requests are requests in progress: [Server.Stop] waits for them, and they are
// still handled.
//
// # Retry-After
//
// Responses with status 503 have a Retry-After field. Its value is Wait in seconds,
// rounded up; by then, every request in the backlog has been admitted or rejected.
// Without a backlog, the value is 1.
//
// # Long-lived connections
//
// A request counts toward Limit until its handler returns or panics, even if the
// connection was hijacked. An event stream, or a WebSocket whose handler returns when it
// ends, therefore counts for as long as it is open, and a few of them can block all other
// requests. Add Throttle to groups without such routes, or give the streams a Throttle of
// their own, whose Limit is then the maximum number of open streams. Leave its Backlog at
// zero, so that clients beyond the limit get status 503 immediately instead of waiting
// for other clients to disconnect.
//
// # Position in the chain
//
// Add Throttle to the routes or groups that are expensive,
//
//   - after [RequestLogger] and [Metrics.Middleware], so that rejected requests are
//     logged and counted;
//   - after [CORS], so that pages from other origins can read the response;
//   - after [RateLimit], so that rejected requests do not use up Limit;
//   - before everything that it protects.
//
// All handlers that the same Throttle wraps share its limit. Do not add the same
// Throttle to a chain twice, because each request would then count twice.
//
// Throttle panics if config is invalid.
func Throttle(config ThrottleConfig) Middleware {
	config.check()
	wait := cmp.Or(config.Wait, 5*time.Second)
	gate := throttle.New(config.Limit, config.Backlog, wait)
	retryAfter := "1"
	if config.Backlog > 0 {
		retryAfter = strconv.FormatInt(ceilSeconds(wait), 10)
	}
	if config.Metrics != nil {
		config.Metrics.table().AddQueue(config.Name, func() (running, waiting int) {
			counts := gate.Counts()
			return counts.Running, counts.Waiting
		})
	}
	return func(next Handler) Handler {
		return &throttleHandler{gate: gate, wait: wait, retryAfter: retryAfter, next: next}
	}
}

// check panics if the configuration is invalid.
func (c *ThrottleConfig) check() {
	var wrong callsite.FieldErrors
	if c.Limit <= 0 {
		wrong.Addf("Limit", "%d is not positive", c.Limit)
	}
	if c.Backlog < 0 {
		wrong.Addf("Backlog", "%d is negative", c.Backlog)
	}
	switch {
	case c.Wait < 0:
		wrong.Addf("Wait", "%v is negative", c.Wait)
	case c.Wait > 0 && c.Backlog == 0:
		wrong.Addf("Wait", "has no effect without Backlog")
	}
	if c.Name != "" && c.Metrics == nil {
		wrong.Addf("Name", "has no effect without Metrics")
	}
	wrong.PanicIfAny("ThrottleConfig")
}

// A throttleHandler is the handler of [Throttle].
type throttleHandler struct {
	gate       *throttle.Gate
	wait       time.Duration
	retryAfter string // in seconds
	next       Handler
}

// ServeHTTP implements [Handler].
func (h *throttleHandler) ServeHTTP(w ResponseWriter, r *Request) {
	var body *bodyAhead
	waited := false
	outcome := h.gate.Enter(r.Context(), func() {
		waited = true
		if r.ProtoMajor != 1 { // net/http resets a stream as soon as its write deadline passes
			response.RestartWriteTimeout(w, r, h.wait)
		}
		body = readAhead(r)
	})
	if waited {
		response.RestartWriteTimeout(w, r, 0)
	}
	if outcome != throttle.Admitted {
		if cw := response.Find(w); cw == nil || !cw.TimedOut() { // an outer Timeout responds itself
			h.reject(w, r)
		}
		return
	}
	defer h.gate.Leave()
	if body == nil {
		h.next.ServeHTTP(w, r)
		return
	}
	turn, pass := response.EnterState(w, r)
	defer turn.End()
	turn.Request.Body = body
	if body.err == nil {
		turn.State.SetBodyRead()
	}
	h.next.ServeHTTP(pass, turn.Request)
	turn.Returned = true
}

// shortBody is the length in bytes of a body that is read before a request is rejected,
// so that the connection can be used again, and while a request waits.
const shortBody = 64 << 10

// readAhead reads the body of the request if it is short, and returns a copy, or nil.
// Over HTTP/1, net/http can cancel the context of a request only if its body was read to
// the end.
func readAhead(r *Request) *bodyAhead {
	if r.ProtoMajor != 1 || r.ContentLength <= 0 || r.ContentLength > shortBody || r.Body == nil {
		return nil
	}
	ahead := &bodyAhead{Closer: r.Body}
	ahead.content.Grow(int(r.ContentLength) + bytes.MinRead)
	_, ahead.err = ahead.content.ReadFrom(r.Body)
	return ahead
}

// A bodyAhead is the body of a request that was read while the request waited.
type bodyAhead struct {
	io.Closer
	content bytes.Buffer
	err     error // that the body returned instead of io.EOF, or nil
}

// Read implements [io.Reader].
func (b *bodyAhead) Read(p []byte) (int, error) {
	n, err := b.content.Read(p)
	if err != nil && b.err != nil {
		err = b.err
	}
	return n, err
}

// reject responds to a request that was not admitted.
func (h *throttleHandler) reject(w ResponseWriter, r *Request) {
	if r.ProtoMajor == 1 && (r.ContentLength < 0 || r.ContentLength > shortBody) {
		response.LimitReached(w)
	}
	response.StateOf(w, r).Reject(reqstate.Throttled)
	response.SetHeader(w, "Retry-After", h.retryAfter)
	WriteError(w, StatusServiceUnavailable, "server is busy")
}
