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
//			return // the client has been told what is wrong
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
// The names of net/http are here too, as aliases where they are types: a file
// that imported net/http for its handlers compiles after changing only the
// import. [Server] is the one name that means something else.
//
// # Routing
//
// A [Router] takes the patterns of [ServeMux], such as "GET /users/{id}", and
// matches as that does. A [Group] shares a path prefix and [Middleware], and
// groups nest. What no route matches is answered in JSON, with status 404 or
// 405. A mistake in a registration panics at start-up and names its line.
//
// # Requests and responses
//
// [PathParam], [QueryParam] and their relatives read parameters,
// [ParsePagination] and [QueryParamSort] those of lists, [BindJSON] reads a
// body, and [ClientIP] finds the client behind proxies. [WriteJSON],
// [PaginatedResponse] and [WriteCSV] answer; [WriteError] and
// [WriteServerError] answer that something went wrong.
//
// # Middleware
//
// [Router.Use] and [Group.Use] add middleware, outermost first. This order lets
// each see what it needs of the others; leave out what you do not want:
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
// [RateLimit] is for the groups that need it, such as one for logging in.
//
// # Serving
//
// A [Server] starts without blocking, and stops when the requests under way are
// answered. [Static] serves a single-page application from an embedded file
// system, [Upgrader] and [Dial] speak WebSocket, [SSEWriter] streams events,
// and [PrometheusHandler] shows [Metrics] to a monitor.
package http

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/response"
	"github.com/stanza-go/framework/pkg/http/internal/routing"
)

// Middleware wraps a handler in another one that does something before, after or
// instead of it. It is an alias, so that functions and slices of
// func(Handler) Handler need no conversion, whether they come from this package
// or go to other routers.
//
// The router calls it once per route, before serving, not once per request.
// State that the routes are to share therefore belongs outside the function. It
// must not return nil.
type Middleware = func(Handler) Handler

// Chain composes middleware into one: the first is the outermost and sees a
// request first. With no arguments, Chain returns the handler unchanged. It
// panics if a middleware is nil.
func Chain(mw ...Middleware) Middleware {
	layers := layersOf(mw)
	return func(next Handler) Handler {
		if isNil(next) {
			callsite.Panicf("a chain of middleware around a nil handler")
		}
		handler, order := wrap(layers, next)
		if order == (proxyOrder{}) {
			return handler
		}
		return &chainHandler{Handler: handler, order: order}
	}
}

// A Route is one registered pattern, as [Router.Routes] lists it.
type Route struct {
	// Method is the request method, or empty if the route takes any.
	Method string
	// Path is the path with its wildcards, such as /users/{id}. The host
	// stands in front of it if the pattern has one.
	Path string
}

// A Router is a [Handler] that passes each request to the handler registered
// for its method, host and path. Patterns are those of [ServeMux], with the
// same precedence, conflicts, redirects, [net/http.Request.Pattern] and
// [net/http.Request.PathValue]; middleware, groups and JSON errors come on top.
//
// Three things differ from ServeMux:
//
//   - Hosts are compared without regard to case and to a dot at their end:
//     "example.com/" matches requests for EXAMPLE.com and example.com. too, so
//     that the middleware of a host is never skipped.
//   - Patterns that ServeMux takes but no request matches as intended are
//     refused, such as "/users/:id", "/api/*", "get /x", "GET,POST /x",
//     "localhost:8080/x", "users/{id}" and "/a//b". The message says what to
//     write instead. Where such a segment is meant literally, percent-encode its
//     first character: "/%3Aid" matches the path /:id.
//   - In a CONNECT request, whose path is not cleaned, no wildcard matches an
//     empty segment.
//
// A mistake at registration (a malformed or conflicting pattern, a nil handler
// or middleware) panics with a message that begins with the file and line of
// the call.
//
// The zero value is a router without routes. All methods are safe for concurrent
// use by multiple goroutines. Handlers may be added while the router serves.
// Middleware must be added before [Server.Start], or before the first request if
// there is no Server.
type Router struct {
	made sync.Once    // of mux
	mux  *routing.Mux // of *endpoint; see routed. mu guards registration

	// serving is the whole chain from the router's middleware to the mux. It
	// is nil until the server's start or the first request has built it.
	serving  atomic.Pointer[Handler]
	building sync.Mutex // held while it is built

	notFound         atomic.Pointer[Handler] // nil: the default
	methodNotAllowed atomic.Pointer[Handler] // nil: the default

	mu        sync.Mutex
	frozen    bool        // the chains are being built: layers change no more
	layers    []layer     // the router's middleware
	endpoints []*endpoint // in order of registration
}

// NewRouter returns a router without routes.
func NewRouter() *Router { return new(Router) }

// Handle registers a handler for a pattern: "[METHOD ][HOST]/[PATH]", with
// wildcards in the path, as described at [ServeMux]. It may be called while the
// router serves.
func (rt *Router) Handle(pattern string, handler Handler) {
	rt.register(nil, "", pattern, handler)
}

// HandleFunc registers a function as the handler for a pattern; see
// [Router.Handle].
func (rt *Router) HandleFunc(pattern string, handler func(ResponseWriter, *Request)) {
	rt.register(nil, "", pattern, HandlerFunc(handler))
}

// Use adds middleware that runs for every request, in the order added, before
// that of any group: for requests that no route matches and for redirects too,
// and for all routes, whether they were registered before or after. It panics
// once the router has served a request or its [Server] has started.
func (rt *Router) Use(mw ...Middleware) { rt.use(&rt.layers, mw) }

// Group returns a group of routes below a path prefix, such as "/api". The
// prefix may have wildcards. A slash at its end has no meaning, so that "" and
// "/" make a group which shares only middleware.
func (rt *Router) Group(prefix string) *Group { return newGroup(rt, nil, prefix) }

// NotFound sets the handler for requests that match no route. The default
// answers 404 with the body {"error":"not found"}. The handler must set the
// status itself. The router's middleware runs before it.
//
// The function [NotFound] is net/http's and answers in plain text. A handler that
// should answer as the router does by default, for example because a record does
// not exist, calls WriteError(w, StatusNotFound, "not found").
func (rt *Router) NotFound(handler Handler) { rt.setHook(&rt.notFound, handler) }

// MethodNotAllowed sets the handler for requests whose path has routes, but
// none for their method, in place of the default answer, status 405 with the
// body {"error":"method not allowed"}. The handler sets the status itself; the
// Allow header that RFC 9110, section 15.5.6 asks for is already set. The
// router's middleware runs before it.
func (rt *Router) MethodNotAllowed(handler Handler) { rt.setHook(&rt.methodNotAllowed, handler) }

// Routes lists the registered routes, those of groups with their full path,
// sorted by path and then by method.
func (rt *Router) Routes() []Route {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	routes := make([]Route, len(rt.endpoints))
	for i, endpoint := range rt.endpoints {
		routes[i].Method, routes[i].Path = routing.SplitMethod(endpoint.pattern)
	}
	slices.SortFunc(routes, func(a, b Route) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Method, b.Method))
	})
	return routes
}

// ServeHTTP passes the request through the router's middleware to the route
// that matches it.
func (rt *Router) ServeHTTP(w ResponseWriter, r *Request) {
	serving := rt.serving.Load()
	if serving == nil {
		serving = rt.build()
	}
	(*serving).ServeHTTP(w, r)
}

// register adds a route for a pattern as a user wrote it, below the prefix of
// a group or, if group is nil, to the router itself.
func (rt *Router) register(group *Group, prefix, written string, handler Handler) {
	full, err := routing.JoinPattern(prefix, written)
	if err != nil {
		callsite.Panicf("pattern %q: %v", full, err)
	}
	switch {
	case isNil(handler):
		callsite.Panicf("pattern %q: nil handler", full)
	case routerOf(handler) == rt:
		callsite.Panicf("pattern %q: the handler is the router itself or one of its groups, and would call itself for ever;"+
			" routes of a group need no Handle", full)
	}
	added := &endpoint{group: group, pattern: full, location: callsite.Location(), handler: handler}
	if rt.addUnbuilt(added) {
		return
	}
	added.build()
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.add(added)
}

// addUnbuilt adds a route that will be built with the others, and reports
// whether it did: once they have been it is too late.
func (rt *Router) addUnbuilt(added *endpoint) bool {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.frozen {
		return false
	}
	rt.add(added)
	return true
}

// routed returns the mux, which the first call makes.
func (rt *Router) routed() *routing.Mux {
	rt.made.Do(func() { rt.mux = routing.New(rt.refuse) })
	return rt.mux
}

// add puts a route into the mux and the list. The caller holds rt.mu.
func (rt *Router) add(added *endpoint) {
	err := rt.routed().Register(added.pattern, added)
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
		added.pattern, conflict.Other, rt.endpoints[first].location, conflict.Why)
}

// use appends middleware to the layers of the router or of a group.
func (rt *Router) use(layers *[]layer, mw []Middleware) {
	added := layersOf(mw)
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.frozen {
		callsite.Panicf("Use after the router began to serve: middleware is added before")
	}
	*layers = append(*layers, added...)
}

// build makes the chains of all routes and then that of the router, which it
// publishes and returns. It runs user code, so rt.mu is not held meanwhile: a
// middleware that is being applied may list the routes or add one.
func (rt *Router) build() *Handler {
	rt.building.Lock()
	defer rt.building.Unlock()
	if serving := rt.serving.Load(); serving != nil {
		return serving
	}
	for _, endpoint := range rt.freeze() {
		endpoint.build()
	}
	serving, _ := wrap(rt.layers, rt.routed())
	rt.serving.Store(&serving)
	return &serving
}

// freeze ends the time for Use and returns the routes registered so far.
func (rt *Router) freeze() []*endpoint {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.frozen = true
	return slices.Clone(rt.endpoints)
}

// refuse answers a request that no route matches; allow lists the methods of
// those that match its path.
func (rt *Router) refuse(w ResponseWriter, r *Request, allow string) {
	status, hook, message := StatusNotFound, &rt.notFound, "not found"
	if allow != "" {
		status, hook, message = StatusMethodNotAllowed, &rt.methodNotAllowed, "method not allowed"
		response.SetHeader(w, "Allow", allow)
	}
	if handler := hook.Load(); handler != nil {
		(*handler).ServeHTTP(w, r)
		return
	}
	WriteError(w, status, message)
}

// An endpoint is a registered handler with the middleware of its group around
// it.
type endpoint struct {
	group    *Group // nil: directly in the router
	pattern  string // in full
	location string // of the call that registered it
	handler  Handler
	chain    Handler // handler in its middleware, once built
}

// build puts the middleware of the endpoint's group and of all groups around it
// around the handler.
func (e *endpoint) build() {
	var layers []layer
	for group := e.group; group != nil; group = group.parent {
		layers = slices.Concat(group.layers, layers)
	}
	e.chain, _ = wrap(layers, e.handler)
}

// ServeHTTP is what the mux calls for a match.
func (e *endpoint) ServeHTTP(w ResponseWriter, r *Request) {
	// Middleware further out may hold an older copy of the request.
	response.SetPattern(w, r, &e.pattern)
	e.chain.ServeHTTP(w, r)
}

// A layer is a middleware and the location of the call that added it.
type layer struct {
	apply    Middleware
	location string
}

// layersOf checks middleware that the current call is given.
func layersOf(mw []Middleware) []layer {
	layers := make([]layer, len(mw))
	location := callsite.Location()
	for i, apply := range mw {
		if apply == nil {
			callsite.PanicfAt(location, "nil middleware (argument %d of %d)", i+1, len(mw))
		}
		layers[i] = layer{apply, location}
	}
	return layers
}

// wrap puts layers around a handler, the first of them outermost. It panics if a
// RateLimit comes before a TrustedProxies that it depends on. The order that it
// returns is of the layers, without the handler.
func wrap(layers []layer, handler Handler) (_ Handler, order proxyOrder) {
	inside := orderOf(handler)
	for _, layer := range slices.Backward(layers) {
		next := handler
		if handler = layer.apply(next); isNil(handler) {
			callsite.PanicfAt(layer.location, "the middleware added here returned a nil handler")
		}
		added := orderOf(handler)
		if added == (proxyOrder{}) || handler == next { // of types that can be compared
			continue
		}
		added.mustPrecede(inside)
		order, inside = added.around(order), added.around(inside)
	}
	return handler, order
}

// A chainHandler is the handler that a [Chain] with a RateLimit or a
// TrustedProxies makes. A chain around it learns from it that they are there.
type chainHandler struct {
	Handler
	order proxyOrder
}

// A proxyOrder is what a part of a chain must know to come in the right order
// with the others: a RateLimit by address after the TrustedProxies that say
// which address is the client's. The zero proxyOrder fits everywhere.
type proxyOrder struct {
	trusts  bool   // there is a TrustedProxies
	limited string // the location of the outermost RateLimit by address, or ""
}

// orderOf returns the order of a handler, apart from the handlers inside it. It
// is zero for handlers other than those of RateLimit, TrustedProxies and Chain.
func orderOf(handler Handler) proxyOrder {
	switch h := handler.(type) {
	case *rateLimitHandler:
		return proxyOrder{limited: h.byAddress}
	case *trustedProxiesHandler:
		return proxyOrder{trusts: true}
	case *chainHandler:
		return h.order
	}
	return proxyOrder{}
}

// mustPrecede panics if the part that o describes must not be around inside.
func (o proxyOrder) mustPrecede(inside proxyOrder) {
	if o.limited != "" && inside.trusts {
		callsite.PanicfAt(o.limited, "RateLimit comes before TrustedProxies, so that all clients of a proxy would share one limit;"+
			" add TrustedProxies first")
	}
}

// around returns the order of a part and what is inside it together.
func (o proxyOrder) around(inside proxyOrder) proxyOrder {
	return proxyOrder{o.trusts || inside.trusts, cmp.Or(o.limited, inside.limited)}
}

// setHook stores a handler that the dispatch of a running router may read.
func (rt *Router) setHook(hook *atomic.Pointer[Handler], handler Handler) {
	switch {
	case isNil(handler):
		callsite.Panicf("nil handler")
	case routerOf(handler) == rt:
		callsite.Panicf("the handler is the router itself or one of its groups, and would call itself for ever")
	}
	hook.Store(&handler)
}

// routerOf returns the router that a handler is, or is a group of, and nil for
// other handlers.
func routerOf(handler Handler) *Router {
	switch handler := handler.(type) {
	case *Router:
		return handler
	case *Group:
		return handler.router
	}
	return nil
}

// isNil reports whether a handler cannot be called: the nil interface, or a
// nil function in it.
func isNil(handler Handler) bool {
	f, ok := handler.(HandlerFunc)
	return handler == nil || ok && f == nil
}
