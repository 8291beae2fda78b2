package routing

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// A SlashPolicy decides how a [Mux] treats a path that matches no route as it is, but
// would match one with a slash at its end added or removed.
type SlashPolicy int32

const (
	// SlashServeMux redirects to the path with a slash added, as ServeMux does. A slash
	// is never removed.
	SlashServeMux SlashPolicy = iota
	// SlashRedirect redirects in both cases.
	SlashRedirect
	// SlashServe serves the request as if it had the other path.
	SlashServe
	// SlashStrict treats the request as unmatched.
	SlashStrict
)

// dropsSlash reports whether the policy tries the path without its slash.
func (p SlashPolicy) dropsSlash() bool { return p == SlashRedirect || p == SlashServe }

// SetSlashPolicy sets the policy. The default is SlashServeMux.
func (m *Mux) SetSlashPolicy(policy SlashPolicy) { m.slash.Store(int32(policy)) }

// wantsSlash reports whether ServeMux would redirect the request, whose path is clean, to
// the path with a slash added.
func (m *Mux) wantsSlash(r *http.Request) bool {
	if r.RequestURI == "*" || endsInSlash(r.URL) {
		return false
	}
	_, isRoute := m.match(r).(*route)
	return !isRoute
}

// serveWithoutSlash serves a request for which wantsSlash has returned true.
func (m *Mux) serveWithoutSlash(w http.ResponseWriter, r *http.Request) {
	if SlashPolicy(m.slash.Load()) == SlashServe {
		if m.serveOther(w, r, withSlash(r)) {
			return
		}
	}
	if route := m.routeAsIs(r); route != m.fallback {
		route.serveAnyHost(w, r)
		return
	}
	m.fallback.ServeHTTP(w, r)
}

// routeAsIs returns the route for a request if slashes are significant. That is the one
// that ServeMux would find without the routes that need the slash, or the fallback.
func (m *Mux) routeAsIs(r *http.Request) *route {
	path := r.URL.EscapedPath()
	mux := m.filtered(m.current.Load(), func(rt *route) bool { return matchesPath(rt.path, path) })
	handler, _ := mux.Handler(&http.Request{Method: r.Method, URL: r.URL, Host: canonicalHost(r.Host)})
	if route, ok := handler.(*route); ok {
		return route
	}
	return m.fallback
}

// serveWithSlash serves an unmatched request whose path ends with a slash, if a route
// matches without it. It reports whether it has responded.
func (m *Mux) serveWithSlash(w http.ResponseWriter, r *http.Request, policy SlashPolicy) bool {
	if !endsInSlash(r.URL) || r.URL.Path == "/" {
		return false
	}
	other := withoutSlash(r)
	if policy == SlashServe {
		return m.serveOther(w, r, other)
	}
	route := m.routeOf(other)
	if route == nil {
		return false
	}
	r.Pattern = route.pattern
	response.StateOf(w, r).KeepPattern(r)
	target := url.URL{Path: other.URL.Path, RawPath: other.URL.RawPath, RawQuery: r.URL.RawQuery}
	http.Redirect(w, r, target.String(), http.StatusTemporaryRedirect)
	return true
}

// serveOther lets the route of other, a copy of r with another path, serve it. It returns
// false if there is none.
func (m *Mux) serveOther(w http.ResponseWriter, r, other *http.Request) bool {
	route := m.routeOf(other)
	if route == nil {
		return false
	}
	route.serveCopy(w, r, other)
	return true
}

// serveCopy serves other, a copy of r with another path. Afterwards, r has the fields that
// were set in other, even if the handler panics: the server removes the files of the form.
func (rt *route) serveCopy(w http.ResponseWriter, r, other *http.Request) {
	defer func() {
		r.Pattern = other.Pattern
		if other.MultipartForm != nil {
			r.MultipartForm = other.MultipartForm
		}
	}()
	rt.serveAnyHost(w, other)
}

// routeOf returns the route that matches a request, or nil.
func (m *Mux) routeOf(r *http.Request) *route {
	found, ok := m.match(r).(*route)
	if !ok {
		return nil
	}
	if c := m.coverOf(found, r); c != nil {
		if c.mount != nil && !matchesPath(c.mount.path, r.URL.EscapedPath()) {
			return nil // it is redirected
		}
		return c.mount
	}
	if found == m.fallback {
		return nil
	}
	return found
}

// withSlash returns a copy of a request with a slash added to its path.
func withSlash(r *http.Request) *http.Request {
	raw := rawPath(r.URL)
	if raw != "" {
		raw += "/"
	}
	return withPath(r, r.URL.Path+"/", raw)
}

// withoutSlash returns a copy of a request without the slash at the end of its path.
func withoutSlash(r *http.Request) *http.Request {
	return withPath(r, strings.TrimSuffix(r.URL.Path, "/"), strings.TrimSuffix(rawPath(r.URL), "/"))
}

// withPath returns a copy of a request with another path.
func withPath(r *http.Request, path, rawPath string) *http.Request {
	other := new(http.Request)
	*other = *r
	other.URL = new(url.URL)
	*other.URL = *r.URL
	other.URL.Path, other.URL.RawPath = path, rawPath
	return other
}

// rawPath returns the RawPath of a URL, or "" if it is not a valid encoding of the Path.
// Patterns are then compared with the Path, in which an escaped slash ends a segment.
func rawPath(u *url.URL) string {
	if u.RawPath == "" || u.EscapedPath() != u.RawPath {
		return ""
	}
	return u.RawPath
}

// endsInSlash reports whether the path of a URL ends in a slash that is not escaped.
func endsInSlash(u *url.URL) bool {
	if u.RawPath != "" {
		return strings.HasSuffix(u.EscapedPath(), "/")
	}
	return strings.HasSuffix(u.Path, "/")
}
