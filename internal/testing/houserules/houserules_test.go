package houserules

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"
)

// head is the beginning of a fixture.
const head = "// Package p is a fixture.\npackage p\n\n"

func TestCheckFindsViolations(t *testing.T) {
	t.Parallel()
	const (
		asserted = "type assertion on a ResponseWriter; use http.ResponseController, which finds wrapped writers"
		shared   = " can be shared by responses; copy it"
		handler  = head + "import \"net/http\"\n\nvar v, m = []string{``}, map[string][]string{}\n\nfunc f(w http.ResponseWriter, s struct{ x []string }) {\n\t"
	)
	for _, test := range []struct {
		name   string
		source string
		want   string // the only finding, or empty
	}{
		{"field without comment", head + "type T struct {\n\tA int\n\tb int\n}\n", "p.go:5: field: T.A has no comment"},
		{"field with a comment beside it", head + "type T struct {\n\tA int // one\n}\n", ""},
		{"field of an unexported type", head + "type t struct{ A int }\n", ""},
		{"method of an interface without comment", head + "type T interface {\n\tM()\n}\n", "p.go:5: field: T.M has no comment"},

		{"init", head + "func init() {}\n", "p.go:4: init: initialize where the value is used instead of in an init function"},
		{"method named init", head + "type t int\n\nfunc (t) init() {}\n", ""},

		{"variable assigned", head + "var v int\n\nfunc f() { v = 1 }\n", "p.go:6: state: assignment to the package variable v"},
		{"variable incremented", head + "var v [2]struct{ n int }\n\nfunc f() { (v[1]).n++ }\n", "p.go:6: state: assignment to the package variable v"},
		{"entry deleted", head + "var v = map[int]int{}\n\nfunc f() { delete(v, 1) }\n", "p.go:6: state: assignment to the package variable v"},
		{"entry deleted later", head + "var v = map[int]int{}\n\nfunc f() { defer delete(v, 1) }\n", "p.go:6: state: assignment to the package variable v"},
		{"variable of another package", head + "import \"net/http\"\n\nfunc f() { http.DefaultClient.Timeout = 1 }\n", "p.go:6: state: assignment to the package variable DefaultClient"},
		{"local variable", head + "var v int\n\nfunc f() {\n\tv := v\n\tv++\n\tprintln(v)\n}\n", ""},
		{"mutex", head + "import \"sync\"\n\nvar v sync.Mutex\n", "p.go:6: state: the package variable v has the type sync.Mutex"},
		{"atomic", head + "import \"sync/atomic\"\n\nvar v atomic.Pointer[int]\n", "p.go:6: state: the package variable v has the type atomic.Pointer"},
		{"pool", head + "import \"sync\"\n\nvar v sync.Pool\n", ""},

		{"writer asserted", head + "import \"net/http\"\n\nfunc f(w http.ResponseWriter) { w.(http.Flusher).Flush() }\n", "p.go:6: assertion: " + asserted},
		{"writer switched", head + "import \"net/http\"\n\nfunc f(w struct{ http.ResponseWriter }) {\n\tswitch w.ResponseWriter.(type) {\n\t}\n}\n", "p.go:7: assertion: " + asserted},
		{"handler asserted", head + "import \"net/http\"\n\nfunc f(h http.Handler) bool {\n\t_, ok := h.(*http.ServeMux)\n\treturn ok\n}\n", ""},

		{"package variable in a header", handler + "w.Header()[``] = v\n}\n", "p.go:9: header: v" + shared},
		{"field in a header", handler + "w.Header()[``] = s.x\n}\n", "p.go:9: header: s.x" + shared},
		{"package variable in a header of an alias", handler + "type header = http.Header\n\tvar h header\n\th[``] = v\n}\n", "p.go:11: header: v" + shared},
		{"new slice in a header", handler + "w.Header()[``] = []string{v[0]}\n}\n", ""},
		{"field in another map", handler + "m := map[string][]string{}\n\tm[``] = s.x\n}\n", ""},

		{"error dropped", head + "func g() error { return nil }\n\nfunc f() { _ = g() }\n", "p.go:6: dropped: assignment to _ without a comment on the line"},
		{"error dropped for a reason", head + "func g() error { return nil }\n\nfunc f() {\n\t_ = g() // g cannot fail\n}\n", ""},

		{"sleep", head + "import \"time\"\n\nfunc f() { time.Sleep(1) }\n", "p.go:6: sleep: wait for an event instead of sleeping"},
		{"sleep under another name", head + "import clock \"time\"\n\nfunc f() { clock.Sleep(1) }\n", "p.go:6: sleep: wait for an event instead of sleeping"},
		{"sleep on the fake clock", head + "import (\n\t\"time\"\n\n\t_ \"testing/synctest\"\n)\n\nfunc f() { time.Sleep(1) }\n", ""},

		{"banner", head + "// ---- Helpers ----\n", `p.go:4: banner: comment with a rule: "// ---- Helpers ----"`},
		{"rule", head + "//========\n", `p.go:4: banner: comment with a rule: "//========"`},
		{"box", head + "/******\n * hello\n ******/\n", `p.go:4: banner: comment with a rule: "/******"`},
		{"slashes", head + "////////\n", `p.go:4: banner: comment with a rule: "////////"`},
		{"diagram", head + "//\t+---+---+\n//\t| a | b |\n", ""},
		{"dash", head + "// -- so to speak -- it is\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, finding := range Check([]*Package{fixture(t, module, test.source, "")}) {
				got = append(got, finding.String())
			}
			if strings.Join(got, "\n") != test.want {
				t.Errorf("findings %q, want %q", got, test.want)
			}
		})
	}
}

func TestRulesDependOnThePackage(t *testing.T) {
	t.Parallel()
	const (
		field     = head + "type T struct{ A int }\n"
		assertion = head + "import \"net/http\"\n\nfunc f(w http.ResponseWriter) { w.(http.Flusher).Flush() }\n"
		header    = head + "import \"net/http\"\n\nvar v []string\n\nfunc f(h http.Header) { h[``] = v }\n"
		imports   = head + "import _ \"" + module + "\"\n"
	)
	for _, test := range []struct {
		path, source string
		want         int // findings
	}{
		{module, field, 1},
		{module + "/internal/p", field, 0},
		{module + "/internal/response", assertion, 0},
		{module + "/internal/responses", assertion, 1},
		{module + "/internal/response", header, 0},
		{module + "/internal/other", header, 1},
		{module + "/internal/demo/pages", imports, 0},
		{module + "/internal/guide", imports, 0},
		{module + "/internal/other", imports, 1},
	} {
		if got := Check([]*Package{fixture(t, test.path, test.source, "")}); len(got) != test.want {
			t.Errorf("%s: findings %v, want %d of\n%s", test.path, got, test.want, test.source)
		}
	}
}

func TestTwoRulesApplyToTestFiles(t *testing.T) {
	t.Parallel()
	const testSource = `package p

import "time"

var v int

func init() { v = 1 }

func F() { time.Sleep(1) }

// -----

func Example() {
	// Output:
	// -----
}
`
	var rules []string
	for _, finding := range Check([]*Package{fixture(t, module, head, testSource)}) {
		rules = append(rules, finding.Rule)
	}
	if want := []string{"sleep", "banner"}; !slices.Equal(rules, want) {
		t.Errorf("findings of %q, want %q", rules, want)
	}
}

func TestWithoutExample(t *testing.T) {
	t.Parallel()
	const source = head + `
func F() {}
func G() {}
func h() {}

type T int

func (T) M()  {}
func (*T) N() {}
func (T) o()  {}

type I interface{ M() }

type A = T

const C = 1
`
	const testSource = `package p

func ExampleF() {
	// Output: 1
}

func ExampleG_unchecked() {}

func ExampleT_M_twice() {
	// Unordered output: 1
}

func ExampleT() {
	// Output:
}

func ExampleI_small() {
	// Output: 1
}
`
	p := fixture(t, module, source, testSource)
	var got []string
	for _, finding := range p.WithoutExample() {
		got = append(got, finding.Message)
	}
	want := []string{
		"type A has no example with checked output",
		"function G has no example with checked output",
		"type T has no example with checked output",
		"method T.N has no example with checked output",
	}
	if !slices.Equal(got, want) {
		t.Errorf("findings:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := p.WithoutExample("p.go"); len(got) != 0 {
		t.Errorf("findings in a file that is left out: %v", got)
	}
}

func TestHiddenFromExamples(t *testing.T) {
	t.Parallel()
	const helpers = `
import (
	"fmt"
	"net/http/httptest"
)

type T struct{ helper int }

func helper(int) string { return "" }
`
	const example = `
func Example_a() {
	server := httptest.NewServer(httptest.HandlerFunc(func(T T) {
		fmt.Println(helper(T.helper), server.helper, httptest.Server{helper: 1})
	}))
	helper := func() {}
	helper()
	// Output: 1
}
`
	const other = "\nfunc Example_b() {\n\tvar t T\n\tt.helper = 1\n}\n"
	for _, test := range []struct {
		name   string
		source string
		want   []string
	}{
		{"one example", helpers + example, nil},
		{"two examples", helpers + example + other, []string{
			"p_test.go:13: example: godoc does not show T with Example_a",
			"p_test.go:14: example: godoc does not show helper with Example_a",
			"p_test.go:22: example: godoc does not show T with Example_b",
		}},
		{"an example and a test", helpers + other + "\nfunc TestT(t *testing.T) {}\n", []string{
			"p_test.go:13: example: godoc does not show T with Example_b",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := fixture(t, module, head, "package p_test\n"+test.source)
			var got []string
			for _, finding := range p.HiddenFromExamples() {
				got = append(got, finding.String())
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("findings:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestSurface(t *testing.T) {
	t.Parallel()
	const source = head + `
import (
	"io"
	"net/http"
)

type Writer = http.ResponseWriter

const (
	C, D = 1 << 10, "a\"b"
	E    Kind = 2
)

type Kind uint8

var Err = io.EOF

func F(w Writer, names ...string) (n int, err error) { return 0, nil }

func f() {}

type inner struct{}

func (*inner) Promoted() {}

type S struct {
	B, A int
	c    int
	inner
	io.Reader
}

func (*S) P(k Kind) *S { return nil }
func (S) V()           {}
func (S) hidden()      {}

type I interface {
	io.Closer
	M() Kind
}

type Fn func(http.Handler) Writer
`
	want := []string{
		"const C untyped int = 1024",
		`const D untyped string = "a\"b"`,
		"const E Kind = 2",
		"func F(w Writer, names ...string) (n int, err error)",
		"type Fn func(http.Handler) Writer",
		"type I interface",
		"method (I) Close() error",
		"method (I) M() Kind",
		"type Kind uint8",
		"type S struct",
		"field S.B int",
		"field S.A int",
		"field S.Reader io.Reader",
		"method (*S) P(k Kind) *S",
		"method (*S) Promoted()",
		"method (S) Read(p []byte) (n int, err error)",
		"method (S) V()",
		"type Writer = http.ResponseWriter",
		"var Err error",
	}
	p := fixture(t, module, source, "")
	if got := p.Surface(); !slices.Equal(got, want) {
		t.Errorf("surface:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := p.Surface("p.go"); len(got) != 0 {
		t.Errorf("surface without its only file: %q", got)
	}
}

func TestLoadNamesFilesFromTheRoot(t *testing.T) {
	t.Parallel()
	packages, err := Load("../../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages {
		if p.Path != module+"/internal/testing/houserules" {
			continue
		}
		if got, want := p.Fset.Position(p.Tests[0].Pos()).Filename, "internal/testing/houserules/houserules_test.go"; got != want {
			t.Errorf("this file is %q, want %q", got, want)
		}
		return
	}
	t.Error("this package was not found")
}

// fixture returns a package with one file and, if testSource is not empty, one
// test file.
func fixture(t *testing.T, path, source, testSource string) *Package {
	t.Helper()
	fset := token.NewFileSet()
	parse := func(name, source string) *ast.File {
		file, err := parser.ParseFile(fset, name, source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	p := &Package{Path: path, Fset: fset, Files: []*ast.File{parse("p.go", source)}}
	if testSource != "" {
		p.Tests = []*ast.File{parse("p_test.go", testSource)}
	}
	if err := p.typeCheck(withRoot{importer.ForCompiler(fset, "gc", nil)}); err != nil {
		t.Fatal(err)
	}
	return p
}

// withRoot is an importer with an empty root package.
type withRoot struct{ types.Importer }

func (w withRoot) Import(path string) (*types.Package, error) {
	if path == module {
		root := types.NewPackage(module, "http")
		root.MarkComplete()
		return root, nil
	}
	return w.Importer.Import(path)
}
