package stacks

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	nethttp "net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// Helpers returns handlers that use this package's helpers for requests and
// responses, and handlers that do the same by hand with encoding/json,
// encoding/csv, and net/url.
func Helpers() []Row {
	return []Row{
		writeJSON("200B", NewItem(200)),
		writeJSON("10KB", NewItem(10<<10)),
		bindJSON("200B", NewItem(200)),
		bindJSON("10KB", NewItem(10<<10)),
		writeCSV(1000),
		queryParam("first", "q"),
		queryParam("last", "verbose"),
		queryParam("all-8", "q", "tag", "author", "since", "until", "state", "page", "verbose"),
		pagination(),
		paginated(20),
	}
}

// both returns the contestants of a row: a handler that uses a helper, and the
// hand-written one.
func both(helper nethttp.HandlerFunc, name string, hand nethttp.HandlerFunc) []Contestant {
	return []Contestant{{"stanza", helper}, {name, hand}}
}

// sendByHand encodes v as JSON and sends it.
func sendByHand(w nethttp.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		nethttp.Error(w, "internal server error", nethttp.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(nethttp.StatusOK)
	w.Write(body)
}

func writeJSON(size string, item *Item) Row {
	return Row{
		Name: "WriteJSON-" + size, Request: get(), Fields: []string{"Content-Type", "Content-Length"},
		Contestants: both(
			func(w nethttp.ResponseWriter, _ *nethttp.Request) { http.WriteJSON(w, nethttp.StatusOK, item) },
			"encoding-json",
			func(w nethttp.ResponseWriter, _ *nethttp.Request) { sendByHand(w, item) },
		),
	}
}

// bindJSON measures handlers that decode a body and respond with a part of it.
func bindJSON(size string, item *Item) Row {
	body, err := json.Marshal(item)
	if err != nil {
		panic(err)
	}
	r := get("Content-Type", "application/json")
	r.Method = nethttp.MethodPost
	return Row{
		Name: "BindJSON-" + size, Request: r, Body: string(body),
		Contestants: both(
			func(w nethttp.ResponseWriter, r *nethttp.Request) {
				var item Item
				if http.BindJSON(w, r, &item) {
					acknowledge(w, &item)
				}
			},
			"encoding-json",
			func(w nethttp.ResponseWriter, r *nethttp.Request) {
				var item Item
				if err := readByHand(w, r, &item); err != nil {
					nethttp.Error(w, err.Error(), nethttp.StatusBadRequest)
					return
				}
				acknowledge(w, &item)
			},
		),
	}
}

func acknowledge(w nethttp.ResponseWriter, item *Item) {
	io.WriteString(w, item.Name)
	for _, note := range item.Notes {
		io.WriteString(w, note)
	}
}

// readByHand decodes a body. It also checks the body's size and that nothing
// follows the value.
func readByHand(w nethttp.ResponseWriter, r *nethttp.Request, v any) error {
	decoder := json.NewDecoder(nethttp.MaxBytesReader(w, r.Body, 1<<20))
	if err := decoder.Decode(v); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return fmt.Errorf("data after the value: %w", err)
	}
	return nil
}

// writeCSV measures handlers that write n rows, which already exist in memory.
func writeCSV(n int) Row {
	head := []string{"id", "name", "email", "note"}
	rows := make([][]string, n)
	for i := range rows {
		rows[i] = []string{strconv.Itoa(i), "Somebody Else", "somebody@example.com", "one that has a comma, and so \"quotes\""}
	}
	return Row{
		Name: fmt.Sprintf("WriteCSV-%d-rows", n), Request: get(), Fields: []string{"Content-Type", "Content-Disposition"},
		Contestants: both(
			func(w nethttp.ResponseWriter, _ *nethttp.Request) {
				i := -1
				http.WriteCSV(w, "users", head, func() []string {
					if i++; i == len(rows) {
						return nil
					}
					return rows[i]
				})
			},
			"encoding-csv",
			func(w nethttp.ResponseWriter, _ *nethttp.Request) {
				h := w.Header()
				h.Set("Content-Type", "text/csv; charset=utf-8")
				h.Set("Content-Disposition", time.Now().UTC().Format(`attachment; filename=users-20060102.csv`))
				out := csv.NewWriter(w)
				_ = out.Write(head) // the writer keeps the error
				for _, row := range rows {
					if out.Write(row) != nil {
						return
					}
				}
				out.Flush()
			},
		),
	}
}

// queryParam measures handlers that respond with some of eight parameters.
func queryParam(which string, names ...string) Row {
	r := get()
	r.URL.RawQuery = "q=caf%C3%A9+au+lait&tag=b&author=17&since=2026-01-01&until=2026-03-22&state=open&page=3&verbose=yes"
	return Row{
		Name: "QueryParam-" + which, Request: r,
		Contestants: both(
			func(w nethttp.ResponseWriter, r *nethttp.Request) {
				for _, name := range names {
					io.WriteString(w, http.QueryParam(r, name))
				}
			},
			"net-url",
			func(w nethttp.ResponseWriter, r *nethttp.Request) {
				query := r.URL.Query()
				for _, name := range names {
					io.WriteString(w, query.Get(name))
				}
			},
		),
	}
}

// A page contains the parameters of a request for a page of a list.
type page struct {
	limit, offset     int
	column, direction string
}

// answer writes the page, cheaply, for tests to check.
func (p page) answer(w nethttp.ResponseWriter) {
	if p.limit != 50 || p.offset != 100 {
		w.WriteHeader(nethttp.StatusBadRequest)
	}
	io.WriteString(w, p.column)
	io.WriteString(w, p.direction)
}

func pagination() Row {
	r := get()
	r.URL.RawQuery = "limit=50&offset=100&sort=Name&order=desc"
	columns := []string{"id", "name", "created_at"}
	return Row{
		Name: "ParsePagination-QueryParamSort", Request: r,
		Contestants: both(
			func(w nethttp.ResponseWriter, r *nethttp.Request) {
				p := http.ParsePagination(r, 20, 100)
				column, direction := http.QueryParamSort(r, columns, "id", "ASC")
				page{p.Limit, p.Offset, column, direction}.answer(w)
			},
			"net-url",
			func(w nethttp.ResponseWriter, r *nethttp.Request) {
				pageByHand(r, columns).answer(w)
			},
		),
	}
}

// pageByHand returns the page that a request asks for. It parses the query
// once.
func pageByHand(r *nethttp.Request, columns []string) page {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		query = url.Values{}
	}
	p := page{limit: 20, column: "id", direction: "ASC"}
	if n, err := strconv.Atoi(query.Get("limit")); err == nil {
		p.limit = max(1, min(n, 100))
	}
	if n, err := strconv.Atoi(query.Get("offset")); err == nil {
		p.offset = max(0, n)
	}
	sort := query.Get("sort")
	for _, column := range columns {
		if strings.EqualFold(column, sort) {
			p.column = column
		}
	}
	if strings.EqualFold(query.Get("order"), "DESC") {
		p.direction = "DESC"
	}
	return p
}

func paginated(n int) Row {
	items := make([]*Item, n)
	for i := range items {
		items[i] = NewItem(200)
	}
	return Row{
		Name: fmt.Sprintf("PaginatedResponse-%d-items", n), Request: get(), Fields: []string{"Content-Type", "Content-Length"},
		Contestants: both(
			func(w nethttp.ResponseWriter, _ *nethttp.Request) { http.PaginatedResponse(w, "items", items, 1234) },
			"encoding-json",
			func(w nethttp.ResponseWriter, _ *nethttp.Request) {
				sendByHand(w, map[string]any{"items": items, "total": 1234})
			},
		),
	}
}
