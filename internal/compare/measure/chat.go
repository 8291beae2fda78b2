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

// sayEvery is how often everybody says something. The demo allows 2 messages in
// a second.
const sayEvery = 10 * time.Second

// A chat is people in the demo's chat room who all hear one another.
type chat struct {
	members   []*member
	faults    *faults
	said      atomic.Int64
	listening sync.WaitGroup
}

// joinChat lets so many people into the room. They leave in the end, or if one
// of them cannot come in.
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

// talk has everybody say something and send a ping now and then, one after
// another, until ctx ends.
func (c *chat) talk(ctx context.Context) {
	var talking sync.WaitGroup
	for i, m := range c.members {
		first := sayEvery * time.Duration(i) / time.Duration(len(c.members))
		talking.Go(func() { c.faults.add(m.name, m.talk(ctx, first, &c.said)) })
	}
	talking.Wait()
}

// lacks says what has not come back yet of all that was sent.
func (c *chat) lacks() string {
	for _, m := range c.members {
		if heard, said := m.heard.count.Load(), c.said.Load(); heard != said {
			return fmt.Sprintf("%s has heard %d messages of %d; ", m.name, heard, said)
		}
		if pongs, pings := m.pongs.Load(), m.pings.Load(); pongs != pings {
			return fmt.Sprintf("%s has got %d pongs for %d pings; ", m.name, pongs, pings)
		}
	}
	return ""
}

// leave ends all connections, each with the closing handshake.
func (c *chat) leave() {
	var leaving sync.WaitGroup
	for _, m := range c.members {
		m.leaving.Store(true)
		leaving.Go(func() { c.faults.add(m.name, m.conn.Close()) })
	}
	leaving.Wait()
	c.listening.Wait()
}

// pings returns how many pings were answered.
func (c *chat) pings() (n int64) {
	for _, m := range c.members {
		n += m.pongs.Load()
	}
	return n
}

// heard returns how many messages have arrived.
func (c *chat) heard() (n int64) {
	for _, m := range c.members {
		n += m.heard.count.Load()
	}
	return n
}

// A member is one of them.
type member struct {
	name         string
	conn         *http.Conn
	heard        sequence
	pings, pongs atomic.Int64
	leaving      atomic.Bool
}

// A saying is what clients send to the room.
type saying struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Text string `json:"text"`
}

// A telling is what the room sends.
type telling struct {
	Type    string `json:"type"`
	At      string `json:"at"`
	Error   string `json:"error"`
	Message struct {
		ID   string `json:"id"`
		Text string `json:"text"`
	} `json:"message"`
}

// enter connects. The room begins with what was said before, which does not
// count, and then tells who is there.
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

// catchUp hears what comes before the room tells who is there.
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

// textOf returns the text of the message with that id.
func textOf(id string) string { return "This is what is said in message " + id + "." }

// hear reads what the room says next, and checks it.
func (m *member) hear() (telling, error) {
	var told telling
	if err := m.conn.ReadJSON(&told); err != nil {
		return told, err
	}
	switch told.Type {
	case "message":
		if told.Message.Text != textOf(told.Message.ID) {
			return told, fmt.Errorf("message %q says %q", told.Message.ID, told.Message.Text)
		}
		return told, m.heard.next(told.At)
	case "refused":
		return told, fmt.Errorf("message refused: %s", told.Error)
	}
	return told, nil
}

// listen hears until the member leaves.
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

// pong takes the answer to a ping. They come in the order of the pings.
func (m *member) pong(data []byte) error {
	if want := strconv.FormatInt(m.pongs.Load()+1, 10); string(data) != want {
		return fmt.Errorf("pong %q in place of %q", data, want)
	}
	m.pongs.Add(1)
	return nil
}

// talk says something after the given time and every so often from then on,
// each time with a ping behind.
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
