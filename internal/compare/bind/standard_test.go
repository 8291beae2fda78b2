package bind_test

import (
	"encoding/csv"
	"encoding/json"
	nethttp "net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
)

// A way does the work of a row in BenchmarkStandard.
type way struct {
	row, name string
	handler   nethttp.Handler
	method    string
	target    string
	body      string
	want      string
}

type user struct {
	Name  string   `json:"name"`
	Email string   `json:"email"`
	Age   int      `json:"age"`
	Tags  []string `json:"tags"`
}

const userJSON = `{"name":"Ada Lovelace","email":"ada@example.com","age":36,"tags":["a","b","c"]}`

var csvRow = []string{"1017", "Ada Lovelace", "ada@example.com", "2026-11-27"}

const csvRows = 1000

// ways returns this package's helpers, each followed by the same with the standard library.
func ways() []way {
	const page = "/?sort=created_at&page=17"
	chain := http.Chain(http.RequestID(http.RequestIDConfig{}), http.NewMetrics().Middleware())
	plain := handle(func(w nethttp.ResponseWriter, r *nethttp.Request) { _ = withoutError(w, r) })
	stream := "id,name,email,created\n" + strings.Repeat(strings.Join(csvRow, ",")+"\n", csvRows)
	return []way{
		{"QueryParamAs", "stanza", handle(parameter), "GET", page, "", "17"},
		{"QueryParamAs", "standard", handle(parameterByHand), "GET", page, "", "17"},
		{"BindJSONStrict", "stanza", handle(strictJSON), "POST", "/", userJSON, "36"},
		{"BindJSONStrict", "standard", handle(jsonByHand(true)), "POST", "/", userJSON, "36"},
		{"BindJSON", "stanza", handle(plainJSON), "POST", "/", userJSON, "36"},
		{"BindJSON", "standard", handle(jsonByHand(false)), "POST", "/", userJSON, "36"},
		{"StreamCSV-1000-rows", "stanza", handle(streamCSV), "GET", "/", "", stream},
		{"StreamCSV-1000-rows", "standard", handle(csvByHand), "GET", "/", "", stream},
		{"HandlerErrorFunc", "stanza", http.HandlerErrorFunc(withoutError), "GET", "/", "", "ok"},
		{"HandlerErrorFunc", "standard", plain, "GET", "/", "", "ok"},
		{"HandlerErrorFunc-in-a-chain", "stanza", chain(http.HandlerErrorFunc(withoutError)), "GET", "/", "", "ok"},
		{"HandlerErrorFunc-in-a-chain", "standard", chain(plain), "GET", "/", "", "ok"},
	}
}

func handle(f func(nethttp.ResponseWriter, *nethttp.Request)) nethttp.Handler {
	return nethttp.HandlerFunc(f)
}

func respond(w nethttp.ResponseWriter, n int) { _, _ = w.Write([]byte(strconv.Itoa(n))) }

func withoutError(w nethttp.ResponseWriter, _ *nethttp.Request) error {
	_, err := w.Write([]byte("ok"))
	return err
}

func parameter(w nethttp.ResponseWriter, r *nethttp.Request) {
	if n, ok := http.QueryParamAs[int](w, r, "page"); ok {
		respond(w, n)
	}
}

func parameterByHand(w nethttp.ResponseWriter, r *nethttp.Request) {
	n, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil {
		nethttp.Error(w, "page: must be an integer", 400)
		return
	}
	respond(w, n)
}

func strictJSON(w nethttp.ResponseWriter, r *nethttp.Request) {
	var u user
	if http.BindJSONStrict(w, r, &u, 1<<20) {
		respond(w, u.Age)
	}
}

func plainJSON(w nethttp.ResponseWriter, r *nethttp.Request) {
	var u user
	if http.BindJSON(w, r, &u) {
		respond(w, u.Age)
	}
}

func jsonByHand(strict bool) func(nethttp.ResponseWriter, *nethttp.Request) {
	return func(w nethttp.ResponseWriter, r *nethttp.Request) {
		var u user
		d := json.NewDecoder(nethttp.MaxBytesReader(w, r.Body, 1<<20))
		if strict {
			d.DisallowUnknownFields()
		}
		if err := d.Decode(&u); err != nil {
			nethttp.Error(w, err.Error(), 400)
			return
		}
		respond(w, u.Age)
	}
}

func streamCSV(w nethttp.ResponseWriter, r *nethttp.Request) {
	rows := func(yield func([]string, error) bool) {
		for range csvRows {
			if !yield(csvRow, nil) {
				return
			}
		}
	}
	http.StreamCSV(w, r, "users", []string{"id", "name", "email", "created"}, rows, http.CSVOptions{})
}

func csvByHand(w nethttp.ResponseWriter, _ *nethttp.Request) {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="users.csv"`)
	rows := csv.NewWriter(w)
	_ = rows.Write([]string{"id", "name", "email", "created"}) // Flush ends with the error
	for range csvRows {
		_ = rows.Write(csvRow)
	}
	rows.Flush()
}

func TestWaysRespondAlike(t *testing.T) {
	for _, x := range ways() {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(x.method, x.target, strings.NewReader(x.body))
		r.Header.Set("Content-Type", "application/json")
		x.handler.ServeHTTP(w, r)
		if got := strings.ReplaceAll(strings.TrimPrefix(w.Body.String(), "\ufeff"), "\r\n", "\n"); w.Code != 200 || got != x.want {
			t.Errorf("%s by %s: %d %.80q, want %.80q", x.row, x.name, w.Code, got, x.want)
		}
	}
}

// A discard is a ResponseWriter that keeps nothing.
type discard struct{ header nethttp.Header }

func (d *discard) Header() nethttp.Header      { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

func BenchmarkStandard(b *testing.B) {
	for _, x := range ways() {
		b.Run("row="+x.row+"/by="+x.name, func(b *testing.B) {
			w, text := &discard{nethttp.Header{}}, strings.NewReader(x.body)
			r := httptest.NewRequest(x.method, x.target, body{text})
			r.Header.Set("Content-Type", "application/json")
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				text.Reset(x.body)
				r.Body = body{text}
				x.handler.ServeHTTP(w, r)
			}
		})
	}
}
