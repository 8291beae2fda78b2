// Package dispatch is a [http.ServeMux] that leaves it to a function what to
// answer when no route matches.
//
// ServeMux answers such requests itself, in plain text, through the response
// writer that handlers use, so that its 404 and 405 cannot be told from theirs
// without a wrapper around every request. A [Mux] registers one pattern more,
// which matches whatever the others leave. One match then finds the route or
// the lack of one, handlers see the real response writer, and the redirects
// stay ServeMux's own, since it looks for them before it settles for a pattern
// that matches less exactly. What the last pattern hides from ServeMux is which
// methods the path has routes for; an [Index] knows.
//
// Routes without wildcards, which most requests of an application are for, are
// found without ServeMux.
package dispatch

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/stanza-go/framework/pkg/http/internal/capture"
	"github.com/stanza-go/framework/pkg/http/internal/pattern"
)

// A Mux is a [http.ServeMux] with its own answer to unmatched requests. Routes
// may be added while it serves.
type Mux struct {
	// serving is replaced once at most, when a route is registered that takes
	// the place of the fallback.
	serving atomic.Pointer[serving]
	// literals is nil from a registration to the next request.
	literals atomic.Pointer[literals]
	index    Index
	refuse   func(w http.ResponseWriter, r *http.Request, allow string)

	mu     sync.Mutex // held to change routes, and to make literals of them
	routes []route
}

// serving is the ServeMux that requests go to.
type serving struct {
	*http.ServeMux
	// fallback is true while the pattern "/" is the Mux's own. It is false once
	// a registered route matches every request.
	fallback bool
}

type route struct {
	method  string // "" for all
	pattern string // in full
	handler http.Handler
}

// New returns a Mux without routes. For a request that no route matches it
// calls refuse; allow is "" if the path is unknown, and otherwise lists the
// methods that it has routes for, as in an Allow header.
func New(refuse func(w http.ResponseWriter, r *http.Request, allow string)) *Mux {
	m := &Mux{refuse: refuse}
	mux := new(http.ServeMux)
	mux.HandleFunc("/", m.unmatched)
	m.serving.Store(&serving{mux, true})
	return m
}

// Register adds a route. If p is not a valid pattern it returns the error of
// [pattern.Check], and if p conflicts with a route that was added earlier, a
// [*pattern.ConflictError]. It may be called while the Mux serves.
func (m *Mux) Register(p string, handler http.Handler) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := pattern.Register(m.serving.Load().ServeMux, p, handler); err != nil {
		if err = m.resolve(err, p, handler); err != nil {
			return err
		}
	}
	method, _ := pattern.Split(p)
	m.routes = append(m.routes, route{method, p, handler})
	m.literals.Store(nil)
	m.index.Add(p)
	return nil
}

// resolve finds out why p was refused. If nothing but the fallback conflicts
// with p, then p matches every request, and the route takes the place of the
// fallback.
func (m *Mux) resolve(refusal error, p string, handler http.Handler) error {
	if err := pattern.Check(p); err != nil {
		return err
	}
	for _, r := range m.routes {
		if err := pattern.Conflict(p, r.pattern); err != nil {
			return err
		}
	}
	if !m.serving.Load().fallback {
		return refusal
	}
	mux := new(http.ServeMux)
	for _, r := range m.routes {
		mux.Handle(r.pattern, r.handler)
	}
	if err := pattern.Register(mux, p, handler); err != nil {
		return err
	}
	m.serving.Store(&serving{mux, false})
	return nil
}

// ServeHTTP calls the handler of the route that matches the request, redirects
// as ServeMux does, or has the request refused.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	known := m.literals.Load()
	if known == nil {
		known = m.collect()
	}
	if route := known.find(r); route != nil {
		r.Pattern = route.pattern
		route.handler.ServeHTTP(w, r)
		return
	}
	if r.Method == http.MethodConnect && r.URL.Path == "" && r.RequestURI != "*" {
		// The target is an authority. No pattern matches an empty path.
		m.unmatched(w, r)
		return
	}
	now, before := m.serving.Load(), capture.PatternOf(w, r)
	now.ServeHTTP(w, r)
	switch {
	case capture.PatternOf(w, r) != before:
		// A route has matched, or one of a router further in.
	case now.fallback && r.Pattern == "/":
		r.Pattern = "" // ServeMux redirected to a clean path that has no route
	case r.Pattern != "" && r.Method != http.MethodConnect: // for which the pattern is the path
		capture.KeepPattern(w, r) // ServeMux redirected to a path with a route
	}
}

// collect makes the literals of all routes that are registered by now.
func (m *Mux) collect() *literals {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.literals.Load()
	if known == nil {
		known = newLiterals(m.routes)
		m.literals.Store(known)
	}
	return known
}

// unmatched is the handler of the fallback.
func (m *Mux) unmatched(w http.ResponseWriter, r *http.Request) {
	r.Pattern = ""
	host := r.URL.Host
	if r.Method != http.MethodConnect {
		host = withoutPort(r.Host)
	}
	m.refuse(w, r, m.index.Methods(host, r.URL.EscapedPath()))
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
