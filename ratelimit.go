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

// RateLimitConfig sets up [RateLimit]. The zero value is ready to use.
type RateLimitConfig struct {
	// Limit is how many requests with the same key pass in one window. Zero
	// means 60.
	Limit int

	// Window is the length of a window. Zero means one minute.
	Window time.Duration

	// KeyFunc returns the key that requests are counted by, such as an API key
	// or a user's id. Requests with the same key count together, those with an
	// empty key too. If nil, the key is the client's address as returned by
	// [ClientIP]. IPv6 addresses count by their /64 network, since one customer
	// has at least that. Addresses made from an IPv4 address by NAT64
	// (64:ff9b::/96), 6to4 or Teredo count by the IPv4 address inside. A network
	// that translates with a prefix of its own, other than 64:ff9b:1::/48, needs
	// a KeyFunc.
	KeyFunc func(r *Request) string

	// Message is the error in the answer to requests over the limit. Empty
	// means "rate limit exceeded".
	Message string

	// MaxKeys is how many keys are counted at the same time, which bounds the
	// memory needed to about 50 bytes each. Zero means 1,000,000. Keys beyond
	// share windows among themselves, until windows of others end: a flood of
	// new addresses cannot use up the memory, nor get past the limit by
	// pushing others out. It must not be set together with Store.
	MaxKeys int

	// Store counts in place of the memory of this process, so that several
	// processes share one limit. Nil means the memory.
	Store RateLimitStore

	// StoreTimeout is how long a request waits for Store at most. Zero means
	// 500 milliseconds.
	StoreTimeout time.Duration
}

// A RateLimitStore counts requests for [RateLimit] outside the process, in a
// database that several servers share. Increment may be called from any number
// of goroutines.
//
// A store counts for one limit: where several share a database, each needs a
// prefix of its own for its keys.
type RateLimitStore interface {
	// Increment counts one request for key. It returns how many have been
	// counted in the key's window, this one included, and the time that is
	// left until the window ends. If the key has no window, or its window has
	// ended, one of the given length begins. All of it must be one atomic step.
	//
	// Increment must return soon after ctx is done, which is when the request
	// is cancelled or has waited for StoreTimeout.
	Increment(ctx context.Context, key string, window time.Duration) (count int64, left time.Duration, err error)
}

// RateLimit returns middleware that lets a limited number of requests with the
// same key pass in a window of time, and answers the others with status 429,
// {"error": message} and the header Retry-After: seconds until the next window,
// rounded up, so that waiting for so long is always enough. A key's window
// begins with its first request and is the same for all handlers that this
// middleware covers.
//
// Responses tell where the client stands: X-RateLimit-Limit, the limit;
// X-RateLimit-Remaining, how many requests are left in the window; and
// X-RateLimit-Reset, the time it ends as Unix seconds, rounded up. If several
// limits apply to a request, the fields are those of the innermost.
//
// The limit is exact: however many requests come at once, no more than the
// limit pass in one window. With fixed windows a client may use up one at its
// end and the next at its beginning, so in any length of time that is not
// aligned with a window twice the limit may pass.
//
// If the Store fails, the request passes, without the header fields, and the
// error is logged with the request's logger: an outage of the store is not to
// become one of the service.
//
// It belongs after [RequestLogger] and [Metrics.Middleware], so that refused
// requests are seen; after [TrustedProxies] and, if KeyFunc asks who the user
// is, after authentication; after [CORS], so that pages of other origins can
// read the answer; and in front of everything that is to be protected. It
// panics if config is not valid, and without a KeyFunc also if TrustedProxies
// comes after it in the same chain, which would have all clients of a proxy
// share one limit.
func RateLimit(config RateLimitConfig) Middleware {
	l := newRateLimiter(config)
	return func(next Handler) Handler {
		h := &rateLimitHandler{rateLimiter: l, next: next}
		orderOf(h).mustPrecede(orderOf(next))
		return h
	}
}

// A rateLimitHandler is the handler that RateLimit makes.
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

// A rateLimiter is what RateLimit was given, with its counters.
type rateLimiter struct {
	RateLimitConfig
	limit     string // as text
	byAddress string // the location of RateLimit's call if keys are client addresses, else ""
	counters  *ratewindow.Counters
	start     time.Time // of the counters' time
}

func newRateLimiter(config RateLimitConfig) *rateLimiter {
	config.check()
	l := &rateLimiter{RateLimitConfig: config}
	l.Limit = cmp.Or(config.Limit, 60)
	l.Window = cmp.Or(config.Window, time.Minute)
	l.StoreTimeout = cmp.Or(config.StoreTimeout, 500*time.Millisecond)
	l.Message = cmp.Or(config.Message, "rate limit exceeded")
	l.limit = strconv.Itoa(l.Limit)
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

// check panics if a field is wrong.
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

// admit reports whether the request may pass. If not, it has been answered.
func (l *rateLimiter) admit(w ResponseWriter, r *Request) bool {
	standing, ok := l.count(r)
	if !ok {
		return true
	}
	l.setHeader(w, standing)
	if standing.allowed {
		return true
	}
	seconds := max(ceilSeconds(standing.left), 1)
	w.Header()["Retry-After"] = []string{strconv.FormatInt(seconds, 10)}
	WriteError(w, StatusTooManyRequests, l.Message)
	return false
}

// A standing is where a key stands after a request was counted.
type standing struct {
	allowed   bool
	remaining int
	left      time.Duration // until the window ends
	now       time.Time     // when that was so
}

// count counts the request. ok is false if that failed.
func (l *rateLimiter) count(r *Request) (s standing, ok bool) {
	key := l.KeyFunc(r)
	if l.Store != nil {
		return l.countInStore(r, key)
	}
	now := time.Now()
	elapsed := now.Sub(l.start) // by the monotonic clock
	d := l.counters.Take(key, elapsed)
	return standing{d.Allowed, d.Remaining, d.Reset - elapsed, now}, true
}

// countInStore is count by way of the Store.
func (l *rateLimiter) countInStore(r *Request, key string) (s standing, ok bool) {
	ctx, cancel := context.WithTimeout(r.Context(), l.StoreTimeout)
	defer cancel()
	count, left, err := l.Store.Increment(ctx, key, l.Window)
	if err == nil {
		remaining := max(int64(l.Limit)-count, 0)
		return standing{count <= int64(l.Limit), int(remaining), left, time.Now()}, true
	}
	if r.Context().Err() == nil { // else the client has gone
		LoggerFromContext(r.Context()).LogAttrs(r.Context(), slog.LevelError,
			"rate limit store failed, request passed", slog.Any("error", err))
	}
	return standing{}, false
}

// setHeader sets the fields that tell the client its standing.
func (l *rateLimiter) setHeader(w ResponseWriter, s standing) {
	var buf [48]byte
	text := strconv.AppendInt(buf[:0], int64(s.remaining), 10)
	n := len(text)
	end := s.now.Add(s.left)
	text = strconv.AppendInt(text, end.Unix()+ceilSeconds(time.Duration(end.Nanosecond())), 10)
	both := string(text)

	response.SetHeaders(w,
		response.Field{Name: "X-Ratelimit-Limit", Value: l.limit},
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
