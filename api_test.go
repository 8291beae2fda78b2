package http_test

import (
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/testing/houserules"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// The file testdata/api.txt lists everything that the package adds to net/http, so
// that every change is visible. It does not list the names in nethttp.go.
func TestAPIIsTheOneInTheGoldenFile(t *testing.T) {
	t.Parallel()
	_, root := load(t)
	surface := strings.Join(root.Surface("nethttp.go"), "\n") + "\n"
	testkit.Golden(t, "api.txt", []byte(surface))
}

func TestEveryExportedSymbolHasAnExample(t *testing.T) {
	t.Parallel()
	_, root := load(t)
	for _, finding := range root.WithoutExample("nethttp.go") {
		t.Error(finding)
	}
}

func TestGodocShowsWhatExamplesUse(t *testing.T) {
	t.Parallel()
	_, root := load(t)
	for _, finding := range root.HiddenFromExamples() {
		t.Error(finding)
	}
}

func TestHouseRulesAreKept(t *testing.T) {
	t.Parallel()
	all, _ := load(t)
	for _, finding := range houserules.Check(all) {
		t.Error(finding)
	}
}

func TestModuleRequiresNothing(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if word, _, _ := strings.Cut(strings.TrimSpace(line), " "); word == "require" || word == "require(" {
			t.Errorf("go.mod has a requirement: %s", line)
		}
	}
}

// packages loads the module once for all tests in this file.
var packages = sync.OnceValues(func() ([]*houserules.Package, error) { return houserules.Load(".") })

// load returns all packages of the module and the root package.
func load(t *testing.T) (all []*houserules.Package, root *houserules.Package) {
	t.Helper()
	all, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.Path == "github.com/stanza-go/framework/pkg/http" {
			return all, p
		}
	}
	t.Fatal("the root package was not found")
	return nil, nil
}
