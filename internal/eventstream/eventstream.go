// Package eventstream encodes server-sent events (WHATWG HTML §9.2).
//
// Functions whose names begin with Append append the encoded bytes to a slice. If
// they return an error, it wraps [ErrInvalidEvent], and the slice that they return
// has no more than the beginning of the field.
package eventstream

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ErrInvalidEvent is wrapped by the error for an event that cannot be sent.
var ErrInvalidEvent = errors.New("http: invalid event")

// AppendEvent appends an event and the empty line that ends it. There is no id
// field if id is empty, and no event field if name is empty.
func AppendEvent(b []byte, id, name, data string) ([]byte, error) {
	b, err := AppendField(b, "id", id)
	if err != nil {
		return b, err
	}
	if b, err = AppendField(b, "event", name); err != nil {
		return b, err
	}
	if b, err = AppendLines(b, "data", data); err != nil {
		return b, err
	}
	return append(b, '\n'), nil
}

// AppendID appends an id field, even if id is empty.
func AppendID(b []byte, id string) ([]byte, error) {
	if id == "" {
		return append(b, "id:\n"...), nil
	}
	return AppendField(b, "id", id)
}

// AppendRetry appends a retry field with a number of milliseconds.
func AppendRetry(b []byte, ms int64) []byte {
	b = append(b, "retry: "...)
	b = strconv.AppendInt(b, ms, 10)
	return append(b, '\n')
}

// AppendField appends a field whose value must be one line. It appends nothing if
// the value is empty.
func AppendField(b []byte, name, value string) ([]byte, error) {
	switch {
	case value == "":
		return b, nil
	case endOfLine(value) >= 0 || strings.IndexByte(value, 0) >= 0:
		return b, fmt.Errorf("%w: %s field %q contains a line break or NUL", ErrInvalidEvent, name, value)
	case !utf8.ValidString(value):
		return b, fmt.Errorf("%w: %s field %q is not valid UTF-8", ErrInvalidEvent, name, value)
	}
	return appendLine(b, name, value), nil
}

// AppendLines appends one field for each line of text. A line ends with CRLF, LF
// or CR, because the client ends lines at all three. If name is empty, the lines
// are comments.
func AppendLines(b []byte, name, text string) ([]byte, error) {
	if !utf8.ValidString(text) {
		return b, fmt.Errorf("%w: %s is not valid UTF-8", ErrInvalidEvent, cmp.Or(name, "comment"))
	}
	for {
		i := endOfLine(text)
		if i < 0 {
			return appendLine(b, name, text), nil
		}
		b = appendLine(b, name, text[:i])
		if strings.HasPrefix(text[i:], "\r\n") {
			i++
		}
		text = text[i+1:]
	}
}

// endOfLine returns the index of the first CR or LF in s, or -1. Two calls of
// IndexByte, which uses vector instructions, are faster than one loop.
func endOfLine(s string) int {
	i := strings.IndexByte(s, '\n')
	if i >= 0 {
		s = s[:i]
	}
	if j := strings.IndexByte(s, '\r'); j >= 0 {
		return j
	}
	return i
}

// appendLine appends one line. The client removes the space.
func appendLine(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, '\n')
}
