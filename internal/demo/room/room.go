// Package room implements a chat room: who is in it, what may be said, and the
// feeds of both.
package room

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stanza-go/framework/pkg/http"
)

// The maximum lengths of a person's name and of a message's text and ID.
const (
	MaxName = 40   // characters
	MaxText = 1000 // characters
	MaxID   = 64   // bytes
)

// Each person may send sayLimit messages per sayWindow.
const (
	sayLimit  = 20
	sayWindow = 10 * time.Second
)

// A Message is a message in the chat.
type Message struct {
	// ID is chosen by the sender. If the sender does not know whether a message
	// has arrived, it can send it again with the same ID.
	ID   string    `json:"id"`
	Name string    `json:"name"`
	Text string    `json:"text"`
	Time time.Time `json:"time"`
}

// A Refusal is an error whose text can be shown to the person who caused it.
type Refusal string

// Error returns the reason.
func (r Refusal) Error() string { return string(r) }

// A Room has the latest messages and knows who is in it. It is safe for concurrent
// use by multiple goroutines.
type Room struct {
	said    *http.Feed
	present *http.Feed

	mu    sync.Mutex
	names map[*Seat]string
}

// New returns an empty room that keeps the latest keep messages. If store is not
// nil, it has the messages. The people are always those of this process.
func New(keep int, store http.FeedStore) *Room {
	config := http.FeedConfig{Keep: keep, History: true, Store: store}
	if store != nil {
		config.Name = "said"
	}
	return &Room{
		said:    http.NewFeed(config),
		present: http.NewFeed(http.FeedConfig{Latest: true, History: true}),
		names:   make(map[*Seat]string),
	}
}

// Said returns the feed of the messages. Each event is named "said" and has a
// [Message].
func (r *Room) Said() *http.Feed { return r.said }

// Present returns the feed of the people in the room. Each event is named "people"
// and has all names, sorted and without duplicates.
func (r *Room) Present() *http.Feed { return r.present }

// Close closes the feeds.
func (r *Room) Close() {
	r.said.Close()
	r.present.Close()
}

// Enter adds a person to the room. The caller must call [Seat.Leave] unless Enter
// returns an error. Any error is a [Refusal].
func (r *Room) Enter(name string) (*Seat, error) {
	seat := &Seat{room: r}
	return seat, seat.Rename(name)
}

// change changes who is in the room, and announces it.
func (r *Room) change(f func(names map[*Seat]string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r.names)
	names := slices.AppendSeq([]string{}, maps.Values(r.names))
	slices.Sort(names)
	event := http.JSONEvent("people", slices.Compact(names))
	_, _ = r.present.Publish(context.Background(), event) // a feed in memory fails only after Close
}

// A Seat is one person's place in a [Room]. It is safe for concurrent use by
// multiple goroutines.
type Seat struct {
	room *Room

	mu        sync.Mutex
	said      map[string]bool // IDs of the messages in the current window
	windowEnd time.Time
}

// Leave removes the person from the room.
func (s *Seat) Leave() {
	s.room.change(func(names map[*Seat]string) { delete(names, s) })
}

// Rename changes the person's name. Any error is a [Refusal].
func (s *Seat) Rename(name string) error {
	name = strings.TrimSpace(name)
	if name == "" || utf8.RuneCountInString(name) > MaxName || strings.ContainsFunc(name, unicode.IsControl) {
		return Refusal(fmt.Sprintf("a name is one line of 1 to %d characters", MaxName))
	}
	s.room.change(func(names map[*Seat]string) { names[s] = name })
	return nil
}

// Say adds a message. If the room already has a message with the same ID, Say does
// nothing, because the message was sent again. If the error is not a [Refusal], it
// is unknown whether the message was added.
func (s *Seat) Say(ctx context.Context, id, text string) error {
	text = strings.TrimSpace(text)
	switch {
	case id == "" || len(id) > MaxID || !utf8.ValidString(id):
		return Refusal(fmt.Sprintf("the id must have 1 to %d bytes", MaxID))
	case text == "":
		return Refusal("the message is empty")
	case utf8.RuneCountInString(text) > MaxText:
		return Refusal(fmt.Sprintf("the message is longer than %d characters", MaxText))
	case !s.maySay(id):
		return Refusal("too many messages at once")
	}
	s.room.mu.Lock()
	name := s.room.names[s]
	s.room.mu.Unlock()
	event := http.JSONEvent("said", Message{ID: id, Name: name, Text: text, Time: time.Now().UTC()})
	event.Key = id
	_, err := s.room.said.Publish(ctx, event)
	return err
}

// maySay counts a message, unless it is sent again, and reports whether it is
// within the limit.
func (s *Seat) maySay(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); !now.Before(s.windowEnd) {
		s.said, s.windowEnd = make(map[string]bool), now.Add(sayWindow)
	}
	if len(s.said) < sayLimit {
		s.said[id] = true
	}
	return s.said[id]
}
