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
type rowWriter struct {
	out            *bufio.Writer
	delimiter      string // one character
	escapeFormulas bool
	markDue        bool // the byte order mark has yet to be written
}

// init makes w write to out in chunks of up to 4096 bytes.
func (w *rowWriter) init(out io.Writer, f Format) {
	*w = rowWriter{
		out:            bufio.NewWriterSize(writerOnly{out}, 4096),
		delimiter:      ",",
		escapeFormulas: f.EscapeFormulas,
		markDue:        f.BOM,
	}
	if f.Delimiter != 0 {
		w.delimiter = string(f.Delimiter)
	}
}

// writerOnly hides a WriteString method, to which the buffer would otherwise pass
// a long cell as a whole.
type writerOnly struct{ io.Writer }

// write writes one row. A row without cells becomes a blank line. After the
// io.Writer has returned an error, all calls return that error.
func (w *rowWriter) write(row []string) error {
	marked := w.markDue
	if marked {
		w.writeMark()
	}
	for i, cell := range row {
		if i > 0 {
			w.append(w.delimiter)
		}
		if i == 0 && marked {
			cell = strings.TrimPrefix(cell, byteOrderMark)
		}
		if w.escapeFormulas && isFormula(cell) {
			cell = "'" + cell
		}
		if i == 0 && startsSkippedRow(cell, len(row)) || needsQuotes(cell, w.delimiter) {
			w.appendQuoted(cell)
		} else {
			w.append(cell)
		}
	}
	return w.out.WriteByte('\n')
}

// writeMark writes the byte order mark if it is due.
func (w *rowWriter) writeMark() {
	if w.markDue {
		w.markDue = false
		w.append(byteOrderMark)
	}
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
func startsSkippedRow(first string, cells int) bool {
	return first == "" && cells == 1 || first != "" && first[0] == '#'
}

// needsQuotes reports whether a cell must be quoted in any position. RFC 4180
// requires quotes for delimiters, quotes and line breaks. Some readers drop leading
// white space, and PostgreSQL treats the cell \. as the end of the data.
func needsQuotes(cell, delimiter string) bool {
	if cell == "" {
		return false
	}
	for i := range len(cell) {
		switch c := cell[i]; c {
		case '"', '\r', '\n':
			return true
		case delimiter[0]:
			if strings.HasPrefix(cell[i:], delimiter) {
				return true
			}
		}
	}
	first, _ := utf8.DecodeRuneInString(cell)
	return cell == `\.` || unicode.IsSpace(first)
}
