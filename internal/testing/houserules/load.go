package houserules

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// module is the import path of the root package.
const module = "github.com/stanza-go/framework/pkg/http"

// A Package is a parsed and type-checked package of the module.
type Package struct {
	Path  string         // import path
	Fset  *token.FileSet // positions of all files, relative to the module's root
	Files []*ast.File    // without test files
	Tests []*ast.File    // test files, of the package itself and of its _test package
	Types *types.Package // of Files
	Info  *types.Info    // of Files
}

// Load returns the packages of the module in the directory root, as the go
// command selects them: without nested modules, testdata, and files for other
// systems. It returns an error if a package does not compile.
func Load(root string) ([]*Package, error) {
	listed, err := testkit.ListPackages(root, "-export", "-deps", "./...")
	if err != nil {
		return nil, err
	}
	exports := make(map[string]string)
	for _, l := range listed {
		exports[l.ImportPath] = l.Export
	}
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})

	var packages []*Package
	for _, l := range listed {
		if l.DepOnly {
			continue
		}
		p := &Package{Path: l.ImportPath, Fset: fset}
		if p.Files, err = parse(fset, root, l.Dir, l.GoFiles); err != nil {
			return nil, err
		}
		if p.Tests, err = parse(fset, root, l.Dir, append(l.TestGoFiles, l.XTestGoFiles...)); err != nil {
			return nil, err
		}
		if err := p.typeCheck(imports); err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
	return packages, nil
}

// parse parses files of a directory. Their names in positions are relative to
// root.
func parse(fset *token.FileSet, root, dir string, names []string) ([]*ast.File, error) {
	absolute, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	for _, name := range names {
		path := filepath.Join(dir, name)
		source, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if relative, err := filepath.Rel(absolute, path); err == nil {
			path = relative
		}
		file, err := parser.ParseFile(fset, path, source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

func (p *Package) typeCheck(imports types.Importer) error {
	p.Info = &types.Info{
		Defs:  make(map[*ast.Ident]types.Object),
		Uses:  make(map[*ast.Ident]types.Object),
		Types: make(map[ast.Expr]types.TypeAndValue),
	}
	config := types.Config{Importer: imports}
	checked, err := config.Check(p.Path, p.Fset, p.Files, p.Info)
	p.Types = checked
	return err
}

// exportedOutside reports whether an object is exported and declared in a file
// that is not in except.
func (p *Package) exportedOutside(obj types.Object, except []string) bool {
	if !obj.Exported() {
		return false
	}
	file := p.Fset.Position(obj.Pos()).Filename
	return !slices.Contains(except, file)
}
