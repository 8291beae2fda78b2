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

// KeyField is the request's field that limits are counted by.
const KeyField = "X-Api-Key"

// rateWindow is so long that none ends while something is measured.
const rateWindow = 6 * time.Hour

// A Limiter is a kind of rate limit to measure.
type Limiter struct {
	Name string

	// New returns middleware that lets limit requests with a key pass, and has
	// seen none yet.
	New func(limit int) func(nethttp.Handler) nethttp.Handler
}

// Limiters returns one of each kind. They count exactly, per key, in the memory
// of the process. Httprate's window slides and the others' are fixed; while the
// first lasts there is no difference.
func Limiters() []Limiter {
	return []Limiter{
		{"stanza", func(limit int) func(nethttp.Handler) nethttp.Handler { return stanzaRate(limit) }},
		{"httprate", httprateRate},
		{"ulule", ululeRate},
	}
}

// stanzaRate has room for a million keys that are not spread quite evenly.
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
