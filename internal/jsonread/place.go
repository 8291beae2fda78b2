package jsonread

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
)

// describe says which value does not fit its Go type, and what would.
func describe(body []byte, err *json.UnmarshalTypeError) string {
	expectation := fmt.Sprintf("must be %s, not %s", wanted(err), got(err.Value))
	if place, ok := locate(body, err); ok {
		return fmt.Sprintf("%s %s (at offset %d)", place.subject(), expectation, place.start)
	}
	// The value was decoded by a type's own UnmarshalJSON, whose error counts
	// from the beginning of that value and not of the body. The field's name
	// is right all the same. What stands before it may name embedded structs.
	if field := err.Field[strings.LastIndexByte(err.Field, '.')+1:]; field != "" {
		return fmt.Sprintf("field %s %s", quoted(field), expectation)
	}
	return "a value in the JSON body " + expectation
}

// wanted describes, in terms of JSON, what the Go type takes.
func wanted(err *json.UnmarshalTypeError) string {
	literal, isLiteral := strings.CutPrefix(err.Value, "number ")
	integer := isLiteral && strings.Trim(literal, "-0123456789") == ""
	t := err.Type
	if t == nil {
		return "a different value" // made by a type's own UnmarshalJSON, which left it out
	}
	switch kind := t.Kind(); {
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return "a string"
	case t == reflect.TypeFor[json.Number]():
		return "a number"
	case kind == reflect.String:
		return "a string"
	case kind == reflect.Bool:
		return "a boolean"
	case kind >= reflect.Int && kind <= reflect.Int64:
		if integer {
			most := int64(math.MaxInt64) >> (64 - t.Bits())
			return fmt.Sprintf("an integer from %d to %d", -most-1, most)
		}
		return "an integer"
	case kind >= reflect.Uint && kind <= reflect.Uintptr:
		if integer {
			return fmt.Sprintf("an integer from 0 to %d", uint64(math.MaxUint64)>>(64-t.Bits()))
		}
		return "an integer"
	case kind == reflect.Float32 || kind == reflect.Float64:
		if isLiteral {
			return "a smaller number"
		}
		return "a number"
	case kind == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return "a string"
	case kind == reflect.Slice || kind == reflect.Array:
		return "an array"
	case kind == reflect.Map || kind == reflect.Struct:
		return "an object"
	}
	return "null"
}

// got describes the value that was sent, from the words of [encoding/json].
func got(value string) string {
	switch value {
	case "bool":
		return "a boolean"
	case "array", "object":
		return "an " + value
	case "string", "number":
		return "a " + value
	}
	literal := strings.TrimPrefix(value, "number ")
	if strings.Trim(literal, "+-.0123456789eE") != "" {
		return quoted(literal) // the key of a map
	}
	if len(literal) > 40 {
		return literal[:40] + "..."
	}
	return literal
}

// A place is where a value stands in a JSON text.
type place struct {
	path  string // such as users[3].name; empty for the whole text
	isKey bool   // the value is the key itself, and the end of the path
	start int64  // offset of its first byte
}

// subject names the place at the beginning of a sentence.
func (p place) subject() string {
	switch {
	case p.path == "":
		return "the JSON body"
	case p.isKey:
		return "key " + quoted(p.path)
	}
	return "field " + quoted(p.path)
}

// locate finds the value that err tells of by its offset, which encoding/json
// sets to the end of a string, number or boolean, one byte past that for a
// number decoded into an interface, and one byte past the beginning of an
// array, an object or a key. The value there must be of the right sort and
// under the right name; otherwise locate reports false.
func locate(body []byte, err *json.UnmarshalTypeError) (place, bool) {
	w := walker{decoder: json.NewDecoder(bytes.NewReader(body)), body: body}
	w.decoder.UseNumber()
	for w.next() {
		if w.start >= err.Offset {
			return place{}, false
		}
		if w.isKey || w.opens() {
			if w.start+1 != err.Offset {
				continue
			}
		} else if end := w.decoder.InputOffset(); end != err.Offset && end+1 != err.Offset {
			continue
		}
		if w.sort(err.Value) && w.under(err.Field) {
			return place{w.path(), w.isKey, w.start}, true
		}
	}
	return place{}, false
}

// A walker goes through the tokens of a well-formed JSON text and knows where
// it is.
type walker struct {
	decoder *json.Decoder
	body    []byte

	token json.Token // the current one
	start int64      // offset of its first byte
	isKey bool       // it is the key of an object's member
	stack []step     // the arrays and objects around it
}

// A step is one array or object with the position in it.
type step struct {
	object bool
	inKey  bool   // of an object: the next token is a key, or the end
	key    string // of an object: the member's
	index  int    // of an array: the element's, -1 before the first
}

// next moves to the next token and reports whether there is one.
func (w *walker) next() bool {
	if delim, ok := w.token.(json.Delim); ok && (delim == '[' || delim == '{') {
		w.stack = append(w.stack, step{object: delim == '{', inKey: true, index: -1})
	}
	w.start = w.decoder.InputOffset()
	for w.start < int64(len(w.body)) && strings.IndexByte(" \t\r\n,:", w.body[w.start]) >= 0 {
		w.start++
	}
	token, err := w.decoder.Token()
	if err != nil {
		return false
	}
	w.token, w.isKey = token, false
	if token == json.Delim(']') || token == json.Delim('}') {
		w.stack = w.stack[:len(w.stack)-1]
		return true
	}
	if len(w.stack) == 0 {
		return true
	}
	top := &w.stack[len(w.stack)-1]
	if !top.object {
		top.index++
		return true
	}
	if w.isKey = top.inKey; w.isKey {
		top.key, _ = token.(string)
	}
	top.inKey = !top.inKey
	return true
}

// opens reports whether the current token begins an array or object.
func (w *walker) opens() bool {
	return w.token == json.Delim('[') || w.token == json.Delim('{')
}

// sort reports whether the current token is the value that [encoding/json]
// describes with these words.
func (w *walker) sort(value string) bool {
	literal, isLiteral := strings.CutPrefix(value, "number ")
	switch token := w.token.(type) {
	case json.Delim:
		return token == '[' && value == "array" || token == '{' && value == "object"
	case string:
		return value == "string" && !w.isKey || isLiteral && w.isKey && token == literal
	case json.Number:
		return value == "number" || isLiteral && token.String() == literal
	case bool:
		return value == "bool"
	}
	return false
}

// under reports whether the last name in the path of Go fields is that of an
// object's member around the current token.
func (w *walker) under(field string) bool {
	field = field[strings.LastIndexByte(field, '.')+1:]
	if field == "" {
		return true
	}
	for _, step := range w.stack {
		// A field's own name may have a dot in it.
		if step.object && strings.EqualFold(step.key[strings.LastIndexByte(step.key, '.')+1:], field) {
			return true
		}
	}
	return false
}

// path returns the way to the current token.
func (w *walker) path() string {
	var path strings.Builder
	for i, step := range w.stack {
		switch {
		case !step.object:
			fmt.Fprintf(&path, "[%d]", step.index)
		case i > 0:
			path.WriteString("." + step.key)
		default:
			path.WriteString(step.key)
		}
	}
	return path.String()
}
