package response

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/header"
)

// DropBody removes from the header of w what described a body that w will not
// get, because it gets an error of the given status in its place.
func DropBody(w http.ResponseWriter, status int) {
	h := BorrowHeader(w)
	ranges := h["Content-Range"]
	header.DropRepresentation(h)
	dropCoding(w, h)
	if status == http.StatusRequestedRangeNotSatisfiable && len(ranges) == 1 && strings.Contains(ranges[0], "*/") {
		h["Content-Range"] = ranges // which says how long the body would be (RFC 9110 §14.4)
	}
	if status >= 400 {
		delete(h, "Location")
		delete(h, "Refresh")
	}
}

// dropCoding removes Content-Encoding from h, the header of w, unless an
// encoder outside of the handler has begun already. Such an encoder may set
// the field before it calls the handler, and encodes whatever the handler
// writes; without the field a client would read the encoded bytes as they are.
//
// If w is a Writer, the encoder's field is the one that was there when the
// Writer was made. If w is the server's own, or that of a test, there is no
// encoder. Any other w is the wrapper of some middleware, which may be one, and
// the field stays, as it does in [http.Error].
func dropCoding(w http.ResponseWriter, h http.Header) {
	now := h["Content-Encoding"]
	switch cw, ok := w.(*Writer); {
	case len(now) == 0: // nothing was begun, or the handler has switched it off
	case ok && cw.outerCoding != nil:
		if !slices.Equal(now, *cw.outerCoding) {
			h["Content-Encoding"] = slices.Clone(*cw.outerCoding)
		}
	case ok, isServers(w):
		delete(h, "Content-Encoding")
	}
}

// isServers reports whether w is the writer of a server, or the recorder of a
// test, and not a wrapper. Such a writer has no Unwrap method. It has the
// methods that [http.ResponseController] asks of a server's writer, or the one
// that returns a recorder's response.
func isServers(w http.ResponseWriter) bool {
	switch w.(type) {
	case unwrapper:
		return false
	case interface{ SetWriteDeadline(time.Time) error }, interface{ Result() *http.Response }:
		return true
	}
	return false
}
