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

// If reading the rows fails, the handler panics with [http.ErrAbortHandler], so
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
