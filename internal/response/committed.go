package response

import (
	"net/http"
	"strings"
	"sync"
)

// A committedHeader remembers the header of a response from the time when the handler
// chose the status until the header is sent. A handler that has kept the map can still
// change it in between. On a server's own writer such changes come too late, so they
// must be undone.
//
// Its memory is pooled. Handlers cannot reach it: a Writer uses it, clears it and puts it
// back under its mutex, and passes it to no other code.
type committedHeader struct {
	fields     *committedFields // nil if nothing is remembered
	noTrailers bool             // the header is known to have no trailers
}

type committedFields struct{ list []committedField }

type committedField struct {
	name   string
	values []string
}

// maxCommitted is the largest number of fields whose memory is put back into the pool.
const maxCommitted = 64

var committedPool = sync.Pool{
	New: func() any { return &committedFields{make([]committedField, 0, 16)} },
}

// keep remembers the fields of h.
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

// restore sets the fields of h to the remembered ones, except for trailers, which may be
// set later, and puts the memory back. If nothing is remembered, restore does nothing.
func (c *committedHeader) restore(h http.Header) {
	if c.fields == nil {
		return
	}
	if !c.equals(h) {
		c.noTrailers = false // the handler may have added some
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

// equals reports whether h has the remembered fields, with the same slices of values.
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

// forget puts the memory back.
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

// isTrailer reports whether a field is a trailer, which is sent after the body.
func isTrailer(name string) bool { return strings.HasPrefix(name, http.TrailerPrefix) }
