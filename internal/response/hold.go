package response

import (
	"errors"
	"net/http"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
)

// SniffLen is how much of a body content sniffing looks at.
const SniffLen = 512

// maxWhole is the largest body that is encoded into memory if the handler
// writes it in one piece. Larger ones are, too, if that frees as much.
const maxWhole = 1 << 20

// errShort is the reason for not ending an encoded response. It has no
// Content-Length, so it would look whole.
var errShort = errors.New("http: body shorter than its Content-Length")

// holding is the part of a Writer that has a stage. It is guarded by the
// Writer's mutex.
type holding struct {
	stage    Stage
	pair     *stagedPair     // the one that begins with this Writer, or nil
	limit    int             // how much of the body is held
	declared int64           // Content-Length as promised when the status was chosen, or -1
	body     *bufpool.Buffer // while held

	enc        Encoder
	taken      int64  // how much of the body the encoder has taken, in answers to HEAD too
	encodeErr  error  // the encoder has failed, and the body cannot be completed
	overrun    bool   // a write beyond the declared length was refused
	collecting bool   // enc writes to output and not to the next writer
	output     output // the whole body, encoded, or the end of it

	committed committedHeader // while held or encoded
	late      lateHeader
}

// encodes reports whether the body passes through an encoder.
func (w *Writer) encodes() bool { return w.holding != nil && w.enc != nil }

// hold begins to hold the body back, up to limit bytes of it. Like all
// functions in this file it is for a caller who holds mu.
func (w *Writer) hold(limit int) {
	w.limit, w.body = limit, bufpool.Get()
	if !w.notes.fromStage.Load() { // otherwise the handler has returned
		w.committed.keep(w.next.Header())
	}
	w.enterPhase(held)
}

// fits reports whether n bytes more can be held.
func (w *Writer) fits(n int) bool { return len(w.body.B)+n <= w.limit && !w.overruns(n) }

// overruns reports whether n bytes more exceed what Content-Length promised.
func (w *Writer) overruns(n int) bool {
	return w.declared >= 0 && int64(len(w.body.B)+n) > w.declared
}

// fallsShort reports whether the held body is less than its Content-Length
// promised. The server makes such a response visibly fail.
func (w *Writer) fallsShort() bool {
	return int64(len(w.body.B)) < w.declared && w.req.Method != http.MethodHead
}

// outgrow releases the held body because p makes it too large.
func (w *Writer) outgrow(p []byte) (int, error) {
	head, rest := p, []byte(nil)
	total := len(w.body.B) + len(p)
	if len(w.body.B) > 0 {
		// The stage may want to sniff the content; large writes are not copied.
		n := min(len(p), max(0, SniffLen-len(w.body.B)))
		w.body.B = append(w.body.B, p[:n]...)
		head, rest = w.body.B, p[n:]
	}
	head = w.decide(head, Full)
	if int64(total) == w.declared && w.enc != nil && (total <= maxWhole || w.notes.fromStage.Load()) {
		// The caller gets its memory back before the network is waited for.
		if err := w.encodeWhole(head, rest); err != nil {
			return 0, err
		}
		w.committed.keep(w.next.Header())
		return len(p), nil
	}
	if err := w.send(head); err != nil {
		return 0, err
	}
	n, err := w.forward(rest)
	return len(p) - len(rest) + n, err
}

// decide calls the stage's Release and returns the body to send.
func (w *Writer) decide(body []byte, why Cause) []byte {
	h := w.next.Header()
	w.committed.restore(h)
	w.late.addTrailers(h)
	length, ok := h["Content-Length"]
	status, send, enc := w.stage.Release(w, h, body, why)
	if ok && len(length) == 0 {
		h["Content-Length"] = nil // the handler wants none, so the server must not add one
	}
	w.status.Store(int32(status))
	w.enc = enc
	return send
}

// send sends the header and, through the encoder if there is one, the body: the
// held one or its replacement.
func (w *Writer) send(body []byte) error {
	w.sendHeader(len(body) > 0)
	if len(body) > 0 && bodyAllowed(w.Status()) {
		if _, err := w.forward(body); err != nil {
			w.body = nil // whoever refused it may still be reading it: it is not put back
			return err
		}
	}
	bufpool.Put(w.body)
	w.body = nil
	return nil
}

// pass sends the held body unchanged, without asking the stage.
func (w *Writer) pass() error {
	h := w.next.Header()
	w.committed.restore(h)
	w.late.addTrailers(h)
	return w.send(w.body.B)
}

// flush sends a held or encoded body.
func (w *Writer) flush() error {
	switch w.at() {
	case held:
		return w.send(w.decide(w.body.B, Flush))
	case encoded:
		return w.sendEncoded()
	}
	return nil
}

// complete ends the response. The error is why its body is not whole although
// the next writer has not failed.
func (w *Writer) complete() error {
	switch w.at() {
	case held:
		if err := w.releaseWhole(); err != nil || w.at() == sent {
			return err
		}
		return w.sendEncoded()
	case encoded:
		return w.sendEncoded()
	case sent:
		if err := w.endEncoding(); err != nil {
			return err
		}
		w.sendTrailers()
	}
	return nil
}

// releaseWhole lets the stage decide over a body that is whole, and sends it
// or encodes it into memory.
func (w *Writer) releaseWhole() error {
	if w.fallsShort() {
		_ = w.pass() // the next writer has failed: there is nothing to abort
		return nil
	}
	send := w.decide(w.body.B, End)
	if w.enc != nil {
		return w.encodeWhole(send, nil)
	}
	if bodyAllowed(w.Status()) {
		w.setContentLength(w.next.Header(), len(send))
	}
	w.setFromStage()
	_ = w.send(send) // likewise
	return nil
}

// encodeWhole encodes a whole body, which comes in two parts, into memory. It
// gives back the held body and the encoder. Nothing is sent.
func (w *Writer) encodeWhole(head, rest []byte) error {
	w.collecting = true
	w.enterPhase(encoded)
	for _, part := range [2][]byte{head, rest} {
		n, err := w.encode(part)
		if err != nil {
			return err
		}
		w.count(int64(n))
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
	h := w.next.Header()
	w.committed.restore(h)
	w.late.addTrailers(h)
	w.setContentLength(h, w.output.size)
	w.enterPhase(sent)
	w.next.WriteHeader(w.Status())
	w.sendOutput()
	return nil
}

// endEncoding ends the body that is encoded as it comes. Its end goes through
// memory, so that the encoder is given back before the network is waited for.
func (w *Writer) endEncoding() error {
	switch {
	case w.enc == nil || w.nextFailed:
		return nil
	case w.encodeErr != nil:
		return w.encodeErr
	case w.bytes.Load() < w.declared && w.req.Method != http.MethodHead:
		return errShort
	}
	w.collecting = true
	if err := w.closeEncoder(); err != nil {
		return err
	}
	w.sendOutput()
	return nil
}

// sendOutput sends the output of the encoder from memory. If the next writer fails, the
// client has gone.
func (w *Writer) sendOutput() {
	for _, b := range w.output.pieces {
		if _, err := w.next.Write(b.B); err != nil {
			w.nextFailed = true
			return // whoever refused it may still be reading it: it is not put back
		}
		bufpool.Put(b)
	}
	w.output, w.collecting = output{}, false
}

// sendTrailers adds the trailers that the handler has set after the header was
// sent. On HTTP/1 they need a body of unstated length, and a server states
// that of a body which is all in its buffer in the end; so this is flushed.
func (w *Writer) sendTrailers() {
	h := w.next.Header()
	w.late.addTrailers(h)
	if hasTrailer(h) && !w.nextFailed {
		_ = http.NewResponseController(w.next).Flush() // not supported, or the client has gone
	}
}

// drop gives up a body that is held or half encoded.
func (w *Writer) drop() {
	if w.holding == nil {
		return
	}
	w.committed.forget()
	if w.body != nil {
		bufpool.Put(w.body)
		w.body = nil
	}
	if w.enc != nil {
		w.enc.Abandon()
		w.enc = nil
	}
	w.output, w.collecting = output{}, false
}

// Reset takes back everything the handler wrote, and reports whether it
// could: whether nothing of it has left for the client. The header fields
// stay as they are.
func (w *Writer) Reset() bool {
	if w.enter() != nil {
		return false
	}
	defer w.mu.Unlock()
	switch w.at() {
	case pending:
		return true
	case hijacked:
		return false
	case sent, passed:
		next, ok := w.next.(*Writer)
		if !ok || w.encodes() || !next.Reset() {
			return false
		}
	}
	w.drop()
	w.enterPhase(pending)
	w.status.Store(0)
	w.bytes.Store(0)
	w.implicit = false
	if w.holding != nil {
		*w.holding = holding{stage: w.stage, pair: w.pair, declared: -1}
	}
	return true
}

// An output collects the output of an encoder.
type output struct {
	pieces []*bufpool.Buffer
	first  [1]*bufpool.Buffer // most have no more pieces, and need no slice for them
	size   int
}

// pieceSize is the size of pieces once there are many.
const pieceSize = 16 << 10

// Write appends p. It never copies the bytes before.
func (o *output) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		var last *bufpool.Buffer
		if n := len(o.pieces); n > 0 {
			last = o.pieces[n-1]
		}
		if last == nil || len(last.B) == cap(last.B) {
			if o.size == 0 {
				o.pieces = o.first[:0]
			}
			last = bufpool.GetSize(min(pieceSize, o.size))
			o.pieces = append(o.pieces, last)
		}
		n := min(len(rest), cap(last.B)-len(last.B))
		last.B = append(last.B, rest[:n]...)
		rest = rest[n:]
		o.size += n
	}
	return len(p), nil
}

// A sink is a Writer as its encoder sees it.
type sink Writer

// Write implements [io.Writer].
func (s *sink) Write(p []byte) (int, error) {
	switch {
	case s.enc == nil:
		return 0, errEnded
	case s.collecting:
		return s.output.Write(p)
	}
	n, err := s.next.Write(p)
	if err != nil {
		s.nextFailed = true
	}
	return n, err
}
