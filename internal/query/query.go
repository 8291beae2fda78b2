// Package query looks single values up in a URL's raw query, without the map
// of all of them that [url.ParseQuery] builds.
package query

import (
	"net/url"
	"strings"
)

// maxPairs is the number of pairs past which [url.ParseQuery] refuses a whole
// query; see [Get].
const maxPairs = 10000

// Get returns what url.ParseQuery(raw) and then Values.Get(name) return: the
// first value under name, decoded, or "" where there is none. Like that pair
// of calls it passes over what is malformed: a setting that holds a semicolon,
// or a bad escape in its key or value, does not exist.
//
// A query of more than 10,000 pairs is handed to url.ParseQuery itself, so its
// limit, or the one that GODEBUG=urlmaxqueryparams raises it to, holds. A limit
// set below that is not applied: it bounds a map that Get does not build.
//
// A value that needs no decoding is a part of raw and costs no allocation.
func Get(raw, name string) string {
	if len(raw) >= maxPairs && strings.Count(raw, "&") >= maxPairs {
		values, _ := url.ParseQuery(raw) // the error tells of pairs that Get passes over too
		return values.Get(name)
	}
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		key, value, _ := strings.Cut(pair, "=")
		if pair == "" || !keyIs(key, name) || strings.Contains(value, ";") {
			continue
		}
		if value, err := url.QueryUnescape(value); err == nil {
			return value
		}
	}
	return ""
}

// keyIs reports whether the encoded key is well formed and decodes to name.
func keyIs(key, name string) bool {
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
