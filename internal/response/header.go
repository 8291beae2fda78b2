package response

import (
	"fmt"
	"log"
	"net/http"
	"path"
	"strconv"

	"github.com/stanza-go/framework/pkg/http/internal/callsite"
)

// Header returns the response's header.
//
// Once a stage has taken the response, the handler gets a copy, as the header
// was when it chose the status or, if the response has been sent, as the stage
// left it. Changes to the copy come too late to be sent, as they would on a
// server's own writer, and only trailers are taken from it. Changes that the
// handler makes to the map it has from before are undone when the response is
// sent, except for trailers.
//
// After the handler returned, Header returns an empty map that nobody reads.
func (w *Writer) Header() http.Header {
	if w.ended.Load() {
		return http.Header{}
	}
	switch w.at() {
	case held, encoded, sent:
	default:
		return w.next.Header()
	}
	if w.enter() != nil {
		return http.Header{}
	}
	defer w.mu.Unlock()
	return w.late.view(w.next.Header())
}

// WriteHeader chooses the status. 1xx responses other than 101 go out at
// once and leave the choice open.
func (w *Writer) WriteHeader(status int) {
	if w.enter() != nil {
		return
	}
	defer w.mu.Unlock()
	switch p := w.at(); {
	case p == hijacked:
		w.complain("http: response.WriteHeader on hijacked connection")
	case p != pending:
		w.complain("http: superfluous response.WriteHeader call")
	case status >= 100 && status <= 199 && status != http.StatusSwitchingProtocols:
		w.next.WriteHeader(status)
	default:
		w.commit(status)
	}
}

// complain logs a mistake of the handler's as net/http does, with the line of
// the handler's call. If net/http did it, it would name this package.
func (w *Writer) complain(mistake string) {
	logf := log.Printf
	if server, ok := w.req.Context().Value(http.ServerContextKey).(*http.Server); ok && server.ErrorLog != nil {
		logf = server.ErrorLog.Printf
	}
	caller := callsite.Caller()
	logf("%s from %s (%s:%d)", mistake, caller.Function, path.Base(caller.File), caller.Line)
}

// commit fixes the status and asks the stage whether to hold the body. The
// caller holds mu.
func (w *Writer) commit(status int) {
	if status < 100 || status > 999 {
		// What net/http says, said now rather than when the body is released.
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	}
	w.status.Store(int32(status))
	w.takeStream()
	if w.holding != nil {
		h := w.next.Header()
		w.declared = ContentLength(h)
		limit, ok := w.stage.Hold(w, h)
		// Trailers that are announced are read from the server's own header
		// map after the body, so the handler must not get a copy of it.
		if ok && bodyAllowed(status) && len(h["Trailer"]) == 0 {
			w.hold(limit)
			return
		}
	}
	w.enterPhase(passed)
	if !w.implicit {
		w.next.WriteHeader(status)
	}
}

// sendHeader sends the header. If the handler chose the status by writing and
// the next thing sent is a body as it wrote it, the next writer is left to do
// the same, because some (a test's recorder) sniff the type only then.
func (w *Writer) sendHeader(bodyFollows bool) {
	w.enterPhase(sent)
	if !w.implicit || !bodyFollows || w.enc != nil || w.Status() != http.StatusOK {
		w.next.WriteHeader(w.Status())
	}
}

// setContentLength states the length of a whole body, as net/http does for
// short ones, unless the handler has ruled it out. An empty body is left to
// net/http: in an answer to HEAD it says nothing. An encoder outside changes
// the length.
func (w *Writer) setContentLength(h http.Header, n int) {
	if _, stated := h["Content-Length"]; stated || n == 0 || len(w.coding) > 0 || len(h["Transfer-Encoding"]) > 0 {
		return
	}
	if known := w.committed.noTrailers && w.late.copy == nil; !known && hasTrailer(h) {
		return
	}
	w.SetField(h, "Content-Length", strconv.Itoa(n))
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

// bodyAllowed reports whether a response with the status may have content
// (RFC 9110 §6.4.1).
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// A lateHeader is the copy of the header that the handler gets after the stage
// has taken the response.
type lateHeader struct {
	copy     http.Header // nil until it is asked for
	size     int         // of copy, when it was last searched for trailers
	trailers bool        // copy had trailers then
}

// view returns the copy, made of h when it is first asked for.
func (l *lateHeader) view(h http.Header) http.Header {
	if l.copy == nil {
		l.copy = h.Clone()
	}
	if n := len(l.copy); n != l.size {
		l.size, l.trailers = n, hasTrailer(l.copy)
	}
	return l.copy
}

// addTrailers makes the trailers in h equal to those in the copy. A copy that
// cannot have gained any is not looked at: if a goroutine that the handler has
// left behind is writing to it, a look would end the process.
func (l *lateHeader) addTrailers(h http.Header) {
	if l.copy == nil || !l.trailers && len(l.copy) == l.size {
		return
	}
	for name := range h {
		if _, ok := l.copy[name]; !ok && isTrailer(name) {
			delete(h, name)
		}
	}
	for name, values := range l.copy {
		if isTrailer(name) {
			h[name] = values
		}
	}
}

// hasTrailer reports whether h has a field that is to follow the body, which
// only a body of unstated length lets it do.
func hasTrailer(h http.Header) bool {
	for name := range h {
		if isTrailer(name) {
			return true
		}
	}
	return false
}
