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

// describe says which value of body does not fit, and what would. t is the type
// that body was decoded into.
func describe(err *json.UnmarshalTypeError, body []byte, t reflect.Type) string {
	s := newShape(t)
	text := s.place(err.Field, body) + " has " + clash(err)
	// An error of a type's own UnmarshalJSON counts from the beginning of some
	// other text, and cannot be told from one of encoding/json itself.
	if !s.foreign && err.Offset > 0 && err.Offset <= int64(len(body)) {
		text += fmt.Sprintf(" (before offset %d)", err.Offset)
	}
	return text
}

// clash says what was found and what was expected.
func clash(err *json.UnmarshalTypeError) string {
	kind, literal, _ := strings.Cut(err.Value, " ")
	found := cmp.Or(kinds[kind], "a value")
	wanted := expected(err.Type)
	numeric := wanted == "an integer" || wanted == "a number"
	switch {
	case kind == "number" && numeric && json.Valid([]byte(literal)):
		found, wanted = shortened(literal), inRange(err.Type, literal)
	case literal != "" && wanted != "":
		found = quoted(unquoted(literal))
	case wanted == "" || wanted == found || kind == "number" && numeric:
		// The value is of the right kind. The reason is one that has no
		// description, such as that bytes are not in base 64.
		return found + " that is not valid"
	}
	return found + " where " + wanted + " is expected"
}

// kinds are the descriptions in [json.UnmarshalTypeError] as they are written
// here.
var kinds = map[string]string{
	"bool":   "a boolean",
	"number": "a number",
	"string": "a string",
	"array":  "an array",
	"object": "an object",
	"null":   "null",
}

// expected describes, in terms of JSON, what a Go type takes, or returns "".
func expected(t reflect.Type) string {
	if t == nil {
		return "" // the error is one of a type's own UnmarshalJSON
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

// inRange describes the numbers that a numeric type takes, seeing that it does
// not take literal.
func inRange(t reflect.Type, literal string) string {
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

// shortened returns a number from the client, cut to a bearable length.
func shortened(number string) string {
	const most = 40
	if len(number) > most {
		return number[:most] + "..."
	}
	return number
}

// unquoted returns the text of a literal that may be a JSON string.
func unquoted(literal string) string {
	var text string
	if json.Unmarshal([]byte(literal), &text) != nil {
		return literal
	}
	return text
}

// maxPath is the length of the longest path that is shown to a client.
const maxPath = 200

// place names the place of a value by the path in [json.UnmarshalTypeError].
//
// Go releases differ over what that path has beside the names of fields: up to
// Go 1.26 the names of embedded structs, and since Go 1.27 the indices of arrays
// and the keys of maps. The last part is always one that the client may see. Of
// those before it, place leaves out what is neither a name that JSON knows, nor
// an index, nor a text that the client has sent.
func (s *shape) place(field string, body []byte) string {
	if field == "" || len(field) > maxPath {
		return "the JSON body"
	}
	parts := strings.Split(field, ".")
	var path strings.Builder
	for i := 0; i < len(parts); {
		n := s.longest(parts[i:])
		next := i + max(n, 1)
		name := unescape.Replace(strings.Join(parts[i:next], "."))
		switch {
		case n == 0 && name != "" && strings.Trim(name, "0123456789") == "":
			path.WriteString("[" + name + "]")
		case n > 0, next == len(parts), !s.hidden(name) && bytes.Contains(body, []byte(name)):
			if path.Len() > 0 {
				path.WriteByte('.')
			}
			path.WriteString(name)
		}
		i = next
	}
	return "field " + quoted(path.String())
}

// unescape undoes the escapes of JSON pointers (RFC 6901), in which Go 1.27
// writes paths.
var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// A shape has those properties of a type that describing its errors needs.
type shape struct {
	// names has the names of the fields of structs, in lower case. They are true
	// if JSON knows them, and false if they are only those of embedded structs.
	names map[string]bool
	// foreign is true if decoding may call methods from outside the standard
	// library.
	foreign bool
	seen    map[reflect.Type]bool
}

func newShape(t reflect.Type) *shape {
	s := &shape{names: make(map[string]bool), seen: make(map[reflect.Type]bool)}
	s.add(t)
	return s
}

// add adds a type and those that it is made of.
func (s *shape) add(t reflect.Type) {
	if s.seen[t] {
		return
	}
	s.seen[t] = true
	if t == reflect.TypeFor[time.Time]() || t == reflect.TypeFor[json.RawMessage]() {
		return
	}
	if t.Kind() == reflect.Interface || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		s.foreign = true
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		s.add(t.Elem())
	case reflect.Struct:
		for field := range t.Fields() {
			s.addName(field)
			s.add(field.Type)
		}
	}
}

// addName adds the name of a field.
func (s *shape) addName(field reflect.StructField) {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	embedded := field.Anonymous && name == "" && indirect(field.Type).Kind() == reflect.Struct
	name = strings.ToLower(cmp.Or(name, field.Name))
	s.names[name] = s.names[name] || !embedded
}

// longest returns how many of the parts make up a name that JSON knows, which
// may have dots in it, or 0.
func (s *shape) longest(parts []string) int {
	for count := min(len(parts), 5); count > 0; count-- {
		if s.names[strings.ToLower(unescape.Replace(strings.Join(parts[:count], ".")))] {
			return count
		}
	}
	return 0
}

// hidden reports whether a name is only that of an embedded struct.
func (s *shape) hidden(name string) bool {
	known, found := s.names[strings.ToLower(name)]
	return found && !known
}

// indirect returns the type that a pointer leads to, or t if it is none.
func indirect(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}
