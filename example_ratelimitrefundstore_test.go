package http_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// A countTable counts in a map. In a store that uses a database, each of the two
// methods would run one statement.
type countTable struct {
	mu   sync.Mutex
	rows map[string]countRow
}

type countRow struct {
	count int64
	end   time.Time
}

func (t *countTable) Increment(ctx context.Context, key string, window time.Duration) (int64, time.Duration, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	row := t.rows[key]
	if !now.Before(row.end) {
		row = countRow{end: now.Add(window)}
	}
	row.count++
	t.rows[key] = row
	return row.count, row.end.Sub(now), nil
}

func (t *countTable) Decrement(ctx context.Context, key string, limit int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.rows[key]
	if row.count > 0 && time.Now().Before(row.end) {
		row.count = min(row.count, limit) - 1
		t.rows[key] = row
	}
	return nil
}

// Only requests that fail count, in a store that several servers can share.
func ExampleRateLimitRefundStore() {
	router := http.NewRouter()
	router.Use(http.RateLimit(http.RateLimitConfig{
		Limit:     2,
		Store:     &countTable{rows: make(map[string]countRow)},
		CountFunc: func(r *http.Request, status int) bool { return status == http.StatusUnauthorized },
	}))
	router.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("password") != "secret" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})

	for _, password := range []string{"secret", "secret", "guess", "secret", "guess", "secret"} {
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, httptest.NewRequest("POST", "/login?password="+password, nil))
		fmt.Println(password, rec.Code)
	}
	// Output:
	// secret 200
	// secret 200
	// guess 401
	// secret 200
	// guess 401
	// secret 429
}
