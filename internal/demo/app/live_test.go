package app

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/demo/board"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// An event is one event of a stream.
type event struct{ id, name, data string }

// A stream reads the board's events.
type stream struct {
	t      *testing.T
	lines  *bufio.Scanner
	cancel context.CancelFunc
}

// follow opens the stream of events after the one with the ID seen.
func (a app) follow(t *testing.T, query, lastEventID string) stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", a.URL+"/api/tasks/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastEventID != "" {
		req.Header.Set("Last-Event-ID", lastEventID)
	}
	res, err := a.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() }) // the test is over
	if ct := res.Header.Get("Content-Type"); res.StatusCode != 200 || ct != "text/event-stream" {
		t.Fatalf("status %d, Content-Type %q", res.StatusCode, ct)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 32<<20) // a full board is one line
	return stream{t, lines, cancel}
}

// next returns the next event.
func (s stream) next() event {
	s.t.Helper()
	e, ok := s.read()
	if !ok {
		s.t.Fatalf("the stream has ended: %v", s.lines.Err())
	}
	return e
}

// read returns the next event, or the id at the end of the stream.
func (s stream) read() (e event, ok bool) {
	for s.lines.Scan() {
		field, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch field {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = timestamp.ReplaceAllString(value, "T")
		case "":
			if e.name != "" {
				return e, true
			}
		}
	}
	return e, false
}

// want checks the next event and returns its ID.
func (s stream) want(name, data string) (id string) {
	s.t.Helper()
	e := s.next()
	if e.name != name || e.data != data || e.id == "" {
		s.t.Fatalf("event %+v, want %s %s", e, name, data)
	}
	return e.id
}

// threeOnBoard is the board with threeTasks.
const threeOnBoard = `{"last_id":3,"tasks":[` + beta + "," + alpha + "," + gamma + `]}`

func TestStreamTellsEveryChange(t *testing.T) {
	t.Parallel()
	a := startApp(t, threeTasks...)
	s := a.follow(t, "", "")
	s.want("board", threeOnBoard)
	a.send(t, "POST", "/api/tasks", `{"title":"new"}`)
	s.want("saved", `{"id":4,"title":"new","description":"","status":"todo","version":1,"created_at":"T","updated_at":"T"}`)
	a.send(t, "PATCH", "/api/tasks/4", `{"status":"done"}`)
	s.want("saved", `{"id":4,"title":"new","description":"","status":"done","version":2,"created_at":"T","updated_at":"T"}`)
	a.send(t, "POST", "/api/tasks/bulk-delete", `{"ids":[4,1,77]}`)
	s.want("deleted", `[1,4]`)
}

func TestEmptyBoardHasAListOfTasks(t *testing.T) {
	t.Parallel()
	startApp(t).follow(t, "", "").want("board", `{"last_id":0,"tasks":[]}`)
}

func TestReconnectingStreamGoesOn(t *testing.T) {
	t.Parallel()
	a := startApp(t, threeTasks...)
	first := a.follow(t, "", "")
	first.want("board", threeOnBoard)
	a.send(t, "DELETE", "/api/tasks/1", "")
	seen := first.want("deleted", "[1]")
	first.cancel()

	a.send(t, "DELETE", "/api/tasks/2", "")
	a.send(t, "DELETE", "/api/tasks/3", "")
	for _, again := range []stream{a.follow(t, "", seen), a.follow(t, "?lastEventID="+seen, "")} {
		again.want("deleted", "[2]")
		again.want("deleted", "[3]")
	}
}

func TestStreamBeginsAnewWhereItCannotGoOn(t *testing.T) {
	t.Parallel()
	elsewhere := startApp(t, threeTasks...).follow(t, "", "").want("board", threeOnBoard)
	for name, id := range map[string]string{"another process": elsewhere, "garbage": "%!"} {
		s := startApp(t, threeTasks...).follow(t, "", id)
		if got := s.next(); got.name != "gap" || got.data != "{}" {
			t.Errorf("%s: %+v, want a gap", name, got)
		}
		s.want("board", threeOnBoard)
	}

	a := startApp(t, threeTasks...)
	s := a.follow(t, "", "")
	seen := s.want("board", threeOnBoard)
	s.cancel()
	title := "again"
	for range 300 { // more changes than the board keeps
		if _, err := a.board.Update(t.Context(), 1, board.Edit{Title: &title}); err != nil {
			t.Fatal(err)
		}
	}
	again := a.follow(t, "", seen)
	if got := again.next(); got.name != "gap" {
		t.Errorf("%+v, want a gap", got)
	}
	var all struct{ Tasks []board.Task }
	got := again.next()
	// The times have been removed.
	data := strings.ReplaceAll(got.data, `"T"`, `"2026-01-01T00:00:00Z"`)
	if err := json.Unmarshal([]byte(data), &all); err != nil || got.name != "board" {
		t.Fatalf("%+v: %v", got, err)
	}
	if len(all.Tasks) != 3 {
		t.Errorf("%d tasks", len(all.Tasks))
	}
	a.send(t, "DELETE", "/api/tasks/1", "")
	again.wantVersionsUntilDeleted(all.Tasks[0].Version)
}

// wantVersionsUntilDeleted reads the changes of the first task up to its deletion. version
// is the one in the list that the stream has begun with. The list may have been made for
// another stream, before the last changes, which then follow. The first of them may be in
// the list already, because the position of a list is older than its content.
func (s stream) wantVersionsUntilDeleted(version int64) {
	s.t.Helper()
	for {
		got := s.next()
		if got.name == "deleted" {
			if got.data != "[1]" || version != 301 {
				s.t.Errorf("%+v after version %d, want [1] after version 301", got, version)
			}
			return
		}
		var task board.Task
		data := strings.ReplaceAll(got.data, `"T"`, `"2026-01-01T00:00:00Z"`)
		err := json.Unmarshal([]byte(data), &task)
		if err != nil || got.name != "saved" || task.Title != "again" || task.Version > version+1 {
			s.t.Fatalf("%+v after version %d: %v", got, version, err)
		}
		version = max(version, task.Version)
	}
}

// A client that does not read delays neither the board nor other clients. When it
// reads again, it gets the same board as the others. If the board changes faster
// than it can be sent, streams end, and clients reconnect.
func TestStalledStreamHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	a := startApp(t, threeTasks...)
	stalled, lively := a.follow(t, "", ""), a.follow(t, "", "")
	lively.next()
	long := strings.Repeat("x", board.MaxDescription)
	const changes = 3000 // about 6 MB, more than sockets buffer
	for n := range changes {
		title := fmt.Sprint(n)
		if _, err := a.board.Update(t.Context(), 1, board.Edit{Title: &title, Description: &long}); err != nil {
			t.Fatal(err)
		}
	}
	last := fmt.Sprintf(`"title":"%d"`, changes-1)
	for _, s := range []stream{lively, stalled} {
		seen := ""
		for {
			e, ok := s.read()
			if strings.Contains(e.data, last) {
				break
			}
			if seen = cmp.Or(e.id, seen); !ok {
				s = a.follow(t, "", seen)
			}
		}
	}
}

func TestPageIsServedWithItsPolicy(t *testing.T) {
	t.Parallel()
	a := startApp(t, threeTasks...)
	index := a.send(t, "GET", "/", "")
	for _, path := range []string{"/", "/tasks/1", "/chat", "/dashboard", "/routes"} {
		got := a.send(t, "GET", path, "")
		if got.StatusCode != 200 || got.Body != index.Body || got.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: got %d %v", path, got.StatusCode, got.Header)
		}
		if csp := got.Header.Get("Content-Security-Policy"); csp != contentPolicy || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: Content-Security-Policy %q", path, csp)
		}
	}
	if got := a.send(t, "GET", "/js/missing.js", ""); got.StatusCode != 404 {
		t.Errorf("missing file: status %d", got.StatusCode)
	}
}

func TestFilesAreRevalidated(t *testing.T) {
	t.Parallel()
	a := startApp(t)
	for _, path := range []string{"/", "/style.css", "/js/main.js", "/favicon.svg"} {
		got := a.send(t, "GET", path, "")
		etag := got.Header.Get("ETag")
		if got.StatusCode != 200 || etag == "" || got.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: got %d %v", path, got.StatusCode, got.Header)
		}
		again := a.send(t, "GET", path, "", "If-None-Match: "+etag)
		if again.StatusCode != 304 || again.Body != "" {
			t.Errorf("%s again: got %d with %d bytes", path, again.StatusCode, len(again.Body))
		}
	}
}

// Every module that a file imports exists. With a wrong name, the page would be
// empty.
func TestModulesExist(t *testing.T) {
	t.Parallel()
	a := startApp(t)
	checked := []string{}
	todo := []string{"/js/main.js"}
	for len(todo) > 0 {
		path := todo[0]
		todo = todo[1:]
		if slices.Contains(checked, path) {
			continue
		}
		checked = append(checked, path)
		got := a.send(t, "GET", path, "")
		if got.StatusCode != 200 || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/javascript") {
			t.Errorf("%s: got %d %v", path, got.StatusCode, got.Header)
		}
		for line := range strings.Lines(got.Body) {
			if _, from, found := strings.Cut(line, "from '"); found && strings.HasPrefix(line, "import") {
				name, _, _ := strings.Cut(from, "'")
				todo = append(todo, name)
			}
		}
	}
	if len(checked) < 10 {
		t.Errorf("only %q", checked)
	}
}

func TestWritesAreLimited(t *testing.T) {
	t.Parallel()
	a := startApp(t, threeTasks...)
	for n := range writeLimit + 1 {
		got := a.send(t, "PATCH", "/api/tasks/1", `{"status":"doing"}`)
		if n < writeLimit {
			if got.StatusCode != 200 {
				t.Fatalf("change %d: got %d %s", n+1, got.StatusCode, got.Body)
			}
			continue
		}
		if got.StatusCode != 429 || got.Body != `{"error":"too many changes at once"}` || got.Header.Get("Retry-After") == "" {
			t.Errorf("got %d %s %v", got.StatusCode, got.Body, got.Header)
		}
	}
	if got := a.send(t, "GET", "/api/tasks/1", ""); got.StatusCode != 200 {
		t.Errorf("reading: status %d", got.StatusCode)
	}
}

// The second server has the same metrics, and its own readiness, but not the page.
func TestOperations(t *testing.T) {
	t.Parallel()
	a := newApplication(1, Stores{})
	t.Cleanup(a.close)
	public, operations := a.router(slog.New(slog.DiscardHandler)), a.operations()
	testkit.Serve(t, public, "GET", "/api/tasks", "").Want(t, 200, `{"tasks":[],"total":0}`)
	page := testkit.Serve(t, operations, "GET", "/metrics", "").Body
	if want := `http_requests_total{method="GET",route="/api/tasks",status="2xx"} 1`; !strings.Contains(page, want) {
		t.Errorf("no %s in\n%s", want, page)
	}
	testkit.Serve(t, operations, "GET", "/ready", "").Want(t, 200, `{"status":"ready"}`)
	testkit.Serve(t, operations, "GET", "/", "").Want(t, 404, `{"error":"not found"}`)
}

func TestMetricsArePublished(t *testing.T) {
	t.Parallel()
	a := startApp(t, threeTasks...)
	a.send(t, "GET", "/api/tasks/1", "")
	page := a.send(t, "GET", "/api/metrics", "").Body
	for _, want := range []string{
		`http_requests_total{method="GET",route="/api/tasks/{id}",status="2xx"} 1`,
		"go_goroutines ", "go_memstats_heap_inuse_bytes ",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
}
