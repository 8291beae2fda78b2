// Package csvbody writes CSV (RFC 4180) so that common readers return every
// row that was written.
//
// The output is that of [encoding/csv.Writer] with two differences, both
// about rows that readers skip: a row of one empty cell is written as "" and
// not as a blank line, and a first cell that starts with # is quoted, since
// many readers can be told to take such a line for a comment.
package csvbody

import (
	"bufio"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stanza-go/framework/pkg/http/internal/header"
)

// A Writer writes rows to an [io.Writer] through a buffer. It is not safe for
// concurrent use.
type Writer struct{ out *bufio.Writer }

// New returns a Writer that writes to w, at most 4096 bytes at a time.
func New(w io.Writer) *Writer { return &Writer{bufio.NewWriterSize(writerOnly{w}, 4096)} }

// writerOnly hides WriteString from the buffer, which would pass long cells on
// whole.
type writerOnly struct{ io.Writer }

// Write writes one row. A row without cells becomes a blank line. The first
// error of the io.Writer stays: all later calls return it too.
func (w *Writer) Write(row []string) error {
	for i, cell := range row {
		if i > 0 {
			w.put(",")
		}
		if i == 0 && (cell == "" && len(row) == 1 || cell != "" && cell[0] == '#') || needsQuotes(cell) {
			w.quote(cell)
		} else {
			w.put(cell)
		}
	}
	return w.out.WriteByte('\n')
}

// Flush sends what the buffer holds.
func (w *Writer) Flush() error { return w.out.Flush() }

// quote writes a cell in quotes, with those inside it doubled.
func (w *Writer) quote(cell string) {
	w.put(`"`)
	for {
		before, after, found := strings.Cut(cell, `"`)
		w.put(before)
		if !found {
			break
		}
		w.put(`""`)
		cell = after
	}
	w.put(`"`)
}

// put writes a part of a row.
func (w *Writer) put(part string) {
	_, _ = w.out.WriteString(part) // the buffer returns the error again at the end of the row
}

// needsQuotes reports whether a cell must be quoted wherever it is in its row.
// RFC 4180 asks for quotes around commas, quotes and line breaks. Some readers
// drop white space in front of a cell, and PostgreSQL ends the data at \.
func needsQuotes(cell string) bool {
	if cell == "" {
		return false
	}
	for i := range len(cell) {
		switch cell[i] {
		case ',', '"', '\r', '\n':
			return true
		}
	}
	first, _ := utf8.DecodeRuneInString(cell)
	return cell == `\.` || unicode.IsSpace(first)
}

// Disposition returns the Content-Disposition of a file for download that is
// named after entity and the day of now in UTC, for example
// users-20260322.csv.
func Disposition(entity string, now time.Time) string {
	return header.Attachment(entity, now.UTC().Format("-20060102.csv"))
}
