package capture

import (
	"bufio"
	"errors"
	"net"
	"net/http"
)

// Hijack takes over the connection, as [http.Hijacker]. A held response is
// released first, as the server's own writer sends what was written before.
func (w *Writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.phase == held {
		if err := w.release(w.buf.B, Flush); err != nil {
			return nil, nil, err
		}
	}
	conn, rw, err := http.NewResponseController(w.next).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.dropBody()
	w.phase, w.conn = hijacked, conn
	if w.code == 0 {
		w.code = http.StatusSwitchingProtocols
	}
	return conn, rw, nil
}

// CloseHijacked closes the connection that the handler took over, if it did:
// after a panic nobody else will.
func (w *Writer) CloseHijacked() {
	if w.conn != nil {
		_ = w.conn.Close() // it is given up, whatever state it is in
	}
}

// Push starts an HTTP/2 server push, as [http.Pusher]. The error is
// [http.ErrNotSupported] where the server's writer cannot push.
func (w *Writer) Push(target string, opts *http.PushOptions) error {
	pusher, ok := find[http.Pusher](w.next)
	if !ok {
		return http.ErrNotSupported
	}
	return pusher.Push(target, opts)
}

// Innermost follows Unwrap methods to the writer that has none: the server's
// own, unless some wrapper hides it.
func Innermost(w http.ResponseWriter) http.ResponseWriter {
	for {
		u, ok := w.(unwrapper)
		if !ok {
			return w
		}
		w = u.Unwrap()
	}
}

// HijackedFrom returns the writer that decides whether Hijack succeeds: behind
// w the first one with a Hijack method that is not a [Writer], or else the
// innermost.
func HijackedFrom(w http.ResponseWriter) http.ResponseWriter {
	for {
		if _, ok := w.(http.Hijacker); ok {
			if _, ours := w.(*Writer); !ours {
				return w
			}
		}
		u, ok := w.(unwrapper)
		if !ok {
			return w
		}
		w = u.Unwrap()
	}
}

// Hijackable reports whether the innermost writer can give up its connection,
// which net/http's writers of HTTP/1 can and those of HTTP/2 cannot.
func Hijackable(w http.ResponseWriter) bool {
	_, ok := Innermost(w).(http.Hijacker)
	return ok
}

// Find returns the outermost Writer that w is or wraps, or nil.
func Find(w http.ResponseWriter) *Writer {
	cw, ok := find[*Writer](w)
	if !ok {
		return nil
	}
	return cw
}

type unwrapper interface{ Unwrap() http.ResponseWriter }

// find returns the first of w and the writers behind it that is a T.
func find[T any](w http.ResponseWriter) (T, bool) {
	for {
		if t, ok := w.(T); ok {
			return t, true
		}
		u, ok := w.(unwrapper)
		if !ok {
			var none T
			return none, false
		}
		w = u.Unwrap()
	}
}

// gone stands behind a Writer whose handler has returned.
type gone struct{}

var errGone = errors.New("http: response used after its handler returned")

func (gone) Header() http.Header       { return http.Header{} }
func (gone) WriteHeader(int)           {}
func (gone) Write([]byte) (int, error) { return 0, errGone }
