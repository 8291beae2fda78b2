package main

import (
	"bufio"
	"encoding/json"
	nethttp "net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
)

// A stream is an open event stream.
type stream struct {
	t     *testing.T
	res   *nethttp.Response
	lines *bufio.Scanner
	last  string // the id of the last event
}

// follow opens the stream of incidents. after is the ID of the last event that the visitor
// has received, or "".
func (v *visitor) follow(after string) *stream {
	v.t.Helper()
	r, err := nethttp.NewRequest("GET", v.url+"/api/live", nil)
	if err != nil {
		v.t.Fatal(err)
	}
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	res, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { res.Body.Close() }) // runs before srv.Close, which waits for the stream
	return &stream{t: v.t, res: res, lines: bufio.NewScanner(res.Body)}
}

// next returns the name and the data of the next event.
func (s *stream) next() (name, data string) {
	s.t.Helper()
	for s.lines.Scan() {
		field, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch field {
		case "id":
			s.last = value
		case "event":
			name = value
		case "data":
			return name, value
		}
	}
	s.t.Fatalf("the stream has ended: %v", s.lines.Err())
	return "", ""
}

func TestLive(t *testing.T) {
	t.Parallel()
	newVisitor := open(t)
	ann, reader := newVisitor().logIn(), newVisitor()
	ann.call("POST", "/api/incidents", `{"title":"first","severity":"minor"}`)
	s := reader.follow("")
	if name, data := s.next(); name != "incidents" || !strings.Contains(data, "first") {
		t.Errorf("got %s %s", name, data)
	}
	ann.call("POST", "/api/incidents", `{"title":"second","severity":"minor"}`)
	if name, data := s.next(); name != "saved" || !strings.Contains(data, "second") {
		t.Errorf("got %s %s", name, data)
	}
	s.res.Body.Close() // the reader is offline
	ann.call("DELETE", "/api/incidents/1", "")
	if name, data := reader.follow(s.last).next(); name != "deleted" || data != "1" {
		t.Errorf("after reconnecting: got %s %s", name, data)
	}
}

// join opens a connection to the chat, with the visitor's cookies.
func (v *visitor) join() (*http.Conn, *http.Response, error) {
	v.t.Helper()
	site, err := url.Parse(v.url)
	if err != nil {
		v.t.Fatal(err)
	}
	header := http.Header{}
	for _, cookie := range v.client.Jar.Cookies(site) {
		header.Add("Cookie", cookie.String())
	}
	conn, res, err := http.Dial(v.t.Context(), strings.Replace(v.url, "http", "ws", 1)+"/api/chat", &http.DialOptions{Header: header})
	if err == nil {
		v.t.Cleanup(func() { conn.Close() })
	}
	return conn, res, err
}

func TestChat(t *testing.T) {
	t.Parallel()
	newVisitor := open(t)
	if _, res, err := newVisitor().join(); err == nil || res.StatusCode != 401 {
		t.Errorf("without a session: %v %v", res, err)
	}
	ann := newVisitor().logIn()
	first, _, err := ann.join()
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := ann.join()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.WriteJSON(map[string]string{"text": " hello "}); err != nil {
		t.Fatal(err)
	}
	for _, conn := range []*http.Conn{first, second} {
		if said := receive(t, conn); said.User != "ann" || said.Text != "hello" {
			t.Errorf("got %+v", said)
		}
	}
}

// receive returns the next chat message.
func receive(t *testing.T, conn *http.Conn) (said message) {
	t.Helper()
	for {
		var event struct {
			Event string
			Data  json.RawMessage
		}
		if err := conn.ReadJSON(&event); err != nil {
			t.Fatal(err)
		}
		if event.Event == "said" {
			if err := json.Unmarshal(event.Data, &said); err != nil {
				t.Fatal(err)
			}
			return said
		}
	}
}
