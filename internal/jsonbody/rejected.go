package jsonbody

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
	"time"
)

// A search looks for the first value in a well-formed body that the method of a Go type
// rejects. The errors of such methods, which encoding/json returns, do not contain the
// place of the value.
//
// It decodes values again, into new values of their types. It does so only for types
// whose methods decode text, and some of the standard library: an UnmarshalJSON method of
// the program may be slow or depend on what the destination contains.
type search struct {
	body  []byte
	text  string // body, so that names need no memory
	found bool
	value string // the value that was found
	path  string // the path of the value, for example .users[2].state
}

// rejected returns a search of a body that was decoded into a value of type t.
func rejected(body []byte, t reflect.Type) *search {
	s := &search{body: body, text: string(body)}
	s.visit(skipSpace(body, 0), t)
	return s
}

// place describes the place of the value.
func (s *search) place() string {
	if len(s.path) < 2 || len(s.path) > maxPath || s.path[0] != '.' {
		return "the JSON body"
	}
	return "field " + quoted(s.path[1:])
}

// kind describes the value.
func (s *search) kind() string {
	switch {
	case !s.found:
		return "a value"
	case s.value[0] == '"':
		return "a string"
	case s.value[0] == 't', s.value[0] == 'f':
		return "a boolean"
	}
	return "a number"
}

// visit searches the value at offset i, which is decoded into a value of type t, or of an
// unknown type if t is nil. It returns the offset after the value and the white space that
// follows.
func (s *search) visit(i int, t reflect.Type) int {
	if s.body[i] == '{' || s.body[i] == '[' {
		return s.visitElements(i, t)
	}
	end, _, _ := skipValue(s.body, i) // the body is well-formed
	if s.body[i] != 'n' && shapeOf(t).text && s.rejects(t, i, end) {
		s.found, s.value = true, s.text[i:end]
	}
	return skipSpace(s.body, end)
}

// rejects reports whether a type for which decodesText returns true rejects the scalar
// between two offsets. If the scalar is a simple string, it calls the type's method
// directly, because that takes less memory.
func (s *search) rejects(t reflect.Type, begin, end int) bool {
	value := reflect.New(indirect(t)).Interface()
	u, ok := value.(encoding.TextUnmarshaler)
	if literal := s.body[begin:end]; !ok || literal[0] != '"' || bytes.IndexByte(literal, '\\') >= 0 {
		return json.Unmarshal(literal, value) != nil
	}
	return u.UnmarshalText(s.body[begin+1:end-1]) != nil
}

// visitElements is visit for an array or object.
func (s *search) visitElements(i int, t reflect.Type) int {
	bracket := s.body[i]
	i = skipSpace(s.body, i+1)
	for index := 0; s.body[i] != closing(bracket); index++ {
		name, element := "", elementOf(t, bracket)
		if bracket == '{' {
			end, _ := skipString(s.body, i+1) // the body is well-formed
			name = memberName(s.text[i:end])
			if field := shapeOf(t).field(name); field != nil {
				name, element = field.name, field.typ
			}
			i = skipSpace(s.body, skipSpace(s.body, end)+1) // after the colon
		}
		if i = s.visit(i, element); s.found {
			s.addStep(bracket, name, index)
			return i
		}
		if s.body[i] == ',' {
			i = skipSpace(s.body, i+1)
		}
	}
	return skipSpace(s.body, i+1)
}

// addStep adds a step to the beginning of the path.
func (s *search) addStep(bracket byte, name string, index int) {
	switch {
	case len(s.path) > maxPath:
	case bracket == '{':
		s.path = "." + name + s.path
	default:
		s.path = "[" + strconv.Itoa(index) + "]" + s.path
	}
}

// elementOf returns the type of the elements of t if arrays, or objects, are decoded into
// values of type t. Otherwise, it returns nil.
func elementOf(t reflect.Type, bracket byte) reflect.Type {
	element := shapeOf(t).element
	if element == nil || (bracket == '{') != (indirect(t).Kind() == reflect.Map) {
		return nil
	}
	return element
}

// field returns the field of a struct for a member, or nil.
func (s *shape) field(name string) *structField {
	if s.fields == nil {
		return nil
	}
	return s.fields.find(name)
}

// decodesText reports whether t is a type whose values are scalars in a form that
// encoding/json or a method checks.
func decodesText(t reflect.Type) bool {
	t = indirect(t)
	switch p := reflect.PointerTo(t); {
	case t == reflect.TypeFor[time.Time](), t == reflect.TypeFor[json.Number]():
		return true
	case p.Implements(reflect.TypeFor[json.Unmarshaler]()):
		return false
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return true // base 64
	default:
		return p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
	}
}
