package houserules

import (
	"go/ast"
	"go/token"
	"strings"
)

// maxLines is how long a function may be, from its first line to its closing
// brace.
const maxLines = 60

// packageComment wants one file to say what the package is for.
func (c *checker) packageComment() {
	if len(c.Files) == 0 {
		return
	}
	name := c.Files[0].Name.Name
	want := "Package " + name
	if name == "main" {
		want = "Command "
	}
	for _, file := range c.Files {
		if strings.HasPrefix(file.Doc.Text(), want) {
			return
		}
	}
	c.report(c.Files[0].Name.Pos(), "doc", "no file has a comment that starts with %q", want)
}

// imports keeps internal packages below the root package, which is built from
// them. The demo is an application and stands above it.
func (c *checker) imports(file *ast.File) {
	if !strings.HasPrefix(c.Path, module+"/internal/") || strings.HasPrefix(c.Path, module+"/internal/demo") {
		return
	}
	for _, spec := range file.Imports {
		if spec.Path.Value == `"`+module+`"` {
			c.report(spec.Pos(), "import", "an internal package imports the root package")
		}
	}
}

// declarations checks what is declared at the top of a file.
func (c *checker) declarations(file *ast.File) {
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			c.function(decl)
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					c.typeDecl(decl, spec)
				case *ast.ValueSpec:
					c.valueDecl(decl, spec)
				}
			}
		}
	}
}

func (c *checker) function(decl *ast.FuncDecl) {
	name := decl.Name.Name
	if name == "init" && decl.Recv == nil {
		c.report(decl.Pos(), "init", "an init function runs behind the reader's back")
	}
	first, last := c.Fset.Position(decl.Pos()).Line, c.Fset.Position(decl.End()).Line
	if lines := last - first + 1; lines > maxLines {
		c.report(decl.Pos(), "length", "%s has %d lines, more than %d", name, lines, maxLines)
	}
	if decl.Name.IsExported() && (decl.Recv == nil || token.IsExported(receiver(decl))) {
		c.comment(decl.Name, decl.Doc)
	}
}

// receiver returns the name of the type that a method is declared on.
func receiver(method *ast.FuncDecl) string {
	expr := method.Recv.List[0].Type
	for {
		switch e := expr.(type) {
		case *ast.StarExpr:
			expr = e.X
		case *ast.ParenExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		case *ast.Ident:
			return e.Name
		default:
			return ""
		}
	}
}

func (c *checker) typeDecl(decl *ast.GenDecl, spec *ast.TypeSpec) {
	if !spec.Name.IsExported() {
		return
	}
	doc := spec.Doc
	if doc == nil && !decl.Lparen.IsValid() {
		doc = decl.Doc
	}
	c.comment(spec.Name, doc)
	switch t := spec.Type.(type) {
	case *ast.StructType:
		c.members(spec, t.Fields, "field")
	case *ast.InterfaceType:
		c.members(spec, t.Methods, "method")
	}
}

// members wants a comment above or beside each field or method that users of
// the module see. Inside, a name often says enough.
func (c *checker) members(spec *ast.TypeSpec, list *ast.FieldList, kind string) {
	if c.Path != module {
		return
	}
	for _, member := range list.List {
		for _, name := range member.Names {
			if name.IsExported() && member.Doc == nil && member.Comment == nil {
				c.report(name.Pos(), "doc", "%s %s.%s has no comment", kind, spec.Name.Name, name.Name)
			}
		}
	}
}

// valueDecl wants a doc comment for each exported constant or variable. Where
// a block as a whole has one, a comment beside the name is enough, since blocks
// of constants read best as tables, and inside the module none is needed.
func (c *checker) valueDecl(decl *ast.GenDecl, spec *ast.ValueSpec) {
	name := spec.Names[0]
	if !name.IsExported() {
		return
	}
	grouped := decl.Lparen.IsValid()
	switch {
	case grouped && spec.Doc == nil && decl.Doc != nil && (spec.Comment != nil || c.Path != module):
	case grouped:
		c.comment(name, spec.Doc)
	default:
		c.comment(name, decl.Doc)
	}
}

// comment wants a doc comment that starts with the name, after an article
// perhaps.
func (c *checker) comment(name *ast.Ident, doc *ast.CommentGroup) {
	text := doc.Text()
	if text == "" {
		c.report(name.Pos(), "doc", "%s has no doc comment", name.Name)
		return
	}
	for _, article := range []string{"", "A ", "An ", "The "} {
		rest, ok := strings.CutPrefix(text, article+name.Name)
		if ok && (rest == "" || !isNameByte(rest[0])) {
			return
		}
	}
	c.report(name.Pos(), "doc", "the doc comment of %s does not start with its name", name.Name)
}

func isNameByte(b byte) bool {
	return b == '_' || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}
