package response

import (
	"cmp"
	"net/http"
	"time"
)

// ConnectionLimits are the time limits of a request that replace those of the server.
type ConnectionLimits struct {
	Err error // why a limit could not be set, or nil

	turn    *Turn
	bodyEnd time.Time // read deadline of the body, or zero if it was not set
}

// LimitConnection sets deadlines for reading the body and for writing the response, relative
// to start, the current time. The caller must call [ConnectionLimits.End] when the handler has
// returned or panicked.
//
// If read or write is 0, the server's deadline is kept. read has no effect if the request has
// no unread body, and a deadline of the request's context that is earlier replaces it. If read
// has an effect, write is at least read plus bodyResponseTime. If extend is true, write has no
// effect if the server's write timeout is at least as long or absent.
func LimitConnection(turn *Turn, start time.Time, read, write time.Duration, extend bool) (c ConnectionLimits) {
	c.turn = turn
	// Without a body, or after its end, net/http is reading already, to notice that the client
	// disconnects. A deadline would interrupt that.
	if read > 0 && hasBody(turn.Request) && !turn.State.BodyRead() {
		c.bodyEnd = start.Add(read)
		if deadline, ok := turn.Request.Context().Deadline(); ok && deadline.Before(c.bodyEnd) {
			c.bodyEnd = deadline // of an outer Timeout: the handler could not use what comes later
		}
		c.Err = turn.Writer.SetServerReadDeadline(c.bodyEnd)
		if write > 0 {
			write = max(write, read+bodyResponseTime)
		}
	}
	server, known := turn.Request.Context().Value(http.ServerContextKey).(*http.Server)
	if extend && known && (server.WriteTimeout <= 0 || server.WriteTimeout >= write) {
		return c
	}
	if write > 0 {
		turn.Writer.noteWriteDeadline()
		c.Err = cmp.Or(c.Err, turn.Writer.SetServerWriteDeadline(start.Add(write)))
	}
	return c
}

// End prevents the limits from affecting later requests on the connection. net/http itself
// removes the write deadline after it has sent the end of the response.
func (c *ConnectionLimits) End() {
	if !c.bodyEnd.IsZero() && !time.Now().Before(c.bodyEnd) {
		closeAfterLateBody(c.turn.Writer, c.turn.Request)
	}
}

// noteWriteDeadline records that the server's write deadline has been replaced.
func (w *Writer) noteWriteDeadline() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.needRare().writeDeadline.Store(true)
}

// hasWriteDeadline reports whether w or a Writer around it has set the write deadline, or
// sets one for each write.
func (w *Writer) hasWriteDeadline() bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	fields, own := w.rare.Load(), w.stream != nil
	w.mu.Unlock()
	if own || fields != nil && fields.writeDeadline.Load() {
		return true
	}
	next, _ := find[*Writer](w.next)
	return next.hasWriteDeadline()
}

// RestartWriteTimeout makes the server's write timeout start again when in has passed, unless
// another timeout has replaced it. It is for middleware that lets requests wait before it
// calls their handlers.
func RestartWriteTimeout(w http.ResponseWriter, r *http.Request, in time.Duration) {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok || server.WriteTimeout <= 0 || Find(w).hasWriteDeadline() {
		return
	}
	timeout := server.WriteTimeout
	if server.ReadTimeout > 0 && hasBody(r) {
		timeout = max(timeout, server.ReadTimeout+bodyResponseTime) // see Handler
	}
	if conn, ok := find[interface{ SetWriteDeadline(time.Time) error }](w); ok {
		_ = conn.SetWriteDeadline(time.Now().Add(in).Add(timeout)) // the connection may have failed
	}
}

// hasBody reports whether r has a body, or may have one.
func hasBody(r *http.Request) bool {
	// On HTTP/2, a request without a body has another Body than NoBody, but no ContentLength.
	return r.ContentLength != 0 && r.Body != nil && r.Body != http.NoBody
}

// closeAfterLateBody makes an HTTP/1 server close the connection after the response. It is
// called if the read deadline of a body may have passed. If a part of the body is unread,
// net/http closes the connection anyway, but immediately: the client, which is still sending,
// could then lose the response. If the body was read before the deadline was set, net/http
// has canceled the context of the connection's requests.
func closeAfterLateBody(w *Writer, r *http.Request) {
	if r.ProtoMajor == 1 && !w.Hijacked() {
		LimitReached(w)
	}
}

// SetServerReadDeadline sets the read deadline of the request. Unlike
// [http.ResponseController], it does not make the handler's header accessible to others, and
// it allocates nothing. The error is [http.ErrNotSupported] if no writer has the method.
func (w *Writer) SetServerReadDeadline(deadline time.Time) error {
	server, ok := find[interface{ SetReadDeadline(time.Time) error }](w.next)
	if !ok {
		return http.ErrNotSupported
	}
	return server.SetReadDeadline(deadline)
}

// SetServerWriteDeadline is like SetServerReadDeadline, for the response.
func (w *Writer) SetServerWriteDeadline(deadline time.Time) error {
	server, ok := find[interface{ SetWriteDeadline(time.Time) error }](w.next)
	if !ok {
		return http.ErrNotSupported
	}
	return server.SetWriteDeadline(deadline)
}
