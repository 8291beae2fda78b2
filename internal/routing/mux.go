// Package routing implements an [http.ServeMux] that passes unmatched requests
// to a function of the caller.
//
// ServeMux answers unmatched requests itself, in plain text, through the same
// ResponseWriter that handlers use, so its 404 and 405 responses cannot be
// distinguished from those of handlers without wrapping every ResponseWriter. A
// [Mux] instead registers one more pattern, the fallback "/", which matches every
// request that no other pattern matches. A single match then finds either the
// route or the fallback, handlers get the original ResponseWriter, and redirects
// remain ServeMux's own, because ServeMux looks for a redirect before it settles
// for a less specific pattern. Because the fallback matches all methods,
// ServeMux never responds with 405 itself; a methodIndex provides the Allow
// header instead.
//
// # How a request is matched
//
// An OPTIONS request is first passed to the function of HandleOptions, which may respond.
// Otherwise, a request is served in the first of these ways that applies:
//
//  1. exactPaths: if the path equals a pattern without wildcards, one map lookup
//     finds the route. Most requests for static paths end here.
//  2. serveInTwoSteps: if ServeMux would not treat the request as the root
//     package's Router documents, for example because its Host is EXAMPLE.com,
//     ServeMux finds the route for a normalized copy, and that route serves the
//     original request.
//  3. Otherwise ServeMux serves the request.
//
// In the last two cases, the result may be the fallback, which calls the
// function for unmatched requests. A cover may take the request from the fallback, or
// from another route that begins above the cover.
//
// # How a pattern is registered
//
// ServeMux parses and compares patterns. This package adds checks for patterns
// that are valid but most likely mistakes, such as those in the syntax of other
// routers (otherSyntax), and it explains conflicts with example requests
// (conflictBetween). Only public behavior of ServeMux is used: to find out
// whether two patterns conflict, both are registered with an empty ServeMux.
package routing

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// A Mux is an [http.ServeMux] that passes unmatched requests to a function. It
// compares hosts in their canonical form: without regard to case or a trailing
// dot. All methods are safe for concurrent use by multiple goroutines; routes
// may be registered while it serves.
type Mux struct {
	// current is replaced when a route is registered that matches every request and so
	// takes the place of the fallback, and when a mount becomes a cover.
	current atomic.Pointer[currentMux]
	// exact is nil between a registration and the next request.
	exact     atomic.Pointer[exactPaths]
	methods   methodIndex
	fallback  *route // for requests that no other route matches
	unmatched func(w http.ResponseWriter, r *http.Request, allow string)
	options   func(w http.ResponseWriter, r *http.Request) bool // or nil
	covers    atomic.Pointer[[]*cover]                          // the most specific first; replaced, never changed

	slash                atomic.Int32 // a SlashPolicy
	hasHosts             atomic.Bool  // a pattern has a host
	hasNoncanonicalHosts atomic.Bool  // a pattern has a host not in canonical form

	mu     sync.Mutex // held to change routes, and to build exact from them
	routes []*route
}

// A currentMux is the ServeMux that requests go to.
type currentMux struct {
	*http.ServeMux
	// hasFallback reports whether the pattern "/" is the Mux's own. It is false
	// once a registered route matches every request.
	hasFallback bool
}

// New returns a Mux without routes. It calls unmatched for each request that no
// route matches. allow is empty if no route matches the path either; otherwise
// it lists the methods of the routes that do, as in an Allow header. unmatched
// must be safe for concurrent use by multiple goroutines.
func New(unmatched func(w http.ResponseWriter, r *http.Request, allow string)) *Mux {
	m := &Mux{unmatched: unmatched}
	m.fallback = &route{mux: m, path: "/", rest: true, handler: http.HandlerFunc(m.serveUnmatched)}
	mux := new(http.ServeMux)
	mux.Handle("/", m.fallback)
	m.current.Store(&currentMux{mux, true})
	return m
}

// Register adds a route. It returns an error if pattern is not valid, and a
// [*ConflictError] if it conflicts with a route registered earlier.
func (m *Mux) Register(pattern string, handler http.Handler) error {
	if err := checkPattern(pattern); err != nil {
		return err
	}
	added := newRoute(m, pattern, handler)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.conflictWithCover(added); err != nil {
		return err
	}
	return m.register(added)
}

// register adds a route. The caller must hold m.mu.
func (m *Mux) register(added *route) error {
	// Set these before the route can match.
	if added.host != "" {
		m.hasHosts.Store(true)
		m.hasNoncanonicalHosts.CompareAndSwap(false, added.canonical != added.pattern)
	}
	err := tryHandle(m.current.Load().ServeMux, added.canonical, added)
	if err != nil && m.makeRoom(added) {
		err = tryHandle(m.current.Load().ServeMux, added.canonical, added)
	}
	if err != nil {
		if err = m.replaceFallback(added, err); err != nil {
			return err
		}
	}
	m.routes = append(m.routes, added)
	m.exact.Store(nil)
	m.methods.add(added.canonical)
	return nil
}

// replaceFallback registers added, which ServeMux rejected with the error
// refusal, if it conflicts only with the fallback: it then matches every request
// and takes the fallback's place. Otherwise replaceFallback returns the reason
// for the rejection. The caller must hold m.mu.
func (m *Mux) replaceFallback(added *route, refusal error) error {
	for _, other := range m.routes {
		if err := conflictBetween(added.canonical, other.canonical); err != nil {
			err.Other = other.pattern
			return err
		}
	}
	if !m.current.Load().hasFallback {
		return refusal
	}
	mux := new(http.ServeMux)
	for _, r := range m.routes {
		mux.Handle(r.canonical, r)
	}
	if err := tryHandle(mux, added.canonical, added); err != nil {
		return err
	}
	m.current.Store(&currentMux{mux, false})
	return nil
}

// ServeHTTP calls the handler of the route that matches the request, redirects
// as ServeMux does, or calls the function for unmatched requests.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodOptions && m.options != nil && m.options(w, r) {
		return
	}
	exact := m.exact.Load()
	if exact == nil {
		exact = m.buildExact()
	}
	switch route := exact.find(r); {
	case route != nil:
		route.ServeHTTP(w, r)
	case r.RequestURI != "*" && m.needsTwoSteps(r):
		m.serveInTwoSteps(w, r)
	case m.slash.Load() >= int32(SlashServe) && m.wantsSlash(r):
		m.serveWithoutSlash(w, r)
	default:
		state := response.StateOf(w, r)
		before := state.PatternPointer()
		m.current.Load().ServeHTTP(w, r)
		if r.Pattern != "" && state.PatternPointer() == before {
			// ServeMux redirected the request to a route by adding a slash.
			state.KeepPattern(r)
		}
	}
}

// buildExact builds m.exact from the routes registered so far.
func (m *Mux) buildExact() *exactPaths {
	m.mu.Lock()
	defer m.mu.Unlock()
	exact := m.exact.Load()
	if exact == nil {
		exact = newExactPaths(m.routes)
		m.exact.Store(exact)
	}
	return exact
}

// match returns the handler that ServeMux chooses for a request: a *route, or a redirect.
func (m *Mux) match(r *http.Request) http.Handler {
	handler, _ := m.current.Load().Handler(&http.Request{Method: r.Method, URL: r.URL, Host: canonicalHost(r.Host)})
	return handler
}

// serveUnmatched is the handler of the fallback.
func (m *Mux) serveUnmatched(w http.ResponseWriter, r *http.Request) {
	policy, host := SlashPolicy(m.slash.Load()), withoutPort(r.Host)
	if r.Method == http.MethodConnect {
		policy, host = SlashServeMux, r.URL.Host // no other policy applies
	}
	if policy.dropsSlash() && m.serveWithSlash(w, r, policy) {
		return
	}
	m.unmatched(w, r, m.uncovered(r, m.methods.allow(canonicalHost(host), r.URL.EscapedPath(), policy)))
}

// A route is a registered handler with its pattern.
type route struct {
	pattern   string // as registered; empty for the fallback
	canonical string // pattern with its host in canonical form
	method    string // empty if it matches all methods
	// methodPrefix is the method with the white space after it.
	methodPrefix string
	host         string // in canonical form
	path         string
	handler      http.Handler

	// These are for covers.
	mux     *Mux
	rest    bool     // the path ends with a slash or with {name...}
	above   []string // if rest is set, the segments before that
	mounted bool     // added by RegisterMount

	anyHostOnce sync.Once
	anyHost     *http.ServeMux // only this route, without its host
}

// newRoute returns the route of m with a valid pattern.
func newRoute(m *Mux, pattern string, handler http.Handler) *route {
	method, rest := SplitMethod(pattern)
	host, path := splitHost(rest)
	methodPrefix := pattern[:len(pattern)-len(rest)]
	host = canonicalHost(host)
	rt := &route{
		mux:          m,
		pattern:      pattern,
		canonical:    methodPrefix + host + path,
		method:       method,
		methodPrefix: methodPrefix,
		host:         host,
		path:         path,
		handler:      handler,
	}
	if rt.rest = strings.HasSuffix(path, "/") || isRest(path); rt.rest {
		rt.above = segmentsOf(path)
	}
	return rt
}

// ServeHTTP calls the handler. ServeMux has already set the path values, and
// the request's pattern to the canonical one.
func (rt *route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if rt.rest {
		if c := rt.mux.coverOf(rt, r); c != nil && (c.mount != nil || rt != rt.mux.fallback) {
			rt.mux.serveCovered(w, r, c)
			return
		}
	}
	r.Pattern = rt.pattern
	rt.handler.ServeHTTP(w, r)
}

// serveAnyHost serves a request that is known to match the route, whatever its
// Host. A ServeMux with only this route, without its host, sets the path values.
func (rt *route) serveAnyHost(w http.ResponseWriter, r *http.Request) {
	rt.anyHostOnce.Do(func() {
		rt.anyHost = new(http.ServeMux)
		rt.anyHost.Handle(rt.methodPrefix+rt.path, rt)
	})
	rt.anyHost.ServeHTTP(w, r)
}
