package http

import (
	"slices"

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
// even if their path begins with the group's prefix, unless [Group.NotFound] or
// [Group.MethodNotAllowed] sets a handler for them.
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

// With returns a group inside g, with g's prefix and the given middleware; see
// [Router.With].
func (g *Group) With(mw ...Middleware) *Group {
	return &Group{router: g.mustRouter(), parent: g, prefix: g.prefix, layers: layersOf(mw)}
}

// Mount passes all requests for paths below the group's prefix followed by the given
// prefix to a handler. Both prefixes are removed from the path. The middleware of the
// group runs before they are removed; see [Router.Mount].
func (g *Group) Mount(prefix string, handler Handler) {
	router := g.mustRouter()
	router.mount(g, g.prefix, prefix, handler)
}

// NotFound sets the handler for requests that match no route, if their path is the
// group's prefix or below it. For these paths, it replaces the handlers of the router and
// of groups with a shorter prefix. For example, an application can respond in HTML by
// default and in JSON below "/api". The middleware of the router and then that of the group
// runs before the handler. The group's middleware and the handler can read the values of
// wildcards in the prefix, but r.Pattern is empty; see [Router.NotFound].
//
// If a pattern ends with a slash or {name...}, and the part before it is shorter than the
// prefix, it does not count as a match. For example, if a site has the pattern
// "GET /{path...}", the handler of the group "/api" gets requests for unknown paths below
// "/api".
//
// NotFound panics if the handler is nil, the group's router, or a group of that router,
// or if another group with the same prefix has set a handler.
func (g *Group) NotFound(handler Handler) { g.setHook("NotFound", StatusNotFound, handler) }

// MethodNotAllowed sets the handler for requests that match a route except for their
// method, if their path is the group's prefix or below it. The Allow header is already
// set. The same rules apply as for [Group.NotFound]; see also [Router.MethodNotAllowed].
func (g *Group) MethodNotAllowed(handler Handler) {
	g.setHook("MethodNotAllowed", StatusMethodNotAllowed, handler)
}

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

// A groupHook is the handler of a group for unmatched requests.
type groupHook struct {
	status   int // 404 or 405
	endpoint *endpoint
}

// setHook sets the handler for unmatched requests below the prefix. name is the name of the
// exported method.
func (g *Group) setHook(name string, status int, handler Handler) {
	router := g.mustRouter()
	router.checkHook("Group."+name, handler)
	added := groupHook{status, &endpoint{group: g, pattern: g.prefix, registeredAt: callsite.Location(), handler: handler}}
	router.install(added.endpoint, func() { router.addHook(name, added) })
}

// addHook adds a hook, or replaces that of the same group. The caller holds rt.mu.
func (rt *Router) addHook(name string, added groupHook) {
	hooks := slices.Clone(rt.loadGroupHooks())
	same := func(h groupHook) bool {
		return h.status == added.status && h.endpoint.pattern == added.endpoint.pattern
	}
	if i := slices.IndexFunc(hooks, same); i >= 0 {
		if first := hooks[i].endpoint; first.group != added.endpoint.group {
			callsite.Panicf("Group.%s: another group with the prefix %q has set a handler (at %s)",
				name, added.endpoint.pattern, first.registeredAt)
		}
		hooks[i] = added
	} else {
		hooks = append(hooks, added)
	}
	slices.SortStableFunc(hooks, func(a, b groupHook) int {
		return routing.ComparePrefixes(a.endpoint.pattern, b.endpoint.pattern)
	})
	rt.groupHooks.Store(&hooks)
	if added.status == StatusNotFound {
		rt.lazyMux().Cover(added.endpoint.pattern)
	}
}

// loadGroupHooks returns the hooks of all groups.
func (rt *Router) loadGroupHooks() []groupHook {
	if hooks := rt.groupHooks.Load(); hooks != nil {
		return *hooks
	}
	return nil
}

// groupHookFor returns the handler of the group with the longest prefix that contains the
// path of an unmatched request, or nil. It sets the values of the wildcards in the prefix,
// which the middleware of the group may read.
func (rt *Router) groupHookFor(status int, r *Request) Handler {
	for _, hook := range rt.loadGroupHooks() {
		if hook.status == status && routing.IsBelow(hook.endpoint.pattern, r.URL.EscapedPath()) {
			routing.SetPathValues(hook.endpoint.pattern, r)
			return hook.endpoint.chain
		}
	}
	return nil
}
