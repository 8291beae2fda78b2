package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/demo/room"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A guest is a client of the chat.
type guest struct {
	t    *testing.T
	conn *http.Conn
	seen string // At of the last message
}

// join connects a guest to the chat.
func (a app) join(t *testing.T, name, seen string) *guest {
	t.Helper()
	url := strings.Replace(a.URL, "http", "ws", 1) + "/api/chat?name=" + name + "&seen=" + seen
	conn, _, err := http.Dial(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // the test is over
	if err := conn.SetReadDeadline(time.Now().Add(testkit.Patience)); err != nil {
		t.Fatal(err)
	}
	return &guest{t: t, conn: conn}
}

// say sends a message.
func (g *guest) say(id, text string) {
	g.t.Helper()
	if err := g.conn.WriteJSON(clientMessage{Type: "say", ID: id, Text: text}); err != nil {
		g.t.Fatal(err)
	}
}

// next returns the next message of a type, and skips others.
func (g *guest) next(kind string) serverMessage {
	g.t.Helper()
	for {
		var told serverMessage
		if err := g.conn.ReadJSON(&told); err != nil {
			g.t.Fatal(err)
		}
		if told.Type == kind {
			return told
		}
	}
}

// hears checks the next message of the chat.
func (g *guest) hears(want string) {
	g.t.Helper()
	told := g.next("message")
	if got := told.Message.Name + ": " + told.Message.Text; got != want || told.At == "" || told.Message.Time.IsZero() {
		g.t.Fatalf("%+v, want %s", told, want)
	}
	g.seen = told.At
}

// sees waits until the guest has received this list of people.
func (g *guest) sees(people ...string) {
	g.t.Helper()
	for !slices.Equal(g.next("people").People, people) {
	}
}

func TestChat(t *testing.T) {
	t.Parallel()
	a := startApp(t)
	ann := a.join(t, "Ann", "")
	ann.sees("Ann")
	bea := a.join(t, "Bea", "")
	ann.sees("Ann", "Bea")
	ann.say("1", "hello")
	bea.hears("Ann: hello")
	ann.hears("Ann: hello")

	if err := bea.conn.WriteJSON(clientMessage{Type: "name", Name: "Cleo"}); err != nil {
		t.Fatal(err)
	}
	ann.sees("Ann", "Cleo")
	if err := bea.conn.Close(); err != nil {
		t.Error(err)
	}
	ann.sees("Ann")
}

func TestReconnectingGuestHearsWhatItMissed(t *testing.T) {
	t.Parallel()
	a := startApp(t)
	ann, bea := a.join(t, "Ann", ""), a.join(t, "Bea", "")
	ann.say("1", "one")
	bea.hears("Ann: one")
	if err := bea.conn.Close(); err != nil {
		t.Error(err)
	}
	ann.say("2", "two")
	ann.say("2", "two") // sent again, but received once
	ann.say("3", "three")
	ann.hears("Ann: one")
	ann.hears("Ann: two")
	ann.hears("Ann: three")

	again := a.join(t, "Bea", bea.seen)
	again.hears("Ann: two")
	again.hears("Ann: three")
	elsewhere := a.join(t, "Bea", room.New(1).Messages().Newest())
	elsewhere.hears("Ann: one")
}

func TestChatRefuses(t *testing.T) {
	t.Parallel()
	a := startApp(t)
	ann := a.join(t, "Ann", "")
	ann.say("1", strings.Repeat("x", room.MaxText+1))
	if told := ann.next("refused"); told.ID != "1" || told.Error == "" {
		t.Errorf("%+v", told)
	}
	ann.say("2", strings.Repeat("x", maxChatMessage))
	for {
		_, _, err := ann.conn.ReadMessage()
		if err == nil {
			continue
		}
		if closed, is := errors.AsType[*http.CloseError](err); !is || closed.Code != http.CloseMessageTooBig {
			t.Errorf("error %v, want close code %d", err, http.CloseMessageTooBig)
		}
		break
	}
	if got := a.send(t, "GET", "/api/chat?name=", ""); got.StatusCode != 400 || !strings.Contains(got.Body, "a name is") {
		t.Errorf("without a name: got %d %s", got.StatusCode, got.Body)
	}
	if got := a.send(t, "GET", "/api/chat?name=Ann", ""); got.StatusCode != 426 {
		t.Errorf("without an upgrade: got %d %s", got.StatusCode, got.Body)
	}
	_, res, err := http.Dial(t.Context(), strings.Replace(a.URL, "http", "ws", 1)+"/api/chat?name=Eve",
		&http.DialOptions{Header: http.Header{"Origin": {"https://elsewhere.example"}}})
	if err == nil || res == nil || res.StatusCode != 403 {
		t.Errorf("another website: error %v", err)
	}
}

// Messages are not changed, regardless of the characters that they contain.
func TestChatKeepsTextAsItIs(t *testing.T) {
	t.Parallel()
	a := startApp(t)
	ann := a.join(t, "Ann", "")
	for n, text := range []string{"<script>alert(1)</script>", "a\nb", "ü \u2028 😀", `"\`} {
		ann.say(fmt.Sprint(n), text)
		ann.hears("Ann: " + text)
	}
	var raw json.RawMessage
	if err := ann.conn.WriteMessage(http.TextMessage, []byte("not JSON")); err != nil {
		t.Fatal(err)
	}
	for ann.conn.ReadJSON(&raw) == nil {
	}
}
