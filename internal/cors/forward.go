package cors

import (
	"context"
	"net/http"
)

type routesKey struct{}

// Forward returns a copy of a preflight for the chain of the route that would serve the
// actual request. A [Handler] in this chain always responds to it, even if other
// middleware has removed fields of the preflight, so it never reaches the handler of the
// route, which serves another method. methods are those of the routes that share the
// policy, or nil if they are not limited.
func Forward(r *http.Request, methods []string) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), routesKey{}, methods))
}

// isForwarded reports whether r comes from Forward.
func isForwarded(r *http.Request) bool {
	_, ok := r.Context().Value(routesKey{}).([]string)
	return ok
}

// routeMethods returns the argument of Forward, or nil.
func routeMethods(r *http.Request) []string {
	methods, _ := r.Context().Value(routesKey{}).([]string)
	return methods
}
