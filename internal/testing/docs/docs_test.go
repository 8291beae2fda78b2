// Package docs tests the examples in README.md and docs.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/gen"
	"github.com/stanza-go/framework/pkg/http/internal/testing/snippet"
)

// root is the module's root directory, relative to this directory.
const root = "../../.."

// otherBlocks lists the blocks that are not regions of this package's tests.
// Each has its first line and the name of the test that checks it.
var otherBlocks = []struct{ document, start, checkedBy string }{
	{"README.md", "// Command notes", "TestNotes"},
	{"README.md", "<!doctype html>", "TestNotes"},
	{"README.md", "go run ./internal/demo", "TestProcess in internal/demo builds and runs the same program"},
	{"README.md", "go test ./...", "the command runs this test"},
	{"README.md", "go mod init example.com/hello", "TestFirstServer"},
	{"README.md", "package main", "TestFirstServer"},
	{"README.md", "$ go build\n", "TestFirstServer"},
	{"README.md", "panic: http: ", "TestMistakesInRegistrationsNameTheirLines"},
	{"docs/migrating.md", "ambiguous import: ", "TestReplacingThePackageOfTheFramework"},
	{"docs/migrating.md", "rm -r ../framework/pkg/http", "TestReplacingThePackageOfTheFramework"},
	{"docs/production.md", "// live follows the feed at url.", "internal/compare/browser, with Chromium"},
	{"docs/production.md", "live('/tasks/events', {", "internal/compare/browser, with Chromium"},
	{"docs/production.md", "map $http_upgrade $connection_upgrade {", "internal/compare, with nginx"},
	{"docs/production.md", "go run ", "TestSelfSignedCertificate"},
	{"docs/production.md", "# /etc/systemd/system/myapp.socket", "internal/compare/docs, with systemd-analyze"},
	{"docs/production.md", "example.com {", "internal/compare/rolling, with Caddy"},
	{"docs/production.md", "scrape_configs:", "internal/compare, with promtool"},
	{"docs/production.md", "sum(rate(", "internal/compare, with promtool"},
}

// Blocks labeled with the name of another package are tested in
// internal/compare, whose module requires that package.
func TestEveryExampleIsRun(t *testing.T) {
	t.Parallel()
	snippet.Check(t, root, func(b snippet.Block) bool { return b.Label == "" && b.Language == "go" && !isOther(b) })
}

func TestEveryOtherBlockIsChecked(t *testing.T) {
	t.Parallel()
	blocks := documented(t)
	for _, b := range blocks {
		if b.Language != "go" && !isOther(b) {
			t.Errorf("%s:%d: nothing checks this block", b.Document, b.Line)
		}
	}
	for _, other := range otherBlocks {
		if !slices.ContainsFunc(blocks, func(b snippet.Block) bool {
			return b.Document == other.document && strings.HasPrefix(b.Code, other.start)
		}) {
			t.Errorf("%s has no block that starts with %q", other.document, other.start)
		}
	}
}

func TestReadmeNamesWhatIsNotReexported(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	paragraph := regexp.MustCompile(`(?s)The package re-exports the names.*?\n\n`).FindString(string(text))
	named := make(map[string]bool)
	for _, quoted := range regexp.MustCompile("`[A-Z]\\w*`").FindAllString(paragraph, -1) {
		named[strings.Trim(quoted, "`")] = true
	}
	for name := range gen.LeftOut {
		if !named[name] {
			t.Errorf("README.md does not say that %s is left out", name)
		}
		delete(named, name)
	}
	for name := range named {
		t.Errorf("README.md says that %s is left out", name)
	}
}

// isOther reports whether otherBlocks contains the block, or it is part of the guide, which
// a test in internal/compare/docs follows.
func isOther(b snippet.Block) bool {
	if b.Document == "docs/guide.md" {
		return true
	}
	for _, other := range otherBlocks {
		if b.Document == other.document && strings.HasPrefix(b.Code, other.start) {
			return true
		}
	}
	return false
}

// documented returns the blocks of all documents.
func documented(t *testing.T) []snippet.Block {
	t.Helper()
	blocks, err := snippet.ReadDocuments(root)
	if err != nil {
		t.Fatal(err)
	}
	return blocks
}

// block returns the code of a block in otherBlocks.
func block(t *testing.T, document, start string) string {
	t.Helper()
	for _, b := range documented(t) {
		if b.Document == document && strings.HasPrefix(b.Code, start) && isOther(b) {
			return b.Code
		}
	}
	t.Fatalf("%s has no block that starts with %q", document, start)
	return ""
}
