package http

import (
	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/routing"
)

// A Group is a set of routes of a [Router] that share a path prefix and
// middleware. Create a Group with [Router.Group] or [Group.Group]; the methods of
// a zero Group panic. All methods are safe for concurrent use by multiple
// goroutines.
type Group struct {
	router *Router
	parent *Group  // nil if the group is not inside another one
	prefix string  // including the prefixes of all parents, without a trailing slash
	layers []layer // this group's own middleware; guarded by router.mu
}

// newGroup returns a group inside parent, or a group of the router if parent is
// nil.
func newGroup(router *Router, parent *Group, prefix string) *Group {
	var above string
	if parent != nil {
		above = parent.prefix
	}
	full, err := routing.JoinPrefix(above, prefix)
	if err != nil {
		callsite.Panicf("group prefix %q: %v", above+prefix, err)
	}
	return &Group{router: router, parent: parent, prefix: full}
}

// Handle registers a handler for a pattern whose path is relative to the group's
// prefix. A pattern without a path matches the prefix itself. For example, in the
// group "/api",
//
//	"GET /users"            means  "GET /api/users"
//	"GET example.com/users" means  "GET example.com/api/users"
//	"GET"                   means  "GET /api"
//	""                      means  "/api"
//	"/"                     means  "/api/", which matches all paths below it
//
// Handle can be called while the router serves requests. It panics in the same
// cases as [Router.Handle].
func (g *Group) Handle(pattern string, handler Handler) {
	router := g.mustRouter()
	router.register(g, g.prefix, pattern, handler)
}

// HandleFunc registers a function as the handler for a pattern; see
// [Group.Handle].
func (g *Group) HandleFunc(pattern string, handler func(ResponseWriter, *Request)) {
	router := g.mustRouter()
	router.register(g, g.prefix, pattern, HandlerFunc(handler))
}

// Use adds middleware for all routes of the group and of the groups inside it.
// Middleware runs in the order added, after that of the router and of outer groups.
// The added middleware also applies to routes registered before the call, so calling
// Use late never leaves a route unprotected. It does not run for unmatched requests,
// even if their path begins with the group's prefix.
//
// Use panics if a middleware is nil, if the router has served a request, or if its
// [Server] has started.
//
// If the group has [CORS], the middleware before it also runs for preflights.
func (g *Group) Use(mw ...Middleware) {
	router := g.mustRouter()
	router.use(&g.layers, mw)
}

// Group returns a group inside g. The routes of the new group have g's prefix,
// followed by the given prefix; see [Router.Group].
func (g *Group) Group(prefix string) *Group { return newGroup(g.mustRouter(), g, prefix) }

// ServeHTTP passes the request to the group's router, which serves all of its
// routes, not only those of the group. It exists for code generators whose output
// registers routes on any value with the methods HandleFunc and ServeHTTP.
func (g *Group) ServeHTTP(w ResponseWriter, r *Request) { g.mustRouter().ServeHTTP(w, r) }

// mustRouter returns the group's router. It panics if the group was not created by a
// router.
func (g *Group) mustRouter() *Router {
	if g == nil || g.router == nil {
		callsite.Panicf("the Group has no Router; create groups with Router.Group")
	}
	return g.router
}
