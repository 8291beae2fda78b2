package http_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/stanza-go/framework/pkg/http"
)

// A tableStore is a FeedStore for one feed in memory. A store for several processes
// implements the same methods with a database.
type tableStore struct {
	mu      sync.Mutex
	events  []http.Event
	changed chan struct{} // closed when an event is added
}

// Append implements FeedStore. An ID consists of the number of the event and a tag. The
// tag is constant here; a real store needs a random tag for each table, because an ID
// must never be used again.
func (s *tableStore) Append(_ context.Context, _ string, e http.Event) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, known := range s.events {
		if e.Key != "" && known.Key == e.Key {
			return known.ID, nil
		}
	}
	e.ID = fmt.Sprintf("%d.table", len(s.events)+1)
	s.events = append(s.events, e)
	close(s.changed)
	s.changed = make(chan struct{})
	return e.ID, nil
}

// Read implements FeedStore.
func (s *tableStore) Read(_ context.Context, after []http.FeedPosition) ([]http.FeedPage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pages := make([]http.FeedPage, len(after))
	for i, position := range after {
		number, tag, _ := strings.Cut(position.After, ".")
		n, err := strconv.Atoi(number)
		known := err == nil && tag == "table" && n >= 0 && n <= len(s.events)
		if !known {
			n = 0
		}
		pages[i] = http.FeedPage{
			Events: s.events[n:],
			First:  "0.table", // this table drops no events
			Next:   fmt.Sprintf("%d.table", len(s.events)),
			Gap:    !known && position.After != "",
		}
	}
	return pages, nil
}

// Watch implements FeedStore.
func (s *tableStore) Watch(ctx context.Context, changed func(name string)) error {
	for {
		s.mu.Lock()
		next := s.changed
		s.mu.Unlock()
		changed("") // any feed
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Two feeds share a store, as in two processes: events that are published to one reach
// the clients of the other.
func ExampleFeedStore() {
	store := &tableStore{changed: make(chan struct{})}
	here := http.NewFeed(http.FeedConfig{Store: store, Name: "news"})
	there := http.NewFeed(http.FeedConfig{Store: store, Name: "news", History: true})
	defer here.Close()
	defer there.Close()

	ctx := context.Background()
	if _, err := here.Publish(ctx, http.Event{Data: "hello"}); err != nil {
		fmt.Println(err)
	}
	for event, err := range there.Follow(ctx, "") {
		fmt.Println(event.ID, event.Data, err)
		break
	}
	// Output:
	// 1.table hello <nil>
}
