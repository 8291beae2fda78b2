package header

import "net/http"

// AddVary adds field names to Vary (RFC 9110 §12.5.5) that it does not list yet
// in any case. A Vary of "*" already says more than any name and stays as it is.
//
// What is added gets a line of its own in a slice made for this response: the
// one in h may have been stored in several responses, and room behind its last
// element may belong to another.
func AddVary(h http.Header, names ...string) {
	lines := h["Vary"]
	for _, name := range names {
		if !Varies(lines, name) {
			lines = append(lines[:len(lines):len(lines)], name)
		}
	}
	if len(lines) > 0 {
		h["Vary"] = lines
	}
}

// Varies reports whether the lines of a Vary field list name or "*".
func Varies(lines []string, name string) bool {
	for element := range List(lines) {
		if element == "*" || EqualFold(element, name) {
			return true
		}
	}
	return false
}
