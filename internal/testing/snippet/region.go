package snippet

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A Region is part of a test file that a document shows.
type Region struct {
	Path     string // of the test file
	Line     int    // of the comment before the region
	End      int    // of the comment after the region
	Document string // path from the module's root
	Code     string // without indentation
}

// The comments before and after a region.
const (
	begin = "//snippet:begin "
	end   = "//snippet:end"
)

// standIns are the functions and values that tests use in place of those shown in
// documents, because a test must not use a fixed port or the internet.
var standIns = []struct {
	used  *regexp.Regexp
	shown string
}{
	{regexp.MustCompile(`\bnewServer\(`), "http.NewServer("},
	{regexp.MustCompile(`\bdial\(`), "http.Dial("},
	{regexp.MustCompile(`\bport8080\b`), `":8080"`},
	{regexp.MustCompile(`\bredisAddress\b`), `"localhost:6379"`},
}

// ReadRegions returns the regions in the test files of a directory. It returns an
// error if a region does not run: a region must be in a test function, or declare
// something that is used outside of regions.
func ReadRegions(dir string) ([]Region, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		return nil, err
	}
	var (
		all      []Region
		declared = make(map[Region][]string) // names declared in regions outside of functions
		used     = make(map[string]bool)     // names used outside of regions
	)
	for _, path := range paths {
		source, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		regions, err := Regions(path, string(source))
		if err != nil {
			return nil, err
		}
		all = append(all, regions...)
		if err := inspect(fset, file, regions, declared, used); err != nil {
			return nil, err
		}
	}
	for _, r := range all {
		names := declared[r]
		if len(names) > 0 && !slices.ContainsFunc(names, func(name string) bool { return used[name] }) {
			return nil, fmt.Errorf("%s:%d: no test uses %s, declared in this region", r.Path, r.Line, strings.Join(names, ", "))
		}
	}
	return all, nil
}

// Regions returns the regions in the source of a test file.
func Regions(path, source string) ([]Region, error) {
	var (
		found  []Region
		inside bool
		indent string // of the current region
		number int
	)
	for line := range strings.Lines(source) {
		number++
		text := strings.TrimLeft(line, "\t")
		document, begins := strings.CutPrefix(strings.TrimSpace(text), begin)
		ends := strings.TrimSpace(text) == end
		switch {
		case begins == inside && (begins || ends):
			return nil, fmt.Errorf("%s:%d: %s without its counterpart", path, number, strings.TrimSpace(text))
		case begins:
			inside, indent = true, line[:len(line)-len(text)]
			found = append(found, Region{Path: path, Line: number, Document: document})
		case ends:
			inside = false
			r := &found[len(found)-1]
			r.End, r.Code = number, shown(r.Code)
		case inside:
			found[len(found)-1].Code += strings.TrimPrefix(line, indent)
		}
	}
	if inside {
		return nil, fmt.Errorf("%s: the last region does not end", path)
	}
	return found, nil
}

// shown returns the code of a region as documents show it.
func shown(code string) string {
	for _, s := range standIns {
		code = s.used.ReplaceAllString(code, s.shown)
	}
	return strings.Trim(code, "\n") + "\n"
}

// inspect adds the names that the file's regions declare to declared, and the names
// that the file uses outside of regions to used. It returns an error if a region is
// in a function that is not a test.
func inspect(fset *token.FileSet, file *ast.File, regions []Region, declared map[Region][]string, used map[string]bool) error {
	around := func(pos token.Pos) *Region {
		line := fset.Position(pos).Line
		for i, r := range regions {
			if r.Line < line && line < r.End {
				return &regions[i]
			}
		}
		return nil
	}
	for _, decl := range file.Decls {
		if r := around(decl.Pos()); r != nil {
			for _, name := range DeclaredNames(decl) {
				declared[*r] = append(declared[*r], name[strings.LastIndex(name, ".")+1:]) // calls name only the method
			}
			continue
		}
		f, ok := decl.(*ast.FuncDecl)
		ast.Inspect(decl, func(n ast.Node) bool {
			id, isIdent := n.(*ast.Ident)
			if isIdent && around(id.Pos()) == nil && (!ok || id != f.Name) {
				used[id.Name] = true
			}
			return true
		})
		for _, r := range regions {
			first, last := fset.Position(decl.Pos()).Line, fset.Position(decl.End()).Line
			if first < r.Line && r.Line < last && (!ok || !strings.HasPrefix(f.Name.Name, "Test")) {
				return fmt.Errorf("%s:%d: the region is not in a test function", r.Path, r.Line)
			}
		}
	}
	return nil
}

// DeclaredNames returns the names that a declaration adds to the package, a method as
// Type.Method. It ignores imports, because the compiler reports unused ones.
func DeclaredNames(decl ast.Decl) []string {
	var found []string
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		found = append(found, receiver(decl)+decl.Name.Name)
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				found = append(found, spec.Name.Name)
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					found = append(found, name.Name)
				}
			}
		}
	}
	return found
}

// receiver returns the type of a method and a dot, or "" for a function.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	recv := f.Recv.List[0].Type
	if star, ok := recv.(*ast.StarExpr); ok {
		recv = star.X
	}
	if generic, ok := recv.(*ast.IndexExpr); ok {
		recv = generic.X
	}
	return recv.(*ast.Ident).Name + "."
}
