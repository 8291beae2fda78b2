package app

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
	seen string // id of the last message
}

// A serverMessage is a message that a client receives.
type serverMessage struct {
	ID    string          `json:"id"`
	Event string          `json:"event"`
	Data  json.RawMessage `json:"data"`
}

// join connects a guest to the chat.
func (a app) join(t *testing.T, name, seen string) *guest {
	t.Helper()
	url := strings.Replace(a.URL, "http", "ws", 1) + "/api/chat?name=" + name + "&after=" + seen
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

// send sends a message.
func (g *guest) send(message clientMessage) {
	g.t.Helper()
	if err := g.conn.WriteJSON(message); err != nil {
		g.t.Fatal(err)
	}
}

// say says something.
func (g *guest) say(id, text string) {
	g.t.Helper()
	g.send(clientMessage{Type: "say", ID: id, Text: text})
}

// next skips to the next message with the name of an event, decodes its data, and
// returns its id.
func (g *guest) next(event string, data any) (id string) {
	g.t.Helper()
	for {
		var told serverMessage
		if err := g.conn.ReadJSON(&told); err != nil {
			g.t.Fatal(err)
		}
		if told.Event != event {
			continue
		}
		if err := json.Unmarshal(told.Data, data); err != nil {
			g.t.Fatalf("%s: %v", told.Data, err)
		}
		return told.ID
	}
}

// hears checks the next message of the chat.
func (g *guest) hears(want string) {
	g.t.Helper()
	var message room.Message
	id := g.next("said", &message)
	if got := message.Name + ": " + message.Text; got != want || id == "" || message.ID == "" || message.Time.IsZero() {
		g.t.Fatalf("%s %+v, want %s", id, message, want)
	}
	g.seen = id
}

// sees waits until the guest has received this list of people.
func (g *guest) sees(people ...string) {
	g.t.Helper()
	for {
		var list []string
		if g.next("people", &list); slices.Equal(list, people) {
			return
		}
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

	bea.send(clientMessage{Type: "name", Name: "Cleo"})
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
}

// A client whose position is unknown, for example because the server was
// restarted, is told so, and gets the messages that are kept.
func TestGuestFromElsewhereHearsOfTheGap(t *testing.T) {
	t.Parallel()
	a, elsewhere := startApp(t), startApp(t)
	eve := elsewhere.join(t, "Eve", "")
	eve.say("1", "elsewhere")
	eve.hears("Eve: elsewhere")
	a.join(t, "Ann", "").say("1", "one")
	for _, seen := range []string{eve.seen, "%25!", strings.Repeat("x", 1000)} {
		bea := a.join(t, "Bea", seen)
		var nothing struct{}
		if id := bea.next("gap", &nothing); id == "" {
			t.Error("the gap has no id")
		}
		bea.hears("Ann: one")
	}
}

// Pages cannot see the pings of a WebSocket, so they send pings of the chat to
// notice that the network has failed.
func TestChatAnswersPings(t *testing.T) {
	t.Parallel()
	ann := startApp(t).join(t, "Ann", "")
	for range 2 {
		ann.send(clientMessage{Type: "ping"})
		var nothing any
		ann.next("pong", &nothing)
	}
}

func TestChatRefuses(t *testing.T) {
	t.Parallel()
	a := startApp(t)
	ann := a.join(t, "Ann", "")
	ann.say("1", strings.Repeat("x", room.MaxText+1))
	var refused refusal
	if ann.next("refused", &refused); refused.ID != "1" || refused.Error == "" {
		t.Errorf("%+v", refused)
	}
	ann.send(clientMessage{Type: "name", Name: "two\nlines"})
	if ann.next("refused", &refused); !strings.Contains(refused.Error, "a name is") {
		t.Errorf("%+v", refused)
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
