package app

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/demo/board"
)

const (
	// keptChanges is the number of changes that a page can miss without having to
	// load the whole board again.
	keptChanges = 256
	// reconnectAfter is about how long pages wait before they reconnect.
	reconnectAfter = time.Second
	// publishTimeout is how long publish retries if the feed's store fails.
	publishTimeout = 10 * time.Second
)

// newBoard returns the board and the feed of its changes:
//
//	event: board    data: all tasks, which replace those the page has
//	event: saved    data: one task, new or changed
//	event: deleted  data: the ids of deleted tasks
//	event: gap      the page has missed changes; the board comes next
func newBoard(capacity int, store board.Store, events http.FeedStore) (*board.Board, *http.Feed) {
	var tasks *board.Board
	config := http.FeedConfig{Keep: keptChanges, Retry: reconnectAfter, Store: events}
	if events != nil {
		config.Name = "board"
	}
	config.Snapshot = func(ctx context.Context, _ string) (http.Event, error) {
		all, lastID, err := tasks.All(ctx)
		return http.JSONEvent("board", map[string]any{"tasks": all, "last_id": lastID}), err
	}
	feed := http.NewFeed(config)
	tasks = board.New(board.Config{Capacity: capacity, Store: store, Changed: func(ctx context.Context, change board.Change) error {
		return publish(ctx, feed, change)
	}})
	return tasks, feed
}

// publish announces a change that has been stored, even if the client that made it
// disconnects. If the outcome of an attempt is unknown, publish tries again: the
// key keeps the event from being added twice. If the process is killed between the
// change and the event, pages do not get the event; where that matters, store the
// event in the same transaction as the change.
func publish(ctx context.Context, feed *http.Feed, change board.Change) error {
	event := http.JSONEvent("deleted", change.Deleted)
	if change.Saved != nil {
		event = http.JSONEvent("saved", change.Saved)
	}
	event.Key = rand.Text()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	again := time.NewTicker(publishTimeout / 50)
	defer again.Stop()
	for {
		_, err := feed.Publish(ctx, event)
		if err == nil || errors.Is(err, http.ErrInvalidEvent) || errors.Is(err, http.ErrFeedClosed) {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return err
		}
	}
}
