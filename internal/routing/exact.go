package routing

import (
	"maps"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// exactPaths finds the routes whose pattern matches exactly one path. For them,
// one map lookup replaces ServeMux's walk from segment to segment, its cleaning
// of the path, and its lock.
//
// The result is the same as ServeMux's, for the following reasons:
//
//   - A pattern with a host takes precedence over all patterns without one. If
//     any route has a host, exactPaths is therefore empty.
//   - A path that is also matched by a pattern with percent escapes is omitted.
//   - Among the remaining patterns, one without wildcards is the most specific
//     that can match its path. Any other pattern that matches the path is less
//     specific, has another method, or was rejected because of a conflict.
//   - A path that equals such a pattern needs neither cleaning nor a redirect.
type exactPaths struct {
	routes map[string][]*route // by path
	// mayHave is a filter before the map: mayHave[i][j] is true if the length of
	// one of the paths is i and its last byte is j, both modulo 32. Because of
	// it, most requests for other routes skip the map lookup.
	mayHave [32][32]bool
}

// newExactPaths returns the exactPaths for the given routes.
func newExactPaths(routes []*route) *exactPaths {
	e := &exactPaths{routes: map[string][]*route{}}
	var escaped []string // paths of patterns
	for _, r := range routes {
		if r.host != "" {
			return new(exactPaths)
		}
		if p, ok := exactPath(r.path); ok {
			e.routes[p] = append(e.routes[p], r)
			e.mayHave[len(p)%32][p[len(p)-1]%32] = true
		} else if strings.Contains(r.path, "%") {
			escaped = append(escaped, r.path)
		}
	}
	for _, pattern := range escaped {
		maps.DeleteFunc(e.routes, func(p string, _ []*route) bool {
			return matchesPath(pattern, (&url.URL{Path: p}).EscapedPath())
		})
	}
	return e
}

// exactPath returns the only path that a pattern's path matches. If there are
// several, or if the path is unclean or has percent escapes, ok is false.
func exactPath(p string) (_ string, ok bool) {
	if strings.HasSuffix(p, "/") {
		return "", false
	}
	if before, found := strings.CutSuffix(p, "/{$}"); found {
		p = before + "/"
	}
	clean := path.Clean(p)
	return p, !strings.ContainsAny(p, "{%") && (p == clean || clean != "/" && p == clean+"/")
}

// find returns the route for a request, or nil if ServeMux must look for it.
//
// ServeMux must also look if the path was sent in an unusual encoding, and if an
// outer ServeMux has matched the request: only a ServeMux can remove the values
// of the outer pattern's wildcards from a request.
func (e *exactPaths) find(r *http.Request) *route {
	if r.URL == nil {
		return nil
	}
	p := r.URL.Path
	if p == "" || !e.mayHave[len(p)%32][p[len(p)-1]%32] || r.Pattern != "" || r.URL.RawPath != "" || r.RequestURI == "*" {
		return nil
	}
	routes := e.routes[p]
	if len(routes) == 0 {
		return nil
	}
	found := withMethod(routes, r.Method)
	if found == nil && r.Method == http.MethodHead {
		found = withMethod(routes, http.MethodGet)
	}
	if found == nil {
		found = withMethod(routes, "")
	}
	return found
}

// withMethod returns the route whose pattern has the given method, or nil.
func withMethod(routes []*route, method string) *route {
	for _, r := range routes {
		if r.method == method {
			return r
		}
	}
	return nil
}
