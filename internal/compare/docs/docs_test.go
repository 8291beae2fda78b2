// Package docs holds the examples of other packages in the documents to those
// packages, so that nobody is shown code that does not compile.
package docs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/snippet"
)

func TestExamplesOfOtherPackagesCompile(t *testing.T) {
	t.Parallel()
	for label, prelude := range map[string]string{
		"net/http": "nethttp.go",
		"chi":      "chi.go",
		"echo":     "echo.go",
		"gin":      "gin.go",
		"gorilla":  "gorilla.go",
		"redis":    "redis.go",
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			source, err := os.ReadFile(filepath.Join("testdata", prelude))
			if err != nil {
				t.Fatal(err)
			}
			labelled := examples(t)[label]
			if len(labelled) == 0 {
				t.Fatal("no examples were found")
			}
			checker, err := snippet.NewChecker(".", source, labelled)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range labelled {
				for _, problem := range checker.Check(s) {
					t.Error(problem)
				}
			}
		})
	}
}

func TestNoExampleIsLabelledOtherwise(t *testing.T) {
	t.Parallel()
	for label, labelled := range examples(t) {
		switch label {
		case "", "net/http", "chi", "echo", "gin", "gorilla", "redis":
		default:
			t.Errorf("%s:%d: nothing checks examples labelled %q", labelled[0].Path, labelled[0].Line, label)
		}
	}
}

// examples returns the examples of all documents, by label.
func examples(t *testing.T) map[string][]snippet.Snippet {
	t.Helper()
	const root = "../../.."
	paths, err := filepath.Glob(root + "/docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string][]snippet.Snippet)
	for _, path := range append(paths, root+"/README.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range snippet.In(path, string(text)) {
			found[s.Label] = append(found[s.Label], s)
		}
	}
	return found
}
