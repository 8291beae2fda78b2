// Package header reads, checks and writes HTTP field values as RFC 9110 defines
// them: comma-separated lists, weights and content coding negotiation, entity
// tags, Vary, tokens, and file names for downloads.
//
// Functions that read a field accept its lines as in a [net/http.Header], so
// that a field sent several times counts as one list (RFC 9110, section 5.3):
//
//	for element := range header.List(r.Header["Accept-Encoding"]) { ... }
//
// The input is untrusted. All functions that read fields run in linear time and do
// not allocate. They process no more than [MaxElements] elements of a list; [ListN]
// has its own limit.
package header

// tokenLow and tokenHigh have one bit for each tchar of RFC 9110, section 5.6.2:
// tokenLow for those below 64, tokenHigh for the others.
const (
	tokenLow uint64 = 1<<'!' | 1<<'#' | 1<<'$' | 1<<'%' | 1<<'&' | 1<<'\'' | 1<<'*' | 1<<'+' | 1<<'-' | 1<<'.' |
		(1<<10-1)<<'0'
	tokenHigh uint64 = (1<<26-1)<<('A'-64) | (1<<26-1)<<('a'-64) |
		1<<('^'-64) | 1<<('_'-64) | 1<<('`'-64) | 1<<('|'-64) | 1<<('~'-64)
)

// IsToken reports whether s is a token (RFC 9110, section 5.6.2), which is the
// form of methods, field names and content codings. A token is not empty.
func IsToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		// A shift by 64 or more gives zero, and c-64 wraps around for c below 64,
		// so each constant ignores the characters of the other.
		if (tokenLow>>c|tokenHigh>>(c-64))&1 == 0 {
			return false
		}
	}
	return s != ""
}

// IsVisible reports whether s consists of one or more visible ASCII characters.
// Such a string is safe in a field value, a log line or a URL fragment.
func IsVisible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return s != ""
}

// IsValue reports whether s is safe as a field value: it contains no control
// characters except tabs (RFC 9110, section 5.5), so it cannot end the line. The
// empty string is a value.
func IsValue(s string) bool { return IndexControl(s) < 0 }

// IndexControl returns the index of the first control character in s that is not
// a tab, or -1.
func IndexControl(s string) int {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return i
		}
	}
	return -1
}

// EqualFold reports whether a and b are equal except for the case of ASCII
// letters. Field names, tokens and schemes are compared this way. Unlike
// [strings.EqualFold], it does not treat the Kelvin sign as a k.
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

// lower returns an ASCII letter in lower case, and any other byte unchanged.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}
