package houserules

import (
	"errors"
	"go/ast"
	"go/doc"
	"go/token"
	"go/types"
)

// HiddenFromExamples returns a finding for every use of a package-level
// declaration that godoc does not show with the example. Godoc shows the body
// of an example, or the whole file if the file has other declarations, but no
// other example, test or benchmark.
func (p *Package) HiddenFromExamples() []Finding {
	byPackage := make(map[string][]*ast.File)
	for _, file := range p.Tests {
		byPackage[file.Name.Name] = append(byPackage[file.Name.Name], file)
	}
	var findings []Finding
	for name, files := range byPackage {
		global := p.globals(name, files)
		for _, example := range doc.Examples(files...) {
			ast.Inspect(example.Code, func(node ast.Node) bool {
				ident, ok := node.(*ast.Ident)
				if ok && global[ident] != nil && !p.shows(example, global[ident]) {
					findings = append(findings, Finding{p.Fset.Position(ident.Pos()), "example",
						"godoc does not show " + ident.Name + " with Example" + example.Name})
				}
				return true
			})
		}
	}
	return findings
}

// shows reports whether godoc shows the declaration of obj with the example.
func (p *Package) shows(example *doc.Example, obj types.Object) bool {
	file, ok := example.Code.(*ast.File)
	return ok && file.FileStart <= obj.Pos() && obj.Pos() < file.FileEnd
}

// globals returns the identifiers in files that refer to a package-level
// declaration in one of the files. It resolves no imports.
func (p *Package) globals(name string, files []*ast.File) map[*ast.Ident]types.Object {
	config := types.Config{
		Importer: noImports{},
		Error:    func(error) {}, // imported names have no type
	}
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
	checked, _ := config.Check(name, p.Fset, files, info) // reports only that imports are missing
	global := make(map[*ast.Ident]types.Object)
	for ident, obj := range info.Uses {
		if obj.Parent() == checked.Scope() && obj.Pos() != token.NoPos {
			global[ident] = obj
		}
	}
	return global
}

// noImports is an importer without packages.
type noImports struct{}

func (noImports) Import(string) (*types.Package, error) {
	return nil, errors.New("imports are not resolved")
}
