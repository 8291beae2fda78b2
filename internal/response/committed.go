package response

import (
	"net/http"
	"strings"
	"sync"
)

// A committedHeader remembers the header of a response from when the handler
// chose the status until it is sent. A handler that has kept the map from
// before can still change it, which comes too late on a server's own writer.
//
// The memory is pooled. No handler can reach it: it is used, emptied and given
// back under the mutex of a Writer that hands it to nobody.
type committedHeader struct {
	fields     *committedFields
	noTrailers bool // restore found the header unchanged and without trailers
}

type committedFields struct{ list []committedField }

type committedField struct {
	name   string
	values []string
}

// maxCommitted is the largest number of fields whose memory goes back to the
// pool.
const maxCommitted = 64

var committedPool = sync.Pool{
	New: func() any { return &committedFields{make([]committedField, 0, 16)} },
}

// keep remembers h as it is.
func (c *committedHeader) keep(h http.Header) {
	if c.fields == nil {
		c.fields = committedPool.Get().(*committedFields)
	}
	list := c.fields.list[:0]
	c.noTrailers = true
	for name, values := range h {
		list = append(list, committedField{name, values})
		if isTrailer(name) {
			c.noTrailers = false
		}
	}
	c.fields.list = list
}

// restore gives h the fields that it had when keep was called, except for the
// trailers, which may be set later, and gives the memory back. If keep was not
// called, it does nothing.
func (c *committedHeader) restore(h http.Header) {
	if c.fields == nil {
		return
	}
	if !c.equals(h) {
		c.noTrailers = false // perhaps; nobody has looked
		for name := range h {
			if !isTrailer(name) {
				delete(h, name)
			}
		}
		for _, f := range c.fields.list {
			if !isTrailer(f.name) {
				h[f.name] = f.values
			}
		}
	}
	c.forget()
}

// equals reports whether h has the fields that were remembered, with the same
// slices of values.
func (c *committedHeader) equals(h http.Header) bool {
	if len(h) != len(c.fields.list) {
		return false
	}
	for _, f := range c.fields.list {
		values, ok := h[f.name]
		if !ok || len(values) != len(f.values) || len(values) > 0 && &values[0] != &f.values[0] {
			return false
		}
	}
	return true
}

// forget gives the memory back.
func (c *committedHeader) forget() {
	if c.fields == nil {
		return
	}
	clear(c.fields.list)
	if cap(c.fields.list) <= maxCommitted {
		committedPool.Put(c.fields)
	}
	c.fields = nil
}

// isTrailer reports whether a field is to follow the body.
func isTrailer(name string) bool { return strings.HasPrefix(name, http.TrailerPrefix) }
