package jsonbody

import (
	"cmp"
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// A shape is how encoding/json decodes values of a type. fields and element are nil for
// types that are no arrays or objects in JSON, or that decode themselves.
type shape struct {
	fields  *structFields // of a struct
	element reflect.Type  // of a slice, array or map
	text    bool          // the result of decodesText
}

// A shapeCache holds results of shapeOf. It is not state: shapeOf would return equal
// results again.
type shapeCache struct{ byType sync.Map }

var (
	shapes    shapeCache
	zeroShape shape // not modified
)

// shapeOf returns the shape of a type, or the zero shape if t is nil.
func shapeOf(t reflect.Type) *shape {
	if t == nil {
		return &zeroShape
	}
	if cached, ok := shapes.byType.Load(t); ok {
		return cached.(*shape)
	}
	s := &shape{text: decodesText(t)}
	switch decoded := indirect(t); {
	case decodesItself(decoded):
	case decoded.Kind() == reflect.Struct:
		s.fields = fieldsOf(decoded)
	case decoded.Kind() == reflect.Slice, decoded.Kind() == reflect.Array, decoded.Kind() == reflect.Map:
		s.element = decoded.Elem()
	}
	shapes.byType.Store(t, s)
	return s
}

// decodesItself reports whether a method decodes the values of a type.
func decodesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// structFields holds the fields of a struct type that encoding/json decodes members
// into, by the rules of [json.Marshal] for embedded structs.
type structFields struct {
	byName   map[string]*structField
	byFolded map[string]*structField // the first field that matches, ignoring case
}

// A structField is a field, by the name of its member.
type structField struct {
	name   string
	typ    reflect.Type
	depth  int  // how many structs it is embedded in
	tagged bool // the name is from the tag
}

// find returns the field for a member, or nil.
func (s *structFields) find(name string) *structField {
	if f := s.byName[name]; f != nil {
		return f
	}
	return s.byFolded[fold(name)]
}

// fieldsOf returns the fields of a struct type.
func fieldsOf(t reflect.Type) *structFields {
	s := &structFields{byName: make(map[string]*structField), byFolded: make(map[string]*structField)}
	var order []string
	candidates := make(map[string][]structField)
	collect(t, 0, make(map[reflect.Type]bool), func(f structField) {
		if candidates[f.name] == nil {
			order = append(order, f.name)
		}
		candidates[f.name] = append(candidates[f.name], f)
	})
	for _, name := range order {
		f := dominant(candidates[name])
		if f == nil {
			continue
		}
		s.byName[name] = f
		if folded := fold(name); s.byFolded[folded] == nil {
			s.byFolded[folded] = f
		}
	}
	return s
}

// collect calls add for the fields of a struct and of the structs embedded in it. outer
// contains the types that t is embedded in.
func collect(t reflect.Type, depth int, outer map[reflect.Type]bool, add func(structField)) {
	if outer[t] {
		return
	}
	outer[t] = true
	defer delete(outer, t)
	for field := range t.Fields() {
		tag := field.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		embedded := field.Anonymous && indirect(field.Type).Kind() == reflect.Struct
		switch {
		case tag == "-":
		case embedded && name == "":
			collect(indirect(field.Type), depth+1, outer, add)
		case field.IsExported():
			add(structField{cmp.Or(name, field.Name), field.Type, depth, name != ""})
		}
	}
}

// dominant returns the field that encoding/json uses of those with the same name: the
// least embedded one, preferably with a tag. It returns nil if there are several.
func dominant(fields []structField) *structField {
	var best *structField
	unique := false
	for i := range fields {
		f := &fields[i]
		switch {
		case best == nil, f.depth < best.depth, f.depth == best.depth && f.tagged && !best.tagged:
			best, unique = f, true
		case f.depth == best.depth && f.tagged == best.tagged:
			unique = false
		}
	}
	if !unique {
		return nil
	}
	return best
}

// fold returns the same string for all strings that are equal under Unicode case-folding,
// as [strings.EqualFold] compares them. It returns strings of lower-case ASCII unchanged.
func fold(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf || 'A' <= s[i] && s[i] <= 'Z' {
			return strings.Map(foldRune, s)
		}
	}
	return s
}

// foldRune returns the smallest of the runes that are equal to r under case-folding, or
// the lower-case letter if that is an ASCII letter.
func foldRune(r rune) rune {
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	if 'A' <= least && least <= 'Z' {
		least += 'a' - 'A'
	}
	return least
}
