package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// sayEvery is the interval between the messages of a member. The demo allows
// two messages per second.
const sayEvery = 10 * time.Second

// A chat is a group of members in the demo's chat room. Each of them receives
// the messages of all.
type chat struct {
	members   []*member
	faults    *faults
	cancel    context.CancelFunc
	listening sync.WaitGroup
}

// joinChat connects the given number of members, spread over the instances. If one of
// them fails to connect, joinChat disconnects the others and returns an error.
func (s *soak) joinChat(people int) (*chat, error) {
	ctx, cancel := context.WithCancel(context.Background())
	c := &chat{faults: &s.faults, cancel: cancel}
	for i := range people {
		m := &member{name: fmt.Sprintf("soak-%03d", i), base: s.instances[i%len(s.instances)].url}
		if i == 0 {
			m.heard.times = make(map[string]int)
		}
		err := m.enter(ctx)
		if err != nil {
			c.leave()
			return nil, err
		}
		c.members = append(c.members, m)
		c.listening.Go(func() { c.faults.add(m.name, m.stay(ctx, &s.outage)) })
	}
	return c, nil
}

// talk makes all members send messages and pings, spread over time, until ctx
// is done.
func (c *chat) talk(ctx context.Context) {
	var talking sync.WaitGroup
	for i, m := range c.members {
		first := sayEvery * time.Duration(i) / time.Duration(len(c.members))
		talking.Go(func() { m.talk(ctx, first) })
	}
	talking.Wait()
}

// lacks describes what is missing until all members have received the same messages,
// among them all that were sent, and all pings are answered. It returns "" if nothing is.
func (c *chat) lacks() string {
	first := &c.members[0].heard
	for _, m := range c.members {
		m.mu.Lock()
		waiting, said, pings, pongs := len(m.outbox), slices.Clone(m.said), m.pings, m.pongs
		m.mu.Unlock()
		switch got, want := m.heard.now(), first.now(); {
		case waiting > 0:
			return fmt.Sprintf("%d messages of %s have not come back; ", waiting, m.name)
		case got != want:
			return fmt.Sprintf("%s has received %+v, and %s %+v; ", m.name, got, c.members[0].name, want)
		case pings != pongs:
			return fmt.Sprintf("%s has received %d pongs for %d pings; ", m.name, pongs, pings)
		}
		for _, id := range said {
			if first.timesOf(id) != 1 {
				return fmt.Sprintf("%s has received %q %d times; ", c.members[0].name, id, first.timesOf(id))
			}
		}
	}
	return ""
}

// leave closes all connections with a closing handshake.
func (c *chat) leave() {
	c.cancel()
	c.listening.Wait()
}

// sum returns the sum of a figure over all members.
func (c *chat) sum(of func(*member) int64) (n int64) {
	for _, m := range c.members {
		m.mu.Lock()
		n += of(m)
		m.mu.Unlock()
	}
	return n
}

// A member is one client in the room. It connects again if its connection ends during an
// outage, as the demo's page does, and keeps its messages until they come back.
type member struct {
	name, base string
	heard      history // of the ids of messages
	reopened   atomic.Int64

	mu           sync.Mutex
	conn         *http.Conn
	last         string   // id of the last event
	said         []string // ids of all messages
	outbox       []string // ids of messages that have not come back
	pings, pongs int64    // on conn
	answered     int64    // pongs on earlier connections
}

// A saying is a message from a client to the room.
type saying struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Text string `json:"text"`
}

// A telling is an event that the room sends to its clients.
type telling struct {
	ID    string          `json:"id"`
	Event string          `json:"event"`
	Data  json.RawMessage `json:"data"`
}

// enter connects the member and sends its outbox.
func (m *member) enter(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	m.mu.Lock()
	query := url.Values{"name": {m.name}, "after": {m.last}}
	m.mu.Unlock()
	conn, _, err := http.Dial(ctx, m.base+"/api/chat?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	conn.SetPongHandler(func([]byte) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.pongs++
		return nil
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answered += m.pongs
	m.conn, m.pings, m.pongs = conn, 0, 0
	for _, id := range m.outbox {
		m.send(id)
	}
	return nil
}

// send sends a message. If that fails, the member's reader notices it too, and the message
// stays in the outbox. The caller holds mu.
func (m *member) send(id string) {
	_ = errors.Join(m.conn.SetWriteDeadline(time.Now().Add(patience)), m.conn.WriteJSON(saying{"say", id, textOf(id)})) // see above
}

// stay reads until ctx is done, and then leaves. If the connection ends or is not
// accepted, stay returns the reason, except during an outage.
func (m *member) stay(ctx context.Context, outage *outage) error {
	err := outage.persist(ctx, m.enter, func() error { return m.listen(ctx) }, &m.reopened)
	closed, isClosed := errors.AsType[*http.CloseError](err)
	if ctx.Err() != nil && (!isClosed || closed.Code == http.CloseNormalClosure) {
		return nil
	}
	return err
}

// listen reads messages until the connection ends. It closes the connection when ctx is
// done.
func (m *member) listen(ctx context.Context) error {
	m.mu.Lock()
	conn := m.conn
	m.mu.Unlock()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer conn.Close()
	for {
		var told telling
		if err := conn.ReadJSON(&told); err != nil {
			return err
		}
		if err := m.hear(told); err != nil {
			return err
		}
	}
}

// hear handles an event from the room.
func (m *member) hear(told telling) error {
	switch told.Event {
	case "people", "":
		return nil
	case "said":
	default:
		return fmt.Errorf("unexpected event %s: %s", told.Event, told.Data)
	}
	var message saying
	if err := json.Unmarshal(told.Data, &message); err != nil {
		return err
	}
	if message.Text != textOf(message.ID) {
		return fmt.Errorf("message %q has the text %q", message.ID, message.Text)
	}
	m.mu.Lock()
	m.last = told.ID
	m.outbox = slices.DeleteFunc(m.outbox, func(id string) bool { return id == message.ID })
	m.mu.Unlock()
	if !m.heard.add(message.ID) {
		return fmt.Errorf("received message %q again", message.ID)
	}
	return nil
}

// textOf returns the text of the message with the given ID.
func textOf(id string) string { return "This is what is said in message " + id + "." }

// talk sends a message followed by a ping, the first time after the given delay
// and then every sayEvery.
func (m *member) talk(ctx context.Context, first time.Duration) {
	next := time.NewTimer(first)
	defer next.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
			next.Reset(sayEvery)
		}
		id := fmt.Sprintf("%s-%d-%d", m.name, time.Now().UnixNano(), n)
		m.mu.Lock()
		m.said, m.outbox = append(m.said, id), append(m.outbox, id)
		m.send(id)
		if m.conn.WritePing(nil) == nil {
			m.pings++
		}
		m.mu.Unlock()
	}
}
