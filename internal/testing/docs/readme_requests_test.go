package docs

import (
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestParameters(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	var got []any
	router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		//snippet:begin README.md
		id := http.PathParam(r, "id") // decoded
		number, ok := http.PathParamInt64(w, r, "id")
		if !ok {
			return // PathParamInt64 has responded with 400
		}
		name := http.QueryParam(r, "name")
		view := http.QueryParamOr(r, "view", "table")
		page := http.QueryParamInt(r, "page", 1) // 1 if page is missing or not an integer
		//snippet:end
		got = []any{id, number, name, view, page}
	})
	testkit.Serve(t, router, "GET", "/users/7?name=Ada&view=list&page=3", "").Want(t, 200, "")
	if want := []any{"7", int64(7), "Ada", "list", 3}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	testkit.Serve(t, router, "GET", "/users/7?page=x", "").Want(t, 200, "")
	if want := []any{"7", int64(7), "", "table", 1}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	got = nil
	if bad := testkit.Serve(t, router, "GET", "/users/Ada", ""); bad.StatusCode != 400 || got != nil {
		t.Errorf("status %d and %v of a path without a number", bad.StatusCode, got)
	}
}

func TestTypedParameters(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.HandleFunc("GET /ports/{port}", func(w http.ResponseWriter, r *http.Request) {
		//snippet:begin README.md
		port, ok := http.PathParamAs[uint16](w, r, "port")
		if !ok {
			return // PathParamAs has responded with 400
		}
		wait, ok := http.QueryParamAsOr(w, r, "wait", 30*time.Second)
		if !ok {
			return
		}
		//snippet:end
		fmt.Fprintln(w, port, wait)
	})
	testkit.Serve(t, router, "GET", "/ports/80", "").Want(t, 200, "80 30s\n")
	testkit.Serve(t, router, "GET", "/ports/80?wait=1m", "").Want(t, 200, "80 1m0s\n")
	testkit.Serve(t, router, "GET", "/ports/80000", "").
		Want(t, 400, `{"error":"port: must be an integer from 0 to 65535","fields":{"port":"must be an integer from 0 to 65535"}}`)
}

func TestBindQuery(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		//snippet:begin README.md
		var query struct {
			Page  int       `query:"page,default=1"`
			Role  string    `query:"role,required"`
			Since time.Time `query:"since"`
			IDs   []int64   `query:"id,comma"`
		}
		if !http.BindQuery(w, r, &query) {
			return
		}
		//snippet:end
		fmt.Fprintln(w, query.Page, query.Role, query.Since.IsZero(), query.IDs)
	})
	testkit.Serve(t, handler, "GET", "/?role=admin&id=1,2&id=3", "").Want(t, 200, "1 admin true [1 2 3]\n")
	testkit.Serve(t, handler, "GET", "/?page=x", "").
		Want(t, 400, `{"error":"page: must be an integer; role: is required","fields":{"page":"must be an integer","role":"is required"}}`)
}

func TestBindJSON(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		//snippet:begin README.md
		var user struct {
			Name string `json:"name"`
			Age  int    `json:"age"`
		}
		if !http.BindJSON(w, r, &user) {
			return
		}
		//snippet:end
		fmt.Fprintf(w, "%+v", user)
	})
	testkit.Serve(t, handler, "POST", "/", `{"name":"Ada","age":36,"more":true}`).Want(t, 200, "{Name:Ada Age:36}")
	for body, word := range map[string]string{
		"":            "empty",
		`{"name":`:    "malformed",
		`{"name":1}`:  `\"name\"`,
		`{"age":"x"}`: `\"age\"`,
		`{"name":"` + strings.Repeat("x", 1<<20) + `"}`: "too large",
	} {
		if got := testkit.Serve(t, handler, "POST", "/", body); got.StatusCode != 400 || !strings.Contains(got.Body, word) {
			t.Errorf("%.40q: got %d %s, want 400 with %s", body, got.StatusCode, got.Body, word)
		}
	}
}

//snippet:begin README.md

type NewUser struct {
	Name  string `json:"name"`
	Email string `json:"email"`
	Age   int    `json:"age"`
}

func (u NewUser) Validate() error {
	problems := http.FieldErrors{}
	if u.Name == "" {
		problems["name"] = "is required"
	}
	if !strings.Contains(u.Email, "@") {
		problems["email"] = "is not an email address"
	}
	if u.Age < 18 {
		problems["age"] = "must be at least 18"
	}
	return problems.Err() // nil if there are none
}

func createUser(w http.ResponseWriter, r *http.Request) {
	var user NewUser
	if !http.BindJSON(w, r, &user) {
		return // BindJSON has responded with 400
	}
	http.WriteJSON(w, http.StatusCreated, user)
}

//snippet:end

func TestValidation(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(createUser)
	valid := `{"name":"Ada","email":"ada@example.com","age":36}`
	testkit.Serve(t, handler, "POST", "/", valid).Want(t, 201, valid)
	testkit.Serve(t, handler, "POST", "/", `{"name":"Ada","email":"ada","age":36}`).
		Want(t, 400, `{"error":"email: is not an email address","fields":{"email":"is not an email address"}}`)
	testkit.Serve(t, handler, "POST", "/", `{}`).
		Want(t, 400, `{"error":"age: must be at least 18; email: is not an email address; name: is required",`+
			`"fields":{"age":"must be at least 18","email":"is not an email address","name":"is required"}}`)
	testkit.Serve(t, handler, "POST", "/", `{"age":"36"}`).
		Want(t, 400, `{"error":"field \"age\" has a string where an integer is expected (before offset 11)"}`)
}

func TestReadJSONLimit(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var input User
		//snippet:begin README.md
		err := http.ReadJSONLimit(r, &input, 10<<20)
		switch {
		case errors.Is(err, http.ErrBodyTooLarge):
			http.WriteError(w, http.StatusRequestEntityTooLarge, "the body is larger than 10 MiB")
			return
		case err != nil:
			http.WriteError(w, http.StatusBadRequest, err.Error()) // safe to show to the client
			return
		}
		//snippet:end
		http.WriteJSON(w, http.StatusOK, input.ID)
	})
	testkit.Serve(t, handler, "POST", "/", `{"id":7,"name":"`+strings.Repeat("x", 2<<20)+`"}`).Want(t, 200, "7")
	testkit.Serve(t, handler, "POST", "/", `{"id":7,"name":"`+strings.Repeat("x", 10<<20)+`"}`).Want(t, 413, `{"error":"the body is larger than 10 MiB"}`)
	if got := testkit.Serve(t, handler, "POST", "/", `{"id":"x"}`); got.StatusCode != 400 || !strings.Contains(got.Body, `\"id\"`) {
		t.Errorf("got %d %s", got.StatusCode, got.Body)
	}
}

func TestUpload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	handler := func(w http.ResponseWriter, r *http.Request) {
		//snippet:begin README.md
		upload, ok := http.BindUpload(w, r, http.UploadConfig{
			Dir:     dir,
			Field:   "photo",
			MaxSize: 10 << 20,
			Types:   []string{"image/png", "image/jpeg"},
		})
		if !ok {
			return // nothing is left in dir
		}
		http.WriteJSON(w, http.StatusCreated, map[string]any{"id": filepath.Base(upload.Path), "name": upload.Name})
		//snippet:end
	}
	for content, want := range map[string]int{"\x89PNG\r\n\x1a\n": 201, "text": 415} {
		body := "--x\r\nContent-Disposition: form-data; name=photo; filename=a.png\r\n\r\n" + content + "\r\n--x--"
		res := testkit.Serve(t, http.HandlerFunc(handler), "POST", "/", body, "Content-Type: multipart/form-data; boundary=x")
		if res.StatusCode != want {
			t.Errorf("%q: got %v, want %d", content, res, want)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("stored %v, %v", entries, err)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	created := func(w http.ResponseWriter, r *http.Request) {
		//snippet:begin README.md
		http.WriteJSON(w, http.StatusCreated, User{ID: 7, Name: "Ada"})
		//snippet:end
	}
	testkit.Serve(t, http.HandlerFunc(created), "GET", "/", "").Want(t, 201, `{"id":7,"name":"Ada"}`)
	taken := func(w http.ResponseWriter, r *http.Request) {
		//snippet:begin README.md
		http.WriteError(w, http.StatusConflict, "name is taken") // {"error":"name is taken"}
		//snippet:end
	}
	testkit.Serve(t, http.HandlerFunc(taken), "GET", "/", "").Want(t, 409, `{"error":"name is taken"}`)
}

func TestWriteServerError(t *testing.T) {
	t.Parallel()
	store := &memory{users: []User{{7, "Ada"}}}
	log := &console{t: t}
	router := http.NewRouter()
	router.Use(http.RequestID(http.RequestIDConfig{Generator: func() string { return "r1" }}), http.RequestLogger(log.logger()))
	router.HandleFunc("GET /user", func(w http.ResponseWriter, r *http.Request) {
		//snippet:begin README.md
		user, err := store.Find(r.Context(), 7)
		if err != nil {
			http.WriteServerError(w, r, "failed to load the user", err)
			return
		}
		http.WriteJSON(w, http.StatusOK, user)
		//snippet:end
	})
	testkit.Serve(t, router, "GET", "/user", "").Want(t, 200, `{"id":7,"name":"Ada"}`)
	store.err = errors.New("disk on fire")
	testkit.Serve(t, router, "GET", "/user", "").Want(t, 500, `{"error":"failed to load the user"}`)
	for _, part := range []string{"disk on fire", "request_id=r1", "method=GET", "path=/user"} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("%q is not in the log:\n%s", part, log)
		}
	}
}

func TestHandlerErrorFuncAndErrorForm(t *testing.T) {
	t.Parallel()
	router := http.NewRouter()
	router.Use(http.RequestLogger((&console{t: t}).logger()))
	findNote := func(id string) (string, error) {
		return "hello", map[string]error{"2": sql.ErrNoRows, "3": errors.New("disk on fire")}[id]
	}
	//snippet:begin README.md
	router.ErrorForm(http.WriteProblem)
	router.Handle("GET /notes/{id}", http.HandlerErrorFunc(func(w http.ResponseWriter, r *http.Request) error {
		note, err := findNote(r.PathValue("id"))
		if errors.Is(err, sql.ErrNoRows) {
			return http.Errorf(http.StatusNotFound, "no such note: %w", err) // err is not sent
		}
		if err != nil {
			return err
		}
		http.WriteJSON(w, http.StatusOK, note)
		return nil
	}))
	//snippet:end
	testkit.Serve(t, router, "GET", "/notes/1", "").Want(t, 200, `"hello"`)
	testkit.Serve(t, router, "GET", "/notes/2", "").Want(t, 404, `{"status":404,"title":"Not Found","detail":"no such note"}`)
	testkit.Serve(t, router, "GET", "/notes/3", "").Want(t, 500, `{"status":500,"title":"Internal Server Error","detail":"internal server error"}`)
	testkit.Serve(t, router, "GET", "/x", "").Want(t, 404, `{"status":404,"title":"Not Found","detail":"not found"}`)
}

var store = &memory{users: []User{{1, "Ada"}, {2, "Bob"}}}

//snippet:begin README.md

func list(w http.ResponseWriter, r *http.Request) {
	page := http.ParsePagination(r, 50, 100) // 50 by default, at most 100
	column, direction := http.QueryParamSort(r, []string{"id", "name"}, "id", "ASC")
	users, total, err := store.List(r.Context(), column, direction, page.Limit, page.Offset)
	if err != nil {
		http.WriteServerError(w, r, "failed to list users", err)
		return
	}
	http.PaginatedResponse(w, "users", users, total) // {"users":[...],"total":42}
}

//snippet:end

func TestList(t *testing.T) {
	testkit.Serve(t, http.HandlerFunc(list), "GET", "/?limit=20&offset=40&sort=name&order=desc", "").
		Want(t, 200, `{"users":[{"id":1,"name":"Ada"},{"id":2,"name":"Bob"}],"total":42}`)
	if want := "name DESC limit 20 offset 40"; store.asked != want {
		t.Errorf("the store was asked for %q, want %q", store.asked, want)
	}
	testkit.Serve(t, http.HandlerFunc(list), "GET", "/?limit=1000&sort=password&order=x", "")
	if want := "id ASC limit 100 offset 0"; store.asked != want {
		t.Errorf("the store was asked for %q, want %q", store.asked, want)
	}
}

func TestBulkIDs(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		//snippet:begin README.md
		var request struct {
			IDs []int64 `json:"ids"`
		}
		if !http.BindJSON(w, r, &request) || !http.CheckBulkIDs(w, request.IDs, 100) {
			return
		}
		//snippet:end
		fmt.Fprint(w, request.IDs)
	})
	testkit.Serve(t, handler, "POST", "/", `{"ids":[3,1]}`).Want(t, 200, "[3 1]")
	for _, body := range []string{`{"ids":[]}`, `{"ids":["x"]}`, `{"ids":[1` + strings.Repeat(",1", 100) + `]}`} {
		if got := testkit.Serve(t, handler, "POST", "/", body); got.StatusCode != 400 {
			t.Errorf("%.40s: status %d", body, got.StatusCode)
		}
	}
}

func TestCSVFromASourceThatFails(t *testing.T) {
	t.Parallel()
	failing := false
	query := func(context.Context) iter.Seq2[User, error] {
		return func(yield func(User, error) bool) {
			_ = yield(User{1, "=Ada"}, nil) && failing && yield(User{}, errors.New("connection lost"))
		}
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		//snippet:begin README.md
		rows := func(yield func([]string, error) bool) {
			for user, err := range query(r.Context()) {
				if !yield([]string{fmt.Sprint(user.ID), user.Name}, err) {
					return
				}
			}
		}
		http.StreamCSV(w, r, "users", []string{"ID", "Name"}, rows, http.CSVOptions{BOM: true, EscapeFormulas: true})
		//snippet:end
	})
	testkit.Serve(t, handler, "GET", "/", "").Want(t, 200, "\ufeffID,Name\n1,'=Ada\n")
	failing = true
	testkit.Serve(t, handler, "GET", "/", "").Want(t, 500, `{"error":"internal server error"}`)
}

func TestCSV(t *testing.T) {
	t.Parallel()
	store := &memory{users: []User{{1, "Ada"}, {2, `Bob, "the builder"`}}}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		//snippet:begin README.md
		users, _, err := store.List(r.Context(), "id", "ASC", 1000, 0)
		if err != nil {
			http.WriteServerError(w, r, "failed to export", err)
			return
		}
		next := 0
		http.WriteCSV(w, "users", []string{"ID", "Name"}, func() []string {
			if next == len(users) {
				return nil // no more rows
			}
			user := users[next]
			next++
			return []string{fmt.Sprint(user.ID), user.Name}
		})
		//snippet:end
	})
	got := testkit.Serve(t, handler, "GET", "/", "")
	rows, err := csv.NewReader(strings.NewReader(got.Body)).ReadAll()
	want := [][]string{{"ID", "Name"}, {"1", "Ada"}, {"2", `Bob, "the builder"`}}
	if err != nil || !reflect.DeepEqual(rows, want) {
		t.Errorf("rows %q, %v", rows, err)
	}
	if disposition := got.Header.Get("Content-Disposition"); !strings.Contains(disposition, "users-20") {
		t.Errorf("Content-Disposition %q", disposition)
	}
	store.err = errors.New("disk on fire")
	testkit.Serve(t, handler, "GET", "/", "").Want(t, 500, `{"error":"failed to export"}`)
}
