package http

import (
	"cmp"
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/ratewindow"
	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// RateLimitConfig configures [RateLimit]. The zero value is ready to use.
type RateLimitConfig struct {
	// Limit is the number of requests with the same key that are allowed in one
	// window. If zero, 60 is used.
	Limit int

	// Window is the length of a window. If zero, one minute is used.
	Window time.Duration

	// KeyFunc returns the key that a request is counted under, for example a
	// user ID or an API key that has been verified. Requests with an empty key
	// are counted together. KeyFunc must be safe for concurrent use by multiple
	// goroutines.
	//
	// If nil, requests are counted by the client's address, as returned by
	// [ClientIP]:
	//
	//   - IPv4 addresses are counted individually.
	//   - IPv6 addresses are counted by their /64 prefix, because a customer
	//     usually gets at least a /64.
	//   - IPv6 addresses with an embedded IPv4 address are counted by the IPv4
	//     address: those of 6to4, Teredo and NAT64 (64:ff9b::/96).
	//   - Addresses in 64:ff9b:1::/48 are counted individually.
	//
	// If clients come through NAT64 with another prefix, set a KeyFunc.
	KeyFunc func(r *Request) string

	// Message is the error message in the response to a request that exceeds
	// the limit. If empty, "rate limit exceeded" is used.
	Message string

	// MaxKeys is the maximum number of keys that are counted in memory at the
	// same time. Each key takes about 50 bytes. If zero, 1,000,000 is used.
	//
	// Beyond MaxKeys, new keys share a few overflow windows until other windows
	// end. Keys that already have a window keep it. A flood of requests from new
	// addresses therefore can neither exhaust the memory nor reset the counts
	// of other clients. MaxKeys must not be set together with Store.
	MaxKeys int

	// Store counts the requests outside the process, so that several processes
	// can share one limit. If nil, requests are counted in memory.
	Store RateLimitStore

	// StoreTimeout is the maximum time that a request waits for Store. If zero,
	// 500 milliseconds is used. It must not be set without Store.
	StoreTimeout time.Duration
}

// A RateLimitStore counts requests for [RateLimit] outside the process, for
// example in a database that several servers share.
//
// Each RateLimit needs its own store. If several stores share a database, each must
// add a different prefix to its keys.
type RateLimitStore interface {
	// Increment counts one request for key. It returns the number of requests
	// in the key's window, including this one, and the time left until the
	// window ends. If the key has no window, or its window has ended, Increment
	// starts a window of the given length. All of this must be one atomic
	// operation.
	//
	// Increment must return soon after ctx is done, which happens when the
	// request is canceled or StoreTimeout has passed. It must be safe for
	// concurrent use by multiple goroutines.
	Increment(ctx context.Context, key string, window time.Duration) (count int64, left time.Duration, err error)
}

// RateLimit returns middleware that limits how many requests with the same key
// are allowed in a window of time. It responds to requests beyond the limit with
// status 429 and the body {"error": message}.
//
// # Windows
//
// The window of a key starts with its first request and ends after
// [RateLimitConfig].Window. All handlers that share one RateLimit also share the
// windows. The limit is exact: no more than Limit requests are allowed in a
// window, even if many arrive at once.
//
// A client can use up one window at its end and the next window at its start, so
// up to 2*Limit requests may be allowed in a period of length Window.
//
// # Headers
//
// RateLimit sets three header fields on every response. If several limits apply to
// a request, the fields are those of the last RateLimit that the request reached.
//
//   - X-RateLimit-Limit is the limit.
//   - X-RateLimit-Remaining is the number of requests left in the window.
//   - X-RateLimit-Reset is the time at which the window ends, in Unix seconds,
//     rounded up.
//
// A response with status 429 also has Retry-After, the number of seconds until
// the window ends, rounded up. After that time, the next request with the key
// starts a new window.
//
// # Proxies
//
// If the server is behind a proxy, a RateLimit without a KeyFunc must come after
// [TrustedProxies]: otherwise it sees the address of the proxy, and all clients
// of the proxy share one limit. If such a RateLimit comes before TrustedProxies in
// a router, group or [Chain], [Server.Start] or the first request panics.
//
// # Stores
//
// If Store returns an error, the request is allowed, the header fields are not set,
// and the error is logged with the request's logger at level Error, unless the
// client has disconnected. The service therefore stays available if the store fails,
// but without a limit.
//
// # Position in the chain
//
// Add RateLimit
//
//   - after [RequestLogger] and [Metrics.Middleware], so that rejected requests
//     are logged and counted;
//   - after [TrustedProxies];
//   - after [CORS], so that pages from other origins can read the response;
//   - after authentication, if KeyFunc needs the user;
//   - before everything that it protects.
//
// RateLimit panics if config is invalid.
func RateLimit(config RateLimitConfig) Middleware {
	l := newRateLimiter(config)
	return func(next Handler) Handler {
		h := &rateLimitHandler{rateLimiter: l, next: next}
		orderOf(h).mustPrecede(orderOf(next))
		return h
	}
}

// A rateLimitHandler is the handler of [RateLimit].
type rateLimitHandler struct {
	*rateLimiter
	next Handler
}

// ServeHTTP implements [Handler].
func (h *rateLimitHandler) ServeHTTP(w ResponseWriter, r *Request) {
	if h.admit(w, r) {
		h.next.ServeHTTP(w, r)
	}
}

// A rateLimiter holds the configuration of a RateLimit and its counters. All
// handlers of one RateLimit share it.
type rateLimiter struct {
	RateLimitConfig
	limitText string // Limit in decimal
	byAddress string // the location of RateLimit's call, or "" if there is a KeyFunc
	counters  *ratewindow.Counters
	start     time.Time // time zero of counters
}

func newRateLimiter(config RateLimitConfig) *rateLimiter {
	config.check()
	l := &rateLimiter{RateLimitConfig: config}
	l.Limit = cmp.Or(config.Limit, 60)
	l.Window = cmp.Or(config.Window, time.Minute)
	l.StoreTimeout = cmp.Or(config.StoreTimeout, 500*time.Millisecond)
	l.Message = cmp.Or(config.Message, "rate limit exceeded")
	l.limitText = strconv.Itoa(l.Limit)
	if l.KeyFunc == nil {
		l.KeyFunc = addressKey
		l.byAddress = callsite.Location()
	}
	if l.Store == nil {
		l.counters = ratewindow.New(l.Limit, l.Window, cmp.Or(config.MaxKeys, 1_000_000))
		l.start = time.Now()
	}
	return l
}

// check panics if the configuration is invalid.
func (c *RateLimitConfig) check() {
	var wrong callsite.FieldErrors
	if c.Limit < 0 {
		wrong.Addf("Limit", "%d is negative", c.Limit)
	}
	if c.Window < 0 {
		wrong.Addf("Window", "%v is negative", c.Window)
	}
	switch {
	case c.MaxKeys < 0:
		wrong.Addf("MaxKeys", "%d is negative", c.MaxKeys)
	case c.MaxKeys > 0 && c.Store != nil:
		wrong.Addf("MaxKeys", "has no effect together with Store")
	}
	switch {
	case c.StoreTimeout < 0:
		wrong.Addf("StoreTimeout", "%v is negative", c.StoreTimeout)
	case c.StoreTimeout > 0 && c.Store == nil:
		wrong.Addf("StoreTimeout", "has no effect without Store")
	}
	wrong.PanicIfAny("RateLimitConfig")
}

// addressKey is the default KeyFunc.
func addressKey(r *Request) string { return clientAddress(r).Key() }

// admit counts the request and reports whether it is allowed. If it is not, admit
// has already responded.
func (l *rateLimiter) admit(w ResponseWriter, r *Request) bool {
	quota, ok := l.count(r)
	if !ok {
		return true
	}
	l.setHeader(w, quota)
	if quota.allowed {
		return true
	}
	seconds := max(ceilSeconds(quota.left), 1)
	response.SetHeader(w, "Retry-After", strconv.FormatInt(seconds, 10))
	WriteError(w, StatusTooManyRequests, l.Message)
	return false
}

// A quota is the state of a key's window after a request was counted.
type quota struct {
	allowed   bool // the request is within the limit
	remaining int
	left      time.Duration // from now until the window ends
	now       time.Time
}

// count counts the request. ok is false if the Store failed.
func (l *rateLimiter) count(r *Request) (q quota, ok bool) {
	key := l.KeyFunc(r)
	if l.Store != nil {
		return l.countInStore(r, key)
	}
	now := time.Now()
	elapsed := now.Sub(l.start) // uses the monotonic clock
	d := l.counters.Take(key, elapsed)
	return quota{d.Allowed, d.Remaining, d.Reset - elapsed, now}, true
}

// countInStore is count for a rateLimiter with a Store.
func (l *rateLimiter) countInStore(r *Request, key string) (q quota, ok bool) {
	ctx, cancel := context.WithTimeout(r.Context(), l.StoreTimeout)
	defer cancel()
	count, left, err := l.Store.Increment(ctx, key, l.Window)
	if err == nil {
		remaining := max(int64(l.Limit)-count, 0)
		return quota{count <= int64(l.Limit), int(remaining), left, time.Now()}, true
	}
	if r.Context().Err() == nil { // otherwise the client has disconnected
		LoggerFromContext(r.Context()).LogAttrs(r.Context(), slog.LevelError,
			"rate limit store failed; request allowed", slog.Any("error", err))
	}
	return quota{}, false
}

// setHeader sets the X-RateLimit fields.
func (l *rateLimiter) setHeader(w ResponseWriter, q quota) {
	// One allocation holds the text of both numbers.
	var buf [48]byte
	text := strconv.AppendInt(buf[:0], int64(q.remaining), 10)
	n := len(text)
	end := q.now.Add(q.left)
	text = strconv.AppendInt(text, end.Unix()+ceilSeconds(time.Duration(end.Nanosecond())), 10)
	both := string(text)

	response.SetHeaders(w,
		response.Field{Name: "X-Ratelimit-Limit", Value: l.limitText},
		response.Field{Name: "X-Ratelimit-Remaining", Value: both[:n]},
		response.Field{Name: "X-Ratelimit-Reset", Value: both[n:]})
}

// ceilSeconds returns d in seconds, rounded up.
func ceilSeconds(d time.Duration) int64 {
	seconds := int64(d / time.Second)
	if d%time.Second > 0 {
		seconds++
	}
	return seconds
}
