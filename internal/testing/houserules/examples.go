package houserules

import (
	"go/doc"
	"go/types"
	"strings"
	"unicode"
	"unicode/utf8"
)

// WithoutExample returns a finding for every exported function, type and
// method of the package that no example with checked output belongs to, apart
// from what the files named in except declare. An example belongs to what it
// is named after: ExampleRouter_Use, or ExampleRouter_Use_late, to the method
// Use of Router. Output that is expected to be empty checks nothing.
func (p *Package) WithoutExample(except ...string) []Finding {
	checked := make(map[string]bool)
	for _, example := range doc.Examples(p.Tests...) {
		if example.Output != "" {
			checked[subject(example.Name)] = true
		}
	}
	var findings []Finding
	want := func(obj types.Object, kind, name string) {
		if p.exportedIn(obj, except) && !checked[strings.ReplaceAll(name, ".", "_")] {
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

// subject returns what an example is about, given its name without "Example":
// what is left without a suffix, which starts with a small letter.
func subject(name string) string {
	if i := strings.LastIndexByte(name, '_'); i >= 0 {
		if first, _ := utf8.DecodeRuneInString(name[i+1:]); unicode.IsLower(first) {
			return name[:i]
		}
	}
	return name
}
