package http_test

import (
	"context"
	"errors"
	"math"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// An outage is a limit whose store can be taken down.
type outage struct {
	*http.RateLimiter
	store refundStore
	log   testkit.Log
	down  atomic.Bool
	calls atomic.Int64
	ctx   context.Context
}

func newOutage(t *testing.T, config http.RateLimitConfig) *outage {
	o := new(outage)
	o.ctx = http.ContextWithLogger(t.Context(), o.log.Text())
	o.store.before = func(context.Context) error {
		o.calls.Add(1)
		if o.down.Load() {
			return errors.New("connection refused")
		}
		return nil
	}
	config.Store = &o.store
	o.RateLimiter = http.NewRateLimiter(config)
	return o
}

// allow returns how many of n events are allowed.
func (o *outage) allow(key string, n int) (allowed int) {
	for range n {
		if ok, _ := o.Allow(o.ctx, key); ok {
			allowed++
		}
	}
	return allowed
}

func TestStoreThatFailsIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, http.RateLimitConfig{Limit: 10, Window: time.Hour})
		if n := o.allow("k", 100); n != 10 {
			t.Errorf("before the outage: %d events, want 10", n)
		}
		o.down.Store(true)
		o.calls.Store(0)
		if n := o.allow("k", 1000); n != 1000 || o.calls.Load() != 5 {
			t.Errorf("during the outage: %d events and %d calls of the store, want 1000 and 5", n, o.calls.Load())
		}
		time.Sleep(1200*time.Millisecond + 1)
		if n := o.allow("k", 1000); n != 1000 || o.calls.Load() != 6 {
			t.Errorf("after a second: %d events and %d calls of the store, want 1000 and 6", n, o.calls.Load())
		}
		o.down.Store(false)
		time.Sleep(2400*time.Millisecond + 1)
		if n := o.allow("k", 1000); n != 0 {
			t.Errorf("after the outage: %d events, want none", n)
		}
		log := o.log.String()
		for _, want := range []string{
			`level=ERROR msg="rate limit store failed" error="connection refused" requests=1`,
			`level=ERROR msg="rate limit store is not available; requests are not limited" error="connection refused" requests=4 retry_in=`,
			`level=INFO msg="rate limit store is available again" requests=1995 outage=3.6`,
		} {
			if !strings.Contains(log, want) {
				t.Errorf("no line with %s", want)
			}
		}
		if n := strings.Count(log, "\n"); n != 3 {
			t.Errorf("%d lines, want 3: %s", n, log)
		}
	})
}

func TestLocalFallbackCountsInMemoryDuringTheOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, http.RateLimitConfig{
			Limit: 10, Window: time.Hour, LocalFallback: true, MaxKeys: 2, KeyFunc: byUser, CountFunc: failuresOnly,
		})
		if n := o.allow("ada", 4); n != 4 {
			t.Errorf("before the outage: %d events, want 4", n)
		}
		o.down.Store(true)
		if n := o.allow("ada", 100); n != 10 {
			t.Errorf("during the outage: %d events, want 10 in memory", n)
		}
		o.Refund(o.ctx, "ada")
		if n := o.allow("ada", 100); n != 1 {
			t.Errorf("after a refund in memory: %d events, want 1", n)
		}
		handler := o.Middleware()(loginHandler)
		r := httptest.NewRequest("POST", "/", nil).WithContext(o.ctx)
		r.Header.Set("X-User", "bob")
		r.Header.Set("X-Password", "right")
		for range 50 {
			if got := limitHeader(testkit.Record(handler, r)); !strings.HasPrefix(got, "204 limit=10 remaining=9 reset=9") {
				t.Fatalf("login during the outage: %s", got)
			}
		}
		o.allow("carl", 1)
		if n := o.allow("dora", 11) + o.allow("eve", 11); n > 10 {
			t.Errorf("beyond MaxKeys: %d events, want one window for all", n)
		}
		o.down.Store(false)
		time.Sleep(1200*time.Millisecond + 1)
		if n := o.allow("ada", 100); n != 6 {
			t.Errorf("after the outage: %d events, want the remaining 6 of the store", n)
		}
		if log := o.log.String(); !strings.Contains(log, "not available; requests are counted in memory") {
			t.Errorf("log %s", log)
		}
	})
}

func TestRefundDuringTheOutageDoesNotWaitForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, http.RateLimitConfig{Limit: 10})
		o.down.Store(true)
		o.allow("k", 5)
		o.calls.Store(0)
		for range 100 {
			o.Refund(o.ctx, "k")
		}
		if n := o.calls.Load(); n != 0 {
			t.Errorf("%d calls of the store, want none", n)
		}
	})
}

// 1,600 requests a second arrive when the store begins to hang.
func TestHangingStoreHoldsFewRequests(t *testing.T) {
	for _, fallback := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			o := newOutage(t, http.RateLimitConfig{Limit: 1, KeyFunc: byUser, LocalFallback: fallback})
			o.allow("other", 300) // shows how fast the store is
			o.store.before = func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			}
			handler := o.Middleware()(passed)
			var mu sync.Mutex
			var waiting, most, slow, rejected int
			for range 1600 * 5 {
				go func() {
					mu.Lock()
					waiting++
					most = max(most, waiting)
					mu.Unlock()
					start := time.Now()
					status := testkit.Record(handler, httptest.NewRequest("GET", "/", nil).WithContext(o.ctx)).StatusCode
					mu.Lock()
					defer mu.Unlock()
					waiting--
					if time.Since(start) > 0 {
						slow++
					}
					if status == 429 {
						rejected++
					}
				}()
				time.Sleep(time.Second / 1600)
			}
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			if most > 64+120 || slow > 64+120 || o.log.String() == "" || strings.Count(o.log.String(), "\n") > 3 {
				t.Errorf("%d requests at once, %d delayed; log %s", most, slow, o.log.String())
			}
			if fallback != (rejected == 1600*5-1) {
				t.Errorf("fallback %v: %d requests rejected", fallback, rejected)
			}
		})
	}
}

// A store that is slow, but works, is asked for each of 1,600 requests a second.
func TestSlowStoreCountsEveryRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutage(t, http.RateLimitConfig{Limit: 10, Window: time.Hour})
		o.store.before = func(context.Context) error {
			time.Sleep(100 * time.Millisecond)
			return nil
		}
		var allowed, slow atomic.Int64
		for range 1600 * 5 {
			go func() {
				start := time.Now()
				allowed.Add(int64(o.allow("k", 1)))
				if time.Since(start) > 400*time.Millisecond {
					slow.Add(1)
				}
			}()
			time.Sleep(time.Second / 1600)
		}
		time.Sleep(time.Second)
		if allowed.Load() != 10 || slow.Load() != 0 || o.log.String() != "" {
			t.Errorf("%d requests allowed, %d delayed, log %q; want 10 allowed", allowed.Load(), slow.Load(), o.log.String())
		}
	})
}

// nonsense is a store with wrong results.
type nonsense struct {
	count int64
	left  time.Duration
}

func (s nonsense) Increment(context.Context, string, time.Duration) (int64, time.Duration, error) {
	return s.count, s.left, nil
}

func TestNonsenseFromTheStore(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		store nonsense
		want  string
	}{
		{nonsense{0, time.Second}, "200 limit= remaining= reset= retry="},
		{nonsense{math.MinInt64, time.Second}, "200 limit= remaining= reset= retry="},
		{nonsense{1, -time.Hour}, "200 limit=5 remaining=4 reset=N retry="},
		{nonsense{9, -time.Hour}, "429 limit=5 remaining=0 reset=N retry=1"},
		{nonsense{math.MaxInt64, math.MinInt64}, "429 limit=5 remaining=0 reset=N retry=1"},
		{nonsense{9, math.MaxInt64}, "429 limit=5 remaining=0 reset=N retry=9223372037"},
	} {
		var log testkit.Log
		start := time.Now().Unix()
		r := httptest.NewRequest("GET", "/", nil)
		r = r.WithContext(http.ContextWithLogger(r.Context(), log.Text()))
		res := testkit.Record(http.RateLimit(http.RateLimitConfig{Limit: 5, Store: tt.store})(passed), r)
		if reset, _ := strconv.ParseInt(res.Header.Get("X-RateLimit-Reset"), 10, 64); reset >= start {
			res.Header.Set("X-RateLimit-Reset", "N")
		}
		if got := limitHeader(res); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.store, got, tt.want)
		}
		if logged := strings.Contains(log.String(), "Increment returned a count of"); logged != (tt.store.count < 1) {
			t.Errorf("%+v: log %q", tt.store, log.String())
		}
	}
}

func TestStoreThatPanicsHurtsItsOwnRequestsOnly(t *testing.T) {
	t.Parallel()
	store := &mapStore{before: func(context.Context) error { panic("bug in the store") }}
	limited := http.RateLimit(http.RateLimitConfig{Store: store})(passed)
	var log testkit.Log
	router := http.NewRouter()
	router.Use(http.RequestLogger(log.Text()), http.Recovery(nil))
	router.Handle("GET /limited", limited)
	router.Handle("GET /free", passed)
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	for i := range 10 {
		want := 500
		if i >= 5 { // the store is left alone
			want = 200
		}
		if got := srv.Get(t, "/limited").StatusCode; got != want {
			t.Errorf("request %d: status %d, want %d", i+1, got, want)
		}
		if got := srv.Get(t, "/free").StatusCode; got != 200 {
			t.Errorf("another route: status %d", got)
		}
	}
}
