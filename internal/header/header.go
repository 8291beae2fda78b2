// Package header reads and checks HTTP field values as RFC 9110 defines them:
// comma-separated lists over any number of field lines, weights and content
// coding negotiation, entity tags, Vary, tokens.
//
// The input is not trusted. Every function runs in time linear in it, reads at
// most [MaxElements] elements of a list, and allocates nothing except in AddVary,
// which has to store what it adds.
// Functions take field lines as they stand in a [net/http.Header], so that a
// field sent twice counts as the one list it is (RFC 9110 §5.3):
//
//	for element := range header.List(r.Header["Accept-Encoding"]) { ... }
package header

// tokenLow and tokenHigh hold one bit for each tchar of RFC 9110 §5.6.2 below
// and from 64.
const (
	tokenLow uint64 = 1<<'!' | 1<<'#' | 1<<'$' | 1<<'%' | 1<<'&' | 1<<'\'' | 1<<'*' | 1<<'+' | 1<<'-' | 1<<'.' |
		(1<<10-1)<<'0'
	tokenHigh uint64 = (1<<26-1)<<('A'-64) | (1<<26-1)<<('a'-64) |
		1<<('^'-64) | 1<<('_'-64) | 1<<('`'-64) | 1<<('|'-64) | 1<<('~'-64)
)

// IsToken reports whether s is a token (RFC 9110 §5.6.2): the form of methods,
// field names and content codings. The empty string is none.
func IsToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		// A shift by 64 or more gives zero, and c-64 wraps around to one, so
		// each half is blind to the bytes of the other.
		if (tokenLow>>c|tokenHigh>>(c-64))&1 == 0 {
			return false
		}
	}
	return s != ""
}

// IsVisible reports whether s is one or more visible ASCII characters, which
// makes it safe to repeat in a field, a log line or a URL fragment.
func IsVisible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return s != ""
}

// IsValue reports whether s can stand as a field value: no control characters
// but the tab (RFC 9110 §5.5), so it cannot end the field line. The empty
// string is a value.
func IsValue(s string) bool { return IndexControl(s) < 0 }

// IndexControl returns the index of the first control character other than the
// tab in s, or -1.
func IndexControl(s string) int {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return i
		}
	}
	return -1
}

// EqualFold reports whether a and b are equal but for the case of ASCII
// letters, which is how field names, tokens and schemes compare. Unlike
// [strings.EqualFold] it does not take the Kelvin sign for a k.
func EqualFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}
