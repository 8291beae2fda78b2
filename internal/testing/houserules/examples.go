package houserules

import (
	"go/doc"
	"go/types"
	"strings"
	"unicode"
	"unicode/utf8"
)

// WithoutExample returns a finding for every exported function, type and method
// without an example with checked output, except for declarations in the files
// named in except. For example, ExampleRouter_Use and ExampleRouter_Use_late are
// examples of the method Use of Router. An example with empty output does not
// count.
func (p *Package) WithoutExample(except ...string) []Finding {
	checked := make(map[string]bool)
	for _, example := range doc.Examples(p.Tests...) {
		if example.Output != "" {
			checked[subject(example.Name)] = true
		}
	}
	var findings []Finding
	want := func(obj types.Object, kind, name string) {
		if p.exportedOutside(obj, except) && !checked[strings.ReplaceAll(name, ".", "_")] {
			findings = append(findings, Finding{p.Fset.Position(obj.Pos()), "example",
				kind + " " + name + " has no example with checked output"})
		}
	}
	scope := p.Types.Scope()
	for _, name := range scope.Names() {
		switch obj := scope.Lookup(name).(type) {
		case *types.Func:
			want(obj, "function", name)
		case *types.TypeName:
			want(obj, "type", name)
			named, ok := obj.Type().(*types.Named)
			if !ok || !obj.Exported() {
				continue
			}
			for method := range named.Methods() {
				want(method, "method", name+"."+method.Name())
			}
		}
	}
	return findings
}

// subject returns the name of the symbol that an example is about, given its name
// without "Example". It removes a suffix, which starts with a lowercase letter.
func subject(name string) string {
	if i := strings.LastIndexByte(name, '_'); i >= 0 {
		if first, _ := utf8.DecodeRuneInString(name[i+1:]); unicode.IsLower(first) {
			return name[:i]
		}
	}
	return name
}
