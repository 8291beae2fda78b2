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
	// Limit is the number of requests that are handled at once. It must be
	// positive. A good start for a handler that mostly waits for a database is
	// the number of its connections, and for one that mostly computes, the number
	// of CPUs.
	Limit int

	// Backlog is the number of requests that may wait until they can be handled.
	// If zero, no request waits. Each waiting request takes a goroutine, its
	// connection and the memory for a short body, and adds to the latency of those behind it: the last one waits
	// for about Backlog/Limit times the duration of a request.
	Backlog int

	// Wait is the maximum time that a request waits. If zero, 5 seconds is used.
	// It must not be set without Backlog.
	Wait time.Duration

	// Metrics, if not nil, exports how many requests are handled and how many wait,
	// as http_throttle_running_requests and http_throttle_waiting_requests; see
	// [Metrics.Collect]. [Metrics.Middleware] counts the rejected requests, whether
	// Metrics is set or not.
	Metrics *Metrics

	// Name is the value of the label throttle of these metrics. The numbers of
	// throttles with the same name are added up. If empty, the metrics do not have the
	// label. It must not be set without Metrics.
	Name string
}

// Throttle returns middleware that limits how many requests are handled at once.
// Requests beyond the limit wait, as many as the backlog holds. Throttle responds to
// all others immediately with status 503 and the body {"error": "server is busy"}.
// The latency of the requests that are handled is therefore bounded, even if more
// arrive than the server can handle.
//
// Over HTTP/1, net/http reads a short body before it sends the response. If the body of
// a rejected request is longer than 64 KiB, or of unknown length, Throttle does not wait
// for it: it responds and then closes the connection.
//
// # Order
//
// Requests are handled in the order of their arrival. A request that arrives when
// others are waiting never overtakes them.
//
// # Waiting
//
// A request stops waiting
//
//   - when it is handled;
//   - when it has waited for [ThrottleConfig].Wait; it then gets the same response
//     with status 503;
//   - when its context is done, usually because the client has disconnected. Its
//     place in the backlog is free immediately, and its handler is not called.
//     Loggers and metrics see status 503.
//
// Over HTTP/1, net/http notices that a client has disconnected only after the
// request's body was read. Throttle therefore reads bodies of up to 64 KiB while their
// requests wait, and the handler reads the copy. Requests with longer bodies, or with
// bodies of unknown length, keep their places until one of the other events. A request
// whose short body arrives slowly gets its response after the body, or when the server's
// read timeout has passed.
//
// The server's write timeout begins when a request stops waiting. The read timeout of a
// longer body includes the time that the request waits; see [Timeout].
//
// [Server.Stop] lets waiting requests be handled as long as it waits for requests.
//
// # Retry-After
//
// Responses with status 503 have a Retry-After field with Wait in seconds, rounded
// up. By then, all requests that are waiting now have been handled or rejected.
// Without a backlog, it is 1 second.
//
// # Long-lived connections
//
// A request is handled until its handler returns or panics, even if the connection
// was hijacked. An event stream or a WebSocket whose handler returns at its end
// therefore takes one of Limit for all that time, and a few of them can block all
// other requests. Add Throttle to groups without such routes, or limit the streams with
// a Throttle of their own: its Limit is the number of streams that are open at once.
// Without a backlog, clients beyond the limit get status 503 instead of waiting for
// other clients to disconnect.
//
// # Position in the chain
//
// Add Throttle to the routes or groups that are expensive,
//
//   - after [RequestLogger] and [Metrics.Middleware], so that rejected requests are
//     logged and counted;
//   - after [CORS], so that pages from other origins can read the response;
//   - after [RateLimit], so that clients beyond their rate take no places;
//   - before everything that it protects.
//
// All handlers that share one Throttle share its limit. Do not add the same Throttle
// to a chain twice, because each request would then take two places.
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
