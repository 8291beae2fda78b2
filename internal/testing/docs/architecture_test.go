package docs

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/testing/snippet"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

const architecture = "docs/ARCHITECTURE.md"

// A link to a Go file names one of its declarations:
// [`Type.Method`](../path/file.go).
var declarationLink = regexp.MustCompile(`\[([^\]]*)\]\(\.\./([^)]+\.go)\)`)

func TestArchitectureNamesDeclarationsThatExist(t *testing.T) {
	t.Parallel()
	links := declarationLink.FindAllStringSubmatch(read(t, architecture), -1)
	if len(links) < 40 {
		t.Fatalf("%s has %d links to declarations; were they renamed or lost?", architecture, len(links))
	}
	for _, link := range links {
		text, file := link[1], link[2]
		name := strings.Trim(text, "`")
		if text != "`"+name+"`" {
			t.Errorf("%s: the link %q to %s must be the name of a declaration in backticks", architecture, text, file)
			continue
		}
		// Links may qualify a name with its package: [`reqstate.State`](...).
		declared := declarations(t, file)
		if _, unqualified, _ := strings.Cut(name, "."); !slices.Contains(declared, name) && !slices.Contains(declared, unqualified) {
			t.Errorf("%s: %s does not declare %s", architecture, file, name)
		}
	}
}

// A row of the table of folders begins with the path of one.
var folderRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")

func TestArchitectureListsEveryFolder(t *testing.T) {
	t.Parallel()
	var listed []string
	for _, row := range folderRow.FindAllStringSubmatch(read(t, architecture), -1) {
		listed = append(listed, row[1])
	}
	for _, folder := range folders(t) {
		if !slices.Contains(listed, folder) {
			t.Errorf("%s does not list %s", architecture, folder)
		}
	}
	for _, path := range listed {
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			t.Errorf("%s lists %s, which does not exist", architecture, path)
		}
	}
}

// folders returns the folders of the module that have Go files, and the nested
// module as one.
func folders(t *testing.T) []string {
	t.Helper()
	out := testkit.Run(t, root, "go", "list", "-f", "{{.ImportPath}}", "./internal/...")
	folders := []string{"internal/compare"}
	for path := range strings.Lines(out) {
		_, folder, _ := strings.Cut(strings.TrimSpace(path), "pkg/http/")
		folders = append(folders, folder)
	}
	return folders
}

func TestArchitectureNamesEveryFileOfTheRoot(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(root, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	text := read(t, architecture)
	for _, file := range files {
		name := filepath.Base(file)
		if !strings.HasSuffix(name, "_test.go") && !strings.Contains(text, "in "+name) {
			t.Errorf("%s does not say what is in %s", architecture, name)
		}
	}
}

// declarations returns the names that a file declares, methods as Type.Method.
func declarations(t *testing.T, file string) (names []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Errorf("%s: %v", architecture, err)
		return nil
	}
	for _, decl := range parsed.Decls {
		names = append(names, snippet.DeclaredNames(decl)...)
	}
	return names
}

// read returns the text of a document.
func read(t *testing.T, document string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
