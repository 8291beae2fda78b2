package http_test

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

var errDisk = errors.New("disk on fire")

// failingRows yields n rows and then, unless it is nil, an error. It sets *closed when
// the sequence ends, and fails the test if it is continued after the error.
func failingRows(tb testing.TB, n int, failure error, closed *bool) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		if closed != nil {
			defer func() { *closed = true }()
		}
		row := make([]string, 2) // reused
		for i := range n {
			row[0], row[1] = strconv.Itoa(i), "0123456789"
			if !yield(row, nil) {
				return
			}
		}
		if failure != nil && yield(nil, failure) {
			tb.Error("the sequence was continued after its error")
		}
	}
}

func TestStreamCSVFormats(t *testing.T) {
	t.Parallel()
	rows := [][]string{{"1", "=1+1"}, {"-2", "a;b"}, {"#", "é"}}
	for _, tt := range []struct {
		name    string
		options http.CSVOptions
		header  []string
		rows    [][]string
		want    string
	}{
		{"like WriteCSV", http.CSVOptions{}, []string{"ID", "Note"}, rows, "ID,Note\n1,=1+1\n-2,a;b\n\"#\",é\n"},
		{"for a spreadsheet", http.CSVOptions{Delimiter: ';', BOM: true, EscapeFormulas: true}, []string{"ID", "@Note"}, rows,
			"\ufeffID;'@Note\n1;'=1+1\n-2;\"a;b\"\n\"#\";é\n"},
		{"tabs", http.CSVOptions{Delimiter: '\t'}, nil, rows, "1\t=1+1\n-2\ta;b\n\"#\"\té\n"},
		{"no rows", http.CSVOptions{BOM: true}, []string{"ID"}, nil, "\ufeffID\n"},
		{"nothing", http.CSVOptions{}, nil, nil, ""},
		{"only a byte order mark", http.CSVOptions{BOM: true}, nil, nil, "\ufeff"},
		{"rows without cells", http.CSVOptions{}, nil, [][]string{nil, {"a"}, {}}, "\na\n\n"},
	} {
		rec := httptest.NewRecorder()
		rec.Header().Set("Content-Length", "3")
		http.StreamCSV(rec, httptest.NewRequest("GET", "/", nil), "users", tt.header, func(yield func([]string, error) bool) {
			for _, row := range tt.rows {
				if !yield(row, nil) {
					return
				}
			}
		}, tt.options)
		h := rec.Header()
		if rec.Code != 200 || rec.Body.String() != tt.want || h.Get("Content-Type") != "text/csv; charset=utf-8" ||
			!strings.HasPrefix(h.Get("Content-Disposition"), "attachment; filename=users-") || h.Get("Content-Length") != "" {
			t.Errorf("%s: %d %v %q, want %q", tt.name, rec.Code, h, rec.Body, tt.want)
		}
	}
}

func TestStreamCSVRespondsWith500IfTheFirstRowsFail(t *testing.T) {
	t.Parallel()
	for name, wrap := range csvChains() {
		var log testkit.Log
		closed := false
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.StreamCSV(w, r, "users", []string{"ID", "Text"}, failingRows(t, 10, errDisk, &closed), http.CSVOptions{BOM: true})
		})
		testkit.EachProtocol(t, http.RequestLogger(log.JSON())(wrap(handler)), func(t *testing.T, srv *testkit.Server) {
			log.Reset()
			res := srv.Get(t, "/users.csv")
			res.Want(t, 500, `{"error":"internal server error"}`)
			if res.Header.Get("Content-Disposition") != "" || res.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s: header %v", name, res.Header)
			}
			record := log.Records(t)[0]
			if record["level"] != "ERROR" || record["error"] != errDisk.Error() || record["path"] != "/users.csv" || !closed {
				t.Errorf("%s: logged %v, closed %t", name, record, closed)
			}
		})
	}
}

func TestStreamCSVAbortsIfLaterRowsFail(t *testing.T) {
	t.Parallel()
	for name, wrap := range csvChains() {
		var log testkit.Log
		closed := false
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.StreamCSV(w, r, "users", nil, failingRows(t, 5000, errDisk, &closed), http.CSVOptions{})
			t.Error("StreamCSV returned")
		})
		testkit.EachProtocol(t, http.RequestLogger(log.JSON())(wrap(handler)), func(t *testing.T, srv *testkit.Server) {
			log.Reset()
			res, err := testkit.Send(srv.Client(), testkit.NewRequest("GET", srv.URL+"/users.csv", ""))
			if err == nil {
				t.Errorf("%s: the client considers %d bytes complete", name, len(res.Body))
			}
			record := log.Records(t)[0]
			if record["level"] != "ERROR" || record["msg"] != "CSV download aborted" || record["error"] != errDisk.Error() || !closed {
				t.Errorf("%s: logged %v, closed %t", name, record, closed)
			}
		})
	}
}

// Over HTTP/1.0, a body without Content-Length ends with the connection.
func TestStreamCSVResetsTheConnectionOfAnHTTP10Client(t *testing.T) {
	t.Parallel()
	var log testkit.Log
	logged := http.RequestLogger(log.JSON())(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.StreamCSV(w, r, "users", nil, failingRows(t, 5000, errDisk, nil), http.CSVOptions{})
	}))
	returned := make(chan struct{}, 2)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { returned <- struct{}{} }()
		logged.ServeHTTP(w, r)
	})
	own, _ := serveOwn(t, testkit.HTTP1, handler)
	for _, addr := range []string{strings.TrimPrefix(own, "http://"), testkit.StartServer(t, testkit.HTTP1, handler).Addr()} {
		conn := testkit.Dial(t, addr)
		conn.Send("GET /users.csv HTTP/1.0\r\n\r\n")
		if body, err := io.ReadAll(conn); err == nil {
			t.Errorf("the connection ended after %d bytes, without an error", len(body))
		}
		testkit.Receive(t, returned, "the return of the handler")
	}
	if text := log.String(); strings.Count(text, "CSV download aborted") != 2 || strings.Count(text, `"status":200`) != 2 {
		t.Errorf("logged %s", text)
	}
}

// csvChains returns middleware that holds or changes the response.
func csvChains() map[string]http.Middleware {
	return map[string]http.Middleware{
		"alone":    func(next http.Handler) http.Handler { return next },
		"Compress": http.Compress(http.CompressConfig{}),
		"ETag":     http.ETag(http.ETagConfig{}),
		"Recovery": http.Chain(http.Compress(http.CompressConfig{}), http.ETag(http.ETagConfig{}), http.Recovery(nil)),
	}
}

func TestStreamCSVStopsTheRowsWhenTheClientDisconnects(t *testing.T) {
	t.Parallel()
	var log testkit.Log
	closed := false
	r := httptest.NewRequest("GET", "/", nil)
	http.RequestLogger(log.JSON())(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.StreamCSV(w, r, "x", nil, failingRows(t, 10_000, errDisk, &closed), http.CSVOptions{})
	})).ServeHTTP(brokenWriter{http.Header{}}, r)
	if text := log.String(); !closed || strings.Contains(text, "disk") || strings.Contains(text, "aborted") {
		t.Errorf("closed %t, logged %s", closed, text)
	}
}

// A source that uses the request's context fails when the client disconnects.
func TestStreamCSVLogsErrorsOfDisconnectedClientsWithLevelDebug(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 5000} {
		var log testkit.Log
		logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
		_ = panicText(func() {
			http.RequestLogger(logger)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.StreamCSV(w, r, "x", nil, failingRows(t, n, ctx.Err(), nil), http.CSVOptions{})
			})).ServeHTTP(httptest.NewRecorder(), r)
		})
		if record := log.Records(t)[0]; record["level"] != "DEBUG" || record["error"] != "context canceled" {
			t.Errorf("after %d rows: %v", n, record)
		}
	}
}

func TestStreamCSVFlushesSlowRowsAndThenAborts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := httptest.NewRecorder()
		got := panicText(func() {
			http.StreamCSV(rec, httptest.NewRequest("GET", "/", nil), "x", []string{"h"}, func(yield func([]string, error) bool) {
				for range 3 {
					time.Sleep(600 * time.Millisecond)
					yield([]string{"a"}, nil)
				}
				yield(nil, errDisk)
			}, http.CSVOptions{})
		})
		if rec.Body.String() != "h\na\na\n" || !rec.Flushed || got != http.ErrAbortHandler.Error() {
			t.Errorf("sent %q, flushed %t, panic %q", rec.Body, rec.Flushed, got)
		}
	})
}

func TestStreamCSVPanicsForMistakes(t *testing.T) {
	t.Parallel()
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
	wantPanic(t, "StreamCSV: rows is nil", func() { http.StreamCSV(w, r, "x", nil, nil, http.CSVOptions{}) })
	for delimiter, reason := range map[rune]string{
		'"': "has another meaning in CSV", '\n': "has another meaning in CSV", '#': "starts a comment for many CSV readers",
		'\ufeff': "is the byte order mark", -1: "is not a valid character",
	} {
		wantPanic(t, fmt.Sprintf("CSVOptions.Delimiter: %q %s", delimiter, reason), func() {
			http.StreamCSV(w, r, "x", nil, failingRows(t, 0, nil, nil), http.CSVOptions{Delimiter: delimiter})
		})
	}
	if len(w.Header()) > 0 {
		t.Errorf("header %v", w.Header())
	}
}

func TestStreamCSVThatPanicsEarlyLeavesTheResponseUntouched(t *testing.T) {
	t.Parallel()
	rec := httptest.NewRecorder()
	got := panicText(func() {
		http.StreamCSV(rec, httptest.NewRequest("GET", "/", nil), "x", []string{"h"},
			func(func([]string, error) bool) { panic("boom") }, http.CSVOptions{BOM: true})
	})
	if got != "boom" || len(rec.Header()) != 0 || rec.Body.Len() != 0 {
		t.Errorf("panicked with %q after %v %q", got, rec.Header(), rec.Body)
	}
}

// A pet is a row of the programs below, and petQuery imitates the rows of database/sql.
type pet struct{ name, note string }

type petQuery struct {
	pets    []pet
	failure error // after the last pet
	at      int
	closed  bool
}

func (q *petQuery) Next() bool   { q.at++; return q.at <= len(q.pets) }
func (q *petQuery) Scan() pet    { return q.pets[q.at-1] }
func (q *petQuery) Err() error   { return q.failure }
func (q *petQuery) Close() error { q.closed = true; return nil }

// exportBefore is an export for spreadsheets without StreamCSV.
func exportBefore(w http.ResponseWriter, r *http.Request, query *petQuery) {
	defer query.Close()
	date := time.Now().UTC().Format("20060102")
	start := func() {
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		w.Header().Set("Content-Disposition", "attachment; filename=pets-"+date+".csv")
		io.WriteString(w, "\ufeff")
	}
	out := csv.NewWriter(w)
	out.Comma = ';'
	started := false
	for query.Next() {
		if !started {
			start()
			started = true
			out.Write([]string{"Name", "Note"})
		}
		p := query.Scan()
		row := []string{p.name, p.note}
		for i, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				row[i] = "'" + cell
			}
		}
		if out.Write(row) != nil {
			return
		}
	}
	if err := query.Err(); err != nil {
		slog.ErrorContext(r.Context(), "export failed", "error", err)
		if started {
			panic(http.ErrAbortHandler)
		}
		http.Error(w, "internal server error", http.StatusInternalServerError)
		return
	}
	if !started {
		start()
		out.Write([]string{"Name", "Note"})
	}
	out.Flush()
}

// exportAfter is the same with StreamCSV.
func exportAfter(w http.ResponseWriter, r *http.Request, query *petQuery) {
	defer query.Close()
	http.StreamCSV(w, r, "pets", []string{"Name", "Note"}, func(yield func([]string, error) bool) {
		for query.Next() {
			if p := query.Scan(); !yield([]string{p.name, p.note}, nil) {
				return
			}
		}
		if err := query.Err(); err != nil {
			yield(nil, err)
		}
	}, http.CSVOptions{Delimiter: ';', BOM: true, EscapeFormulas: true})
}

func TestExportsBeforeAndAfterStreamCSVRespondAlike(t *testing.T) {
	t.Parallel()
	pets := []pet{{"Rex", "=1+1"}, {"Bo;b", `say "x"`}, {"Ann", "@x"}}
	many := make([]pet, 5000)
	for i := range many {
		many[i] = pet{strconv.Itoa(i), "0123456789"}
	}
	exports := map[string]func(http.ResponseWriter, *http.Request, *petQuery){"before": exportBefore, "after": exportAfter}
	for _, tt := range []struct {
		name   string
		query  petQuery
		status int
		broken bool
	}{
		{"a few rows", petQuery{pets: pets}, 200, false},
		{"many rows", petQuery{pets: many}, 200, false},
		{"no rows", petQuery{}, 200, false},
		{"failure at once", petQuery{failure: errDisk}, 500, false},
		{"late failure", petQuery{pets: many, failure: errDisk}, 200, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bodies := map[string]string{}
			for name, export := range exports {
				query := tt.query
				returned := make(chan bool)
				srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer close(returned)
					export(w, r, &query)
				}))
				res, err := testkit.Send(srv.Client(), testkit.NewRequest("GET", srv.URL, ""))
				testkit.Receive(t, returned, "the end of the handler")
				if (err != nil) != tt.broken || !tt.broken && res.StatusCode != tt.status || !query.closed {
					t.Errorf("%s: %v, error %v, closed %t", name, res, err, query.closed)
				}
				if res != nil && res.StatusCode == 200 && !tt.broken {
					bodies[name] = res.Header.Get("Content-Disposition") + "\n" + res.Body
				}
			}
			if bodies["before"] != bodies["after"] {
				t.Errorf("before %q, after %q", bodies["before"], bodies["after"])
			}
		})
	}
}
