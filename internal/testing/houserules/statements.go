package houserules

import (
	"go/ast"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strings"
)

// statements checks the statements and variables of a file.
func (c *checker) statements(file *ast.File) {
	writer := c.responseWriter()
	for node := range ast.Preorder(file) {
		switch node := node.(type) {
		case *ast.TypeAssertExpr:
			c.assertion(node, writer)
		case *ast.AssignStmt:
			c.assignment(file, node)
		case *ast.IncDecStmt:
			c.change(node.X)
		case *ast.CallExpr:
			c.call(node)
		case *ast.ValueSpec:
			c.stateful(node)
		}
	}
}

// responseWriter returns http.ResponseWriter, or nil if the package does not
// import net/http.
func (c *checker) responseWriter() *types.Interface {
	for _, imported := range c.Types.Imports() {
		if imported.Path() == "net/http" {
			return imported.Scope().Lookup("ResponseWriter").Type().Underlying().(*types.Interface)
		}
	}
	return nil
}

// assertion reports type assertions and type switches on http.ResponseWriter and
// on interfaces that include it.
func (c *checker) assertion(expr *ast.TypeAssertExpr, writer *types.Interface) {
	if writer == nil || c.within("internal/response") {
		return
	}
	operand := c.Info.TypeOf(expr.X)
	if types.IsInterface(operand) && types.Implements(operand, writer) {
		c.report(expr.Pos(), "assertion", "type assertion on a ResponseWriter; use http.ResponseController, which finds wrapped writers")
	}
}

func (c *checker) assignment(file *ast.File, stmt *ast.AssignStmt) {
	if stmt.Tok == token.DEFINE {
		return
	}
	blank := true
	for i, left := range stmt.Lhs {
		c.change(left)
		if len(stmt.Lhs) == len(stmt.Rhs) {
			c.headerValue(left, stmt.Rhs[i])
		}
		ident, ok := left.(*ast.Ident)
		blank = blank && ok && ident.Name == "_"
	}
	if blank && !c.hasLineComment(file, stmt) {
		c.report(stmt.Pos(), "dropped", "assignment to _ without a comment on the line")
	}
}

// hasLineComment reports whether a comment follows a statement on its last line.
func (c *checker) hasLineComment(file *ast.File, stmt ast.Stmt) bool {
	line := c.Fset.Position(stmt.End()).Line
	return slices.ContainsFunc(file.Comments, func(group *ast.CommentGroup) bool {
		return group.Pos() > stmt.End() && c.Fset.Position(group.Pos()).Line == line
	})
}

// headerValue reports an assignment of a package variable or a field to an element
// of an http.Header. Another response would share the slice, including any changes
// that handlers make to it.
func (c *checker) headerValue(element, value ast.Expr) {
	index, ok := element.(*ast.IndexExpr)
	if !ok || c.within("internal/response") || types.TypeString(types.Unalias(c.Info.TypeOf(index.X)), nil) != "net/http.Header" {
		return
	}
	switch value := ast.Unparen(value).(type) {
	case *ast.SelectorExpr:
	case *ast.Ident:
		if c.packageVariable(value) == nil {
			return
		}
	default:
		return
	}
	c.report(value.Pos(), "header", "%s can be shared by responses; copy it", types.ExprString(value))
}

// change reports an assignment to a package variable or to a part of one.
func (c *checker) change(target ast.Expr) {
	if v := c.packageVariable(target); v != nil {
		c.report(target.Pos(), "state", "assignment to the package variable %s", v.Name())
	}
}

// packageVariable returns the package variable that an expression denotes or is a
// part of, or nil.
func (c *checker) packageVariable(expr ast.Expr) *types.Var {
	for {
		switch e := expr.(type) {
		case *ast.ParenExpr:
			expr = e.X
		case *ast.StarExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.SelectorExpr:
			if v := c.packageVariable(e.Sel); v != nil {
				return v
			}
			expr = e.X
		case *ast.Ident:
			v, ok := c.Info.Uses[e].(*types.Var)
			if ok && v.Pkg() != nil && v.Parent() == v.Pkg().Scope() {
				return v
			}
			return nil
		default:
			return nil
		}
	}
}

// stateful reports package variables whose types exist to hold mutable state.
func (c *checker) stateful(spec *ast.ValueSpec) {
	for _, name := range spec.Names {
		v, ok := c.Info.Defs[name].(*types.Var)
		if !ok || v.Parent() != c.Types.Scope() {
			continue
		}
		named, ok := types.Unalias(v.Type()).(*types.Named)
		if !ok || named.Obj().Pkg() == nil {
			continue
		}
		path, kind := named.Obj().Pkg().Path(), named.Obj().Name()
		if path == "sync/atomic" || path == "sync" && kind != "Pool" {
			c.report(name.Pos(), "state", "the package variable %s has the type %s.%s", name.Name, named.Obj().Pkg().Name(), kind)
		}
	}
}

// call reports calls of delete and clear with a package variable.
func (c *checker) call(call *ast.CallExpr) {
	ident, ok := ast.Unparen(call.Fun).(*ast.Ident)
	if !ok {
		return
	}
	if builtin, ok := c.Info.Uses[ident].(*types.Builtin); ok && (builtin.Name() == "delete" || builtin.Name() == "clear") {
		c.change(call.Args[0])
	}
}

// sleeper is the only file that may sleep: it waits for goroutines to end, which
// no event announces.
const sleeper = "internal/testing/testkit/leak.go"

// sleeps reports calls of time.Sleep in files that do not use the fake clock.
func (c *checker) sleeps(file *ast.File) {
	if c.Fset.Position(file.Pos()).Filename == sleeper {
		return
	}
	local := ""
	for _, spec := range file.Imports {
		switch spec.Path.Value {
		case `"testing/synctest"`:
			return
		case `"time"`:
			local = "time"
			if spec.Name != nil {
				local = spec.Name.Name
			}
		}
	}
	for node := range ast.Preorder(file) {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok || selector.Sel.Name != "Sleep" {
			continue
		}
		if pkg, ok := selector.X.(*ast.Ident); ok && pkg.Name == local {
			c.report(selector.Pos(), "sleep", "wait for an event instead of sleeping")
		}
	}
}

// drawn matches a line of a comment that is drawn with punctuation, or that has
// words between two drawn lines or after a long one. It does not match indented
// lines, which are diagrams and tables.
var drawn = regexp.MustCompile(`^(//|/\*)? ?([-=*#~_+/]{3,}[-=*#~_+/ ]*|[-=*#~_+/]{3,} .* [-=*#~_+/]{3,}|[-=*#~_+/]{4,} .*)$`)

// banners reports the lines that drawn matches, except in the output of an
// example.
func (c *checker) banners(file *ast.File) {
	for _, group := range file.Comments {
		if strings.Contains(strings.ToLower(group.Text()), "output:") {
			continue
		}
		for _, comment := range group.List {
			for line := range strings.Lines(comment.Text) {
				if line = strings.TrimRight(line, "\r\n"); drawn.MatchString(line) {
					c.report(comment.Pos(), "banner", "comment with a rule: %q", line)
					break
				}
			}
		}
	}
}
