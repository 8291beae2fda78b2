package http_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
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

// passed responds to requests that a limit allows.
var passed = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "passed") })

// from serves a request from an address and returns the response.
func from(handler http.Handler, remoteAddr string) *testkit.Response {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = remoteAddr
	return testkit.Record(handler, r)
}

// limitHeader returns the fields that RateLimit sets as one line.
func limitHeader(res *testkit.Response) string {
	h := res.Header
	return fmt.Sprintf("%d limit=%s remaining=%s reset=%s retry=%s", res.StatusCode, h.Get("X-RateLimit-Limit"),
		h.Get("X-RateLimit-Remaining"), h.Get("X-RateLimit-Reset"), h.Get("Retry-After"))
}

func TestRateLimitTellsTheClientWhereItStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := http.RateLimit(http.RateLimitConfig{Limit: 2, Window: 10 * time.Second})(passed)
		start := time.Now().Unix() // the bubble's clock starts at a full second
		steps := []struct {
			wait time.Duration
			want string
		}{
			{0, "200 limit=2 remaining=1 reset=10 retry="},
			{1500 * time.Millisecond, "200 limit=2 remaining=0 reset=10 retry="},
			{0, "429 limit=2 remaining=0 reset=10 retry=9"}, // 8.5 s are left
			{8500*time.Millisecond - 1, "429 limit=2 remaining=0 reset=10 retry=1"},
			{1, "200 limit=2 remaining=1 reset=20 retry="},
			{10*time.Second + 1, "200 limit=2 remaining=1 reset=31 retry="}, // ends a nanosecond after 30
		}
		for i, step := range steps {
			time.Sleep(step.wait)
			res := from(handler, "203.0.113.9:1")
			reset, _ := strconv.ParseInt(res.Header.Get("X-RateLimit-Reset"), 10, 64)
			res.Header.Set("X-RateLimit-Reset", fmt.Sprint(reset-start))
			if got := limitHeader(res); got != step.want {
				t.Errorf("step %d: %s, want %s", i, got, step.want)
			}
		}
	})
}

func TestRateLimitRefusesOverBothProtocols(t *testing.T) {
	t.Parallel()
	for _, protocol := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
		var reached atomic.Int64
		handle := func(http.ResponseWriter, *http.Request) { reached.Add(1) }
		router := http.NewRouter()
		limited := router.Group("/limited")
		limited.Use(http.RateLimit(http.RateLimitConfig{Limit: 2}))
		limited.HandleFunc("GET /a", handle)
		limited.HandleFunc("GET /b", handle)
		router.HandleFunc("GET /free", func(http.ResponseWriter, *http.Request) {})
		srv := testkit.StartServer(t, protocol, router)
		var got []string
		for _, path := range []string{"/limited/a", "/limited/b", "/limited/a", "/free"} {
			res := srv.Get(t, path)
			body := res.Body
			got = append(got, fmt.Sprint(res.StatusCode, " ", res.Header.Get("Content-Type"), string(body)))
			retry, _ := strconv.Atoi(res.Header.Get("Retry-After"))
			if (res.StatusCode == 429) != (retry > 0 && retry <= 60) {
				t.Errorf("%s: status %d with Retry-After %d", path, res.StatusCode, retry)
			}
		}
		want := `200 , 200 , 429 application/json{"error":"rate limit exceeded"}, 200 `
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: got %q, want %q", protocol, got, want)
		}
		if n := reached.Load(); n != 2 {
			t.Errorf("%s: %d requests reached the handlers, want 2", protocol, n)
		}
	}
}

func TestRateLimitDefaults(t *testing.T) {
	t.Parallel()
	handler := http.RateLimit(http.RateLimitConfig{})(passed)
	for i := range 61 {
		want := http.StatusOK
		if i == 60 {
			want = http.StatusTooManyRequests
		}
		if res := from(handler, "203.0.113.9:1"); res.StatusCode != want {
			t.Fatalf("request %d: %s", i+1, limitHeader(res))
		}
	}
}

func TestRateLimitExactlyLimitOfAThousandPass(t *testing.T) {
	t.Parallel()
	const limit = 137
	handler := http.RateLimit(http.RateLimitConfig{Limit: limit})(passed)
	var ok, refused atomic.Int64
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			switch from(handler, "203.0.113.9:1").StatusCode {
			case http.StatusOK:
				ok.Add(1)
			case http.StatusTooManyRequests:
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	if ok.Load() != limit || refused.Load() != 1000-limit {
		t.Errorf("%d passed and %d were refused, want %d and %d", ok.Load(), refused.Load(), limit, 1000-limit)
	}
}

func TestRateLimitIsExactOnRealConnections(t *testing.T) {
	t.Parallel()
	for _, protocol := range []testkit.Protocol{testkit.HTTP1, testkit.HTTP2} {
		srv := testkit.StartServer(t, protocol, http.RateLimit(http.RateLimitConfig{Limit: 31})(passed))
		var ok, refused atomic.Int64
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range 10 {
					res, err := testkit.Send(srv.Client(), testkit.NewRequest("GET", srv.URL, ""))
					if err != nil {
						t.Error(err)
						return
					}
					switch res.StatusCode {
					case http.StatusOK:
						ok.Add(1)
					case http.StatusTooManyRequests:
						refused.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if ok.Load() != 31 || refused.Load() != 169 {
			t.Errorf("%s: %d passed and %d were refused, want 31 and 169", protocol, ok.Load(), refused.Load())
		}
	}
}

func TestForgedAddressesDoNotGetPastTheLimit(t *testing.T) {
	t.Parallel()
	handler := http.RateLimit(http.RateLimitConfig{Limit: 1})(passed)
	for i, want := range []int{200, 429, 429} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "8.8.8.8:1"
		r.Header.Set("X-Forwarded-For", fmt.Sprintf("6.6.6.%d", i))
		r.Header.Set("X-Real-IP", fmt.Sprintf("6.6.7.%d", i))
		rec := testkit.Record(handler, r)
		if rec.StatusCode != want {
			t.Errorf("request %d: status %d, want %d", i, rec.StatusCode, want)
		}
	}
}

func TestRateLimitKeysByClientAddress(t *testing.T) {
	t.Parallel()
	tests := []struct {
		first, second string
		shared        bool
	}{
		{"203.0.113.9:1", "203.0.113.9:2", true},
		{"203.0.113.9:1", "203.0.113.10:1", false},
		{"[2001:db8::1]:99", "[2001:db8::ffff:1:2:3]:5", true},
		{"[2001:db8:0:1::1]:99", "[2001:db8:0:2::1]:99", false},
		{"[::ffff:1.2.3.4]:1", "1.2.3.4:1", true},
		{"[fe80::1%eth0]:1", "[fe80::1%eth1]:1", true},
		{"@", "", true},
	}
	for _, tt := range tests {
		handler := http.RateLimit(http.RateLimitConfig{Limit: 1})(passed)
		from(handler, tt.first)
		if got := from(handler, tt.second).StatusCode == http.StatusTooManyRequests; got != tt.shared {
			t.Errorf("%q and %q share a window: %v, want %v", tt.first, tt.second, got, tt.shared)
		}
	}
}

func TestRateLimitByKeyFunc(t *testing.T) {
	t.Parallel()
	handler := http.RateLimit(http.RateLimitConfig{
		Limit:   1,
		Message: `no "more"`,
		KeyFunc: func(r *http.Request) string { return r.Header.Get("X-API-Key") },
	})(passed)
	for i, tt := range []struct {
		key    string
		status int
	}{{"a", 200}, {"b", 200}, {"a", 429}, {"", 200}, {"", 429}} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-API-Key", tt.key)
		rec := testkit.Record(handler, r)
		if rec.StatusCode != tt.status {
			t.Errorf("request %d with key %q: %d, want %d", i, tt.key, rec.StatusCode, tt.status)
		}
		if want := `{"error":"no \"more\""}`; rec.StatusCode == 429 && rec.Body != want {
			t.Errorf("body %q, want %q", rec.Body, want)
		}
	}
}

func TestWaitingRetryAfterAlwaysSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(4, 2))
		for _, window := range []time.Duration{time.Nanosecond, 999 * time.Millisecond, time.Second, 1001 * time.Millisecond, 7300 * time.Millisecond} {
			handler := http.RateLimit(http.RateLimitConfig{Limit: 1, Window: window})(passed)
			refused := 0
			for range 300 {
				time.Sleep(time.Duration(rng.Int64N(int64(window)/2 + 1)))
				res := from(handler, "203.0.113.9:1")
				if res.StatusCode == http.StatusOK {
					continue
				}
				refused++
				reset, _ := strconv.ParseInt(res.Header.Get("X-RateLimit-Reset"), 10, 64)
				seconds, err := strconv.Atoi(res.Header.Get("Retry-After"))
				if err != nil || seconds < 1 {
					t.Fatalf("Retry-After %q", res.Header.Get("Retry-After"))
				}
				if refused%2 == 0 {
					time.Sleep(time.Duration(seconds) * time.Second)
				} else {
					time.Sleep(time.Until(time.Unix(reset, 0)))
				}
				if res := from(handler, "203.0.113.9:1"); res.StatusCode != http.StatusOK {
					t.Fatalf("window %v: after waiting: %s", window, limitHeader(res))
				}
			}
			if refused == 0 && window > time.Nanosecond {
				t.Errorf("window %v: nothing was refused", window)
			}
		}
	})
}

func TestNewAddressesPastMaxKeysShareAWindow(t *testing.T) {
	t.Parallel()
	handler := http.RateLimit(http.RateLimitConfig{Limit: 1, MaxKeys: 3})(passed)
	var got []int
	for i := range 6 {
		got = append(got, from(handler, fmt.Sprintf("203.0.113.%d:1", i)).StatusCode)
	}
	if want := "[200 200 200 200 429 429]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s: three windows and a shared one", got, want)
	}
}

// A mapStore is a RateLimitStore in memory.
type mapStore struct {
	mu      sync.Mutex
	windows map[string]*storedWindow
	before  func(ctx context.Context) error // called first, if set
}

type storedWindow struct {
	count int64
	end   time.Time
}

func (s *mapStore) Increment(ctx context.Context, key string, window time.Duration) (int64, time.Duration, error) {
	if s.before != nil {
		if err := s.before(ctx); err != nil {
			return 0, 0, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	w := s.windows[key]
	if w == nil || !now.Before(w.end) {
		if s.windows == nil {
			s.windows = map[string]*storedWindow{}
		}
		w = &storedWindow{end: now.Add(window)}
		s.windows[key] = w
	}
	w.count++
	return w.count, w.end.Sub(now), nil
}

func TestInstancesShareAStore(t *testing.T) {
	t.Parallel()
	store := &mapStore{}
	instances := []http.Handler{
		http.RateLimit(http.RateLimitConfig{Limit: 50, Store: store})(passed),
		http.RateLimit(http.RateLimitConfig{Limit: 50, Store: store})(passed),
	}
	var ok atomic.Int64
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			if from(instances[i%2], "203.0.113.9:1").StatusCode == http.StatusOK {
				ok.Add(1)
			}
		})
	}
	wg.Wait()
	if ok.Load() != 50 {
		t.Errorf("%d requests passed, want 50", ok.Load())
	}
	want := "429 limit=50 remaining=0"
	if got := limitHeader(from(instances[0], "203.0.113.9:1")); !strings.HasPrefix(got, want) || strings.HasSuffix(got, "retry=") {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A database may round the time left in a window down to zero.
func TestRetryAfterIsASecondAtLeast(t *testing.T) {
	t.Parallel()
	handler := http.RateLimit(http.RateLimitConfig{Limit: 1, Store: lastMoment{}})(passed)
	if got := from(handler, "203.0.113.9:1").Header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After %q, want 1", got)
	}
}

// lastMoment is a store whose windows are about to end.
type lastMoment struct{}

func (lastMoment) Increment(context.Context, string, time.Duration) (int64, time.Duration, error) {
	return 2, 0, nil
}

func TestStoreErrorLetsTheRequestPassAndIsLogged(t *testing.T) {
	t.Parallel()
	var log testkit.Log
	store := &mapStore{before: func(context.Context) error { return errors.New("connection refused") }}
	handler := http.RateLimit(http.RateLimitConfig{Limit: 1, Store: store})(passed)
	r := httptest.NewRequest("GET", "/", nil)
	r = r.WithContext(http.ContextWithLogger(r.Context(), log.Text()))
	for range 2 {
		rec := testkit.Record(handler, r)
		if got := limitHeader(rec); got != "200 limit= remaining= reset= retry=" || rec.Body != "passed" {
			t.Errorf("got %s and %q, want it passed without the header fields", got, rec.Body)
		}
	}
	if got := log.String(); strings.Count(got, "level=ERROR") != 1 || !strings.Contains(got, `error="connection refused" requests=1`) {
		t.Errorf("log %q, want one line with the error", got)
	}
}

func TestSlowStoreHoldsARequestNoLongerThanItsTimeout(t *testing.T) {
	for _, timeout := range []time.Duration{0, 80 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			store := &mapStore{before: func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			}}
			handler := http.RateLimit(http.RateLimitConfig{Store: store, StoreTimeout: timeout})(passed)
			r := httptest.NewRequest("GET", "/", nil)
			r = r.WithContext(http.ContextWithLogger(r.Context(), slog.New(slog.DiscardHandler)))
			rec, start := httptest.NewRecorder(), time.Now()
			handler.ServeHTTP(rec, r)
			want := timeout
			if want == 0 {
				want = 500 * time.Millisecond
			}
			if took := time.Since(start); took != want || rec.Code != http.StatusOK {
				t.Errorf("status %d after %v, want 200 after %v", rec.Code, took, want)
			}
		})
	}
}

func TestClientThatHasGoneIsCountedAndIsNoFailureOfTheStore(t *testing.T) {
	t.Parallel()
	var log testkit.Log
	store := &mapStore{before: func(ctx context.Context) error { return ctx.Err() }}
	limiter := http.NewRateLimiter(http.RateLimitConfig{Limit: 2, Store: store, KeyFunc: func(*http.Request) string { return "k" }})
	ctx, cancel := context.WithCancel(http.ContextWithLogger(t.Context(), log.Text()))
	cancel()
	for i, want := range []int{200, 200, 429} {
		rec := testkit.Record(limiter.Middleware()(passed), httptest.NewRequest("GET", "/", nil).WithContext(ctx))
		if rec.StatusCode != want {
			t.Errorf("request %d: status %d, want %d", i+1, rec.StatusCode, want)
		}
	}
	if ok, _ := limiter.Allow(ctx, "k"); ok {
		t.Error("a done context got an event past the limit")
	}
	if log.String() != "" {
		t.Errorf("log %q, want nothing", log.String())
	}
}

// A client that closes only its sending direction cancels the request's context, but
// still gets the response.
func TestHalfClosedConnectionIsCountedInTheStore(t *testing.T) {
	t.Parallel()
	type clientKey struct{}
	store := &mapStore{before: func(ctx context.Context) error {
		<-ctx.Value(clientKey{}).(context.Context).Done() // net/http has noticed it
		return ctx.Err()
	}}
	limited := http.RateLimit(http.RateLimitConfig{Limit: 1, Store: store, StoreTimeout: testkit.Patience})(passed)
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		limited.ServeHTTP(w, r.WithContext(context.WithValue(ctx, clientKey{}, ctx)))
	}))
	for i, want := range []string{"HTTP/1.1 200 ", "HTTP/1.1 429 ", "HTTP/1.1 429 "} {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(got), want) {
			t.Errorf("request %d: %q, %v, want %q", i+1, got, err, want)
		}
	}
}

func TestRateLimitConfigMistakesPanicNamingTheField(t *testing.T) {
	t.Parallel()
	tests := []struct {
		config http.RateLimitConfig
		want   string
	}{
		{http.RateLimitConfig{Limit: -1}, "RateLimitConfig.Limit: -1 is negative"},
		{http.RateLimitConfig{Window: -time.Second}, "RateLimitConfig.Window: -1s is negative"},
		{http.RateLimitConfig{MaxKeys: -5}, "RateLimitConfig.MaxKeys: -5 is negative"},
		{http.RateLimitConfig{Store: &mapStore{}, StoreTimeout: -1}, "RateLimitConfig.StoreTimeout: -1ns is negative"},
		{http.RateLimitConfig{Store: &mapStore{}, MaxKeys: 5}, "RateLimitConfig.MaxKeys: has no effect together with Store, unless LocalFallback is set"},
		{http.RateLimitConfig{StoreTimeout: time.Second}, "RateLimitConfig.StoreTimeout: has no effect without Store"},
		{http.RateLimitConfig{LocalFallback: true}, "RateLimitConfig.LocalFallback: has no effect without Store"},
		{
			http.RateLimitConfig{Store: &mapStore{}, CountFunc: failuresOnly},
			"RateLimitConfig.CountFunc: needs a RateLimitRefundStore; *http_test.mapStore has no method Decrement",
		},
	}
	for _, tt := range tests {
		func() {
			defer func() {
				got := fmt.Sprint(recover())
				if !strings.HasSuffix(got, tt.want) || !strings.Contains(got, "ratelimit_window_test.go:") {
					t.Errorf("panic %q, want %q at this file", got, tt.want)
				}
			}()
			http.RateLimit(tt.config)
		}()
	}
}

func TestRateLimitAllocations(t *testing.T) {
	if testkit.Race {
		t.Skip("allocations are not counted under the race detector")
	}
	limit := http.RateLimit(http.RateLimitConfig{Limit: math.MaxInt})
	empty := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for _, tt := range []struct {
		name    string
		handler http.Handler
		addr    string
		want    float64
	}{
		{"alone, IPv4", limit(empty), "203.0.113.9:1234", 2},
		{"alone, IPv6", limit(empty), "[2001:db8::1]:1234", 3},
		// The state is one allocation and has room for the header values.
		{"in a chain, IPv4", http.NewMetrics().Middleware()(limit(empty)), "203.0.113.9:1234", 1 + 1},
	} {
		w, r := new(nullWriter), httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.addr
		if n := testing.AllocsPerRun(1000, func() { tt.handler.ServeHTTP(w, r) }); n > tt.want {
			t.Errorf("%s: %v allocations, want at most %v", tt.name, n, tt.want)
		}
	}
}

func BenchmarkRateLimit(b *testing.B) {
	limit := http.RateLimit(http.RateLimitConfig{Limit: math.MaxInt})
	handler := limit(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, addr := range []string{"203.0.113.9:1234", "[2001:db8::1]:1234"} {
		b.Run(addr, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				w, r := new(nullWriter), httptest.NewRequest("GET", "/", nil)
				r.RemoteAddr = addr
				for pb.Next() {
					handler.ServeHTTP(w, r)
				}
			})
		})
	}
}
