package http_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// failuresOnly is a CountFunc for login handlers.
func failuresOnly(_ *http.Request, status int) bool { return status >= 400 }

// byUser is a KeyFunc.
func byUser(r *http.Request) string { return r.Header.Get("X-User") }

// A refundStore is a mapStore that can take back requests.
type refundStore struct{ mapStore }

func (s *refundStore) Decrement(ctx context.Context, key string, limit int64) error {
	if s.before != nil {
		if err := s.before(ctx); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.windows[key]; w != nil && time.Now().Before(w.end) {
		w.count = max(min(w.count, limit)-1, 0)
	}
	return nil
}

// inBothPlaces runs a test with a limit in memory and one in a store. Store is set in
// its configuration if necessary.
func inBothPlaces(t *testing.T, test func(t *testing.T, config http.RateLimitConfig)) {
	t.Run("memory", func(t *testing.T) { test(t, http.RateLimitConfig{}) })
	// On a busy machine, calls may take longer than the default of StoreTimeout.
	t.Run("store", func(t *testing.T) {
		test(t, http.RateLimitConfig{Store: new(refundStore), StoreTimeout: testkit.Patience})
	})
}

func TestAllowCountsEventsUntilTheWindowEnds(t *testing.T) {
	inBothPlaces(t, func(t *testing.T, config http.RateLimitConfig) {
		synctest.Test(t, func(t *testing.T) {
			config.Limit, config.Window = 2, 10*time.Second
			limiter := http.NewRateLimiter(config)
			for i, step := range []struct {
				wait, retryAfter time.Duration
			}{
				{0, 0}, {4 * time.Second, 0}, {0, 6 * time.Second}, {5 * time.Second, time.Second}, {time.Second, 0},
			} {
				time.Sleep(step.wait)
				ok, retryAfter := limiter.Allow(t.Context(), "ada")
				if ok != (step.retryAfter == 0) || retryAfter != step.retryAfter {
					t.Errorf("step %d: %v, %v, want to wait %v", i, ok, retryAfter, step.retryAfter)
				}
			}
		})
	})
}

func TestAllowSaysToWaitEvenIfTheStoreRoundsDownToZero(t *testing.T) {
	t.Parallel()
	limiter := http.NewRateLimiter(http.RateLimitConfig{Limit: 1, Store: lastMoment{}})
	if ok, retryAfter := limiter.Allow(t.Context(), "k"); ok || retryAfter <= 0 {
		t.Errorf("got %v, %v, want a positive time", ok, retryAfter)
	}
}

func TestAllowAndMiddlewareCountTogetherExactly(t *testing.T) {
	t.Parallel()
	inBothPlaces(t, func(t *testing.T, config http.RateLimitConfig) {
		config.Limit, config.KeyFunc = 137, byUser
		limiter := http.NewRateLimiter(config)
		handlers := []http.Handler{limiter.Middleware()(passed), limiter.Middleware()(passed)}
		var allowed atomic.Int64
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				if i%2 == 0 {
					if ok, _ := limiter.Allow(t.Context(), "ada"); ok {
						allowed.Add(1)
					}
				} else if attempt(handlers[i/2%2], "ada") == 200 {
					allowed.Add(1)
				}
			})
		}
		wg.Wait()
		if allowed.Load() != 137 {
			t.Errorf("%d events were allowed, want 137", allowed.Load())
		}
	})
}

// attempt sends a request of a user and returns the status.
func attempt(handler http.Handler, user string) int {
	r := httptest.NewRequest("POST", "/login", nil)
	r.Header.Set("X-User", user)
	return testkit.Record(handler, r).StatusCode
}

func TestRefundFreesOneEvent(t *testing.T) {
	t.Parallel()
	inBothPlaces(t, func(t *testing.T, config http.RateLimitConfig) {
		config.Limit = 3
		limiter := http.NewRateLimiter(config)
		ctx := t.Context()
		allowed := func(key string, calls int) (n int) {
			for range calls {
				if ok, _ := limiter.Allow(ctx, key); ok {
					n++
				}
			}
			return n
		}
		limiter.Refund(ctx, "never seen")
		if n := allowed("never seen", 10); n != 3 {
			t.Errorf("%d events of a key that was refunded before its first event, want 3", n)
		}
		// Events beyond the limit were rejected, so they are not in the way.
		limiter.Refund(ctx, "never seen")
		limiter.Refund(ctx, "never seen")
		if n := allowed("never seen", 10); n != 2 {
			t.Errorf("%d events after two refunds, want 2", n)
		}
		for range 9 {
			limiter.Refund(ctx, "never seen")
		}
		if n := allowed("never seen", 10); n != 3 {
			t.Errorf("%d events after more refunds than events, want 3", n)
		}
	})
}

func TestRefundLeavesTheEndOfTheWindow(t *testing.T) {
	inBothPlaces(t, func(t *testing.T, config http.RateLimitConfig) {
		synctest.Test(t, func(t *testing.T) {
			config.Limit, config.Window = 1, 10*time.Second
			limiter := http.NewRateLimiter(config)
			limiter.Allow(t.Context(), "k")
			time.Sleep(4 * time.Second)
			limiter.Refund(t.Context(), "k")
			time.Sleep(time.Second)
			limiter.Allow(t.Context(), "k")
			if _, retryAfter := limiter.Allow(t.Context(), "k"); retryAfter != 5*time.Second {
				t.Errorf("the window ends in %v, want 5s after the start of the first event", retryAfter)
			}
			time.Sleep(5 * time.Second)
			limiter.Refund(t.Context(), "k") // of a window that has ended
			if ok, _ := limiter.Allow(t.Context(), "k"); !ok {
				t.Error("not allowed in a new window")
			}
			if ok, _ := limiter.Allow(t.Context(), "k"); ok {
				t.Error("the refund of an ended window was carried over")
			}
		})
	})
}

func TestRefundPanicsIfTheStoreCannot(t *testing.T) {
	t.Parallel()
	limiter := http.NewRateLimiter(http.RateLimitConfig{Store: &mapStore{}})
	got := panicText(func() { limiter.Refund(t.Context(), "k") })
	if !strings.Contains(got, "ratelimit_allow_test.go:") || !strings.Contains(got, "*http_test.mapStore has no method Decrement") {
		t.Errorf("panicked with %q", got)
	}
}

// loginHandler is a login handler whose users have the password in their name.
var loginHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	switch r.Header.Get("X-Password") {
	case "right":
		w.WriteHeader(http.StatusNoContent)
	case "silent":
	case "panic":
		panic("no database")
	case "aborted":
		panic(http.ErrAbortHandler)
	default:
		w.WriteHeader(http.StatusUnauthorized)
	}
})

// login sends a login and returns the status, or 0 if the handler panicked.
func loginWith(handler http.Handler, password string) (status int) {
	defer func() { _ = recover() }() // status is 0
	r := httptest.NewRequest("POST", "/login", nil)
	r.Header.Set("X-User", "ada")
	r.Header.Set("X-Password", password)
	return testkit.Record(handler, r).StatusCode
}

func TestCountFuncCountsOnlyFailures(t *testing.T) {
	t.Parallel()
	inBothPlaces(t, func(t *testing.T, config http.RateLimitConfig) {
		for _, failure := range []string{"wrong", "panic", "aborted"} {
			config.Limit, config.KeyFunc, config.CountFunc = 3, byUser, failuresOnly
			if config.Store != nil {
				config.Store = new(refundStore)
			}
			handler := http.RateLimit(config)(loginHandler)
			var got []int
			for _, password := range []string{"right", "right", "silent", "right", failure, "right", failure, "right", failure, "right"} {
				got = append(got, loginWith(handler, password))
			}
			failed := map[string]int{"wrong": 401}[failure]
			if want := []int{204, 204, 200, 204, failed, 204, failed, 204, failed, 429}; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: statuses %v, want %v", failure, got, want)
			}
		}
	})
}

func TestCountFuncSeesTheRequestAndTheStatus(t *testing.T) {
	t.Parallel()
	var got []string
	handler := http.RateLimit(http.RateLimitConfig{CountFunc: func(r *http.Request, status int) bool {
		got = append(got, fmt.Sprint(r.Header.Get("X-Password"), " ", status))
		return true
	}, Limit: 3})(loginHandler)
	for _, password := range []string{"right", "wrong", "silent", "beyond the limit"} {
		loginWith(handler, password)
	}
	if want := "[right 204 wrong 401 silent 200]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// A thousand guesses at once, some of them right: of those that are wrong, exactly as
// many as the limit reach the handler, however the requests overlap.
func TestCountFuncIsExactForGuessesAtOnce(t *testing.T) {
	t.Parallel()
	inBothPlaces(t, func(t *testing.T, config http.RateLimitConfig) {
		config.Limit, config.KeyFunc, config.CountFunc = 20, byUser, failuresOnly
		handler := http.RateLimit(config)(loginHandler)
		var wrong, right atomic.Int64
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				password := "wrong"
				if i%10 == 0 {
					password = "right"
				}
				switch loginWith(handler, password) {
				case 401:
					wrong.Add(1)
				case 204:
					right.Add(1)
				}
			})
		}
		wg.Wait()
		for range 30 {
			if loginWith(handler, "wrong") == 401 {
				wrong.Add(1)
			}
		}
		if wrong.Load() != 20 {
			t.Errorf("%d wrong guesses reached the handler (%d right ones), want 20", wrong.Load(), right.Load())
		}
	})
}

func TestCountFuncOnRealConnections(t *testing.T) {
	t.Parallel()
	for _, protocol := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
		limit := http.RateLimit(http.RateLimitConfig{Limit: 31, CountFunc: failuresOnly})
		srv := testkit.StartServer(t, protocol, limit(loginHandler))
		var mu sync.Mutex
		statuses := map[int]int{}
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				for n := range 20 {
					r := testkit.NewRequest("POST", srv.URL, "")
					if (i+n)%4 == 0 {
						r.Header.Set("X-Password", "right")
					}
					res, err := testkit.Send(srv.Client(), r)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					statuses[res.StatusCode]++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if statuses[401] != 31 || statuses[204]+statuses[401]+statuses[429] != 400 {
			t.Errorf("%s: statuses %v, want 31 times 401", protocol, statuses)
		}
	}
}

func TestCountFuncDoesNotRefundIntoTheNextWindow(t *testing.T) {
	inBothPlaces(t, func(t *testing.T, config http.RateLimitConfig) {
		synctest.Test(t, func(t *testing.T) {
			config.Limit, config.Window, config.KeyFunc, config.CountFunc = 2, 10*time.Second, byUser, failuresOnly
			if config.Store != nil {
				config.Store = new(refundStore) // with the bubble's mutex
			}
			limiter := http.NewRateLimiter(config)
			slow := limiter.Middleware()(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				time.Sleep(11 * time.Second)
			}))
			go attempt(slow, "ada")
			time.Sleep(10 * time.Second) // the window ends
			for i, want := range []bool{true, true, false} {
				if i == 1 {
					time.Sleep(2 * time.Second) // the slow handler has returned
				}
				if ok, _ := limiter.Allow(t.Context(), "ada"); ok != want {
					t.Errorf("event %d in the second window: %v, want %v", i+1, ok, want)
				}
			}
		})
	})
}

func TestLongAndBinaryKeysReachTheStoreAsHashes(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", 64)
	for _, tt := range []struct{ key, want string }{
		{"ada", "ada"},
		{"2001:db8::/64", "2001:db8::/64"},
		{long, long},
		{long + "k", "sha256-"},
		{strings.Repeat("k", 1<<20), "sha256-"},
		{"", "sha256-"},
		{"two words", "sha256-"},
		{"line\nbreak", "sha256-"},
		{"a\x00b", "sha256-"},
		{"Zoë", "sha256-"},
		{"\xff\xfe", "sha256-"},
	} {
		store := new(refundStore)
		limiter := http.NewRateLimiter(http.RateLimitConfig{Limit: 1, Store: store})
		limiter.Allow(t.Context(), tt.key)
		for got := range store.windows {
			hashed := strings.HasPrefix(got, "sha256-") && len(got) == 71
			if got != tt.want && (tt.want != "sha256-" || !hashed) {
				t.Errorf("key %.20q reached the store as %q, want %q", tt.key, got, tt.want)
			}
			if hashed { // its hash is a key of its own
				if ok, _ := limiter.Allow(t.Context(), got); !ok {
					t.Errorf("key %.20q shares a window with its hash", tt.key)
				}
			}
		}
		limiter.Refund(t.Context(), tt.key)
		if ok, _ := limiter.Allow(t.Context(), tt.key); !ok {
			t.Errorf("key %.20q was not refunded", tt.key)
		}
		if ok, _ := limiter.Allow(t.Context(), tt.key); ok {
			t.Errorf("key %.20q: a second event was allowed", tt.key)
		}
	}
}

func TestARateLimiterWithoutNewRateLimiterPanicsInEveryMethod(t *testing.T) {
	t.Parallel()
	calls := map[string]func(*http.RateLimiter){
		"Allow":      func(l *http.RateLimiter) { l.Allow(t.Context(), "x") },
		"Middleware": func(l *http.RateLimiter) { l.Middleware() },
		"Refund":     func(l *http.RateLimiter) { l.Refund(t.Context(), "x") },
	}
	for method := range reflect.TypeFor[*http.RateLimiter]().Methods() {
		for _, limiter := range []*http.RateLimiter{new(http.RateLimiter), nil} {
			wantPanic(t, "RateLimiter used without NewRateLimiter; create it with NewRateLimiter(config)",
				func() { calls[method.Name](limiter) })
		}
	}
}
