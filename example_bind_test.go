package http_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"strings"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// The type argument determines which values are valid.
func ExamplePathParamAs() {
	router := http.NewRouter()
	router.HandleFunc("GET /hosts/{addr}/ports/{port}", func(w http.ResponseWriter, r *http.Request) {
		addr, ok := http.PathParamAs[netip.Addr](w, r, "addr")
		if !ok {
			return
		}
		port, ok := http.PathParamAs[uint16](w, r, "port")
		if !ok {
			return
		}
		fmt.Fprint(w, netip.AddrPortFrom(addr, port))
	})

	for _, path := range []string{"/hosts/::1/ports/80", "/hosts/::1/ports/http", "/hosts/::1/ports/80000", "/hosts/x/ports/80"} {
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		fmt.Println(rec.Code, rec.Body)
	}
	// Output:
	// 200 [::1]:80
	// 400 {"error":"port: must be an integer","fields":{"port":"must be an integer"}}
	// 400 {"error":"port: must be an integer from 0 to 65535","fields":{"port":"must be an integer from 0 to 65535"}}
	// 400 {"error":"addr: is not valid","fields":{"addr":"is not valid"}}
}

// The parameter is required.
func ExampleQueryParamAs() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		since, ok := http.QueryParamAs[time.Time](w, r, "since")
		if !ok {
			return
		}
		fmt.Fprint(w, since.Format("2 January"))
	}

	for _, query := range []string{"since=2026-03-22T10:00:00Z", "since=yesterday", ""} {
		rec := httptest.NewRecorder()
		handler(rec, httptest.NewRequest("GET", "/events?"+query, nil))
		fmt.Println(rec.Code, rec.Body)
	}
	// Output:
	// 200 22 March
	// 400 {"error":"since: must be a time such as 2006-01-02T15:04:05Z","fields":{"since":"must be a time such as 2006-01-02T15:04:05Z"}}
	// 400 {"error":"since: is required","fields":{"since":"is required"}}
}

// The result has the type of the fallback.
func ExampleQueryParamAsOr() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		wait, ok := http.QueryParamAsOr(w, r, "wait", 30*time.Second)
		if !ok {
			return
		}
		fmt.Fprint(w, wait)
	}

	for _, query := range []string{"", "wait=1m30s", "wait=long"} {
		rec := httptest.NewRecorder()
		handler(rec, httptest.NewRequest("GET", "/poll?"+query, nil))
		fmt.Println(rec.Code, rec.Body)
	}
	// Output:
	// 200 30s
	// 200 1m30s
	// 400 {"error":"wait: must be a duration such as 1m30s","fields":{"wait":"must be a duration such as 1m30s"}}
}

// The parameter can occur several times.
func ExampleQueryParamsAs() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		ids, ok := http.QueryParamsAs[int64](w, r, "id")
		if !ok {
			return
		}
		fmt.Fprint(w, ids)
	}

	for _, query := range []string{"id=3&id=1", "", "id=3&id=x"} {
		rec := httptest.NewRecorder()
		handler(rec, httptest.NewRequest("GET", "/users?"+query, nil))
		fmt.Println(rec.Code, rec.Body)
	}
	// Output:
	// 200 [3 1]
	// 200 []
	// 400 {"error":"id: value 2 must be an integer","fields":{"id":"value 2 must be an integer"}}
}

// The response describes all problems at once.
func ExampleBindQuery() {
	type listUsers struct {
		Page  int        `query:"page,default=1"`
		Role  string     `query:"role,required"`
		Since *time.Time `query:"since"` // nil if it is missing
		IDs   []int64    `query:"id,comma"`
	}
	handler := func(w http.ResponseWriter, r *http.Request) {
		var query listUsers
		if !http.BindQuery(w, r, &query) {
			return
		}
		fmt.Fprintln(w, query.Page, query.Role, query.Since == nil, query.IDs)
	}

	for _, query := range []string{"role=admin&id=1,2&id=3", "page=x&id=1,2"} {
		rec := httptest.NewRecorder()
		handler(rec, httptest.NewRequest("GET", "/users?"+query, nil))
		fmt.Println(rec.Code, strings.TrimSpace(rec.Body.String()))
	}
	// Output:
	// 200 1 admin true [1 2 3]
	// 400 {"error":"page: must be an integer; role: is required","fields":{"page":"must be an integer","role":"is required"}}
}

// ReadQuery returns the error, so that the handler can choose the response.
func ExampleReadQuery() {
	var query struct {
		From int `query:"from,required"`
		To   int `query:"to,required"`
	}
	err := http.ReadQuery(httptest.NewRequest("GET", "/report?from=1&to=x", nil), &query)
	fmt.Println(err)

	var fields http.FieldErrors
	if errors.As(err, &fields) {
		fmt.Println(fields["to"])
	}
	// Output:
	// to: must be an integer
	// must be an integer
}

// The names in form tags are those of the inputs of an HTML form. Browsers send "on" for
// a checkbox that is checked, and nothing for one that is not.
func ExampleBindForm() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		var form struct {
			Email string `form:"email,required"`
			Seats int    `form:"seats,default=1"`
			News  bool   `form:"news"`
		}
		if !http.BindForm(w, r, &form) {
			return
		}
		fmt.Fprint(w, form)
	}

	for _, body := range []string{"email=ada%40example.com&seats=&news=on", "seats=two"} {
		rec := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/orders", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		handler(rec, r)
		fmt.Println(rec.Code, rec.Body)
	}
	// Output:
	// 200 {ada@example.com 1 true}
	// 400 {"error":"email: is required; seats: must be an integer","fields":{"email":"is required","seats":"must be an integer"}}
}

// ReadForm returns the error, so that the handler can show the form again.
func ExampleReadForm() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		var form struct {
			Seats int `form:"seats,required"`
		}
		err := http.ReadForm(r, &form)
		switch {
		case errors.Is(err, http.ErrContentType):
			w.WriteHeader(http.StatusUnsupportedMediaType)
		case err != nil:
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprintf(w, "<p>%s</p><form>...</form>", err)
		}
	}

	rec := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/orders", strings.NewReader("seats=two"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	handler(rec, r)
	fmt.Println(rec.Code, rec.Body)
	// Output: 422 <p>seats: must be an integer</p><form>...</form>
}

// The limit is in bytes. This handler accepts bodies of up to 64 bytes.
func ExampleBindJSONLimit() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		var note struct{ Text string }
		if !http.BindJSONLimit(w, r, &note, 64) {
			return
		}
		fmt.Fprint(w, note.Text)
	}

	for _, text := range []string{"short", strings.Repeat("long ", 100)} {
		rec := httptest.NewRecorder()
		handler(rec, httptest.NewRequest("POST", "/notes", strings.NewReader(`{"text":"`+text+`"}`)))
		fmt.Println(rec.Code, rec.Body)
	}
	// Output:
	// 200 short
	// 400 {"error":"request body too large"}
}

// A misspelled name, and a name that is given twice, are errors.
func ExampleBindJSONStrict() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		var user struct {
			Name string `json:"name"`
		}
		if !http.BindJSONStrict(w, r, &user, 1<<20) {
			return
		}
		fmt.Fprint(w, user.Name)
	}

	for _, body := range []string{`{"name":"Ada"}`, `{"nmae":"Ada"}`, `{"name":"Ada","Name":"Eve"}`} {
		rec := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/users", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		handler(rec, r)
		fmt.Println(rec.Code, rec.Body)
	}
	rec := httptest.NewRecorder()
	handler(rec, httptest.NewRequest("POST", "/users", strings.NewReader(`{"name":"Ada"}`)))
	fmt.Println(rec.Code, rec.Body)
	// Output:
	// 200 Ada
	// 400 {"error":"unknown field \"nmae\" at offset 1"}
	// 400 {"error":"duplicate field \"Name\" at offset 14"}
	// 415 {"error":"the Content-Type must be application/json"}
}

// ReadJSONStrict returns the error, so that the handler can choose the response.
func ExampleReadJSONStrict() {
	r := httptest.NewRequest("POST", "/users", strings.NewReader(`{"name":"Ada"}`))
	r.Header.Set("Content-Type", "text/plain")
	var user struct{ Name string }
	err := http.ReadJSONStrict(r, &user, 1<<20)
	fmt.Println(errors.Is(err, http.ErrContentType), err)

	r = httptest.NewRequest("POST", "/users", strings.NewReader(`{"name":"Ada","age":36}`))
	r.Header.Set("Content-Type", "application/json")
	fmt.Println(http.ReadJSONStrict(r, &user, 1<<20))
	// Output:
	// true http: the Content-Type must be application/json
	// http: unknown field "age" at offset 14
}

// The fields are sorted.
// Without problems, Err returns nil.
func ExampleFieldErrors_Err() {
	problems := http.FieldErrors{}
	fmt.Println(problems.Err() == nil)
	problems["name"] = "is required"
	fmt.Println(problems.Err())
	// Output:
	// true
	// name: is required
}

func ExampleFieldErrors_Error() {
	err := http.FieldErrors{"name": "is required", "age": "must be an integer"}
	fmt.Println(err)
	// Output: age: must be an integer; name: is required
}
