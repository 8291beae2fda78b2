package header

import (
	"iter"
	"strings"
)

// MaxElements is the maximum number of list elements that functions of this
// package read. Empty elements count, and a field line without a comma counts as
// one element. Real clients send a few elements; a longer list is most likely
// meant to keep the server busy.
const MaxElements = 64

// Count returns the number of elements in a comma-separated list over all of its
// field lines. It counts empty elements, and commas inside quoted strings too.
func Count(lines []string) int {
	n := len(lines)
	for _, line := range lines {
		n += strings.Count(line, ",")
	}
	return n
}

// TooLong reports whether a list has more than [MaxElements] elements, so that
// [List] does not yield all of them. If a missing element would permit something,
// the caller must check TooLong first.
func TooLong(lines []string) bool { return Count(lines) > MaxElements }

// List yields the elements of a comma-separated list over all of its field lines
// (RFC 9110, section 5.6.1), without surrounding white space and without empty
// elements. It stops after [MaxElements] elements. List is for lists of tokens:
// quotation marks have no special meaning.
func List(lines []string) iter.Seq[string] { return ListN(lines, MaxElements) }

// ListN is [List] with the given limit in place of MaxElements.
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

// HasToken reports whether one of the first [MaxElements] elements of a list
// equals token, ignoring case.
func HasToken(lines []string, token string) bool {
	for element := range List(lines) {
		if EqualFold(element, token) {
			return true
		}
	}
	return false
}

// trim removes optional white space (RFC 9110, section 5.6.3) from both ends.
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
