package stacks

import (
	nethttp "net/http"
	"time"

	"github.com/go-chi/httprate"
	"github.com/ulule/limiter/v3"
	ulule "github.com/ulule/limiter/v3/drivers/middleware/stdlib"
	"github.com/ulule/limiter/v3/drivers/store/memory"

	"github.com/stanza-go/framework/pkg/http"
)

// KeyField is the request header that contains the key.
const KeyField = "X-Api-Key"

// rateWindow is long enough that no window ends during a measurement.
const rateWindow = 6 * time.Hour

// A Limiter is a rate limiter to measure.
type Limiter struct {
	Name string

	// New returns new middleware that allows limit requests per key.
	New func(limit int) func(nethttp.Handler) nethttp.Handler
}

// Limiters returns all limiters. They count exactly, per key, in memory.
// httprate has sliding windows and the others have fixed windows, which makes
// no difference during the first window.
func Limiters() []Limiter {
	return []Limiter{
		{"stanza", func(limit int) func(nethttp.Handler) nethttp.Handler { return stanzaRate(limit) }},
		{"httprate", httprateRate},
		{"ulule", ululeRate},
	}
}

// stanzaRate returns a limiter with capacity for a million keys, even if they
// are distributed unevenly.
func stanzaRate(limit int) http.Middleware {
	return http.RateLimit(http.RateLimitConfig{
		Limit: limit, Window: rateWindow, MaxKeys: 1_100_000,
		KeyFunc: func(r *nethttp.Request) string { return r.Header.Get(KeyField) },
	})
}

func httprateRate(limit int) func(nethttp.Handler) nethttp.Handler {
	return httprate.LimitBy(limit, rateWindow, func(r *nethttp.Request) (string, error) { return r.Header.Get(KeyField), nil })
}

func ululeRate(limit int) func(nethttp.Handler) nethttp.Handler {
	store := memory.NewStoreWithOptions(limiter.StoreOptions{Prefix: limiter.DefaultPrefix, CleanUpInterval: rateWindow})
	counter := limiter.New(store, limiter.Rate{Period: rateWindow, Limit: int64(limit)})
	return ulule.NewMiddleware(counter, ulule.WithKeyGetter(func(r *nethttp.Request) string { return r.Header.Get(KeyField) })).Handler
}
