package http_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// A memoryStore counts in a map. A store for several machines would run one
// statement in their database that inserts or updates the row of the key and
// returns its count and end.
type memoryStore struct {
	mu      sync.Mutex
	windows map[string]keyWindow
}

type keyWindow struct {
	count int64
	end   time.Time
}

func (s *memoryStore) Increment(ctx context.Context, key string, window time.Duration) (int64, time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	current := s.windows[key]
	if !now.Before(current.end) {
		current = keyWindow{end: now.Add(window)}
	}
	current.count++
	s.windows[key] = current
	return current.count, current.end.Sub(now), nil
}

// In this example, two servers share one limit through a store.
func ExampleRateLimitStore() {
	store := &memoryStore{windows: make(map[string]keyWindow)}
	var servers []*http.Router
	for range 2 {
		router := http.NewRouter()
		router.Use(http.RateLimit(http.RateLimitConfig{Limit: 3, Store: store}))
		router.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {})
		servers = append(servers, router)
	}

	for i := range 4 {
		rec := httptest.NewRecorder()
		servers[i%2].ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
		fmt.Printf("server %d: %d\n", i%2, rec.Code)
	}
	// Output:
	// server 0: 200
	// server 1: 200
	// server 0: 200
	// server 1: 429
}
