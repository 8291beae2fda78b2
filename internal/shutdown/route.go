package shutdown

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxRoutes is the number of routes that an error names for each kind of work that was cut.
const maxRoutes = 10

// routes counts what was cut by route.
type routes map[string]int

// add counts one for route, which is "" if it is not known.
func (c routes) add(route string) {
	if route != "" {
		c[route]++
	}
}

// String formats the counts, for example " (GET /report/{id}: 2, POST unmatched: 1)". It
// returns "" if there are none.
func (c routes) String() string {
	if len(c) == 0 {
		return ""
	}
	names := slices.SortedFunc(maps.Keys(c), func(a, b string) int {
		return cmp.Or(c[b]-c[a], strings.Compare(a, b))
	})
	var parts []string
	for _, name := range names[:min(len(names), maxRoutes)] {
		parts = append(parts, fmt.Sprintf("%s: %d", name, c[name]))
	}
	if more := len(names) - maxRoutes; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// route returns the pattern of the route that handles the running request of s, or the
// method and "unmatched" if no route has matched yet. It returns "" if there is no request.
func (s *scope) route() string {
	state := s.request.Load()
	if state == nil {
		return ""
	}
	if pattern := state.Pattern(); pattern != "" {
		return pattern
	}
	return methods[s.method.Load()] + " unmatched"
}

// addRoutes counts the running requests of s and of its HTTP/2 streams, except event
// streams. The caller must hold the Registry's mu.
func (s *scope) addRoutes(c routes) {
	if s.stream == nil {
		c.add(s.route())
	}
	s.streamsMu.Lock()
	defer s.streamsMu.Unlock()
	for stream := range s.streams {
		if stream.stream == nil {
			c.add(stream.route())
		}
	}
}

// methods are the methods that an error can name. A scope stores an index into methods,
// because a handler may change the method in its request at any time.
var methods = [...]string{"other method", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"}

// indexOfMethod returns the index of a method in methods.
func indexOfMethod(method string) int32 {
	return int32(max(0, slices.Index(methods[1:], method)+1))
}
