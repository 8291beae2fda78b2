// Package etag adds entity tags to responses and answers conditional requests with 304
// (RFC 9110 §8.8.3, §13.1.2).
package etag

import (
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"net/http"

	"github.com/stanza-go/framework/pkg/http/internal/header"
	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// A Handler adds entity tags to the responses of another handler.
type Handler struct {
	stage *Stage
	next  http.Handler
}

// NewHandler returns a Handler that calls next. Several Handlers can share a stage.
func NewHandler(stage *Stage, next http.Handler) *Handler { return &Handler{stage, next} }

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	response.Serve(h.next, w, r, h.stage)
}

// Stage implements [response.StageHandler].
func (h *Handler) Stage() response.Stage { return h.stage }

// A Stage adds a tag to each response to GET or HEAD with status 200 whose body is not
// empty, has at most MaxSize bytes and is not flushed before its end. The tag is a checksum
// of the body.
//
// It does not change a response that has an ETag or a Content-Range, or whose handler
// accepts range requests: such a handler evaluates conditions itself and does not know this
// tag.
type Stage struct {
	// Weak makes the tags weak: W/"...".
	Weak bool
	// MaxSize is the size in bytes of the largest body that gets a tag. Up to this size,
	// the body is held in memory.
	MaxSize int
}

// Hold implements [response.Stage].
func (s *Stage) Hold(w *response.Writer, h http.Header) (limit int, ok bool) {
	method := w.Request().Method
	ok = (method == http.MethodGet || method == http.MethodHead) &&
		w.Status() == http.StatusOK &&
		mayTag(w, h) &&
		w.Declared() <= int64(s.MaxSize)
	return s.MaxSize, ok
}

// Release implements [response.Stage].
func (s *Stage) Release(w *response.Writer, h http.Header, body []byte, why response.Cause) (int, []byte, response.Encoder) {
	// An inner stage may have changed the header since Hold.
	if why != response.End || len(body) == 0 || !mayTag(w, h) {
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

// castagnoli is the table of the only polynomial, other than IEEE, for which hash/crc32
// uses processor instructions.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// tag returns the entity tag of body: two different checksums in hexadecimal, because a
// single 32-bit checksum would give the same tag to different bodies too often.
func (s *Stage) tag(body []byte) string {
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

// mayTag reports whether a response with the header h may get a tag.
func mayTag(w *response.Writer, h http.Header) bool {
	return len(h["Etag"]) == 0 && len(h["Content-Range"]) == 0 && !header.AcceptsRanges(h) && !w.AcceptsRanges()
}

// plainType returns the type of a body that a 304 replaces. It is "" if the body has no
// type or has a content coding.
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
