// Package dispatch runs a [http.ServeMux] and tells the refusals that the mux
// writes itself, 404 and 405, from whatever a registered handler writes. It
// needs one match per request, and handlers see the real response writer.
//
// The mux gets a stand-in for the response writer. A registered handler trades
// it for the real one with [Writer] before it does anything else. What is
// written to the stand-in can therefore only come from the mux: a refusal is
// held back and reported to the caller, everything else, such as a redirect,
// goes on to the real writer.
package dispatch

import (
	"net/http"
	"sync"
)

// A Refusal tells how a mux refused a request. Nothing has been written then.
type Refusal struct {
	// Status is 404, 405, or 0 if the request was not refused: a handler ran,
	// or the mux answered with something else, such as a redirect.
	Status int
	// Allow is the value of the Allow header that goes with a 405. The caller
	// owns it.
	Allow []string

	// spare are header values of the answer that was held back, see Value.
	spare [2][]string
}

// Value returns a header value: a slice of its own that holds only s. The
// first two use memory that the mux allocated for the headers of the answer
// that was held back, so that an answer with two headers costs no more than
// the mux's.
func (f *Refusal) Value(s string) []string {
	value := f.spare[0]
	f.spare[0], f.spare[1] = f.spare[1], nil
	if len(value) != 1 {
		return []string{s}
	}
	value[0] = s
	return value
}

// Serve lets mux handle the request. The handlers of mux must call [Writer].
func Serve(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) Refusal {
	s := standIns.Get().(*standIn)
	s.real = w
	// When a handler panics the stand-in is left to the garbage collector:
	// cheaper than a deferred call on every request.
	mux.ServeHTTP(s, r)
	refusal := s.refusal()
	s.reset()
	standIns.Put(s)
	return refusal
}

// Writer returns the response writer given to [Serve], for a handler that the
// mux called with w. The handler must drop w.
func Writer(w http.ResponseWriter) http.ResponseWriter {
	s, ok := w.(*standIn)
	if !ok {
		return w
	}
	w, s.real = s.real, nil
	return w
}

// standIn is the response writer that the mux sees.
type standIn struct {
	real   http.ResponseWriter // nil once a handler has taken it
	header http.Header         // of the mux's own answer; made when first used
	status int                 // of the mux's own answer
}

var standIns = sync.Pool{New: func() any { return new(standIn) }}

// Header returns a scratch header, so that a refusal that is held back leaves
// no trace. It starts with the real Content-Type: redirects depend on it.
func (s *standIn) Header() http.Header {
	if s.header == nil {
		s.header = make(http.Header)
	}
	if len(s.header) == 0 {
		if values, ok := s.real.Header()["Content-Type"]; ok {
			s.header["Content-Type"] = values
		}
	}
	return s.header
}

// WriteHeader holds a refusal back and sends everything else.
func (s *standIn) WriteHeader(status int) {
	s.status = status
	if s.refused() {
		return
	}
	header := s.real.Header()
	for name, values := range s.header {
		header[name] = values
	}
	s.real.WriteHeader(status)
}

// Write swallows the text of a refusal and sends everything else.
func (s *standIn) Write(p []byte) (int, error) {
	if s.refused() {
		return len(p), nil
	}
	return s.real.Write(p)
}

// refused reports whether the mux's own answer is one to hold back.
func (s *standIn) refused() bool {
	return s.status == http.StatusNotFound || s.status == http.StatusMethodNotAllowed
}

// refusal describes the answer that was held back, if there is one.
func (s *standIn) refusal() Refusal {
	if !s.refused() {
		return Refusal{}
	}
	return Refusal{
		Status: s.status,
		Allow:  s.header["Allow"],
		spare:  [2][]string{s.header["Content-Type"], s.header["X-Content-Type-Options"]},
	}
}

// reset readies s for the next request and keeps the memory of its header.
func (s *standIn) reset() {
	clear(s.header)
	s.real, s.status = nil, 0
}
