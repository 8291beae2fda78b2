package routing

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// A ConflictError reports that the registered pattern Other matches requests
// that the new pattern matches too, and that neither is more specific.
type ConflictError struct {
	Other string // the pattern registered earlier
	Why   string // an explanation with requests as examples
}

// Error returns a message that names the other pattern and explains the
// conflict.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("conflicts with pattern %q:\n%s", e.Other, e.Why)
}

// Conflict returns a [*ConflictError] if a ServeMux refuses the pattern p
// beside other, and nil if it takes both. Each of the two must be valid.
func Conflict(p, other string) *ConflictError {
	mux := new(http.ServeMux)
	if Register(mux, other, http.NotFoundHandler()) != nil || Register(mux, p, http.NotFoundHandler()) == nil {
		return nil
	}
	return &ConflictError{Other: other, Why: explain(p, other)}
}

// explain says why p and other conflict. ServeMux itself has to confirm each
// request that serves as an example.
func explain(p, other string) string {
	why := "both match the same requests"
	own, others := alone(p, other), alone(other, p)
	if own != "" || others != "" {
		why = "both match some requests, and neither is more specific"
	}
	if both := shared(p, other); both != "" {
		why += fmt.Sprintf("\nboth match the request %q", both)
	}
	for _, only := range []struct{ pattern, request string }{{p, own}, {other, others}} {
		if only.request != "" {
			why += fmt.Sprintf("\nonly pattern %q matches %q", only.pattern, only.request)
		}
	}
	return why
}

// shared returns a request that p and other match, or "" if it finds none.
func shared(p, other string) string {
	method, rest := Split(p)
	host, path := cutHost(rest)
	otherMethod, otherRest := Split(other)
	_, otherPath := cutHost(otherRest)
	switch {
	case method == "" && otherMethod == "":
		method = http.MethodGet
	case method == "", otherMethod == http.MethodHead:
		method = otherMethod
	}
	if path = meet(path, otherPath); matches(p, method, host, path) && matches(other, method, host, path) {
		return method + " " + host + path
	}
	return ""
}

// alone returns a request that p matches and other does not, or "" if it finds
// none.
func alone(p, other string) string {
	method, rest := Split(p)
	host, path := cutHost(rest)
	if method == "" {
		method = http.MethodGet
		if otherMethod, _ := Split(other); otherMethod == http.MethodGet || otherMethod == http.MethodHead {
			method = http.MethodPost
		}
	}
	// A name may be a literal of the other pattern, or only paths below p's own
	// may be left.
	for _, path := range []string{fill(path, ""), fill(path, "1"), fill(path, "") + "more"} {
		if matches(p, method, host, path) && !matches(other, method, host, path) {
			return method + " " + host + path
		}
	}
	return ""
}

// matches asks ServeMux whether a pattern matches a request.
func matches(p, method, host, path string) bool {
	target, err := url.ParseRequestURI(path)
	if err != nil {
		return false
	}
	mux := new(http.ServeMux)
	if Register(mux, p, match{}) != nil {
		return false
	}
	if target.Host = host; host == "" {
		target.Host = "localhost"
	}
	handler, _ := mux.Handler(&http.Request{Method: method, Host: target.Host, URL: target})
	return handler == match{} // and not a redirect or a 404
}

// match is the handler of the pattern that matches compares with.
type match struct{}

// ServeHTTP is never called.
func (match) ServeHTTP(http.ResponseWriter, *http.Request) {}

// meet returns a path that the paths of two patterns have in common if there
// is one: the literal segments of both, and names where both have a wildcard.
func meet(path, other string) string {
	segments, others := strings.Split(path[1:], "/"), strings.Split(other[1:], "/")
	var met strings.Builder
	for i := range max(len(segments), len(others)) {
		segment, otherSegment := at(segments, i), at(others, i)
		if _, wild := wildcard(segment); wild || segment == "" {
			if name, wild := wildcard(otherSegment); otherSegment != "" && (!wild || name != "") {
				segment = otherSegment
			}
		}
		met.WriteString(fill("/"+segment, ""))
	}
	return met.String()
}

// at returns segment i, or "" past the end.
func at(segments []string, i int) string {
	if i < len(segments) {
		return segments[i]
	}
	return ""
}

// fill returns a path in which each wildcard is replaced by its name and the
// ending.
func fill(path, ending string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		name, wild := wildcard(segment)
		if wild && name != "" {
			name += ending
		}
		if wild {
			segments[i] = name
		}
	}
	return strings.Join(segments, "/")
}

// wildcard returns the name of a wildcard segment, which is empty for {$}, and
// reports whether the segment is one.
func wildcard(segment string) (name string, ok bool) {
	name, ok = strings.CutPrefix(segment, "{")
	if !ok {
		return "", false
	}
	return strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "}"), "..."), "$"), true
}

// cutHost cuts a pattern without its method before the path.
func cutHost(rest string) (host, path string) {
	i := strings.IndexByte(rest, '/')
	return rest[:i], rest[i:]
}
