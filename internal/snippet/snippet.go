// Package snippet finds the Go code in Markdown documents and type-checks it,
// so that an example that no longer compiles fails a test. Only tests import
// it.
package snippet

import "strings"

// A Snippet is a fenced code block of a document whose language is go.
type Snippet struct {
	Path  string // of the document
	Line  int    // of the first line of code, counted from 1
	Label string // what stands behind "go" on the opening fence, or ""
	Code  string
}

// In returns the snippets of a Markdown document. The label lets a document
// set examples apart that are not this module's: renderers take the first word
// for the language and skip the rest.
func In(path, text string) []Snippet {
	var (
		found   []Snippet
		current *Snippet // nil outside of Go code
		fence   string   // what closes the current block, or ""
		number  int
	)
	for line := range strings.Lines(text) {
		number++
		trimmed := strings.TrimRight(line, "\r\n\t ")
		switch {
		case fence == "" && strings.HasPrefix(trimmed, "```"):
			info := strings.TrimLeft(trimmed, "`")
			fence = trimmed[:len(trimmed)-len(info)]
			if language, label, _ := strings.Cut(info, " "); language == "go" {
				current = &Snippet{Path: path, Line: number + 1, Label: strings.TrimSpace(label)}
			}
		case fence != "" && trimmed == fence:
			if current != nil {
				found = append(found, *current)
			}
			fence, current = "", nil
		case current != nil:
			current.Code += line
		}
	}
	return found
}
