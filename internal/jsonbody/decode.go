// Package jsonbody reads, decodes and encodes JSON bodies.
//
// # Reading
//
// [Read] reads a request's body into memory up to a limit. The memory is new for
// each request, because a type's UnmarshalJSON method may retain part of it.
//
// # Decoding
//
// [Decode] accepts exactly the bodies that [json.Unmarshal] accepts, but its
// errors are for clients: they name the place in the body, the value found and
// the value expected, in terms of JSON and without Go types.
//
// The errors of encoding/json are not suitable: their offsets and paths vary
// between Go releases, and their messages contain Go types. Decode therefore
// calls json.Unmarshal first and, only if that fails, works out the message:
//
//   - If the body is malformed, describeSyntax scans it again and reports the
//     first offset at which it cannot be JSON.
//   - If a value does not fit its Go type, describeMismatch combines the path of
//     the [json.UnmarshalTypeError] with the JSON names of the Go type's fields.
//   - All other errors come from methods of the program's types. Their messages
//     may reveal internals, so the client gets a general message. If the method decodes
//     text, a search finds the place of the value.
//
// # Encoding
//
// [Encode] appends to a pooled buffer, so that a response is complete before any
// of it is sent.
package jsonbody

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"
)

// An Error describes why a body was rejected.
type Error struct {
	// Message is safe to send to the client. Offsets in it count bytes from 0.
	Message string
	// Cause is the underlying error, or nil. Its message may contain Go types.
	Cause error
}

// Error returns the message after the prefix "http: ".
func (e *Error) Error() string { return "http: " + e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Decode stores the JSON value in body in the value that dst points to, by the
// rules of [json.Unmarshal]. dst must be a non-nil pointer. Errors are of type
// [*Error]. The caller must not use body again, because an UnmarshalJSON method
// may retain part of it.
func Decode(body []byte, dst any) error {
	err := json.Unmarshal(body, dst)
	if err == nil {
		return nil
	}
	// Unmarshal returns a SyntaxError for every malformed body, but an
	// UnmarshalJSON method may return one too.
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		if message := describeSyntax(body); message != "" {
			return &Error{message, err}
		}
	}
	return &Error{describeValue(err, body, reflect.TypeOf(dst)), err}
}

// describeValue returns the message for a well-formed body with a value that does
// not fit. err is the error of json.Unmarshal into a value of type t.
func describeValue(err error, body []byte, t reflect.Type) string {
	if typeError, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return describeMismatch(typeError, body, t)
	}
	if timeError, ok := errors.AsType[*time.ParseError](err); ok && timeError.Layout == time.RFC3339 {
		return rejected(body, t).place() + " has " + quoted(timeError.Value) + " where a time such as 2006-01-02T15:04:05Z is expected"
	}
	// An UnmarshalJSON or UnmarshalText method failed. The error does not contain
	// the location, and its message may reveal internals.
	s := rejected(body, t)
	return s.place() + " has " + s.kind() + " that is not valid"
}

// quoted returns text from the client in quotes, shortened if it is long.
func quoted(text string) string {
	const most = 100
	if len(text) > most {
		text = text[:most] + "..."
	}
	return fmt.Sprintf("%q", text)
}
