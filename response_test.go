package http_test

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"mime"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// logged calls f with a request whose logger writes JSON lines, and returns the lines.
func logged(f func(r *http.Request)) string {
	var out testkit.Log
	r := testkit.NewRequest("GET", "/a/b?secret=1", "")
	logger := out.JSON()
	f(r.WithContext(http.ContextWithLogger(r.Context(), logger)))
	return out.String()
}

func TestWriteJSON(t *testing.T) {
	t.Parallel()
	tests := []struct {
		v    any
		want string
	}{
		{map[string]string{"status": "ok"}, `{"status":"ok"}`},
		{nil, `null`},
		{[]int{}, `[]`},
		{"<a&b>", `"\u003ca\u0026b\u003e"`},
		{json.RawMessage(`{"a": 1}`), `{"a":1}`},
		{struct {
			A int `json:"a"`
		}{1}, `{"a":1}`},
	}
	for _, tt := range tests {
		rec := httptest.NewRecorder()
		rec.Header().Set("Content-Type", "text/html")
		http.WriteJSON(rec, http.StatusCreated, tt.v)
		if rec.Code != 201 || rec.Body.String() != tt.want {
			t.Errorf("%v: answered %d %q, want 201 %q", tt.v, rec.Code, rec.Body, tt.want)
		}
		h := rec.Header()
		if h.Get("Content-Type") != "application/json" || h.Get("Content-Length") != strconv.Itoa(len(tt.want)) {
			t.Errorf("%v: headers %v", tt.v, h)
		}
	}
}

func TestWriteJSONSetsTheLengthOfALargeBody(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("x", 1<<20)
	testkit.EachProtocol(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.WriteJSON(w, http.StatusOK, text)
	}), func(t *testing.T, srv *testkit.Server) {
		for _, method := range []string{"GET", "HEAD"} {
			res := srv.Do(t, method, "/", "")
			if res.ContentLength != int64(len(text)+2) || method == "GET" && res.Body != `"`+text+`"` {
				t.Errorf("%s: length %d, body of %d bytes", method, res.ContentLength, len(res.Body))
			}
		}
	})
}

func TestStatusesThatAllowNoBodySendNoBody(t *testing.T) {
	t.Parallel()
	write := map[string]func(w http.ResponseWriter, status int){
		"/json":  func(w http.ResponseWriter, status int) { http.WriteJSON(w, status, make(chan int)) },
		"/error": func(w http.ResponseWriter, status int) { http.WriteError(w, status, "sorry") },
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.URL.RawQuery)
		write[r.URL.Path](w, status)
	})
	testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
		for path := range write {
			for _, status := range []int{204, 205, 304, 103} {
				res := srv.Get(t, path+"?"+strconv.Itoa(status))
				want := status
				if status < 200 {
					want = 200 // the final response, which the handler did not send
				}
				if res.StatusCode != want || res.Body != "" || res.Header.Get("Content-Type") != "" {
					t.Errorf("%s %d: got %v", path, status, res)
				}
			}
		}
		if log := srv.Logged(); log != "" {
			t.Errorf("the server logged an error: %s", log)
		}
	})
}

type badJSON struct{}

func (badJSON) MarshalJSON() ([]byte, error) { return nil, errors.New("no password for db.internal") }

func TestWriteJSONRespondsToAnEncodingErrorWithA500(t *testing.T) {
	// Not parallel: the error goes to the default logger.
	var log testkit.Log
	before := slog.Default()
	slog.SetDefault(log.Text())
	t.Cleanup(func() { slog.SetDefault(before) })
	const want = `{"error":"internal server error"}`
	for _, v := range []any{
		make(chan int), math.NaN(), badJSON{}, []any{strings.Repeat("x", 1<<20), func() {}}, json.RawMessage(`{`),
	} {
		for name, write := range map[string]func(w http.ResponseWriter){
			"WriteJSON":         func(w http.ResponseWriter) { http.WriteJSON(w, http.StatusOK, v) },
			"PaginatedResponse": func(w http.ResponseWriter) { http.PaginatedResponse(w, "items", v, 1) },
		} {
			log.Reset()
			rec := httptest.NewRecorder()
			rec.Header().Set("ETag", `"x"`)
			write(rec)
			if rec.Code != 500 || rec.Body.String() != want || rec.Header().Get("Content-Length") != strconv.Itoa(len(want)) {
				t.Errorf("%s of %T: answered %d %.100q %v", name, v, rec.Code, rec.Body, rec.Header())
			}
			if rec.Header().Get("ETag") != "" {
				t.Errorf("%s of %T: kept the tag", name, v)
			}
			if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "json: ") {
				t.Errorf("%s of %T: logged %q", name, v, log.String())
			}
		}
	}
}

type explosive struct{}

func (explosive) MarshalJSON() ([]byte, error) { panic("boom") }

func TestWriteJSONPassesAPanicOnBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	rec := httptest.NewRecorder()
	got := panicText(func() { http.WriteJSON(rec, http.StatusOK, []any{1, explosive{}}) })
	if got != "boom" || len(rec.Header()) != 0 || rec.Body.Len() != 0 {
		t.Errorf("panicked with %q after %v %q", got, rec.Header(), rec.Body)
	}
}

func TestResponsesShareNoHeaderSlices(t *testing.T) {
	t.Parallel()
	a, b := httptest.NewRecorder(), httptest.NewRecorder()
	http.WriteJSON(a, 200, 1)
	http.WriteJSON(b, 200, 1)
	a.Header()["Content-Type"][0] = "changed"
	a.Header().Add("Content-Type", "more")
	if b.Header().Get("Content-Type") != "application/json" || a.Header().Get("Content-Length") != "1" {
		t.Errorf("%v, %v", a.Header(), b.Header())
	}
}

func TestWriteErrorRemovesHeadersOfAnotherBody(t *testing.T) {
	t.Parallel()
	rec := httptest.NewRecorder()
	for _, name := range []string{"Content-Encoding", "ETag", "Last-Modified", "Cache-Control", "Content-Length", "X-Kept"} {
		rec.Header().Set(name, "9")
	}
	http.WriteError(rec, http.StatusNotFound, `no "user" <1>`)
	want := `{"error":"no \"user\" \u003c1\u003e"}`
	if rec.Code != 404 || rec.Body.String() != want {
		t.Errorf("answered %d %s, want 404 %s", rec.Code, rec.Body, want)
	}
	if got := fmt.Sprint(rec.Header()); got != fmt.Sprintf("map[Content-Length:[%d] Content-Type:[application/json] X-Kept:[9]]", len(want)) {
		t.Errorf("headers %s", got)
	}
}

func TestWriteServerErrorLogsTheCauseAndHidesIt(t *testing.T) {
	t.Parallel()
	rec := httptest.NewRecorder()
	log := logged(func(r *http.Request) {
		http.WriteServerError(rec, r, "failed to list users", errors.New("dial db.internal: refused"))
	})
	if rec.Code != 500 || rec.Body.String() != `{"error":"failed to list users"}` {
		t.Errorf("answered %d %s", rec.Code, rec.Body)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(log), &line); err != nil {
		t.Fatalf("logged %q: %v", log, err)
	}
	for key, want := range map[string]string{
		"level": "ERROR", "msg": "failed to list users", "error": "dial db.internal: refused", "method": "GET", "path": "/a/b",
	} {
		if line[key] != want {
			t.Errorf("%s is %q, want %q", key, line[key], want)
		}
	}
}

func TestPaginatedResponse(t *testing.T) {
	t.Parallel()
	type user struct {
		ID int `json:"id"`
	}
	var none []user
	type count int64
	tests := []struct {
		name  string
		write func(w http.ResponseWriter)
		want  string
	}{
		{"int", func(w http.ResponseWriter) { http.PaginatedResponse(w, "users", []user{{1}, {2}}, 42) }, `{"users":[{"id":1},{"id":2}],"total":42}`},
		{"int64", func(w http.ResponseWriter) { http.PaginatedResponse(w, "users", []user{}, int64(math.MaxInt64)) }, `{"users":[],"total":9223372036854775807}`},
		{"own type", func(w http.ResponseWriter) { http.PaginatedResponse(w, "users", []int{1}, count(3)) }, `{"users":[1],"total":3}`},
		{"nil slice", func(w http.ResponseWriter) { http.PaginatedResponse(w, "users", none, 0) }, `{"users":[],"total":0}`},
		{"nil", func(w http.ResponseWriter) { http.PaginatedResponse(w, "users", nil, 0) }, `{"users":[],"total":0}`},
		{"pointer to a nil slice", func(w http.ResponseWriter) { http.PaginatedResponse(w, "users", &none, 0) }, `{"users":[],"total":0}`},
		{"nil pointer", func(w http.ResponseWriter) { http.PaginatedResponse(w, "users", (*[]user)(nil), 0) }, `{"users":[],"total":0}`},
		{"nil RawMessage", func(w http.ResponseWriter) { http.PaginatedResponse(w, "users", json.RawMessage(nil), 0) }, `{"users":[],"total":0}`},
		{"null inside", func(w http.ResponseWriter) { http.PaginatedResponse(w, "users", []*user{nil}, 0) }, `{"users":[null],"total":0}`},
		{"odd key", func(w http.ResponseWriter) { http.PaginatedResponse(w, `a"<`, none, 0) }, `{"a\"\u003c":[],"total":0}`},
	}
	for _, tt := range tests {
		rec := httptest.NewRecorder()
		tt.write(rec)
		if rec.Code != 200 || rec.Body.String() != tt.want || rec.Header().Get("Content-Length") != strconv.Itoa(len(tt.want)) {
			t.Errorf("%s: answered %d %s %v, want %s", tt.name, rec.Code, rec.Body, rec.Header(), tt.want)
		}
	}
}

func TestPaginatedResponsePanicsForTheKeyTotal(t *testing.T) {
	t.Parallel()
	rec := httptest.NewRecorder()
	got := panicText(func() { http.PaginatedResponse(rec, "total", []int{1}, 1) })
	if !strings.Contains(got, "response_test.go:") || !strings.Contains(got, `"total"`) || rec.Body.Len() != 0 {
		t.Errorf("panicked with %q after %q", got, rec.Body)
	}
}

// rowsOf returns a function that returns one row after the other.
func rowsOf(rows ...[]string) func() []string {
	return func() []string {
		if len(rows) == 0 {
			return nil
		}
		row := rows[0]
		rows = rows[1:]
		return row
	}
}

func TestWriteCSV(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		header []string
		rows   [][]string
		want   string
	}{
		{"plain", []string{"ID", "Name"}, [][]string{{"1", "Ada"}, {"2", "Bob"}}, "ID,Name\n1,Ada\n2,Bob\n"},
		{"quoting", []string{"a,b"}, [][]string{{`say "x"`}, {"two\nlines"}, {"", ""}}, "\"a,b\"\n\"say \"\"x\"\"\"\n\"two\nlines\"\n,\n"},
		{"formulas are left alone", nil, [][]string{{"=1+1", "@x", "+1", "-1"}}, "=1+1,@x,+1,-1\n"},
		{"one empty cell", []string{"Note"}, [][]string{{"a"}, {""}, {"b"}}, "Note\na\n\"\"\nb\n"},
		{"one empty cell in the header", []string{""}, [][]string{{"a"}}, "\"\"\na\n"},
		{"comment", []string{"#", "#"}, [][]string{{"#1", "#2"}}, "\"#\",#\n\"#1\",#2\n"},
		{"row without cells", nil, [][]string{{"a"}, {}, {"b"}}, "a\n\nb\n"},
		{"no rows", []string{"ID"}, nil, "ID\n"},
		{"nothing", nil, nil, ""},
	}
	for _, tt := range tests {
		rec := httptest.NewRecorder()
		rec.Header().Set("Content-Length", "3")
		http.WriteCSV(rec, "users", tt.header, rowsOf(tt.rows...))
		if rec.Code != 200 || rec.Body.String() != tt.want {
			t.Errorf("%s: answered %d %q, want %q", tt.name, rec.Code, rec.Body, tt.want)
		}
		h := rec.Header()
		if h.Get("Content-Type") != "text/csv; charset=utf-8" || h.Get("Content-Disposition") == "" || h.Get("Content-Length") != "" {
			t.Errorf("%s: headers %v", tt.name, h)
		}
	}
}

func TestWriteCSVRowsCanBeReadBack(t *testing.T) {
	t.Parallel()
	rows := [][]string{{"note"}, {""}, {"#1"}, {" "}, {"\t"}, {`\.`}, {`"`}, {"two\nlines"}, {"\n"}, {"\r"}, {","}, {"\u00a0"}, {""}}
	testkit.EachProtocol(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.WriteCSV(w, "notes", rows[0], rowsOf(rows[1:]...))
	}), func(t *testing.T, srv *testkit.Server) {
		body := srv.Get(t, "/").Body
		for _, comment := range []rune{0, '#'} {
			reader := csv.NewReader(strings.NewReader(body))
			reader.Comment = comment
			if got, err := reader.ReadAll(); err != nil || !reflect.DeepEqual(got, rows) {
				t.Errorf("%q is read back as %q, %v, want %q", body, got, err, rows)
			}
		}
	})
}

func TestWriteCSVNamesTheFileAfterTheDayInUTC(t *testing.T) {
	// Not parallel: the time zone is global.
	local := time.Local
	time.Local = time.FixedZone("far east", 14*60*60)
	t.Cleanup(func() { time.Local = local })
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(23*time.Hour + 30*time.Minute) // synctest starts at midnight UTC, 2000-01-01
		rec := httptest.NewRecorder()
		http.WriteCSV(rec, "users", nil, rowsOf())
		if got, want := rec.Header().Get("Content-Disposition"), `attachment; filename=users-20000101.csv`; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

func TestWriteCSVMakesTheFileNameSafe(t *testing.T) {
	t.Parallel()
	var entity string
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.WriteCSV(w, entity, []string{"ID"}, rowsOf())
	}))
	for in, want := range map[string]string{
		"a\"; filename=evil.bat\r\nX: y": "a__ filename=evil.bat__X_ y",
		"über":                           "über",
		"../x":                           "__x",
		"users":                          "users",
	} {
		entity = in
		res := srv.Get(t, "/")
		value := res.Header.Get("Content-Disposition")
		_, params, err := mime.ParseMediaType(value)
		name, _, _ := strings.Cut(params["filename"], "-2")
		if err != nil || name != want || res.Header.Get("X") != "" {
			t.Errorf("%q gives %s: name %q, %v", in, value, name, err)
		}
		if extended := strings.Contains(value, "filename*=UTF-8''"); extended != (in == "über") {
			t.Errorf("%q gives %s", in, value)
		}
	}
}

func TestWriteCSVStreamsInBoundedMemory(t *testing.T) {
	t.Parallel()
	const rows = 100_000
	row := []string{"0123456789", "0123456789", "0123456789"}
	testkit.EachProtocol(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := 0
		http.WriteCSV(&boundedWrites{w, t}, "numbers", nil, func() []string {
			if n++; n > rows {
				return nil
			}
			return row
		})
	}), func(t *testing.T, srv *testkit.Server) {
		res, err := srv.Client().Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		reader := csv.NewReader(res.Body)
		reader.ReuseRecord = true
		n := 0
		for ; ; n++ {
			if _, err := reader.Read(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if n != rows {
			t.Errorf("%d rows arrived", n)
		}
	})
}

// boundedWrites fails the test for large writes.
type boundedWrites struct {
	http.ResponseWriter
	t *testing.T
}

func (b *boundedWrites) Write(p []byte) (int, error) {
	if len(p) > 8<<10 {
		b.t.Errorf("%d bytes in one write", len(p))
	}
	return b.ResponseWriter.Write(p)
}

func TestWriteCSVFlushesSlowRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := httptest.NewRecorder()
		var seen []string
		n := 0
		http.WriteCSV(rec, "x", []string{"h"}, func() []string {
			if seen = append(seen, rec.Body.String()); n == 3 {
				return nil
			}
			n++
			time.Sleep(600 * time.Millisecond)
			return []string{strconv.Itoa(n)}
		})
		if got, want := strings.Join(seen, "|"), "||h\n1\n2\n|h\n1\n2\n"; got != want || !rec.Flushed {
			t.Errorf("the client had %q, want %q; flushed %v", got, want, rec.Flushed)
		}
	})
}

func TestWriteCSVStopsWhenTheClientDisconnects(t *testing.T) {
	t.Parallel()
	n := 0
	http.WriteCSV(brokenWriter{http.Header{}}, "x", nil, func() []string {
		if n++; n > 10_000 {
			return nil
		}
		return []string{"0123456789"}
	})
	if n > 1000 {
		t.Errorf("next was called %d times", n)
	}
}

type brokenWriter struct{ h http.Header }

func (b brokenWriter) Header() http.Header       { return b.h }
func (b brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
func (b brokenWriter) WriteHeader(int)           {}

func TestWriteCSVThatPanicsDoesNotLookComplete(t *testing.T) {
	t.Parallel()
	testkit.EachProtocol(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := 0
		http.WriteCSV(w, "x", nil, func() []string {
			if n++; n > 5000 {
				panic(http.ErrAbortHandler)
			}
			return []string{"0123456789"}
		})
	}), func(t *testing.T, srv *testkit.Server) {
		res, err := srv.Client().Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if _, err := io.Copy(io.Discard, res.Body); err == nil {
			t.Error("the client considers the file complete")
		}
	})
}

func TestWriteCSVThatPanicsEarlyLeavesTheResponseUntouched(t *testing.T) {
	t.Parallel()
	rec := httptest.NewRecorder()
	got := panicText(func() {
		http.WriteCSV(rec, "x", []string{"h"}, func() []string { panic("boom") })
	})
	if got != "boom" || len(rec.Header()) != 0 || rec.Body.Len() != 0 {
		t.Errorf("panicked with %q after %v %q", got, rec.Header(), rec.Body)
	}
}

func TestWriteCSVWithoutNextPanics(t *testing.T) {
	t.Parallel()
	if got := panicText(func() { http.WriteCSV(httptest.NewRecorder(), "x", nil, nil) }); !strings.Contains(got, "response_test.go:") {
		t.Errorf("panicked with %q", got)
	}
}

type benchUser struct {
	ID    int64    `json:"id"`
	Name  string   `json:"name"`
	Email string   `json:"email"`
	Tags  []string `json:"tags"`
}

var ada = &benchUser{1, "Ada Lovelace", "ada@example.com", []string{"math", "engines"}}

func TestResponseAllocations(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	w := new(nullWriter)
	encoder := json.NewEncoder(io.Discard)
	for _, tt := range []struct {
		name  string
		most  float64 // for the header values and, from 100 on, the length as text
		value any     // encoding/json may allocate for it in addition
		f     func()
	}{
		{"WriteJSON, short", 1, ada, func() { http.WriteJSON(w, 200, ada) }},
		{"WriteJSON, 100 bytes and more", 2, strings100, func() { http.WriteJSON(w, 200, strings100) }},
		{"WriteError", 1, nil, func() { http.WriteError(w, 404, "user not found") }},
		{"PaginatedResponse", 1, page, func() { http.PaginatedResponse(w, "users", page, 42) }},
	} {
		most := tt.most + testing.AllocsPerRun(100, func() {
			_ = encoder.Encode(tt.value) // to io.Discard
		})
		if n := testing.AllocsPerRun(100, tt.f); n > most {
			t.Errorf("%s: %v allocations, want at most %v", tt.name, n, most)
		}
	}
}

var (
	strings100 any = &[]string{strings.Repeat("x", 100)}
	page       any = []int{1, 2, 3}
)

func BenchmarkWriteJSON(b *testing.B) {
	w := new(nullWriter)
	b.Run("WriteJSON", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			http.WriteJSON(w, http.StatusOK, ada)
		}
	})
	b.Run("json.Marshal by hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			body, err := json.Marshal(ada)
			if err != nil {
				b.Fatal(err)
			}
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			w.WriteHeader(http.StatusOK)
			w.Write(body)
		}
	})
	b.Run("json.Encoder by hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusOK)
			if err := json.NewEncoder(w).Encode(ada); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkWriteError(b *testing.B) {
	w := new(nullWriter)
	b.Run("WriteError", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			http.WriteError(w, http.StatusNotFound, "user not found")
		}
	})
	b.Run("http.Error", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			http.Error(w, "user not found", http.StatusNotFound)
		}
	})
}

func BenchmarkWriteCSV(b *testing.B) {
	w := new(nullWriter)
	row := []string{"1", "ada@example.com", "Ada Lovelace"}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		http.WriteCSV(w, "users", row, func() []string {
			if n++; n > 1000 {
				return nil
			}
			return row
		})
	}
}

// A keepingWriter returns an error from Write and continues to read the body, as the
// HTTP/2 server may do for a moment after a stream is cancelled.
type keepingWriter struct {
	brokenWriter
	kept []byte
}

func (w *keepingWriter) Write(p []byte) (int, error) {
	w.kept = p
	return 0, errors.New("the stream was cancelled")
}

func TestBuffersOfFailedWritesAreNotReused(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("GET", "/", nil)
	for name, respond := range map[string]func(w http.ResponseWriter, text string){
		"WriteJSON":         func(w http.ResponseWriter, text string) { http.WriteJSON(w, 200, text) },
		"WriteError":        func(w http.ResponseWriter, text string) { http.WriteError(w, 400, text) },
		"WriteServerError":  func(w http.ResponseWriter, text string) { http.WriteServerError(w, r, text, errors.New("x")) },
		"PaginatedResponse": func(w http.ResponseWriter, text string) { http.PaginatedResponse(w, "k", []string{text}, 1) },
		"PrometheusHandler": func(w http.ResponseWriter, text string) {
			http.PrometheusHandler(func() []http.PrometheusMetric {
				return []http.PrometheusMetric{{Name: "m", Type: "gauge", Help: text}}
			})(w, r)
		},
	} {
		for range 20 { // the pool does not always return the last buffer
			first := &keepingWriter{brokenWriter: brokenWriter{http.Header{}}}
			respond(first, "first")
			want := string(first.kept)
			for range 3 {
				respond(httptest.NewRecorder(), "other")
			}
			if string(first.kept) != want {
				t.Fatalf("%s: the body of a failed response became %q, want %q", name, first.kept, want)
			}
		}
	}
}
