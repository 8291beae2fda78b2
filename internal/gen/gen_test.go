package gen

import (
	"bytes"
	"go/importer"
	"go/token"
	"slices"
	"testing"
)

func TestSourceIsDeterministic(t *testing.T) {
	t.Parallel()
	first, err := Source()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		again, err := Source()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, again) {
			t.Fatal("two calls returned different text")
		}
	}
}

func TestTablesHaveOnlyNamesOfNetHTTP(t *testing.T) {
	t.Parallel()
	pkg, err := importer.ForCompiler(token.NewFileSet(), "gc", nil).Import("net/http")
	if err != nil {
		t.Fatal(err)
	}
	for name := range phrases {
		if pkg.Scope().Lookup(name) == nil || !token.IsExported(name) {
			t.Errorf("there is a phrase for %s, which net/http does not export", name)
		}
		if LeftOut[name] != "" {
			t.Errorf("there is a phrase for %s, which is left out", name)
		}
	}
	for name := range direct {
		if pkg.Scope().Lookup(name) == nil {
			t.Errorf("%s is listed in direct, but net/http does not export it", name)
		}
	}
	for family := range familyHeadings {
		if !slices.Contains(familyOrder, family) {
			t.Errorf("family %q has a heading but no place in the order", family)
		}
	}
}
