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

// fixture makes a package of one file, under the import path given, and of one
// test file, which may be empty.
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

// withRoot is an importer that knows an empty root package.
type withRoot struct{ types.Importer }

func (w withRoot) Import(path string) (*types.Package, error) {
	if path == module {
		root := types.NewPackage(module, "http")
		root.MarkComplete()
		return root, nil
	}
	return w.Importer.Import(path)
}

// head starts the source of a fixture.
const head = "// Package p is a fixture.\npackage p\n\n"

func TestCheckFindsWhatBreaksARule(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\tprintln()\n", 59)
	for _, test := range []struct {
		name   string
		source string
		want   string // the only finding, or nothing
	}{
		{"no package comment", "package p\n", `p.go:1: doc: no file has a comment that starts with "Package p"`},
		{"command", "// Command p runs.\npackage main\n\nfunc main() {}\n", ""},

		{"function without comment", head + "func F() {}\n", "p.go:4: doc: F has no doc comment"},
		{"comment on something else", head + "// Does it.\nfunc F() {}\n", "p.go:5: doc: the doc comment of F does not start with its name"},
		{"comment on a longer name", head + "// Far is F.\nfunc F() {}\n", "p.go:5: doc: the doc comment of F does not start with its name"},
		{"only a directive", head + "//go:noinline\nfunc F() {}\n", "p.go:5: doc: F has no doc comment"},
		{"method without comment", head + "// T is one.\ntype T int\n\nfunc (*T) M() {}\n", "p.go:7: doc: M has no doc comment"},
		{"method of a generic type", head + "// T is one.\ntype T[A, B any] int\n\nfunc (T[A, B]) M() {}\n", "p.go:7: doc: M has no doc comment"},
		{"method of an unexported type", head + "type t int\n\nfunc (*t) M() {}\n", ""},
		{"type with an article", head + "// A T is one.\ntype T int\n", ""},
		{"type in a block", head + "// Types.\ntype (\n\tT int\n)\n", "p.go:6: doc: T has no doc comment"},
		{"field without comment", head + "// T is one.\ntype T struct {\n\tA int\n\tb int\n}\n", "p.go:6: doc: field T.A has no comment"},
		{"field with a comment beside it", head + "// T is one.\ntype T struct {\n\tA int // one\n}\n", ""},
		{"method of an interface without comment", head + "// T is one.\ntype T interface {\n\tM()\n}\n", "p.go:6: doc: method T.M has no comment"},
		{"constant without comment", head + "const C = 1\n", "p.go:4: doc: C has no doc comment"},
		{"table of constants", head + "// The table.\nconst (\n\tC = 1 // one\n)\n", ""},
		{"table without heading", head + "const (\n\tC = 1 // one\n)\n", "p.go:5: doc: C has no doc comment"},
		{"constants with a heading only", head + "// The table.\nconst (\n\tC = 1\n)\n", "p.go:6: doc: C has no doc comment"},
		{"variable without comment", head + "var V = 1\n", "p.go:4: doc: V has no doc comment"},

		{"function of 60 lines", head + "func f() {\n" + long[11:] + "}\n", ""},
		{"function of 61 lines", head + "func f() {\n" + long + "}\n", "p.go:4: length: f has 61 lines, more than 60"},
		{"long function with a reason", head + "// f is long.\n//\n//house:allow length it is unrolled\nfunc f() {\n" + long + "}\n", ""},
		{"long function without a reason", head + "// f is long.\n//\n//house:allow length\nfunc f() {\n" + long + "}\n", "p.go:6: allow: no reason is given"},
		{"short function with a reason", head + "// f is short.\n//\n//house:allow length it is unrolled\nfunc f() {}\n", "p.go:6: allow: nothing here breaks the rule length"},

		{"init", head + "func init() {}\n", "p.go:4: init: an init function runs behind the reader's back"},
		{"method named init", head + "type t int\n\nfunc (t) init() {}\n", ""},

		{"variable assigned", head + "var v int\n\nfunc f() { v = 1 }\n", "p.go:6: state: the package variable v is changed"},
		{"variable counted up", head + "var v [2]struct{ n int }\n\nfunc f() { (v[1]).n++ }\n", "p.go:6: state: the package variable v is changed"},
		{"entry deleted", head + "var v = map[int]int{}\n\nfunc f() { delete(v, 1) }\n", "p.go:6: state: the package variable v is changed"},
		{"variable of another package", head + "import \"net/http\"\n\nfunc f() { http.DefaultClient.Timeout = 1 }\n", "p.go:6: state: the package variable DefaultClient is changed"},
		{"local variable", head + "var v int\n\nfunc f() {\n\tv := v\n\tv++\n\tprintln(v)\n}\n", ""},
		{"mutex", head + "import \"sync\"\n\nvar v sync.Mutex\n", "p.go:6: state: the package variable v is a sync.Mutex"},
		{"atomic", head + "import \"sync/atomic\"\n\nvar v atomic.Pointer[int]\n", "p.go:6: state: the package variable v is a atomic.Pointer"},
		{"pool", head + "import \"sync\"\n\nvar v sync.Pool\n", ""},

		{"writer asserted", head + "import \"net/http\"\n\nfunc f(w http.ResponseWriter) { w.(http.Flusher).Flush() }\n",
			"p.go:6: assertion: the type of a ResponseWriter is asserted; http.ResponseController sees through wrappers"},
		{"writer switched", head + "import \"net/http\"\n\nfunc f(w struct{ http.ResponseWriter }) {\n\tswitch w.ResponseWriter.(type) {\n\t}\n}\n",
			"p.go:7: assertion: the type of a ResponseWriter is asserted; http.ResponseController sees through wrappers"},
		{"assertion with a reason", head + "import \"net/http\"\n\nfunc f(w http.ResponseWriter) bool {\n\t//house:allow assertion it only asks\n\t_, ok := w.(http.Flusher)\n\treturn ok\n}\n", ""},
		{"handler asserted", head + "import \"net/http\"\n\nfunc f(h http.Handler) bool {\n\t_, ok := h.(*http.ServeMux)\n\treturn ok\n}\n", ""},

		{"error dropped", head + "func g() error { return nil }\n\nfunc f() { _ = g() }\n", "p.go:6: dropped: a value is dropped without a reason on the line"},
		{"error dropped for a reason", head + "func g() error { return nil }\n\nfunc f() {\n\t_ = g() // g cannot fail\n}\n", ""},
		{"error let fall", head + "func g() error { return nil }\n\nfunc f() { g() }\n", "p.go:6: dropped: the error of g is dropped without a word"},
		{"no error", head + "func g() int { return 0 }\n\nfunc f() { g() }\n", ""},
		{"print", head + "import \"fmt\"\n\nfunc f() { fmt.Println() }\n", ""},
		{"print to memory", head + "import (\n\t\"fmt\"\n\t\"strings\"\n)\n\nfunc f(b *strings.Builder) {\n\tfmt.Fprint(b)\n\tb.WriteString(``)\n}\n", ""},
		{"print to a writer", head + "import (\n\t\"fmt\"\n\t\"io\"\n)\n\nfunc f(w io.Writer) { fmt.Fprint(w) }\n", "p.go:9: dropped: the error of fmt.Fprint is dropped without a word"},

		{"sleep", head + "import \"time\"\n\nfunc f() { time.Sleep(1) }\n", "p.go:6: sleep: sleeping neither orders nor awaits anything"},
		{"sleep under another name", head + "import clock \"time\"\n\nfunc f() { clock.Sleep(1) }\n", "p.go:6: sleep: sleeping neither orders nor awaits anything"},
		{"sleep on the fake clock", head + "import (\n\t\"time\"\n\n\t_ \"testing/synctest\"\n)\n\nfunc f() { time.Sleep(1) }\n", ""},

		{"banner", head + "// ---- Helpers ----\n", `p.go:4: banner: a comment is drawn: "// ---- Helpers ----"`},
		{"rule", head + "//========\n", `p.go:4: banner: a comment is drawn: "//========"`},
		{"box", head + "/******\n * hello\n ******/\n", `p.go:4: banner: a comment is drawn: "/******"`},
		{"slashes", head + "////////\n", `p.go:4: banner: a comment is drawn: "////////"`},
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

func TestCheckIsMilderInside(t *testing.T) {
	t.Parallel()
	const source = head + "// T is one.\ntype T struct{ A int }\n\n// Sizes.\nconst (\n\tC = 1\n\tD = 2\n)\n"
	if got := Check([]*Package{fixture(t, module+"/internal/p", source, "")}); len(got) != 0 {
		t.Errorf("findings %v, want none", got)
	}
	if got := Check([]*Package{fixture(t, module, source, "")}); len(got) != 3 {
		t.Errorf("findings in the root package %v, want 3", got)
	}
}

func TestOnlyCaptureAssertsWriters(t *testing.T) {
	t.Parallel()
	const source = head + "import \"net/http\"\n\nfunc f(w http.ResponseWriter) { w.(http.Flusher).Flush() }\n"
	if got := Check([]*Package{fixture(t, module+"/internal/response", source, "")}); len(got) != 0 {
		t.Errorf("findings in capture %v, want none", got)
	}
	if got := Check([]*Package{fixture(t, module+"/internal/other", source, "")}); len(got) != 1 {
		t.Errorf("findings elsewhere %v, want 1", got)
	}
}

func TestOnlyTheDemoImportsTheRootPackage(t *testing.T) {
	t.Parallel()
	const source = head + "import _ \"" + module + "\"\n"
	if got := Check([]*Package{fixture(t, module+"/internal/demo/pages", source, "")}); len(got) != 0 {
		t.Errorf("findings in the demo %v, want none", got)
	}
	if got := Check([]*Package{fixture(t, module+"/internal/other", source, "")}); len(got) != 1 || got[0].Rule != "import" {
		t.Errorf("findings elsewhere %v, want one of import", got)
	}
}

func TestTestFilesMayDoMore(t *testing.T) {
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
