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

// copySize is the size of a copy buffer. It is the same as in [io.Copy].
const copySize = 32 << 10

// ReadFrom copies src to the body. Once no stage rewrites the body, it passes the rest to
// the next writer's ReadFrom method, if there is one, so that files are sent with sendfile.
func (w *Writer) ReadFrom(src io.Reader) (n int64, err error) {
	if err := w.lockWrite(); err != nil {
		return 0, err
	}
	defer w.mu.Unlock()
	if next := w.nextReaderFrom(); next != nil {
		return w.forward(next, src)
	}
	return w.copyFrom(src)
}

// copyFrom copies src piece by piece until the rest can be forwarded.
//
// If a write fails, the piece is not put back into its pool, because the writer that
// returned the error may still be reading it.
func (w *Writer) copyFrom(src io.Reader) (n int64, err error) {
	chunk := bufpool.GetSize(copySize)
	unlocked := &unlockedReader{w, src}
	for {
		m, readErr := unlocked.Read(chunk.B[:cap(chunk.B)])
		piece := chunk.B[:m]
		if m > 0 {
			w.commitImplied()
		}
		if next := w.nextIfTooLong(m); next != nil {
			k, err := w.forwardTooLong(next, piece, src)
			return n + k, err
		}
		k, err := w.writePiece(piece)
		n += k
		if err != nil {
			return n, err
		}
		next := w.nextReaderFrom()
		if readErr == nil && next == nil {
			continue
		}
		bufpool.Put(chunk)
		switch readErr {
		case nil:
			k, err := w.forward(next, src)
			return n + k, err
		case io.EOF:
			return n, nil
		}
		return n, readErr
	}
}

// writePiece writes as much of a piece as there is room for.
func (w *Writer) writePiece(piece []byte) (int64, error) {
	if room := w.room(); len(piece) > room {
		n, err := w.write(piece[:room])
		return int64(n), cmp.Or(err, error(http.ErrContentLength))
	}
	if len(piece) == 0 {
		return 0, nil
	}
	n, err := w.write(piece)
	return int64(n), err
}

// room returns how many bytes of a piece may be written. There is a limit only over HTTP/1,
// if the response is being encoded and its handler declared a Content-Length. It makes
// ReadFrom behave like that of the server's own writer: over HTTP/1, a body that is too
// long is truncated to its declared length, so that it is complete; over HTTP/2, the
// response is aborted.
func (w *Writer) room() int {
	if w.at() != encoding || w.declared < 0 || w.req.ProtoMajor >= 2 {
		return math.MaxInt
	}
	return int(w.declared - w.encodedBytes)
}

// nextIfTooLong returns the next writer if it has a ReadFrom method and n more bytes exceed
// the declared length of a body that is not being encoded. Otherwise it returns nil.
func (w *Writer) nextIfTooLong(n int) io.ReaderFrom {
	tooLong := false
	switch {
	case w.holding == nil:
	case w.at() == held:
		tooLong = w.exceedsDeclared(n)
	case w.at() == passed:
		tooLong = w.declared >= 0 && w.bytes.Load()+int64(n) > w.declared
	}
	if !tooLong {
		return nil
	}
	next, _ := w.next.(io.ReaderFrom)
	return next
}

// forwardTooLong forwards a piece of a body that is too long, and the rest of the body.
// The server decides how much of it to accept.
func (w *Writer) forwardTooLong(next io.ReaderFrom, piece []byte, rest io.Reader) (int64, error) {
	if w.at() == held {
		if err := w.releaseUnchanged(); err != nil {
			return 0, err
		}
	}
	return w.forward(next, io.MultiReader(bytes.NewReader(piece), rest))
}

// nextReaderFrom returns the next writer if it has a ReadFrom method and the body goes there
// unchanged. Otherwise it returns nil.
func (w *Writer) nextReaderFrom() io.ReaderFrom {
	switch w.at() {
	case pending:
		if w.holding != nil {
			return nil
		}
	case sent, passed:
		if !bodyAllowed(w.Status()) {
			return nil
		}
	default:
		return nil
	}
	next, _ := w.next.(io.ReaderFrom)
	return next
}

// forward calls ReadFrom of the next writer. Like that method, it commits the response
// when the first bytes arrive, and does not commit it if src is empty.
func (w *Writer) forward(next io.ReaderFrom, src io.Reader) (n int64, err error) {
	switch {
	case w.stream != nil:
		n, err = w.forwardStream(next, src)
	case isRegularFile(src):
		n, err = w.forwardFile(next, src)
	default:
		n, err = next.ReadFrom(&unlockedReader{w, src})
	}
	w.count(n)
	return n, err
}

// forwardStream forwards to a stream. Each write of the stream has its own deadline.
func (w *Writer) forwardStream(next io.ReaderFrom, src io.Reader) (int64, error) {
	reader := &streamReader{unlockedReader: unlockedReader{w, src}, stream: w.stream}
	n, err := next.ReadFrom(reader)
	return n, cmp.Or(err, reader.endWrite())
}

// forwardFile forwards a regular file. Reading one neither blocks nor runs code of the
// handler, so mu stays locked.
func (w *Writer) forwardFile(next io.ReaderFrom, file io.Reader) (int64, error) {
	if w.at() != pending {
		return next.ReadFrom(file)
	}
	w.announceStop(http.StatusOK)
	w.enterPhase(passed)
	w.status.Store(http.StatusOK)
	n, err := next.ReadFrom(file)
	if n == 0 {
		w.enterPhase(pending)
		w.status.Store(0)
	}
	return n, err
}

// isRegularFile reports whether src is a regular file of the operating system or the
// beginning of one. Only these are sent with sendfile.
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

// An unlockedReader reads from a source of the handler for a caller that holds mu. It
// unlocks mu while it reads, because the source may block or use the Writer.
type unlockedReader struct {
	w   *Writer
	src io.Reader
}

// Read reads from the source. If the handler has returned in the meantime, Read returns
// errEnded. If the handler's deadline has passed, Read returns [http.ErrHandlerTimeout].
func (r *unlockedReader) Read(p []byte) (n int, err error) {
	r.w.mu.Unlock()
	defer r.relock(&n, &err)
	return r.src.Read(p)
}

// relock locks mu after a read that returned n and err, even if it panicked.
func (r *unlockedReader) relock(n *int, err *error) {
	r.w.mu.Lock()
	switch {
	case r.w.ended.Load():
		*n, *err = 0, errEnded
	case r.w.TimedOut():
		*n, *err = 0, http.ErrHandlerTimeout
	case *n > 0 && r.w.holding == nil:
		r.w.commitImplied()
	}
}

// A streamReader reads from a source of the handler for the ReadFrom method of the next
// writer. That method writes after each call of Read. A streamReader begins and ends these
// writes on the stream, which gives each its own deadline.
type streamReader struct {
	unlockedReader
	stream  *Stream
	writing bool
}

// Read is like Read of an unlockedReader, but ends the previous write and begins the next one.
func (r *streamReader) Read(p []byte) (int, error) {
	if err := r.endWrite(); err != nil {
		return 0, err
	}
	n, err := r.unlockedReader.Read(p)
	if err == errEnded {
		return n, err // the connection may be serving another request by now
	}
	if beginErr := r.stream.Begin(); beginErr != nil {
		return 0, beginErr
	}
	r.writing = true
	return n, err
}

// endWrite ends the write that follows the last call of Read.
func (r *streamReader) endWrite() error {
	if !r.writing {
		return nil
	}
	r.writing = false
	return r.stream.End()
}
