package routing

import (
	"net/http"
	gopath "path"
	"slices"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// needsTwoSteps reports whether [Mux.serveInTwoSteps] must serve the request.
func (m *Mux) needsTwoSteps(r *http.Request) bool {
	path := r.URL.Path
	if r.URL.RawPath != "" {
		path = r.URL.EscapedPath()
	}
	return r.Method == http.MethodConnect ||
		isUnclean(path) ||
		m.hasHosts.Load() && (m.hasNoncanonicalHosts.Load() || !isCanonicalHost(r.Host))
}

// isUnclean reports whether ServeMux may have to clean a path.
func isUnclean(path string) bool {
	return path == "" || path[0] != '/' || strings.Contains(path, "//") || strings.Contains(path, "/.")
}

// serveInTwoSteps asks ServeMux which route matches a normalized copy of the
// request, and then lets that route serve the original. This is necessary for
//
//   - hosts with upper-case letters or a trailing dot. ServeMux compares hosts
//     byte by byte, so the routes of a host would be skipped, and their
//     middleware too;
//   - CONNECT requests, whose paths ServeMux does not clean. It then lets a
//     wildcard match an empty segment without keeping a value for it, which
//     shifts the values of the other wildcards;
//   - unclean paths, whose redirect must not reveal the fallback's pattern.
func (m *Mux) serveInTwoSteps(w http.ResponseWriter, r *http.Request) {
	mux := m.current.Load()
	normalized := &http.Request{Method: r.Method, URL: r.URL, Host: canonicalHost(r.Host)}
	if r.Method == http.MethodConnect {
		if r.URL.Path == "" {
			// The target is an authority. No pattern matches an empty path.
			m.fallback.ServeHTTP(w, r)
			return
		}
		target := *r.URL
		target.Host = canonicalHost(target.Host)
		normalized.URL = &target
		if path := target.EscapedPath(); strings.Contains(path, "//") {
			mux = m.withoutEmptyValues(mux, path)
		}
	}
	handler, pattern := mux.Handler(normalized)
	if route, ok := handler.(*route); ok {
		route.serveAnyHost(w, r)
		return
	}
	if pattern == "" {
		m.fallback.ServeHTTP(w, r)
		return
	}
	// The handler is a redirect.
	if m.slash.Load() >= int32(SlashServe) && r.Method != http.MethodConnect && !isUnclean(r.URL.EscapedPath()) {
		m.serveWithoutSlash(w, r)
		return
	}
	r.Pattern = m.registeredPattern(pattern, gopath.Clean(r.URL.EscapedPath()))
	if r.Pattern != "" && r.Method != http.MethodConnect { // for CONNECT, r.Pattern is the path
		response.StateOf(w, r).KeepPattern(r)
	}
	handler.ServeHTTP(w, r)
}

// registeredPattern returns the pattern, as it was registered, of the route with
// the given canonical pattern, or "" for the fallback, unless a cover takes requests with
// the given path from it. It returns any other text unchanged: for a redirected CONNECT
// request, ServeMux returns the path.
func (m *Mux) registeredPattern(canonical, path string) string {
	found := m.registered(canonical)
	if found == nil {
		return canonical
	}
	c := m.coverOfPath(found, path)
	switch {
	case c == nil:
		return found.pattern
	case c.mount == nil:
		return ""
	}
	return c.mount.pattern
}

// registered returns the route with a canonical pattern, or nil.
func (m *Mux) registered(canonical string) *route {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.routes {
		if r.canonical == canonical {
			return r
		}
	}
	if canonical == m.fallback.path {
		return m.fallback
	}
	return nil
}

// withoutEmptyValues returns a ServeMux with only those routes of mux that match
// path, or path with a slash added, with no wildcard matching an empty segment.
func (m *Mux) withoutEmptyValues(mux *currentMux, path string) *currentMux {
	return m.filtered(mux, func(rt *route) bool {
		return matchesPath(rt.path, path) || !strings.HasSuffix(path, "/") && matchesPath(rt.path, path+"/")
	})
}

// filtered returns a ServeMux with only those routes of mux for which keep returns true.
func (m *Mux) filtered(mux *currentMux, keep func(*route) bool) *currentMux {
	m.mu.Lock()
	routes := m.routes[:len(m.routes):len(m.routes)]
	m.mu.Unlock()
	kept := slices.DeleteFunc(slices.Clone(routes), func(rt *route) bool { return !keep(rt) })
	return m.muxOf(kept, mux.hasFallback)
}

// muxOf returns a ServeMux with the given routes, and with the fallback if hasFallback is
// set.
func (m *Mux) muxOf(routes []*route, hasFallback bool) *currentMux {
	mux := new(http.ServeMux)
	for _, rt := range routes {
		mux.Handle(rt.canonical, rt)
	}
	if hasFallback {
		mux.Handle("/", m.fallback)
	}
	return &currentMux{mux, hasFallback}
}

// IsBelow reports whether an escaped path equals a prefix that [JoinPrefix] has returned, or
// is below it.
func IsBelow(prefix, path string) bool {
	return prefix == "" || strings.HasPrefix(path, "/") && (matchesPath(prefix, path) || matchesPath(prefix+"/", path))
}

// SetPathValues sets the values of the wildcards in a prefix, whose paths include that of the
// request; see [IsBelow].
func SetPathValues(prefix string, r *http.Request) {
	if !strings.Contains(prefix, "{") {
		return
	}
	for path := r.URL.EscapedPath(); prefix != "" && path != ""; {
		var want, got string
		want, prefix = cutSegment(prefix)
		got, path = cutSegment(path)
		if name, ok := wildcardName(want); ok {
			r.SetPathValue(name, unescape(got))
		}
	}
}

// matchesPath reports whether the path of a pattern matches an escaped path by
// the rules of ServeMux, except that no wildcard matches an empty segment.
func matchesPath(pattern, path string) bool {
	for pattern != "" && path != "" {
		var want, got string
		if want, pattern = cutSegment(pattern); want == "/" || strings.HasSuffix(want, "...}") {
			return true
		}
		got, path = cutSegment(path)
		segment := unescape(got)
		switch {
		case want == "{$}":
			if segment != "/" {
				return false
			}
		case strings.HasPrefix(want, "{"):
			if segment == "" || segment == "/" {
				return false
			}
		case unescape(want) != segment:
			return false
		}
	}
	return pattern == path
}
