// Package redisstore lets servers share rate limits through Redis. It is an
// example to copy. It consists of two scripts, and a check of the client's
// options, without which a Redis outage would block requests.
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// increment counts a request and returns the count and the milliseconds left in
// the window. Redis runs scripts atomically. If a key has lost its expiry, it
// would never be reset, so the script sets it again.
var increment = redis.NewScript(`
local count = redis.call("INCR", KEYS[1])
local left = redis.call("PTTL", KEYS[1])
if left < 0 then
	left = tonumber(ARGV[1])
	redis.call("PEXPIRE", KEYS[1], left)
end
return {count, left}
`)

// decrement takes back a request. Those beyond the limit were rejected, so they no
// longer count. A key that has expired is not created, and KEEPTTL keeps the end of the
// window.
var decrement = redis.NewScript(`
local count = tonumber(redis.call("GET", KEYS[1]) or "0")
if count > 0 then
	redis.call("SET", KEYS[1], math.min(count, tonumber(ARGV[1])) - 1, "KEEPTTL")
end
return 0
`)

// A Store counts requests in Redis, for RateLimitConfig.Store. It is a
// RateLimitRefundStore. It is safe for
// concurrent use by multiple goroutines.
type Store struct {
	client *redis.Client
	prefix string
}

// New returns a store whose keys in Redis start with prefix, which distinguishes
// its limit from others in the same database. It returns an error unless the
// client has these options:
//
//   - ContextTimeoutEnabled must be true. Otherwise, if Redis does not respond,
//     requests wait longer than RateLimitConfig.StoreTimeout.
//   - MaxRetries must be -1. Otherwise, if a response of Redis is lost, the request
//     is counted twice.
func New(client *redis.Client, prefix string) (*Store, error) {
	options := client.Options()
	switch {
	case !options.ContextTimeoutEnabled:
		return nil, errors.New("redisstore: the client needs ContextTimeoutEnabled")
	case options.MaxRetries != 0: // the client replaces -1 with 0
		return nil, errors.New("redisstore: the client must not retry; set MaxRetries to -1")
	}
	return &Store{client, prefix}, nil
}

// Increment counts one request for key and returns the count and the time left
// in the window.
func (s *Store) Increment(ctx context.Context, key string, window time.Duration) (int64, time.Duration, error) {
	milliseconds := (window + time.Millisecond - 1) / time.Millisecond
	result, err := increment.Run(ctx, s.client, []string{s.prefix + key}, int64(milliseconds)).Int64Slice()
	if err != nil {
		return 0, 0, fmt.Errorf("redisstore: %w", err)
	}
	if len(result) != 2 {
		return 0, 0, fmt.Errorf("redisstore: the script returned %d values", len(result))
	}
	// Redis keeps a key until the end of its last millisecond.
	return result[0], time.Duration(result[1]+1) * time.Millisecond, nil
}

// Decrement takes back one request that was allowed for key.
func (s *Store) Decrement(ctx context.Context, key string, limit int64) error {
	err := decrement.Run(ctx, s.client, []string{s.prefix + key}, limit).Err()
	if err != nil {
		return fmt.Errorf("redisstore: %w", err)
	}
	return nil
}
