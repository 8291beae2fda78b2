package main

import (
	"context"

	"github.com/stanza-go/framework/pkg/http"
)

// feed returns a feed of the changes. A page first gets the event "incidents" with all
// incidents, and then "saved" and "deleted" for each change.
func (s *store) feed() *http.Feed {
	feed := http.NewFeed(http.FeedConfig{
		Snapshot: func(context.Context, string) (http.Event, error) {
			all, _ := s.find(filter{}, byColumn("id", "DESC"), http.Pagination{Limit: 100})
			return http.JSONEvent("incidents", all), nil
		},
	})
	s.changed = func(event http.Event) {
		_, _ = feed.Publish(context.Background(), event) // a feed in memory does not fail
	}
	return feed
}
