// Package query reads URL-encoded text, for example a URL's raw query, without
// building the map of [url.ParseQuery].
//
// [Get] ignores malformed pairs, as [url.Values.Get] does after ParseQuery. [Lookup] and
// [Decode] report them, so that the client can be told which parameter is malformed.
package query

import (
	"errors"
	"net/url"
	"strings"
)

// MaxPairs is the maximum number of pairs that [Lookup] accepts. [url.ParseQuery] has
// the same limit by default; see [Get].
const MaxPairs = 10000

var (
	// ErrTooMany is the error for more than [MaxPairs] pairs.
	ErrTooMany = errors.New("http: too many query parameters")
	// ErrMalformed is the error for a value with an invalid escape or a semicolon.
	ErrMalformed = errors.New("http: query parameter is not percent-encoded correctly")
)

// TooMany reports whether raw has more than [MaxPairs] pairs.
func TooMany(raw string) bool {
	return len(raw) >= MaxPairs && strings.Count(raw, "&") >= MaxPairs
}

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
	if TooMany(raw) {
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

// Lookup returns the first value for name, decoded, or "" if name is missing. Unlike
// [Get], it returns [ErrMalformed] if that value is malformed, and [ErrTooMany] if raw
// has too many pairs. It ignores pairs with a malformed key.
func Lookup(raw, name string) (string, error) {
	if TooMany(raw) {
		return "", ErrTooMany
	}
	for raw != "" {
		var key, value string
		key, value, raw = Split(raw)
		if !decodesTo(key, name) {
			continue
		}
		text, ok := Decode(value)
		if !ok {
			return "", ErrMalformed
		}
		return text, nil
	}
	return "", nil
}

// Split cuts the first pair off raw. The key and value are still encoded. Both are
// empty if the pair is empty.
func Split(raw string) (key, value, rest string) {
	pair, rest, _ := strings.Cut(raw, "&")
	key, value, _ = strings.Cut(pair, "=")
	return key, value, rest
}

// Decode decodes a key or a value. ok is false if it contains an invalid escape or a
// semicolon, which [url.ParseQuery] does not accept either. Decode does not allocate
// if nothing is encoded.
func Decode(encoded string) (text string, ok bool) {
	d := Decoder{Max: len(encoded)}
	return d.Decode(encoded)
}

// A Decoder decodes the keys and values of one query. It allocates at most once, however
// many of them are encoded.
type Decoder struct {
	// Max is the length of the query. The decoded text is never longer in total.
	Max int

	decoded strings.Builder
}

// Decode is like the function [Decode].
func (d *Decoder) Decode(encoded string) (text string, ok bool) {
	for i := range len(encoded) {
		switch encoded[i] {
		case '%', '+', ';':
			return d.decodeFrom(encoded, i)
		}
	}
	return encoded, true
}

// decodeFrom is Decode for text with a special byte at offset i.
func (d *Decoder) decodeFrom(encoded string, i int) (text string, ok bool) {
	if d.decoded.Cap() == 0 {
		d.decoded.Grow(d.Max)
	}
	begin := d.decoded.Len()
	d.decoded.WriteString(encoded[:i])
	for encoded = encoded[i:]; encoded != ""; {
		c, size, ok := decodeByte(encoded)
		if !ok {
			return "", false
		}
		d.decoded.WriteByte(c)
		encoded = encoded[size:]
	}
	return d.decoded.String()[begin:], true
}

// decodeByte decodes the first byte of a key or a value, which has size encoded bytes.
func decodeByte(encoded string) (c byte, size int, ok bool) {
	switch c := encoded[0]; c {
	case ';':
		return 0, 0, false
	case '+':
		return ' ', 1, true
	case '%':
		if len(encoded) < 3 {
			return 0, 0, false
		}
		high, ok1 := unhex(encoded[1])
		low, ok2 := unhex(encoded[2])
		return high<<4 | low, 3, ok1 && ok2
	default:
		return c, 1, true
	}
}

// decodesTo reports whether an encoded key is well-formed and decodes to name.
func decodesTo(key, name string) bool {
	if len(key) < len(name) || len(key) > 3*len(name) {
		return false
	}
	i := 0
	for ; key != "" && i < len(name); i++ {
		c, size, ok := key[0], 1, true
		if c == '%' || c == '+' || c == ';' { // most bytes need no call
			c, size, ok = decodeByte(key)
		}
		if !ok || c != name[i] {
			return false
		}
		key = key[size:]
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
