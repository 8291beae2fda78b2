// Package redisstore lets servers share rate limits through Redis. It is an
// example to copy: one script, and the client settings that make an outage of
// Redis harmless.
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// increment counts a request and returns the count and the milliseconds that
// are left of its window. A script is one atomic step to Redis. A key that has
// lost its expiry would count for ever, so a missing one is set again.
var increment = redis.NewScript(`
local count = redis.call("INCR", KEYS[1])
local left = redis.call("PTTL", KEYS[1])
if left < 0 then
	left = tonumber(ARGV[1])
	redis.call("PEXPIRE", KEYS[1], left)
end
return {count, left}
`)

// A Store counts requests in Redis, for RateLimitConfig.Store.
type Store struct {
	client *redis.Client
	prefix string
}

// New returns a store that puts prefix before its keys, which sets the limit
// it counts for apart from others in the same database.
//
// The client must have ContextTimeoutEnabled, or else a Redis that does not
// answer holds up requests for longer than RateLimitConfig.StoreTimeout; and
// MaxRetries must be -1, because a script that ran although its answer was
// lost would count the request twice.
func New(client *redis.Client, prefix string) (*Store, error) {
	options := client.Options()
	switch {
	case !options.ContextTimeoutEnabled:
		return nil, errors.New("redisstore: the client needs ContextTimeoutEnabled")
	case options.MaxRetries != 0: // what -1 becomes
		return nil, errors.New("redisstore: the client must not retry: MaxRetries -1")
	}
	return &Store{client, prefix}, nil
}

// Increment counts one request for key and returns the count and what is left
// of the window.
func (s *Store) Increment(ctx context.Context, key string, window time.Duration) (int64, time.Duration, error) {
	milliseconds := (window + time.Millisecond - 1) / time.Millisecond
	result, err := increment.Run(ctx, s.client, []string{s.prefix + key}, int64(milliseconds)).Int64Slice()
	if err != nil {
		return 0, 0, fmt.Errorf("redisstore: %w", err)
	}
	if len(result) != 2 {
		return 0, 0, fmt.Errorf("redisstore: the script returned %d values", len(result))
	}
	// A key is there until the millisecond after its last has passed.
	return result[0], time.Duration(result[1]+1) * time.Millisecond, nil
}
