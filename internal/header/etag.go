package header

import "strings"

// StrongMatch reports whether a and b are the same entity tag and not weak (RFC
// 9110, section 8.8.3.2). A string that is not an entity tag never matches.
func StrongMatch(a, b string) bool {
	return a == b && a != "" && a[0] == '"' && isETag(a)
}

// WeakMatch reports whether a and b are the same entity tag, ignoring whether
// either is weak (RFC 9110, section 8.8.3.2). A string that is not an entity tag
// never matches.
func WeakMatch(a, b string) bool {
	return opaque(a) == opaque(b) && isETag(a)
}

// isETag reports whether s is one entity tag, strong or weak (RFC 9110, section
// 8.8.3).
func isETag(s string) bool {
	tag, rest := scanETag(s)
	return tag != "" && rest == ""
}

// ListsETag reports whether the lines of If-Match or If-None-Match are "*" or
// list a tag that matches etag. match is [StrongMatch] for If-Match and
// [WeakMatch] for If-None-Match (RFC 9110, sections 13.1.1 and 13.1.2).
//
// "*" means that the resource exists, so it matches any etag, but only if it is
// the whole field. ListsETag stops reading where the list is malformed and after
// [MaxElements] tags, and it reads nothing if there are more lines than that.
// This is safe because a missed tag leads to a full response or to a rejected
// change.
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

// scanETag returns the entity tag at the beginning of s and the text after it.
// If there is no tag, it returns "" and s. Between the quotation marks,
// backslashes and commas are ordinary characters, and spaces are not allowed.
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

// opaque removes the prefix of a weak tag, which is case-sensitive.
func opaque(tag string) string { return strings.TrimPrefix(tag, "W/") }
