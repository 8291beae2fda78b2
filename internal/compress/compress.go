// Package compress is the stage that encodes a response's body with a content
// coding the client accepts (RFC 9110 §8.4, §12.5.3).
package compress

import (
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/capture"
	"github.com/stanza-go/framework/pkg/http/internal/header"
)

// A Stage encodes responses whose type is in Types and whose body has at
// least MinSize bytes.
type Stage struct {
	// Types are prefixes of the media types worth encoding, in lower case.
	Types []string
	// MinSize is the length from which a body is encoded.
	MinSize int

	names []string // of the codings, in order of preference
	pools []*pool  // their encoders
}

// Add offers one more coding, after those added before. open returns a new
// encoder that writes nowhere yet.
func (s *Stage) Add(name string, open func() Resetter) {
	s.names = append(s.names, strings.ToLower(name))
	s.pools = append(s.pools, newPool(open))
}

// Hold implements [capture.Stage].
func (s *Stage) Hold(w *capture.Writer, h http.Header) (limit int, ok bool) {
	status := w.Status()
	if status == http.StatusNotModified {
		// The 200 that the client has may be one that could be encoded, and
		// its Vary belongs here too (RFC 9110 §15.4.5).
		s.vary(w, h)
		return 0, false
	}
	if status < 200 || status == http.StatusNoContent || status == http.StatusPartialContent {
		return 0, false
	}
	if s.small(w.Declared()) && w.Request().Method != http.MethodHead {
		return s.MinSize - 1, true // for Release, which will hardly look at the header either
	}
	if !encodable(h) {
		return 0, false
	}
	types, known := h["Content-Type"]
	if known && (len(types) == 0 || !s.eligible(types[0])) {
		return 0, false
	}
	if w.Request().Method == http.MethodHead {
		if known && !s.small(w.Declared()) {
			s.vary(w, h)
		}
		return 0, false
	}
	return s.MinSize - 1, true
}

// Release implements [capture.Stage].
func (s *Stage) Release(w *capture.Writer, h http.Header, body []byte, why capture.Cause) (int, []byte, capture.Encoder) {
	status := w.Status()
	if len(body) == 0 || why == capture.End && s.small(int64(len(body))) && plainAccepted(w) || !encodable(h) {
		return status, body, nil
	}
	types, known := h["Content-Type"]
	if !known {
		types = capture.Strings(w, 1)
		types[0] = http.DetectContentType(body)
	}
	if len(types) == 0 || !s.eligible(types[0]) {
		return status, body, nil
	}
	s.vary(w, h)
	name, _ := header.NegotiateEncoding(accepted(w), s.names)
	coding := slices.Index(s.names, name)
	if coding < 0 {
		return status, body, nil
	}
	if !known {
		h["Content-Type"] = types
	}
	s.relabel(w, h, coding)
	return status, body, s.pools[coding].get(w.Sink())
}

// accepted returns what the client says of the codings that it takes.
func accepted(w *capture.Writer) []string { return w.Request().Header["Accept-Encoding"] }

// plainAccepted reports whether the client takes a body that is not encoded, as
// all but the oddest do.
func plainAccepted(w *capture.Writer) bool {
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
		if hasPrefixFold(contentType, t) {
			return true
		}
	}
	return false
}

// small reports whether a body of n bytes is below MinSize. A negative n is a
// length that is not known.
func (s *Stage) small(n int64) bool { return n >= 0 && n < int64(s.MinSize) }

// vary tells caches that the response depends on what the client accepts.
func (s *Stage) vary(w *capture.Writer, h http.Header) {
	if len(h["Vary"]) > 0 {
		header.AddVary(h, "Accept-Encoding")
		return
	}
	value := capture.Strings(w, 1)
	value[0] = "Accept-Encoding"
	h["Vary"] = value
}

// relabel makes h describe the encoded body.
func (s *Stage) relabel(w *capture.Writer, h http.Header, coding int) {
	value := capture.Strings(w, 1)
	value[0] = s.names[coding]
	h["Content-Encoding"] = value
	delete(h, "Content-Length")
	// Ranges and a strong tag speak of the bytes before encoding.
	if _, ranges := h["Accept-Ranges"]; !ranges {
		return
	}
	delete(h, "Accept-Ranges")
	if tag := h["Etag"]; len(tag) > 0 && !w.PlainTag() && strings.HasPrefix(tag[0], `"`) {
		weak := capture.Strings(w, 1)
		weak[0] = "W/" + tag[0]
		h["Etag"] = weak
	}
}

// ValidType reports whether t can be the beginning of a media type.
func ValidType(t string) bool {
	if strings.HasSuffix(t, "/") {
		t += "x"
	}
	_, _, err := mime.ParseMediaType(t)
	return err == nil && t != ""
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && (s[:len(prefix)] == prefix || header.EqualFold(s[:len(prefix)], prefix))
}
