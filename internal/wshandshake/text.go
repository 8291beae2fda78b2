package wshandshake

import (
	"fmt"
	"strconv"
)

// maxQuoted is how much of a peer's text an error quotes, in bytes.
const maxQuoted = 200

// quote returns the start of a text that a peer sent, in quotation marks and
// with everything escaped that is not printable.
func quote(s string) string {
	if len(s) > maxQuoted {
		return strconv.Quote(s[:maxQuoted]) + "..."
	}
	return strconv.Quote(s)
}

// quoteLines quotes the lines of a field.
func quoteLines(lines []string) string {
	switch len(lines) {
	case 0:
		return "missing"
	case 1:
		return quote(lines[0])
	}
	return fmt.Sprintf("%s and %d more", quote(lines[0]), len(lines)-1)
}
