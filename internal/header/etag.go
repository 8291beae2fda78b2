package header

import "strings"

// IsETag reports whether s is one entity tag, strong or weak (RFC 9110 §8.8.3).
func IsETag(s string) bool {
	tag, rest := scanETag(s)
	return tag != "" && rest == ""
}

// StrongMatch reports whether two entity tags are the same and neither is weak
// (RFC 9110 §8.8.3.2). What is no entity tag matches nothing.
func StrongMatch(a, b string) bool {
	return a == b && a != "" && a[0] == '"' && IsETag(a)
}

// WeakMatch reports whether two entity tags are the same but for weakness
// (RFC 9110 §8.8.3.2). What is no entity tag matches nothing.
func WeakMatch(a, b string) bool {
	return opaque(a) == opaque(b) && IsETag(a)
}

// ListsETag reports whether the lines of If-Match or If-None-Match are "*" or
// name a tag for which match, one of [StrongMatch] and [WeakMatch], holds with
// etag. If-Match compares strongly, If-None-Match weakly (RFC 9110 §13.1.1,
// §13.1.2).
//
// "*" is about whether the resource exists, so it holds whatever etag is; it
// counts only where it is the whole field. The list ends where it stops being
// well-formed: a tag behind that point is nothing to rely on, and not to match
// means a full answer or a refused change, either of which does no harm. For
// the same reason only the first [MaxElements] tags are read, and none of more
// field lines than that.
func ListsETag(lines []string, etag string, match func(a, b string) bool) bool {
	if len(lines) == 1 && trim(lines[0]) == "*" {
		return true
	}
	if len(lines) > MaxElements {
		return false
	}
	read := 0
	for _, line := range lines {
		for line = skipCommas(line); line != ""; {
			if read++; read > MaxElements {
				return false
			}
			tag, rest := scanETag(line)
			rest = trim(rest)
			if tag == "" || rest != "" && rest[0] != ',' {
				return false
			}
			if match(tag, etag) {
				return true
			}
			line = skipCommas(rest)
		}
	}
	return false
}

// skipCommas removes leading white space and empty elements.
func skipCommas(s string) string { return strings.TrimLeft(s, " \t,") }

// scanETag returns the entity tag that s begins with and what follows it, or
// "" if there is none. Backslashes and commas are ordinary characters between
// the quotation marks; spaces are not allowed there.
func scanETag(s string) (tag, rest string) {
	start := len(s) - len(opaque(s))
	if start == len(s) || s[start] != '"' {
		return "", s
	}
	for i := start + 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return s[:i+1], s[i+1:]
		case c <= ' ' || c == 0x7f:
			return "", s
		}
	}
	return "", s
}

// opaque removes the mark of a weak tag, which is case-sensitive.
func opaque(tag string) string { return strings.TrimPrefix(tag, "W/") }
