package http

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/breaker"
	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/header"
	"github.com/stanza-go/framework/pkg/http/internal/ratewindow"
	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// RateLimitConfig configures [RateLimit] and [NewRateLimiter]. The zero value is ready
// to use.
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

	// CountFunc reports whether a request counts toward Limit. It is called after the
	// handler has returned, with the status of the response. For example, to count only
	// failed logins, return status >= 400.
	//
	// Every request is counted when it arrives, so that Limit is exact even if many
	// requests arrive at once. If CountFunc returns false, the request is refunded.
	// CountFunc is not called for requests beyond Limit, for requests whose handler
	// panics, which count, or for requests that were not counted because Store is
	// unavailable. r.Pattern is set if a route matched. X-RateLimit-Remaining is sent
	// before CountFunc is called, so its value assumes that the request counts. CountFunc
	// must be safe for concurrent use by multiple goroutines. If nil, every request counts.
	//
	// If Store is set, it must be a [RateLimitRefundStore].
	CountFunc func(r *Request, status int) bool

	// Message is the error message in the response to a request that exceeds
	// the limit. If empty, "rate limit exceeded" is used.
	Message string

	// MaxKeys is the maximum number of keys that are counted in memory at the
	// same time. Each key takes about 50 bytes. If zero, 1,000,000 is used.
	//
	// Beyond MaxKeys, new keys share a few overflow windows until other windows
	// end. Keys that already have a window keep it. A flood of requests from new
	// addresses therefore can neither exhaust the memory nor reset the counts
	// of other clients. MaxKeys must not be set together with Store, unless
	// LocalFallback is set.
	MaxKeys int

	// Store counts the requests outside the process, so that several processes
	// can share one limit. If nil, requests are counted in memory.
	Store RateLimitStore

	// StoreTimeout is the maximum time that a request waits for Store. If zero,
	// 500 milliseconds is used. It should be at least four times the usual latency of
	// Store. It must not be set without Store.
	StoreTimeout time.Duration

	// LocalFallback, if true, causes requests to be counted in memory while Store is
	// unavailable. If false, these requests are allowed without a limit. The windows in
	// memory are separate from those of Store, and each process has its own. While Store
	// is unavailable, N processes therefore allow up to N*Limit requests in a window.
	// LocalFallback must not be set without Store.
	LocalFallback bool
}

// A RateLimitStore counts requests for a [RateLimiter] outside the process, for
// example in a database that several servers share.
//
// Each RateLimiter needs its own store. If several stores share a database, each must
// add a different prefix to its keys.
type RateLimitStore interface {
	// Increment counts one request for key. It returns the number of requests
	// in the key's window, including this one, and the time left until the
	// window ends. If the key has no window, or its window has ended, Increment
	// starts a window of the given length. All of this must be one atomic
	// operation.
	//
	// key consists of 1 to 71 visible ASCII characters (0x21 to 0x7e). It is the key
	// from KeyFunc or Allow, if that consists of 1 to 64 such characters. Otherwise, it is
	// "sha256-" followed by the hexadecimal SHA-256 hash of that key.
	//
	// Increment must return soon after ctx is done, which happens when StoreTimeout
	// has passed. ctx has the values of the request's context, but is not canceled when
	// the client disconnects, because clients could otherwise avoid being counted.
	// Increment must be safe for concurrent use by multiple goroutines; at most 64 calls
	// run at once, or 1,024 if the store is slow. An error, a count below 1, or a panic
	// counts as a failure of the store. Panics are not recovered.
	Increment(ctx context.Context, key string, window time.Duration) (count int64, left time.Duration, err error)
}

// A RateLimitRefundStore is a [RateLimitStore] that can also refund requests. It is
// required by [RateLimitConfig].CountFunc and [RateLimiter.Refund].
type RateLimitRefundStore interface {
	RateLimitStore

	// Decrement refunds one request that was allowed for key: it sets the count of the
	// key's window to min(count, limit)-1. The minimum excludes requests beyond the
	// limit, which were rejected. If the key has no window, its window has ended, or its
	// count is zero, Decrement does nothing. It must not change the time at which the
	// window ends. All of this must be one atomic operation.
	//
	// The rules of [RateLimitStore] for key, ctx, errors and concurrency apply.
	Decrement(ctx context.Context, key string, limit int64) error
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
// starts a new window. Scripts of pages from other origins can read these fields only if
// [CORSConfig].ExposeHeaders lists them.
//
// # Proxies
//
// If the server is behind a proxy that needs [TrustedProxies], a RateLimit without a
// KeyFunc must come after it: otherwise RateLimit sees the address of the proxy, and all
// clients of the proxy share one limit. If such a RateLimit comes before TrustedProxies
// in a router, group or [Chain], [Server.Start] or the first request panics.
//
// # Stores
//
// If Store fails or does not respond within StoreTimeout, the request is allowed and the
// header fields are not set, unless LocalFallback is set. The service therefore stays
// available if the store fails, but without the shared limit.
//
// A failing store is not called for a while. After 5 consecutive failures, no request
// calls Store for about 1 second. Then, one request tries it again. If that fails, the
// pause is doubled, up to 30 seconds. Pauses vary randomly by up to 20%, so it can take up
// to 36 seconds after the store has recovered until the shared limit applies again.
//
// At most 64 requests call Store at once. Others wait for their turn, which is part of
// StoreTimeout, so that bursts are counted exactly. If a slow store keeps them waiting for
// more than an eighth of StoreTimeout, up to 1,024 call it at once. If no call returns for
// much longer than usual, the pause begins immediately, so that requests do not pile up if
// the store hangs.
//
// Failures and the beginning of an outage are logged at level Error, and its end at level
// Info, with the logger of the request that notices the event and the number of requests
// that were not counted in the store. Even if the store fails again and again, at most one
// failure and one outage are logged every 10 seconds. The end of an outage is logged only
// if its beginning was.
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
// RateLimit(config) is equivalent to [NewRateLimiter](config).Middleware(). It panics if
// config is invalid.
func RateLimit(config RateLimitConfig) Middleware { return NewRateLimiter(config).Middleware() }

// A RateLimiter limits how many events with the same key are allowed in a window of
// time. Each request that reaches [RateLimiter.Middleware] and each call of
// [RateLimiter.Allow] is an event. For windows and stores, see [RateLimit].
//
// A RateLimiter is safe for concurrent use by multiple goroutines. Create one with
// [NewRateLimiter]. The methods of a zero RateLimiter panic.
type RateLimiter struct {
	config     RateLimitConfig // with defaults
	limitText  string          // Limit in decimal
	byAddress  string          // the location of the constructor's call, or "" if there is a KeyFunc
	counters   *ratewindow.Counters
	start      time.Time        // time zero of counters
	breaker    *breaker.Breaker // of Store, or nil
	notInStore atomic.Int64     // events that were not counted in Store, and not yet logged
}

// NewRateLimiter returns a RateLimiter. It panics if config is invalid.
func NewRateLimiter(config RateLimitConfig) *RateLimiter {
	config.check()
	config.Limit = cmp.Or(config.Limit, 60)
	config.Window = cmp.Or(config.Window, time.Minute)
	config.StoreTimeout = cmp.Or(config.StoreTimeout, 500*time.Millisecond)
	config.Message = cmp.Or(config.Message, "rate limit exceeded")
	l := &RateLimiter{config: config, limitText: strconv.Itoa(config.Limit)}
	if config.KeyFunc == nil {
		l.config.KeyFunc = addressKey
		l.byAddress = callsite.Location()
	}
	if config.Store == nil || config.LocalFallback {
		l.counters = ratewindow.New(config.Limit, config.Window, cmp.Or(config.MaxKeys, 1_000_000))
		l.start = time.Now()
	}
	if config.Store != nil {
		l.breaker = breaker.New(breaker.Config{
			Calls: 64, MaxCalls: 1024, Timeout: config.StoreTimeout, Failures: 5,
			MinPause: time.Second, MaxPause: 30 * time.Second,
			Report: l.logStore, Quiet: 10 * time.Second,
		})
	}
	return l
}

// Middleware returns middleware that counts requests under the key of
// [RateLimitConfig].KeyFunc and rejects those beyond the limit, as described at
// [RateLimit].
func (l *RateLimiter) Middleware() Middleware {
	l.mustBeMade()
	return func(next Handler) Handler {
		h := &rateLimitHandler{RateLimiter: l, next: next}
		orderOf(h).mustEnclose(orderOf(next))
		return h
	}
}

// Allow counts one event for key and reports whether it is within the limit. If it is,
// retryAfter is zero. Otherwise, retryAfter is the time until the key's window ends,
// which is positive. For example, a login handler can call Allow with the account name.
// A handler that rejects a request should set Retry-After to the number of seconds, rounded
// up.
//
// Keys can have any length and contain any bytes. In memory, only a hash of each key is
// kept. For the keys that a [RateLimitStore] gets, see its Increment method.
//
// ctx is used for its values, such as the logger. Allow counts the event even if ctx is
// done, because clients could otherwise avoid being counted. It waits for
// [RateLimitConfig].Store for at most StoreTimeout. If Store is unavailable, Allow counts
// the event in memory if LocalFallback is set, and returns true otherwise.
func (l *RateLimiter) Allow(ctx context.Context, key string) (ok bool, retryAfter time.Duration) {
	l.mustBeMade()
	q := l.count(ctx, key)
	if q.allowed {
		return true, 0
	}
	return false, max(q.left, time.Millisecond) // a store may round down to zero
}

// Refund undoes one call of Allow for key, so that its event no longer counts toward
// the limit. For example, to count only failed logins, call Allow before you check the
// password, and Refund if the password is correct. The limit is then exact even if many
// logins arrive at once.
//
// Call Refund at most once for each call of Allow that returned true. If the key has no
// current window, or no event is counted in it, Refund does nothing. If a new window has
// started since the call of Allow, Refund removes an event from the new window.
//
// Like Allow, Refund works even if ctx is done. If [RateLimitConfig].Store is unavailable,
// the event remains counted there, and if LocalFallback is set, Refund removes one that is
// counted in memory. Refund panics if Store is set but is not a [RateLimitRefundStore].
func (l *RateLimiter) Refund(ctx context.Context, key string) {
	l.mustBeMade()
	if l.breaker == nil {
		l.refundLocally(key, quota{})
		return
	}
	if _, ok := l.config.Store.(RateLimitRefundStore); !ok {
		callsite.Panicf("RateLimiter.Refund needs a RateLimitRefundStore; %T has no method Decrement", l.config.Store)
	}
	if !l.refundInStore(ctx, key) && l.counters != nil {
		l.refundLocally(key, quota{})
	}
}

// mustBeMade panics if l was not created by [NewRateLimiter].
func (l *RateLimiter) mustBeMade() {
	if l == nil || l.limitText == "" {
		callsite.Panicf("RateLimiter used without NewRateLimiter; create it with NewRateLimiter(config)")
	}
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
	case c.MaxKeys > 0 && c.Store != nil && !c.LocalFallback:
		wrong.Addf("MaxKeys", "has no effect together with Store, unless LocalFallback is set")
	}
	switch {
	case c.StoreTimeout < 0:
		wrong.Addf("StoreTimeout", "%v is negative", c.StoreTimeout)
	case c.StoreTimeout > 0 && c.Store == nil:
		wrong.Addf("StoreTimeout", "has no effect without Store")
	}
	if c.LocalFallback && c.Store == nil {
		wrong.Addf("LocalFallback", "has no effect without Store")
	}
	if _, ok := c.Store.(RateLimitRefundStore); c.CountFunc != nil && c.Store != nil && !ok {
		wrong.Addf("CountFunc", "needs a RateLimitRefundStore; %T has no method Decrement", c.Store)
	}
	wrong.PanicIfAny("RateLimitConfig")
}

// addressKey is the default KeyFunc.
func addressKey(r *Request) string { return clientAddress(r).Key() }

// A rateLimitHandler is the handler of [RateLimiter.Middleware].
type rateLimitHandler struct {
	*RateLimiter
	next Handler
}

// ServeHTTP implements [Handler].
func (h *rateLimitHandler) ServeHTTP(w ResponseWriter, r *Request) {
	key := h.config.KeyFunc(r)
	q := h.count(r.Context(), key)
	if q.countedIn != nowhere {
		h.setHeader(w, q)
	}
	switch {
	case !q.allowed:
		h.reject(w, r, q)
	case h.config.CountFunc == nil || q.countedIn == nowhere:
		h.next.ServeHTTP(w, r)
	default:
		h.serveAndRefund(w, r, key, q)
	}
}

// reject responds to a request beyond the limit.
func (h *rateLimitHandler) reject(w ResponseWriter, r *Request, q quota) {
	response.StateOf(w, r).Reject(reqstate.RateLimited)
	seconds := max(ceilSeconds(q.left), 1)
	response.SetHeader(w, "Retry-After", strconv.FormatInt(seconds, 10))
	WriteError(w, StatusTooManyRequests, h.config.Message)
}

// serveAndRefund calls the next handler and refunds the request, unless CountFunc
// reports that it counts. A request whose handler panics counts.
func (h *rateLimitHandler) serveAndRefund(w ResponseWriter, r *Request, key string, q quota) {
	turn := response.Enter(w, r)
	defer turn.End()
	h.next.ServeHTTP(turn.Writer, turn.Request)
	turn.Returned = true
	r = withPattern(turn.Request, turn.State.Pattern())
	switch {
	case h.config.CountFunc(r, turn.Status()):
	case q.countedIn == memory:
		h.refundLocally(key, q)
	case time.Since(q.now) < q.left: // otherwise, the window has ended
		h.refundInStore(r.Context(), key)
	}
}

// A quota is the state of a key's window after an event was counted.
type quota struct {
	allowed   bool // the event is within the limit, or was not counted
	countedIn place
	remaining int
	left      time.Duration // from now until the window ends
	now       time.Time
	reset     time.Duration // Decision.Reset, if counted in memory
}

// A place is where an event was counted.
type place uint8

const (
	nowhere place = iota
	memory
	store
)

// count counts an event.
func (l *RateLimiter) count(ctx context.Context, key string) quota {
	if l.breaker == nil {
		return l.countLocally(key)
	}
	q, err := l.countInStore(ctx, key)
	if err == nil {
		return q
	}
	if l.config.LocalFallback {
		return l.countLocally(key)
	}
	return quota{allowed: true}
}

// countLocally counts an event in memory.
func (l *RateLimiter) countLocally(key string) quota {
	now := time.Now()
	elapsed := now.Sub(l.start) // uses the monotonic clock
	d := l.counters.Take(key, elapsed)
	return quota{d.Allowed, memory, d.Remaining, d.Reset - elapsed, now, d.Reset}
}

// refundLocally removes an event from the window that q describes, or from the current
// window if q is zero.
func (l *RateLimiter) refundLocally(key string, q quota) {
	l.counters.Refund(key, q.reset, time.Since(l.start))
}

// countInStore counts an event in Store. It returns an error if Store does not work.
func (l *RateLimiter) countInStore(ctx context.Context, key string) (quota, error) {
	var count int64
	var left time.Duration
	err := l.breaker.Do(ctx, func(ctx context.Context) (err error) {
		count, left, err = l.config.Store.Increment(ctx, storeKey(key), l.config.Window)
		if err == nil && count < 1 {
			err = fmt.Errorf("http: RateLimitStore.Increment returned a count of %d", count)
		}
		if err != nil {
			l.notInStore.Add(1) // before the breaker reports the failure
		}
		return err
	})
	if errors.Is(err, breaker.ErrOpen) {
		l.notInStore.Add(1)
	}
	if err != nil {
		return quota{}, err
	}
	remaining := max(int64(l.config.Limit)-count, 0)
	return quota{
		allowed: count <= int64(l.config.Limit), countedIn: store,
		remaining: int(remaining), left: max(left, 0), now: time.Now(),
	}, nil
}

// refundInStore removes an event in Store, and reports whether Store is available.
func (l *RateLimiter) refundInStore(ctx context.Context, key string) bool {
	refunder := l.config.Store.(RateLimitRefundStore)
	err := l.breaker.Do(ctx, func(ctx context.Context) error {
		return refunder.Decrement(ctx, storeKey(key), int64(l.config.Limit))
	})
	return err == nil
}

// maxStoreKey is the maximum length of a key that is not hashed for a Store. It is less
// than the length of a hashed key, so no key is equal to the hash of another.
const maxStoreKey = 64

// storeKey returns the key that Store gets. Clients may choose keys, so long keys, and
// those that a database may not accept, are hashed.
func storeKey(key string) string {
	if key != "" && len(key) <= maxStoreKey && header.IsVisible(key) {
		return key
	}
	hash := sha256.Sum256([]byte(key))
	return "sha256-" + hex.EncodeToString(hash[:])
}

// logStore logs that Store fails, or works again.
func (l *RateLimiter) logStore(ctx context.Context, event breaker.Event) {
	logger := LoggerFromContext(ctx)
	requests := slog.Int64("requests", l.notInStore.Swap(0))
	consequence := "requests are not limited"
	if l.config.LocalFallback {
		consequence = "requests are counted in memory"
	}
	switch event.Kind {
	case breaker.Failed:
		logger.LogAttrs(ctx, slog.LevelError, "rate limit store failed", slog.Any("error", event.Err), requests)
	case breaker.Opened, breaker.StillOpen:
		logger.LogAttrs(ctx, slog.LevelError, "rate limit store is not available; "+consequence,
			slog.Any("error", event.Err), requests, slog.Duration("retry_in", event.Pause))
	case breaker.Closed:
		logger.LogAttrs(ctx, slog.LevelInfo, "rate limit store is available again",
			requests, slog.Duration("outage", event.Pause))
	}
}

// setHeader sets the X-RateLimit fields.
func (l *RateLimiter) setHeader(w ResponseWriter, q quota) {
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
