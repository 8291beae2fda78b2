// Package room implements a chat room in memory. It keeps track of the people in
// the room, keeps the latest messages, and is independent of HTTP.
package room

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stanza-go/framework/pkg/http/internal/demo/feed"
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

// A Room keeps the latest messages and tracks the people in the room. It is safe
// for concurrent use by multiple goroutines.
type Room struct {
	messages *feed.Log[Message]

	mu      sync.Mutex
	recent  []string // IDs of the messages that are kept, oldest first
	keep    int
	seats   map[*Seat]struct{}
	changed chan struct{} // closed when somebody enters, leaves or changes their name
}

// New returns an empty room that keeps the latest keep messages.
func New(keep int) *Room {
	return &Room{
		messages: feed.New[Message](keep),
		keep:     keep,
		seats:    make(map[*Seat]struct{}),
		changed:  make(chan struct{}),
	}
}

// Messages returns the log of messages.
func (r *Room) Messages() *feed.Log[Message] { return r.messages }

// People returns the names of the people in the room, sorted and without
// duplicates, and a channel that is closed when they change.
func (r *Room) People() (names []string, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	names = []string{}
	for seat := range r.seats {
		names = append(names, seat.name)
	}
	slices.Sort(names)
	return slices.Compact(names), r.changed
}

// Enter adds a person to the room. The caller must call [Seat.Leave] unless Enter
// returns an error. Any error is a [Refusal].
func (r *Room) Enter(name string) (*Seat, error) {
	name, err := checkedName(name)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	seat := &Seat{room: r, name: name}
	r.seats[seat] = struct{}{}
	r.notify()
	return seat, nil
}

// notify closes the channels that People has returned. The caller must hold r.mu.
func (r *Room) notify() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// A Seat is one person's place in a [Room]. It is safe for concurrent use by
// multiple goroutines.
type Seat struct {
	room *Room

	// Guarded by the room's mutex.
	name      string
	said      int // messages in the current window
	windowEnd time.Time
}

// Leave removes the person from the room.
func (s *Seat) Leave() {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	delete(s.room.seats, s)
	s.room.notify()
}

// Rename changes the person's name. Any error is a [Refusal].
func (s *Seat) Rename(name string) error {
	name, err := checkedName(name)
	if err != nil {
		return err
	}
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	s.name = name
	s.room.notify()
	return nil
}

// Say adds a message. If the room already has a message with the same ID, Say does
// nothing, because the message was sent again. Any error is a [Refusal].
func (s *Seat) Say(id, text string) error {
	text = strings.TrimSpace(text)
	switch {
	case id == "" || len(id) > MaxID:
		return Refusal(fmt.Sprintf("the id must have 1 to %d bytes", MaxID))
	case text == "":
		return Refusal("the message is empty")
	case utf8.RuneCountInString(text) > MaxText:
		return Refusal(fmt.Sprintf("the message is longer than %d characters", MaxText))
	}
	r := s.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.Contains(r.recent, id) {
		return nil
	}
	now := time.Now()
	if !now.Before(s.windowEnd) {
		s.said, s.windowEnd = 0, now.Add(sayWindow)
	}
	if s.said++; s.said > sayLimit {
		return Refusal("too many messages at once")
	}
	r.recent = append(r.recent, id)
	r.recent = r.recent[max(0, len(r.recent)-r.keep):]
	r.messages.Append(Message{ID: id, Name: s.name, Text: text, Time: now.UTC()})
	return nil
}

// checkedName returns the name without surrounding spaces, or a [Refusal].
func checkedName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" || utf8.RuneCountInString(name) > MaxName || strings.ContainsFunc(name, unicode.IsControl) {
		return "", Refusal(fmt.Sprintf("a name is one line of 1 to %d characters", MaxName))
	}
	return name, nil
}
