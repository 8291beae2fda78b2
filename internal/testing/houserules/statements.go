package houserules

import (
	"go/ast"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strings"
)

// statements applies the rules about what code does.
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
		case *ast.ExprStmt:
			if call, ok := node.X.(*ast.CallExpr); ok {
				c.call(call)
			}
		case *ast.ValueSpec:
			c.stateful(node)
		}
	}
}

// responseWriter returns net/http's interface, or nil if the package does not
// import net/http.
func (c *checker) responseWriter() *types.Interface {
	for _, imported := range c.Types.Imports() {
		if imported.Path() == "net/http" {
			return imported.Scope().Lookup("ResponseWriter").Type().Underlying().(*types.Interface)
		}
	}
	return nil
}

// assertion finds assertions and type switches on any interface that includes
// ResponseWriter.
func (c *checker) assertion(expr *ast.TypeAssertExpr, writer *types.Interface) {
	if writer == nil || c.Path == module+"/internal/response" {
		return
	}
	operand := c.Info.TypeOf(expr.X)
	if types.IsInterface(operand) && types.Implements(operand, writer) {
		c.report(expr.Pos(), "assertion", "the type of a ResponseWriter is asserted; http.ResponseController sees through wrappers")
	}
}

func (c *checker) assignment(file *ast.File, stmt *ast.AssignStmt) {
	if stmt.Tok == token.DEFINE {
		return
	}
	blank := true
	for _, left := range stmt.Lhs {
		c.change(left)
		ident, ok := left.(*ast.Ident)
		blank = blank && ok && ident.Name == "_"
	}
	if blank && !c.hasLineComment(file, stmt) {
		c.report(stmt.Pos(), "dropped", "a value is dropped without a reason on the line")
	}
}

// hasLineComment reports whether a comment ends the line on which a statement
// ends.
func (c *checker) hasLineComment(file *ast.File, stmt ast.Stmt) bool {
	line := c.Fset.Position(stmt.End()).Line
	return slices.ContainsFunc(file.Comments, func(group *ast.CommentGroup) bool {
		return group.Pos() > stmt.End() && c.Fset.Position(group.Pos()).Line == line
	})
}

// change finds assignments to package variables or to parts of them.
func (c *checker) change(target ast.Expr) {
	if v := c.packageVariable(target); v != nil {
		c.report(target.Pos(), "state", "the package variable %s is changed", v.Name())
	}
}

// packageVariable returns the package variable that an expression is or is a
// part of, if any.
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

// stateful finds package variables that exist to be changed.
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
			c.report(name.Pos(), "state", "the package variable %s is a %s.%s", name.Name, named.Obj().Pkg().Name(), kind)
		}
	}
}

// call finds statements that let an error fall to the ground, and those that
// take entries out of a package variable.
func (c *checker) call(call *ast.CallExpr) {
	callee := ast.Unparen(call.Fun)
	if ident, ok := callee.(*ast.Ident); ok {
		if builtin, ok := c.Info.Uses[ident].(*types.Builtin); ok && (builtin.Name() == "delete" || builtin.Name() == "clear") {
			c.change(call.Args[0])
		}
	}
	if returnsError(c.Info.TypeOf(call.Fun)) && !c.cannotFail(call, callee) {
		c.report(call.Pos(), "dropped", "the error of %s is dropped without a word", types.ExprString(call.Fun))
	}
}

// returnsError reports whether the last result of a function is an error.
func returnsError(t types.Type) bool {
	sig, ok := t.(*types.Signature)
	if !ok || sig.Results().Len() == 0 {
		return false
	}
	last := sig.Results().At(sig.Results().Len() - 1).Type()
	return types.Identical(last, types.Universe.Lookup("error").Type())
}

// cannotFail knows the calls whose error is always nil, or whose error nobody
// could act on: writes to memory, and prints to the terminal.
func (c *checker) cannotFail(call *ast.CallExpr, callee ast.Expr) bool {
	selector, ok := callee.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	name := selector.Sel.Name
	if fn, ok := c.Info.Uses[selector.Sel].(*types.Func); ok && fn.Pkg() != nil && fn.Pkg().Path() == "fmt" {
		return strings.HasPrefix(name, "Print") ||
			strings.HasPrefix(name, "Fprint") && inMemory(c.Info.TypeOf(call.Args[0]))
	}
	return strings.HasPrefix(name, "Write") && inMemory(c.Info.TypeOf(selector.X))
}

// inMemory reports whether writing to a type cannot fail.
func inMemory(t types.Type) bool {
	switch strings.TrimPrefix(types.TypeString(t, nil), "*") {
	case "bytes.Buffer", "strings.Builder", module + "/internal/bufpool.Buffer",
		"hash.Hash", "hash.Hash32", "hash.Hash64", "hash/maphash.Hash":
		return true
	}
	return false
}

// sleeps finds calls that wait for a clock, in files where it is the real one.
func (c *checker) sleeps(file *ast.File) {
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
			c.report(selector.Pos(), "sleep", "sleeping neither orders nor awaits anything")
		}
	}
}

// drawn matches a line of a comment that is drawn rather than written: nothing
// but a rule, or words between two rules or after a long one. Indented lines
// are diagrams and tables.
var drawn = regexp.MustCompile(`^(//|/\*)? ?([-=*#~_+/]{3,}[-=*#~_+/ ]*|[-=*#~_+/]{3,} .* [-=*#~_+/]{3,}|[-=*#~_+/]{4,} .*)$`)

// banners finds such lines, except in the output of an example.
func (c *checker) banners(file *ast.File) {
	for _, group := range file.Comments {
		if strings.Contains(strings.ToLower(group.Text()), "output:") {
			continue
		}
		for _, comment := range group.List {
			for line := range strings.Lines(comment.Text) {
				if line = strings.TrimRight(line, "\r\n"); drawn.MatchString(line) {
					c.report(comment.Pos(), "banner", "a comment is drawn: %q", line)
					break
				}
			}
		}
	}
}
