// Package room is a chat room in memory: who is there, and what was said last.
// It knows nothing of HTTP.
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

// The longest texts, in characters, and the longest id, in bytes.
const (
	MaxName = 40
	MaxText = 1000
	MaxID   = 64
)

// How much one person may say in how much time.
const (
	sayLimit  = 20
	sayWindow = 10 * time.Second
)

// A Message is what somebody has said.
type Message struct {
	// ID is chosen by the sender, so that a message that is sent again, because
	// nobody knows whether it arrived, is the same message.
	ID   string    `json:"id"`
	Name string    `json:"name"`
	Text string    `json:"text"`
	Time time.Time `json:"time"`
}

// A Refusal is why something was not accepted, in words for who wrote it.
type Refusal string

// Error returns the reason.
func (r Refusal) Error() string { return string(r) }

// A Room keeps the latest messages and the list of who is there. Its methods may
// be called from any goroutine.
type Room struct {
	messages *feed.Log[Message]

	mu      sync.Mutex
	recent  []string // ids of the messages that are kept, oldest first
	keep    int
	seats   map[*Seat]struct{}
	changed chan struct{} // closed when somebody comes, goes or changes names
}

// New returns an empty room that keeps so many messages.
func New(keep int) *Room {
	return &Room{
		messages: feed.New[Message](keep),
		keep:     keep,
		seats:    make(map[*Seat]struct{}),
		changed:  make(chan struct{}),
	}
}

// Messages returns the log of what was said.
func (r *Room) Messages() *feed.Log[Message] { return r.messages }

// People returns the names of those who are there, each once and in order, and
// a channel that is closed when that changes.
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

// Enter lets somebody in. Whoever enters must leave.
func (r *Room) Enter(name string) (*Seat, error) {
	name, err := checkedName(name)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	seat := &Seat{room: r, name: name}
	r.seats[seat] = struct{}{}
	r.tell()
	return seat, nil
}

// tell wakes those who wait for People to change. The caller holds r.mu.
func (r *Room) tell() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// A Seat is one person's place in a [Room].
type Seat struct {
	room *Room

	// Guarded by the room's mutex.
	name   string
	said   int       // in the window
	window time.Time // when it ends
}

// Leave gives the seat up.
func (s *Seat) Leave() {
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	delete(s.room.seats, s)
	s.room.tell()
}

// Rename changes the name. The error is a [Refusal].
func (s *Seat) Rename(name string) error {
	name, err := checkedName(name)
	if err != nil {
		return err
	}
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	s.name = name
	s.room.tell()
	return nil
}

// Say adds a message, unless the room has one with that id: then it is the same
// one, sent again. The error is a [Refusal].
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
	if !now.Before(s.window) {
		s.said, s.window = 0, now.Add(sayWindow)
	}
	if s.said++; s.said > sayLimit {
		return Refusal("too many messages at once")
	}
	r.recent = append(r.recent, id)
	r.recent = r.recent[max(0, len(r.recent)-r.keep):]
	r.messages.Append(Message{ID: id, Name: s.name, Text: text, Time: now.UTC()})
	return nil
}

// checkedName returns the name as the room shows it, or a [Refusal].
func checkedName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" || utf8.RuneCountInString(name) > MaxName || strings.ContainsFunc(name, unicode.IsControl) {
		return "", Refusal(fmt.Sprintf("a name is one line of 1 to %d characters", MaxName))
	}
	return name, nil
}
