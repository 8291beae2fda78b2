package header

import "net/http"

// TakesRanges reports whether Accept-Ranges in h says that requests for parts
// of the representation are answered (RFC 9110 §14.3).
func TakesRanges(h http.Header) bool {
	lines := h["Accept-Ranges"]
	return len(lines) > 0 && !HasToken(lines, "none")
}
