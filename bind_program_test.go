package http_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	nethttp "net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// ordersBefore is a handler that uses only net/http. It lists orders, and describes all
// mistakes in the query at once.
func ordersBefore(w nethttp.ResponseWriter, r *nethttp.Request) {
	q := r.URL.Query()
	fields := make(map[string]string)
	page := 1
	if text := q.Get("page"); text != "" {
		var err error
		if page, err = strconv.Atoi(text); err != nil {
			fields["page"] = "must be an integer"
		}
	}
	status := q.Get("status")
	if status == "" {
		fields["status"] = "is required"
	}
	open := false
	if text := q.Get("open"); text != "" {
		var err error
		if open, err = strconv.ParseBool(text); err != nil {
			fields["open"] = "must be true or false"
		}
	}
	var since *time.Time
	if text := q.Get("since"); text != "" {
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			fields["since"] = "must be a time such as 2006-01-02T15:04:05Z"
		}
		since = &t
	}
	within := time.Hour
	if text := q.Get("within"); text != "" {
		var err error
		if within, err = time.ParseDuration(text); err != nil {
			fields["within"] = "must be a duration such as 1m30s"
		}
	}
	var ids []int64
	for i, text := range slices.DeleteFunc(strings.Split(strings.Join(q["id"], ","), ","), func(s string) bool { return s == "" }) {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			fields["id"] = "value " + strconv.Itoa(i+1) + " must be an integer"
			break
		}
		ids = append(ids, id)
	}
	if len(fields) == 0 && page < 1 {
		fields["page"] = "must be at least 1"
	}
	if len(fields) > 0 {
		var problems []string
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			problems = append(problems, name+": "+fields[name])
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(nethttp.StatusBadRequest)
		body, _ := json.Marshal(map[string]any{"error": strings.Join(problems, "; "), "fields": fields}) // strings can be encoded
		w.Write(body)
		return
	}
	fmt.Fprintln(w, page, status, open, since, within, ids)
}

type ordersQuery struct {
	Page   int           `query:"page,default=1"`
	Status string        `query:"status,required"`
	Open   bool          `query:"open"`
	Since  *time.Time    `query:"since"`
	Within time.Duration `query:"within,default=1h"`
	IDs    []int64       `query:"id,comma"`
}

func (q ordersQuery) Validate() error {
	if q.Page < 1 {
		return http.FieldErrors{"page": "must be at least 1"}
	}
	return nil
}

// ordersAfter is the same handler with BindQuery.
func ordersAfter(w http.ResponseWriter, r *http.Request) {
	var q ordersQuery
	if !http.BindQuery(w, r, &q) {
		return
	}
	fmt.Fprintln(w, q.Page, q.Status, q.Open, q.Since, q.Within, q.IDs)
}

func TestBindQueryReplacesAHandlerWithTheSameAnswers(t *testing.T) {
	t.Parallel()
	before := testkit.StartServer(t, testkit.HTTP1, nethttp.HandlerFunc(ordersBefore))
	after := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(ordersAfter))
	for _, query := range []string{
		"", "status=new", "status=a+b&page=3&open=true&since=2026-03-22T10:00:00Z&within=5m&id=1,2&id=3", "status=&page=&id=,", "status=x&page=0",
		"page=x&open=maybe&since=today&within=5&id=1,x,2", "status=new&page=1.5", "status=x&status=y&id=7&id=8&other=%zz",
	} {
		want := before.Get(t, "/?"+query)
		after.Get(t, "/?"+query).Want(t, want.StatusCode, want.Body)
	}
}

func TestBindQueryMakesHandlersShorter(t *testing.T) {
	t.Parallel()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "bind_program_test.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	lines := make(map[string]int) // by the name of the program
	for _, decl := range file.Decls {
		name := ""
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if name = decl.Name.Name; name == "Validate" {
				name = "ordersAfter"
			}
		case *ast.GenDecl:
			if spec, ok := decl.Specs[0].(*ast.TypeSpec); ok && spec.Name.Name == "ordersQuery" {
				name = "ordersAfter"
			}
		}
		lines[name] += fset.Position(decl.End()).Line - fset.Position(decl.Pos()).Line + 1
	}
	t.Logf("%d lines before, %d after", lines["ordersBefore"], lines["ordersAfter"])
	if lines["ordersAfter"] == 0 || 2*lines["ordersAfter"] > lines["ordersBefore"] {
		t.Errorf("%d lines before, %d after, want less than half", lines["ordersBefore"], lines["ordersAfter"])
	}
}
