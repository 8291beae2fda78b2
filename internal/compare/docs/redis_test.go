package docs

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/compare/tools"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

//snippet:begin docs/production.md

var increment = redis.NewScript(`
local count = redis.call("INCR", KEYS[1])
local left = redis.call("PTTL", KEYS[1])
if left < 0 then
	left = tonumber(ARGV[1])
	redis.call("PEXPIRE", KEYS[1], left)
end
return {count, left}
`)

var decrement = redis.NewScript(`
local count = tonumber(redis.call("GET", KEYS[1]) or "0")
if count > 0 then
	redis.call("SET", KEYS[1], math.min(count, tonumber(ARGV[1])) - 1, "KEEPTTL")
end
return 0
`)

type Store struct {
	client *redis.Client
	prefix string
}

func (s *Store) Increment(ctx context.Context, key string, window time.Duration) (int64, time.Duration, error) {
	milliseconds := (window + time.Millisecond - 1) / time.Millisecond
	result, err := increment.Run(ctx, s.client, []string{s.prefix + key}, int64(milliseconds)).Int64Slice()
	if err != nil {
		return 0, 0, err
	}
	if len(result) != 2 {
		return 0, 0, fmt.Errorf("the script returned %d values", len(result))
	}
	return result[0], time.Duration(result[1]+1) * time.Millisecond, nil
}

func (s *Store) Decrement(ctx context.Context, key string, limit int64) error {
	return decrement.Run(ctx, s.client, []string{s.prefix + key}, limit).Err()
}

//snippet:end

// startRedis runs a Redis server until the test ends, and returns its address.
func startRedis(t *testing.T) string {
	t.Helper()
	address := testkit.FreeAddress(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	cmd := tools.StartRedis(t, t.TempDir(), "--port", port, "--bind", "127.0.0.1")
	t.Cleanup(func() { tools.StopRedis(cmd) })
	return address
}

func TestRedisStore(t *testing.T) {
	t.Parallel()
	redisAddress := startRedis(t)
	//snippet:begin docs/production.md
	client := redis.NewClient(&redis.Options{
		Addr:                  redisAddress,
		ContextTimeoutEnabled: true,
		MaxRetries:            -1,
	})
	redisStore := &Store{client: client, prefix: "login:"}
	//snippet:end
	defer client.Close()
	var _ http.RateLimitRefundStore = redisStore
	for want := int64(1); want <= 3; want++ {
		count, left, err := redisStore.Increment(t.Context(), "ada", time.Minute)
		if err != nil || count != want || left <= 0 || left > time.Minute+time.Millisecond {
			t.Errorf("count %d, %v left, %v, want %d", count, left, err, want)
		}
	}
	if err := redisStore.Decrement(t.Context(), "ada", 2); err != nil { // of three, one was rejected
		t.Error(err)
	}
	if count, _, err := redisStore.Increment(t.Context(), "ada", time.Minute); err != nil || count != 2 {
		t.Errorf("count %d, %v after one was taken back, want 2", count, err)
	}
	if count, _, err := redisStore.Increment(t.Context(), "bob", time.Minute); err != nil || count != 1 {
		t.Errorf("another key has count %d, %v", count, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := redisStore.Increment(ctx, "ada", time.Minute); err == nil {
		t.Error("no error although the context was canceled")
	}
}
