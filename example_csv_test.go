package http_test

import (
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strconv"

	"github.com/stanza-go/framework/pkg/http"
)

// The rows come from a function, so they need not all be in memory.
func ExampleWriteCSV() {
	type user struct {
		id          int
		email, name string
	}
	users := []user{{1, "ada@example.com", "Ada"}, {2, "bob@example.com", `Bob "B"`}}
	handler := func(w http.ResponseWriter, r *http.Request) {
		i := 0
		http.WriteCSV(w, "users", []string{"ID", "Email", "Name"}, func() []string {
			if i == len(users) {
				return nil
			}
			u := users[i]
			i++
			return []string{strconv.Itoa(u.id), u.email, u.name}
		})
	}

	rec := httptest.NewRecorder()
	handler(rec, httptest.NewRequest("GET", "/users.csv", nil))
	fmt.Println(rec.Header().Get("Content-Type"))
	fmt.Print(rec.Body)
	// Output:
	// text/csv; charset=utf-8
	// ID,Email,Name
	// 1,ada@example.com,Ada
	// 2,bob@example.com,"Bob ""B"""
}

// If reading the rows fails, next panics with [http.ErrAbortHandler], so
// that the client does not take an incomplete file for a complete one.
func ExampleWriteCSV_error() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rows := [][]string{{"1", "Ada"}}
		http.WriteCSV(w, "users", []string{"ID", "Name"}, func() []string {
			if len(rows) == 0 {
				panic(http.ErrAbortHandler) // for example, the database failed
			}
			row := rows[0]
			rows = rows[1:]
			return row
		})
	}))
	defer server.Close()

	_, err := http.Get(server.URL)
	fmt.Println(errors.Is(err, io.EOF))
	// Output: true
}

// The rows come from a source that can fail, here after the second one. Because the
// file is short, nothing has been sent yet, and the client gets an error response.
// After a part of the file has been sent, the download is aborted.
func ExampleStreamCSV() {
	failing := false
	users := func(yield func([]string, error) bool) { // usually a loop over the rows of a query
		for _, row := range [][]string{{"1", "Ada"}, {"2", "Bob"}} {
			if !yield(row, nil) {
				return
			}
		}
		if failing {
			yield(nil, errors.New("connection lost"))
		}
	}
	handler := func(w http.ResponseWriter, r *http.Request) {
		http.StreamCSV(w, r, "users", []string{"ID", "Name"}, users, http.CSVOptions{})
	}

	for _, failing = range []bool{false, true} {
		rec := httptest.NewRecorder()
		handler(rec, httptest.NewRequest("GET", "/users.csv", nil))
		fmt.Println(rec.Code, rec.Header().Get("Content-Type"))
		fmt.Println(rec.Body)
	}
	// Output:
	// 200 text/csv; charset=utf-8
	// ID,Name
	// 1,Ada
	// 2,Bob
	//
	// 500 application/json
	// {"error":"internal server error"}
}

// The file is for spreadsheets in a locale with a decimal comma. The names are user
// input, so cells that look like formulas are escaped.
func ExampleCSVOptions() {
	rec := httptest.NewRecorder()
	rows := func(yield func([]string, error) bool) {
		yield([]string{`=HYPERLINK("https://evil.example")`, "-1,50"}, nil)
	}
	http.StreamCSV(rec, httptest.NewRequest("GET", "/", nil), "accounts", []string{"Name", "Balance"}, rows,
		http.CSVOptions{Delimiter: ';', EscapeFormulas: true})
	fmt.Print(rec.Body)
	// Output:
	// Name;Balance
	// "'=HYPERLINK(""https://evil.example"")";-1,50
}
