package main

import (
	"errors"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/demo/room"
)

// keptMessages is how far back the chat remembers.
const keptMessages = 200

// What a chat connection may take: bytes in a message, time to write one, and
// silence. Its client answers the pings that come with every heartbeat, so one
// that is silent for three of them is gone.
const (
	maxChatMessage = 8 << 10
	chatWriteTime  = 10 * time.Second
	chatSilence    = 3 * heartbeat
)

// A saying is what clients send:
//
//	{"type":"say","id":"…","text":"…"}  says something
//	{"type":"name","name":"…"}          changes the name
type saying struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Text string `json:"text"`
	Name string `json:"name"`
}

// A telling is what clients get:
//
//	{"type":"message","at":"…","message":{…}}  somebody has said this
//	{"type":"people","people":["…"]}           who is there; also the heartbeat
//	{"type":"refused","id":"…","error":"…"}    what the client sent is not accepted
type telling struct {
	Type    string        `json:"type"`
	At      string        `json:"at,omitempty"`
	Message *room.Message `json:"message,omitempty"`
	People  []string      `json:"people,omitempty"`
	ID      string        `json:"id,omitempty"`
	Error   string        `json:"error,omitempty"`
}

// chatHandler connects browsers to the chat room by WebSocket.
type chatHandler struct {
	room     *room.Room
	upgrader http.Upgrader // its origin check keeps other websites out
}

// join is the life of one connection:
//
//	GET /api/chat?name=Ada&seen=…
//
// A client that reconnects says which message it has seen last, as the "at" of
// it, and gets those after. One that has seen none, or has been away for too
// long, gets all that are kept.
func (h *chatHandler) join(w http.ResponseWriter, r *http.Request) {
	seat, err := h.room.Enter(http.QueryParam(r, "name"))
	if err != nil {
		http.WriteError(w, http.StatusBadRequest, err.Error())
		return
	}
	defer seat.Leave()
	conn, err := h.upgrader.Upgrade(w, r)
	if err != nil {
		return // the request is answered
	}
	defer conn.Close()

	gone := make(chan struct{})
	go func() {
		defer close(gone)
		listen(conn, seat)
	}()
	h.tell(conn, http.QueryParam(r, "seen"), gone)
	// A client that stopped reading cannot be said goodbye to properly; closing
	// ends the reading goroutine too, which must not outlive the handler.
	_ = conn.Close() // nobody is left to tell
	<-gone
}

// listen takes what the client sends, until it is gone. Closing the connection
// ends it.
func listen(conn *http.Conn, seat *room.Seat) {
	conn.SetMaxMessageSize(maxChatMessage)
	alive := func([]byte) error { return conn.SetReadDeadline(time.Now().Add(chatSilence)) }
	conn.SetPongHandler(alive)
	for alive(nil) == nil {
		var said saying
		if conn.ReadJSON(&said) != nil {
			// Gone, or no client of ours: both end here.
			return
		}
		var err error
		switch said.Type {
		case "say":
			err = seat.Say(said.ID, said.Text)
		case "name":
			err = seat.Rename(said.Name)
		}
		if refusal, refused := errors.AsType[room.Refusal](err); refused {
			if write(conn, telling{Type: "refused", ID: said.ID, Error: refusal.Error()}) != nil {
				return
			}
		}
	}
}

// tell sends the client what happens in the room, until it is gone.
func (h *chatHandler) tell(conn *http.Conn, seen string, gone <-chan struct{}) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	var present <-chan struct{} // closed when who is there is not what was told
	for {
		entries, said, ok := h.room.Messages().After(seen)
		if !ok {
			seen = h.room.Messages().Oldest()
			continue
		}
		for _, entry := range entries {
			if write(conn, telling{Type: "message", At: entry.ID, Message: &entry.Value}) != nil {
				return
			}
			seen = entry.ID
		}
		if present == nil {
			var people []string
			people, present = h.room.People()
			if write(conn, telling{Type: "people", People: people}) != nil {
				return
			}
		}
		select {
		case <-said:
		case <-present:
			present = nil
		case <-beat.C:
			present = nil // told again, for the client to see that we are here
			if conn.WritePing(nil) != nil {
				return
			}
		case <-gone:
			return
		}
	}
}

// write sends one message, in bounded time: a client that does not read is left
// to reconnect.
func write(conn *http.Conn, message telling) error {
	if err := conn.SetWriteDeadline(time.Now().Add(chatWriteTime)); err != nil {
		return err
	}
	return conn.WriteJSON(message)
}
