package http_test

import (
	"go/format"
	"os"
	"path/filepath"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/snippet"
)

// documents returns the paths of the documents for users.
func documents(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	return append(paths, "README.md")
}

// Snippets labelled with the name of another project are that project's code,
// shown for comparison; internal/compare, which may require it, checks those.
func TestExamplesOfTheDocumentsCompile(t *testing.T) {
	t.Parallel()
	prelude, err := os.ReadFile("testdata/docs/prelude.go")
	if err != nil {
		t.Fatal(err)
	}
	var ours []snippet.Snippet
	for _, path := range documents(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range snippet.In(path, string(text)) {
			if s.Label == "" {
				ours = append(ours, s)
			}
		}
	}
	if len(ours) == 0 {
		t.Fatal("no examples were found")
	}
	checker, err := snippet.NewChecker(".", prelude, ours)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range ours {
		if formatted, err := format.Source([]byte(s.Code)); err == nil && string(formatted) != s.Code {
			t.Errorf("%s:%d: gofmt would write:\n%s", s.Path, s.Line, formatted)
		}
		for _, problem := range checker.Check(s) {
			t.Error(problem)
		}
	}
}
