package main

import (
	"encoding/json"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/demo/board"
	"github.com/stanza-go/framework/pkg/http/internal/demo/feed"
)

// How long browsers wait before they reconnect, and how long a stream may be
// silent: proxies take silent connections for dead ones.
const (
	reconnectAfter = time.Second
	heartbeat      = 20 * time.Second
)

// events streams what happens to the board:
//
//	event: board    data: every task, in place of all that the client has
//	event: saved    data: one task, new or changed
//	event: deleted  data: the ids of tasks that are gone
//
// A client that reconnects goes on after the last event it has seen. If it has
// seen none, or too much has happened since, or the server has been restarted,
// it gets the whole board first. Since the log waits for nobody, a client that
// does not read costs one goroutine until its write deadline, and other clients
// nothing.
func (h taskHandlers) events(w http.ResponseWriter, r *http.Request) {
	stream := http.NewSSEWriter(w)
	if stream.Retry(int(reconnectAfter.Milliseconds())) != nil {
		return // the client is gone, and so it is below
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

// lastSeen returns the id of the last event that a client has seen. Browsers
// send the header when they reconnect by themselves; a page that opens a stream
// anew cannot, and puts the id into the query.
func lastSeen(r *http.Request) string {
	if id := http.LastEventID(r); id != "" {
		return id
	}
	return http.QueryParam(r, "seen")
}

// sendChange sends one change of the board.
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
