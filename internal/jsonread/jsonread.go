// Package jsonread decodes a JSON text that a client sent, and says what is
// wrong with it in words that the client may read: where it is and what was
// expected, in terms of JSON, with nothing of the program's types in it.
package jsonread

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"
)

// An Error tells why a body was refused.
type Error struct {
	// Message is fit for the client. Offsets in it count bytes from 0.
	Message string
	// Cause is the error underneath, or nil. Its text may name Go types.
	Cause error
}

// Error returns the message.
func (e *Error) Error() string { return "http: " + e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// maxDepth is the number of nested arrays and objects that [encoding/json]
// takes.
const maxDepth = 10000

// Decode stores the JSON value in body in what dst points to, and accepts and
// decodes exactly what [json.Unmarshal] does. Any error is an [*Error]. dst
// must be a pointer that is not nil.
func Decode(body []byte, dst any) error {
	err := json.Unmarshal(body, dst)
	if err == nil {
		return nil
	}
	if message := malformed(body); message != "" {
		return &Error{message, err}
	}
	return &Error{mismatched(body, err), err}
}

// malformed says what keeps body from being one JSON value, or returns "".
func malformed(body []byte) string {
	var first json.RawMessage
	decoder := json.NewDecoder(bytes.NewReader(body))
	err := decoder.Decode(&first)
	var syntax *json.SyntaxError
	switch {
	case err == io.EOF:
		return "the request body is empty"
	case err == io.ErrUnexpectedEOF:
		return fmt.Sprintf("malformed JSON: the text ends too early, at offset %d", len(body))
	case errors.As(err, &syntax):
		// The error's offset counts the bad byte.
		return unexpected(body, max(int(syntax.Offset)-1, 0))
	case err != nil:
		return "malformed JSON"
	}
	end := int(decoder.InputOffset())
	if rest := bytes.TrimLeft(body[end:], " \t\r\n"); len(rest) > 0 {
		return fmt.Sprintf("trailing data after the JSON value, at offset %d", len(body)-len(rest))
	}
	return ""
}

// unexpected describes the byte of body at which its syntax breaks.
func unexpected(body []byte, offset int) string {
	if depth(body[:offset]) >= maxDepth {
		return fmt.Sprintf("the JSON value is nested too deeply, at offset %d", offset)
	}
	r, size := utf8.DecodeRune(body[offset:])
	if r == utf8.RuneError && size <= 1 {
		return fmt.Sprintf("malformed JSON: unexpected byte 0x%02x at offset %d", body[offset], offset)
	}
	return fmt.Sprintf("malformed JSON: unexpected character %q at offset %d", r, offset)
}

// depth returns how many arrays and objects are open at the end of text, which
// is the beginning of a JSON value.
func depth(text []byte) int {
	open, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '[' || c == '{':
			open++
		case c == ']' || c == '}':
			open--
		}
	}
	return open
}

// mismatched says which value of a well-formed body does not fit, and how. err
// is what json.Unmarshal made of it.
func mismatched(body []byte, err error) string {
	var typeError *json.UnmarshalTypeError
	if errors.As(err, &typeError) {
		return describe(body, typeError)
	}
	var timeError *time.ParseError
	if errors.As(err, &timeError) && timeError.Layout == time.RFC3339 {
		return quoted(timeError.Value) + " in the JSON body is not a time such as 2006-01-02T15:04:05Z"
	}
	// The error is one of a type's own UnmarshalJSON or UnmarshalText. It does
	// not say where it happened, and its text is not known to be harmless.
	return "the JSON body has a value that is not valid"
}

// quoted returns text from the client in quotes, cut to a bearable length.
func quoted(text string) string {
	const most = 100
	if len(text) > most {
		text = text[:most] + "..."
	}
	return fmt.Sprintf("%q", text)
}
