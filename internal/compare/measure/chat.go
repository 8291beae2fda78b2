package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
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
	said      atomic.Int64
	listening sync.WaitGroup
}

// joinChat connects the given number of members. If one of them fails to
// connect, joinChat disconnects the others and returns an error.
func joinChat(url string, people int, faults *faults) (*chat, error) {
	c := &chat{faults: faults}
	for i := range people {
		m, err := enter(url, fmt.Sprintf("soak-%03d", i))
		if err != nil {
			c.leave()
			return nil, err
		}
		c.members = append(c.members, m)
		c.listening.Go(func() { faults.add(m.name, m.listen()) })
	}
	return c, nil
}

// talk makes all members send messages and pings, spread over time, until ctx
// is done.
func (c *chat) talk(ctx context.Context) {
	var talking sync.WaitGroup
	for i, m := range c.members {
		first := sayEvery * time.Duration(i) / time.Duration(len(c.members))
		talking.Go(func() { c.faults.add(m.name, m.talk(ctx, first, &c.said)) })
	}
	talking.Wait()
}

// lacks describes which messages and pings have not been received or answered
// yet. It returns "" if all have.
func (c *chat) lacks() string {
	for _, m := range c.members {
		if heard, said := m.heard.count.Load(), c.said.Load(); heard != said {
			return fmt.Sprintf("%s has received %d of %d messages; ", m.name, heard, said)
		}
		if pongs, pings := m.pongs.Load(), m.pings.Load(); pongs != pings {
			return fmt.Sprintf("%s has received %d pongs for %d pings; ", m.name, pongs, pings)
		}
	}
	return ""
}

// leave closes all connections with a closing handshake.
func (c *chat) leave() {
	var leaving sync.WaitGroup
	for _, m := range c.members {
		m.leaving.Store(true)
		leaving.Go(func() { c.faults.add(m.name, m.conn.Close()) })
	}
	leaving.Wait()
	c.listening.Wait()
}

// pings returns the number of pings that were answered.
func (c *chat) pings() (n int64) {
	for _, m := range c.members {
		n += m.pongs.Load()
	}
	return n
}

// heard returns the number of messages that all members have received.
func (c *chat) heard() (n int64) {
	for _, m := range c.members {
		n += m.heard.count.Load()
	}
	return n
}

// A member is one client in the room.
type member struct {
	name         string
	conn         *http.Conn
	heard        sequence
	pings, pongs atomic.Int64
	leaving      atomic.Bool
}

// A saying is a message from a client to the room.
type saying struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Text string `json:"text"`
}

// A telling is a message from the room to its clients.
type telling struct {
	Type    string `json:"type"`
	At      string `json:"at"`
	Error   string `json:"error"`
	Message struct {
		ID   string `json:"id"`
		Text string `json:"text"`
	} `json:"message"`
}

// enter connects a member. The room first sends the earlier messages, which are
// not counted, and then the list of members.
func enter(url, name string) (*member, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, _, err := http.Dial(ctx, url+"/api/chat?name="+name, nil)
	if err != nil {
		return nil, err
	}
	m := &member{name: name, conn: conn}
	conn.SetPongHandler(m.pong)
	if err := m.catchUp(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return m, nil
}

// catchUp reads the messages before the list of members.
func (m *member) catchUp() error {
	if err := m.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	for {
		told, err := m.hear()
		if err != nil {
			return err
		}
		if told.Type == "people" {
			m.heard.count.Store(0)
			return m.conn.SetReadDeadline(time.Time{})
		}
	}
}

// textOf returns the text of the message with the given ID.
func textOf(id string) string { return "This is what is said in message " + id + "." }

// hear reads and checks the next message from the room.
func (m *member) hear() (telling, error) {
	var told telling
	if err := m.conn.ReadJSON(&told); err != nil {
		return told, err
	}
	switch told.Type {
	case "message":
		if told.Message.Text != textOf(told.Message.ID) {
			return told, fmt.Errorf("message %q has the text %q", told.Message.ID, told.Message.Text)
		}
		return told, m.heard.next(told.At)
	case "refused":
		return told, fmt.Errorf("message rejected: %s", told.Error)
	}
	return told, nil
}

// listen reads messages until the member leaves.
func (m *member) listen() error {
	for {
		_, err := m.hear()
		closed, isClosed := errors.AsType[*http.CloseError](err)
		switch {
		case err == nil:
		case isClosed && closed.Code == http.CloseNormalClosure && m.leaving.Load():
			return nil
		default:
			return err
		}
	}
}

// pong handles a pong. Pongs must arrive in the order of the pings.
func (m *member) pong(data []byte) error {
	if want := strconv.FormatInt(m.pongs.Load()+1, 10); string(data) != want {
		return fmt.Errorf("pong %q, want %q", data, want)
	}
	m.pongs.Add(1)
	return nil
}

// talk sends a message followed by a ping, the first time after the given delay
// and then every sayEvery.
func (m *member) talk(ctx context.Context, first time.Duration, said *atomic.Int64) error {
	next := time.NewTimer(first)
	defer next.Stop()
	for n := int64(1); ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
			next.Reset(sayEvery)
		}
		if err := m.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		id := fmt.Sprintf("%s-%d-%d", m.name, time.Now().UnixNano(), n)
		if err := m.conn.WriteJSON(saying{"say", id, textOf(id)}); err != nil {
			return err
		}
		said.Add(1)
		if err := m.conn.WritePing(strconv.AppendInt(nil, n, 10)); err != nil {
			return err
		}
		m.pings.Add(1)
	}
}
