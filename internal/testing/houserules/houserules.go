// Package houserules checks this module's source against rules that vet,
// staticcheck, revive and errcheck do not cover, and lists its exported API.
// Only tests import it.
//
// The rules, by the names in findings:
//
//	field      exported fields of the root package's types have comments
//	example    exported functions, types and methods have an example with
//	           checked output, and godoc shows everything that it uses
//	init       there are no init functions
//	state      package variables do not change after initialization
//	assertion  only internal/response asserts the type of a ResponseWriter
//	header     slices that outlive a response are not put into its header
//	dropped    an assignment to _ has a comment with the reason on its line
//	sleep      nothing sleeps, except on the fake clock of testing/synctest
//	banner     comments contain no rules or boxes
//	import     internal packages do not import the root package
//
// Only sleep and banner apply to test files.
package houserules

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// A Finding is a violation of a rule.
type Finding struct {
	Pos     token.Position // where
	Rule    string         // the rule's name
	Message string         // description
}

// String returns the finding in the form of a compiler error.
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", f.Pos.Filename, f.Pos.Line, f.Rule, f.Message)
}

// Check returns the violations in the packages, sorted by file and line. It does
// not check the example rule; see [Package.WithoutExample] and
// [Package.HiddenFromExamples].
func Check(packages []*Package) []Finding {
	var findings []Finding
	for _, p := range packages {
		findings = append(findings, p.check()...)
	}
	slices.SortFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Pos.Filename, b.Pos.Filename), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Message, b.Message))
	})
	return findings
}

// check applies the rules to one package.
func (p *Package) check() []Finding {
	c := &checker{Package: p}
	for _, file := range p.Files {
		c.imports(file)
		c.declarations(file)
		c.statements(file)
	}
	for _, file := range slices.Concat(p.Files, p.Tests) {
		c.sleeps(file)
		c.banners(file)
	}
	return c.findings
}

// A checker collects the findings in one package.
type checker struct {
	*Package
	findings []Finding
}

func (c *checker) report(at token.Pos, rule, format string, args ...any) {
	c.findings = append(c.findings, Finding{c.Fset.Position(at), rule, fmt.Sprintf(format, args...)})
}

// root reports whether the package is the root package.
func (c *checker) root() bool { return c.Path == module }

// within reports whether the package is in a folder of the module, such as
// "internal/demo", or below it.
func (c *checker) within(folder string) bool {
	rest, ok := strings.CutPrefix(c.Path, module+"/"+folder)
	return ok && (rest == "" || rest[0] == '/')
}

// declarations checks the declarations of a file.
func (c *checker) declarations(file *ast.File) {
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Name.Name == "init" && decl.Recv == nil {
				c.report(decl.Pos(), "init", "initialize where the value is used instead of in an init function")
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				if spec, ok := spec.(*ast.TypeSpec); ok && c.root() && spec.Name.IsExported() {
					c.fields(spec)
				}
			}
		}
	}
}

// fields reports exported fields, and methods of interfaces, without a comment
// above or beside them.
func (c *checker) fields(spec *ast.TypeSpec) {
	var list *ast.FieldList
	switch t := spec.Type.(type) {
	case *ast.StructType:
		list = t.Fields
	case *ast.InterfaceType:
		list = t.Methods
	default:
		return
	}
	for _, field := range list.List {
		for _, name := range field.Names {
			if name.IsExported() && field.Doc == nil && field.Comment == nil {
				c.report(name.Pos(), "field", "%s.%s has no comment", spec.Name.Name, name.Name)
			}
		}
	}
}

// imports reports internal packages that import the root package, which is built
// from them. The demo and the program of the guide are exempt because they use the
// root package.
func (c *checker) imports(file *ast.File) {
	if !c.within("internal") || c.within("internal/demo") || c.within("internal/guide") {
		return
	}
	for _, spec := range file.Imports {
		if spec.Path.Value == `"`+module+`"` {
			c.report(spec.Pos(), "import", "an internal package imports the root package")
		}
	}
}
