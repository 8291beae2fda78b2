package csvbody

import (
	"bufio"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A rowWriter writes rows to an [io.Writer] through a buffer. It is not safe for
// concurrent use.
type rowWriter struct{ out *bufio.Writer }

// newRowWriter returns a rowWriter that writes to w in chunks of up to 4096 bytes.
func newRowWriter(w io.Writer) *rowWriter {
	return &rowWriter{bufio.NewWriterSize(writerOnly{w}, 4096)}
}

// writerOnly hides a WriteString method, to which the buffer would otherwise pass
// a long cell as a whole.
type writerOnly struct{ io.Writer }

// write writes one row. A row without cells becomes a blank line. After the
// io.Writer has returned an error, all calls return that error.
func (w *rowWriter) write(row []string) error {
	for i, cell := range row {
		if i > 0 {
			w.append(",")
		}
		if i == 0 && startsSkippedRow(row) || needsQuotes(cell) {
			w.appendQuoted(cell)
		} else {
			w.append(cell)
		}
	}
	return w.out.WriteByte('\n')
}

// flush writes the buffered data.
func (w *rowWriter) flush() error { return w.out.Flush() }

// appendQuoted appends a cell in quotes. Quotes inside it are doubled.
func (w *rowWriter) appendQuoted(cell string) {
	w.append(`"`)
	for {
		before, after, found := strings.Cut(cell, `"`)
		w.append(before)
		if !found {
			break
		}
		w.append(`""`)
		cell = after
	}
	w.append(`"`)
}

// append appends a part of a row.
func (w *rowWriter) append(part string) {
	_, _ = w.out.WriteString(part) // write returns the error at the end of the row
}

// startsSkippedRow reports whether readers would skip a row if its first cell were
// not quoted: because the line would be blank, or look like a comment.
func startsSkippedRow(row []string) bool {
	first := row[0]
	return first == "" && len(row) == 1 || first != "" && first[0] == '#'
}

// needsQuotes reports whether a cell must be quoted in any position. RFC 4180
// requires quotes for commas, quotes and line breaks. Some readers drop leading
// white space, and PostgreSQL treats the cell \. as the end of the data.
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
