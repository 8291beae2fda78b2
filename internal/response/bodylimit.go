package response

import (
	"cmp"
	"net/http"
	"time"
)

// LimitBody sets the deadline for reading the body, in place of the server's. A handler
// calls it before it reads. If the server has a write timeout, the time for the response
// starts at the deadline and is at least answer. w is the handler's writer and can have any
// type. When the body has been read, the caller should call [SetBodyDeadline].
func LimitBody(w http.ResponseWriter, r *http.Request, deadline time.Time, answer time.Duration) error {
	if !hasBody(r) {
		return nil
	}
	readEnd := deadline
	if end, ok := r.Context().Deadline(); ok && end.Before(deadline) {
		readEnd = end // of a Timeout: the handler could not use what arrives later
	}
	cw := writerFor(w)
	err := cw.SetServerReadDeadline(readEnd)
	if server, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && server.WriteTimeout > 0 {
		err = cmp.Or(err, cw.SetServerWriteDeadline(deadline.Add(max(server.WriteTimeout, answer))))
	}
	return err
}

// SetBodyDeadline replaces the deadline of LimitBody for reading the body. When the body has
// been read, it should be zero: over HTTP/1, the deadline would otherwise end the request's
// context, because the server keeps reading.
func SetBodyDeadline(w http.ResponseWriter, deadline time.Time) error {
	return writerFor(w).SetServerReadDeadline(deadline)
}

// writerFor returns the first Writer that w is or wraps, or a new one around w, which is only
// for setting deadlines.
func writerFor(w http.ResponseWriter) *Writer {
	if cw := Find(w); cw != nil {
		return cw
	}
	return &Writer{next: w}
}
