package snippet

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// A Checker type-checks snippets.
type Checker struct {
	fset    *token.FileSet
	prelude []byte
	imports []*ast.ImportSpec // of the prelude
	exports map[string]string // files with export data, by import path
}

// NewChecker returns a checker for snippets that see what a prelude imports
// and declares: the source of a Go file with the packages that examples use
// without saying so, and stand-ins for the names that they leave to the
// reader. Imports of the snippets given are resolved in the module that the
// directory dir belongs to. It needs the go command.
func NewChecker(dir string, prelude []byte, snippets []Snippet) (*Checker, error) {
	c := &Checker{fset: token.NewFileSet(), prelude: prelude, exports: make(map[string]string)}
	file, err := parser.ParseFile(c.fset, "prelude", prelude, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	c.imports = file.Imports
	paths := importPaths(file)
	for _, s := range snippets {
		for _, wrapped := range []string{s.Code, "package p\n" + s.Code} {
			// What does not parse has no imports, or is found to be wrong later.
			if file, err := parser.ParseFile(c.fset, s.Path, wrapped, parser.ImportsOnly); err == nil {
				paths = append(paths, importPaths(file)...)
			}
		}
	}
	slices.Sort(paths)
	return c, c.list(dir, slices.Compact(paths))
}

// importPaths returns the paths that a file imports.
func importPaths(file *ast.File) []string {
	var paths []string
	for _, spec := range file.Imports {
		if path, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, path)
		}
	}
	return paths
}

// list asks the go command for the export data of packages and of all that
// they import.
func (c *Checker) list(dir string, paths []string) error {
	cmd := exec.Command("go", append([]string{"list", "-export", "-deps", "-json=ImportPath,Export", "--"}, paths...)...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return fmt.Errorf("snippet: go list: %w", err)
	}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var listed struct{ ImportPath, Export string }
		if err := decoder.Decode(&listed); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("snippet: go list: %w", err)
		}
		c.exports[listed.ImportPath] = listed.Export
	}
}

// Check returns what is wrong with a snippet, with positions in its document.
//
// A snippet is a whole file if it begins with a package clause; then it stands
// alone, and variables and imports must be used. Otherwise it is declarations,
// or else the statements of a handler with w and r; both see the prelude, and
// what they declare takes the place of what the prelude declares by that name.
func (c *Checker) Check(s Snippet) []error {
	position := fmt.Sprintf("//line %s:%d:1\n", s.Path, s.Line)
	if strings.HasPrefix(s.Code, "package ") {
		file, err := parser.ParseFile(c.fset, "", position+s.Code, parser.SkipObjectResolution)
		if err != nil {
			return []error{err}
		}
		return c.typeCheck(true, file)
	}
	file, err := parser.ParseFile(c.fset, "", "package p\n"+position+s.Code, parser.SkipObjectResolution)
	if err != nil {
		body := "package p\nfunc _(w http.ResponseWriter, r *http.Request) {{\n" + position + s.Code + "\n}}\n"
		file, err = parser.ParseFile(c.fset, "", body, parser.SkipObjectResolution)
	}
	if err != nil {
		return []error{err}
	}
	if len(file.Imports) == 0 {
		c.addImports(file)
	}
	prelude, err := parser.ParseFile(c.fset, "prelude", c.prelude, parser.SkipObjectResolution)
	if err != nil {
		return []error{err}
	}
	prelude.Name = file.Name // of one package
	removeDeclared(prelude, file)
	return c.typeCheck(false, file, prelude)
}

// addImports makes file import what the prelude does.
func (c *Checker) addImports(file *ast.File) {
	decl := &ast.GenDecl{Tok: token.IMPORT}
	for _, spec := range c.imports {
		decl.Specs = append(decl.Specs, spec)
	}
	file.Decls = append([]ast.Decl{decl}, file.Decls...)
	file.Imports = c.imports
}

// removeDeclared removes what file declares from the prelude. Of the prelude,
// each declaration declares one name.
func removeDeclared(prelude, file *ast.File) {
	declared := make(map[string]bool)
	for _, decl := range file.Decls {
		for _, name := range namesOf(decl) {
			declared[name] = true
		}
	}
	prelude.Decls = slices.DeleteFunc(prelude.Decls, func(decl ast.Decl) bool {
		return slices.ContainsFunc(namesOf(decl), func(name string) bool {
			receiver, _, _ := strings.Cut(name, ".") // of a type that is replaced, methods go too
			return declared[name] || declared[receiver]
		})
	})
}

// namesOf returns the names that a declaration declares in the package, those
// of methods behind that of their type.
func namesOf(decl ast.Decl) []string {
	var names []string
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		switch {
		case decl.Recv != nil:
			receiver := strings.TrimLeft(types.ExprString(decl.Recv.List[0].Type), "*")
			names = append(names, receiver+"."+decl.Name.Name)
		case decl.Name.Name != "_":
			names = append(names, decl.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, spec.Name.Name)
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}

// typeCheck returns the errors of a package. Soft ones, such as an unused
// variable, count only if it is meant to be whole.
func (c *Checker) typeCheck(whole bool, files ...*ast.File) []error {
	var found []error
	config := types.Config{
		Importer: importer.ForCompiler(c.fset, "gc", func(path string) (io.ReadCloser, error) {
			return os.Open(c.exports[path])
		}),
		Error: func(err error) {
			if problem, ok := errors.AsType[types.Error](err); !ok || whole || !problem.Soft {
				found = append(found, err)
			}
		},
	}
	_, _ = config.Check("p", c.fset, files, nil) // its error is the first of those found
	return found
}
