package main

import (
	"strings"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// A message is a chat message.
type message struct {
	User string    `json:"user"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

// A chat is a chat room for logged-in users.
type chat struct {
	messages *http.Feed
	upgrader http.Upgrader // rejects connections from pages of other sites
}

func newChat() *chat {
	return &chat{messages: http.NewFeed(http.FeedConfig{Keep: 50, History: true})}
}

// join serves GET /api/chat?after=…
func (c *chat) join(w http.ResponseWriter, r *http.Request) {
	conn, err := c.upgrader.Upgrade(w, r)
	if err != nil {
		return // Upgrade has responded
	}
	defer conn.Close()
	conn.SetMaxMessageSize(4 << 10)
	go c.messages.Send(r.Context(), conn, http.QueryParam(r, "after")) // ends with the connection
	for {
		var input struct {
			Text string `json:"text"`
		}
		if conn.ReadJSON(&input) != nil {
			return // the user has left, or has sent invalid JSON
		}
		if text := strings.TrimSpace(input.Text); text != "" {
			said := message{User: user(r), Text: text, At: time.Now().UTC().Truncate(time.Second)}
			if _, err := c.messages.Publish(r.Context(), http.JSONEvent("said", said)); err != nil {
				return
			}
		}
	}
}
