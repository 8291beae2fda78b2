package response

import "net/http"

// A Field is a header field with one value. Its Name is in canonical form.
type Field struct{ Name, Value string }

// SetHeader sets a header field of w to one value. name must be in canonical
// form.
//
// If w is a [Writer], it is [http.Header.Set] without the allocation: the slice that
// holds the value is part of the memory of the request, if it has any left. No other
// field and no other response uses that slice, so handlers can append to it and
// change it.
func SetHeader(w http.ResponseWriter, name, value string) {
	cw, ok := w.(*Writer)
	if !ok {
		w.Header()[name] = []string{value}
		return
	}
	values := cw.values(1)
	values[0] = value
	BorrowHeader(w)[name] = values
}

// SetHeaders is SetHeader for several fields. If w has no memory for them, for
// example because it belongs to a test, one allocation holds all the values.
func SetHeaders(w http.ResponseWriter, fields ...Field) {
	h, values := BorrowHeader(w), valuesFor(w, len(fields))
	for i, f := range fields {
		values[i] = f.Value
		h[f.Name] = values[i : i+1 : i+1]
	}
}

// SetHeader is like the function SetHeader, with memory of the turn's State. w is the writer
// that the middleware passes on.
func (t *Turn) SetHeader(w http.ResponseWriter, name, value string) {
	values := t.State.Values(1)
	values[0] = value
	BorrowHeader(w)[name] = values
}

// SetField is [SetHeader] for a stage, where h is the header that the stage was
// given.
func (w *Writer) SetField(h http.Header, name, value string) {
	values := w.values(1)
	values[0] = value
	h[name] = values
}

// AddField adds a value to a field of the header that a stage was given. Like
// [http.Header.Add], it keeps the values that the field has. Unlike Add, it copies
// their slice, because other responses may share it.
func (w *Writer) AddField(h http.Header, name, value string) {
	before := h[name]
	values := w.values(len(before) + 1)
	copy(values, before)
	values[len(before)] = value
	h[name] = values
}

// valuesFor returns n empty strings from the memory of the request that w answers, or
// newly allocated.
func valuesFor(w http.ResponseWriter, n int) []string {
	if cw, ok := w.(*Writer); ok {
		return cw.values(n)
	}
	return make([]string, n)
}

// values returns n empty strings from the memory of the request, if it has any left.
func (w *Writer) values(n int) []string {
	state := w.state.Load()
	if state == nil {
		state = w.spareState.Load() // its memory can be used before the State is taken
	}
	return state.Values(n)
}
