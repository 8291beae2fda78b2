package routing

import (
	"maps"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// literals are the routes whose pattern is a plain path, by that path: for them
// one look-up in a map takes the place of ServeMux's walk from segment to
// segment, of its cleaning of the path before, and of its lock.
//
// That the answer is ServeMux's follows from its rules of precedence. A route
// with a host goes before all without one, so if there is any there are no
// literals, and neither are paths that a pattern with escapes matches too. Of
// the others, a plain path is the most specific pattern that its path can have:
// other patterns that match it are less specific, or have another method, or
// were refused because of the conflict. And a path that equals a plain pattern
// needs neither cleaning nor a redirect.
type literals struct {
	routes map[string][]*route // by path
	// ends has true for the length and the last byte of each of the paths, both
	// modulo 32. It spares most requests for other routes the look-up.
	ends [32][32]bool
}

// newLiterals finds the plain patterns among routes.
func newLiterals(routes []*route) *literals {
	l := &literals{routes: map[string][]*route{}}
	var escaped []string // paths of patterns
	for _, r := range routes {
		if r.host != "" {
			return new(literals)
		}
		if p, ok := plain(r.path); ok {
			l.routes[p] = append(l.routes[p], r)
			l.ends[len(p)%32][p[len(p)-1]%32] = true
		} else if strings.Contains(r.path, "%") {
			escaped = append(escaped, r.path)
		}
	}
	for _, pattern := range escaped {
		maps.DeleteFunc(l.routes, func(p string, _ []*route) bool {
			return matchesPath(pattern, (&url.URL{Path: p}).EscapedPath())
		})
	}
	return l
}

// plain returns the one path that a pattern's path matches, if it is one. A
// pattern that is not clean, or has escapes, is left to ServeMux.
func plain(p string) (string, bool) {
	if strings.HasSuffix(p, "/") {
		return "", false // and all below it
	}
	p = withoutEnd(p)
	clean := path.Clean(p)
	return p, !strings.ContainsAny(p, "{%") && (p == clean || clean != "/" && p == clean+"/")
}

// withoutEnd returns a pattern's path without the {$} that ends it at a slash.
func withoutEnd(p string) string {
	if before, ok := strings.CutSuffix(p, "/{$}"); ok {
		return before + "/"
	}
	return p
}

// find returns the route for a request, or nil if ServeMux has to look. That
// includes paths sent in another form than the usual, and requests that an
// outer ServeMux has matched, since only another one can make them forget the
// values of its wildcards.
func (l *literals) find(r *http.Request) *route {
	if r.URL == nil {
		return nil
	}
	p := r.URL.Path
	if p == "" || !l.ends[len(p)%32][p[len(p)-1]%32] || r.Pattern != "" || r.URL.RawPath != "" || r.RequestURI == "*" {
		return nil
	}
	routes := l.routes[p]
	if len(routes) == 0 {
		return nil
	}
	found := routeOf(routes, r.Method)
	if found == nil && r.Method == http.MethodHead {
		found = routeOf(routes, http.MethodGet)
	}
	if found == nil {
		found = routeOf(routes, "")
	}
	return found
}

// routeOf returns the route that is for a method, or nil.
func routeOf(routes []*route, method string) *route {
	for _, r := range routes {
		if r.method == method {
			return r
		}
	}
	return nil
}
