package http

import (
	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/routing"
)

// A Group is a set of routes of a [Router] that share a path prefix and
// middleware. Groups are made by [Router.Group] and [Group.Group]. All methods
// are safe for concurrent use by multiple goroutines.
type Group struct {
	router *Router
	parent *Group  // nil: directly below the router
	prefix string  // in full, without a slash at its end
	layers []layer // this group's own middleware; router.mu guards it
}

// newGroup returns a group below parent or, if that is nil, below the router.
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

// Handle registers a handler for a pattern whose path is below the group's
// prefix: in the group "/api", "GET /users" is the pattern "GET /api/users",
// and "GET example.com/users" is "GET example.com/api/users". A pattern
// without a path, such as "GET" or "", names the prefix itself, here /api,
// while "/" names everything below it, /api/. It may be called while the
// router serves.
func (g *Group) Handle(pattern string, handler Handler) {
	g.router.register(g, g.prefix, pattern, handler)
}

// HandleFunc registers a function as the handler for a pattern; see
// [Group.Handle].
func (g *Group) HandleFunc(pattern string, handler func(ResponseWriter, *Request)) {
	g.router.register(g, g.prefix, pattern, HandlerFunc(handler))
}

// Use adds middleware that runs for every route of the group and of the groups
// inside it, after the middleware of the router and of outer groups, and in the
// order added. It covers routes that were registered before the call too, so
// that a guard which is added late leaves nothing open. It panics once the
// router has served a request or its server has started.
func (g *Group) Use(mw ...Middleware) { g.router.use(&g.layers, mw) }

// Group returns a group inside this one. Its prefix is put after this group's
// prefix; see [Router.Group].
func (g *Group) Group(prefix string) *Group { return newGroup(g.router, g, prefix) }

// ServeHTTP passes the request to the group's router, which serves all of its
// routes, and not only those of the group. With it a Group can be given to
// generated code that registers its routes on anything with the methods
// HandleFunc and ServeHTTP.
func (g *Group) ServeHTTP(w ResponseWriter, r *Request) { g.router.ServeHTTP(w, r) }
