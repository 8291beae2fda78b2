// Package routing is a [http.ServeMux] that leaves it to a function what to
// answer if no route matches.
//
// ServeMux answers such requests itself, in plain text, through the response
// writer that handlers use, so that its 404 and 405 cannot be told from theirs
// without a wrapper around every request. A [Mux] registers one pattern more,
// which matches whatever the others leave. One match then finds the route or
// the lack of one, handlers see the real response writer, and the redirects
// stay ServeMux's own, since it looks for them before it settles for a pattern
// that matches less exactly. The last pattern hides from ServeMux which methods
// the path has routes for; an [Index] knows.
//
// Routes without wildcards, which most requests of an application are for, are
// found without ServeMux. Requests that ServeMux would match in another way than
// this package promises are looked up with care: see [Mux.find].
package routing

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// A Mux is a [http.ServeMux] with its own answer to unmatched requests, which
// compares hosts without regard to case and to a dot at their end. Routes may be
// added while it serves.
type Mux struct {
	// serving is replaced once at most, when a route is registered that takes
	// the place of the fallback.
	serving atomic.Pointer[serving]
	// literals is nil from a registration to the next request.
	literals atomic.Pointer[literals]
	index    Index
	fallback *route // for requests that no other route matches
	refuse   func(w http.ResponseWriter, r *http.Request, allow string)

	hosts  atomic.Bool // a pattern has a host
	folded atomic.Bool // a pattern has a host that is not in the form of foldHost

	mu     sync.Mutex // held to change routes, and to make literals of them
	routes []*route
}

// serving is the ServeMux that requests go to.
type serving struct {
	*http.ServeMux
	// fallback is true while the pattern "/" is the Mux's own. It is false once
	// a registered route matches every request.
	fallback bool
}

// New returns a Mux without routes. For a request that no route matches it
// calls refuse; allow is "" if the path is unknown, and otherwise lists the
// methods that it has routes for, as in an Allow header.
func New(refuse func(w http.ResponseWriter, r *http.Request, allow string)) *Mux {
	m := &Mux{refuse: refuse}
	m.fallback = &route{path: "/", handler: http.HandlerFunc(m.unmatched)}
	mux := new(http.ServeMux)
	mux.Handle("/", m.fallback)
	m.serving.Store(&serving{mux, true})
	return m
}

// Register adds a route. If p is not a valid pattern it returns the error of
// [Check], and if p conflicts with a route that was added earlier, a
// [*pattern.ConflictError]. It may be called while the Mux serves.
func (m *Mux) Register(p string, handler http.Handler) error {
	if err := Check(p); err != nil {
		return err
	}
	added := newRoute(p, handler)
	m.mu.Lock()
	defer m.mu.Unlock()
	// Before the route can match.
	if added.host != "" {
		m.hosts.Store(true)
		m.folded.CompareAndSwap(false, added.folded != p)
	}
	if err := Register(m.serving.Load().ServeMux, added.folded, added); err != nil {
		if err = m.resolve(err, added); err != nil {
			return err
		}
	}
	m.routes = append(m.routes, added)
	m.literals.Store(nil)
	m.index.Add(added.folded)
	return nil
}

// resolve finds out why a route was refused. If nothing but the fallback
// conflicts with it, then it matches every request, and takes the place of the
// fallback.
func (m *Mux) resolve(refusal error, added *route) error {
	for _, other := range m.routes {
		if err := Conflict(added.folded, other.folded); err != nil {
			err.Other = other.pattern
			return err
		}
	}
	if !m.serving.Load().fallback {
		return refusal
	}
	mux := new(http.ServeMux)
	for _, r := range m.routes {
		mux.Handle(r.folded, r)
	}
	if err := Register(mux, added.folded, added); err != nil {
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
	switch route := known.find(r); {
	case route != nil:
		route.ServeHTTP(w, r)
	case r.RequestURI != "*" && m.needsCare(r):
		m.find(w, r)
	default:
		before := response.PatternOf(w, r)
		m.serving.Load().ServeHTTP(w, r)
		if r.Pattern != "" && response.PatternOf(w, r) == before {
			response.KeepPattern(w, r) // ServeMux redirected to the path of a route, which ends in a slash
		}
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
	host := r.URL.Host
	if r.Method != http.MethodConnect {
		host = withoutPort(r.Host)
	}
	m.refuse(w, r, m.index.Methods(foldHost(host), r.URL.EscapedPath()))
}

// A route is a registered handler with its pattern.
type route struct {
	pattern string // as it was registered; "" for the fallback
	folded  string // the pattern with its host in the form of foldHost
	method  string // "" for all
	start   string // the method and the white space after it
	host    string // as in folded
	path    string
	handler http.Handler

	once sync.Once
	mux  *http.ServeMux // with this route alone
}

// newRoute takes a valid pattern apart.
func newRoute(p string, handler http.Handler) *route {
	method, rest := Split(p)
	slash := strings.IndexByte(rest, '/')
	start, host := p[:len(p)-len(rest)], foldHost(rest[:slash])
	return &route{
		pattern: p,
		folded:  start + host + rest[slash:],
		method:  method,
		start:   start,
		host:    host,
		path:    rest[slash:],
		handler: handler,
	}
}

// ServeHTTP calls the handler. ServeMux has set the path values by then, and
// the pattern, but with the folded host.
func (rt *route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Pattern = rt.pattern
	rt.handler.ServeHTTP(w, r)
}

// serveAlone serves a request that is known to match the route: a ServeMux with
// the route's pattern but for the host sets the path values, whatever the
// request's host is.
func (rt *route) serveAlone(w http.ResponseWriter, r *http.Request) {
	rt.once.Do(func() {
		rt.mux = new(http.ServeMux)
		rt.mux.Handle(rt.start+rt.path, rt)
	})
	rt.mux.ServeHTTP(w, r)
}
