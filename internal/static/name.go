package static

import (
	"io/fs"
	"net/http"
	"net/url"
	"strings"
)

// requestedName returns the name of the requested file, or "." for the root.
// encodedSlash reports whether the path was sent with an encoded slash or backslash;
// the name then never refers to a file. ok is false if the name is not allowed.
func requestedName(r *http.Request) (name string, encodedSlash, ok bool) {
	name = strings.TrimSuffix(sitePath(r), "/")
	if name == "" {
		name = "."
	}
	if !hasEncodedSlash(r) {
		return name, false, allowed(name)
	}
	name, hasURL := cleanURL(name)
	return name, true, allowed(name) && (hasURL || !encodedSlashAtEdge(r))
}

// sitePath returns the part of the request's path below the site's root, decoded.
func sitePath(r *http.Request) string {
	if wildcard, ok := strings.CutSuffix(r.Pattern, "...}"); ok {
		return r.PathValue(wildcard[strings.LastIndexByte(wildcard, '{')+1:])
	}
	return strings.TrimPrefix(r.URL.Path, "/")
}

// hasEncodedSlash reports whether the path was sent with an encoded slash or
// backslash.
func hasEncodedSlash(r *http.Request) bool {
	raw := r.URL.RawPath // empty if the path was sent in the default encoding
	for i := strings.IndexByte(raw, '%'); i >= 0 && i+2 < len(raw); {
		switch raw[i+1 : i+3] {
		case "2f", "2F", "5c", "5C":
			return true
		}
		next := strings.IndexByte(raw[i+3:], '%')
		if next < 0 {
			break
		}
		i += 3 + next
	}
	return false
}

// encodedSlashAtEdge reports whether the path below the root begins or ends with an
// encoded slash, for example in /%2fetc/passwd.
func encodedSlashAtEdge(r *http.Request) bool {
	name := sitePath(r)
	if strings.HasSuffix(r.URL.RawPath, "/") {
		name = strings.TrimSuffix(name, "/")
	}
	return strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/")
}

// cleanURL returns a name that contains a URL with one slash after the scheme, so
// that allowed can accept it: "view/https://example.com" becomes
// "view/https:/example.com". ok is false if the name does not contain a URL.
func cleanURL(name string) (_ string, ok bool) {
	before, after, _ := strings.Cut(name, "://")
	scheme := before[strings.LastIndexByte(before, '/')+1:]
	if after == "" || len(scheme) < 2 || strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-") != "" {
		return name, false
	}
	return before + ":/" + after, true
}

// allowed reports whether a name may belong to a file that is served. It must be a
// clean relative path with slashes, must not have another meaning on any system,
// even if it is decoded again, and must not be hidden. Names with a leading dot are
// hidden, except the directory .well-known in the root (RFC 8615).
func allowed(name string) bool {
	return fs.ValidPath(name) && visible(name) && !hidesForbiddenName(name)
}

// visible reports whether a name has no hidden segment, no backslash, which
// separates directories on Windows, no drive, and no NUL.
func visible(name string) bool {
	if strings.ContainsAny(name, "\\\x00") {
		return false
	}
	first := true
	for segment := range strings.SplitSeq(name, "/") {
		switch {
		case strings.HasPrefix(segment, ".") && segment != "." && (!first || segment != ".well-known"):
			return false
		case len(segment) >= 2 && segment[1] == ':':
			return false // a drive on Windows
		}
		first = false
	}
	return true
}

// hidesForbiddenName reports whether decoding a name again, up to three times, as a
// system behind the server may do, yields one that is not allowed: for example
// "a%2f..%2fb" or "%252e%252e".
func hidesForbiddenName(name string) bool {
	for range 3 {
		decoded, err := url.PathUnescape(name)
		if err != nil || decoded == name {
			return false
		}
		if strings.HasPrefix(decoded, "/") || !visible(decoded) {
			return true
		}
		name = decoded
	}
	return false
}
