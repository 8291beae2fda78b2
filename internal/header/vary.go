package header

import (
	"math"
	"net/http"
)

// AddVary adds field names to Vary (RFC 9110, section 12.5.5), except those that
// are already listed, ignoring case. If Vary is "*", AddVary does nothing.
//
// AddVary never writes to the existing slice or to the capacity after its last
// element, because other responses may share it.
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

// Varies reports whether the lines of a Vary field list name or "*". Unlike the lists that
// clients send, Vary is read to its end: a field that was not found would be added again.
func Varies(lines []string, name string) bool {
	for element := range ListN(lines, math.MaxInt) {
		if element == "*" || EqualFold(element, name) {
			return true
		}
	}
	return false
}
