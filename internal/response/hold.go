package response

import (
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
)

// SniffLen is how many bytes of a body content sniffing uses.
const SniffLen = 512

// maxWhole is the largest body, in bytes, that is encoded into memory when the handler
// writes it in one piece. There is no limit for a body that an inner stage held, because
// that stage frees its memory afterwards.
const maxWhole = 1 << 20

// errShort is the error of an encoded response whose body is shorter than declared. The
// response has no Content-Length, so it would look complete if it ended normally.
var errShort = errors.New("http: body shorter than its Content-Length")

// holding contains the fields that only a Writer with a stage needs. Except for the atomic
// ones, they are guarded by the Writer's mutex.
type holding struct {
	stage      Stage
	spareInner atomic.Pointer[staged] // of the same pair; nil once it is taken, or without a pair
	notes      notes
	attempt
}

// An attempt is the part of a holding that [Writer.Reset] sets to its initial state.
type attempt struct {
	limit    int             // how many bytes of the body may be held
	declared int64           // Content-Length when the status was chosen, or -1
	body     *bufpool.Buffer // while held

	statusImplied    bool // the handler wrote the body without choosing a status
	exceeded         bool // a write beyond the declared length was rejected
	downstreamFailed bool // the next writer has returned an error
	headerIsClosed   bool // by closeHeader

	enc          Encoder // nil if the body is not encoded, or the encoder was given up
	encodedBytes int64   // how many bytes the encoder has accepted, including those of responses to HEAD
	encodeErr    error   // returned by the encoder; the body cannot be completed
	output       output  // of the encoder: the complete body or its end

	committed committedHeader // while held or encoded
	late      lateHeader
}

// hold begins to hold the body, up to limit bytes of it. As for all functions in this
// file, the caller holds mu.
func (w *Writer) hold(limit int) {
	w.limit, w.body = limit, bufpool.Get()
	w.keepCommitted()
	w.enterPhase(held)
}

// keepCommitted remembers the header to send, unless the handler can no longer change it.
// There are two such cases: an inner stage sends the complete body, so the handler has
// returned, or the handler does not have the map. In the second case, keepCommitted closes
// the header, so that the handler cannot get the map later.
func (w *Writer) keepCommitted() {
	if w.notes.fromStage.Load() {
		return
	}
	if w.headerIsClosed = w.closeHeader(); !w.headerIsClosed {
		w.committed.keep(w.nextHeader())
	}
}

// forgetCommitted ends the effect of keepCommitted.
func (w *Writer) forgetCommitted() {
	w.committed.forget()
	if w.headerIsClosed {
		w.headerIsClosed = false
		w.openHeader()
	}
}

// settleHeader returns the header to send, without the changes that the handler made too
// late.
func (w *Writer) settleHeader() http.Header {
	h := w.nextHeader()
	w.committed.restore(h)
	w.forgetCommitted()
	w.late.addTrailers(h)
	return h
}

// fits reports whether n more bytes can be held.
func (w *Writer) fits(n int) bool { return len(w.body.B)+n <= w.limit && !w.exceedsDeclared(n) }

// exceedsDeclared reports whether n more bytes exceed the declared length.
func (w *Writer) exceedsDeclared(n int) bool {
	return w.declared >= 0 && int64(len(w.body.B)+n) > w.declared
}

// fallsShort reports whether the held body is shorter than its declared length. The
// server makes such a response visibly fail.
func (w *Writer) fallsShort() bool {
	return int64(len(w.body.B)) < w.declared && w.req.Method != http.MethodHead
}

// decide calls the stage's Release and returns the body to send.
func (w *Writer) decide(body []byte, why Cause) []byte {
	h := w.settleHeader()
	length, ok := h["Content-Length"]
	status, send, enc := w.stage.Release(w, h, body, why)
	if ok && len(length) == 0 {
		h["Content-Length"] = nil // the handler has suppressed the field, so the server must not add it
	}
	w.status.Store(int32(status))
	w.enc = enc
	return send
}

// releaseFull releases the held body because p exceeds the limit.
func (w *Writer) releaseFull(p []byte) (int, error) {
	total := len(w.body.B) + len(p)
	head, rest := w.sniffable(p)
	head = w.decide(head, Full)
	if int64(total) == w.declared && w.enc != nil && (total <= maxWhole || w.notes.fromStage.Load()) {
		// The body is complete. Encode it into memory, so that the caller can reuse its
		// buffer without waiting for the network.
		if err := w.encodeWhole(head, rest); err != nil {
			return 0, err
		}
		w.keepCommitted()
		return len(p), nil
	}
	if err := w.send(head); err != nil {
		return 0, err
	}
	n, err := w.write(rest)
	return len(p) - len(rest) + n, err
}

// sniffable divides the held body and p into a head, which is long enough to sniff the
// content type, and the rest. A large p is not copied.
func (w *Writer) sniffable(p []byte) (head, rest []byte) {
	if len(w.body.B) == 0 {
		return p, nil
	}
	n := min(len(p), max(0, SniffLen-len(w.body.B)))
	w.body.B = append(w.body.B, p[:n]...)
	return w.body.B, p[n:]
}

// releaseFlush sends a held or encoded body because the handler flushes or hijacks.
func (w *Writer) releaseFlush() error {
	switch w.at() {
	case held:
		return w.send(w.decide(w.body.B, Flush))
	case encoded:
		return w.sendEncoded()
	}
	return nil
}

// releaseUnchanged sends the held body as it is, without the stage.
func (w *Writer) releaseUnchanged() error {
	w.settleHeader()
	return w.send(w.body.B)
}

// complete ends the response after the handler has returned. It returns an error if the
// body cannot be completed for a reason other than a failure of the next writer.
func (w *Writer) complete() error {
	switch w.at() {
	case pending:
		w.announceStop(http.StatusOK) // the server is about to send its header
	case held:
		return w.releaseEnd()
	case encoded:
		return w.sendEncoded()
	case encoding:
		if err := w.endEncoding(); err != nil {
			return err
		}
		w.sendTrailers()
	case sent:
		w.sendTrailers()
	}
	return nil
}

// releaseEnd releases the held body because the handler has returned. Errors of the next
// writer are dropped: there is nothing left to abort.
func (w *Writer) releaseEnd() error {
	if w.fallsShort() {
		_ = w.releaseUnchanged() // see above
		return nil
	}
	send := w.decide(w.body.B, End)
	if w.enc != nil {
		if err := w.encodeWhole(send, nil); err != nil {
			return err
		}
		return w.sendEncoded()
	}
	if bodyAllowed(w.Status()) {
		w.setContentLength(w.nextHeader(), len(send))
	}
	w.setFromStage()
	_ = w.send(send) // see above
	return nil
}

// send sends the header and the released body, through the encoder if there is one.
func (w *Writer) send(body []byte) error {
	w.sendHeader(len(body) > 0)
	if len(body) > 0 && bodyAllowed(w.Status()) {
		if _, err := w.write(body); err != nil {
			w.body = nil // not put back: the writer that failed may still be reading it
			return err
		}
	}
	bufpool.Put(w.body)
	w.body = nil
	return nil
}

// encodeWhole encodes a complete body, in two parts, into memory. It puts back the held
// body and gives up the encoder. It sends nothing.
func (w *Writer) encodeWhole(head, rest []byte) error {
	w.enterPhase(encoded)
	for _, part := range [2][]byte{head, rest} {
		if _, err := w.writeEncoded(part); err != nil {
			return err
		}
	}
	bufpool.Put(w.body)
	w.body = nil
	return w.closeEncoder()
}

// closeEncoder ends the encoded stream and gives up the encoder.
func (w *Writer) closeEncoder() error {
	err := w.enc.Close()
	w.enc = nil
	if err != nil {
		w.encodeErr = err
	}
	return err
}

// sendEncoded sends the header and the body that was encoded into memory.
func (w *Writer) sendEncoded() error {
	if w.encodeErr != nil {
		return w.encodeErr
	}
	w.setContentLength(w.settleHeader(), w.output.size)
	w.enterPhase(sent)
	w.next.WriteHeader(w.Status())
	w.sendOutput()
	return nil
}

// endEncoding ends the body of a response in the phase encoding. The last output goes
// through memory, so that the encoder is given up before anything waits for the network.
func (w *Writer) endEncoding() error {
	switch {
	case w.downstreamFailed:
		return nil
	case w.encodeErr != nil:
		return w.encodeErr
	case w.bytes.Load() < w.declared && w.req.Method != http.MethodHead:
		return errShort
	}
	w.enterPhase(ending)
	if err := w.closeEncoder(); err != nil {
		return err
	}
	w.enterPhase(sent)
	w.sendOutput()
	return nil
}

// sendOutput sends the encoder's output from memory. It drops an error of the next writer,
// because then the client has disconnected.
func (w *Writer) sendOutput() {
	for _, b := range w.output.pieces {
		if _, err := w.passOn(b.B); err != nil {
			return // b is not put back: the writer that failed may still be reading it
		}
		bufpool.Put(b)
	}
	w.output = output{}
}

// sendTrailers adds the trailers that the handler has set after the header was sent. Over
// HTTP/1, trailers need a response without Content-Length. The server adds a Content-Length
// if its buffer still contains the whole body at the end, so sendTrailers flushes it.
func (w *Writer) sendTrailers() {
	h := w.nextHeader()
	w.late.addTrailers(h)
	if hasTrailer(h) && !w.downstreamFailed {
		_ = http.NewResponseController(w.next).Flush() // not supported, or the client has disconnected
	}
}

// drop discards a held or partly encoded body.
func (w *Writer) drop() {
	if w.holding == nil {
		return
	}
	w.forgetCommitted()
	if w.body != nil {
		bufpool.Put(w.body)
		w.body = nil
	}
	if w.enc != nil {
		w.enc.Abandon()
		w.enc = nil
	}
	w.output = output{}
}

// Reset discards everything that the handler has written, so that another response can be
// sent. It returns false, and discards nothing, if a part of that may have been sent,
// if the handler has hijacked the connection, or if the handler has returned. It does not
// change the header fields.
func (w *Writer) Reset() bool {
	if w.lock() != nil {
		return false
	}
	defer w.mu.Unlock()
	switch w.at() {
	case pending:
		return true
	case hijacked, encoding, ending:
		return false
	case sent, passed:
		next, ok := w.next.(*Writer)
		if !ok || !next.Reset() {
			return false
		}
	}
	w.drop()
	w.enterPhase(pending)
	w.status.Store(0)
	w.bytes.Store(0)
	if w.holding != nil {
		w.attempt = attempt{declared: -1}
	}
	return true
}
