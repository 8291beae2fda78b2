package routing

import (
	"net/http"
	"net/url"
	"strings"
)

// A Target is the route that would serve a request if it had another method.
type Target struct {
	route *route
	url   *url.URL // with a slash added or removed at the end of the path, or nil
}

// HandleOptions sets a function that is called for each OPTIONS request before its route
// is looked up. The function reports whether it has responded. HandleOptions must be
// called before the Mux serves.
func (m *Mux) HandleOptions(serve func(w http.ResponseWriter, r *http.Request) bool) {
	m.options = serve
}

// Lookup returns the route that would serve the request if it had the given method. ok is
// false if there is none, or if the request would be redirected.
func (m *Mux) Lookup(r *http.Request, method string) (t Target, ok bool) {
	if method == http.MethodConnect || r.RequestURI == "*" {
		return t, false
	}
	other := &http.Request{Method: method, URL: r.URL, Host: r.Host}
	if t.route = m.routeOf(other); t.route != nil || SlashPolicy(m.slash.Load()) != SlashServe || r.URL.Path == "/" {
		return t, t.route != nil
	}
	if endsInSlash(r.URL) {
		other = withoutSlash(other)
	} else {
		other = withSlash(other)
	}
	t = Target{m.routeOf(other), other.URL}
	return t, t.route != nil
}

// Methods returns the methods of the routes that match the path of the request, sorted and
// without duplicates. It does not include the routes that match all methods.
func (m *Mux) Methods(r *http.Request) []string {
	allow := m.methods.allow(canonicalHost(withoutPort(r.Host)), r.URL.EscapedPath(), SlashPolicy(m.slash.Load()))
	if allow == "" {
		return nil
	}
	return strings.Split(allow, ", ")
}

// Handler returns the handler that was registered.
func (t Target) Handler() http.Handler { return t.route.handler }

// Method returns the method of the route, or "" if it matches all methods.
func (t Target) Method() string { return t.route.method }

// Serve calls handler with the path values of the route, even if the request has another
// method. The request's pattern is left empty, because the route does not serve it. r must
// be a copy of the request that was passed to [Mux.Lookup].
func (t Target) Serve(w http.ResponseWriter, r *http.Request, handler http.Handler) {
	if t.url != nil {
		r.URL = t.url
	}
	mux := new(http.ServeMux)
	mux.HandleFunc(t.route.path, func(w http.ResponseWriter, r *http.Request) {
		r.Pattern = ""
		handler.ServeHTTP(w, r)
	})
	mux.ServeHTTP(w, r)
}
