package jsonbody

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// CheckType returns what is wrong with a Content-Type header field for the client, or "" if
// the field names JSON in UTF-8: the media type application/json, or one with the suffix
// +json (RFC 6839, section 3.1).
func CheckType(contentType string) string {
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil || mediaType != "application/json" && !strings.HasSuffix(mediaType, "+json") {
		return "the Content-Type must be application/json"
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return "the charset in the Content-Type must be UTF-8"
	}
	return ""
}

// DecodeStrict is like [Decode], but rejects members without a field in the struct that
// they are decoded into, and objects with two members of the same name or for the same
// field.
//
// Whether a member has a field is decided by [json.Decoder.DisallowUnknownFields]. Its
// error does not contain the name in a documented form, so the message gets it from a
// walk through the body. The same walk finds the duplicates, which encoding/json accepts.
func DecodeStrict(body []byte, dst any) error {
	if message := describeSyntax(body); message != "" {
		return &Error{message, json.Unmarshal(body, new(json.RawMessage))}
	}
	w := walk{body: body, text: string(body)}
	w.value(skipSpace(body, 0), reflect.TypeOf(dst))
	if w.duplicate != "" {
		return &Error{w.duplicate, errDuplicate}
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(dst)
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); !ok && w.unknown != "" {
		return &Error{w.unknown, err}
	}
	return &Error{describeValue(err, body, reflect.TypeOf(dst)), err}
}

// errDuplicate is the cause of errors about duplicates.
var errDuplicate = errors.New("duplicate name in a JSON object")

// A walk visits all objects in a well-formed body.
type walk struct {
	body []byte
	text string // body, so that names need no memory
	// Messages for the first duplicate and the first unknown member, or "". The walk
	// ends at a duplicate.
	duplicate, unknown string
}

// value skips the value at offset i, which is decoded into a value of type t, or of
// an unknown type if t is nil. It returns the offset after the value and the white space
// that follows.
func (w *walk) value(i int, t reflect.Type) int {
	switch w.body[i] {
	case '{':
		return w.object(i+1, shapeOf(t))
	case '[':
		return w.array(i+1, shapeOf(t))
	}
	i, _, _ = skipValue(w.body, i) // the body is well-formed
	return skipSpace(w.body, i)
}

// array is value for an array, after its bracket.
func (w *walk) array(i int, s *shape) int {
	for i = skipSpace(w.body, i); w.body[i] != ']'; {
		if i = w.value(i, s.element); w.duplicate != "" {
			return i
		}
		if w.body[i] == ',' {
			i = skipSpace(w.body, i+1)
		}
	}
	return skipSpace(w.body, i+1)
}

// object is value for an object, after its brace.
func (w *walk) object(i int, s *shape) int {
	var seen nameSet
	for i = skipSpace(w.body, i); w.body[i] != '}'; {
		begin := i
		end, _ := skipString(w.body, i+1) // the body is well-formed
		name := memberName(w.text[begin:end])
		unique, member := name, s.element
		if s.fields != nil {
			unique, member = w.field(s.fields, name, begin)
		}
		if !seen.add(unique) {
			w.duplicate = fmt.Sprintf("duplicate field %s at offset %d", quoted(name), begin)
			return begin
		}
		i = skipSpace(w.body, skipSpace(w.body, end)+1) // after the colon
		if i = w.value(i, member); w.duplicate != "" {
			return i
		}
		if w.body[i] == ',' {
			i = skipSpace(w.body, i+1)
		}
	}
	return skipSpace(w.body, i+1)
}

// field returns the name and the type of the field that a member is decoded into. If
// there is none, it returns the member's own name.
func (w *walk) field(fields *structFields, name string, offset int) (unique string, t reflect.Type) {
	if f := fields.find(name); f != nil {
		return f.name, f.typ
	}
	if w.unknown == "" {
		w.unknown = fmt.Sprintf("unknown field %s at offset %d", quoted(name), offset)
	}
	return name, nil
}

// memberName returns the name of a member from its JSON string. It is a part of the
// argument if that has no escapes.
func memberName(literal string) string {
	name := literal[1 : len(literal)-1]
	if strings.Contains(name, `\`) || !utf8.ValidString(name) {
		return unquoted(literal)
	}
	return name
}

// A nameSet is the set of the names in an object.
type nameSet struct {
	few   [8]string
	count int
	many  map[string]bool // nil if all names are in few
}

// add adds a name. It returns false if the set contains the name already.
func (s *nameSet) add(name string) bool {
	switch {
	case s.many != nil:
	case slices.Contains(s.few[:s.count], name):
		return false
	case s.count < len(s.few):
		s.few[s.count] = name
		s.count++
		return true
	default:
		s.many = make(map[string]bool, 4*len(s.few))
		for _, other := range s.few {
			s.many[other] = true
		}
	}
	before := len(s.many)
	s.many[name] = true
	return len(s.many) > before
}
