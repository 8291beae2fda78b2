package routing

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// A ConflictError reports that a new pattern conflicts with a registered one:
// some requests match both, and neither pattern is more specific.
type ConflictError struct {
	Other string // the registered pattern
	Why   string // an explanation with example requests
}

// Error returns a message that names the registered pattern and explains the
// conflict.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("conflicts with pattern %q:\n%s", e.Other, e.Why)
}

// conflictBetween returns a [*ConflictError] if ServeMux rejects the combination
// of two valid patterns, and nil if it accepts both. other is the one registered
// first.
func conflictBetween(pattern, other string) *ConflictError {
	mux := new(http.ServeMux)
	if tryHandle(mux, other, http.NotFoundHandler()) != nil || tryHandle(mux, pattern, http.NotFoundHandler()) == nil {
		return nil
	}
	return &ConflictError{Other: other, Why: explainConflict(pattern, other)}
}

// explainConflict explains why two patterns conflict. It generates requests as
// examples and includes those that ServeMux matches as expected.
func explainConflict(pattern, other string) string {
	why := "both match the same requests"
	onlyPattern, onlyOther := requestOfOne(pattern, other), requestOfOne(other, pattern)
	if onlyPattern != "" || onlyOther != "" {
		why = "both match some requests, and neither is more specific"
	}
	if both := requestOfBoth(pattern, other); both != "" {
		why += fmt.Sprintf("\nboth match the request %q", both)
	}
	for _, only := range []struct{ pattern, request string }{{pattern, onlyPattern}, {other, onlyOther}} {
		if only.request != "" {
			why += fmt.Sprintf("\nonly pattern %q matches %q", only.pattern, only.request)
		}
	}
	return why + adviseMethod(pattern, other) + adviseMethod(other, pattern)
}

// adviseMethod returns a line that advises to add a method to pattern, or "" if that does
// not resolve the conflict. For example, "/metrics" conflicts with "GET /{path...}", and
// "GET /metrics" does not.
func adviseMethod(pattern, other string) string {
	method, _ := SplitMethod(pattern)
	otherMethod, _ := SplitMethod(other)
	if method != "" || otherMethod == "" {
		return ""
	}
	better := otherMethod + " " + pattern
	mux := new(http.ServeMux)
	if tryHandle(mux, other, http.NotFoundHandler()) != nil || tryHandle(mux, better, http.NotFoundHandler()) != nil {
		return ""
	}
	return fmt.Sprintf("\nadd a method to pattern %q: %q would be more specific", pattern, better)
}

// requestOfBoth returns a request that both patterns match, or "" if it does
// not find one.
func requestOfBoth(pattern, other string) string {
	method, rest := SplitMethod(pattern)
	host, path := splitHost(rest)
	otherMethod, otherRest := SplitMethod(other)
	_, otherPath := splitHost(otherRest)
	switch {
	case method == "" && otherMethod == "":
		method = http.MethodGet
	case method == "", otherMethod == http.MethodHead:
		method = otherMethod
	}
	path = commonPath(path, otherPath)
	if matchesRequest(pattern, method, host, path) && matchesRequest(other, method, host, path) {
		return method + " " + host + path
	}
	return ""
}

// requestOfOne returns a request that pattern matches and other does not, or ""
// if it finds none.
func requestOfOne(pattern, other string) string {
	method, rest := SplitMethod(pattern)
	host, path := splitHost(rest)
	if method == "" {
		method = http.MethodGet
		if otherMethod, _ := SplitMethod(other); otherMethod == http.MethodGet || otherMethod == http.MethodHead {
			method = http.MethodPost
		}
	}
	// The second path is needed if the name of a wildcard equals a literal
	// segment of the other pattern, the third if only deeper paths distinguish
	// the patterns.
	for _, path := range []string{fillWildcards(path, ""), fillWildcards(path, "1"), fillWildcards(path, "") + "more"} {
		if matchesRequest(pattern, method, host, path) && !matchesRequest(other, method, host, path) {
			return method + " " + host + path
		}
	}
	return ""
}

// matchesRequest reports whether pattern matches a request according to
// ServeMux.
func matchesRequest(pattern, method, host, path string) bool {
	target, err := url.ParseRequestURI(path)
	if err != nil {
		return false
	}
	mux := new(http.ServeMux)
	if tryHandle(mux, pattern, matched{}) != nil {
		return false
	}
	if target.Host = host; host == "" {
		target.Host = "localhost"
	}
	handler, _ := mux.Handler(&http.Request{Method: method, Host: target.Host, URL: target})
	return handler == matched{} // rather than a redirect or 404
}

// matched is the handler that matchesRequest registers.
type matched struct{}

// ServeHTTP is never called.
func (matched) ServeHTTP(http.ResponseWriter, *http.Request) {}

// commonPath returns a path that the paths of two patterns both match, if there
// is one. It contains the literal segments of both and, where both have a
// wildcard, the name of the wildcard.
func commonPath(path, other string) string {
	segments, otherSegments := strings.Split(path[1:], "/"), strings.Split(other[1:], "/")
	var common strings.Builder
	for i := range max(len(segments), len(otherSegments)) {
		segment, otherSegment := segmentAt(segments, i), segmentAt(otherSegments, i)
		if _, ok := wildcardName(segment); ok || segment == "" {
			if name, ok := wildcardName(otherSegment); otherSegment != "" && (!ok || name != "") {
				segment = otherSegment
			}
		}
		common.WriteString(fillWildcards("/"+segment, ""))
	}
	return common.String()
}

// segmentAt returns segments[i], or "" past the end.
func segmentAt(segments []string, i int) string {
	if i < len(segments) {
		return segments[i]
	}
	return ""
}

// fillWildcards returns a pattern's path with each wildcard replaced by its name
// and a suffix.
func fillWildcards(path, suffix string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		name, ok := wildcardName(segment)
		if ok && name != "" {
			name += suffix
		}
		if ok {
			segments[i] = name
		}
	}
	return strings.Join(segments, "/")
}

// wildcardName returns the name of a wildcard segment, which is empty for {$}.
// If the segment is not a wildcard, ok is false.
func wildcardName(segment string) (name string, ok bool) {
	name, ok = strings.CutPrefix(segment, "{")
	if !ok {
		return "", false
	}
	return strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "}"), "..."), "$"), true
}
