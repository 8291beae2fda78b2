// Command demo is the demo with its tasks and messages in Redis, so that several
// processes serve the same board and the same chat. For example, to run two:
//
//	go run ./demo -redis localhost:6379 -addr :8081
//	go run ./demo -redis localhost:6379 -addr :8082
//
// In the chat, each process lists only the people connected to it.
package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/stanza-go/framework/pkg/http/internal/compare/redisfeed"
	"github.com/stanza-go/framework/pkg/http/internal/demo/app"
)

// prefix begins the names of all keys in Redis.
const prefix = "demo:"

func main() {
	addr := flag.String("redis", "localhost:6379", "`address` of Redis, or path of its Unix socket")
	app.Main(func(ctx context.Context) (app.Stores, error) { return open(ctx, *addr) })
}

// open connects to Redis. The connections are open until the process exits.
func open(ctx context.Context, addr string) (app.Stores, error) {
	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true, MaxRetries: -1})
	feeds, err := redisfeed.New(client, redisfeed.Config{Prefix: prefix})
	if err != nil {
		return app.Stores{}, err
	}
	first, err := client.SetNX(ctx, prefix+"used", "yes", 0).Result()
	if err != nil {
		return app.Stores{}, fmt.Errorf("%w\nStart Redis, or give its address with -redis", err)
	}
	return app.Stores{Tasks: &taskStore{client}, Feeds: feeds, Used: !first}, nil
}
