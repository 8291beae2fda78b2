package stacks_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"io"
	"maps"
	nethttp "net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/compare/stacks"
)

// An answer contains the parts of a response that must be the same for all
// contestants.
type answer struct {
	status int
	body   string
	coding string
	fields map[string]string
	logged string
}

// ask sends the row's request to a contestant once. The result includes the
// text that was logged.
func ask(t *testing.T, row stacks.Row, c stacks.Contestant, log *bytes.Buffer) answer {
	t.Helper()
	r := row.Request.Clone(t.Context())
	if row.Body != "" {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(row.Body)), int64(len(row.Body))
	}
	log.Reset()
	rec := httptest.NewRecorder()
	c.Handler.ServeHTTP(rec, r)
	h := rec.Result().Header
	a := answer{rec.Code, strings.TrimSpace(plain(t, rec)), h.Get("Content-Encoding"), map[string]string{}, log.String()}
	if r.Method == nethttp.MethodOptions && a.status == nethttp.StatusOK {
		a.status = nethttp.StatusNoContent // browsers accept 200 too, and go-chi/cors always sends it
	}
	for _, name := range row.Fields {
		a.fields[name] = h.Get(name)
	}
	return a
}

// plain returns a body, decompressed if necessary.
func plain(t *testing.T, rec *httptest.ResponseRecorder) string {
	t.Helper()
	body := io.Reader(rec.Body)
	if rec.Header().Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gzip.NewReader(rec.Body); err != nil {
			t.Fatal(err)
		}
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// line parses a line of the log.
func line(t *testing.T, text string) map[string]any {
	t.Helper()
	facts := map[string]any{}
	if err := json.Unmarshal([]byte(text), &facts); err != nil {
		t.Errorf("logged %q: %v", text, err)
	}
	return facts
}

// own lists the header fields whose values may differ between contestants.
var own = []string{"X-Request-Id", "Etag"}

// answerAlike fails the test unless all contestants of a row send the same
// response as the first and log the same facts.
func answerAlike(t *testing.T, row stacks.Row, log *bytes.Buffer) {
	t.Helper()
	var want answer
	for i, c := range row.Contestants {
		got := ask(t, row, c, log)
		if i == 0 {
			want = got
		}
		if got.status != want.status || got.body != want.body || got.coding != want.coding {
			t.Errorf("%s: %s answers with status %d, %d bytes, coding %q; want %d, %d bytes, %q",
				row.Name, c.Name, got.status, len(got.body), got.coding, want.status, len(want.body), want.coding)
		}
		for name, value := range got.fields {
			if value == "" || value != want.fields[name] && !slices.Contains(own, name) {
				t.Errorf("%s: %s sends %s: %q, want %q", row.Name, c.Name, name, value, want.fields[name])
			}
		}
		logAlike(t, row.Name+": "+c.Name, got.logged, want.logged)
	}
}

// logAlike fails the test unless two lines contain the same facts.
func logAlike(t *testing.T, who, got, want string) {
	t.Helper()
	if got == "" && want == "" {
		return
	}
	g, w := line(t, got), line(t, want)
	if names, wanted := slices.Sorted(maps.Keys(g)), slices.Sorted(maps.Keys(w)); !slices.Equal(names, wanted) {
		t.Errorf("%s logs %v, want %v", who, names, wanted)
	}
	for _, name := range []string{"level", "method", "path", "status"} {
		if g[name] != w[name] {
			t.Errorf("%s logs %s: %v, want %v", who, name, g[name], w[name])
		}
	}
}

func TestMiddlewareAnswersAlike(t *testing.T) {
	var log bytes.Buffer
	for _, row := range stacks.Middleware(&log) {
		answerAlike(t, row, &log)
		for _, c := range row.Contestants {
			a := ask(t, row, c, &log)
			if d := len(a.body) - row.Size; a.status != cmp.Or(row.Status, nethttp.StatusOK) || d < -20 || d > 20 {
				t.Errorf("%s: %s answers with status %d and %d bytes", row.Name, c.Name, a.status, len(a.body))
			}
			if a.coding != row.Coding {
				t.Errorf("%s: %s answers with coding %q", row.Name, c.Name, a.coding)
			}
			if (a.logged != "") != row.Logs {
				t.Errorf("%s: %s logs %q", row.Name, c.Name, a.logged)
			}
		}
	}
}

func TestChainsAnswerAlike(t *testing.T) {
	var log bytes.Buffer
	for _, row := range stacks.Chains(&log) {
		answerAlike(t, row, &log)
		for _, c := range row.Contestants {
			a := ask(t, row, c, &log)
			if a.status != nethttp.StatusOK || a.coding != row.Coding {
				t.Errorf("%s: %s answers with status %d, coding %q", row.Name, c.Name, a.status, a.coding)
			}
			for _, name := range []string{
				"method", "path", "status", "duration", "bytes", "remote_ip", "request_id", "pattern",
			} {
				if fact, ok := line(t, a.logged)[name]; !ok || fact == "" {
					t.Errorf("%s: %s logs %q, without %s", row.Name, c.Name, a.logged, name)
				}
			}
		}
		for _, c := range row.Beside {
			if a := ask(t, row, c, &log); a.status != nethttp.StatusOK || a.body != ask(t, row, row.Contestants[0], &log).body {
				t.Errorf("%s: %s answers with status %d, %d bytes", row.Name, c.Name, a.status, len(a.body))
			}
		}
	}
}

// rows returns the rows of the middleware whose names begin with prefix.
func rows(t *testing.T, prefix string) []stacks.Row {
	t.Helper()
	all := slices.DeleteFunc(stacks.Middleware(io.Discard), func(row stacks.Row) bool { return !strings.HasPrefix(row.Name, prefix) })
	if len(all) == 0 {
		t.Fatalf("no row %s", prefix)
	}
	return all
}

// TestPreflightsAllowWhatIsAsked checks responses to preflights as a browser
// does.
func TestPreflightsAllowWhatIsAsked(t *testing.T) {
	for _, row := range rows(t, "CORS-preflight") {
		for _, c := range row.Contestants {
			rec := httptest.NewRecorder()
			c.Handler.ServeHTTP(rec, row.Request.Clone(t.Context()))
			methods := rec.Header().Get("Access-Control-Allow-Methods")
			headers := strings.ToLower(rec.Header().Get("Access-Control-Allow-Headers"))
			if !strings.Contains(methods, "PUT") || !strings.Contains(headers, "content-type") {
				t.Errorf("%s allows methods %q and headers %q", c.Name, methods, headers)
			}
		}
	}
}

func TestLargeBodiesAreRefused(t *testing.T) {
	var log bytes.Buffer
	for _, row := range rows(t, "MaxBody") {
		row.Body = strings.Repeat("x", 3<<20)
		for _, c := range row.Contestants {
			if a := ask(t, row, c, &log); a.status != nethttp.StatusRequestEntityTooLarge {
				t.Errorf("%s answers 3 MB with status %d", c.Name, a.status)
			}
		}
	}
}

// A mine is a body that panics when it is read.
type mine struct{}

// Read panics.
func (mine) Read([]byte) (int, error) { panic("as the test wants it") }

func TestPanicsAreRecovered(t *testing.T) {
	for _, row := range rows(t, "Recovery") {
		for _, c := range row.Contestants {
			r, rec := httptest.NewRequest("POST", row.Request.URL.Path, mine{}), httptest.NewRecorder()
			c.Handler.ServeHTTP(rec, r)
			if rec.Code != nethttp.StatusInternalServerError {
				t.Errorf("%s answers with status %d", c.Name, rec.Code)
			}
		}
	}
}

func TestTagsAreRecognized(t *testing.T) {
	var log bytes.Buffer
	for _, row := range rows(t, "ETag") {
		for _, c := range row.Contestants {
			r := row.Request.Clone(t.Context())
			r.Header.Set("If-None-Match", ask(t, row, c, &log).fields["Etag"])
			rec := httptest.NewRecorder()
			c.Handler.ServeHTTP(rec, r)
			if rec.Code != nethttp.StatusNotModified || rec.Body.Len() > 0 {
				t.Errorf("%s answers with status %d and %d bytes", c.Name, rec.Code, rec.Body.Len())
			}
		}
	}
}

// TestRequestsAreRestored checks that no contestant finds its own changes in a
// reused request, which could save it work.
func TestRequestsAreRestored(t *testing.T) {
	for _, row := range append(stacks.Middleware(io.Discard), stacks.Chains(io.Discard)...) {
		for _, c := range append(row.Contestants, row.Beside...) {
			r := row.Request
			header, url := r.Header.Clone(), *r.URL
			c.Handler.ServeHTTP(httptest.NewRecorder(), r)
			restore(r)
			if !maps.EqualFunc(r.Header, header, slices.Equal) || *r.URL != url || r.Pattern != "" || r.PostForm != nil {
				t.Errorf("%s: %s changes the request to %+v", row.Name, c.Name, r)
			}
		}
	}
}

func TestRequestIDsDiffer(t *testing.T) {
	var log bytes.Buffer
	for _, row := range append(stacks.Middleware(&log), stacks.Chains(&log)...) {
		for _, c := range row.Contestants {
			const name = "X-Request-Id"
			a, b := ask(t, row, c, &log).fields[name], ask(t, row, c, &log).fields[name]
			if slices.Contains(row.Fields, name) && a == b {
				t.Errorf("%s: %s gives two requests the id %q", row.Name, c.Name, a)
			}
		}
	}
}

func BenchmarkMiddleware(b *testing.B) {
	for _, row := range stacks.Middleware(io.Discard) {
		measureRow(b, row, newHeader)
	}
}

func BenchmarkChain(b *testing.B) {
	for _, row := range stacks.Chains(io.Discard) {
		measureRow(b, row, newHeader)
	}
}
