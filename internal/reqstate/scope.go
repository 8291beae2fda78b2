package reqstate

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// A Scope holds the settings that routers and mounts make for the handlers inside them. It
// is immutable. A Router or mount with such a setting stores a new Scope in the State, and
// restores the previous one when its handler has returned.
type Scope struct {
	// WriteError writes all errors in the scope. If nil, they have the default form.
	WriteError ErrorWriter
	// Mounted describes the innermost mounted handler that serves the request, or is
	// nil.
	Mounted *Mounted
}

// An ErrorWriter writes an error response. members are additional members of the body;
// the map may be nil.
type ErrorWriter func(w http.ResponseWriter, status int, message string, members map[string]any)

// Scope returns the request's Scope, or nil. s may be nil.
func (s *State) Scope() *Scope {
	if s == nil {
		return nil
	}
	return s.scope.Load()
}

// SetScope sets the request's Scope, which may be nil.
func (s *State) SetScope(scope *Scope) { s.scope.Store(scope) }

// ErrorWriter returns the function that writes errors in the scope, or nil. s may be
// nil.
func (s *Scope) ErrorWriter() ErrorWriter {
	if s == nil {
		return nil
	}
	return s.WriteError
}

// MountedOf returns the description of the innermost mounted handler in the scope, or nil.
// s may be nil.
func (s *Scope) MountedOf() *Mounted {
	if s == nil {
		return nil
	}
	return s.Mounted
}

// A Mounted describes a request that a mounted handler serves.
type Mounted struct {
	Outer *Mounted // of the mounted handler around it, or nil
	Mount Mount
	// Prefix and RawPrefix are the parts that were removed from the Path and RawPath of
	// the URL.
	Prefix, RawPrefix string
	// The other fields are those of the request that the mounted handler gets, which may
	// change them.
	Method, Host, Path, RawQuery string
}

// A Mount inserts its prefix into the patterns of the handler that it mounts.
type Mount interface {
	// FullPattern returns a pattern with the prefix. The string must not change.
	FullPattern(pattern *string) *string
}

// fullPattern returns a pattern with the prefixes of all mounts. m may be nil.
func (m *Mounted) fullPattern(pattern *string) *string {
	for ; m != nil; m = m.Outer {
		pattern = m.Mount.FullPattern(pattern)
	}
	return pattern
}

// Location returns the Location of a redirect with the prefixes of the mounts, if the
// mounted handler derived it from the path of its request, from which the prefix was
// removed. This is the case if both paths are equal after cleaning and without a slash at
// the end, as in the redirects of [http.ServeMux] and other routers. Any other Location is
// returned unchanged, because the handler may know where it is mounted. m may be nil.
func (m *Mounted) Location(location string) string {
	for ; m != nil && m.derives(location); m = m.Outer {
		start := pathStart(location)
		location = location[:start] + m.escapedPrefix() + location[start:]
	}
	return location
}

// derives reports whether a Location was derived from the path of the request.
func (m *Mounted) derives(location string) bool {
	target, err := url.Parse(location)
	switch {
	case err != nil || !strings.HasPrefix(target.Path, "/") || target.Scheme != "" && target.Host == "":
		return false
	case target.Host != "" && !strings.EqualFold(target.Host, m.Host):
		return false
	case m.Path == "/":
		return false // the root of the site is more likely
	case target.Path == m.Path && target.RawQuery == m.RawQuery && (m.Method == http.MethodGet || m.Method == http.MethodHead):
		return false // with the prefix, the redirect would never end
	}
	return path.Clean(target.Path) == path.Clean(m.Path)
}

// escapedPrefix returns the removed prefix as it is written in a URL.
func (m *Mounted) escapedPrefix() string {
	return (&url.URL{Path: m.Prefix, RawPath: m.RawPrefix}).EscapedPath()
}

// pathStart returns where the path of a URL begins.
func pathStart(location string) int {
	scheme, rest, found := strings.Cut(location, "//")
	if !found || strings.ContainsAny(scheme, "/?#") {
		return 0
	}
	return len(scheme) + len("//") + strings.IndexByte(rest, '/')
}
