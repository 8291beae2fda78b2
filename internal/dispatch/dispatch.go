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
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/stanza-go/framework/pkg/http/internal/pattern"
)

// everything matches the same requests as "/". ServeMux skips the tab, which
// keeps the pattern apart from one that somebody registers.
const everything = "\t/"

// A Mux is a [http.ServeMux] with its own answer to unmatched requests. Routes
// may be added while it serves.
type Mux struct {
	// serving is replaced once at most, when a route is registered that takes
	// the place of everything.
	serving atomic.Pointer[http.ServeMux]
	// literals is nil from a registration to the next request.
	literals atomic.Pointer[literals]
	index    Index
	refuse   func(w http.ResponseWriter, r *http.Request, allow string)

	mu     sync.Mutex // held to change routes, and to make literals of them
	routes []route
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
	mux.HandleFunc(everything, m.unmatched)
	m.serving.Store(mux)
	return m
}

// Register adds a route, or returns the error of [pattern.Register]. It may be
// called while the Mux serves.
func (m *Mux) Register(p string, handler http.Handler) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := pattern.Register(m.serving.Load(), p, handler)
	var conflict *pattern.ConflictError
	if errors.As(err, &conflict) && conflict.Other == everything {
		err = m.displace(p, handler)
	}
	if err != nil {
		return err
	}
	method, _ := pattern.Split(p)
	m.routes = append(m.routes, route{method, p, handler})
	m.literals.Store(nil)
	m.index.Add(p)
	return nil
}

// displace adds a route that matches every request and so conflicts with
// everything alone: there is nothing left then for that to match.
func (m *Mux) displace(p string, handler http.Handler) error {
	mux := new(http.ServeMux)
	for _, r := range m.routes {
		mux.Handle(r.pattern, r.handler)
	}
	if err := pattern.Register(mux, p, handler); err != nil {
		return err
	}
	m.serving.Store(mux)
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
	m.serving.Load().ServeHTTP(w, r)
	if r.Pattern == everything {
		r.Pattern = "" // ServeMux redirected to a clean path that has no route
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

// unmatched is the handler of everything.
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
