package main

import (
	"errors"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/demo/room"
)

// keptMessages is the number of messages that the chat keeps.
const keptMessages = 200

// Limits of a chat connection. The server sends a ping with every heartbeat. If
// the client sends nothing, not even a pong, for three heartbeats, the server
// considers it disconnected.
const (
	maxChatMessage   = 8 << 10 // bytes
	chatWriteTimeout = 10 * time.Second
	chatReadTimeout  = 3 * heartbeat
)

// A clientMessage is a message that a client sends:
//
//	{"type":"say","id":"…","text":"…"}  says something
//	{"type":"name","name":"…"}          changes the client's name
type clientMessage struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Text string `json:"text"`
	Name string `json:"name"`
}

// A serverMessage is a message that a client receives:
//
//	{"type":"message","at":"…","message":{…}}  somebody has said something
//	{"type":"people","people":["…"]}           who is in the room; also the heartbeat
//	{"type":"refused","id":"…","error":"…"}    the client's message was not accepted
type serverMessage struct {
	Type    string        `json:"type"`
	At      string        `json:"at,omitempty"`
	Message *room.Message `json:"message,omitempty"`
	People  []string      `json:"people,omitempty"`
	ID      string        `json:"id,omitempty"`
	Error   string        `json:"error,omitempty"`
}

// chatHandler connects browsers to the chat room over WebSocket.
type chatHandler struct {
	room     *room.Room
	upgrader http.Upgrader // rejects other origins by default
}

// join serves one connection:
//
//	GET /api/chat?name=Ada&seen=…
//
// A client that reconnects sends the "at" of the last message that it has seen,
// and receives the messages after it. If it has seen none, or if it was away for
// too long, it receives all messages that are kept.
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

	disconnected := make(chan struct{})
	go func() {
		defer close(disconnected)
		receive(conn, seat)
	}()
	h.send(conn, http.QueryParam(r, "seen"), disconnected)
	// Closing the connection also ends the goroutine, which must not outlive
	// the handler.
	_ = conn.Close() // fails if the client has disconnected or does not read
	<-disconnected
}

// receive handles the client's messages until the connection is closed.
func receive(conn *http.Conn, seat *room.Seat) {
	conn.SetMaxMessageSize(maxChatMessage)
	extendDeadline := func([]byte) error { return conn.SetReadDeadline(time.Now().Add(chatReadTimeout)) }
	conn.SetPongHandler(extendDeadline)
	for extendDeadline(nil) == nil {
		var said clientMessage
		if conn.ReadJSON(&said) != nil {
			return // disconnected, or not a client of this chat
		}
		var err error
		switch said.Type {
		case "say":
			err = seat.Say(said.ID, said.Text)
		case "name":
			err = seat.Rename(said.Name)
		}
		if refusal, refused := errors.AsType[room.Refusal](err); refused {
			if write(conn, serverMessage{Type: "refused", ID: said.ID, Error: refusal.Error()}) != nil {
				return
			}
		}
	}
}

// send sends the room's messages to the client until it disconnects.
func (h *chatHandler) send(conn *http.Conn, seen string, disconnected <-chan struct{}) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	var peopleChanged <-chan struct{} // nil if the list of people has to be sent
	for {
		entries, said, ok := h.room.Messages().After(seen)
		if !ok {
			seen = h.room.Messages().Oldest()
			continue
		}
		for _, entry := range entries {
			if write(conn, serverMessage{Type: "message", At: entry.ID, Message: &entry.Value}) != nil {
				return
			}
			seen = entry.ID
		}
		if peopleChanged == nil {
			var people []string
			people, peopleChanged = h.room.People()
			if write(conn, serverMessage{Type: "people", People: people}) != nil {
				return
			}
		}
		select {
		case <-said:
		case <-peopleChanged:
			peopleChanged = nil
		case <-beat.C:
			peopleChanged = nil // send the list as a heartbeat
			if conn.WritePing(nil) != nil {
				return
			}
		case <-disconnected:
			return
		}
	}
}

// write sends one message. It fails if the client does not read in time.
func write(conn *http.Conn, message serverMessage) error {
	if err := conn.SetWriteDeadline(time.Now().Add(chatWriteTimeout)); err != nil {
		return err
	}
	return conn.WriteJSON(message)
}
