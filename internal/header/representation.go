package header

import (
	"net/http"
	"strings"
)

// DropRepresentation removes from h the fields that describe a body which
// will not be sent: all representation metadata and validators (RFC 9110 §8),
// what was said about its ranges, digests, trailers, signature and transfer,
// and how caches may store it (RFC 9111). Fields about the resource, the
// client or the connection stay, for example Allow, Retry-After, Set-Cookie,
// Vary, Link, WWW-Authenticate, and those of CORS and security policies.
//
// Content-Encoding stays too: it may be of an encoder that has already begun.
func DropRepresentation(h http.Header) {
	for element := range List(h["Trailer"]) {
		delete(h, http.CanonicalHeaderKey(element))
	}
	for name := range h {
		// A handler may have written the map by hand, in another case.
		if canonical := http.CanonicalHeaderKey(name); isRepresentation(canonical) || isStorage(canonical) {
			delete(h, name)
		}
	}
}

// DropUnmodified removes from h what a 304 says nothing about: the fields
// that describe the body, but those that guide caches (RFC 9110 §15.4.5).
func DropUnmodified(h http.Header) {
	for name := range h {
		switch canonical := http.CanonicalHeaderKey(name); {
		case canonical == "Etag", canonical == "Content-Location":
		case canonical == "Content-Encoding", isRepresentation(canonical):
			delete(h, name)
		}
	}
}

// isRepresentation reports whether a field, in canonical form, describes the
// body of the response that it is in.
func isRepresentation(name string) bool {
	if rest, ok := strings.CutPrefix(name, "Content-"); ok {
		// The only fields of that name which are not about the content.
		return rest != "Encoding" && !strings.HasPrefix(rest, "Security-")
	}
	switch name {
	case "Accept-Ranges", "Digest", "Etag", "Last-Modified", "Repr-Digest", "Unencoded-Digest", // validators and ranges
		"Signature", "Signature-Input", "Sourcemap", "X-Sourcemap", "Delta-Base", "Im",
		"Trailer", "Transfer-Encoding", "X-Sendfile": // how it is sent
		return true
	}
	// nginx replaces, paces and buffers the body by X-Accel fields.
	return strings.HasPrefix(name, "X-Accel-") && !isStorage(name) || strings.HasPrefix(name, http.TrailerPrefix)
}

// isStorage reports whether a field, in canonical form, is for the caches that
// may store the response, those of one vendor included (RFC 9213).
func isStorage(name string) bool {
	switch name {
	case "Age", "Cache-Control", "Expires", "Pragma", "Surrogate-Control", "Warning", "X-Accel-Expires":
		return true
	}
	return strings.HasSuffix(name, "-Cache-Control")
}
