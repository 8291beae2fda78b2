// Package snippet checks that the code in Markdown documents is run by tests. Only
// test files import it.
//
// Go code in a document is a copy of a region in a test file, which is between two
// comments:
//
//	//snippet:begin README.md
//	name := http.QueryParam(r, "name")
//	//snippet:end
//
// The test runs the region and checks what readers of the document expect. [Compare]
// finds blocks that no test runs and regions that no document shows.
package snippet

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A Block is a fenced code block in a document.
type Block struct {
	Document string // path from the module's root
	Line     int    // of the first line of code, counted from 1
	Language string // the first word of the opening fence, or ""
	Label    string // the rest of the opening fence, or ""
	Code     string
}

// ReadDocuments returns the blocks in README.md and docs/*.md of the directory root.
func ReadDocuments(root string) ([]Block, error) {
	paths, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		return nil, err
	}
	var blocks []Block
	for _, path := range append(paths, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, Blocks(filepath.ToSlash(name), string(text))...)
	}
	return blocks, nil
}

// Find returns the code of the first block in a document of the directory root that begins
// with start.
func Find(root, document, start string) (string, error) {
	blocks, err := ReadDocuments(root)
	if err != nil {
		return "", err
	}
	for _, b := range blocks {
		if b.Document == document && strings.HasPrefix(b.Code, start) {
			return b.Code, nil
		}
	}
	return "", fmt.Errorf("%s has no block that starts with %q", document, start)
}

// Blocks returns the code blocks in a document. A label marks code that does not use
// this module. Renderers use the first word of a fence as the language and ignore the
// rest.
func Blocks(document, text string) []Block {
	var (
		found  []Block
		inside bool
		fence  string // ends the current block
		number int
	)
	for line := range strings.Lines(text) {
		number++
		trimmed := strings.TrimRight(line, "\r\n\t ")
		switch {
		case !inside && strings.HasPrefix(trimmed, "```"):
			info := strings.TrimLeft(trimmed, "`")
			inside, fence = true, trimmed[:len(trimmed)-len(info)]
			language, label, _ := strings.Cut(info, " ")
			found = append(found, Block{document, number + 1, language, strings.TrimSpace(label), ""})
		case inside && trimmed == fence:
			inside = false
		case inside:
			found[len(found)-1].Code += line
		}
	}
	return found
}

// Check compares the blocks of the documents in root for which selected returns true
// with the regions in the current directory, and reports the differences.
func Check(tb testing.TB, root string, selected func(Block) bool) {
	tb.Helper()
	blocks, err := ReadDocuments(root)
	if err != nil {
		tb.Fatal(err)
	}
	regions, err := ReadRegions(".")
	if err != nil {
		tb.Fatal(err)
	}
	blocks = slices.DeleteFunc(blocks, func(b Block) bool { return !selected(b) })
	if len(blocks) == 0 {
		tb.Fatal("no examples were found")
	}
	for _, problem := range Compare(blocks, regions) {
		tb.Error(problem)
	}
}

// Compare returns an error for each block that is not equal to a region, and for
// each region that is not equal to a block in its document. Each region matches only
// one block.
func Compare(blocks []Block, regions []Region) []error {
	var problems []error
	left := slices.Clone(regions)
	for _, b := range blocks {
		i := slices.IndexFunc(left, func(r Region) bool { return r.Document == b.Document && r.Code == b.Code })
		if i < 0 {
			problems = append(problems, fmt.Errorf("%s:%d: no test runs this example:\n%s", b.Document, b.Line, b.Code))
			continue
		}
		left = slices.Delete(left, i, i+1)
	}
	for _, r := range left {
		problems = append(problems, fmt.Errorf("%s:%d: %s does not show this region:\n%s", r.Path, r.Line, r.Document, r.Code))
	}
	return problems
}
