package routing

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// A cover claims all paths at and below a prefix. It takes requests from
// routes that begin above it: those that end with a slash or with {name...}, and whose
// segments before that match the beginning of the prefix.
//
// ServeMux cannot express covers, because it compares methods before paths. For example,
// it rejects "/files/" beside "GET /{path...}".
type cover struct {
	prefix  string   // from [JoinPrefix], and not empty
	pattern []string // the segments of prefix
	mount   *route   // takes the requests; if nil, they are unmatched
}

// newCover returns the cover of a prefix.
func newCover(prefix string, mount *route) *cover {
	return &cover{prefix: prefix, pattern: segmentsOf(prefix), mount: mount}
}

// Cover makes requests at and below a prefix unmatched, unless they match a route that does
// not begin above it. prefix is a result of [JoinPrefix].
func (m *Mux) Cover(prefix string) {
	if prefix == "" {
		return // no route begins above it
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.loadCovers() {
		if c.prefix == prefix && c.mount == nil {
			return
		}
	}
	m.addCover(newCover(prefix, nil))
}

// RegisterMount is like [Mux.Register], but the pattern must end with a slash, and have
// neither a method nor a host. It does not conflict with routes that begin above it. Such
// a route does not get the requests that match both.
func (m *Mux) RegisterMount(pattern string, handler http.Handler) error {
	if err := checkPattern(pattern); err != nil {
		return err
	}
	added := newRoute(m, pattern, handler)
	prefix := strings.TrimSuffix(pattern, "/")
	added.mounted = prefix != ""
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.conflictWithCover(added); err != nil {
		return err
	}
	c := newCover(prefix, added)
	conflicts := m.conflictsOf(added)
	if len(conflicts) == 0 || !allOf(conflicts, func(other *route) bool { return other.yieldsTo(c) }) {
		return m.register(added)
	}
	m.addCover(c)
	return nil
}

// conflictWithCover returns a [*ConflictError] if an added route conflicts with a mount that
// has become a cover. The caller must hold m.mu.
func (m *Mux) conflictWithCover(added *route) error {
	for _, c := range m.loadCovers() {
		if c.mount == nil || added.yieldsTo(c) {
			continue
		}
		if err := conflictBetween(added.canonical, c.mount.canonical); err != nil {
			err.Other = c.mount.pattern
			return err
		}
	}
	return nil
}

// makeRoom turns the mounts that an added route conflicts with into covers, if the added
// route begins above them all. It reports whether it has done so. The caller must hold m.mu.
func (m *Mux) makeRoom(added *route) bool {
	conflicts := m.conflictsOf(added)
	var covers []*cover
	for _, mount := range conflicts {
		c := newCover(strings.TrimSuffix(mount.path, "/"), mount)
		if !mount.mounted || !added.yieldsTo(c) {
			return false
		}
		covers = append(covers, c)
	}
	if covers == nil {
		return false
	}
	for _, c := range covers {
		m.addCover(c) // before ServeMux forgets its mount
	}
	m.routes = slices.DeleteFunc(slices.Clone(m.routes), func(r *route) bool { return slices.Contains(conflicts, r) })
	m.current.Store(m.muxOf(m.routes, m.current.Load().hasFallback))
	return true
}

// conflictsOf returns the registered routes that ServeMux rejects beside an added one. The
// caller must hold m.mu.
func (m *Mux) conflictsOf(added *route) (conflicts []*route) {
	for _, other := range m.routes {
		if conflictBetween(added.canonical, other.canonical) != nil {
			conflicts = append(conflicts, other)
		}
	}
	return conflicts
}

// addCover adds a cover. The most specific ones come first, and mounts before others. The
// caller must hold m.mu.
func (m *Mux) addCover(added *cover) {
	covers := append(slices.Clone(m.loadCovers()), added)
	slices.SortStableFunc(covers, func(a, b *cover) int {
		order := ComparePrefixes(a.prefix, b.prefix)
		if order == 0 && (a.mount == nil) != (b.mount == nil) {
			order = 1
			if a.mount != nil {
				order = -1
			}
		}
		return order
	})
	m.covers.Store(&covers)
}

func (m *Mux) loadCovers() []*cover {
	if covers := m.covers.Load(); covers != nil {
		return *covers
	}
	return nil
}

// coverOf returns the cover that takes a request from a route that matches it, or nil.
func (m *Mux) coverOf(rt *route, r *http.Request) *cover {
	if m.covers.Load() == nil {
		return nil
	}
	return m.coverOfPath(rt, r.URL.EscapedPath())
}

// coverOfPath is coverOf for a request with an escaped path.
func (m *Mux) coverOfPath(rt *route, path string) *cover {
	for _, c := range m.loadCovers() {
		if rt.yieldsTo(c) && IsBelow(c.prefix, path) && !m.isOtherPath(c, path) {
			return c
		}
	}
	return nil
}

// isOtherPath reports whether the path of a mount without its slash is another path than the
// mount's.
func (m *Mux) isOtherPath(c *cover, path string) bool {
	return c.mount != nil && SlashPolicy(m.slash.Load()) == SlashStrict && !matchesPath(c.mount.path, path)
}

// serveCovered serves a request that a cover has taken from a route.
func (m *Mux) serveCovered(w http.ResponseWriter, r *http.Request, c *cover) {
	switch {
	case c.mount == nil:
		r.Pattern = ""
		removePathValues(r) // of the route that does not get the request
		m.serveUnmatched(w, r)
	case !matchesPath(c.mount.path, r.URL.EscapedPath()) && SlashPolicy(m.slash.Load()) == SlashServe:
		c.mount.serveCopy(w, r, withSlash(r))
	default:
		state := response.StateOf(w, r)
		before := state.PatternPointer()
		c.mount.serveAnyHost(w, r)
		if state.PatternPointer() == before { // the slash was missing, and ServeMux redirected
			r.Pattern = c.mount.pattern // for CONNECT, ServeMux sets it to the path
			state.KeepPattern(r)
		}
	}
}

// uncovered returns the methods in an Allow header without those whose routes a cover
// prevents from serving the request.
func (m *Mux) uncovered(r *http.Request, allow string) string {
	if allow == "" || m.covers.Load() == nil {
		return allow
	}
	methods := slices.DeleteFunc(strings.Split(allow, ", "), func(method string) bool {
		if m.isCovered(r, method) {
			return SlashPolicy(m.slash.Load()) != SlashServe || !endsInSlash(r.URL) || m.isCovered(withoutSlash(r), method)
		}
		return false
	})
	return strings.Join(methods, ", ")
}

// isCovered reports whether a cover takes a request with another method.
func (m *Mux) isCovered(r *http.Request, method string) bool {
	other := &http.Request{Method: method, URL: r.URL, Host: r.Host}
	found, ok := m.match(other).(*route)
	if !ok && SlashPolicy(m.slash.Load()) == SlashStrict {
		found, ok = m.routeAsIs(other), true // rather than a redirect
	}
	return ok && m.coverOf(found, other) != nil
}

// yieldsTo reports whether a route begins above a cover.
func (rt *route) yieldsTo(c *cover) bool {
	if !rt.rest || rt.host != "" || len(rt.above) >= len(c.pattern) {
		return false
	}
	for i, segment := range rt.above {
		if !isWildcard(segment) && isWildcard(c.pattern[i]) {
			return false // there, the route is more specific
		}
	}
	return true
}

// ComparePrefixes orders prefixes: longer ones come first, and literal segments before
// wildcards.
func ComparePrefixes(a, b string) int {
	segments, others := segmentsOf(a), segmentsOf(b)
	if order := cmp.Compare(len(others), len(segments)); order != 0 {
		return order
	}
	for i, segment := range segments {
		switch {
		case isWildcard(segment) == isWildcard(others[i]):
		case isWildcard(segment):
			return 1
		default:
			return -1
		}
	}
	return 0
}

// segmentsOf returns the segments of a path, without those of a wildcard for the rest.
func segmentsOf(path string) []string {
	segments := strings.Split(path, "/")[1:]
	if last := len(segments) - 1; last >= 0 && (segments[last] == "" || isRest(segments[last])) {
		segments = segments[:last]
	}
	return segments
}

// isRest reports whether a segment of a pattern matches the rest of a path.
func isRest(segment string) bool { return strings.HasSuffix(segment, "...}") }

// isWildcard reports whether a segment of a pattern is a wildcard.
func isWildcard(segment string) bool { return strings.HasPrefix(segment, "{") && segment != "{$}" }

// allOf reports whether ok is true for all routes.
func allOf(routes []*route, ok func(*route) bool) bool {
	return !slices.ContainsFunc(routes, func(r *route) bool { return !ok(r) })
}
