package app

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/demo/board"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// An app is the running application.
type app struct {
	*httptest.Server
	board   *board.Board
	metrics *http.Metrics
}

// threeTasks are the tasks on the board in most tests.
var threeTasks = []board.Draft{
	{Title: "beta", Description: "second", Status: board.Done},
	{Title: "alpha", Description: "first"},
	{Title: "gamma", Description: "third", Status: board.Doing},
}

// The same tasks in responses of the API.
const (
	beta  = `{"id":1,"title":"beta","description":"second","status":"done","version":1,"created_at":"T","updated_at":"T"}`
	alpha = `{"id":2,"title":"alpha","description":"first","status":"todo","version":1,"created_at":"T","updated_at":"T"}`
	gamma = `{"id":3,"title":"gamma","description":"third","status":"doing","version":1,"created_at":"T","updated_at":"T"}`
)

// startApp serves the application until the test ends. The board starts with
// the drafts and has room for two more tasks.
func startApp(t *testing.T, drafts ...board.Draft) app {
	t.Helper()
	a := serve(t, len(drafts)+2, Stores{})
	for _, draft := range drafts {
		if _, err := a.board.Add(t.Context(), draft); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// serve serves the application with an empty board until the test ends.
func serve(t *testing.T, capacity int, stores Stores) app {
	t.Helper()
	a := newApplication(capacity, stores)
	server := httptest.NewServer(a.router(slog.New(slog.DiscardHandler)))
	t.Cleanup(func() {
		a.close() // which ends the streams, so that the server can close
		server.Close()
	})
	return app{server, a.tasks, a.metrics}
}

// tasks returns all tasks on the board.
func (a app) tasks(t *testing.T) []board.Task {
	t.Helper()
	tasks, _, err := a.board.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tasks
}

// timestamp matches a time in a response of the API.
var timestamp = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)

// send sends a request and returns the response, with times in the body replaced
// by T and without white space around it. See [testkit.NewRequest] for fields.
func (a app) send(t *testing.T, method, path, body string, fields ...string) *testkit.Response {
	t.Helper()
	res := testkit.Do(t, a.Client(), testkit.NewRequest(method, a.URL+path, body, fields...))
	res.Body = strings.TrimSpace(timestamp.ReplaceAllString(res.Body, "T"))
	return res
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", board.MaxTitle+1)
	tests := []struct {
		name    string
		request string // method and path
		body    string
		status  int
		want    string // the whole body or, if it ends in "...", how it starts
	}{
		{"readiness", "GET /ready", "", 200, `{"status":"ready"}`},

		{"list", "GET /api/tasks", "", 200, `{"tasks":[` + beta + `,` + alpha + `,` + gamma + `],"total":3}`},
		{"list sorted", "GET /api/tasks?sort=title", "", 200, `{"tasks":[` + alpha + `,` + beta + `,` + gamma + `],"total":3}`},
		{"list sorted by status, descending", "GET /api/tasks?sort=STATUS&order=Desc", "", 200, `{"tasks":[` + beta + `,` + gamma + `,` + alpha + `],"total":3}`},
		{"list by an unlisted column", "GET /api/tasks?sort=description&order=asc", "", 200, `{"tasks":[` + beta + `,` + alpha + `,` + gamma + `],"total":3}`},
		{"list in an unknown order", "GET /api/tasks?sort=title&order=up", "", 200, `{"tasks":[` + alpha + `,` + beta + `,` + gamma + `],"total":3}`},
		{"list a page", "GET /api/tasks?limit=1&offset=1", "", 200, `{"tasks":[` + alpha + `],"total":3}`},
		{"list past the end", "GET /api/tasks?offset=3", "", 200, `{"tasks":[],"total":3}`},
		{"list with an offset too large for a number", "GET /api/tasks?offset=99999999999999999999", "", 200, `{"tasks":[...`},
		{"list with bad limit and offset", "GET /api/tasks?limit=many&offset=-7", "", 200, `{"tasks":[` + beta + `,` + alpha + `,` + gamma + `],"total":3}`},
		{"list one status", "GET /api/tasks?status=doing", "", 200, `{"tasks":[` + gamma + `],"total":1}`},
		{"list an unknown status", "GET /api/tasks?status=later", "", 400, `{"error":"status must be \"todo\", \"doing\" or \"done\""}`},

		{"create", "POST /api/tasks", `{"title":" new ","status":"doing"}`, 201,
			`{"id":4,"title":"new","description":"","status":"doing","version":1,"created_at":"T","updated_at":"T"}`},
		{"create ignores what a client does not decide", "POST /api/tasks", `{"title":"new","id":77,"version":9,"colour":"red"}`, 201,
			`{"id":4,"title":"new","description":"","status":"todo","version":1,"created_at":"T","updated_at":"T"}`},
		{"create without a title", "POST /api/tasks", `{"description":"x"}`, 422, `{"error":"title is required"}`},
		{"create from null", "POST /api/tasks", `null`, 422, `{"error":"title is required"}`},
		{"create with a long title", "POST /api/tasks", `{"title":"` + long + `"}`, 422, `{"error":"title must not be longer than 200 characters"}`},
		{"create with an unknown status", "POST /api/tasks", `{"title":"x","status":"later"}`, 422, `{"error":"status must be \"todo\", \"doing\" or \"done\""}`},
		{"create from nothing", "POST /api/tasks", ``, 400, `{"error":"the request body is empty...`},
		{"create from half an object", "POST /api/tasks", `{"title":`, 400, `{"error":"malformed JSON: ...`},
		{"create from a list", "POST /api/tasks", `[]`, 400, `{"error":"...`},
		{"create with a number for a title", "POST /api/tasks", `{"title":1}`, 400, `{"error":"field \"title\" has a number where a string is expected...`},
		{"create from two objects", "POST /api/tasks", `{"title":"a"}{"title":"b"}`, 400, `{"error":"trailing data after the JSON value...`},
		{"create from a form", "POST /api/tasks", `title=new`, 400, `{"error":"malformed JSON: ...`},
		{"create from too much", "POST /api/tasks", `{"title":"a","description":"` + strings.Repeat("x", 1<<20) + `"}`, 400, `{"error":"request body too large...`},

		{"read", "GET /api/tasks/2", "", 200, alpha},
		{"read without the body", "HEAD /api/tasks/2", "", 200, ""},
		{"read an unknown task", "GET /api/tasks/4", "", 404, `{"error":"no such task"}`},
		{"read a word", "GET /api/tasks/one", "", 400, `{"error":"invalid path parameter \"id\"...`},
		{"read a fraction", "GET /api/tasks/1.0", "", 400, `{"error":"invalid path parameter \"id\"...`},
		{"read zero", "GET /api/tasks/0", "", 400, `{"error":"id must be positive"}`},
		{"read a negative id", "GET /api/tasks/-1", "", 400, `{"error":"id must be positive"}`},
		{"read an id too large for a number", "GET /api/tasks/9223372036854775808", "", 400, `{"error":"invalid path parameter \"id\"...`},

		{"replace", "PUT /api/tasks/1", `{"title":"new"}`, 200,
			`{"id":1,"title":"new","description":"","status":"todo","version":2,"created_at":"T","updated_at":"T"}`},
		{"replace the seen version", "PUT /api/tasks/1", `{"title":"new","version":1}`, 200,
			`{"id":1,"title":"new","description":"","status":"todo","version":2,"created_at":"T","updated_at":"T"}`},
		{"replace another version", "PUT /api/tasks/1", `{"title":"new","version":2}`, 409, `{"error":"the task has changed since you read it"}`},
		{"replace without a title", "PUT /api/tasks/1", `{"status":"done"}`, 422, `{"error":"title is required"}`},
		{"replace an unknown task", "PUT /api/tasks/4", `{"title":"new"}`, 404, `{"error":"no such task"}`},
		{"replace a word", "PUT /api/tasks/one", `{"title":"new"}`, 400, `{"error":"invalid path parameter \"id\"...`},
		{"replace with nothing", "PUT /api/tasks/1", ``, 400, `{"error":"the request body is empty...`},

		{"edit", "PATCH /api/tasks/1", `{"status":"doing"}`, 200,
			`{"id":1,"title":"beta","description":"second","status":"doing","version":2,"created_at":"T","updated_at":"T"}`},
		{"edit to an empty description", "PATCH /api/tasks/1", `{"description":"","title":null}`, 200,
			`{"id":1,"title":"beta","description":"","status":"done","version":2,"created_at":"T","updated_at":"T"}`},
		{"edit another version", "PATCH /api/tasks/1", `{"status":"doing","version":2}`, 409, `{"error":"the task has changed since you read it"}`},
		{"edit to an empty title", "PATCH /api/tasks/1", `{"title":""}`, 422, `{"error":"title is required"}`},
		{"edit nothing", "PATCH /api/tasks/1", `{"version":1,"colour":"red"}`, 422, `{"error":"nothing to change: give title, description or status"}`},
		{"edit an unknown task", "PATCH /api/tasks/4", `{"status":"doing"}`, 404, `{"error":"no such task"}`},
		{"edit a negative id", "PATCH /api/tasks/-1", `{"status":"doing"}`, 400, `{"error":"id must be positive"}`},
		{"edit with a word for a version", "PATCH /api/tasks/1", `{"status":"doing","version":"one"}`, 400, `{"error":"field \"version\" has a string where an integer is expected...`},

		{"delete", "DELETE /api/tasks/1", "", 204, ""},
		{"delete an unknown task", "DELETE /api/tasks/4", "", 404, `{"error":"no such task"}`},
		{"delete zero", "DELETE /api/tasks/0", "", 400, `{"error":"id must be positive"}`},

		{"bulk delete", "POST /api/tasks/bulk-delete", `{"ids":[3,1]}`, 200, `{"deleted":[1,3],"missing":[]}`},
		{"bulk delete of unknown tasks", "POST /api/tasks/bulk-delete", `{"ids":[9,1,9]}`, 200, `{"deleted":[1],"missing":[9]}`},
		{"bulk delete of the most ids", "POST /api/tasks/bulk-delete", `{"ids":[1` + strings.Repeat(",1", 99) + `]}`, 200, `{"deleted":[1],"missing":[]}`},
		{"bulk delete of too many ids", "POST /api/tasks/bulk-delete", `{"ids":[1` + strings.Repeat(",1", 100) + `]}`, 400, `{"error":"too many ids: at most 100...`},
		{"bulk delete of nothing", "POST /api/tasks/bulk-delete", `{"ids":[]}`, 400, `{"error":"ids must not be empty...`},
		{"bulk delete without ids", "POST /api/tasks/bulk-delete", `{}`, 400, `{"error":"ids must not be empty...`},
		{"bulk delete of a word", "POST /api/tasks/bulk-delete", `{"ids":["one"]}`, 400, `{"error":"...`},
		{"bulk delete without a body", "POST /api/tasks/bulk-delete", ``, 400, `{"error":"the request body is empty...`},

		{"export of an unknown status", "GET /api/tasks/export?status=later", "", 400, `{"error":"status must be \"todo\", \"doing\" or \"done\""}`},

		{"unknown path", "GET /api/nothing", "", 404, `{"error":"not found"}`},
		{"unknown path below a task", "GET /api/tasks/1/comments", "", 404, `{"error":"not found"}`},
		{"slash after a path", "GET /api/tasks/", "", 404, `{"error":"not found"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := startApp(t, threeTasks...)
			method, path, _ := strings.Cut(test.request, " ")
			got := a.send(t, method, path, test.body)
			start, cut := strings.CutSuffix(test.want, "...")
			if got.StatusCode != test.status || !strings.HasPrefix(got.Body, start) || !cut && got.Body != test.want {
				t.Errorf("got %d %s\nwant %d %s", got.StatusCode, got.Body, test.status, test.want)
			}
			wantType := "application/json"
			if test.status == 204 {
				wantType = ""
			}
			if ct := got.Header.Get("Content-Type"); ct != wantType {
				t.Errorf("Content-Type %q, want %q", ct, wantType)
			}
		})
	}
}

func TestPagesAreOfBoundedSize(t *testing.T) {
	t.Parallel()
	a := startApp(t, slices.Repeat(threeTasks, 50)...)
	for query, want := range map[string]int{
		"":                     20,
		"?limit=abc":           20,
		"?limit=":              20,
		"?limit=1":             1,
		"?limit=0":             1,
		"?limit=-1":            1,
		"?limit=100":           100,
		"?limit=101":           100,
		"?limit=1000000000":    100,
		"?limit=100&offset=99": 51,
		"?offset=-1":           20,
	} {
		got := a.send(t, "GET", "/api/tasks"+query, "")
		if n := strings.Count(got.Body, `"id":`); n != want || !strings.HasSuffix(got.Body, `"total":150}`) {
			t.Errorf("%q: %d tasks, want %d: %s", query, n, want, got.Body)
		}
	}
}

func TestRefusedRequestsChangeNothing(t *testing.T) {
	t.Parallel()
	a := startApp(t, threeTasks...)
	before := a.tasks(t)
	for _, request := range []struct{ method, path, body string }{
		{"POST", "/api/tasks", `{"title":""}`},
		{"POST", "/api/tasks", `{"title":"a"} x`},
		{"PUT", "/api/tasks/1", `{"title":"a","version":7}`},
		{"PATCH", "/api/tasks/1", `{"title":"a","status":"later"}`},
		{"PATCH", "/api/tasks/1", `{"title":"a","status":1}`},
		{"DELETE", "/api/tasks/-1", ``},
		{"POST", "/api/tasks/bulk-delete", `{"ids":[1,2,"3"]}`},
	} {
		if got := a.send(t, request.method, request.path, request.body); got.StatusCode < 400 {
			t.Errorf("%v: status %d", request, got.StatusCode)
		}
	}
	after := a.tasks(t)
	if len(after) != len(before) {
		t.Fatalf("%d tasks, were %d", len(after), len(before))
	}
	for i := range after {
		if after[i] != before[i] {
			t.Errorf("task changed:\nfrom %+v\nto   %+v", before[i], after[i])
		}
	}
}

func TestWrongMethodNamesTheRightOnes(t *testing.T) {
	t.Parallel()
	a := startApp(t, threeTasks...)
	for request, allow := range map[string]string{
		"POST /":                         "GET, HEAD",
		"POST /ready":                    "GET, HEAD",
		"DELETE /routes":                 "GET, HEAD",
		"POST /api/routes":               "GET, HEAD",
		"PUT /api/tasks":                 "GET, HEAD, POST",
		"POST /api/tasks/1":              "DELETE, GET, HEAD, PATCH, PUT",
		"POST /api/tasks/export":         "DELETE, GET, HEAD, PATCH, PUT",
		"OPTIONS /api/tasks/bulk-delete": "DELETE, GET, HEAD, PATCH, POST, PUT",
	} {
		method, path, _ := strings.Cut(request, " ")
		got := a.send(t, method, path, "")
		if got.StatusCode != 405 || got.Body != `{"error":"method not allowed"}` {
			t.Errorf("%s: got %d %s", request, got.StatusCode, got.Body)
		}
		if got.Header.Get("Allow") != allow {
			t.Errorf("%s: Allow %q, want %q", request, got.Header.Get("Allow"), allow)
		}
	}
}

func TestCreatedTaskIsWhereLocationSays(t *testing.T) {
	t.Parallel()
	a := startApp(t, threeTasks...)
	created := a.send(t, "POST", "/api/tasks", `{"title":"new"}`)
	location := created.Header.Get("Location")
	if location != "/api/tasks/4" {
		t.Fatalf("Location %q", location)
	}
	if read := a.send(t, "GET", location, ""); read.StatusCode != 200 || read.Body != created.Body {
		t.Errorf("created %s\nread %d %s", created.Body, read.StatusCode, read.Body)
	}
}

func TestDeletedTaskIsGone(t *testing.T) {
	t.Parallel()
	a := startApp(t, threeTasks...)
	a.send(t, "DELETE", "/api/tasks/2", "")
	for _, method := range []string{"GET", "DELETE"} {
		if got := a.send(t, method, "/api/tasks/2", ""); got.StatusCode != 404 {
			t.Errorf("%s: status %d", method, got.StatusCode)
		}
	}
}

// Requests beyond what may work and wait get 503 at once, and clients that leave make room.
func TestWorkIsThrottled(t *testing.T) {
	t.Parallel()
	a := startApp(t)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	rejected := make(chan *testkit.Response, 3*workLimit)
	var clients sync.WaitGroup
	for range 3 * workLimit {
		clients.Go(func() {
			r := testkit.NewRequest("GET", a.URL+"/api/work?ms=1000", "").WithContext(ctx)
			r.RequestURI = ""
			if res, err := testkit.Send(a.Client(), r); err == nil && res.StatusCode != 200 {
				rejected <- res
			}
		})
	}
	for range workLimit {
		res := testkit.Receive(t, rejected, "a response to a request that was not admitted")
		res.Want(t, 503, `{"error":"server is busy"}`)
		res.WantHeader(t, "Retry-After", "2")
	}
	a.send(t, "GET", "/api/tasks", "").Want(t, 200, `{"tasks":[],"total":0}`)
	page := a.send(t, "GET", "/api/metrics", "").Body + "\n"
	for _, want := range []string{
		`http_throttle_running_requests{throttle="work"} 8`, `http_throttle_waiting_requests{throttle="work"} 8`,
		`http_requests_rejected_total{reason="throttle",route="/api/work"} 8`,
	} {
		if !strings.Contains(page, want+"\n") {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
	leave()
	clients.Wait()
	a.waitForInFlight(t, 0)
	a.send(t, "GET", "/api/work?ms=0", "").Want(t, 200, `{"ms":0}`)
}

// waitForInFlight waits until the application serves the given number of requests.
func (a app) waitForInFlight(t *testing.T, want int64) {
	t.Helper()
	deadline := time.After(testkit.Patience)
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for a.metrics.Stats().ActiveRequests != want {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("%d requests are in flight, want %d", a.metrics.Stats().ActiveRequests, want)
		}
	}
}

func TestFullBoard(t *testing.T) {
	t.Parallel()
	a := startApp(t, threeTasks...)
	for range 2 {
		if got := a.send(t, "POST", "/api/tasks", `{"title":"new"}`); got.StatusCode != 201 {
			t.Fatalf("status %d on a board with room", got.StatusCode)
		}
	}
	got := a.send(t, "POST", "/api/tasks", `{"title":"new"}`)
	if got.StatusCode != 409 || got.Body != `{"error":"the board is full: it holds 5 tasks"}` {
		t.Errorf("got %d %s", got.StatusCode, got.Body)
	}
	a.send(t, "DELETE", "/api/tasks/1", "")
	if got := a.send(t, "POST", "/api/tasks", `{"title":"new"}`); got.StatusCode != 201 {
		t.Errorf("status %d with room again", got.StatusCode)
	}
}

func TestOtherWebsitesMayOnlyRead(t *testing.T) {
	t.Parallel()
	a := startApp(t, threeTasks...)
	tests := []struct {
		method, path, body string
		field              string
		status             int
	}{
		{"POST", "/api/tasks", `{"title":"x"}`, "Sec-Fetch-Site: cross-site", 403},
		{"POST", "/api/tasks", `{"title":"x"}`, "Origin: https://elsewhere.example", 403},
		{"DELETE", "/api/tasks/1", ``, "Sec-Fetch-Site: same-site", 403},
		{"POST", "/api/tasks", `{"title":"x"}`, "Sec-Fetch-Site: same-origin", 201},
		{"GET", "/api/tasks", ``, "Sec-Fetch-Site: cross-site", 200},
	}
	for _, test := range tests {
		got := a.send(t, test.method, test.path, test.body, test.field)
		if got.StatusCode != test.status {
			t.Errorf("%s %s with %v: got %d %s, want %d", test.method, test.path, test.field, got.StatusCode, got.Body, test.status)
		}
		if got.StatusCode == 403 && got.Body != `{"error":"cross-origin request refused"}` {
			t.Errorf("body %s", got.Body)
		}
	}
}
