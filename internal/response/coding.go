package response

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/header"
)

// DropBody removes the fields that describe a body from the header of w. It must be called
// when an error with the given status replaces that body. If status is 400 or more, DropBody
// also removes Location and Refresh.
func DropBody(w http.ResponseWriter, status int) {
	h := BorrowHeader(w)
	ranges := h["Content-Range"]
	header.DropRepresentation(h)
	dropCoding(w, h)
	if status == http.StatusRequestedRangeNotSatisfiable && len(ranges) == 1 && strings.Contains(ranges[0], "*/") {
		h["Content-Range"] = ranges // has the length of the whole body (RFC 9110 §14.4)
	}
	if status >= 400 {
		delete(h, "Location")
		delete(h, "Refresh")
	}
}

// dropCoding removes Content-Encoding from h, the header of w, unless an outer encoder has
// set it. Such an encoder may set the field before it calls the handler, and encodes
// everything that the handler writes. Without the field, a client could not decode the
// body.
//
// If w is a Writer, the outer encoder's field is the one that existed when the Writer was
// made. If w is the writer of a server or a test, there is no outer encoder. Any other w is
// a wrapper of other middleware, which may be an encoder, so the field stays, as in
// [http.Error].
func dropCoding(w http.ResponseWriter, h http.Header) {
	now := h["Content-Encoding"]
	switch cw, ok := w.(*Writer); {
	case len(now) == 0:
	case ok && cw.outerCoding() != nil:
		if !slices.Equal(now, cw.outerCoding()) {
			h["Content-Encoding"] = slices.Clone(cw.outerCoding())
		}
	case ok, isServers(w):
		delete(h, "Content-Encoding")
	}
}

// isServers reports whether w is the writer of a server or the recorder of a test, and not
// a wrapper. Such a writer has no Unwrap method. It has the SetWriteDeadline method that
// [http.ResponseController] expects of a server's writer, or the Result method of a
// recorder.
func isServers(w http.ResponseWriter) bool {
	switch w.(type) {
	case unwrapper:
		return false
	case interface{ SetWriteDeadline(time.Time) error }:
		return true
	}
	return isRecorder(w)
}

// isRecorder reports whether w has the method that distinguishes the recorder of
// net/http/httptest.
func isRecorder(w http.ResponseWriter) bool {
	_, ok := w.(interface{ Result() *http.Response })
	return ok
}
