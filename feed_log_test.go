package http_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A brokenStore fails whatever it is asked for.
type brokenStore struct{}

var errNoConnection = errors.New("no connection")

func (brokenStore) Append(context.Context, string, http.Event) (string, error) {
	return "", errNoConnection
}

func (brokenStore) Read(context.Context, []http.FeedPosition) ([]http.FeedPage, error) {
	return nil, errNoConnection
}

func (brokenStore) Watch(ctx context.Context, _ func(string)) error {
	<-ctx.Done()
	return ctx.Err()
}

// Feeds are often package variables, which exist before main sets the logger. This
// test sets the default logger.
func TestFeedLogsToTheLoggerThatIsSetLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := http.NewFeed(http.FeedConfig{Store: brokenStore{}, Name: "f"})
		var log testkit.Log
		defer slog.SetDefault(slog.Default())
		slog.SetDefault(log.JSON())
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for range feed.Follow(ctx, "") {
			}
		}()
		synctest.Wait()
		cancel()
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"error":"no connection"`) {
			t.Errorf("the log is %q", got)
		}
	})
}

// A silentStore does not respond, and ignores its context until the test ends.
type silentStore struct {
	brokenStore
	ended chan struct{}
}

func (s silentStore) Append(context.Context, string, http.Event) (string, error) {
	<-s.ended
	return "", errNoConnection
}

func TestPublishWaitsForASilentStore(t *testing.T) {
	for heartbeat, want := range map[time.Duration]time.Duration{0: 5 * time.Second, time.Minute: 5 * time.Second, 4 * time.Second: 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			store := silentStore{ended: make(chan struct{})}
			defer close(store.ended)
			feed := http.NewFeed(http.FeedConfig{Store: store, Name: "f", Heartbeat: heartbeat})
			before := time.Now()
			if _, err := feed.Publish(t.Context(), http.Event{Data: "1"}); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			if took := time.Since(before); took != want {
				t.Errorf("with Heartbeat %v, Publish took %v, want %v", heartbeat, took, want)
			}
		})
	}
}
