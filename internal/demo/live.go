package main

import (
	"encoding/json"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/demo/board"
	"github.com/stanza-go/framework/pkg/http/internal/demo/feed"
)

const (
	// reconnectAfter is how long browsers wait before they reconnect.
	reconnectAfter = time.Second
	// heartbeat is the longest time that a stream or a chat connection is
	// silent. Proxies close connections that are silent for too long.
	heartbeat = 20 * time.Second
)

// events streams the changes of the board:
//
//	event: board    data: all tasks, which replace those the client has
//	event: saved    data: one task, new or changed
//	event: deleted  data: the ids of deleted tasks
//
// A client that reconnects continues after the last event that it has seen. If
// it has seen none, if it has missed too many changes, or if the server was
// restarted, it gets the whole board first. A client that does not read costs
// one goroutine until the write timeout, and does not affect other clients.
func (h taskHandlers) events(w http.ResponseWriter, r *http.Request) {
	stream := http.NewSSEWriter(w)
	if stream.Retry(int(reconnectAfter.Milliseconds())) != nil {
		return // the client has disconnected; likewise below
	}
	silence := time.NewTicker(heartbeat)
	defer silence.Stop()
	seen := lastSeen(r)
	for {
		entries, changed, ok := h.board.Changes().After(seen)
		if !ok {
			tasks, change := h.board.Snapshot()
			if sendJSON(stream, change, "board", tasks) != nil {
				return
			}
			seen = change
			continue
		}
		for _, entry := range entries {
			if sendChange(stream, entry) != nil {
				return
			}
			seen = entry.ID
		}
		if len(entries) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-silence.C:
			if stream.Comment("still here") != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

// lastSeen returns the ID of the last event that the client has seen. When
// browsers reconnect, they send it in a header. A script that opens a new stream
// cannot set the header, so it sends the ID in the query.
func lastSeen(r *http.Request) string {
	if id := http.LastEventID(r); id != "" {
		return id
	}
	return http.QueryParam(r, "seen")
}

// sendChange sends a change of the board as an event.
func sendChange(stream *http.SSEWriter, entry feed.Entry[board.Change]) error {
	if saved := entry.Value.Saved; saved != nil {
		return sendJSON(stream, entry.ID, "saved", saved)
	}
	return sendJSON(stream, entry.ID, "deleted", entry.Value.Deleted)
}

// sendJSON sends an event whose data is JSON.
func sendJSON(stream *http.SSEWriter, id, name string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return stream.EventWithID(id, name, string(data))
}
