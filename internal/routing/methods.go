package routing

import (
	"net/url"
	"slices"
	"strings"
	"sync"
)

// A methodIndex finds the methods of the routes that match a path. They
// determine whether the status is 404 or 405, and the value of the Allow header.
// ServeMux computes the same for its own responses but does not export it.
//
// The zero value is an empty index. It is safe for concurrent use by multiple
// goroutines.
type methodIndex struct {
	mu    sync.RWMutex
	hosts map[string]*methodNode // the key is "" for patterns without a host
}

// A methodNode is a position between two segments of patterns. Its children are
// keyed as in ServeMux, where {$} and the segment %2F are both a literal "/".
type methodNode struct {
	literals       map[string]*methodNode // by unescaped segment
	wildcard       *methodNode            // for {name}
	methods        []string               // of the patterns that end here
	subtreeMethods []string               // of the patterns that end here with / or {name...}
}

// add adds a pattern that checkPattern accepts. A pattern without a method
// matches all methods and never causes a 405, so add ignores it.
func (x *methodIndex) add(pattern string) {
	method, rest := SplitMethod(pattern)
	if method == "" {
		return
	}
	host, path := splitHost(rest)

	x.mu.Lock()
	defer x.mu.Unlock()
	if x.hosts == nil {
		x.hosts = make(map[string]*methodNode)
	}
	n := x.hosts[host]
	if n == nil {
		n = new(methodNode)
		x.hosts[host] = n
	}
	for path != "" {
		var segment string
		if segment, path = cutSegment(path); segment == "/" || strings.HasSuffix(segment, "...}") {
			n.subtreeMethods = append(n.subtreeMethods, method)
			return
		}
		n = n.child(segment)
	}
	n.methods = append(n.methods, method)
}

// child returns the node after a segment of a pattern, and adds it if needed.
func (n *methodNode) child(segment string) *methodNode {
	literal := unescape(segment)
	switch {
	case segment == "{$}":
		literal = "/"
	case strings.HasPrefix(segment, "{"):
		if n.wildcard == nil {
			n.wildcard = new(methodNode)
		}
		return n.wildcard
	}
	next := n.literals[literal]
	if next == nil {
		if n.literals == nil {
			n.literals = make(map[string]*methodNode)
		}
		next = new(methodNode)
		n.literals[literal] = next
	}
	return next
}

// allow returns the methods of the patterns that match a host and an escaped
// path, as in an Allow header: sorted, and with HEAD if GET is one of them. It
// returns "" if no pattern matches. host must be in canonical form and without a
// port. Like ServeMux, allow includes patterns that match only if a slash is
// added to the path, unless the policy is SlashStrict. If it is SlashServe, allow
// includes patterns that match only if a slash is removed.
func (x *methodIndex) allow(host, path string, policy SlashPolicy) string {
	var few [8]string
	found := few[:0]
	withSlash := policy != SlashStrict && !strings.HasSuffix(path, "/")
	shorter, hasSlash := strings.CutSuffix(path, "/")

	x.mu.RLock()
	if host != "" {
		found = x.hosts[host].appendMethods(found, path, withSlash)
	}
	found = x.hosts[""].appendMethods(found, path, withSlash)
	if policy == SlashServe && hasSlash && shorter != "" {
		if host != "" {
			found = x.hosts[host].appendMethods(found, shorter, false)
		}
		found = x.hosts[""].appendMethods(found, shorter, false)
	}
	x.mu.RUnlock()

	if slices.Contains(found, "GET") {
		found = append(found, "HEAD")
	}
	slices.Sort(found)
	return strings.Join(slices.Compact(found), ", ")
}

// appendMethods appends the methods of the patterns below n that match path or,
// if withSlash is set, path with a slash added. The walk visits each node at
// most twice, however many wildcards there are: once for path, and once for the
// added slash. Each node has a fixed depth, so it is only compared with one
// segment.
func (n *methodNode) appendMethods(found []string, path string, withSlash bool) []string {
	if n == nil {
		return found
	}
	if path == "" {
		found = append(found, n.methods...)
		if withSlash {
			found = n.appendMethods(found, "/", false)
		}
		return found
	}
	escaped, rest := cutSegment(path)
	segment := unescape(escaped)
	found = n.literals[segment].appendMethods(found, rest, withSlash)
	if segment != "/" && segment != "" {
		found = n.wildcard.appendMethods(found, rest, withSlash)
	}
	return append(found, n.subtreeMethods...)
}

// cutSegment cuts the first segment, without its slash, off a path that starts
// with a slash. If path is "/", that slash is the segment.
func cutSegment(path string) (segment, rest string) {
	if path == "/" {
		return path, ""
	}
	path = path[1:]
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// unescape decodes percent escapes. It returns a segment with an invalid escape
// unchanged.
func unescape(segment string) string {
	if unescaped, err := url.PathUnescape(segment); err == nil {
		return unescaped
	}
	return segment
}
