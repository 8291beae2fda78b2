package response

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
)

// Unwrap returns the next writer, for [http.ResponseController].
func (w *Writer) Unwrap() http.ResponseWriter {
	w.giveHeader()
	return w.unwrap()
}

func (w *Writer) unwrap() http.ResponseWriter {
	if w.ended.Load() {
		return endedWriter{}
	}
	return w.next
}

// Flush implements [http.Flusher]. It drops the error of FlushError.
func (w *Writer) Flush() {
	_ = w.FlushError() // http.Flusher cannot return the error
}

// FlushError sends the bytes written so far to the client, including those of a held
// response. If it succeeds and no status was chosen, the status is 200. If the server's
// writer cannot flush, the error matches [http.ErrNotSupported].
func (w *Writer) FlushError() error {
	if err := w.lockWrite(); err != nil {
		return err
	}
	defer w.mu.Unlock()
	if w.at() == hijacked {
		return http.ErrHijacked
	}
	switch {
	case w.at() != pending:
	case w.holding == nil:
		w.takeStream()
		w.announceStop(http.StatusOK)
	default:
		w.commit(http.StatusOK)
	}
	if err := w.releaseFlush(); err != nil {
		return err
	}
	if err := w.flushEncoder(); err != nil {
		return err
	}
	return w.flushNext()
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

// flushNext flushes the next writer. If the next writer can flush, flushNext commits a
// pending response with status 200.
func (w *Writer) flushNext() error {
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

// Hijack implements [http.Hijacker]. Like a server's own writer, it first sends everything
// that was written before, including a held response.
func (w *Writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if err := w.lockWrite(); err != nil {
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
	w.stream = nil // the deadlines belong to the handler
	w.needRare().closeHijacked = conn.Close
	w.liftOwn()
	w.enterPhase(hijacked)
	w.status.CompareAndSwap(0, http.StatusSwitchingProtocols)
	w.CountStream(reqstate.Hijacked)
	return conn, rw, nil
}

// CloseHijacked closes the connection if the handler has taken it over. It must be called
// after a panic, because the handler can no longer close the connection.
func (w *Writer) CloseHijacked() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if fields := w.rare.Load(); fields != nil && fields.closeHijacked != nil {
		_ = fields.closeHijacked() // the connection is given up, so an error does not matter
		w.requestState().EndStream()
	}
}

// Push implements [http.Pusher]. If the server's writer cannot push, it returns
// [http.ErrNotSupported].
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

// CloseNotify implements [http.CloseNotifier] for frameworks that predate package context.
// If the handler has already returned, nothing is ever sent on the channel.
func (w *Writer) CloseNotify() <-chan bool {
	disconnected := make(chan bool, 1)
	if w.ended.Load() {
		return disconnected
	}
	//lint:ignore SA1019 callers of this method expect the server's own channel
	if notifier, ok := find[http.CloseNotifier](w.next); ok {
		return notifier.CloseNotify()
	}
	stop := context.AfterFunc(w.req.Context(), func() { disconnected <- true })
	w.OnDone(func() { stop() })
	return disconnected
}

// Innermost follows Unwrap methods to the first writer without one. It is the server's own
// writer, unless a wrapper hides it.
func Innermost(w http.ResponseWriter) http.ResponseWriter {
	for {
		next, ok := unwrap(w)
		if !ok {
			return w
		}
		w = next
	}
}

// HijackedFrom returns the writer that decides whether Hijack succeeds: the first of w and
// the writers inside it that has a Hijack method and is not a [Writer], or the innermost.
func HijackedFrom(w http.ResponseWriter) http.ResponseWriter {
	for {
		if _, ok := w.(http.Hijacker); ok {
			if _, ours := w.(*Writer); !ours {
				return w
			}
		}
		next, ok := unwrap(w)
		if !ok {
			return w
		}
		w = next
	}
}

// Hijackable reports whether the innermost writer implements [http.Hijacker]. In net/http,
// the writers of HTTP/1 do and those of HTTP/2 do not.
func Hijackable(w http.ResponseWriter) bool {
	_, ok := Innermost(w).(http.Hijacker)
	return ok
}

// IsHTTP1 reports whether the innermost writer, to judge by its type, is that of an HTTP/1
// server. The recorder of a test counts as one. If w is or wraps a [Writer], the protocol of
// its request is certain.
func IsHTTP1(w http.ResponseWriter) bool { return Hijackable(w) || isRecorder(Innermost(w)) }

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

// unwrap calls the Unwrap method of w, if there is one. Unlike handlers, its callers do not
// keep the header of the writer that it returns.
func unwrap(w http.ResponseWriter) (next http.ResponseWriter, ok bool) {
	switch w := w.(type) {
	case *Writer:
		return w.unwrap(), true
	case unwrapper:
		return w.Unwrap(), true
	}
	return nil, false
}

// find returns the first of w and the writers inside it that is a T.
func find[T any](w http.ResponseWriter) (T, bool) {
	for {
		if t, ok := w.(T); ok {
			return t, true
		}
		next, ok := unwrap(w)
		if !ok {
			var zero T
			return zero, false
		}
		w = next
	}
}

// An endedWriter is the writer that Unwrap returns after the handler has returned.
type endedWriter struct{}

var errEnded = errors.New("http: response used after its handler returned")

func (endedWriter) Header() http.Header              { return http.Header{} }
func (endedWriter) WriteHeader(int)                  {}
func (endedWriter) Write([]byte) (int, error)        { return 0, errEnded }
func (endedWriter) FlushError() error                { return errEnded }
func (endedWriter) SetReadDeadline(time.Time) error  { return errEnded }
func (endedWriter) SetWriteDeadline(time.Time) error { return errEnded }
func (endedWriter) EnableFullDuplex() error          { return errEnded }
