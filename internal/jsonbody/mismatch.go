package jsonbody

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
)

// describeMismatch returns the message for a value that does not fit its Go type:
// its place, the value found and the value expected. t is the type that body was
// decoded into.
func describeMismatch(err *json.UnmarshalTypeError, body []byte, t reflect.Type) string {
	names := namesIn(t)
	text := names.place(err.Field, body) + " has " + foundAndExpected(err)
	// An UnmarshalJSON method may return the same type of error, with an offset
	// relative to the method's own input.
	if !names.customDecoding && err.Offset > 0 && err.Offset <= int64(len(body)) {
		text += fmt.Sprintf(" (before offset %d)", err.Offset)
	}
	return text
}

// foundAndExpected describes the value found and the value expected.
func foundAndExpected(err *json.UnmarshalTypeError) string {
	kind, literal, _ := strings.Cut(err.Value, " ")
	found := cmp.Or(kinds[kind], "a value")
	expected := expectedFor(err.Type)
	numeric := expected == "an integer" || expected == "a number"
	switch {
	case kind == "number" && numeric && json.Valid([]byte(literal)):
		found, expected = shortened(literal), numbersOf(err.Type, literal)
	case literal != "" && expected != "":
		found = quoted(unquoted(literal))
	case expected == "" || expected == found || kind == "number" && numeric:
		// The kind of value is right, but something else is wrong, for example
		// a string that is not base 64.
		return found + " that is not valid"
	}
	return found + " where " + expected + " is expected"
}

// kinds maps the kinds of values in [json.UnmarshalTypeError] to phrases.
var kinds = map[string]string{
	"bool":   "a boolean",
	"number": "a number",
	"string": "a string",
	"array":  "an array",
	"object": "an object",
	"null":   "null",
}

// expectedFor describes the JSON values that a Go type accepts. It returns "" if
// t is nil.
func expectedFor(t reflect.Type) string {
	if t == nil {
		return "" // the error comes from an UnmarshalJSON method
	}
	t = indirect(t)
	switch kind := t.Kind(); {
	case t == reflect.TypeFor[json.Number]():
		return "a number"
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return "a string"
	case kind == reflect.String:
		return "a string"
	case kind == reflect.Bool:
		return "a boolean"
	case kind >= reflect.Int && kind <= reflect.Uintptr:
		return "an integer"
	case kind == reflect.Float32 || kind == reflect.Float64:
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

// numbersOf describes the numbers that a numeric type accepts, given one that it
// does not accept.
func numbersOf(t reflect.Type, literal string) string {
	t = indirect(t)
	switch kind := t.Kind(); {
	case strings.Trim(literal, "-0123456789") != "" && kind <= reflect.Uintptr:
		return "an integer"
	case kind >= reflect.Int && kind <= reflect.Int64:
		most := int64(math.MaxInt64) >> (64 - t.Bits())
		return fmt.Sprintf("an integer from %d to %d", -most-1, most)
	case kind >= reflect.Uint && kind <= reflect.Uintptr:
		return fmt.Sprintf("an integer from 0 to %d", uint64(math.MaxUint64)>>(64-t.Bits()))
	}
	return "a smaller number"
}

// shortened returns a number from the client, shortened if it is long.
func shortened(number string) string {
	const most = 40
	if len(number) > most {
		return number[:most] + "..."
	}
	return number
}

// unquoted returns the text of a JSON string, or another literal unchanged.
func unquoted(literal string) string {
	var text string
	if json.Unmarshal([]byte(literal), &text) != nil {
		return literal
	}
	return text
}

// maxPath is the maximum length, in bytes, of a path that a message names.
const maxPath = 200

// place describes the place of a value from the path in [json.UnmarshalTypeError].
//
// In addition to field names, the path contains the names of embedded structs up to
// Go 1.26, and array indices and map keys since Go 1.27. The last part is always
// safe to show to the client. Of the others, place keeps only JSON field names,
// indices, and strings that occur in the body.
func (n *jsonNames) place(field string, body []byte) string {
	if field == "" || len(field) > maxPath {
		return "the JSON body"
	}
	parts := strings.Split(field, ".")
	var path strings.Builder
	for i := 0; i < len(parts); {
		count := n.countParts(parts[i:])
		next := i + max(count, 1)
		name := unescape.Replace(strings.Join(parts[i:next], "."))
		switch {
		case count == 0 && name != "" && strings.Trim(name, "0123456789") == "":
			path.WriteString("[" + name + "]")
		case count > 0, next == len(parts), !n.onlyEmbedded(name) && bytes.Contains(body, []byte(name)):
			if path.Len() > 0 {
				path.WriteByte('.')
			}
			path.WriteString(name)
		}
		i = next
	}
	return "field " + quoted(path.String())
}

// unescape decodes the escapes of JSON pointers (RFC 6901), which occur in paths
// since Go 1.27.
var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// jsonNames holds the names of the struct fields of a type and of all types that it
// contains.
type jsonNames struct {
	// The keys of inJSON are names in lower case. A value reports whether JSON can
	// have a member of that name; it is false for names of embedded structs.
	inJSON map[string]bool
	// customDecoding reports whether decoding may call UnmarshalJSON methods of the
	// program.
	customDecoding bool
	visited        map[reflect.Type]bool
}

// namesIn returns the names in a type.
func namesIn(t reflect.Type) *jsonNames {
	n := &jsonNames{inJSON: make(map[string]bool), visited: make(map[reflect.Type]bool)}
	n.add(t)
	return n
}

// add adds the names in a type.
func (n *jsonNames) add(t reflect.Type) {
	if n.visited[t] {
		return
	}
	n.visited[t] = true
	if t == reflect.TypeFor[time.Time]() || t == reflect.TypeFor[json.RawMessage]() {
		return
	}
	if t.Kind() == reflect.Interface || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		n.customDecoding = true
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		n.add(t.Elem())
	case reflect.Struct:
		for field := range t.Fields() {
			n.addName(field)
			n.add(field.Type)
		}
	}
}

// addName adds the name of a field.
func (n *jsonNames) addName(field reflect.StructField) {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	embedded := field.Anonymous && name == "" && indirect(field.Type).Kind() == reflect.Struct
	name = strings.ToLower(cmp.Or(name, field.Name))
	n.inJSON[name] = n.inJSON[name] || !embedded
}

// countParts returns the number of parts at the beginning of a path that form the
// longest name in JSON. A name that contains dots has several parts; countParts
// considers up to five. It returns 0 if there is no such name.
func (n *jsonNames) countParts(parts []string) int {
	for count := min(len(parts), 5); count > 0; count-- {
		if n.inJSON[strings.ToLower(unescape.Replace(strings.Join(parts[:count], ".")))] {
			return count
		}
	}
	return 0
}

// onlyEmbedded reports whether a name belongs to an embedded struct and is not a
// name in JSON.
func (n *jsonNames) onlyEmbedded(name string) bool {
	inJSON, found := n.inJSON[strings.ToLower(name)]
	return found && !inJSON
}

// indirect returns the type that a pointer type points to, through any number of
// pointers, or another type unchanged.
func indirect(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}
