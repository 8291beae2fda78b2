package http_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"go/version"
	"maps"
	nethttp "net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/gen"
	"github.com/stanza-go/framework/pkg/http/internal/testing/snippet"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// newer reports whether the Go release is newer than the one in go.mod, for which
// nethttp.go is generated.
func newer(t *testing.T) bool {
	t.Helper()
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	asked := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(text)
	if asked == nil {
		t.Fatal("go.mod does not say which Go it is for")
	}
	running := version.Lang(runtime.Version()) // "" for a development version
	return running == "" || version.Compare(running, "go"+string(asked[1])) > 0
}

// source returns the content of nethttp.go.
func source(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("nethttp.go")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// With a newer Go release, the generator must still work. Its output must contain
// everything in nethttp.go and may contain more.
func TestNetHTTPFileIsUpToDate(t *testing.T) {
	t.Parallel()
	text, err := gen.Source()
	if err != nil {
		t.Fatal(err)
	}
	got, want := source(t), string(text)
	if !newer(t) {
		if got != want {
			t.Error("nethttp.go is not what the generator writes with this toolchain; run go generate")
		}
		return
	}
	generated := make(map[string]bool)
	for _, name := range declared(t, want) {
		generated[name] = true
	}
	for _, name := range declared(t, got) {
		if !generated[name] {
			t.Errorf("the generator leaves out %s", name)
		}
	}
}

// declared returns the names of a file's top-level declarations.
func declared(t *testing.T, source string) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "", source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range file.Decls {
		names = append(names, snippet.DeclaredNames(decl)...)
	}
	return names
}

// All names of the Go release in go.mod are re-exported. With a newer release, the
// re-exported names are still the same as in net/http.
func TestEveryNameOfNetHTTPIsReexported(t *testing.T) {
	t.Parallel()
	for _, problem := range reexportProblems(t, source(t), gen.LeftOut) {
		t.Error(problem)
	}
}

func TestReexportCheckFindsMistakes(t *testing.T) {
	t.Parallel()
	source, newer := source(t), newer(t)
	for _, test := range []struct {
		name     string
		old, new string
		want     string
		// sameRelease is true if the mistake can be found only with the Go release
		// in go.mod.
		sameRelease bool
	}{
		{"name missing", "type (\n", "type (\n\tRoundTripper2 = http.RoundTripper\n", "RoundTripper2: not a name of net/http", false},
		{"function missing", "func NotFound(w ResponseWriter, r *Request) { http.NotFound(w, r) }", "", "NotFound: neither re-exported nor left out", true},
		{"defined type", "Dir = http.Dir", "Dir http.Dir", "Dir: not an alias of net/http.Dir", false},
		{"alias of another type", "Pusher = http.Pusher", "Pusher = http.Flusher", "Pusher: not an alias of net/http.Pusher", false},
		{"other value", "StatusOK                            = http.StatusOK ", "StatusOK = 201 ", "StatusOK: not the constant net/http.StatusOK", false},
		{"other status", "= http.StatusConflict ", "= http.StatusGone ", "StatusConflict: not the constant net/http.StatusConflict", false},
		{"untyped state", "StateIdle = http.StateIdle", "StateIdle = 2", "StateIdle: not the constant net/http.StateIdle", false},
		{"other error", "ErrNoCookie = http.ErrNoCookie", "ErrNoCookie = http.ErrNoLocation", "ErrNoCookie: not the variable net/http.ErrNoCookie", false},
		{"swapped arguments", "http.NewRequest(method, url, body)", "http.NewRequest(url, method, body)", "NewRequest: does not call net/http.NewRequest with its own parameters", false},
		{"other function", "http.FileServer(root)", "http.FileServer(http.Dir(``))", "FileServer: does not call net/http.FileServer with its own parameters", false},
		{"other parameter name", "func FS(fsys fs.FS) FileSystem { return http.FS(fsys) }", "func FS(f fs.FS) FileSystem { return http.FS(f) }", "FS: func(f io/fs.FS)", true},
		{"kept name of its own", "type (\n", "type (\n\tServer = http.Server\n", "Server: re-exported although it is left out", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			changed := strings.Replace(source, test.old, test.new, 1)
			if changed == source {
				t.Fatalf("nethttp.go does not contain %q", test.old)
			}
			problems := reexportProblems(t, changed, gen.LeftOut)
			if newer && test.sameRelease {
				return
			}
			if len(problems) != 1 || !strings.HasPrefix(problems[0], test.want) {
				t.Errorf("problems %q, want one: %q", problems, test.want)
			}
		})
	}

	stale := map[string]string{"Gopher": "never was"}
	maps.Copy(stale, gen.LeftOut)
	problems := reexportProblems(t, source, stale)
	if newer {
		return
	}
	if len(problems) != 1 || !strings.HasPrefix(problems[0], "Gopher: left out, but not a name of net/http") {
		t.Errorf("problems of a stale exception: %q", problems)
	}
}

// reexportProblems compares the declarations in source, which has the form of
// nethttp.go, with net/http. If the Go release is newer than the one in go.mod,
// net/http may have more names, and parameters may have other names.
func reexportProblems(t *testing.T, source string, leftOut map[string]string) []string {
	t.Helper()
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", nil)
	theirs, err := imports.Import("net/http")
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(fset, "nethttp.go", source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	// A test's change may leave an import unused, which does not matter.
	config := types.Config{Importer: imports, Error: func(error) {}}
	ours, _ := config.Check("http", fset, []*ast.File{file}, nil)

	newer := newer(t)
	var problems []string
	report := func(name, format string, args ...any) {
		problems = append(problems, name+": "+fmt.Sprintf(format, args...))
	}
	for _, name := range theirs.Scope().Names() {
		reason, out := leftOut[name]
		mine := ours.Scope().Lookup(name)
		switch {
		case !token.IsExported(name):
		case out && mine != nil:
			report(name, "re-exported although it is left out: %s", reason)
		case !out && mine == nil && newer:
		case !out && mine == nil:
			report(name, "neither re-exported nor left out with a reason")
		case mine != nil:
			if problem := difference(file, mine, theirs.Scope().Lookup(name), !newer); problem != "" {
				report(name, "%s", problem)
			}
		}
	}
	for _, name := range ours.Scope().Names() {
		if theirs.Scope().Lookup(name) == nil {
			report(name, "not a name of net/http")
		}
	}
	for name := range leftOut {
		if theirs.Scope().Lookup(name) == nil && !newer {
			report(name, "left out, but not a name of net/http")
		}
	}
	return problems
}

// difference describes how mine differs from theirs in net/http, or returns "". If
// named is true, names of parameters must be equal too.
func difference(file *ast.File, mine, theirs types.Object, named bool) string {
	name := theirs.Name()
	switch theirs := theirs.(type) {
	case *types.TypeName:
		if !types.Identical(mine.Type(), theirs.Type()) {
			return "not an alias of net/http." + name
		}
	case *types.Const:
		mine, ok := mine.(*types.Const)
		if !ok || !types.Identical(mine.Type(), theirs.Type()) || !constant.Compare(mine.Val(), token.EQL, theirs.Val()) {
			return "not the constant net/http." + name
		}
	case *types.Var:
		mine, ok := mine.(*types.Var)
		if !ok || !types.Identical(mine.Type(), theirs.Type()) || !isInitialised(file, name) {
			return "not the variable net/http." + name
		}
	case *types.Func:
		if !types.Identical(mine.Type(), theirs.Type()) || named && names(mine.Type()) != names(theirs.Type()) {
			return fmt.Sprintf("%v, not %v", mine.Type(), theirs.Type())
		}
		if !isInitialised(file, name) && !isForwarded(file, name) {
			return "does not call net/http." + name + " with its own parameters"
		}
	}
	return ""
}

// names returns the names of a function's parameters and results. It omits
// placeholders in export data, which are not identifiers.
func names(t types.Type) string {
	var names []string
	signature := t.(*types.Signature)
	for _, tuple := range []*types.Tuple{signature.Params(), signature.Results()} {
		for v := range tuple.Variables() {
			if token.IsIdentifier(v.Name()) {
				names = append(names, v.Name())
			} else {
				names = append(names, "")
			}
		}
	}
	return strings.Join(names, ",")
}

// isInitialised reports whether the file declares a variable that is initialized
// with the variable of the same name in net/http.
func isInitialised(file *ast.File, name string) bool {
	for decl := range ast.Preorder(file) {
		spec, ok := decl.(*ast.ValueSpec)
		if ok && len(spec.Names) == 1 && spec.Names[0].Name == name {
			return len(spec.Values) == 1 && types.ExprString(spec.Values[0]) == "http."+name
		}
	}
	return false
}

// isForwarded reports whether the file declares a function whose only statement
// calls the function of the same name in net/http with the same parameters.
func isForwarded(file *ast.File, name string) bool {
	for _, decl := range file.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Name.Name != name || len(fn.Body.List) != 1 {
			continue
		}
		var params []string
		for _, field := range fn.Type.Params.List {
			for _, param := range field.Names {
				params = append(params, param.Name)
			}
		}
		want := "http." + name + "(" + strings.Join(params, ", ") + ")"
		switch stmt := fn.Body.List[0].(type) {
		case *ast.ReturnStmt:
			return len(stmt.Results) == 1 && types.ExprString(stmt.Results[0]) == want
		case *ast.ExprStmt:
			return types.ExprString(stmt.X) == want
		}
	}
	return false
}

func TestDeprecatedNamesAreMarkedAsInNetHTTP(t *testing.T) {
	t.Parallel()
	pkg, err := build.Default.Import("net/http", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs, mine := make(map[string]bool), make(map[string]bool)
	for _, base := range pkg.GoFiles {
		noteDeprecated(t, filepath.Join(pkg.Dir, base), theirs)
	}
	noteDeprecated(t, "nethttp.go", mine)
	if !mine["CloseNotifier"] || !mine["ErrShortBody"] {
		t.Errorf("CloseNotifier and ErrShortBody are not marked as deprecated: %v", mine)
	}
	for name := range mine {
		if !theirs[name] {
			t.Errorf("%s is marked as deprecated, but not in net/http", name)
		}
	}
	for name := range theirs {
		if token.IsExported(name) && !mine[name] && !newer(t) {
			t.Errorf("%s is deprecated in net/http, but is not marked", name)
		}
	}
}

// noteDeprecated adds to names the deprecated functions, types, variables and
// constants of a file.
func noteDeprecated(t *testing.T, path string, names map[string]bool) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	note := func(name *ast.Ident, doc string) {
		if strings.Contains(doc, "Deprecated:") {
			names[name.Name] = true
		}
	}
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Recv == nil {
				note(decl.Name, decl.Doc.Text())
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					note(spec.Name, decl.Doc.Text()+spec.Doc.Text())
				case *ast.ValueSpec:
					note(spec.Names[0], spec.Doc.Text())
				}
			}
		}
	}
}

func TestDefaultsAreTheOnesOfNetHTTP(t *testing.T) {
	t.Parallel()
	if http.DefaultClient != nethttp.DefaultClient {
		t.Error("DefaultClient is another client")
	}
	if http.DefaultServeMux != nethttp.DefaultServeMux {
		t.Error("DefaultServeMux is another mux")
	}
	if http.DefaultTransport != nethttp.DefaultTransport {
		t.Error("DefaultTransport is another transport")
	}
	if !errors.Is(nethttp.ErrAbortHandler, http.ErrAbortHandler) {
		t.Error("ErrAbortHandler is another error")
	}
}

func TestConflictOnDefaultServeMuxNamesTheCallersLines(t *testing.T) {
	t.Parallel()
	pattern := "/conflict/" + rand.Text()
	_, file, line, _ := runtime.Caller(0)
	http.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) {})
	defer func() {
		message := fmt.Sprint(recover())
		for _, line := range []int{line + 1, line + 10} {
			if where := file + ":" + strconv.Itoa(line); !strings.Contains(message, where) {
				t.Errorf("panic %q does not name %s", message, where)
			}
		}
	}()
	http.Handle(pattern, http.NotFoundHandler())
	t.Error("the conflicting pattern was accepted")
}

// The programs in testdata/nethttp use net/http. If only the import path is changed,
// they must compile and print the same.
func TestProgramsRunAfterChangingOnlyTheImportPath(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("links several programs")
	}
	mains, err := filepath.Glob("testdata/nethttp/*/main.go")
	if err != nil || len(mains) < 3 {
		t.Fatalf("found %d programs, want at least 3 (%v)", len(mains), err)
	}
	before, after := t.TempDir(), t.TempDir()
	buildPrograms(t, before, mains, "")
	buildPrograms(t, after, mains, rewriteImports(t, mains))

	for _, main := range mains {
		name := filepath.Base(filepath.Dir(main))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := testkit.Run(t, "", filepath.Join(before, name))
			got := testkit.Run(t, "", filepath.Join(after, name))
			if len(want) == 0 {
				t.Error("the program prints nothing, so it proves nothing")
			}
			if got != want {
				t.Errorf("output with this package:\n%s\noutput with net/http:\n%s", got, want)
			}
		})
	}
}

// rewriteImports writes a changed copy of each file and returns the name of an
// overlay file that replaces the files by the copies.
func rewriteImports(t *testing.T, files []string) string {
	t.Helper()
	dir := t.TempDir()
	var overlay struct{ Replace map[string]string }
	overlay.Replace = make(map[string]string)
	for i, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(source, []byte(`"net/http"`)); n != 1 {
			t.Fatalf("%s names net/http %d times, want once", name, n)
		}
		source = bytes.Replace(source, []byte(`"net/http"`), []byte(`"github.com/stanza-go/framework/pkg/http"`), 1)
		path, err := filepath.Abs(name)
		if err != nil {
			t.Fatal(err)
		}
		overlay.Replace[path] = filepath.Join(dir, strconv.Itoa(i)+".go")
		if err := os.WriteFile(overlay.Replace[path], source, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// buildPrograms compiles programs into dir. Each has the name of its folder.
func buildPrograms(t *testing.T, dir string, mains []string, overlay string) {
	t.Helper()
	args := []string{"build", "-o", dir + string(filepath.Separator), "-ldflags=-s -w", "-overlay=" + overlay}
	for _, main := range mains {
		args = append(args, "./"+filepath.ToSlash(filepath.Dir(main)))
	}
	testkit.Run(t, "", append([]string{"go"}, args...)...)
}
