package http_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/stanza-go/framework/pkg/http"
)

// If the body is invalid, BindJSON responds with 400 and describes the problem;
// the handler only has to return.
func ExampleBindJSON() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		var user struct {
			Name string `json:"name"`
			Age  int    `json:"age"`
		}
		if !http.BindJSON(w, r, &user) {
			return
		}
		http.WriteJSON(w, http.StatusCreated, user)
	}

	for _, body := range []string{`{"name":"Ada","age":36}`, `{"name":"Ada","age":"36"}`, `{"name":`, ``} {
		rec := httptest.NewRecorder()
		handler(rec, httptest.NewRequest("POST", "/users", strings.NewReader(body)))
		fmt.Println(rec.Code, rec.Body)
	}
	// Output:
	// 201 {"name":"Ada","age":36}
	// 400 {"error":"field \"age\" has a string where an integer is expected (before offset 24)"}
	// 400 {"error":"malformed JSON: the text ends too early, at offset 8"}
	// 400 {"error":"the request body is empty"}
}

// ReadJSON returns the error, so that the handler can choose the response.
func ExampleReadJSON() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		var point struct{ X, Y int }
		if err := http.ReadJSON(r, &point); err != nil {
			http.WriteError(w, http.StatusUnprocessableEntity, err.Error())
			return
		}
		fmt.Fprint(w, point.X+point.Y)
	}

	for _, body := range []string{`{"x":1,"y":2}`, `{"x":1}{"x":2}`} {
		rec := httptest.NewRecorder()
		handler(rec, httptest.NewRequest("POST", "/points", strings.NewReader(body)))
		fmt.Println(rec.Code, rec.Body)
	}
	// Output:
	// 200 3
	// 422 {"error":"http: trailing data after the JSON value, at offset 7"}
}

// The cause of the error can be found with [errors.As].
func ExampleReadJSON_cause() {
	r := httptest.NewRequest("POST", "/points", strings.NewReader(`{"x":1,}`))
	var point struct{ X, Y int }
	err := http.ReadJSON(r, &point)

	var syntax *json.SyntaxError
	fmt.Println(errors.As(err, &syntax))
	// Output: true
}

// The limit is in bytes: 10<<20 would be 10 MiB.
func ExampleReadJSONLimit() {
	for _, limit := range []int64{5, 4} {
		var text string
		r := httptest.NewRequest("POST", "/", strings.NewReader(`"abc"`))
		err := http.ReadJSONLimit(r, &text, limit)
		fmt.Println(limit, err, errors.Is(err, http.ErrBodyTooLarge))
	}
	// Output:
	// 5 <nil> false
	// 4 http: request body too large true
}

// This handler deletes up to 3 users at once.
func ExampleCheckBulkIDs() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		var req struct {
			IDs []int64 `json:"ids"`
		}
		if !http.BindJSON(w, r, &req) || !http.CheckBulkIDs(w, req.IDs, 3) {
			return
		}
		http.WriteJSON(w, http.StatusOK, map[string]int{"deleted": len(req.IDs)})
	}

	for _, body := range []string{`{"ids":[1,2]}`, `{"ids":[]}`, `{"ids":[1,2,3,4]}`} {
		rec := httptest.NewRecorder()
		handler(rec, httptest.NewRequest("POST", "/users/delete", strings.NewReader(body)))
		fmt.Println(rec.Code, rec.Body)
	}
	// Output:
	// 200 {"deleted":2}
	// 400 {"error":"ids must not be empty"}
	// 400 {"error":"too many ids: at most 3 are allowed"}
}

// WriteJSON sets Content-Type and Content-Length.
func ExampleWriteJSON() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		http.WriteJSON(w, http.StatusCreated, map[string]any{"id": 7, "name": "Ada"})
	}

	rec := httptest.NewRecorder()
	handler(rec, httptest.NewRequest("POST", "/users", nil))
	fmt.Println(rec.Code, rec.Header().Get("Content-Type"), rec.Header().Get("Content-Length"))
	fmt.Println(rec.Body)
	// Output:
	// 201 application/json 21
	// {"id":7,"name":"Ada"}
}

// The client can read the message.
func ExampleWriteError() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		http.WriteError(w, http.StatusNotFound, "user not found")
	}

	rec := httptest.NewRecorder()
	handler(rec, httptest.NewRequest("GET", "/users/7", nil))
	fmt.Println(rec.Code, rec.Body)
	// Output: 404 {"error":"user not found"}
}

// The error is logged; the client gets only the message.
func ExampleWriteServerError() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		err := errors.New("connection refused") // from a database, for example
		http.WriteServerError(w, r, "failed to list users", err)
	}

	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // for a reproducible output
			}
			return a
		},
	}))
	ctx := http.ContextWithLogger(context.Background(), logger)
	rec := httptest.NewRecorder()
	handler(rec, httptest.NewRequestWithContext(ctx, "GET", "/users", nil))
	fmt.Println(rec.Code, rec.Body)
	// Output:
	// level=ERROR msg="failed to list users" error="connection refused" method=GET path=/users
	// 500 {"error":"failed to list users"}
}

// This handler returns one page of a list and the number of items on all pages.
func ExamplePaginatedResponse() {
	type user struct {
		Name string `json:"name"`
	}
	users := []user{{"Ada"}, {"Bob"}, {"Cid"}}
	handler := func(w http.ResponseWriter, r *http.Request) {
		page := http.ParsePagination(r, 2, 100)
		start := min(page.Offset, len(users))
		end := min(start+page.Limit, len(users))
		http.PaginatedResponse(w, "users", users[start:end], len(users))
	}

	for _, query := range []string{"", "offset=2", "offset=4"} {
		rec := httptest.NewRecorder()
		handler(rec, httptest.NewRequest("GET", "/users?"+query, nil))
		fmt.Println(rec.Body)
	}
	// Output:
	// {"users":[{"name":"Ada"},{"name":"Bob"}],"total":3}
	// {"users":[{"name":"Cid"}],"total":3}
	// {"users":[],"total":3}
}
