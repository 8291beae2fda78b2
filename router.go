// Package http extends net/http with the parts that JSON APIs and single-page
// applications need: a router with groups and middleware, helpers for requests
// and responses, and a server that shuts down gracefully. It depends on the
// standard library only.
//
//	package main
//
//	import (
//		"context"
//		"log"
//
//		"github.com/stanza-go/framework/pkg/http"
//	)
//
//	func main() {
//		router := http.NewRouter()
//		router.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {
//			http.WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"})
//		})
//
//		users := router.Group("/api/users")
//		users.HandleFunc("POST", createUser)
//		users.HandleFunc("GET /{id}", getUser)
//
//		server := http.NewServer(router, http.WithAddr(":8080"))
//		if err := server.Run(context.Background()); err != nil {
//			log.Fatal(err)
//		}
//	}
//
//	func createUser(w http.ResponseWriter, r *http.Request) {
//		var user struct {
//			Name string `json:"name"`
//		}
//		if !http.BindJSON(w, r, &user) {
//			return // BindJSON has responded with the reason
//		}
//		http.WriteJSON(w, http.StatusCreated, user)
//	}
//
//	func getUser(w http.ResponseWriter, r *http.Request) {
//		id, ok := http.PathParamInt64(w, r, "id")
//		if !ok {
//			return
//		}
//		http.WriteJSON(w, http.StatusOK, map[string]int64{"id": id})
//	}
//
// The package also exports every name of net/http, so a file that uses net/http
// usually compiles once its import is changed. The types are aliases, except for
// [Server], which is this package's own type.
//
// # Routing
//
// A [Router] uses the pattern syntax of [ServeMux], for example
// "GET /users/{id}". The routes of a [Group] share a path prefix and
// [Middleware]; groups can be nested. Unmatched requests get a 404 or 405 with a
// JSON body. Registering an invalid or conflicting pattern panics with the file
// and line of the call. [Router.With] adds middleware to one route, and
// [Router.Mount] passes a subtree of paths to another handler, for example to another
// router.
//
// # Requests
//
//   - [PathParam] and [QueryParam] read parameters. [PathParamAs] and [QueryParamAs]
//     convert them to numbers, times, and other types, or respond with 400.
//   - [ParsePagination] and [QueryParamSort] read the parameters for paging and
//     sorting a list.
//   - [BindJSON] decodes a JSON body, or responds with 400 if it is invalid.
//     [BindJSONStrict] also rejects unknown fields. [BindQuery] and [BindForm] set the
//     fields of a struct. All of them call the Validate method of the value.
//   - [BindUpload] receives a file.
//   - [ClientIP] returns the client's address, even behind proxies.
//
// # Responses
//
//   - [WriteJSON], [PaginatedResponse], [WriteCSV] and [StreamCSV] write a response.
//   - [WriteError] writes an error for the client; [WriteServerError] also logs
//     the cause. [HandlerErrorFunc] does both for handlers that return errors.
//     [Router.ErrorForm] changes the form of all errors, for example to
//     [WriteProblem].
//
// # Middleware
//
// [Router.Use] and [Group.Use] add middleware, outermost first. Add the
// middleware that you need in this order:
//
//	router.Use(http.RequestID(http.RequestIDConfig{}))
//	router.Use(metrics.Middleware()) // metrics := http.NewMetrics()
//	router.Use(http.RequestLogger(logger))
//	router.Use(http.Compress(http.CompressConfig{}))
//	router.Use(http.ETag(http.ETagConfig{}))
//	router.Use(http.SecureHeaders(http.SecureHeadersConfig{}))
//	router.Use(http.MaxBody(2 << 20))
//	router.Use(http.CORS(corsConfig))
//	router.Use(http.Recovery(onPanic))
//
// Add [RateLimit] to the groups that need it, for example to the group of the
// login route; [RateLimiter] limits other events. [Throttle] limits how many requests a
// group handles at once, [Timeout] limits the time of its handlers, and [Streaming] lets
// streams of other packages continue. If the server is behind a CDN, add [TrustedProxies]
// first.
//
// # Live updates
//
// A [Feed] is a log of events that any number of clients follow, as server-sent events or
// over WebSocket. [Feeds] holds many of them, for example one for each user. [SSEWriter]
// sends events to a single client. [Upgrader] and [Dial] open WebSocket connections.
//
// # Serving
//
// A [Server] serves in the background and, when stopped, waits for the requests in
// progress. [Run] runs several servers, and [WithDrainDelay] and [ReadyHandler] let load
// balancers notice that a server stops. [Static] serves a single-page application from an
// embedded file system, and [PrometheusHandler] exports [Metrics].
package http

import (
	"cmp"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/cors"
	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
	"github.com/stanza-go/framework/pkg/http/internal/response"
	"github.com/stanza-go/framework/pkg/http/internal/routing"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/handshake"
)

// Middleware is a function that wraps a handler. The handler that it returns can
// act before and after it calls the next handler, or respond without calling it.
// The type is an alias, so functions of type func(Handler) Handler and slices of
// them need no conversion. For example, middleware written for other routers can
// be passed to [Router.Use].
//
// The router does not call the function for each request. It calls middleware
// added with [Router.Use] once, and middleware added with [Group.Use] once for
// each route of the group. State shared by routes therefore belongs outside the
// function. The function must not return nil. The handler that it returns must
// be safe for concurrent use by multiple goroutines.
type Middleware = func(Handler) Handler

// Chain combines middleware into one. The first is the outermost and sees each
// request first. With no arguments, Chain returns middleware that returns the
// handler unchanged. Chain panics if a middleware is nil.
func Chain(mw ...Middleware) Middleware {
	layers := layersOf(mw)
	return func(next Handler) Handler {
		if isNil(next) {
			callsite.Panicf("the middleware that Chain returned was called with a nil handler")
		}
		handler, order := wrap(layers, next, "")
		if order == (chainOrder{}) {
			return handler
		}
		return &chainHandler{Handler: handler, order: order}
	}
}

// A Route is a registered pattern as returned by [Router.Routes].
type Route struct {
	// Method is the request method, or empty if the route matches all methods.
	Method string
	// Path is the path with its wildcards, for example /users/{id}. If the
	// pattern has a host, Path begins with it.
	Path string
}

// A SlashPolicy decides how a [Router] treats a path that matches no route, but would
// match one if a slash were added or removed at its end. The zero value is the policy of
// ServeMux: a slash is added by a redirect, and is never removed. For example, if there
// are the routes "/docs/" and "/users",
//
//	              /docs                  /users/
//	ServeMux      redirect to /docs/     404
//	SlashRedirect redirect to /docs/     redirect to /users
//	SlashServe    as /docs/              as /users
//	SlashStrict   404                    404
//
// A route that matches the path as it is always takes precedence. For example, if the
// route "/" matches all paths, slashes are never removed.
type SlashPolicy int

// The policies for [Router.TrailingSlash].
const (
	// SlashRedirect redirects with status 307 to the path that matches.
	SlashRedirect SlashPolicy = iota + 1
	// SlashServe serves the request without a redirect. Handlers get the path that
	// matches.
	SlashServe
	// SlashStrict treats the path as unmatched.
	SlashStrict
)

// A Router is a [Handler] that passes each request to the handler registered for
// its method, host and path. It adds middleware, groups, and JSON errors to
// [ServeMux]. Patterns, precedence, conflicts, redirects,
// [net/http.Request.Pattern] and [net/http.Request.PathValue] work as in
// ServeMux, except for the differences described below.
//
// The zero value is a router without routes and is ready to use. A Router must
// not be copied after first use. All methods are safe for concurrent use by
// multiple goroutines. Handlers can be added while the router serves requests.
// Middleware must be added before [Server.Start], or before the first request if
// there is no Server.
//
// # Registration errors
//
// Registering a malformed or conflicting pattern or a nil handler panics, as does
// adding nil middleware. The message contains the file and line of the call.
//
// A Router also rejects patterns that ServeMux accepts but that would never match
// as intended, for example "/users/:id", "/api/*", "get /x", "GET|POST /x",
// "localhost:8080/x", "users/{id}" or "/a//b". The message then says what to write
// instead. To register a segment such as ":id" literally, percent-encode its first
// character: "/%3Aid" matches the path /:id.
//
// # Matching
//
// Matching differs from ServeMux in two cases:
//
//   - Hosts are compared without regard to case or a trailing dot. For example,
//     "example.com/" also matches the hosts "EXAMPLE.com" and "example.com.", so a
//     client cannot bypass a route and its middleware by spelling the host
//     differently.
//   - In CONNECT requests, whose paths are not cleaned, a wildcard does not
//     match an empty segment.
type Router struct {
	muxOnce sync.Once
	mux     *routing.Mux // of *endpoint; use lazyMux

	// chain is the router's middleware around mux. It is nil until the server
	// starts or the first request arrives.
	chain    atomic.Pointer[Handler]
	building sync.Mutex // held while own is built
	own      *Handler   // chain, before the routers inside it are built

	order      atomic.Pointer[chainOrder] // of the chain; nil until it is built
	routesCORS atomic.Bool                // a route or its group has CORS

	notFound         atomic.Pointer[Handler] // nil selects the default
	methodNotAllowed atomic.Pointer[Handler] // nil selects the default

	errorScope     atomic.Pointer[reqstate.Scope] // set by ErrorForm, or nil
	answersOptions atomic.Bool
	groupHooks     atomic.Pointer[[]groupHook] // in the order in which they are tried

	mu               sync.Mutex
	middlewareSealed bool        // building has started, so layers must not change
	layers           []layer     // the router's middleware
	endpoints        []*endpoint // in order of registration
}

// NewRouter returns a router without routes.
func NewRouter() *Router { return new(Router) }

// Handle registers a handler for a pattern of the form "[METHOD ][HOST]/[PATH]".
// The path can contain wildcards, as described in [ServeMux]. Handle can be called
// while the router serves requests. It panics if the pattern is invalid or
// conflicts with another one, or if the handler is nil, the router itself, or one
// of its groups; see [Router].
func (rt *Router) Handle(pattern string, handler Handler) {
	rt.register(nil, "", pattern, handler)
}

// HandleFunc registers a function as the handler for a pattern; see
// [Router.Handle].
func (rt *Router) HandleFunc(pattern string, handler func(ResponseWriter, *Request)) {
	rt.register(nil, "", pattern, HandlerFunc(handler))
}

// Use adds middleware for every request, including those that match no route or
// are redirected. The middleware applies to all routes, whether they are registered
// before or after the call. Middleware runs in the order added, before the
// middleware of groups.
//
// Use panics if a middleware is nil, if the router has served a request, or if its
// [Server] has started. If the router is mounted, that of the mounting router counts too.
func (rt *Router) Use(mw ...Middleware) {
	rt.mustNotBeNil()
	rt.use(&rt.layers, mw)
}

// Group returns a group of routes below a path prefix, for example "/api". The
// prefix can contain wildcards. A trailing slash is ignored. If the prefix is "" or
// "/", the routes of the group share only middleware. Group can be called while the
// router serves requests. It panics if the prefix is invalid.
func (rt *Router) Group(prefix string) *Group {
	rt.mustNotBeNil()
	return newGroup(rt, nil, prefix)
}

// NotFound sets the handler for requests that match no route. The default
// responds with status 404 and the body {"error":"not found"}. The handler must
// set the status, which is otherwise 200. The router's middleware runs before the
// handler. NotFound panics if the handler is nil, the router itself, or one of its
// groups.
//
// The function [NotFound] is the one from net/http and responds in plain text. To
// send the router's default response from a handler, for example if a record does
// not exist, call WriteError(w, StatusNotFound, "not found").
func (rt *Router) NotFound(handler Handler) {
	rt.mustNotBeNil()
	rt.setHook("NotFound", &rt.notFound, handler)
}

// MethodNotAllowed sets the handler for requests that match a route except for
// their method. The default responds with status 405 and the body
// {"error":"method not allowed"}. The handler must set the status, which is
// otherwise 200. The Allow header, which is required by RFC 9110, section 15.5.6,
// is already set. The router's middleware runs before the handler.
// MethodNotAllowed panics if the handler is nil, the router itself, or one of its
// groups.
func (rt *Router) MethodNotAllowed(handler Handler) {
	rt.mustNotBeNil()
	rt.setHook("MethodNotAllowed", &rt.methodNotAllowed, handler)
}

// With returns a group that has the given middleware and no prefix. Use it to add
// middleware to a single route, for example
//
//	router.With(auth).HandleFunc("DELETE /users/{id}", deleteUser)
//
// With can be called while the router serves requests. It panics if a middleware is
// nil.
func (rt *Router) With(mw ...Middleware) *Group {
	rt.mustNotBeNil()
	return &Group{router: rt, layers: layersOf(mw)}
}

// Mount passes all requests for paths below a prefix to a handler, with the prefix
// removed from the path of the URL. For example, if a handler is mounted at "/files",
// it gets a request for /files/a.txt with the path /a.txt. The route has the pattern
// "/files/" and matches all methods and hosts. As in [ServeMux], a request for /files
// is redirected to /files/. The prefix can contain wildcards, and a trailing slash is
// ignored. If the prefix is "" or "/", nothing is removed.
//
// The handler can be a [ServeMux], another Router, a router of another package, or a
// reverse proxy, for example. It gets the same request as from [StripPrefix], except for
// the following:
//
//   - If the handler redirects to the path of the request with a slash added or removed, or
//     to its clean form, the prefix is added to the Location. ServeMux, Router and other
//     routers send such redirects. All other Locations must already contain the prefix,
//     because they may point outside the mounted handler. A relative URL passed to
//     [Redirect] loses the prefix, because Redirect resolves it against the shortened path.
//     The link in the body that Redirect writes is adapted to the Location; other bodies
//     are not changed.
//   - In metrics and logs, the pattern of the mounted Router or ServeMux has the prefix,
//     for example "GET /files/{name}". In handlers, [net/http.Request.Pattern] is the
//     pattern without the prefix.
//   - The values of wildcards in the prefix are kept, even if the mounted handler is a
//     ServeMux, which matches the request again.
//
// Middleware of the mounting router and group runs before the prefix is removed. The
// Middleware functions of a mounted Router are called together with those of the mounting
// router, for example by [Server.Start], so a panic in one of them occurs there. If the
// mounting router is already serving when Mount is called, they are called at the first
// request to the mounted Router. If a mounted Router has no route for a request, it
// responds with its own handlers for NotFound and MethodNotAllowed.
//
// The handler takes precedence over routes that end with a slash or {name...} and match
// paths outside the prefix. For example, files can be mounted beside a site with the
// pattern "GET /{path...}". Routes below the prefix take precedence over the handler.
//
// Mount can be called while the router serves requests. It panics if the prefix is
// invalid, if its pattern conflicts with another one, or if the handler is nil, the
// router itself, or one of its groups.
func (rt *Router) Mount(prefix string, handler Handler) {
	rt.mustNotBeNil()
	rt.mount(nil, "", prefix, handler)
}

// ErrorForm sets the form of all error responses of this package, for example
//
//	router.ErrorForm(http.WriteProblem)
//
// The router calls write instead of writing the object {"error": message}:
//
//   - for its own responses with status 404 and 405,
//   - when a handler or middleware of the router calls [WriteError], or a function that
//     responds with an error, for example [BindJSON] or [WriteServerError],
//   - when middleware of this package rejects a request or recovers from a panic.
//
// Handlers and middleware of net/http, such as [FileServer] and [CrossOriginProtection],
// write their own errors.
//
// The Problem has a Status, a Title, and the message as its Detail. Extensions contains
// the other members of the default response, for example fields, or is nil. The headers
// that WriteError removes are already removed. write must write the status. If it calls
// WriteError, writes nothing, or panics before it has written anything, the response has
// the default form. Such a panic is logged.
//
// The form applies to the router's middleware and to everything inside it, including
// mounted routers that have no form of their own. It may not apply if other middleware
// wraps the ResponseWriter in a type without an Unwrap method, as [TimeoutHandler] does.
//
// ErrorForm can be called while the router serves requests. write must be safe for
// concurrent use by multiple goroutines. ErrorForm panics if write is nil.
func (rt *Router) ErrorForm(write func(ResponseWriter, Problem)) {
	rt.mustNotBeNil()
	if write == nil {
		callsite.Panicf("Router.ErrorForm: nil function")
	}
	rt.errorScope.Store(&reqstate.Scope{WriteError: func(w ResponseWriter, status int, message string, members map[string]any) {
		write(w, Problem{Title: StatusText(status), Status: status, Detail: message, Extensions: members})
	}})
}

// TrailingSlash sets the policy for slashes at the end of paths. It does not apply to
// CONNECT requests, and paths that are not clean are first redirected to their clean form.
// SlashServe and SlashStrict make the router look up a path twice, unless it equals a
// pattern without wildcards. TrailingSlash can be called while the router serves requests.
// It panics if the policy is unknown.
func (rt *Router) TrailingSlash(policy SlashPolicy) {
	rt.mustNotBeNil()
	if policy < 0 || policy > SlashStrict {
		callsite.Panicf("Router.TrailingSlash: unknown policy %d", policy)
	}
	rt.lazyMux().SetSlashPolicy(routing.SlashPolicy(policy))
}

// AnswerOptions makes the router respond to OPTIONS requests for paths that have routes,
// but none for OPTIONS. The response has status 204 and an Allow header with the methods
// of the routes and OPTIONS (RFC 9110, section 9.3.7). By default, the status is 405. A
// route without a method receives OPTIONS requests itself, and [CORS] responds to
// preflights. The router's middleware runs for these requests, but that of groups does not.
// AnswerOptions can be called while the router serves requests.
func (rt *Router) AnswerOptions() {
	rt.mustNotBeNil()
	rt.answersOptions.Store(true)
}

// Routes returns all registered routes, including those of groups, with their
// full paths. They are sorted by path and then by method. If a Router is mounted, its
// routes are included with the prefix, in addition to the route of the mount itself. The
// routes of other mounted handlers are not included.
func (rt *Router) Routes() []Route {
	rt.mustNotBeNil()
	patterns := rt.patternsInside(nil)
	routes := make([]Route, len(patterns))
	for i, pattern := range patterns {
		routes[i].Method, routes[i].Path = routing.SplitMethod(pattern)
	}
	slices.SortFunc(routes, func(a, b Route) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Method, b.Method))
	})
	return slices.Compact(routes)
}

// patternsInside returns the patterns of the router and of the routers that are mounted in
// it. outer are the routers around, which may also be mounted in it.
func (rt *Router) patternsInside(outer []*Router) []string {
	rt.mu.Lock()
	endpoints := rt.endpoints[:len(rt.endpoints):len(rt.endpoints)]
	rt.mu.Unlock()
	outer = append(outer, rt)
	patterns := make([]string, 0, len(endpoints))
	for _, endpoint := range endpoints {
		patterns = append(patterns, endpoint.pattern)
		mount, ok := endpoint.handler.(*routing.Mount)
		if inner := endpoint.router(); ok && inner != nil && !slices.Contains(outer, inner) {
			for _, pattern := range inner.patternsInside(outer) {
				patterns = append(patterns, mount.WithPrefix(pattern))
			}
		}
	}
	return patterns
}

// ServeHTTP passes the request through the router's middleware to the handler of
// the matching route.
func (rt *Router) ServeHTTP(w ResponseWriter, r *Request) {
	rt.mustNotBeNil()
	chain := rt.chain.Load()
	if chain == nil {
		chain = rt.build()
	}
	if scope := rt.errorScope.Load(); scope != nil {
		serveInScope(*chain, w, r, scope)
		return
	}
	(*chain).ServeHTTP(w, r)
}

// serveInScope calls the router's chain for a request whose errors have the form of scope.
func serveInScope(chain Handler, w ResponseWriter, r *Request, scope *reqstate.Scope) {
	turn := response.Enter(w, r)
	defer turn.End()
	state := turn.Writer.State()
	outer := state.Scope()
	if mounted := outer.MountedOf(); mounted != nil {
		scope = &reqstate.Scope{WriteError: scope.WriteError, Mounted: mounted}
	}
	state.SetScope(scope)
	defer state.SetScope(outer)
	chain.ServeHTTP(turn.Writer, turn.Request)
	turn.Returned = true
}

// mustNotBeNil panics with a message if rt is nil.
func (rt *Router) mustNotBeNil() {
	if rt == nil {
		callsite.Panicf("nil *Router; create a Router with NewRouter")
	}
}

// register adds a route. group is nil for routes outside of groups, and prefix is
// the prefix of the group.
func (rt *Router) register(group *Group, prefix, pattern string, handler Handler) {
	rt.mustNotBeNil()
	full, err := routing.JoinPattern(prefix, pattern)
	if err != nil {
		callsite.Panicf("pattern %q: %v", full, err)
	}
	switch {
	case isNil(handler):
		callsite.Panicf("pattern %q: nil handler", full)
	case routerOf(handler) == rt:
		callsite.Panicf("pattern %q: the handler is the router itself or one of its groups, so it would call itself forever;"+
			" the router already serves the routes of its groups", full)
	}
	added := &endpoint{group: group, pattern: full, registeredAt: callsite.Location(), handler: handler}
	rt.install(added, func() { rt.add(added) })
}

// mount adds the route of a mounted handler. group and above are those of register.
func (rt *Router) mount(group *Group, above, prefix string, handler Handler) {
	full, err := routing.JoinPrefix(above, prefix)
	switch {
	case err != nil:
		callsite.Panicf("mount prefix %q: %v", above+prefix, err)
	case isNil(handler):
		callsite.Panicf("mount prefix %q: nil handler", full)
	case routerOf(handler) == rt:
		callsite.Panicf("mount prefix %q: the handler is the router itself or one of its groups;"+
			" the router already serves the routes of its groups", full)
	}
	rt.register(group, "", full+"/", routing.NewMount(full, handler, routerOf(handler) != nil))
}

// install adds an endpoint by calling add, which must not be called without rt.mu. If build
// has already started, it builds the chain of the endpoint first; otherwise, build will.
func (rt *Router) install(added *endpoint, add func()) {
	if rt.addUnbuilt(add) {
		return
	}
	added.build()
	rt.checkCORS(added)
	rt.mu.Lock()
	defer rt.mu.Unlock()
	add()
}

// addUnbuilt calls add, unless build has already started. It then returns false.
func (rt *Router) addUnbuilt(add func()) bool {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.middlewareSealed {
		return false
	}
	add()
	return true
}

// add adds an endpoint to the mux and the list. The caller holds rt.mu.
func (rt *Router) add(added *endpoint) {
	register := rt.lazyMux().Register
	if _, ok := added.handler.(*routing.Mount); ok {
		register = rt.lazyMux().RegisterMount
	}
	err := register(added.pattern, added)
	if err == nil {
		rt.endpoints = append(rt.endpoints, added)
		return
	}
	conflict, ok := err.(*routing.ConflictError)
	if !ok {
		callsite.Panicf("pattern %q: %v", added.pattern, err)
	}
	first := slices.IndexFunc(rt.endpoints, func(e *endpoint) bool { return e.pattern == conflict.Other })
	callsite.Panicf("pattern %q conflicts with pattern %q (registered at %s):\n%s",
		added.pattern, conflict.Other, rt.endpoints[first].registeredAt, conflict.Why)
}

// lazyMux returns rt.mux. It creates it on the first call.
func (rt *Router) lazyMux() *routing.Mux {
	rt.muxOnce.Do(func() {
		rt.mux = routing.New(rt.serveUnmatched)
		rt.mux.HandleOptions(rt.servePreflight)
	})
	return rt.mux
}

// use appends middleware to the layers of the router or of one of its groups.
func (rt *Router) use(layers *[]layer, mw []Middleware) {
	added := layersOf(mw)
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.middlewareSealed {
		callsite.Panicf("Use called after serving began; add middleware before Server.Start or the first request")
	}
	*layers = append(*layers, added...)
}

// setHook stores a handler for unmatched requests, which may be replaced while the
// router serves. name is the name of the exported method.
func (rt *Router) setHook(name string, hook *atomic.Pointer[Handler], handler Handler) {
	rt.checkHook("Router."+name, handler)
	hook.Store(&handler)
}

// checkHook panics if a handler for unmatched requests is nil or would call itself.
func (rt *Router) checkHook(name string, handler Handler) {
	switch {
	case isNil(handler):
		callsite.Panicf("%s: nil handler", name)
	case routerOf(handler) == rt:
		callsite.Panicf("%s: the handler is the router itself or one of its groups, so it would call itself forever", name)
	}
}

// build builds the chains of all endpoints and of the router, and those of the routers
// that are mounted in it. It returns the router's chain.
func (rt *Router) build() *Handler { return rt.buildInside(nil) }

// buildInside is build for a router that is mounted in the given ones. Routers may be
// mounted in each other, so it holds no lock while it builds another router.
func (rt *Router) buildInside(outer []*Router) *Handler {
	rt.mustNotBeNil()
	if chain := rt.chain.Load(); chain != nil {
		return chain
	}
	chain := rt.buildOwn()
	outer = append(outer, rt)
	for _, endpoint := range rt.allEndpoints() {
		if inner := endpoint.router(); inner != nil && !slices.Contains(outer, inner) {
			inner.buildInside(outer)
			inner.mustFitInside(rt.order.Load().around(endpoint.order), outer)
		}
	}
	rt.chain.Store(chain)
	return chain
}

// buildOwn builds the chains of a router without those of other routers. It does not hold
// rt.mu while it calls middleware, because middleware may call Routes or Handle.
func (rt *Router) buildOwn() *Handler {
	rt.building.Lock()
	defer rt.building.Unlock()
	if rt.own != nil {
		return rt.own
	}
	rt.sealMiddleware()
	endpoints := rt.allEndpoints()
	for _, endpoint := range endpoints {
		endpoint.build()
	}
	chain, order := wrap(rt.layers, rt.lazyMux(), "")
	rt.order.Store(&order)
	for _, endpoint := range endpoints {
		rt.checkCORS(endpoint)
	}
	rt.own = &chain
	return rt.own
}

// mustFitInside panics if the middleware of a router that has been built, or that of its
// routes, must not be inside middleware with the given order. outer are the routers around.
func (rt *Router) mustFitInside(order chainOrder, outer []*Router) {
	order.mustEnclose(*rt.order.Load())
	outer = append(outer, rt)
	for _, endpoint := range rt.allEndpoints() {
		order.mustEnclose(endpoint.order)
		if inner := endpoint.router(); inner != nil && inner.order.Load() != nil && !slices.Contains(outer, inner) {
			inner.mustFitInside(order, outer)
		}
	}
}

// sealMiddleware makes later calls to Use panic.
func (rt *Router) sealMiddleware() {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.middlewareSealed = true
}

// allEndpoints returns the endpoints registered so far, including those of the hooks of
// groups.
func (rt *Router) allEndpoints() []*endpoint {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	endpoints := slices.Clone(rt.endpoints)
	for _, hook := range rt.loadGroupHooks() {
		endpoints = append(endpoints, hook.endpoint)
	}
	return endpoints
}

// serveUnmatched responds to a request that no route matches. allow lists the
// methods of the routes that match its path.
func (rt *Router) serveUnmatched(w ResponseWriter, r *Request, allow string) {
	status, hook, message := StatusNotFound, &rt.notFound, "not found"
	if allow != "" {
		status, hook, message = StatusMethodNotAllowed, &rt.methodNotAllowed, "method not allowed"
		if rt.answersOptions.Load() {
			allow = withOptions(allow)
		}
		response.SetHeader(w, "Allow", allow)
		if r.Method == MethodOptions && rt.answersOptions.Load() {
			w.WriteHeader(StatusNoContent)
			return
		}
		if handshake.IsExtendedConnect(r) {
			refusal := handshake.RefuseExtendedConnect(r, status)
			logUpgrade(r, slog.LevelWarn, "websocket upgrade refused", refusal)
			message = refusal.Reason
		}
	}
	if handler := rt.groupHookFor(status, r); handler != nil {
		handler.ServeHTTP(w, r)
		return
	}
	if handler := hook.Load(); handler != nil {
		(*handler).ServeHTTP(w, r)
		return
	}
	WriteError(w, status, message)
}

// withOptions adds OPTIONS to the sorted methods of an Allow header.
func withOptions(allow string) string {
	methods := strings.Split(allow, ", ")
	if i, found := slices.BinarySearch(methods, MethodOptions); !found {
		methods = slices.Insert(methods, i, MethodOptions)
	}
	return strings.Join(methods, ", ")
}

// An endpoint is a registered handler with the middleware of its group around it.
type endpoint struct {
	group        *Group // nil if the route is outside of groups
	pattern      string // with the group's prefix
	registeredAt string // location of the call
	handler      Handler
	chain        Handler    // the middleware around handler; nil until build
	order        chainOrder // of chain; set by build
}

// router returns the router whose routes the endpoint serves, or nil.
func (e *endpoint) router() *Router {
	if mount, ok := e.handler.(*routing.Mount); ok {
		return routerOf(mount.Handler())
	}
	return routerOf(e.handler)
}

// build builds the chain from the middleware of the endpoint's group and of all
// enclosing groups.
func (e *endpoint) build() {
	var layers []layer
	for group := e.group; group != nil; group = group.parent {
		layers = slices.Concat(group.layers, layers)
	}
	chain, order := wrap(layers, e.handler, e.registeredAt)
	e.chain, e.order = chain, order.around(orderOf(e.handler).at(e.registeredAt))
}

// ServeHTTP implements [Handler] for the mux.
func (e *endpoint) ServeHTTP(w ResponseWriter, r *Request) {
	// Outer middleware may hold an older copy of the request, which does not
	// have the pattern.
	response.SetPattern(w, r, &e.pattern)
	e.chain.ServeHTTP(w, r)
}

// servePreflight responds to a CORS preflight if CORS was added to the route that would
// serve the actual request, or to its group. It reports whether it has responded.
//
// It passes the preflight to the chain of the route, where the middleware before CORS sees
// it and CORS responds. If no route has the requested method, any other route of the path
// that has CORS rejects the preflight.
func (rt *Router) servePreflight(w ResponseWriter, r *Request) bool {
	if !rt.routesCORS.Load() || !cors.IsPreflight(r) {
		return false
	}
	methods := rt.mux.Methods(r)
	target, endpoint := rt.lookup(r, cors.RequestedMethod(r))
	if endpoint == nil {
		hasCORS := func(method string) bool {
			target, endpoint = rt.lookup(r, method)
			return endpoint != nil && endpoint.order.cors.policy != nil
		}
		if !slices.ContainsFunc(methods, hasCORS) {
			return false
		}
	}
	policy := endpoint.order.cors.policy
	if policy == nil {
		return rt.rejectPreflight(w, r)
	}
	if target.Method() == "" {
		methods = nil
	}
	methods = slices.DeleteFunc(methods, func(method string) bool {
		_, other := rt.lookup(r, method)
		return other == nil || other.order.cors.policy != policy
	})
	target.Serve(w, cors.Forward(r, methods), endpoint.chain)
	return true
}

// rejectPreflight rejects a preflight for a route without CORS if a route with CORS that
// matches all methods and more paths would respond to it and allow the actual request. It
// reports whether it has responded.
func (rt *Router) rejectPreflight(w ResponseWriter, r *Request) bool {
	target, endpoint := rt.lookup(r, MethodOptions)
	if endpoint == nil || endpoint.order.cors.policy == nil || target.Method() != "" {
		return false
	}
	cors.Reject(w, r)
	return true
}

// lookup returns the route that would serve a request with the given method, or nil.
func (rt *Router) lookup(r *Request, method string) (routing.Target, *endpoint) {
	target, ok := rt.mux.Lookup(r, method)
	if !ok {
		return target, nil
	}
	endpoint, _ := target.Handler().(*endpoint)
	return target, endpoint
}

// checkCORS panics if an endpoint that has been built has a CORS and the router another.
func (rt *Router) checkCORS(e *endpoint) {
	if e.order.cors.policy == nil {
		return
	}
	rt.routesCORS.Store(true)
	if outer := rt.order.Load(); outer != nil {
		outer.cors.mustBeOnly(e.order.cors)
	}
}

// A corsLayer is a CORS in a chain. The zero value means that there is none.
type corsLayer struct {
	policy  *cors.Policy
	addedAt string // location of the call
}

// mustBeOnly panics if both layers exist and have different policies. The inner one would
// never see a preflight, and the fields of both would be mixed in other responses.
func (outer corsLayer) mustBeOnly(inner corsLayer) {
	if outer.policy != nil && inner.policy != nil && outer.policy != inner.policy {
		callsite.PanicfAt(cmp.Or(inner.addedAt, outer.addedAt), "CORS is added to routes that already have another CORS, added at %s,"+
			" which would respond to all preflights; add each CORS to separate groups", outer.addedAt)
	}
}

// A layer is a middleware and the location of the call that added it.
type layer struct {
	apply   Middleware
	addedAt string
}

// layersOf returns the layers for the arguments of a call, and panics if any of them
// is nil.
func layersOf(mw []Middleware) []layer {
	addedAt := callsite.Location()
	layers := make([]layer, len(mw))
	var missing []string
	for i, apply := range mw {
		if apply == nil {
			missing = append(missing, strconv.Itoa(i+1))
		}
		layers[i] = layer{apply, addedAt}
	}
	switch len(missing) {
	case 0:
	case 1:
		callsite.PanicfAt(addedAt, "nil middleware (argument %s of %d)", missing[0], len(mw))
	default:
		callsite.PanicfAt(addedAt, "nil middleware (arguments %s of %d)", strings.Join(missing, ", "), len(mw))
	}
	return layers
}

// wrap wraps a handler in layers; the first layer is the outermost. It panics if a
// RateLimit comes before a TrustedProxies that it depends on, or if there are two
// different CORS. The returned order describes the layers without the handler.
// registeredAt is the location of the call that registered the handler, or empty.
func wrap(layers []layer, handler Handler, registeredAt string) (_ Handler, order chainOrder) {
	inside := orderOf(handler).at(registeredAt)
	for _, layer := range slices.Backward(layers) {
		next := handler
		if handler = layer.apply(next); isNil(handler) {
			callsite.PanicfAt(layer.addedAt, "the middleware added here returned a nil handler")
		}
		added := orderOf(handler).at(layer.addedAt)
		if added == (chainOrder{}) || handler == next { // comparable: orderOf knows the type
			continue
		}
		added.mustEnclose(inside)
		order, inside = added.around(order), added.around(inside)
	}
	return handler, order
}

// A chainHandler is the handler of a [Chain] that contains a RateLimit, a TrustedProxies
// or a CORS. It carries their order to the chain around it.
type chainHandler struct {
	Handler
	order chainOrder
}

// A chainOrder describes a part of a chain for two checks: that a RateLimit by address
// comes after the TrustedProxies that determine the address, and that a chain contains
// only one CORS. The zero value describes a part with none of them.
type chainOrder struct {
	trustsProxies bool
	limitedAt     string // location of the outermost RateLimit by address, or empty
	cors          corsLayer
}

// orderOf returns the order of a handler without the handlers inside it. It is
// zero for all handlers except those of RateLimit, TrustedProxies, CORS and Chain.
func orderOf(handler Handler) chainOrder {
	switch h := handler.(type) {
	case *rateLimitHandler:
		return chainOrder{limitedAt: h.byAddress}
	case *trustedProxiesHandler:
		return chainOrder{trustsProxies: true}
	case *cors.Handler:
		return chainOrder{cors: corsLayer{policy: h.Policy}}
	case *chainHandler:
		return h.order
	}
	return chainOrder{}
}

// at returns the order with the location of the call that added a CORS, unless it is known.
func (o chainOrder) at(location string) chainOrder {
	if o.cors.policy != nil && o.cors.addedAt == "" {
		o.cors.addedAt = location
	}
	return o
}

// mustEnclose panics if the part described by o must not enclose the part described
// by inside.
func (o chainOrder) mustEnclose(inside chainOrder) {
	if o.limitedAt != "" && inside.trustsProxies {
		callsite.PanicfAt(o.limitedAt, "RateLimit comes before TrustedProxies, so all clients behind a proxy would share one limit;"+
			" add TrustedProxies first")
	}
	o.cors.mustBeOnly(inside.cors)
}

// around returns the order of a part and the parts inside it together.
func (o chainOrder) around(inside chainOrder) chainOrder {
	return chainOrder{o.trustsProxies || inside.trustsProxies, cmp.Or(o.limitedAt, inside.limitedAt), cmp.Or(o.cors, inside.cors)}
}

// routerOf returns the router if a handler is a router or a group of one, and nil
// otherwise.
func routerOf(handler Handler) *Router {
	switch handler := handler.(type) {
	case *Router:
		return handler
	case *Group:
		return handler.mustRouter()
	}
	return nil
}

// isNil reports whether a handler cannot be called because it is a nil interface or
// contains a nil function, router or group.
func isNil(handler Handler) bool {
	switch h := handler.(type) {
	case nil:
		return true
	case HandlerFunc:
		return h == nil
	case HandlerErrorFunc:
		return h == nil
	case *Router:
		return h == nil
	case *Group:
		return h == nil
	}
	return false
}
