package response

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// Unwrap lets [http.ResponseController] find the writers behind this one.
func (w *Writer) Unwrap() http.ResponseWriter {
	if w.ended.Load() {
		return gone{}
	}
	return w.next
}

// Flush is FlushError for callers that know only [http.Flusher].
func (w *Writer) Flush() {
	_ = w.FlushError() // the interface has no room for the error
}

// FlushError sends the bytes written so far to the client. A held response is
// released. The error matches [http.ErrNotSupported] if the server's writer
// cannot flush.
func (w *Writer) FlushError() error {
	if err := w.lock(); err != nil {
		return err
	}
	defer w.mu.Unlock()
	if w.at() == hijacked {
		return http.ErrHijacked
	}
	if w.at() == pending && w.holding != nil {
		w.commit(http.StatusOK)
	}
	if err := w.releaseFlush(); err != nil {
		return err
	}
	if err := w.flushEncoder(); err != nil {
		return err
	}
	if w.at() == pending {
		w.takeStream()
	}
	if err := w.stream.Begin(); err != nil {
		return err
	}
	err := http.NewResponseController(w.next).Flush()
	err = cmp.Or(err, w.stream.End())
	if w.at() == pending && !errors.Is(err, http.ErrNotSupported) {
		w.enterPhase(passed)
		w.status.Store(http.StatusOK)
	}
	return err
}

// flushEncoder makes everything that the encoder has accepted decodable by the client.
func (w *Writer) flushEncoder() error {
	if w.at() != encoding {
		return nil
	}
	if w.encodeErr == nil {
		w.encodeErr = w.enc.Flush()
	}
	return w.encodeErr
}

// Hijack takes over the connection, as [http.Hijacker]. A held response is
// released first, because the server's own writer sends earlier writes, too.
func (w *Writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if err := w.lock(); err != nil {
		return nil, nil, err
	}
	defer w.mu.Unlock()
	if err := w.releaseFlush(); err != nil {
		return nil, nil, err
	}
	conn, rw, err := http.NewResponseController(w.next).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.drop()
	w.closeHijacked = conn.Close
	w.enterPhase(hijacked)
	w.status.CompareAndSwap(0, http.StatusSwitchingProtocols)
	return conn, rw, nil
}

// CloseHijacked closes the connection that the handler took over, if it did:
// after a panic nobody else will.
func (w *Writer) CloseHijacked() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closeHijacked != nil {
		_ = w.closeHijacked() // it is given up; an error changes nothing
	}
}

// Push starts an HTTP/2 server push, as [http.Pusher]. The error is
// [http.ErrNotSupported] if the server's writer cannot push.
func (w *Writer) Push(target string, opts *http.PushOptions) error {
	if w.ended.Load() {
		return errEnded
	}
	pusher, ok := find[http.Pusher](w.next)
	if !ok {
		return http.ErrNotSupported
	}
	return pusher.Push(target, opts)
}

// CloseNotify implements [http.CloseNotifier], which frameworks older than
// contexts rely on. Once the handler has returned, the channel stays silent.
func (w *Writer) CloseNotify() <-chan bool {
	gone := make(chan bool, 1)
	if w.ended.Load() {
		return gone
	}
	//lint:ignore SA1019 whoever calls this method wants the server's own channel
	if notifier, ok := find[http.CloseNotifier](w.next); ok {
		return notifier.CloseNotify()
	}
	stop := context.AfterFunc(w.req.Context(), func() { gone <- true })
	w.OnDone(func() { stop() })
	return gone
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

// Find returns the first Writer that w is or wraps, or nil.
func Find(w http.ResponseWriter) *Writer {
	cw, ok := find[*Writer](w)
	if !ok {
		return nil
	}
	return cw
}

// outer yields the Writers around this one, the nearest first.
func (w *Writer) outer(yield func(*Writer) bool) {
	for next, ok := find[*Writer](w.next); ok && yield(next); next, ok = find[*Writer](next.next) {
	}
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

// gone is the writer behind a Writer whose handler has returned.
type gone struct{}

var errEnded = errors.New("http: response used after its handler returned")

func (gone) Header() http.Header              { return http.Header{} }
func (gone) WriteHeader(int)                  {}
func (gone) Write([]byte) (int, error)        { return 0, errEnded }
func (gone) FlushError() error                { return errEnded }
func (gone) SetReadDeadline(time.Time) error  { return errEnded }
func (gone) SetWriteDeadline(time.Time) error { return errEnded }
func (gone) EnableFullDuplex() error          { return errEnded }
