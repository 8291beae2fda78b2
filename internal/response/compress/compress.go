// Package compress is the stage that encodes a response's body with a content
// coding the client accepts (RFC 9110 §8.4, §12.5.3).
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

// A Stage encodes responses whose type is in Types and whose body has at
// least MinSize bytes.
type Stage struct {
	// Types are the media types worth encoding, each as [ParseType] returns it:
	// the beginning of a type, or its suffix if it begins with a plus sign.
	Types []string
	// MinSize is the length from which a body is encoded.
	MinSize int

	names    []string // of the codings, in order of preference
	encoders []*encoders
}

// Add offers one more coding, after those added before. open returns a new
// encoder that writes nowhere yet. If reuse is set, an encoder serves one
// response after another, so nothing else may refer to those that open returns.
func (s *Stage) Add(name string, open func() Resetter, reuse bool) {
	added := &encoders{open: open}
	if reuse {
		added.idle = new(sync.Pool)
	}
	s.names = append(s.names, strings.ToLower(name))
	s.encoders = append(s.encoders, added)
}

// Hold implements [response.Stage]. A response to HEAD is held like one to GET,
// since its header should be the same (RFC 9110 §9.3.2).
func (s *Stage) Hold(w *response.Writer, h http.Header) (limit int, ok bool) {
	status := w.Status()
	switch status {
	case http.StatusPartialContent, http.StatusNotModified, http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable:
		if s.selectsEncodable(w, h, status) {
			s.vary(w, h)
		}
	}
	if status == http.StatusNotModified {
		s.retag(w, h)
	}
	if status < 200 || status == http.StatusNoContent || status == http.StatusPartialContent || status == http.StatusNotModified {
		return 0, false
	}
	if s.small(w.Declared()) {
		return s.MinSize - 1, true // for Release, which will look at the header
	}
	if !encodable(h) {
		return 0, false
	}
	types, known := h["Content-Type"]
	if !known {
		// The type is sniffed, from as much of the body as a server looks at.
		return max(s.MinSize, response.SniffLen) - 1, true
	}
	if len(types) == 0 || !s.eligible(types[0]) {
		return 0, false
	}
	return s.MinSize - 1, true
}

// selectsEncodable reports whether a response, which has a status that answers
// a condition or a range, is about a representation whose 200 would vary with
// Accept-Encoding. Then it must have the same Vary (RFC 9110 §15.3.7, §15.4.5).
// If nothing is known of the 200, it may be one.
func (s *Stage) selectsEncodable(w *response.Writer, h http.Header, status int) bool {
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
	case !known, status == http.StatusRequestedRangeNotSatisfiable: // where the type is that of the error's text
		return true
	case len(types) == 0:
		return false
	}
	return s.eligible(types[0]) || hasPrefixFold(types[0], "multipart/byteranges")
}

// Release implements [response.Stage].
func (s *Stage) Release(w *response.Writer, h http.Header, body []byte, why response.Cause) (int, []byte, response.Encoder) {
	status := w.Status()
	if len(body) == 0 {
		if why == response.End && w.Request().Method == http.MethodHead {
			s.describe(w, h)
		}
		return status, body, nil
	}
	if !encodable(h) {
		return status, body, nil
	}
	contentType, known := bodyType(h, body)
	if !s.eligible(contentType) {
		return status, body, nil
	}
	s.vary(w, h)
	if why == response.End && s.small(int64(len(body))) && plainAccepted(w) {
		return status, body, nil
	}
	coding := s.negotiate(w)
	if coding < 0 {
		return status, body, nil
	}
	if !known {
		w.SetField(h, "Content-Type", contentType)
	}
	s.relabel(w, h, coding)
	return status, body, s.encoders[coding].get(w.Sink())
}

// bodyType returns the Content-Type in h, or if there is none the type that a
// server would sniff from the body.
func bodyType(h http.Header, body []byte) (contentType string, known bool) {
	types, known := h["Content-Type"]
	switch {
	case !known:
		return http.DetectContentType(body), false
	case len(types) == 0: // the handler wants none
		return "", true
	}
	return types[0], true
}

// describe makes the header of a response to HEAD, whose handler wrote no body,
// that of the response to GET, as far as it can be known.
func (s *Stage) describe(w *response.Writer, h http.Header) {
	types, known := h["Content-Type"]
	if !encodable(h) || known && (len(types) == 0 || !s.eligible(types[0])) {
		return
	}
	length := w.Declared()
	if length == 0 || length < 0 && !known {
		return // nothing says that GET has a body
	}
	s.vary(w, h)
	if length < 0 || s.small(length) && plainAccepted(w) {
		return
	}
	switch coding := s.negotiate(w); {
	case coding < 0:
	case known:
		s.relabel(w, h, coding)
	default: // the body of GET may be encoded or not, so its length is not known
		delete(h, "Content-Length")
	}
}

// negotiate returns the index of the coding that the client likes best, or -1
// if it prefers a plain body.
func (s *Stage) negotiate(w *response.Writer) int {
	name, _ := header.NegotiateEncoding(accepted(w), s.names)
	return slices.Index(s.names, name)
}

// accepted returns the request's Accept-Encoding.
func accepted(w *response.Writer) []string { return w.Request().Header["Accept-Encoding"] }

// plainAccepted reports whether the client takes a body that is not encoded.
// Nearly all do.
func plainAccepted(w *response.Writer) bool {
	_, ok := header.NegotiateEncoding(accepted(w), nil)
	return ok
}

// encodable reports whether the header leaves the body free to be encoded.
func encodable(h http.Header) bool {
	return len(h["Content-Encoding"]) == 0 &&
		len(h["Content-Range"]) == 0 &&
		!header.HasToken(h["Cache-Control"], "no-transform") &&
		!header.TooLong(h["Cache-Control"])
}

// eligible reports whether a body of the type is worth encoding. An event
// stream never is: each event would wait for the encoder.
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

// hasSuffix reports whether the media type at the beginning of contentType has
// a structured syntax suffix such as "+json" (RFC 6838 §4.2.8).
func hasSuffix(contentType, suffix string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	mediaType = strings.TrimRight(mediaType, " \t")
	n := len(mediaType) - len(suffix)
	return n > 0 && header.EqualFold(mediaType[n:], suffix)
}

// small reports whether a body of n bytes is below MinSize. A negative n is a
// length that is not known.
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
	// Ranges and a strong tag speak of the bytes before encoding.
	if !header.AcceptsRanges(h) {
		return
	}
	delete(h, "Accept-Ranges")
	w.SetTakesRanges()
	if tag := h["Etag"]; len(tag) > 0 && !w.PlainTag() && strings.HasPrefix(tag[0], `"`) {
		w.SetField(h, "Etag", "W/"+tag[0])
	}
}

// retag gives a 304 the tag that the response had which it confirms. If the
// client names only the weak form, relabel made it.
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

// ParseType reads a media type as users give it: the beginning of one, such as
// "text/" or "application/json", all of a top-level type, as in "text/*", or a
// suffix, such as "+json". It returns the form for [Stage].Types; ok is false if
// it is none of these.
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

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && (s[:len(prefix)] == prefix || header.EqualFold(s[:len(prefix)], prefix))
}
