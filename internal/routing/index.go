package routing

import (
	"net/url"
	"slices"
	"strings"
	"sync"
)

// An Index knows the methods that a path has routes for, which is what tells
// 404 from 405 and fills the Allow header. ServeMux works the same out for its
// own refusals and does not give it away. The zero Index is empty. Its methods
// may be called from several goroutines.
type Index struct {
	mu    sync.RWMutex
	hosts map[string]*node // "" for patterns without a host
}

// A node is a place between the segments of patterns. What leads on from it is
// sorted as in ServeMux, for which {$} and the segment %2F are both a literal
// "/".
type node struct {
	literals map[string]*node // by unescaped segment
	single   *node            // {name}
	ends     []string         // methods of the patterns that end here
	subtrees []string         // methods of those that go on with anything: / or /{name...}
}

// Add adds a pattern that [Check] accepts. One without a method matches
// them all and so never leads to a 405; it is left out.
func (x *Index) Add(p string) {
	method, rest := Split(p)
	if method == "" {
		return
	}
	slash := strings.IndexByte(rest, '/')
	host, path := rest[:slash], rest[slash:]

	x.mu.Lock()
	defer x.mu.Unlock()
	if x.hosts == nil {
		x.hosts = make(map[string]*node)
	}
	n := x.hosts[host]
	if n == nil {
		n = new(node)
		x.hosts[host] = n
	}
	for path != "" {
		var written string
		if written, path = cut(path); written == "/" || strings.HasSuffix(written, "...}") {
			n.subtrees = append(n.subtrees, method)
			return
		}
		n = n.grow(written)
	}
	n.ends = append(n.ends, method)
}

// grow returns the place after a segment as a pattern writes it.
func (n *node) grow(written string) *node {
	segment := unescape(written)
	switch {
	case written == "{$}":
		segment = "/"
	case strings.HasPrefix(written, "{"):
		if n.single == nil {
			n.single = new(node)
		}
		return n.single
	}
	next := n.literals[segment]
	if next == nil {
		if n.literals == nil {
			n.literals = make(map[string]*node)
		}
		next = new(node)
		n.literals[segment] = next
	}
	return next
}

// Methods returns the methods of the patterns that match a host, written as in
// the patterns and without a port, and an escaped path: sorted, with HEAD beside GET, joined as in an
// Allow header. Like ServeMux it counts patterns that match only with a slash
// added to the path. It returns "" if there are none.
func (x *Index) Methods(host, path string) string {
	var few [8]string
	found := few[:0]
	withSlash := !strings.HasSuffix(path, "/")

	x.mu.RLock()
	if host != "" {
		found = x.hosts[host].appendMethods(found, path, withSlash)
	}
	found = x.hosts[""].appendMethods(found, path, withSlash)
	x.mu.RUnlock()

	if slices.Contains(found, "GET") {
		found = append(found, "HEAD")
	}
	slices.Sort(found)
	return strings.Join(slices.Compact(found), ", ")
}

// appendMethods appends the methods of the patterns that go on from n and match
// path, or path and a slash. Each node stands at one depth, so a walk meets it
// once, however many wildcards there are.
func (n *node) appendMethods(found []string, path string, withSlash bool) []string {
	if n == nil {
		return found
	}
	if path == "" {
		found = append(found, n.ends...)
		if withSlash {
			found = n.appendMethods(found, "/", false)
		}
		return found
	}
	written, rest := cut(path)
	segment := unescape(written)
	found = n.literals[segment].appendMethods(found, rest, withSlash)
	if segment != "/" && segment != "" {
		found = n.single.appendMethods(found, rest, withSlash)
	}
	return append(found, n.subtrees...)
}

// cut cuts the first segment off a path, without its slash, or the slash alone
// if that is all there is.
func cut(path string) (segment, rest string) {
	if path == "/" {
		return path, ""
	}
	path = path[1:]
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// unescape resolves percent escapes, or returns a segment in which they are
// broken as it is.
func unescape(segment string) string {
	if unescaped, err := url.PathUnescape(segment); err == nil {
		return unescaped
	}
	return segment
}
