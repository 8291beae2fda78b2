package response

import (
	"cmp"
	"net/http"
	"time"
)

// LimitBody is for a handler that begins to read the body. It sets the deadline for that,
// which replaces the server's. If the server has a write timeout, it begins again at the
// deadline, but is at least answer. w is the handler's writer, whatever its type. When the
// body has been read, the caller should call [SetBodyDeadline].
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
// context, because the server goes on reading.
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
