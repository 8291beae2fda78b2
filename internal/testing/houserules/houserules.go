// Package houserules holds this module's source text to the rules that it is
// written by, as far as a program can tell, and lists what it exports. Only
// tests import it.
//
// The rules, by the names under which findings report them:
//
//	doc        packages and exported symbols have doc comments, which start
//	           with the symbol's name; in the root package fields have one too
//	example    exported functions, types and methods of a package have an
//	           example with checked output
//	example    godoc shows every declaration that an example uses
//	length     functions fit a screen: at most 60 lines
//	init       there are no init functions
//	state      package variables are not changed once they are initialised
//	assertion  only internal/response asserts the type of a ResponseWriter
//	dropped    an error is dropped with "_ =" and the reason on that line
//	sleep      nothing sleeps, except on the fake clock of testing/synctest
//	banner     comments have no rules drawn around them
//	import     internal packages do not import the root package
//
// All but example and banner can be lifted where keeping them would make the
// code worse, by a comment that says why:
//
//	//house:allow length the loop is unrolled, which pays for itself twice
//
// In the doc comment of a declaration it holds for all of it, elsewhere for
// its own line and the next. One that lifts nothing is a finding itself.
//
// Test files are held to sleep and banner only.
package houserules

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// A Finding is one place that breaks a rule.
type Finding struct {
	Pos     token.Position // where
	Rule    string         // the rule's name
	Message string         // what is wrong, and what it is wrong with
}

// String returns the finding in the form that editors follow to its place.
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", f.Pos.Filename, f.Pos.Line, f.Rule, f.Message)
}

// Check returns what breaks a rule anywhere in the packages, in the order of
// files and lines. It leaves out examples, which not every package needs.
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
	c.packageComment()
	for _, file := range p.Files {
		c.allowed = append(c.allowed, allowances(p.Fset, file)...)
		c.imports(file)
		c.declarations(file)
		c.statements(file)
		c.sleeps(file)
		c.banners(file)
	}
	for _, file := range p.Tests {
		c.allowed = append(c.allowed, allowances(p.Fset, file)...)
		c.sleeps(file)
		c.banners(file)
	}
	return c.conclude()
}

// A checker collects the findings of one package.
type checker struct {
	*Package
	findings []Finding
	allowed  []*allowance
}

func (c *checker) report(at token.Pos, rule, format string, args ...any) {
	c.findings = append(c.findings, Finding{c.Fset.Position(at), rule, fmt.Sprintf(format, args...)})
}

// conclude returns the findings without those that are allowed, and a finding
// for each allowance that is of no use.
func (c *checker) conclude() []Finding {
	kept := slices.DeleteFunc(c.findings, func(f Finding) bool {
		allowed := false
		for _, a := range c.allowed {
			if a.covers(f) {
				a.used, allowed = true, true
			}
		}
		return allowed
	})
	for _, a := range c.allowed {
		switch {
		case a.reason == "":
			kept = append(kept, Finding{a.pos, "allow", "no reason is given"})
		case !a.used:
			kept = append(kept, Finding{a.pos, "allow", "nothing here breaks the rule " + a.rule})
		}
	}
	return kept
}

// An allowance is a comment that lifts a rule over some lines of a file.
type allowance struct {
	pos          token.Position
	first, last  int // the lines it holds for
	rule, reason string
	used         bool
}

func (a *allowance) covers(f Finding) bool {
	return a.rule == f.Rule && a.pos.Filename == f.Pos.Filename && a.first <= f.Pos.Line && f.Pos.Line <= a.last
}

// directive starts the comments that lift a rule.
const directive = "//house:allow "

// allowances returns those of a file.
func allowances(fset *token.FileSet, file *ast.File) []*allowance {
	documented := make(map[*ast.CommentGroup]ast.Decl)
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			documented[decl.Doc] = decl
		case *ast.GenDecl:
			documented[decl.Doc] = decl
		}
	}
	var found []*allowance
	for _, group := range file.Comments {
		for _, comment := range group.List {
			text, ok := strings.CutPrefix(comment.Text, directive)
			if !ok {
				continue
			}
			a := &allowance{pos: fset.Position(comment.Pos())}
			a.rule, a.reason, _ = strings.Cut(text, " ")
			a.first, a.last = a.pos.Line, a.pos.Line+1
			if decl := documented[group]; decl != nil {
				a.last = fset.Position(decl.End()).Line
			}
			found = append(found, a)
		}
	}
	return found
}
