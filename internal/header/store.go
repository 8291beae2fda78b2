package header

import "net/http"

// Store sets a field to one value in the first of slots, which must belong to
// this response alone, and returns the others. It is Header.Set for many
// fields at the price of one allocation. name must be in canonical form.
func Store(h http.Header, name, value string, slots []string) []string {
	slots[0] = value
	h[name] = slots[0:1:1]
	return slots[1:]
}
