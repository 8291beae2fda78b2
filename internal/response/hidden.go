package response

import (
	"errors"
	"net/http"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
)

// If middleware wraps a ResponseWriter without an Unwrap method, an event stream
// inside it cannot reach the writers that could set its write deadline. Until
// the header is sent, such a wrapper passes on nothing but the header map,
// which usually is the map of the outer writers.
//
// So the stream leaves a request in the header map: it moves the values of
// X-Accel-Buffering to a lower-case key. If an outer Writer can set deadlines, it
// moves the values back when the header is sent, and handles the deadlines of the
// response. If there is no such Writer, net/http still sends the field, because the
// names of header fields are case-insensitive.
const (
	streamField = "X-Accel-Buffering"
	// streamRequest is streamField in a form that no other code uses, because the
	// methods of http.Header use canonical names.
	streamRequest = "x-accel-buffering"
)

// RequestStream asks the outer Writers to handle the deadlines of an event stream.
// h is the response's header, and must have the field X-Accel-Buffering. The caller
// must call [StreamTaken] after sending the header.
func RequestStream(h http.Header) {
	h[streamRequest] = h[streamField]
	delete(h, streamField)
}

// StreamTaken reports whether a Writer handles the deadlines of the event stream
// for which [RequestStream] was called. If none does, it restores the header.
func StreamTaken(h http.Header) bool {
	//lint:ignore SA1008 the key is not canonical on purpose
	values, left := h[streamRequest]
	if left {
		h[streamField] = values
		delete(h, streamRequest)
	}
	return !left
}

// takeStream handles the deadlines of an event stream inside w if
// [RequestStream] was called and w can set deadlines. It must be called before
// the header is sent, with mu held.
func (w *Writer) takeStream() {
	h := w.nextHeader()
	//lint:ignore SA1008 the key is not canonical on purpose
	if _, requested := h[streamRequest]; !requested {
		return
	}
	set := http.NewResponseController(w.next).SetWriteDeadline
	if errors.Is(set(time.Time{}), http.ErrNotSupported) {
		return // an outer Writer may be able to
	}
	StreamTaken(h) // restores the header
	w.liftOwn()
	w.liftOuter()
	w.stream = OpenStream(w, set)
	w.CountStream(reqstate.EventStream)
}

// Hides reports whether w, a result of [Innermost], is a wrapper without an Unwrap
// method, rather than the writer of a server or a test.
func Hides(w http.ResponseWriter) bool { return !isServers(w) }
