package dispatch

import (
	"net/http"
	"path"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/pattern"
)

// literals are the routes whose pattern is a plain path, by that path: for them
// one look-up in a map takes the place of ServeMux's walk from segment to
// segment, of its cleaning of the path before, and of its lock.
//
// That the answer is ServeMux's follows from its rules of precedence. A route
// with a host goes before all without one, so where there is any there are no
// literals. Of the others, a plain path is the most specific pattern that its
// path can have: what matches the path too is less specific, or has another
// method, or was refused as a conflict. And a path that equals a plain pattern
// needs neither cleaning nor a redirect.
type literals map[string][]route

// newLiterals finds the plain patterns among routes.
func newLiterals(routes []route) literals {
	l := literals{}
	for _, r := range routes {
		_, rest := pattern.Split(r.pattern)
		if rest[0] != '/' {
			return literals{}
		}
		if p, ok := plain(rest); ok {
			l[p] = append(l[p], r)
		}
	}
	return l
}

// plain returns the one path that a pattern's path matches, if it is one. A
// pattern that is not clean, or has escapes, is left to ServeMux.
func plain(p string) (string, bool) {
	if end, ok := strings.CutSuffix(p, "/{$}"); ok {
		p = end + "/"
	} else if strings.HasSuffix(p, "/") {
		return "", false // and all below it
	}
	clean := path.Clean(p)
	return p, !strings.ContainsAny(p, "{%") && (p == clean || p == clean+"/")
}

// find returns the route for a request, or nil if ServeMux has to look. That
// includes paths sent in another form than the usual, and requests that an
// outer ServeMux has matched, since only another one can make them forget the
// values of its wildcards.
func (l literals) find(r *http.Request) *route {
	if r.Pattern != "" || r.URL.RawPath != "" || r.RequestURI == "*" {
		return nil
	}
	routes := l[r.URL.Path]
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

func withMethod(routes []route, method string) *route {
	for i := range routes {
		if routes[i].method == method {
			return &routes[i]
		}
	}
	return nil
}
