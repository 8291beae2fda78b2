package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/compare/redisstore"
	"github.com/stanza-go/framework/pkg/http/internal/compare/tools"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A server is a redis-server that listens on a Unix socket and stores nothing
// on disk.
type server struct {
	t      *testing.T
	socket string
	cmd    *exec.Cmd
}

// startRedis starts a server, which runs until the test ends.
func startRedis(t *testing.T) *server {
	t.Helper()
	dir, err := os.MkdirTemp("", "redis") // the path of t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &server{t: t, socket: filepath.Join(dir, "s")}
	s.start()
	t.Cleanup(s.kill)
	return s
}

// start starts the server and waits until it accepts connections.
func (s *server) start() {
	s.t.Helper()
	s.cmd = tools.StartRedis(s.t, filepath.Dir(s.socket), "--port", "0", "--unixsocket", s.socket)
}

// kill ends the server like a crash.
func (s *server) kill() { tools.StopRedis(s.cmd) }

// store returns a store with a new client, like that of a separate process.
func (s *server) store(prefix string) *redisstore.Store {
	s.t.Helper()
	client := redis.NewClient(&redis.Options{
		Network: "unix", Addr: s.socket,
		ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1,
	})
	s.t.Cleanup(func() { client.Close() })
	store, err := redisstore.New(client, prefix)
	if err != nil {
		s.t.Fatal(err)
	}
	return store
}

// instance starts one of several web servers that limit requests with the
// store.
func instance(t *testing.T, config http.RateLimitConfig) *testkit.Server {
	t.Helper()
	config.KeyFunc = func(r *http.Request) string { return r.URL.Query().Get("key") }
	router := http.NewRouter()
	router.Use(http.RateLimit(config))
	router.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	srv.Client().Timeout = testkit.Patience
	return srv
}

// get sends a request with a key to an instance.
func get(srv *testkit.Server, key string) (*testkit.Response, error) {
	return testkit.Send(srv.Client(), testkit.NewRequest("GET", srv.URL+"/?key="+key, ""))
}

// burst sends n concurrent requests, distributed over the instances, and returns
// the number of responses by status.
func burst(t *testing.T, n int, key string, instances ...*testkit.Server) map[int]int {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	statuses := map[int]int{}
	for i := range n {
		wg.Go(func() {
			res, err := get(instances[i%len(instances)], key)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			statuses[res.StatusCode]++
			mu.Unlock()
		})
	}
	wg.Wait()
	return statuses
}

// TestMain turns off the client's log, which contains every failed connection
// attempt.
func TestMain(m *testing.M) {
	redis.SetLogger(silent{})
	os.Exit(m.Run())
}

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

func TestTwoInstancesShareOneLimitExactly(t *testing.T) {
	redis := startRedis(t)
	config := func() http.RateLimitConfig {
		return http.RateLimitConfig{Limit: 40, Window: time.Hour, Store: redis.store("a:"), StoreTimeout: testkit.Patience}
	}
	a, b := instance(t, config()), instance(t, config())
	for round := range 3 {
		key := fmt.Sprint("key", round)
		got := burst(t, 200, key, a, b)
		t.Logf("200 requests to two instances, limit 40: %v", got)
		if got[200] != 40 || got[429] != 160 {
			t.Errorf("statuses %v, want 40 times 200 and 160 times 429", got)
		}
	}
	res := b.Get(t, "/?key=key0")
	retry, _ := strconv.Atoi(res.Header.Get("Retry-After"))
	if res.StatusCode != 429 || retry < 3000 || retry > 3600 || res.Header.Get("X-RateLimit-Remaining") != "0" {
		t.Errorf("got %v, want 429 for an hour", res)
	}
}

func TestPrefixesKeepLimitsApart(t *testing.T) {
	redis := startRedis(t)
	a := instance(t, http.RateLimitConfig{Limit: 1, Store: redis.store("a:"), StoreTimeout: testkit.Patience})
	b := instance(t, http.RateLimitConfig{Limit: 1, Store: redis.store("b:"), StoreTimeout: testkit.Patience})
	for i, want := range []int{200, 200, 429, 429} {
		if got := []*testkit.Server{a, b}[i%2].Get(t, "/?key=k").StatusCode; got != want {
			t.Errorf("request %d: status %d, want %d", i, got, want)
		}
	}
}

func TestWaitingRetryAfterSucceeds(t *testing.T) {
	redis := startRedis(t)
	srv := instance(t, http.RateLimitConfig{Limit: 1, Window: 300 * time.Millisecond, Store: redis.store("a:"), StoreTimeout: testkit.Patience})
	waited := 0
	for waited < 1 {
		res := srv.Get(t, "/?key=k")
		if res.StatusCode == 200 {
			continue
		}
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		if seconds != 1 {
			t.Fatalf("Retry-After %q, want 1", res.Header.Get("Retry-After"))
		}
		// Waiting is necessary, because Retry-After is tested.
		time.Sleep(time.Duration(seconds) * time.Second)
		if got := srv.Get(t, "/?key=k").StatusCode; got != 200 {
			t.Errorf("status %d after the wait", got)
		}
		waited++
	}
}

// TestRedisKilledAndRestartedLosesNoRequest sends requests to two instances
// while Redis is killed and restarted.
func TestRedisKilledAndRestartedLosesNoRequest(t *testing.T) {
	redis := startRedis(t)
	var log testkit.Log
	before := slog.Default()
	slog.SetDefault(log.Text())
	t.Cleanup(func() { slog.SetDefault(before) })
	var longest atomic.Int64
	config := func() http.RateLimitConfig {
		store := timed{redis.store("a:"), &longest}
		return http.RateLimitConfig{Limit: 10, Window: time.Hour, Store: store, StoreTimeout: 500 * time.Millisecond}
	}
	instances := []*testkit.Server{instance(t, config()), instance(t, config())}

	// 1. Redis is running. Use up the limit.
	if got := burst(t, 30, "before", instances...); got[200] != 10 || got[429] != 20 {
		t.Fatalf("before: %v", got)
	}

	// 2. Send requests while Redis is killed, is down, and restarts.
	var answered, lost atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				res, err := get(instances[(i+n)%2], "during")
				if err != nil || res.StatusCode != 200 && res.StatusCode != 429 {
					lost.Add(1)
					t.Errorf("got %v, %v", res, err)
				}
				answered.Add(1)
			}
		})
	}
	until := func(more int64) {
		for target := answered.Load() + more; answered.Load() < target; {
			time.Sleep(time.Millisecond)
		}
	}
	until(200)
	redis.kill()
	until(200)
	away := burst(t, 30, "before", instances...)
	redis.start()
	// An instance tries the store again after a pause.
	for i := range instances {
		for counted := false; !counted; {
			counted = instances[i].Get(t, "/?key=probe").Header.Get("X-RateLimit-Limit") != ""
		}
	}
	until(200)
	close(stop)
	clients.Wait()
	t.Logf("%d requests while Redis was killed and restarted: %d lost, longest wait for the store %v",
		answered.Load(), lost.Load(), time.Duration(longest.Load()).Round(time.Millisecond))
	if away[200] != 30 {
		t.Errorf("while Redis was away: %v, want all to pass", away)
	}
	logged := log.String()
	if n := strings.Count(logged, "\n"); n > 2*4 || !strings.Contains(logged, "rate limit store is available again") {
		t.Errorf("%d lines logged, want a failure, the beginning, at most one more, and the end for each instance:\n%s", n, logged)
	}

	// 3. Redis is running again, without its data. The limit applies again.
	after := burst(t, 30, "after", instances...)
	t.Logf("before it: 10 of 30 passed; while it was away: %d of 30; after: %d of 30", away[200], after[200])
	if after[200] != 10 || after[429] != 20 {
		t.Errorf("after: %v, want 10 times 200", after)
	}
}

// TestSilentRedisHoldsNoRequest stops the server without closing its
// connections, like a network failure.
func TestSilentRedisHoldsNoRequest(t *testing.T) {
	redis := startRedis(t)
	srv := instance(t, http.RateLimitConfig{Limit: 5, Store: redis.store("a:"), StoreTimeout: 100 * time.Millisecond})
	if got := burst(t, 10, "k", srv); got[200]+got[429] != 10 {
		t.Fatalf("before: %v", got)
	}
	if err := redis.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	silent := burst(t, 50, "k", srv)
	t.Logf("50 requests at once to a silent Redis: %v in %v", silent, time.Since(start).Round(time.Millisecond))
	if silent[200] != 50 {
		t.Errorf("%v, want all to pass", silent)
	}
	if err := redis.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

func TestRefundsAreExactAcrossInstances(t *testing.T) {
	redis := startRedis(t)
	store := redis.store("a:")
	limiters := make([]*http.RateLimiter, 2)
	for i := range limiters {
		limiters[i] = http.NewRateLimiter(http.RateLimitConfig{
			Limit: 20, Window: time.Hour, Store: redis.store("a:"), StoreTimeout: testkit.Patience,
		})
	}
	limiters[0].Refund(t.Context(), "never seen")
	// A thousand attempts at once, of which a tenth succeeds.
	var failed atomic.Int64
	attempt := func(i int) {
		if ok, _ := limiters[i%2].Allow(t.Context(), "ada"); !ok {
			return
		}
		if i%10 == 0 {
			limiters[i/2%2].Refund(t.Context(), "ada")
			return
		}
		failed.Add(1)
	}
	var all sync.WaitGroup
	for i := range 1000 {
		all.Go(func() { attempt(i) })
	}
	all.Wait()
	for i := range 30 {
		attempt(10*i + 1)
	}
	if failed.Load() != 20 {
		t.Errorf("%d failed attempts were allowed, want 20", failed.Load())
	}
	if err := store.Decrement(t.Context(), "ada", 20); err != nil {
		t.Error(err)
	}
	count, left, err := store.Increment(t.Context(), "ada", time.Minute)
	if err != nil || count != 20 || left < 50*time.Minute {
		t.Errorf("count %d, %v left, %v; want 20 for an hour", count, left, err)
	}
	for range 30 {
		if err := store.Decrement(t.Context(), "ada", 20); err != nil {
			t.Error(err)
		}
	}
	if count, _, err := store.Increment(t.Context(), "ada", time.Minute); err != nil || count != 1 {
		t.Errorf("count %d, %v after more refunds than requests, want 1", count, err)
	}
}

func TestBinaryAndLongKeysAreCounted(t *testing.T) {
	redis := startRedis(t)
	limiter := http.NewRateLimiter(http.RateLimitConfig{Limit: 1, Store: redis.store("a:"), StoreTimeout: testkit.Patience})
	for _, key := range []string{"", "\x00", "\xff\xfe", strings.Repeat("k", 10<<20)} {
		for _, want := range []bool{true, false} {
			if ok, _ := limiter.Allow(t.Context(), key); ok != want {
				t.Errorf("key %.10q: %v, want %v", key, ok, want)
			}
		}
	}
}

func TestClientsThatHangOrCountTwiceAreRefused(t *testing.T) {
	for name, options := range map[string]*redis.Options{
		"defaults":   {},
		"no timeout": {MaxRetries: -1},
		"retries":    {ContextTimeoutEnabled: true},
	} {
		client := redis.NewClient(options)
		if _, err := redisstore.New(client, ""); err == nil {
			t.Errorf("%s: no error", name)
		}
		if err := client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
			t.Error(err)
		}
	}
}

// A timed store records the duration of the longest call.
type timed struct {
	http.RateLimitStore
	longest *atomic.Int64
}

func (s timed) Increment(ctx context.Context, key string, window time.Duration) (int64, time.Duration, error) {
	start := time.Now()
	defer func() {
		took := int64(time.Since(start))
		for old := s.longest.Load(); took > old && !s.longest.CompareAndSwap(old, took); {
			old = s.longest.Load()
		}
	}()
	return s.RateLimitStore.Increment(ctx, key, window)
}
