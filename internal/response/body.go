package response

import (
	"bytes"
	"cmp"
	"io"
	"io/fs"
	"math"
	"net/http"
	"syscall"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
)

// Write writes to the response's body, and chooses 200 if no status was.
func (w *Writer) Write(p []byte) (int, error) {
	if err := w.enter(); err != nil {
		return 0, err
	}
	defer w.mu.Unlock()
	return w.write(p)
}

// WriteString is Write for a string, without a copy if the next writer
// needs none.
func (w *Writer) WriteString(s string) (int, error) {
	if err := w.enter(); err != nil {
		return 0, err
	}
	defer w.mu.Unlock()
	w.begin()
	switch p := w.at(); {
	case p == held && w.fits(len(s)):
		return w.body.WriteString(s)
	case (p == sent || p == passed) && !w.encodes() && w.stream == nil && bodyAllowed(w.Status()):
		n, err := io.WriteString(w.next, s)
		w.count(int64(n))
		return n, err
	}
	return w.write([]byte(s))
}

// begin commits a response whose body is written before a status was chosen.
func (w *Writer) begin() {
	if w.at() == pending {
		w.implicit = true
		w.commit(http.StatusOK)
	}
}

// write is Write for a caller who holds mu.
func (w *Writer) write(p []byte) (int, error) {
	w.begin()
	switch w.at() {
	case hijacked:
		w.complain("http: response.Write on hijacked connection")
		return 0, http.ErrHijacked
	case held:
		switch {
		case w.fits(len(p)):
			return w.body.Write(p)
		case w.overruns(len(p)):
			// The server refuses p, and sees to it that a body that stays too
			// short for its Content-Length does not look whole.
			if err := w.pass(); err != nil {
				return 0, err
			}
			return w.forward(p)
		}
		return w.outgrow(p)
	}
	return w.forward(p)
}

// forward passes p on to the encoder or the next writer.
func (w *Writer) forward(p []byte) (n int, err error) {
	switch {
	case !bodyAllowed(w.Status()) && len(p) > 0: // servers differ over nothing
		return 0, http.ErrBodyNotAllowed
	case w.encodes() || w.at() == encoded:
		n, err = w.encode(p)
	default:
		if err = w.stream.Begin(); err == nil {
			n, err = w.next.Write(p)
			err = cmp.Or(err, w.stream.End())
		}
		if err != nil {
			w.nextFailed = true
		}
	}
	w.count(int64(n))
	return n, err
}

// encode passes p on to the encoder. After an error nothing more is taken, so
// that the body stays incomplete and is not sent as a whole one.
func (w *Writer) encode(p []byte) (int, error) {
	switch {
	case w.encodeErr != nil:
		return 0, w.encodeErr
	case len(p) == 0:
		return 0, nil
	case w.overrun || w.declared >= 0 && w.taken+int64(len(p)) > w.declared:
		w.overrun = true
		return 0, http.ErrContentLength
	}
	n, err := w.enc.Write(p)
	w.taken += int64(n)
	if err != nil {
		w.encodeErr = err
	}
	return n, err
}

// count adds to the body's length. A server drops the body of an answer to
// HEAD after accepting it.
func (w *Writer) count(n int64) {
	if w.req.Method != http.MethodHead {
		w.bytes.Add(n)
	}
}

// copySize is the size of a copy buffer, io.Copy's own.
const copySize = 32 << 10

// ReadFrom copies src to the body. As soon as no stage rewrites the body, the
// rest goes through the next writer's own ReadFrom, which is how files reach
// sendfile.
func (w *Writer) ReadFrom(src io.Reader) (n int64, err error) {
	if err := w.enter(); err != nil {
		return 0, err
	}
	defer w.mu.Unlock()
	if next := w.forwardsFrom(); next != nil {
		return w.forwardFrom(next, src)
	}
	chunk := bufpool.GetSize(copySize)
	piece := chunk.B[:cap(chunk.B)]
	unlocked := &unlockedReader{w, src}
	for {
		m, readErr := unlocked.Read(piece)
		if m > 0 {
			w.begin()
		}
		next, isReaderFrom := w.next.(io.ReaderFrom)
		if isReaderFrom && w.overrunsFirst(m) {
			// The server decides how much of too long a body it takes.
			if w.at() == held {
				if err := w.pass(); err != nil {
					return n, err
				}
			}
			m, err := w.forwardFrom(next, io.MultiReader(bytes.NewReader(piece[:m]), src))
			return n + m, err
		}
		if room := w.room(); m > room {
			k, err := w.write(piece[:room])
			return n + int64(k), cmp.Or(err, error(http.ErrContentLength))
		}
		if m > 0 {
			k, err := w.write(piece[:m])
			n += int64(k)
			if err != nil {
				return n, err // whoever refused the piece may still be reading it: it is not put back
			}
		}
		if readErr == io.EOF {
			bufpool.Put(chunk)
			return n, nil
		}
		if readErr != nil {
			bufpool.Put(chunk)
			return n, readErr
		}
		if next := w.forwardsFrom(); next != nil {
			bufpool.Put(chunk)
			m, err := w.forwardFrom(next, src)
			return n + m, err
		}
	}
}

// overrunsFirst reports whether n bytes, the first that a source has given,
// exceed what Content-Length promised and have not gone through an encoder.
func (w *Writer) overrunsFirst(n int) bool {
	switch {
	case w.holding == nil:
		return false
	case w.at() == held:
		return w.overruns(n)
	}
	return w.at() == passed && w.declared >= 0 && w.bytes.Load()+int64(n) > w.declared
}

// room returns how much may be taken of a piece that ReadFrom has read. It is
// more than any piece has unless the response is encoded and has a
// Content-Length: then HTTP/1's own writer takes what fits, so that the body
// is whole, and HTTP/2's breaks the response off.
func (w *Writer) room() int {
	if !w.encodes() || w.declared < 0 || w.req.ProtoMajor >= 2 {
		return math.MaxInt
	}
	return int(w.declared - w.taken)
}

// forwardsFrom returns the next writer's ReadFrom if the body goes there as
// the handler writes it, or nil.
func (w *Writer) forwardsFrom() io.ReaderFrom {
	switch w.at() {
	case pending:
		if w.holding != nil {
			return nil
		}
	case sent, passed:
		if w.encodes() || !bodyAllowed(w.Status()) {
			return nil
		}
	default:
		return nil
	}
	next, _ := w.next.(io.ReaderFrom)
	return next
}

// forwardFrom has the next writer read from src. Like that, it commits the
// response when the first bytes arrive, and not if src has none to give.
func (w *Writer) forwardFrom(next io.ReaderFrom, src io.Reader) (n int64, err error) {
	if !isRegularFile(src) {
		n, err = next.ReadFrom(&unlockedReader{w, src})
	} else {
		// Reading takes no time and runs no code of the handler's.
		before := w.at()
		if before == pending {
			w.enterPhase(passed)
			w.status.Store(http.StatusOK)
		}
		n, err = next.ReadFrom(src)
		if n == 0 && before == pending {
			w.enterPhase(pending)
			w.status.Store(0)
		}
	}
	w.count(n)
	return n, err
}

// isRegularFile reports whether src is a regular file of the operating system
// or the beginning of one, the sources that sendfile is for.
func isRegularFile(src io.Reader) bool {
	if limited, ok := src.(*io.LimitedReader); ok {
		src = limited.R
	}
	file, ok := src.(interface {
		fs.File
		io.Seeker
		syscall.Conn
	})
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode().IsRegular()
}

// An unlockedReader reads from a source of the handler's on behalf of a caller
// who holds mu, without mu: the source may block, or use the Writer.
type unlockedReader struct {
	w   *Writer
	src io.Reader
}

// Read reads from the source. It fails if the handler has returned meanwhile.
func (r *unlockedReader) Read(p []byte) (n int, err error) {
	r.w.mu.Unlock()
	defer func() {
		r.w.mu.Lock()
		switch {
		case r.w.ended.Load():
			n, err = 0, errEnded
		case n > 0 && r.w.holding == nil:
			r.w.begin()
		}
	}()
	return r.src.Read(p)
}
