package http_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// The longest durations mean no limit. Deadlines computed from them must not
// overflow.
func TestFeedTakesTheLongestDurations(t *testing.T) {
	t.Parallel()
	feed := http.NewFeed(http.FeedConfig{
		KeepFor: math.MaxInt64, Heartbeat: math.MaxInt64, WriteTimeout: math.MaxInt64, Retry: math.MaxInt64,
	})
	testkit.EachProtocol(t, http.Recovery(nil)(feed), func(t *testing.T, srv *testkit.Server) {
		page := openPage(t, srv, "")
		page.next()
		publish(t, feed, "a")
		page.want("a")
	})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := (http.Upgrader{}).Upgrade(w, r); err == nil {
			defer conn.Close()
			feed.Send(r.Context(), conn, "")
		}
	})
	cert, key, pool := testkit.KeyPair(t)
	srv := http.NewServer(handler, http.WithAddr("localhost:0"), http.WithTLS(cert, key))
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer srv.Stop(context.Background())
	_, port, err := net.SplitHostPort(srv.Addr())
	if err != nil {
		t.Fatal(err)
	}
	conn, _, err := http.Dial(t.Context(), "wss://localhost:"+port, &http.DialOptions{TLSConfig: &tls.Config{RootCAs: pool}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if _, message, err := conn.ReadMessage(); err != nil {
		t.Errorf("%s, %v", message, err)
	}
}

func TestFeedTakesTheShortestDurations(t *testing.T) {
	t.Parallel()
	store := &tableStore{changed: make(chan struct{})}
	feed := http.NewFeed(http.FeedConfig{
		Heartbeat: 1, WriteTimeout: 1, Retry: 1,
		Store: store, Name: "news", History: true,
	})
	defer feed.Close()
	store.Append(t.Context(), "news", http.Event{Data: "a"})
	for event, err := range feed.Follow(t.Context(), "") {
		if event.Data != "a" || err != nil {
			t.Errorf("%+v, %v", event, err)
		}
		break
	}
}

// A sum of durations that overflows would have clients reconnect at once.
func TestFeedSendsTheLongestRetry(t *testing.T) {
	t.Parallel()
	for range 32 { // half of the random times would overflow
		ctx, leave := context.WithCancel(t.Context())
		feed := http.NewFeed(http.FeedConfig{
			Retry: math.MaxInt64,
			Snapshot: func(context.Context, string) (http.Event, error) {
				leave()
				return http.Event{}, nil
			},
		})
		rec := httptest.NewRecorder()
		feed.ServeHTTP(rec, httptest.NewRequestWithContext(ctx, "GET", "/", nil))
		feed.Close()
		var retry int64
		if _, err := fmt.Sscanf(rec.Body.String(), "retry: %d\n", &retry); err != nil {
			t.Fatalf("%v: %q", err, rec.Body)
		}
		if shortest := int64(math.MaxInt64 / 2 / time.Millisecond); retry < shortest {
			t.Fatalf("retry: %d, want at least %d", retry, shortest)
		}
	}
}

// A middleware whose ResponseWriter cannot flush would let a feed fail silently.
// This test sets the default logger.
func TestFeedLogsThatItCannotFlush(t *testing.T) {
	var log testkit.Log
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(log.Text())
	var feed http.Feed
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		feed.ServeHTTP(struct{ http.ResponseWriter }{w}, r)
	}))
	for range 3 {
		res, err := srv.Client().Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	if got := log.String(); strings.Count(got, "cannot flush") != 1 || !strings.Contains(got, "level=ERROR") {
		t.Errorf("the log is %q", got)
	}
}
