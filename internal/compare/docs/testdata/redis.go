package prelude

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"
	stanza "github.com/stanza-go/framework/pkg/http"
)

var increment *redis.Script

type Store struct {
	client *redis.Client
	prefix string
}

func (s *Store) Increment(ctx context.Context, key string, window time.Duration) (int64, time.Duration, error) {
	return 0, 0, nil
}

var _ stanza.RateLimitStore = (*Store)(nil)

var _ = []any{fmt.Errorf, http.StatusOK}
