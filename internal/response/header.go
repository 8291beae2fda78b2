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
// Once a stage has taken the response, Header returns a copy. If the copy is made before
// the response is sent, it has the fields from the time when the handler chose the status;
// otherwise it has those that the stage left. As on a server's own writer, it is then too
// late for changes, and only trailers are sent. If the handler has kept the map from
// before, its changes to that map are undone when the response is sent, except for
// trailers.
//
// After the handler has returned, Header returns a new empty map, which is never sent.
func (w *Writer) Header() http.Header {
	if w.ended.Load() {
		return http.Header{}
	}
	if w.at().headerTaken() {
		return w.lateCopy()
	}
	for {
		switch w.headerAccess.Load() {
		case headerGiven:
			return w.next.Header()
		case headerClosed:
			return w.nextHeader().Clone()
		}
		w.headerAccess.CompareAndSwap(headerUnused, headerGiven)
	}
}

// BorrowHeader is like w.Header() for a caller that does not keep the map. If all code has
// used BorrowHeader, nothing can change the header later, and a stage need not remember it.
func BorrowHeader(w http.ResponseWriter) http.Header {
	cw, ok := w.(*Writer)
	switch {
	case !ok:
		return w.Header()
	case cw.ended.Load():
		return http.Header{}
	case cw.at().headerTaken():
		return cw.lateCopy()
	}
	return BorrowHeader(cw.next)
}

// nextHeader returns the header that is sent.
func (w *Writer) nextHeader() http.Header { return BorrowHeader(w.next) }

// Values of Writer.headerAccess, which records who may have the map that is sent. It
// changes as follows:
//
//	unused  given   Header or Unwrap was called, or the next writer is not a Writer: outer
//	                middleware may have kept its map
//	unused  closed  an inner stage holds the response and does not remember the header
//	closed  unused  that stage releases the response, or gives it up
const (
	headerUnused = iota // only code that uses BorrowHeader has had the map
	headerGiven         // other code may have kept the map
	headerClosed        // as headerUnused, and Header returns a copy, because changes are too late
)

// closeHeader makes it impossible to get the map that is sent until openHeader is called. If
// other code may already have the map, because the handler got it from this Writer or
// middleware got it from an outer one, closeHeader returns false and changes nothing.
func (w *Writer) closeHeader() bool {
	if w.headerAccess.Load() == headerGiven {
		return false
	}
	for outer := range w.outer {
		if !outer.headerAccess.CompareAndSwap(headerUnused, headerClosed) && outer.headerAccess.Load() == headerGiven {
			w.openHeader()
			return false
		}
	}
	return true
}

// giveHeader must be called before the handler gets the next writer, from which it can get
// the map that is sent. If w holds the response, w remembers the header from then on.
func (w *Writer) giveHeader() {
	w.headerAccess.CompareAndSwap(headerUnused, headerGiven)
	switch w.at() {
	case held, encoded:
	default:
		return // do not wait for mu, which a write to the network may hold
	}
	if w.lock() != nil {
		return
	}
	defer w.mu.Unlock()
	if w.headerIsClosed {
		w.forgetCommitted()
		w.committed.keep(w.nextHeader())
	}
}

// openHeader ends the effect of closeHeader.
func (w *Writer) openHeader() {
	for outer := range w.outer {
		outer.headerAccess.CompareAndSwap(headerClosed, headerUnused)
	}
}

// lateCopy returns the copy of the header that the handler gets once the stage has taken
// the response.
func (w *Writer) lateCopy() http.Header {
	if w.lock() != nil {
		return http.Header{}
	}
	defer w.mu.Unlock()
	return w.late.view(w.nextHeader())
}

// WriteHeader chooses the status. 1xx responses other than 101 are sent immediately and
// leave the choice open. If the status was already chosen or the connection hijacked,
// WriteHeader only logs the mistake. Like net/http, it panics if status is less
// than 100 or greater than 999.
func (w *Writer) WriteHeader(status int) {
	if w.lockWrite() != nil {
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

// complain logs a mistake of the handler as net/http does, with the line of the handler's
// call. If net/http logged it, the line would be in this package.
func (w *Writer) complain(mistake string) {
	logf := log.Printf
	if server, ok := w.req.Context().Value(http.ServerContextKey).(*http.Server); ok && server.ErrorLog != nil {
		logf = server.ErrorLog.Printf
	}
	caller := callsite.Caller()
	logf("%s from %s (%s:%d)", mistake, caller.Function, path.Base(caller.File), caller.Line)
}

// commit commits a response whose status the handler has chosen. The caller holds mu.
func (w *Writer) commit(status int) {
	if status < 100 || status > 999 {
		// Panic as net/http does, but now rather than when the body is released.
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	}
	if status/100 == 3 {
		w.completeLocation()
	}
	if passes := w.choose(status); passes {
		w.next.WriteHeader(status)
	}
}

// completeLocation adds the prefix of a mounted handler to the Location of a redirect.
func (w *Writer) completeLocation() {
	mounted := w.State().Scope().MountedOf()
	if mounted == nil {
		return
	}
	h := w.nextHeader()
	if location := h["Location"]; len(location) == 1 {
		if full := mounted.Location(location[0]); full != location[0] {
			w.SetField(h, "Location", full)
			if len(h["Content-Length"]) == 0 {
				w.needRare().link = &link{location[0], full}
			}
		}
	}
}

// commitImplied commits a response whose body is written before a status was chosen. The
// next writer will imply the same status when the body reaches it.
func (w *Writer) commitImplied() {
	if w.at() != pending {
		return
	}
	if passes := w.choose(http.StatusOK); !passes {
		w.statusImplied = true
	}
}

// choose sets the status and asks the stage, if there is one, whether to hold the body. If
// not, the response passes.
func (w *Writer) choose(status int) (passes bool) {
	w.status.Store(int32(status))
	w.takeStream()
	w.announceStop(status)
	if w.holding != nil {
		h := w.nextHeader()
		w.declared = ContentLength(h)
		limit, ok := w.stage.Hold(w, h)
		// Announced trailers are read from the server's own map after the body, so the
		// handler must not get a copy of it.
		if ok && bodyAllowed(status) && len(h["Trailer"]) == 0 {
			w.hold(limit)
			return false
		}
	}
	w.enterPhase(passed)
	return true
}

// announceStop adds Connection: close to a response of HTTP/1 if the server is stopping,
// so that the client sends its next request to another server. It must be called before
// the header is sent, with mu held. net/http does the same once Shutdown is called, but
// with a drain delay, the server still serves requests before that.
func (w *Writer) announceStop(status int) {
	if w.around == nil || w.around.drain == nil || !w.around.drain.Stopping() {
		return
	}
	if w.req.ProtoMajor == 1 && status != http.StatusSwitchingProtocols {
		w.nextHeader().Set("Connection", "close")
	}
}

// sendHeader sends the header of a held response. If the handler implied the status by
// writing, and the unchanged body follows, sendHeader leaves it to the next writer to imply
// the status, because some writers, for example the recorder of net/http/httptest, sniff
// the type only then.
func (w *Writer) sendHeader(bodyFollows bool) {
	if w.enc != nil {
		w.enterPhase(encoding)
	} else {
		w.enterPhase(sent)
	}
	if !w.statusImplied || !bodyFollows || w.enc != nil || w.Status() != http.StatusOK {
		w.next.WriteHeader(w.Status())
	}
}

// setContentLength sets the length of a complete body, as net/http does for short ones,
// unless the handler has set or suppressed the field. If the body is empty, it leaves the
// field to net/http: a handler may write no body in response to HEAD, although the response
// to GET has one. If an outer encoder will change the length, it sets nothing.
func (w *Writer) setContentLength(h http.Header, n int) {
	if _, stated := h["Content-Length"]; stated || n == 0 || w.outerCoding() != nil || len(h["Transfer-Encoding"]) > 0 {
		return
	}
	if known := w.committed.noTrailers && w.late.copy == nil; !known && hasTrailer(h) {
		return
	}
	w.SetField(h, "Content-Length", strconv.Itoa(n))
}

// ContentLength returns the Content-Length in h, or -1 if it is missing or invalid.
func ContentLength(h http.Header) int64 {
	if v := h["Content-Length"]; len(v) > 0 {
		if n, err := strconv.ParseInt(v[0], 10, 64); err == nil && n >= 0 {
			return n
		}
	}
	return -1
}

// bodyAllowed reports whether a response with the status may have content (RFC 9110
// §6.4.1).
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// A lateHeader is the copy of the header that the handler gets after the stage has taken
// the response.
type lateHeader struct {
	copy     http.Header // nil until the handler asks for it
	size     int32       // length of copy when it was last searched for trailers
	trailers bool        // copy had trailers then
}

// view returns the copy. The first call makes it from h.
func (l *lateHeader) view(h http.Header) http.Header {
	if l.copy == nil {
		l.copy = h.Clone()
	}
	if n := int32(len(l.copy)); n != l.size {
		l.size, l.trailers = n, hasTrailer(l.copy)
	}
	return l.copy
}

// addTrailers makes the trailers in h equal to those in the copy. It does not iterate
// over a copy that cannot contain trailers: if a goroutine that the handler has left
// running writes to the copy at the same time, the iteration could crash the process.
func (l *lateHeader) addTrailers(h http.Header) {
	if l.copy == nil || !l.trailers && int32(len(l.copy)) == l.size {
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

// hasTrailer reports whether h has a field with [http.TrailerPrefix], which is sent only
// after a body without Content-Length.
func hasTrailer(h http.Header) bool {
	for name := range h {
		if isTrailer(name) {
			return true
		}
	}
	return false
}
