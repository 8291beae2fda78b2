package app

import (
	"context"
	"errors"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/demo/room"
)

// keptMessages is the number of messages that the chat keeps.
const keptMessages = 200

// maxChatMessage is the maximum size of a message from a client, in bytes.
const maxChatMessage = 8 << 10

// A clientMessage is a message that a client sends:
//
//	{"type":"say","id":"…","text":"…"}  says something
//	{"type":"name","name":"…"}          changes the client's name
//	{"type":"ping"}                     asks whether the server is still there
type clientMessage struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Text string `json:"text"`
	Name string `json:"name"`
}

// A refusal tells a client that its message was not accepted.
type refusal struct {
	ID    string `json:"id"`
	Error string `json:"error"`
}

// chatHandler connects browsers to the chat room over WebSocket.
type chatHandler struct {
	room     *room.Room
	upgrader http.Upgrader // rejects other origins by default
}

// join serves one connection:
//
//	GET /api/chat?name=Ada&after=…
//
// The client receives the events of both feeds of the room, and the events
// "refused" and "pong". A client that reconnects sends the id of the last event
// named "said" or "gap", and receives the messages after it.
func (h *chatHandler) join(w http.ResponseWriter, r *http.Request) {
	seat, err := h.room.Enter(http.QueryParam(r, "name"))
	if err != nil {
		http.WriteError(w, http.StatusBadRequest, err.Error())
		return
	}
	defer seat.Leave()
	conn, err := h.upgrader.Upgrade(w, r)
	if err != nil {
		return // Upgrade has responded
	}
	defer conn.Close()
	// Both goroutines end when the connection is closed.
	go send(r.Context(), h.room.Present(), conn, "")
	go send(r.Context(), h.room.Said(), conn, http.QueryParam(r, "after"))
	receive(r.Context(), conn, seat)
}

// send sends the events of a feed to the client.
func send(ctx context.Context, feed *http.Feed, conn *http.Conn, after string) {
	if errors.Is(feed.Send(ctx, conn, after), http.ErrFeedClosed) {
		conn.Close() // the room is closed
	}
}

// receive handles the client's messages until the connection is closed.
func receive(ctx context.Context, conn *http.Conn, seat *room.Seat) {
	conn.SetMaxMessageSize(maxChatMessage)
	for {
		var message clientMessage
		if conn.ReadJSON(&message) != nil {
			return // disconnected, or not a client of this chat
		}
		var err error
		switch message.Type {
		case "say":
			err = seat.Say(ctx, message.ID, message.Text)
		case "name":
			err = seat.Rename(message.Name)
		case "ping":
			err = conn.WriteEvent(http.JSONEvent("pong", nil))
		}
		if refused, ok := errors.AsType[room.Refusal](err); ok {
			err = conn.WriteEvent(http.JSONEvent("refused", refusal{message.ID, refused.Error()}))
		}
		if err != nil {
			return // the client reconnects, and sends again what has not arrived
		}
	}
}
