package response

import (
	"bytes"
	"cmp"
	"html"
	"io"
	"net/http"
)

// Write writes to the response's body. If no status was chosen, it chooses 200.
func (w *Writer) Write(p []byte) (int, error) {
	if err := w.lockWrite(); err != nil {
		return 0, err
	}
	defer w.mu.Unlock()
	return w.write(p)
}

// WriteString is like Write. It does not copy s if the next writer has a WriteString
// method and no stage rewrites the body.
func (w *Writer) WriteString(s string) (int, error) {
	if err := w.lockWrite(); err != nil {
		return 0, err
	}
	defer w.mu.Unlock()
	w.commitImplied()
	switch p := w.at(); {
	case w.hasLink():
	case p == held && w.fits(len(s)):
		return w.body.WriteString(s)
	case (p == sent || p == passed) && w.stream == nil && bodyAllowed(w.Status()):
		n, err := io.WriteString(w.next, s)
		w.count(int64(n))
		return n, err
	}
	return w.write([]byte(s))
}

// write is Write for a caller that holds mu.
func (w *Writer) write(p []byte) (int, error) {
	w.commitImplied()
	if w.hasLink() {
		return w.writeWithLink(p)
	}
	switch w.at() {
	case hijacked:
		w.complain("http: response.Write on hijacked connection")
		return 0, http.ErrHijacked
	case held:
		return w.writeHeld(p)
	case encoding, encoded:
		return w.writeEncoded(p)
	}
	return w.writeNext(p)
}

// A link is the Location of a redirect whose prefix has been added. [http.Redirect] writes a
// page with a link to the Location.
type link struct{ short, full string }

// hasLink reports whether the next write may be such a page. The caller holds mu.
func (w *Writer) hasLink() bool {
	r := w.rare.Load()
	return r != nil && r.link != nil
}

// writeWithLink is write for the first write of a redirect. It adds the prefix to the link of
// a page from http.Redirect, which writes all of it at once.
func (w *Writer) writeWithLink(p []byte) (int, error) {
	r := w.rare.Load()
	l := r.link
	r.link = nil
	rest, ok := bytes.CutPrefix(p, []byte(l.tag(l.short)))
	if !ok {
		return w.write(p)
	}
	page := append([]byte(l.tag(l.full)), rest...)
	n, err := w.write(page)
	return max(0, n-(len(page)-len(p))), err
}

// tag returns the beginning of the page for a Location.
func (l *link) tag(location string) string { return `<a href="` + html.EscapeString(location) + `">` }

// writeHeld adds p to the held body, or releases the body because of p.
func (w *Writer) writeHeld(p []byte) (int, error) {
	switch {
	case w.fits(len(p)):
		return w.body.Write(p)
	case w.exceedsDeclared(len(p)):
		// The server rejects p. If the body then remains shorter than its
		// Content-Length, the server makes sure that it does not look complete.
		if err := w.releaseUnchanged(); err != nil {
			return 0, err
		}
		return w.writeNext(p)
	}
	return w.releaseFull(p)
}

// writeNext writes p to the next writer.
func (w *Writer) writeNext(p []byte) (n int, err error) {
	if !bodyAllowed(w.Status()) && len(p) > 0 { // servers disagree about an empty p
		return 0, http.ErrBodyNotAllowed
	}
	n, err = w.passOn(p)
	w.count(int64(n))
	return n, err
}

// passOn calls Write of the next writer, with the deadline of the stream, if there is one.
func (w *Writer) passOn(p []byte) (n int, err error) {
	if err = w.stream.Begin(); err == nil {
		n, err = w.next.Write(p)
		err = cmp.Or(err, w.stream.End())
	}
	if err != nil && w.holding != nil {
		w.downstreamFailed = true
	}
	return n, err
}

// writeEncoded writes p to the encoder. Once the encoder has failed or a write has exceeded
// the declared length, writeEncoded accepts nothing more, so that an incomplete body is
// never sent as a complete one.
func (w *Writer) writeEncoded(p []byte) (int, error) {
	switch {
	case !bodyAllowed(w.Status()) && len(p) > 0:
		return 0, http.ErrBodyNotAllowed
	case w.encodeErr != nil:
		return 0, w.encodeErr
	case len(p) == 0:
		return 0, nil
	case w.exceeded || w.declared >= 0 && w.encodedBytes+int64(len(p)) > w.declared:
		w.exceeded = true
		return 0, http.ErrContentLength
	}
	n, err := w.enc.Write(p)
	w.encodedBytes += int64(n)
	if err != nil {
		w.encodeErr = err
	}
	w.count(int64(n))
	return n, err
}

// count adds n to the body's length, except in a response to HEAD, whose body the server
// accepts but does not send.
func (w *Writer) count(n int64) {
	if w.req.Method != http.MethodHead {
		w.bytes.Add(n)
	}
}
