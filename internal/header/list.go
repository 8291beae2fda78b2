package header

import (
	"iter"
	"strings"
)

// List yields the elements of a comma-separated list over all of its field
// lines (RFC 9110 §5.6.1), without the white space around them and without
// empty ones. A quotation mark has no meaning here: use it for lists of tokens.
func List(lines []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range lines {
			for more := true; more; {
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
// parameters: a comma between quotation marks belongs to the element. A string
// that is never closed takes the rest of its line.
func QuotedList(lines []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range lines {
			for line != "" {
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

// HasToken reports whether a list names token, in any case.
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
