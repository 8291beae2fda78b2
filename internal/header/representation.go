package header

import (
	"net/http"
	"strings"
)

// DropRepresentation removes from h the fields that describe a body which will
// not be sent:
//
//   - representation metadata and validators (RFC 9110, section 8),
//   - fields about ranges, digests, trailers, signatures and transfer,
//   - fields about storing the response in caches (RFC 9111).
//
// It keeps fields about the resource, the client or the connection, for example
// Allow, Retry-After, Set-Cookie, Vary, Link, WWW-Authenticate, and those of
// CORS and security policies. It also keeps Content-Encoding, because an
// encoder may have started already.
func DropRepresentation(h http.Header) {
	for element := range List(h["Trailer"]) {
		delete(h, http.CanonicalHeaderKey(element))
	}
	for name := range h {
		// A handler may have set the map directly, with a name in another case.
		if canonical := http.CanonicalHeaderKey(name); isRepresentation(canonical) || isStorage(canonical) {
			delete(h, name)
		}
	}
}

// DropForNotModified removes from h the fields that do not belong in a 304: those
// that describe the body, except those that guide caches (RFC 9110, section
// 15.4.5).
func DropForNotModified(h http.Header) {
	for name := range h {
		switch canonical := http.CanonicalHeaderKey(name); {
		case canonical == "Etag", canonical == "Content-Location":
		case canonical == "Content-Encoding", isRepresentation(canonical):
			delete(h, name)
		}
	}
}

// AcceptsRanges reports whether Accept-Ranges in h announces that requests for
// parts of the representation are supported (RFC 9110, section 14.3).
func AcceptsRanges(h http.Header) bool {
	lines := h["Accept-Ranges"]
	return len(lines) > 0 && !HasToken(lines, "none")
}

// isRepresentation reports whether a field, in canonical form, describes the body
// of its response.
func isRepresentation(name string) bool {
	if rest, ok := strings.CutPrefix(name, "Content-"); ok {
		// Content-Security-Policy and similar fields do not describe the content.
		return rest != "Encoding" && !strings.HasPrefix(rest, "Security-")
	}
	switch name {
	case "Accept-Ranges", "Digest", "Etag", "Last-Modified", "Repr-Digest", "Unencoded-Digest", // validators and ranges
		"Signature", "Signature-Input", "Sourcemap", "X-Sourcemap", "Delta-Base", "Im",
		"Trailer", "Transfer-Encoding", "X-Sendfile": // transfer
		return true
	}
	// X-Accel fields tell nginx how to replace, throttle and buffer the body.
	return strings.HasPrefix(name, "X-Accel-") && !isStorage(name) || strings.HasPrefix(name, http.TrailerPrefix)
}

// isStorage reports whether a field, in canonical form, controls how caches store
// the response. This includes fields for particular caches (RFC 9213), such as
// Cdn-Cache-Control.
func isStorage(name string) bool {
	switch name {
	case "Age", "Cache-Control", "Expires", "Pragma", "Surrogate-Control", "Warning", "X-Accel-Expires":
		return true
	}
	return strings.HasSuffix(name, "-Cache-Control")
}
