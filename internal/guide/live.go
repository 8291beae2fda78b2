package main

import (
	"context"

	"github.com/stanza-go/framework/pkg/http"
)

// feed returns a feed of the changes. A client first gets the event "incidents" with the
// 100 newest incidents, and then a "saved" or "deleted" event for each change.
func (s *store) feed() *http.Feed {
	feed := http.NewFeed(http.FeedConfig{
		Snapshot: func(context.Context, string) (http.Event, error) {
			all, _ := s.find(filter{}, byColumn("id", "DESC"), http.Pagination{Limit: 100})
			return http.JSONEvent("incidents", all), nil
		},
	})
	s.changed = func(event http.Event) {
		_, _ = feed.Publish(context.Background(), event) // an in-memory feed does not fail
	}
	return feed
}
