package http_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// kept returns how many events a new client of a feed with History gets.
func kept(t *testing.T, feed *http.Feed) int {
	t.Helper()
	last := publish(t, feed, "last")[0]
	n := 0
	for event, err := range feed.Follow(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if event.ID == last {
			break
		}
	}
	return n
}

func TestFeedDefaults(t *testing.T) {
	t.Parallel()
	t.Run("Keep", func(t *testing.T) {
		t.Parallel()
		feed := http.NewFeed(http.FeedConfig{History: true})
		publish(t, feed, numbers(0, 1100)...)
		if n := kept(t, feed); n != 1000 {
			t.Errorf("%d events are kept, want 1000", n)
		}
	})
	t.Run("KeepBytes", func(t *testing.T) {
		t.Parallel()
		feed := http.NewFeed(http.FeedConfig{History: true})
		data := strings.Repeat("x", 1<<20-1000)
		for range 20 {
			publish(t, feed, data)
		}
		if n := kept(t, feed); n != 17 {
			t.Errorf("%d events are kept, want 16 of almost 1 MiB and a short one", n)
		}
	})
	t.Run("WriteTimeout", func(t *testing.T) {
		t.Parallel()
		var feed http.Feed
		w := &deadlineWriter{quietWriter: quietWriter{http.Header{}, make(chan struct{}, 10)}}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(0, func() { <-w.wrote; cancel() })
		feed.ServeHTTP(w, testkit.NewRequest("GET", "/", "").WithContext(ctx))
		if w.longest < 29*time.Second || w.longest > 45*time.Second {
			t.Errorf("the write deadline is %v away", w.longest)
		}
	})
	t.Run("KeepFor", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			feed := http.NewFeed(http.FeedConfig{History: true})
			publish(t, feed, "1")
			time.Sleep(time.Hour - 1)
			if n := kept(t, feed); n != 2 {
				t.Errorf("%d events are kept, want 2", n)
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			if n := kept(t, feed); n != 2 {
				t.Errorf("%d events are kept after the first expired, want 2", n)
			}
			feed.Close()
		})
	})
}

// A deadlineWriter notes the longest time until a write deadline.
type deadlineWriter struct {
	quietWriter
	longest time.Duration
}

func (w *deadlineWriter) SetWriteDeadline(deadline time.Time) error {
	w.longest = max(w.longest, time.Until(deadline))
	return nil
}

// The position of a Feed stays valid while nobody follows it and it keeps nothing. A
// feed of Feeds is forgotten.
func TestFeedsThatKeepNothingAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, tt := range map[string]struct {
			feed *http.Feed
			gap  bool
		}{
			"zero Feed":  {new(http.Feed), false},
			"NewFeed":    {http.NewFeed(http.FeedConfig{}), false},
			"zero Feeds": {new(http.Feeds).Feed("k"), true},
			"NewFeeds":   {http.NewFeeds(http.FeedConfig{}).Feed("k"), true},
		} {
			id := publish(t, tt.feed, "1")[0]
			time.Sleep(time.Hour)
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			gap := false
			for event, err := range tt.feed.Follow(ctx, id) {
				gap = gap || err == nil && event.Gap
			}
			cancel()
			if gap != tt.gap {
				t.Errorf("%s: gap is %v, want %v", name, gap, tt.gap)
			}
		}
		time.Sleep(2 * time.Hour)
	})
}

func TestFeedConfigNamesEachWrongField(t *testing.T) {
	t.Parallel()
	store := &tableStore{changed: make(chan struct{})}
	snapshot := func(context.Context, string) (http.Event, error) { return http.Event{}, nil }
	wrong := http.FeedConfig{
		Keep: -1, KeepBytes: -1, KeepFor: -1, Heartbeat: -1, WriteTimeout: -1, Retry: -1,
		History: true, Snapshot: snapshot, Store: store,
	}
	const negative = "FeedConfig.Keep: -1 is negative; FeedConfig.KeepBytes: -1 is negative; "
	for _, tt := range []struct {
		name string
		call func()
		want string
	}{
		{"NewFeed", func() { http.NewFeed(wrong) }, negative},
		{"NewFeeds", func() { http.NewFeeds(wrong) }, negative},
		{"all", func() { http.NewFeed(wrong) }, "FeedConfig.History: has no effect together with Snapshot; " +
			"FeedConfig.KeepFor: -1ns is negative; FeedConfig.Heartbeat: -1ns is negative; FeedConfig.WriteTimeout: -1ns is negative; " +
			"FeedConfig.Retry: -1ns is negative; FeedConfig.Name: is empty; with a Store, give the feed a name"},
		{"no name", func() { http.NewFeed(http.FeedConfig{Store: store}) }, "FeedConfig.Name: is empty"},
	} {
		if text := panicText(tt.call); !strings.Contains(text, tt.want) || !strings.Contains(text, "feed_rules_test.go:") {
			t.Errorf("%s: panic %q, want %q", tt.name, text, tt.want)
		}
	}
	http.NewFeeds(http.FeedConfig{Store: store}) // needs no name
	http.NewFeed(http.FeedConfig{Name: "news"})  // without a Store for the tests, for example
}

// A pagedStore is a store whose pages have one event. It says when Watch is called and
// when it returns, because the feed is not followed any more.
type pagedStore struct {
	*tableStore
	dropped       atomic.Int64 // number of events
	watched, left chan struct{}
}

func newPagedStore() *pagedStore {
	return &pagedStore{
		tableStore: &tableStore{changed: make(chan struct{})},
		watched:    make(chan struct{}, 100),
		left:       make(chan struct{}, 100),
	}
}

func (s *pagedStore) Read(ctx context.Context, after []http.FeedPosition) ([]http.FeedPage, error) {
	pages, err := s.tableStore.Read(ctx, after)
	for i := range pages {
		page := &pages[i]
		if n := int(s.dropped.Load()); n > 0 && len(page.Events) > n {
			page.Gap = after[i].After != ""
			page.Events, page.First = page.Events[n:], page.Events[n-1].ID
		}
		if len(page.Events) > 1 {
			page.Events, page.More = page.Events[:1], true
			page.Next = page.Events[0].ID
		}
	}
	return pages, err
}

func (s *pagedStore) Watch(ctx context.Context, changed func(string)) error {
	s.watched <- struct{}{}
	err := s.tableStore.Watch(ctx, changed)
	s.left <- struct{}{}
	return err
}

// All parts of a page reach the feed, and the Key reaches the store.
func TestFeedReadsThePagesOfAStore(t *testing.T) {
	t.Parallel()
	store := newPagedStore()
	feed := http.NewFeed(http.FeedConfig{Store: store, Name: "f", Heartbeat: time.Second})
	defer feed.Close()
	publish(t, feed, "0", "1", "2", "3")
	follow := func(after string, want ...string) {
		t.Helper()
		for event, err := range feed.Follow(t.Context(), after) {
			if got := strings.TrimSpace(event.Name + " " + event.Data); err != nil || got != want[0] {
				t.Fatalf("%+v, %v, want %q", event, err, want[0])
			}
			if want = want[1:]; len(want) == 0 {
				return
			}
		}
	}
	follow("0.table", "0", "1", "2", "3") // the position that only First names
	first, err := feed.Publish(t.Context(), http.Event{Data: "4", Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := feed.Publish(t.Context(), http.Event{Data: "5", Key: "k"}); err != nil || again != first {
		t.Errorf("the key has the ids %q and %q (%v)", first, again, err)
	}
	if key := store.events[4].Key; key != "k" {
		t.Errorf("the store has the key %q", key)
	}
}

// A store says with Gap that it has dropped events, here all but the last of five.
func TestFeedAnnouncesTheGapOfAStore(t *testing.T) {
	t.Parallel()
	store := newPagedStore()
	feed := http.NewFeed(http.FeedConfig{Store: store, Name: "f", Heartbeat: time.Second, History: true})
	defer feed.Close()
	page := openPage(t, testkit.StartServer(t, testkit.HTTP1, feed), "0.table")
	for {
		if b, ok := page.next(); b.id != "" || !ok {
			break
		}
	}
	store.mu.Lock()
	store.dropped.Store(4)
	for n := range 5 {
		store.events = append(store.events, http.Event{ID: fmt.Sprintf("%d.table", n+1), Data: numbers(0, 5)[n]})
	}
	store.mu.Unlock()
	page.want("gap {}", "4")
}

// A client that leaves, in any way, leaves nothing behind: the store is no longer
// watched.
func TestFeedForgetsClientsThatLeave(t *testing.T) {
	t.Parallel()
	store := newPagedStore()
	feed := http.NewFeed(http.FeedConfig{Store: store, Name: "f", Heartbeat: time.Second, History: true})
	defer feed.Close()
	publish(t, feed, "1")
	for range feed.Follow(t.Context(), "") {
		testkit.Receive(t, store.watched, "the call of Watch")
		break
	}
	testkit.Receive(t, store.left, "the end of Watch after Follow")

	srv := testkit.StartServer(t, testkit.HTTP1, feed)
	page := openPage(t, srv, "")
	page.want("1")
	testkit.Receive(t, store.watched, "the call of Watch")
	page.res.Body.Close()
	testkit.Receive(t, store.left, "the end of Watch after ServeHTTP")

	sent := make(chan error, 1)
	sockets := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := (http.Upgrader{}).Upgrade(w, r); err == nil {
			go func() {
				conn.ReadMessage()
				conn.CloseNow()
			}()
			sent <- feed.Send(context.Background(), conn, "")
		}
	}))
	conn, _, err := http.Dial(t.Context(), sockets.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.ReadMessage()
	testkit.Receive(t, store.watched, "the call of Watch")
	conn.CloseNow()
	if err := testkit.Receive(t, sent, "the end of Send"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Send returned %v", err)
	}
	testkit.Receive(t, store.left, "the end of Watch after Send")
}

func TestSendReturnsTheCauseOfItsContext(t *testing.T) {
	t.Parallel()
	var feed http.Feed
	cause := errors.New("enough")
	sent := make(chan error, 1)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := (http.Upgrader{}).Upgrade(w, r); err == nil {
			defer conn.CloseNow()
			sent <- feed.Send(ctx, conn, "")
		}
	}))
	conn, _, err := http.Dial(t.Context(), srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	conn.ReadMessage()
	cancel(cause)
	if err := testkit.Receive(t, sent, "the end of Send"); err != cause {
		t.Errorf("Send returned %v", err)
	}
}

func TestFollowYieldsGapsAndSnapshots(t *testing.T) {
	t.Parallel()
	feed := http.NewFeed(http.FeedConfig{Snapshot: func(context.Context, string) (http.Event, error) {
		return http.Event{ID: "ignored", Name: "state", Data: "{}"}, nil
	}})
	before := publish(t, feed, "before")[0]
	var got []string
	for event, err := range feed.Follow(t.Context(), "unknown") {
		got = append(got, strings.TrimSpace(strings.TrimSpace(event.Name+" "+event.Data)+fmt.Sprint(" ", event.Gap, " ", err)))
		switch event.Name {
		case "gap":
			if event.ID == "" {
				t.Error("the gap has no ID")
			}
		case "state":
			if event.ID != before {
				t.Errorf("the snapshot has the ID %q, want the position %q", event.ID, before)
			}
			publish(t, feed, "after")
		default:
			feed.Close()
		}
	}
	if text := strings.Join(got, "; "); text != "gap {} true <nil>; state {} false <nil>; after false <nil>; false http: feed closed" {
		t.Errorf("got %s", text)
	}
}

// The failure of a snapshot is logged once for each Heartbeat, with the stack of a
// panic. It is not logged if the client has left or the feed was closed.
func TestFeedLogsFailuresOnceForEachHeartbeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log testkit.Log
		serve := func(feed *http.Feed, leave time.Duration) {
			ctx := http.ContextWithLogger(t.Context(), log.Text())
			if leave > 0 {
				limited, cancel := context.WithTimeout(ctx, leave)
				defer cancel()
				ctx = limited
			}
			w := &quietWriter{http.Header{}, make(chan struct{}, 10)}
			feed.ServeHTTP(w, testkit.NewRequest("GET", "/", "").WithContext(ctx))
		}
		hang := http.NewFeed(http.FeedConfig{Snapshot: func(ctx context.Context, _ string) (http.Event, error) {
			<-ctx.Done()
			return http.Event{}, ctx.Err()
		}})
		serve(hang, time.Second)
		time.AfterFunc(time.Second, hang.Close)
		serve(hang, 0)
		if text := log.String(); text != "" {
			t.Errorf("log: %s", text)
		}
		broken := http.NewFeed(http.FeedConfig{Snapshot: func(context.Context, string) (http.Event, error) { panic("oops") }})
		time.Sleep(time.Second)
		for _, want := range []int{1, 1, 2} {
			serve(broken, 0)
			if lines := log.Lines(); len(lines) != want {
				t.Errorf("%d log records, want %d: %q", len(lines), want, lines)
			}
			time.Sleep(10 * time.Second)
		}
		if text := log.String(); !strings.Contains(text, "stack=") || !strings.Contains(text, "feed_rules_test.go") {
			t.Errorf("the log has no stack: %s", text)
		}
	})
}

// A stream that is never quiet gets no comments.
func TestFeedSendsNoHeartbeatBetweenEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var feed http.Feed
		ctx, cancel := context.WithCancel(t.Context())
		w := &bodyWriter{quietWriter: quietWriter{http.Header{}, make(chan struct{}, 1000)}}
		done := make(chan struct{})
		go func() {
			defer close(done)
			feed.ServeHTTP(w, testkit.NewRequest("GET", "/", "").WithContext(ctx))
		}()
		for range 100 {
			time.Sleep(7 * time.Second)
			publish(t, &feed, "x")
		}
		synctest.Wait()
		cancel()
		<-done
		if strings.Contains(string(w.body), "\n:") {
			t.Errorf("comments between events: %q", w.body)
		}
		feed.Close()
	})
}

func TestWriteEventSendsAGap(t *testing.T) {
	t.Parallel()
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return
		}
		defer conn.Close()
		for _, event := range []http.Event{
			{ID: "1", Gap: true}, {ID: "1", Name: "other", Data: "x", Gap: true}, {Name: "n", Data: "x", Key: "k"},
		} {
			if err := conn.WriteEvent(event); err != nil {
				t.Error(err)
			}
		}
	}))
	conn, _, err := http.Dial(t.Context(), srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	for _, want := range []string{
		`{"id":"1","event":"gap","data":{}}`, `{"id":"1","event":"gap","data":{}}`, `{"event":"n","data":"x"}`,
	} {
		if _, message, err := conn.ReadMessage(); err != nil || string(message) != want {
			t.Errorf("%s, %v, want %s", message, err, want)
		}
	}
}
