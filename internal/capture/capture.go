// Package capture is what the middleware of one request share: one
// ResponseWriter wrapper, [Writer], and one state value in the request's
// context, [State].
//
// # The wrapper
//
// Middleware that only needs to know what happened (status, bytes, whether
// the header is out) calls [Observe] and reads the Writer after the handler
// returned. Observers share a Writer with whatever middleware wrapped last,
// so a stack of them costs one wrapper. Middleware that changes the body runs
// the handler with [Serve] and a [Stage]: the Writer holds the body back until
// the stage has seen enough of it to decide.
//
// A Writer is in one of four phases:
//
//	pending   nothing but 1xx responses has been written
//	held      the status is known; the body waits in memory for the stage
//	sent      the header went to the next writer; the body follows as it comes
//	hijacked  the connection belongs to the handler
//
// An untouched response stays untouched: a handler that writes nothing leaves
// its Writer pending, and the server answers as it would have without it.
//
// Everything optional (flushing, hijacking, deadlines, full duplex) goes to
// the next writer through [http.ResponseController] and its result comes back.
// Flush and Hijack are methods of the Writer itself, since unwrapping would
// step over a body that is held back.
//
// # Pooling
//
// Writers are pooled, so they must not be used after the handler returned. One
// that is used all the same, and has not found its next request yet, returns
// errors. State is not pooled: contexts outlive requests.
package capture

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
)

// Cause says why a held response is released.
type Cause int

const (
	// Full means that the body has outgrown the limit the stage asked for.
	Full Cause = iota
	// Flush means that the handler wants the bytes so far to reach the client.
	Flush
	// End means that the handler has returned: the body is whole.
	End
)

// A Stage inspects or rewrites the response of one middleware. Its methods
// run on the handler's goroutine and at most once a response, Hold first. A
// Stage holds no state of the request; it is shared by all of them.
type Stage interface {
	// Hold is called when the status ([Writer.Status]) and the header h are
	// known and nothing has been sent. It returns how many bytes of the body
	// may be held back before Release must be called, or false to let the
	// response pass; then Release is not called. It may change h.
	//
	// Responses that cannot have a body are shown to Hold too, and always pass.
	Hold(w *Writer, h http.Header) (limit int, ok bool)

	// Release decides over a response that was held: which status and body are
	// sent, and through which encoder the body passes, if any. For Full, body
	// may be only the part of it that came first. It may change h. The body
	// it returns must be part of the one it was given, or of its own memory.
	Release(w *Writer, h http.Header, body []byte, why Cause) (status int, send []byte, enc Encoder)
}

// An Encoder rewrites the rest of a body on its way to the next writer.
type Encoder interface {
	io.Writer
	// Flush makes everything written so far decodable by the client.
	Flush() error
	// Close ends the encoded stream and gives up the encoder.
	Close() error
	// Abandon gives up the encoder without ending the stream, so that a
	// response cut short does not look whole. Nothing is written.
	Abandon()
}

type phase uint8

const (
	pending phase = iota
	held
	sent
	hijacked
)

// A Writer is the [http.ResponseWriter] that middleware puts around another.
// Like any ResponseWriter it belongs to the handler's goroutine.
type Writer struct {
	next  http.ResponseWriter
	req   *http.Request
	state *State
	stage Stage
	enc   Encoder

	phase      phase
	conn       net.Conn // once hijacked
	plain      bool     // the ETag is of the body as the handler wrote it
	ranges     bool     // the handler answers requests for ranges
	replaced   bool     // an inner stage made it a 304
	unmodified string   // type of the body that the 304 replaces
	write      bool     // the status was chosen by writing, as the next writer's will be
	lost       bool     // the next writer has failed
	users      int      // middleware that has not called Done yet
	code       int      // final status; 0 while pending
	bytes      int64    // of the body, as accepted by the next writer or the encoder

	onDone []func()
	coding []string // Content-Encoding when the Writer was made, of an encoder outside

	buf      *bufpool.Buffer // the body while held
	limit    int
	declared int64       // Content-Length as promised when the status was chosen, or -1
	frozen   http.Header // the header as committed, when the handler asked for it again while held
}

var writers = sync.Pool{New: func() any { return new(Writer) }}

// Observe returns a Writer around w for middleware that looks on. Where w is
// a Writer already it is shared. The caller must call Done, deferred.
func Observe(w http.ResponseWriter, r *http.Request) *Writer {
	if cw, ok := w.(*Writer); ok {
		cw.users++
		return cw
	}
	return newWriter(w, r, nil)
}

// Serve runs next behind a Writer that holds its response for stage, and ends
// the response when next returns. If next panics, what is held is dropped and
// what was being encoded stays visibly unfinished. If the encoder fails, the
// connection is aborted for the same reason; where it is the next writer that
// fails, the client has gone and there is nothing to abort.
func Serve(next http.Handler, w http.ResponseWriter, r *http.Request, stage Stage) {
	cw := newWriter(w, r, stage)
	defer cw.Done()
	next.ServeHTTP(cw, r)
	if err := cw.finish(); err != nil && !cw.lost {
		panic(http.ErrAbortHandler)
	}
}

func newWriter(w http.ResponseWriter, r *http.Request, stage Stage) *Writer {
	cw := writers.Get().(*Writer)
	cw.next, cw.req, cw.stage, cw.users, cw.declared = w, r, stage, 1, -1
	cw.coding = w.Header()["Content-Encoding"]
	if outer, ok := w.(*Writer); ok && outer.state != nil {
		cw.state = outer.state
	} else {
		cw.state = StateOf(r.Context())
	}
	return cw
}

// Done gives the Writer back. It must be deferred by each caller of Observe,
// so that it runs when the handler panics too.
func (w *Writer) Done() {
	if w.users--; w.users > 0 {
		return
	}
	for _, f := range w.onDone {
		f()
	}
	w.dropBody()
	*w = Writer{next: gone{}}
	writers.Put(w)
}

// OnDone has f called when the Writer's last user is done with it. What has
// kept the Writer and might use it from another goroutine stops doing so then.
func (w *Writer) OnDone(f func()) { w.onDone = append(w.onDone, f) }

// Request returns the request that the Writer answers.
func (w *Writer) Request() *http.Request { return w.req }

// State returns the request's state, or nil if it has none.
func (w *Writer) State() *State { return w.state }

// Status returns the final status of the response: what the handler chose, 101
// after a hijacking that chose none, and 200 while nothing was written.
func (w *Writer) Status() int {
	if w.code == 0 {
		return http.StatusOK
	}
	return w.code
}

// Declared returns the length of the body that the handler promised in
// Content-Length when it chose the status, or -1. Only a Writer with a stage
// knows it.
func (w *Writer) Declared() int64 { return w.declared }

// Bytes returns how many bytes of the body went through the Writer; none of a
// response to HEAD do.
func (w *Writer) Bytes() int64 { return w.bytes }

// Committed reports whether the handler has chosen the response's status, by
// writing its header, part of its body, or by hijacking the connection.
func (w *Writer) Committed() bool { return w.phase != pending }

// Hijacked reports whether the handler has taken over the connection.
func (w *Writer) Hijacked() bool { return w.phase == hijacked }

// SetPlainTag tells the Writers around this one that the response's ETag is a
// checksum of the body as the handler wrote it.
func (w *Writer) SetPlainTag() {
	for next, ok := find[*Writer](w.next); ok; next, ok = find[*Writer](next.next) {
		next.plain = true
	}
}

// PlainTag reports whether an inner Writer's stage called SetPlainTag.
func (w *Writer) PlainTag() bool { return w.plain }

// SetTakesRanges tells the Writers around this one that the handler answers
// requests for ranges, and conditions, although the header no longer says so.
func (w *Writer) SetTakesRanges() {
	for next, ok := find[*Writer](w.next); ok; next, ok = find[*Writer](next.next) {
		next.ranges = true
	}
}

// TakesRanges reports whether an inner Writer's stage called SetTakesRanges.
func (w *Writer) TakesRanges() bool { return w.ranges }

// SetUnmodified tells the Writers around this one of which type the body is
// that a 304 of this Writer's stage replaces; "" if it has none, or a content
// coding.
func (w *Writer) SetUnmodified(contentType string) {
	for next, ok := find[*Writer](w.next); ok; next, ok = find[*Writer](next.next) {
		next.unmodified, next.replaced = contentType, true
	}
}

// Unmodified returns what an inner Writer's stage has told by SetUnmodified.
func (w *Writer) Unmodified() (contentType string, ok bool) { return w.unmodified, w.replaced }

// Next returns the writer behind this one.
func (w *Writer) Next() http.ResponseWriter { return w.next }

// Sink returns where an encoder writes to: the writer behind this one, with
// note taken of whether it fails.
func (w *Writer) Sink() io.Writer { return (*sink)(w) }

type sink Writer

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.next.Write(p)
	if err != nil {
		s.lost = true
	}
	return n, err
}

// Unwrap lets [http.ResponseController] find the writers behind this one.
func (w *Writer) Unwrap() http.ResponseWriter { return w.next }

// Header returns the response's header. While the response is held, changes
// to it come too late to be sent, as they would on a server's own writer; but
// not those to a map that the handler has kept from before, since a copy of
// the header for each response would be dear.
func (w *Writer) Header() http.Header {
	h := w.next.Header()
	if w.phase == held && w.frozen == nil {
		w.frozen = h.Clone()
	}
	return h
}

// WriteHeader chooses the status. 1xx responses other than 101 go out at
// once and leave the choice open.
func (w *Writer) WriteHeader(status int) {
	switch {
	case w.phase == held:
		// Too late, and the writer that would complain has not seen the first.
	case w.phase != pending:
		w.next.WriteHeader(status) // which complains of it
	case status >= 100 && status <= 199 && status != http.StatusSwitchingProtocols:
		w.next.WriteHeader(status)
	default:
		w.commit(status)
	}
}

// Write writes to the response's body, and chooses 200 if no status was.
func (w *Writer) Write(p []byte) (int, error) {
	w.begin()
	switch w.phase {
	case hijacked:
		return 0, http.ErrHijacked
	case held:
		return w.hold(p)
	}
	return w.forward(p)
}

// WriteString is Write for a string, without a copy where the next writer
// needs none.
func (w *Writer) WriteString(s string) (int, error) {
	w.begin()
	switch {
	case w.phase == held && w.declared < 0 && len(w.buf.B)+len(s) <= w.limit:
		return w.buf.WriteString(s)
	case w.phase == sent && w.enc == nil && bodyAllowed(w.code):
		n, err := io.WriteString(w.next, s)
		w.count(int64(n))
		return n, err
	}
	return w.Write([]byte(s))
}

// ReadFrom copies src to the body. Where no stage rewrites it, the rest goes
// through the next writer's own ReadFrom, which is how files reach sendfile.
func (w *Writer) ReadFrom(src io.Reader) (n int64, err error) {
	if w.stage != nil && (w.phase == pending || w.phase == held) {
		if n, err = w.fill(src); err != nil || w.phase != sent {
			return n, err
		}
	}
	rf, ok := w.next.(io.ReaderFrom)
	if !ok || w.enc != nil || w.phase == hijacked || w.phase == sent && !bodyAllowed(w.code) {
		m, err := w.copy(src)
		return n + m, err
	}
	// The next writer commits when the first bytes arrive, and not when src
	// has none to give. A source that panics must find the response sent.
	phase, code := w.phase, w.code
	w.phase, w.code = sent, w.Status()
	m, err := rf.ReadFrom(src)
	if m == 0 {
		w.phase, w.code = phase, code
	}
	w.count(m)
	return n + m, err
}

// Flush is FlushError for callers that know only [http.Flusher].
func (w *Writer) Flush() {
	_ = w.FlushError() // the interface has no room for the error
}

// FlushError sends what was written so far to the client. A held response is
// released. The error matches [http.ErrNotSupported] where the server's writer
// cannot flush.
func (w *Writer) FlushError() error {
	if w.phase == hijacked {
		return http.ErrHijacked
	}
	if w.phase == pending && w.stage != nil {
		w.commit(http.StatusOK)
	}
	if w.phase == held {
		if err := w.release(w.buf.B, Flush); err != nil {
			return err
		}
	}
	if w.enc != nil {
		if err := w.enc.Flush(); err != nil {
			return err
		}
	}
	err := http.NewResponseController(w.next).Flush()
	if w.phase == pending && !errors.Is(err, http.ErrNotSupported) {
		w.phase, w.code = sent, http.StatusOK
	}
	return err
}

// Reset takes back everything the handler wrote, and reports whether it
// could: whether nothing of it has left for the client. The header fields
// stay as they are.
func (w *Writer) Reset() bool {
	switch w.phase {
	case pending:
		return true
	case hijacked:
		return false
	case sent:
		next, ok := w.next.(*Writer)
		if !ok || w.enc != nil || !next.Reset() {
			return false
		}
	}
	w.dropBody()
	w.phase, w.code, w.write, w.bytes, w.frozen = pending, 0, false, 0, nil
	return true
}

// begin commits a response whose body is written before a status was chosen.
// The next writer is left to do the same, since some (a test's recorder) sniff
// the type of the body only then.
func (w *Writer) begin() {
	if w.phase == pending {
		w.write = true
		w.commit(http.StatusOK)
	}
}

// commit fixes the status and asks the stage whether to hold the body.
func (w *Writer) commit(status int) {
	if status < 100 || status > 999 {
		// What net/http says, said now rather than when the body is released.
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	}
	w.code = status
	if w.stage != nil {
		h := w.next.Header()
		w.declared = ContentLength(h)
		limit, ok := w.stage.Hold(w, h)
		// Trailers that are announced are read from the header map after the
		// body; a held header cannot be told from them.
		if ok && bodyAllowed(status) && len(h["Trailer"]) == 0 {
			w.phase, w.limit, w.buf = held, limit, bufpool.Get()
			return
		}
	}
	w.phase = sent
	if !w.write {
		w.next.WriteHeader(status)
	}
}

// sniffLen is how much of a body content sniffing looks at.
const sniffLen = 512

// hold keeps p back, or releases the body when p makes it too large.
func (w *Writer) hold(p []byte) (int, error) {
	total := len(w.buf.B) + len(p)
	if w.declared >= 0 && int64(total) > w.declared {
		return 0, http.ErrContentLength
	}
	if total <= w.limit {
		w.buf.B = append(w.buf.B, p...)
		return len(p), nil
	}
	if len(w.buf.B) == 0 {
		if err := w.release(p, Full); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	// The stage may want to sniff the content; large writes are not copied.
	n := min(len(p), max(0, sniffLen-len(w.buf.B)))
	w.buf.B = append(w.buf.B, p[:n]...)
	if err := w.release(w.buf.B, Full); err != nil {
		return 0, err
	}
	m, err := w.forward(p[n:])
	return n + m, err
}

// fill writes what src has to the body until src ends or the body is no
// longer held. A source that gives nothing leaves the response untouched.
func (w *Writer) fill(src io.Reader) (n int64, err error) {
	chunk := bufpool.Get()
	defer bufpool.Put(chunk)
	for w.phase == pending || w.phase == held {
		m, err := src.Read(chunk.B[:cap(chunk.B)])
		if m > 0 {
			k, err := w.Write(chunk.B[:m])
			n += int64(k)
			if err != nil {
				return n, err
			}
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// release lets the stage decide and sends the header and body it decided on.
func (w *Writer) release(body []byte, why Cause) error {
	h := w.next.Header()
	var late http.Header
	if w.frozen != nil {
		late = replace(h, w.frozen)
		w.frozen = nil
	}
	status := w.code
	if why != End || !w.short(len(body)) {
		status, body, w.enc = w.stage.Release(w, h, body, why)
	}
	w.phase, w.code = sent, status
	if why == End && w.enc == nil && bodyAllowed(status) && !hasTrailer(late) {
		w.setContentLength(h, len(body))
	}
	if !w.write || late != nil || w.enc != nil || len(body) == 0 || status != http.StatusOK {
		w.next.WriteHeader(status)
	}
	if late != nil {
		replace(w.next.Header(), late) // a trailer may be among them
	}
	var err error
	if len(body) > 0 && bodyAllowed(status) {
		_, err = w.forward(body)
	}
	if w.buf != nil {
		bufpool.Put(w.buf)
		w.buf = nil
	}
	return err
}

// short reports whether a body of n bytes is less than its Content-Length
// promised. The server makes such a response visibly fail.
func (w *Writer) short(n int) bool {
	return int64(n) < w.declared && w.req.Method != http.MethodHead
}

// setContentLength states the length of a whole body, as net/http does for
// short ones. An empty one is left to net/http: after HEAD it says nothing. An
// encoder outside changes the length.
func (w *Writer) setContentLength(h http.Header, n int) {
	if n > 0 && len(w.coding) == 0 && w.declared < 0 && len(h["Content-Length"]) == 0 && len(h["Transfer-Encoding"]) == 0 {
		s := Strings(w, 1)
		s[0] = strconv.Itoa(n)
		h["Content-Length"] = s
	}
}

// forward passes p on to the encoder or the next writer.
func (w *Writer) forward(p []byte) (n int, err error) {
	switch {
	case !bodyAllowed(w.code) && len(p) > 0: // servers differ over nothing
		return 0, http.ErrBodyNotAllowed
	case w.enc == nil:
		n, err = w.next.Write(p)
		if err != nil {
			w.lost = true
		}
	case w.declared >= 0 && w.bytes+int64(len(p)) > w.declared:
		return 0, http.ErrContentLength
	default:
		n, err = w.enc.Write(p)
	}
	w.count(int64(n))
	return n, err
}

// copy is ReadFrom by way of Write, through a pooled buffer.
func (w *Writer) copy(src io.Reader) (n int64, err error) {
	b := bufpool.Get()
	defer bufpool.Put(b)
	if cap(b.B) < copySize {
		b.B = make([]byte, copySize)
	}
	return io.CopyBuffer(struct{ io.Writer }{w}, src, b.B[:cap(b.B)])
}

// copySize is the size of a copy buffer, io.Copy's own.
const copySize = 32 << 10

// count adds to the body's length. A server drops the body of an answer to
// HEAD after accepting it.
func (w *Writer) count(n int64) {
	if w.req.Method != http.MethodHead {
		w.bytes += n
	}
}

// finish ends the response after its handler returned.
func (w *Writer) finish() error {
	if w.phase == held {
		if err := w.release(w.buf.B, End); err != nil {
			return err
		}
	}
	if w.enc == nil {
		return nil
	}
	if w.lost {
		w.dropBody()
		return nil
	}
	if w.bytes < w.declared && w.req.Method != http.MethodHead {
		w.dropBody()
		return errShort
	}
	enc := w.enc
	w.enc = nil
	return enc.Close()
}

// errShort is why an encoded response is not ended: without a Content-Length
// of its own it would look whole.
var errShort = errors.New("http: body shorter than its Content-Length")

// dropBody gives up a body that is held or half encoded.
func (w *Writer) dropBody() {
	if w.buf != nil {
		bufpool.Put(w.buf)
		w.buf = nil
	}
	if w.enc != nil {
		w.enc.Abandon()
		w.enc = nil
	}
}

// bodyAllowed reports whether a response with the status may have content
// (RFC 9110 §6.4.1).
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// ContentLength returns the length that h promises, or -1.
func ContentLength(h http.Header) int64 {
	if v := h["Content-Length"]; len(v) > 0 {
		if n, err := strconv.ParseInt(v[0], 10, 64); err == nil && n >= 0 {
			return n
		}
	}
	return -1
}

// hasTrailer reports whether h has a field that is to follow the body, which
// only a body of unstated length lets it do.
func hasTrailer(h http.Header) bool {
	for name := range h {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			return true
		}
	}
	return false
}

// replace makes h equal to with, and returns what h was.
func replace(h, with http.Header) http.Header {
	was := maps.Clone(h)
	clear(h)
	maps.Copy(h, with)
	return was
}
