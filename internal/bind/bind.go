// Package bind sets Go values from the text of parameters and form fields.
//
// A [Conversion] sets one value. A [Plan] sets the fields of a struct, which are named
// by tags; it is made once per type, and a request only uses it. Both report problems
// as predicates for the client, for example "must be an integer".
//
// # Values
//
// An empty value counts as missing, because browsers send empty values for the inputs
// of a form that the user left empty. If a parameter that is not a list has several
// values, the first counts, as in [url.Values.Get]. A parameter that is missing leaves
// its field unchanged.
//
// # Bounds
//
// The time is linear in the length of the input. A list has at most [MaxValues]
// elements, and there is one problem per field at most, so that memory is bounded by
// the input and the struct.
package bind

import (
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/query"
)

// MaxValues is the maximum number of elements of a list.
const MaxValues = 10000

// Problems that do not depend on the type.
const (
	Missing   = "is required"
	Malformed = "is not percent-encoded correctly"
)

// Query sets the fields of dst, a struct of the plan's type, from URL-encoded pairs. It
// returns the problems by name; the map is nil if there are none. If raw has too many
// pairs, Query returns [query.ErrTooMany] and does not change dst.
func (p *Plan) Query(dst reflect.Value, raw string) (problems map[string]string, err error) {
	if query.TooMany(raw) {
		return nil, query.ErrTooMany
	}
	b := p.begin(dst)
	decoder := query.Decoder{Max: len(raw)}
	for raw != "" {
		var key, value string
		key, value, raw = query.Split(raw)
		name, ok := decoder.Decode(key)
		if !ok {
			continue // no parameter has this name
		}
		i := p.find(name)
		if i < 0 || b.of(i).done {
			continue
		}
		if text, ok := decoder.Decode(value); ok {
			b.add(i, text)
		} else {
			b.reject(i, Malformed)
		}
	}
	b.end()
	return b.problems, nil
}

// List sets dst, a slice, from the values of one parameter. conversion is for the
// elements. The results are those of [Plan.Query].
func List(dst reflect.Value, conversion *Conversion, raw, name string) (problem string, err error) {
	p := Plan{fields: []field{{name: name, conversion: conversion, list: true}}}
	problems, err := p.Query(dst, raw)
	return problems[name], err
}

// Values is like Query for values that are already parsed.
func (p *Plan) Values(dst reflect.Value, values url.Values) (problems map[string]string) {
	b := p.begin(dst)
	for i := range p.fields {
		for _, text := range values[p.fields[i].name] {
			b.add(i, text)
		}
	}
	b.end()
	return b.problems
}

// A binding sets the fields of one struct from one request.
type binding struct {
	plan     *Plan
	dst      reflect.Value
	few      [16]progress // by field, so that structs of usual size need no memory
	many     []progress   // by field; nil if few is used
	problems map[string]string
}

// progress says which values a field has received.
type progress struct {
	values int32 // how many the field has from this request
	done   bool  // further values are ignored
}

// begin returns a binding to dst.
func (p *Plan) begin(dst reflect.Value) binding {
	b := binding{plan: p, dst: dst}
	if n := len(p.fields); n > len(b.few) {
		b.many = make([]progress, n)
	}
	return b
}

// of returns the progress of the field with index i.
func (b *binding) of(i int) *progress {
	if b.many != nil {
		return &b.many[i]
	}
	return &b.few[i]
}

// add adds a value to the field with index i.
func (b *binding) add(i int, text string) {
	f, done := &b.plan.fields[i], &b.of(i).done
	switch {
	case *done:
	case !f.list:
		*done = true // the first value counts
		b.set(i, text)
	case f.comma:
		for more := true; more && !*done; {
			var part string
			part, text, more = strings.Cut(text, ",")
			b.append(i, part)
		}
	default:
		b.append(i, text)
	}
}

// set sets a field that is not a list, unless text is empty.
func (b *binding) set(i int, text string) {
	if text == "" {
		return
	}
	f := &b.plan.fields[i]
	b.of(i).values++
	if problem := f.conversion.set(f.of(b.dst), text); problem != "" {
		b.reject(i, problem)
	}
}

// append appends an element to a list, unless text is empty. The first element
// replaces the list.
func (b *binding) append(i int, text string) {
	if text == "" {
		return
	}
	f, n := &b.plan.fields[i], int(b.of(i).values)
	if n == MaxValues {
		b.reject(i, "has more than "+strconv.Itoa(MaxValues)+" values")
		return
	}
	list := f.of(b.dst)
	if n == 0 {
		list.SetZero() // the program may share the array of its default
	}
	list.Grow(1)
	list.SetLen(n + 1)
	b.of(i).values++
	if problem := f.conversion.set(list.Index(n), text); problem != "" {
		b.reject(i, "value "+strconv.Itoa(n+1)+" "+problem)
	}
}

// reject records the problem of a field, which ignores further values.
func (b *binding) reject(i int, problem string) {
	if b.problems == nil {
		b.problems = make(map[string]string)
	}
	b.problems[b.plan.fields[i].name] = problem
	*b.of(i) = progress{values: 1, done: true}
}

// end sets defaults and finds the parameters that are required but missing.
func (b *binding) end() {
	for i := range b.plan.fields {
		if b.of(i).values > 0 {
			continue
		}
		switch f := &b.plan.fields[i]; {
		case f.fallback != "":
			b.of(i).done = false
			b.add(i, f.fallback)
		case f.required:
			b.reject(i, Missing)
		}
	}
}
