package routing

import (
	"bytes"
	"net"
	"net/http"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// needsCare reports whether a request has to go through [Mux.find].
func (m *Mux) needsCare(r *http.Request) bool {
	path := r.URL.Path
	if r.URL.RawPath != "" {
		path = r.URL.EscapedPath()
	}
	return r.Method == http.MethodConnect ||
		path == "" || path[0] != '/' || strings.Contains(path, "//") || strings.Contains(path, "/.") ||
		m.hosts.Load() && (m.folded.Load() || !isFolded(r.Host))
}

// find serves a request like the ServeMux, but in two steps: it asks ServeMux
// for the route, which may be about a request that differs a little, and then
// has the route serve the real one. That is for
//
//   - hosts written with capitals or with a dot at their end. ServeMux compares
//     hosts byte by byte, so that the routes of a host would be skipped, and
//     their middleware with them;
//   - the method CONNECT, whose paths ServeMux does not clean. It then matches a
//     wildcard with an empty segment, without keeping a value for it, and the
//     values of the other wildcards shift;
//   - paths that are not clean, whose redirect must not tell the fallback's
//     pattern.
func (m *Mux) find(w http.ResponseWriter, r *http.Request) {
	now := m.serving.Load()
	asked := &http.Request{Method: r.Method, URL: r.URL, Host: foldHost(r.Host)}
	if r.Method == http.MethodConnect {
		if r.URL.Path == "" {
			// The target is an authority. No pattern matches an empty path.
			m.fallback.ServeHTTP(w, r)
			return
		}
		target := *r.URL
		target.Host = foldHost(target.Host)
		asked.URL = &target
		if path := target.EscapedPath(); strings.Contains(path, "//") {
			now = m.strict(now, path)
		}
	}
	switch handler, p := now.Handler(asked); handler := handler.(type) {
	case *route:
		handler.serveAlone(w, r)
	default: // a redirect, unless there is no pattern
		if p == "" {
			m.fallback.ServeHTTP(w, r)
			return
		}
		r.Pattern = m.registered(p)
		if r.Pattern != "" && r.Method != http.MethodConnect { // for which it is the path
			response.KeepPattern(w, r)
		}
		handler.ServeHTTP(w, r)
	}
}

// registered returns the pattern of a route as it was registered, given its
// folded form, or "" for that of the fallback. Anything else is returned as it
// is: for a redirected CONNECT, ServeMux gives the path.
func (m *Mux) registered(folded string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.routes {
		if r.folded == folded {
			return r.pattern
		}
	}
	if folded == m.fallback.path {
		return ""
	}
	return folded
}

// strict returns a ServeMux with those of the routes that match a path, or the
// path with a slash added, without matching a wildcard with an empty segment.
func (m *Mux) strict(now *serving, path string) *serving {
	m.mu.Lock()
	routes := m.routes[:len(m.routes):len(m.routes)]
	m.mu.Unlock()
	mux := new(http.ServeMux)
	for _, r := range routes {
		if matchesPath(r.path, path) || !strings.HasSuffix(path, "/") && matchesPath(r.path, path+"/") {
			mux.Handle(r.folded, r)
		}
	}
	if now.fallback {
		mux.Handle("/", m.fallback)
	}
	return &serving{mux, now.fallback}
}

// matchesPath reports whether the path of a pattern matches an escaped path, by the
// rules of ServeMux, except that no wildcard matches an empty segment.
func matchesPath(pattern, path string) bool {
	for pattern != "" && path != "" {
		var written, sent string
		if written, pattern = cut(pattern); written == "/" || strings.HasSuffix(written, "...}") {
			return true
		}
		sent, path = cut(path)
		segment := unescape(sent)
		switch {
		case written == "{$}":
			if segment != "/" {
				return false
			}
		case strings.HasPrefix(written, "{"):
			if segment == "" || segment == "/" {
				return false
			}
		case unescape(written) != segment:
			return false
		}
	}
	return pattern == path
}

// isFolded reports whether a host, with or without a port, is in the form that
// foldHost returns.
func isFolded(host string) bool {
	for i := range len(host) {
		switch c := host[i]; {
		case 'A' <= c && c <= 'Z':
			return false
		case c == '.' && (i == len(host)-1 || host[i+1] == ':'):
			return false
		}
	}
	return true
}

// foldHost returns a host, with or without a port, in the form in which hosts
// are compared: in lower case (RFC 3986, section 3.2.2), and without the dot at
// the end of the name, which only says that the name is complete.
func foldHost(host string) string {
	if isFolded(host) {
		return host
	}
	folded := []byte(host)
	for i, c := range folded {
		if 'A' <= c && c <= 'Z' {
			folded[i] = c + ('a' - 'A')
		}
	}
	if name, ok := bytes.CutSuffix(folded, []byte(".")); ok {
		return string(name)
	}
	return strings.Replace(string(folded), ".:", ":", 1)
}

// withoutPort returns a host as ServeMux compares it with those of patterns.
func withoutPort(hostport string) string {
	if !strings.Contains(hostport, ":") {
		return hostport
	}
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return hostport
	}
	return host
}
