// Package query finds values in a URL's raw query without building the map of
// [url.ParseQuery]. It is the basis for reading typed query parameters.
package query

import (
	"net/url"
	"strings"
)

// maxPairs is the default limit of [url.ParseQuery]; see [Get].
const maxPairs = 10000

// Get returns the first value for name, decoded, or "" if name is missing. The
// result is the same as that of [url.ParseQuery] followed by [url.Values.Get]. Like
// them, Get ignores malformed pairs: those with a semicolon, or with an invalid
// escape in the key or value.
//
// If the query has more than 10,000 pairs, Get calls url.ParseQuery, so that its
// limit applies, including one raised with GODEBUG=urlmaxqueryparams. A lower limit
// set this way has no effect, because it limits the size of a map that Get does not
// build.
//
// Get does not allocate for a value that needs no decoding.
func Get(raw, name string) string {
	if len(raw) >= maxPairs && strings.Count(raw, "&") >= maxPairs {
		values, _ := url.ParseQuery(raw) // the error is about pairs that Get ignores too
		return values.Get(name)
	}
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		key, value, _ := strings.Cut(pair, "=")
		if pair == "" || !decodesTo(key, name) || strings.Contains(value, ";") {
			continue
		}
		if value, err := url.QueryUnescape(value); err == nil {
			return value
		}
	}
	return ""
}

// decodesTo reports whether an encoded key is well-formed and decodes to name.
func decodesTo(key, name string) bool {
	if len(key) < len(name) || len(key) > 3*len(name) {
		return false
	}
	i := 0
	for ; len(key) > 0 && i < len(name); i++ {
		c := key[0]
		key = key[1:]
		switch c {
		case ';':
			return false
		case '+':
			c = ' '
		case '%':
			if len(key) < 2 {
				return false
			}
			high, ok1 := unhex(key[0])
			low, ok2 := unhex(key[1])
			if !ok1 || !ok2 {
				return false
			}
			c, key = high<<4|low, key[2:]
		}
		if c != name[i] {
			return false
		}
	}
	return key == "" && i == len(name)
}

// unhex returns the value of one hexadecimal digit.
func unhex(c byte) (value byte, ok bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
