// Package jsonbody reads and writes JSON bodies. It reads a request's body of
// bounded size into memory, decodes it, and describes mistakes in words that the
// client may read: the place, what was expected and what was found, in terms of
// JSON and without the program's types. It encodes responses into borrowed
// buffers.
package jsonbody

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"
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

// Decode stores the JSON value in body in what dst points to, and accepts and
// decodes exactly what [json.Unmarshal] does. Any error is an [*Error]. dst
// must be a pointer that is not nil. A type's own UnmarshalJSON may keep the
// part of body that it is given, so body must not be used again.
func Decode(body []byte, dst any) error {
	err := json.Unmarshal(body, dst)
	if err == nil {
		return nil
	}
	// Unmarshal returns a SyntaxError for every body that is malformed, but the
	// error of a type's own UnmarshalJSON may be one too.
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		if message := malformed(body); message != "" {
			return &Error{message, err}
		}
	}
	return &Error{mismatched(err, body, reflect.TypeOf(dst)), err}
}

// mismatched says which value of a well-formed body does not fit, and how. err
// is the error of json.Unmarshal into a t.
func mismatched(err error, body []byte, t reflect.Type) string {
	if typeError, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return describe(typeError, body, t)
	}
	if timeError, ok := errors.AsType[*time.ParseError](err); ok && timeError.Layout == time.RFC3339 {
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
