package header

import (
	"iter"
	"strings"
)

// MaxElements is the number of list elements that the functions of this package
// read. Empty elements count, and so does each field line without a comma. Real
// clients send a few; a longer list is an attempt to keep the server busy.
const MaxElements = 64

// Count returns the number of elements of a comma-separated list over all of its
// field lines. It includes empty elements and takes no account of quoted strings.
func Count(lines []string) int {
	n := len(lines)
	for _, line := range lines {
		n += strings.Count(line, ",")
	}
	return n
}

// TooLong reports whether a list has more than [MaxElements] elements, so that
// [List] does not yield all of them. Callers for which a missing element would
// permit something must check it first.
func TooLong(lines []string) bool { return Count(lines) > MaxElements }

// List yields the elements of a comma-separated list over all of its field
// lines (RFC 9110 §5.6.1), without the white space around them and without
// empty ones. It stops after [MaxElements] elements. A quotation mark has no
// meaning here: use it for lists of tokens.
func List(lines []string) iter.Seq[string] { return ListN(lines, MaxElements) }

// ListN is [List] with a limit other than MaxElements.
func ListN(lines []string, limit int) iter.Seq[string] {
	return func(yield func(string) bool) {
		read := 0
		for _, line := range lines {
			for more := true; more; {
				if read++; read > limit {
					return
				}
				var element string
				element, line, more = strings.Cut(line, ",")
				if element = trim(element); element != "" && !yield(element) {
					return
				}
			}
		}
	}
}

// QuotedList is [List] for elements that may hold quoted strings, such as
// parameters: a comma between quotation marks belongs to the element. If a
// string is never closed, it takes the rest of its line.
func QuotedList(lines []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		read := 0
		for _, line := range lines {
			for more := true; more; more = line != "" {
				if read++; read > MaxElements {
					return
				}
				var element string
				element, line = CutQuoted(line, ',')
				if element = trim(element); element != "" && !yield(element) {
					return
				}
			}
		}
	}
}

// CutQuoted slices s around the first separator that is not inside a quoted
// string (RFC 9110 §5.6.4, where a backslash takes the next character as it is).
// Without one it returns s and "".
func CutQuoted(s string, separator byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == separator && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// HasToken reports whether one of the first [MaxElements] elements of a list is
// token, in any case.
func HasToken(lines []string, token string) bool {
	for element := range List(lines) {
		if EqualFold(element, token) {
			return true
		}
	}
	return false
}

// trim removes optional white space (RFC 9110 §5.6.3) from both ends.
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
