// Package compress encodes response bodies with a content coding that the client accepts
// (RFC 9110 §8.4, §12.5.3).
package compress

import (
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/stanza-go/framework/pkg/http/internal/header"
	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// A Handler encodes the responses of another handler.
type Handler struct {
	stage *Stage
	next  http.Handler
}

// NewHandler returns a Handler that calls next. Several Handlers can share a stage, and
// thereby its idle encoders.
func NewHandler(stage *Stage, next http.Handler) *Handler { return &Handler{stage, next} }

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	response.Serve(h.next, w, r, h.stage)
}

// Stage implements [response.StageHandler].
func (h *Handler) Stage() response.Stage { return h.stage }

// A Stage encodes responses whose type is in Types and whose body has at least MinSize
// bytes.
type Stage struct {
	// Types are the media types to encode, as returned by [ParseType].
	Types []string
	// MinSize is the smallest size in bytes of a body to encode.
	MinSize int

	names    []string // of the codings, in order of preference
	encoders []*encoders
}

// Add adds a coding, with a lower preference than those added before. open must return a
// new encoder; the stage calls its Reset method before the first use. If reuse is true, an
// encoder serves one response after another, so no other code may use the encoders that
// open returns.
//
// open must be safe for concurrent use by multiple goroutines. Add must not be called
// once the stage is in use.
func (s *Stage) Add(name string, open func() Resetter, reuse bool) {
	added := &encoders{open: open}
	if reuse {
		added.idle = new(sync.Pool)
	}
	s.names = append(s.names, strings.ToLower(name))
	s.encoders = append(s.encoders, added)
}

// Hold implements [response.Stage]. A response to HEAD is held like one to GET, because
// it should have the same header (RFC 9110 §9.3.2).
func (s *Stage) Hold(w *response.Writer, h http.Header) (limit int, ok bool) {
	status := w.Status()
	if s.answersForEncodable(w, h, status) {
		s.vary(w, h)
	}
	switch {
	case status == http.StatusNotModified:
		s.retag(w, h)
		return 0, false
	case status < 200, status == http.StatusNoContent, status == http.StatusPartialContent:
		return 0, false
	case s.small(w.Declared()):
		return s.MinSize - 1, true // Release checks the header
	case !encodable(h):
		return 0, false
	}
	types, known := h["Content-Type"]
	switch {
	case !known:
		// Release sniffs the type, from as many bytes of the body as a server uses.
		return max(s.MinSize, response.SniffLen) - 1, true
	case len(types) == 0:
		return 0, false
	}
	return s.MinSize - 1, s.eligible(types[0])
}

// answersForEncodable reports whether the status answers a conditional or a range request,
// and a 200 response to the same request would vary with Accept-Encoding. In that case, the
// response must have the same Vary (RFC 9110 §15.3.7, §15.4.5). If nothing is known about
// the 200 response, answersForEncodable assumes that it would vary.
func (s *Stage) answersForEncodable(w *response.Writer, h http.Header, status int) bool {
	switch status {
	case http.StatusPartialContent, http.StatusNotModified, http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable:
	default:
		return false
	}
	if method := w.Request().Method; method != http.MethodGet && method != http.MethodHead {
		return false
	}
	if len(h["Content-Encoding"]) > 0 || header.HasToken(h["Cache-Control"], "no-transform") {
		return false
	}
	if contentType, ok := w.Unmodified(); ok && status == http.StatusNotModified {
		return s.eligible(contentType)
	}
	types, known := h["Content-Type"]
	switch {
	case !known, status == http.StatusRequestedRangeNotSatisfiable: // the type of a 416 is that of the error text
		return true
	case len(types) == 0:
		return false
	}
	return s.eligible(types[0]) || hasPrefixFold(types[0], "multipart/byteranges")
}

// Release implements [response.Stage].
func (s *Stage) Release(w *response.Writer, h http.Header, body []byte, why response.Cause) (int, []byte, response.Encoder) {
	var coding int
	switch {
	case len(body) > 0:
		coding = s.prepare(w, h, body, why)
	case why == response.End && w.Request().Method == http.MethodHead:
		s.describe(w, h)
		coding = plain
	default:
		coding = plain
	}
	if coding == plain {
		return w.Status(), body, nil
	}
	return w.Status(), body, s.encoders[coding].get(w.Sink())
}

// plain stands in for the index of a coding if the body is sent without one.
const plain = -1

// prepare chooses the coding for a body that is not empty, and changes the header
// accordingly.
func (s *Stage) prepare(w *response.Writer, h http.Header, body []byte, why response.Cause) (coding int) {
	if !encodable(h) {
		return plain
	}
	contentType, known := bodyType(h, body)
	if !s.eligible(contentType) {
		return plain
	}
	s.vary(w, h)
	if why == response.End && s.small(int64(len(body))) && plainAccepted(w) {
		return plain
	}
	if coding = s.negotiate(w); coding == plain {
		return plain
	}
	if !known {
		w.SetField(h, "Content-Type", contentType)
	}
	s.relabel(w, h, coding)
	return coding
}

// bodyType returns the Content-Type in h or, if it is missing, the type that a server
// would sniff from the body. It is "" if the handler has suppressed the field.
func bodyType(h http.Header, body []byte) (contentType string, known bool) {
	types, known := h["Content-Type"]
	switch {
	case !known:
		return http.DetectContentType(body), false
	case len(types) == 0:
		return "", true
	}
	return types[0], true
}

// describe changes the header of a response to HEAD whose handler wrote no body into that
// of the response to GET, as far as it can be known.
func (s *Stage) describe(w *response.Writer, h http.Header) {
	types, known := h["Content-Type"]
	if !encodable(h) || known && (len(types) == 0 || !s.eligible(types[0])) {
		return
	}
	length := w.Declared()
	if length == 0 || length < 0 && !known {
		return // the response to GET may have no body
	}
	s.vary(w, h)
	if length < 0 || s.small(length) && plainAccepted(w) {
		return
	}
	switch coding := s.negotiate(w); {
	case coding == plain:
	case known:
		s.relabel(w, h, coding)
	default: // it is unknown whether GET would encode the body, and therefore its length
		delete(h, "Content-Length")
	}
}

// negotiate returns the index of the coding that the client prefers, or plain.
func (s *Stage) negotiate(w *response.Writer) int {
	name, _ := header.NegotiateEncoding(accepted(w), s.names)
	return slices.Index(s.names, name)
}

// accepted returns the request's Accept-Encoding.
func accepted(w *response.Writer) []string { return w.Request().Header["Accept-Encoding"] }

// plainAccepted reports whether the client accepts a body that is not encoded. Nearly all
// clients do.
func plainAccepted(w *response.Writer) bool {
	_, ok := header.NegotiateEncoding(accepted(w), nil)
	return ok
}

// encodable reports whether the header allows encoding the body.
func encodable(h http.Header) bool {
	return len(h["Content-Encoding"]) == 0 &&
		len(h["Content-Range"]) == 0 &&
		!header.HasToken(h["Cache-Control"], "no-transform") &&
		!header.TooLong(h["Cache-Control"])
}

// eligible reports whether a body of the given type is to be encoded. An event stream
// never is, because each event would wait in the encoder.
func (s *Stage) eligible(contentType string) bool {
	if hasPrefixFold(contentType, "text/event-stream") {
		return false
	}
	for _, t := range s.Types {
		match := hasPrefixFold
		if t[0] == '+' {
			match = hasSuffix
		}
		if match(contentType, t) {
			return true
		}
	}
	return false
}

// hasSuffix reports whether the media type at the beginning of contentType has a
// structured syntax suffix such as "+json" (RFC 6838 §4.2.8).
func hasSuffix(contentType, suffix string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	mediaType = strings.TrimRight(mediaType, " \t")
	n := len(mediaType) - len(suffix)
	return n > 0 && header.EqualFold(mediaType[n:], suffix)
}

// small reports whether a body of n bytes is smaller than MinSize. A negative n is an
// unknown length.
func (s *Stage) small(n int64) bool { return n >= 0 && n < int64(s.MinSize) }

// vary adds Accept-Encoding to Vary.
func (s *Stage) vary(w *response.Writer, h http.Header) {
	if !header.Varies(h["Vary"], "Accept-Encoding") {
		w.AddField(h, "Vary", "Accept-Encoding")
	}
}

// relabel makes h describe the encoded body.
func (s *Stage) relabel(w *response.Writer, h http.Header, coding int) {
	w.SetField(h, "Content-Encoding", s.names[coding])
	delete(h, "Content-Length")
	// Ranges and a strong tag refer to the bytes before encoding.
	if !header.AcceptsRanges(h) {
		return
	}
	delete(h, "Accept-Ranges")
	w.SetAcceptsRanges()
	if tag := h["Etag"]; len(tag) > 0 && !w.PlainTag() && strings.HasPrefix(tag[0], `"`) {
		w.SetField(h, "Etag", "W/"+tag[0])
	}
}

// retag gives a 304 the tag of the response that the client has stored. If the client sent
// only the weak form of the tag, relabel had made the tag of that response weak.
func (s *Stage) retag(w *response.Writer, h http.Header) {
	tag := h["Etag"]
	if len(tag) == 0 || w.PlainTag() || !strings.HasPrefix(tag[0], `"`) {
		return
	}
	known := w.Request().Header["If-None-Match"]
	same := func(a, b string) bool { return a == b }
	if weak := "W/" + tag[0]; header.ListsETag(known, weak, same) && !header.ListsETag(known, tag[0], same) {
		w.SetField(h, "Etag", weak)
	}
}

// ParseType parses a media type as users write it, and returns its form for Stage.Types.
// It accepts the beginning of a type, for example "text/" or "application/json", all types
// of a top-level type, for example "text/*", and a suffix, for example "+json". For any
// other t, ok is false.
func ParseType(t string) (_ string, ok bool) {
	if suffix, is := strings.CutPrefix(t, "+"); is {
		return t, header.IsToken(suffix) && !strings.ContainsAny(suffix, "*+")
	}
	if top, is := strings.CutSuffix(t, "/*"); is {
		t = top + "/"
	}
	whole := t
	if strings.HasSuffix(t, "/") {
		whole += "x"
	}
	_, _, err := mime.ParseMediaType(whole)
	return t, err == nil && t != "" && !strings.Contains(t, "*")
}

// hasPrefixFold reports whether s begins with prefix, ignoring case.
func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && (s[:len(prefix)] == prefix || header.EqualFold(s[:len(prefix)], prefix))
}
