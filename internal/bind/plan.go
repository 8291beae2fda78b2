package bind

import (
	"reflect"
	"slices"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/callsite"
)

// A Plan describes how the fields of a struct type are set.
type Plan struct {
	fields []field
	// byName holds the indices of the fields by name. It is nil if there are so few
	// that comparing all names is faster.
	byName map[string]int
}

// few is the maximum number of fields whose names find compares.
const few = 12

// A field is a field of a struct with a tag.
type field struct {
	name       string
	path       []int // for reflect.Value.FieldByIndex; empty for the value itself
	conversion *Conversion
	list       bool   // conversion is for the elements
	comma      bool   // commas separate elements
	required   bool   // a missing value is a problem
	fallback   string // the text of the default, or ""
}

// of returns the field of the struct v.
func (f *field) of(v reflect.Value) reflect.Value {
	switch len(f.path) {
	case 0:
		return v
	case 1:
		return v.Field(f.path[0])
	}
	return v.FieldByIndex(f.path)
}

// find returns the index of the field with a name, or -1.
func (p *Plan) find(name string) int {
	if p.byName != nil {
		if i, ok := p.byName[name]; ok {
			return i
		}
		return -1
	}
	for i := range p.fields {
		if p.fields[i].name == name {
			return i
		}
	}
	return -1
}

// Plans holds the plans for one tag key, for example "query".
type Plans struct {
	key string
	cache
}

// PlansFor returns plans for a tag key.
func PlansFor(key string) *Plans { return &Plans{key: key} }

// Of returns the plan for a struct type. If the tags of the type are wrong, or a field
// with a tag has a type without a conversion, Of panics with all mistakes.
func (p *Plans) Of(t reflect.Type) *Plan {
	if cached, ok := p.byType.Load(t); ok {
		return cached.(*Plan)
	}
	b := builder{key: p.key, plan: new(Plan), byName: make(map[string]int)}
	b.addStruct(t, nil, "")
	name := t.Name()
	if name == "" {
		name = "struct"
	}
	b.mistakes.PanicIfAny(name)
	if len(b.plan.fields) == 0 {
		callsite.Panicf("no field of %v has a tag such as %s:%q", t, p.key, "name")
	}
	if len(b.plan.fields) > few {
		b.plan.byName = b.byName
	}
	p.byType.Store(t, b.plan)
	return b.plan
}

// A builder makes a plan.
type builder struct {
	key      string
	plan     *Plan
	byName   map[string]int
	mistakes callsite.FieldErrors
}

// addStruct adds the fields of a struct type. path leads to the struct, and prefix is
// the same path in words, for example "Page.".
func (b *builder) addStruct(t reflect.Type, path []int, prefix string) {
	for i := range t.NumField() {
		field := t.Field(i)
		at := append(path[:len(path):len(path)], i)
		tag, ok := field.Tag.Lookup(b.key)
		switch {
		case tag == "-":
		case ok:
			b.addField(field, tag, at, prefix+field.Name)
		case field.Anonymous && field.Type.Kind() == reflect.Struct:
			b.addStruct(field.Type, at, prefix+field.Name+".")
		case field.Anonymous && field.Type.Kind() == reflect.Pointer && b.hasTag(field.Type, nil):
			b.mistakes.Addf(prefix+field.Name, "embed the struct instead of a pointer to it, or add the tag %s:%q", b.key, "-")
		}
	}
}

// addField adds a field with a tag. place is the path of the field in words.
func (b *builder) addField(sf reflect.StructField, tag string, path []int, place string) {
	f := field{path: path}
	hasDefault := b.parse(&f, tag, place)
	if !sf.IsExported() {
		b.mistakes.Addf(place, "the field is not exported")
		return
	}
	if !b.convert(&f, sf.Type, place) {
		return
	}
	b.check(&f, sf.Type, hasDefault, place)
	if other, ok := b.byName[f.name]; ok {
		b.mistakes.Addf(place, "another field also has the name %q", b.plan.fields[other].name)
		return
	}
	b.byName[f.name] = len(b.plan.fields)
	b.plan.fields = append(b.plan.fields, f)
}

// parse reads a tag, for example "sort,comma,default=name,-age". The text of the
// default is the rest of the tag, so that it may contain commas.
func (b *builder) parse(f *field, tag, place string) (hasDefault bool) {
	name, options, more := strings.Cut(tag, ",")
	f.name = name
	if name == "" {
		b.mistakes.Addf(place, "the tag %q has no name", tag)
	}
	for more {
		if text, ok := strings.CutPrefix(options, "default="); ok {
			f.fallback = text
			return true
		}
		var option string
		option, options, more = strings.Cut(options, ",")
		switch option {
		case "required":
			f.required = true
		case "comma":
			f.comma = true
		default:
			b.mistakes.Addf(place, "unknown option %q in the tag %q; the options are required, comma and default=", option, tag)
		}
	}
	return false
}

// convert sets the conversion for a field of type t, and reports whether there is one.
func (b *builder) convert(f *field, t reflect.Type, place string) bool {
	if f.conversion = ConversionFor(t); f.conversion != nil {
		return true
	}
	if t.Kind() == reflect.Slice && t.Elem() != reflect.TypeFor[byte]() {
		f.conversion, f.list = ConversionFor(t.Elem()), true
	}
	if f.conversion == nil {
		b.mistakes.Addf(place, "the type %v is not supported; use a string, bool or number, a type with an UnmarshalText method, a pointer to one of these, or a slice of them", t)
		return false
	}
	return true
}

// check adds the mistakes in the options of a field of type t.
func (b *builder) check(f *field, t reflect.Type, hasDefault bool, place string) {
	if f.comma && !f.list {
		b.mistakes.Addf(place, "the option comma is only for slices")
	}
	switch {
	case !hasDefault:
	case f.required:
		b.mistakes.Addf(place, "the options required and default= are mutually exclusive")
	case f.fallback == "":
		b.mistakes.Addf(place, "default= has no value; remove the option")
	default:
		alone := *f
		alone.path = nil
		trial := (&Plan{fields: []field{alone}}).begin(reflect.New(t).Elem())
		trial.add(0, f.fallback)
		for _, problem := range trial.problems {
			b.mistakes.Addf(place, "the default %q %s", f.fallback, problem)
		}
	}
}

// hasTag reports whether a field of a struct, or of a struct embedded in it, has a tag. t is
// the type of the struct or of a pointer to it, and inside contains those that it is
// embedded in.
func (b *builder) hasTag(t reflect.Type, inside []reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || slices.Contains(inside, t) {
		return false
	}
	for field := range t.Fields() {
		tag, ok := field.Tag.Lookup(b.key)
		switch {
		case tag == "-":
		case ok, field.Anonymous && b.hasTag(field.Type, append(inside, t)):
			return true
		}
	}
	return false
}
