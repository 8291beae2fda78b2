package docs

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A taskList stands for a database.
type taskList struct {
	mu    sync.Mutex
	tasks []string
}

func (l *taskList) List(context.Context) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.tasks), nil
}

func (l *taskList) Add(_ context.Context, task string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks = append(l.tasks, task)
	return nil
}

var tasks = &taskList{tasks: []string{"buy milk"}}

//snippet:begin README.md

var taskFeed = http.NewFeed(http.FeedConfig{
	Snapshot: func(ctx context.Context, _ string) (http.Event, error) {
		list, err := tasks.List(ctx)
		return http.JSONEvent("list", list), err
	},
})

func addTask(w http.ResponseWriter, r *http.Request) {
	task := r.FormValue("task")
	if err := tasks.Add(r.Context(), task); err != nil {
		http.WriteServerError(w, r, "adding the task failed", err)
		return
	}
	ctx := context.WithoutCancel(r.Context()) // the task has been added
	taskFeed.Publish(ctx, http.JSONEvent("added", task))
}

//snippet:end

func TestLiveList(t *testing.T) {
	router := http.NewRouter()
	//snippet:begin README.md
	router.Handle("GET /tasks/events", taskFeed)
	router.HandleFunc("POST /tasks", addTask)
	//snippet:end
	srv := testkit.StartServer(t, testkit.HTTP1, router)
	add := func(task string) {
		form := url.Values{"task": {task}}.Encode()
		srv.Do(t, "POST", "/tasks", form, "Content-Type: application/x-www-form-urlencoded").Want(t, 200, "")
	}
	page := openList(t, srv, "")
	page.want(`["buy milk"`)
	add("call Ann")
	page.want(`"call Ann"`)
	page.leave()
	add("write")
	add("sleep")
	page = openList(t, srv, page.last)
	page.want(`"write"`, `"sleep"`)
	taskFeed.Publish(t.Context(), http.JSONEvent("added", "run"))
	page.want(`"run"`)

	// A page that does not read delays nobody, and pages miss nothing.
	openList(t, srv, "")
	other := openList(t, srv, page.last)
	for n := range 900 {
		add(fmt.Sprint(n))
	}
	for n := range 900 {
		page.want(fmt.Sprintf(`"%d"`, n))
		other.want(fmt.Sprintf(`"%d"`, n))
	}
}

// A listPage is a page with the live list.
type listPage struct {
	t     *testing.T
	lines *bufio.Scanner
	last  string // id of the last event
	leave func() error
}

func openList(t *testing.T, srv *testkit.Server, lastID string) *listPage {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+"/tasks/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return &listPage{t: t, lines: bufio.NewScanner(res.Body), leave: res.Body.Close}
}

// want reads the data of the next events, each of which must begin as given.
func (p *listPage) want(data ...string) {
	p.t.Helper()
	for len(data) > 0 {
		if !p.lines.Scan() {
			p.t.Fatalf("the stream ended: %v, want %s", p.lines.Err(), data[0])
		}
		field, value, _ := strings.Cut(p.lines.Text(), ": ")
		switch {
		case field == "id":
			p.last = value
		case field == "data" && strings.HasPrefix(value, data[0]):
			data = data[1:]
		case field == "data":
			p.t.Fatalf("got %.100s, want %s", value, data[0])
		}
	}
}

//snippet:begin README.md

var (
	said     = http.NewFeed(http.FeedConfig{Keep: 100, History: true})
	present  = http.NewFeed(http.FeedConfig{Latest: true, History: true})
	peopleMu sync.Mutex
	people   = make(map[*http.Conn]string)
)

// setName sets the name for conn, or removes it if name is "", and announces all names.
func setName(conn *http.Conn, name string) {
	peopleMu.Lock()
	defer peopleMu.Unlock()
	if people[conn] = name; name == "" {
		delete(people, conn)
	}
	present.Publish(context.Background(), http.JSONEvent("people", slices.Sorted(maps.Values(people))))
}

func chat(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r)
	if err != nil {
		return // Upgrade has sent an error response
	}
	defer conn.Close()
	name := http.QueryParamOr(r, "name", "guest")
	setName(conn, name)
	defer setName(conn, "")
	go present.Send(r.Context(), conn, "")
	go said.Send(r.Context(), conn, http.QueryParam(r, "after"))
	for {
		var text string
		if err := conn.ReadJSON(&text); err != nil {
			return // the client disconnected
		}
		said.Publish(r.Context(), http.JSONEvent("said", name+": "+text))
	}
}

//snippet:end

// A chatClient is a page of the chat.
type chatClient struct {
	t    *testing.T
	conn *http.Conn
	last string // id of the last message
}

func openChat(t *testing.T, url string) *chatClient {
	t.Helper()
	conn, _, err := http.Dial(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &chatClient{t: t, conn: conn}
}

// want reads until there is the wanted event, and skips those with other names.
func (c *chatClient) want(event, data string) {
	c.t.Helper()
	for {
		var message struct {
			ID, Event string
			Data      json.RawMessage
		}
		if err := c.conn.ReadJSON(&message); err != nil {
			c.t.Fatalf("waiting for %s %s: %v", event, data, err)
		}
		if message.Event == "said" {
			c.last = message.ID
		}
		switch {
		case message.Event != event:
		case string(message.Data) == data:
			return
		case event == "said":
			c.t.Fatalf("got %s, want %s", message.Data, data)
		}
	}
}

func (c *chatClient) say(text string) {
	c.t.Helper()
	if err := c.conn.WriteJSON(text); err != nil {
		c.t.Fatal(err)
	}
}

func TestChat(t *testing.T) {
	t.Parallel()
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(chat))
	ann := openChat(t, srv.URL+"?name=ann")
	ann.want("people", `["ann"]`)
	ann.say("hello")
	ann.want("said", `"ann: hello"`)

	bob := openChat(t, srv.URL+"?name=bob")
	bob.want("said", `"ann: hello"`)
	ann.want("people", `["ann","bob"]`)
	bob.say("hi")
	ann.want("said", `"bob: hi"`)
	bob.want("said", `"bob: hi"`)

	bob.conn.Close()
	ann.want("people", `["ann"]`)
	for n := range 3 {
		ann.say(fmt.Sprint(n))
		ann.want("said", fmt.Sprintf(`"ann: %d"`, n))
	}
	bob = openChat(t, srv.URL+"?name=bob&after="+url.QueryEscape(bob.last))
	for n := range 3 {
		bob.want("said", fmt.Sprintf(`"ann: %d"`, n))
	}
}
