// Package etag is the stage that tags a response by its body and answers 304
// to a client that has that body already (RFC 9110 §8.8.3, §13.1.2).
package etag

import (
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"net/http"

	"github.com/stanza-go/framework/pkg/http/internal/header"
	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// A Stage tags the responses to GET and HEAD that would be a 200 with a body
// of at most MaxSize bytes, written without a flush in between. A response
// passes if it has an ETag already, or if its handler takes ranges: such a
// handler answers conditions itself, by what it knows and not by this tag.
type Stage struct {
	// Weak says that the tags compare weakly: W/"...".
	Weak bool
	// MaxSize is the size in bytes of the largest body that is tagged. It is
	// held back in memory for that.
	MaxSize int
}

// Hold implements [response.Stage].
func (s Stage) Hold(w *response.Writer, h http.Header) (limit int, ok bool) {
	r := w.Request()
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead,
		w.Status() != http.StatusOK,
		!free(w, h):
		return 0, false
	}
	if w.Declared() > int64(s.MaxSize) {
		return 0, false
	}
	return s.MaxSize, true
}

// Release implements [response.Stage].
func (s Stage) Release(w *response.Writer, h http.Header, body []byte, why response.Cause) (int, []byte, response.Encoder) {
	// An inner stage may have changed the header since Hold.
	if why != response.End || len(body) == 0 || !free(w, h) {
		return w.Status(), body, nil
	}
	tag := s.tag(body)
	w.SetField(h, "Etag", tag)
	w.SetPlainTag()
	if lines := w.Request().Header["If-None-Match"]; len(lines) > 0 && header.ListsETag(lines, tag, header.WeakMatch) {
		w.SetUnmodified(plainType(h, body))
		header.DropForNotModified(h)
		return http.StatusNotModified, nil, nil
	}
	return http.StatusOK, body, nil
}

// castagnoli is the polynomial that, beside IEEE's, processors compute in
// hardware.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// tag returns the entity tag of body: two unlike checksums in hexadecimal,
// since either alone is too short to tell many bodies apart.
func (s Stage) tag(body []byte) string {
	var sums [8]byte
	binary.BigEndian.PutUint32(sums[:4], crc32.ChecksumIEEE(body))
	binary.BigEndian.PutUint32(sums[4:], crc32.Checksum(body, castagnoli))
	text := [20]byte{0: 'W', 1: '/', 2: '"', 19: '"'}
	hex.Encode(text[3:19], sums[:])
	if s.Weak {
		return string(text[:])
	}
	return string(text[2:])
}

// free reports whether nothing in h speaks against a tag.
func free(w *response.Writer, h http.Header) bool {
	return len(h["Etag"]) == 0 && len(h["Content-Range"]) == 0 && !header.AcceptsRanges(h) && !w.TakesRanges()
}

// plainType returns the type of a body that stays on the server, or "" if it
// has none or has a content coding.
func plainType(h http.Header, body []byte) string {
	types, known := h["Content-Type"]
	switch {
	case len(h["Content-Encoding"]) > 0:
		return ""
	case !known:
		return http.DetectContentType(body)
	case len(types) == 0:
		return ""
	}
	return types[0]
}
