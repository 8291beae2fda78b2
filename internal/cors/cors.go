// Package cors implements the server side of the CORS protocol
// (https://fetch.spec.whatwg.org/#http-cors-protocol). A configuration is checked
// and compiled once. Each decision then takes time linear in the length of the
// request's header fields and makes one allocation.
//
// The package follows three rules:
//
//   - A response allows only what the configuration lists. The only value copied
//     from a request is its origin, after it was found in the list or accepted by
//     the configured function.
//   - All rejected preflights get the same response, with no header field except
//     Vary.
//   - Every response lists in Vary the request fields that it depends on, so that
//     a cache never sends one origin the response for another. If all origins are
//     allowed, all get the same response, and Vary does not list Origin.
package cors

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/header"
	"github.com/stanza-go/framework/pkg/http/internal/origin"
	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// The fields of the protocol, in canonical form.
const (
	fieldOrigin           = "Origin"
	fieldRequestMethod    = "Access-Control-Request-Method"
	fieldRequestHeaders   = "Access-Control-Request-Headers"
	fieldAllowOrigin      = "Access-Control-Allow-Origin"
	fieldAllowCredentials = "Access-Control-Allow-Credentials"
	fieldAllowMethods     = "Access-Control-Allow-Methods"
	fieldAllowHeaders     = "Access-Control-Allow-Headers"
	fieldExposeHeaders    = "Access-Control-Expose-Headers"
	fieldMaxAge           = "Access-Control-Max-Age"
)

// The values of Vary in responses to OPTIONS. Such a response depends on whether
// the request is a preflight, and on the fields of the preflight.
const (
	varyPreflight = fieldRequestMethod + ", " + fieldRequestHeaders
	varyOrigin    = fieldOrigin + ", " + varyPreflight
)

// A Handler responds to preflights and passes other requests to Next. If Policy
// allows the origin of a request, the response from Next has the header fields
// that let the page read it.
type Handler struct {
	Policy *Policy
	Next   http.Handler
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodOptions && (IsPreflight(r) || isForwarded(r)) {
		h.Policy.ServePreflight(w, r)
		return
	}
	h.Policy.SetHeaders(w, r)
	h.Next.ServeHTTP(w, r)
}

// A Policy decides which cross-origin requests are allowed. It is immutable and
// safe for concurrent use by multiple goroutines.
type Policy struct {
	origins *origin.AllowList
	// allowFunc decides about origins that are not in the list. It is nil if there
	// is no such function or the list contains all origins.
	allowFunc func(r *http.Request, origin string) bool

	methods   []string
	anyMethod bool
	// defaultMethods is true if the configuration lists no methods. Routes then
	// determine the methods of a forwarded preflight.
	defaultMethods bool
	headers        []string
	anyHeader      bool
	// authorization is true if Authorization is listed. A "*" does not include
	// it.
	authorization bool
	// maxRequested is the maximum total length of the lines of
	// Access-Control-Request-Headers. It is enough to list all allowed names
	// twice, with some white space.
	maxRequested int

	// The fields, besides Access-Control-Allow-Origin, of the response to an
	// allowed preflight and to any other allowed request.
	preflight []response.Field
	actual    []response.Field
}

// New compiles a configuration. If the configuration is invalid, New returns a nil
// Policy and all invalid fields.
func New(c Config) (*Policy, callsite.FieldErrors) {
	origins, wrong := c.check()
	if len(wrong) > 0 {
		return nil, wrong
	}
	methods := orDefault(c.AllowMethods, "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
	headers := orDefault(c.AllowHeaders, "Origin", "Content-Type", "Accept", "Authorization")
	p := &Policy{
		origins:        origins,
		allowFunc:      c.AllowOriginFunc,
		methods:        methods,
		anyMethod:      slices.Contains(methods, "*"),
		defaultMethods: len(c.AllowMethods) == 0,
		headers:        headers,
		anyHeader:      slices.Contains(headers, "*"),
		authorization:  slices.ContainsFunc(headers, func(name string) bool { return header.EqualFold(name, "Authorization") }),
	}
	allowHeaders := strings.Join(headers, ", ")
	p.maxRequested = 2*len(allowHeaders) + 64
	if c.AllowCredentials {
		p.actual = append(p.actual, response.Field{Name: fieldAllowCredentials, Value: "true"})
	}
	p.preflight = append(slices.Clone(p.actual),
		response.Field{Name: fieldAllowMethods, Value: strings.Join(methods, ", ")},
		response.Field{Name: fieldAllowHeaders, Value: allowHeaders},
		response.Field{Name: fieldMaxAge, Value: maxAge(c.MaxAge)})
	if len(c.ExposeHeaders) > 0 {
		p.actual = append(p.actual, response.Field{Name: fieldExposeHeaders, Value: strings.Join(c.ExposeHeaders, ", ")})
	}
	if slices.Contains(methods, http.MethodGet) {
		// A route for GET also handles HEAD. The response need not list HEAD,
		// because browsers always allow it.
		p.methods = append(p.methods, http.MethodHead)
	}
	return p, nil
}

// IsPreflight reports whether r is a CORS preflight: an OPTIONS request with both
// Origin and Access-Control-Request-Method.
func IsPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions &&
		len(r.Header[fieldOrigin]) > 0 && len(r.Header[fieldRequestMethod]) > 0
}

// RequestedMethod returns the method of the request that a preflight asks about. The
// preflight is rejected if it has more than one.
func RequestedMethod(r *http.Request) string { return r.Header[fieldRequestMethod][0] }

// ServePreflight responds to a preflight with status 204. If the origin, the method
// and all header fields of the request are allowed, the response has the fields
// that allow it.
func (p *Policy) ServePreflight(w http.ResponseWriter, r *http.Request) {
	allowOrigin := p.allowOrigin(r)
	methods, fields := p.forRoutes(r)
	if allowOrigin == "" || !p.allowsMethod(methods, r.Header[fieldRequestMethod]) || !p.allowsHeaders(r.Header[fieldRequestHeaders]) {
		p.setHeaders(w, r, "", nil)
	} else {
		p.setHeaders(w, r, allowOrigin, fields)
	}
	w.WriteHeader(http.StatusNoContent)
}

// Reject responds to a preflight for a resource that has no policy, as ServePreflight
// rejects others.
func Reject(w http.ResponseWriter, r *http.Request) {
	nothing := &Policy{origins: new(origin.AllowList)}
	nothing.setHeaders(w, r, "", nil)
	w.WriteHeader(http.StatusNoContent)
}

// forRoutes returns the allowed methods and the fields of the response to a preflight. If
// the configuration lists no methods, they are those of the routes, if known.
func (p *Policy) forRoutes(r *http.Request) (methods []string, fields []response.Field) {
	routes := routeMethods(r)
	if !p.defaultMethods || routes == nil {
		return p.methods, p.preflight
	}
	fields = slices.Clone(p.preflight)
	for i := range fields {
		if fields[i].Name == fieldAllowMethods {
			fields[i].Value = strings.Join(routes, ", ")
		}
	}
	return routes, fields
}

// SetHeaders sets the header fields that let the requesting page read the response,
// if its origin is allowed. It must be called before the handler.
func (p *Policy) SetHeaders(w http.ResponseWriter, r *http.Request) {
	p.setHeaders(w, r, p.allowOrigin(r), p.actual)
}

// maxFields is the maximum number of fields that setHeaders sets.
const maxFields = 6

// setHeaders sets Vary. If allowOrigin is not "", it also sets
// Access-Control-Allow-Origin to allowOrigin and sets the fields in further.
func (p *Policy) setHeaders(w http.ResponseWriter, r *http.Request, allowOrigin string, further []response.Field) {
	vary := p.vary(response.BorrowHeader(w), r)
	if allowOrigin == "" {
		if vary != "" {
			response.SetHeader(w, "Vary", vary)
		}
		return
	}
	fields := append(make([]response.Field, 0, maxFields), response.Field{Name: fieldAllowOrigin, Value: allowOrigin})
	if vary != "" {
		fields = append(fields, response.Field{Name: "Vary", Value: vary})
	}
	response.SetHeaders(w, append(fields, further...)...)
}

// allowOrigin returns the value of Access-Control-Allow-Origin, or "" if the origin
// of the request is not allowed. If all origins are allowed, the value does not
// depend on the request, because some caches ignore Vary.
func (p *Policy) allowOrigin(r *http.Request) string {
	if p.origins.Any() {
		return "*"
	}
	// Browsers send the field once. If it occurs more than once, trust none of the
	// values.
	lines := r.Header[fieldOrigin]
	if len(lines) == 1 && (p.origins.Allows(lines[0]) || p.allowFunc != nil && p.accepts(r, lines[0])) {
		return lines[0]
	}
	return ""
}

// accepts reports whether allowFunc allows an origin. It rejects "null" and values that
// browsers do not send without calling the function, which therefore needs no defense
// against values such as https://evil.example/.example.com.
func (p *Policy) accepts(r *http.Request, value string) bool {
	o, err := origin.Parse(value)
	return err == nil && o.IsCanonical(value) && p.allowFunc(r, value)
}

// allowsMethod reports whether the requested method is one of the given ones or any
// method is allowed. Like browsers, it compares methods case-sensitively.
func (p *Policy) allowsMethod(methods, lines []string) bool {
	return p.anyMethod || len(lines) == 1 && slices.Contains(methods, lines[0])
}

// allowsHeaders reports whether all header fields that the page wants to send are
// allowed. Proxies may split the list into several lines. allowsHeaders rejects a
// list that is much longer than any that a browser would send.
//
// According to the standard, "*" does not include Authorization. Some browsers do
// not enforce this, so allowsHeaders does.
func (p *Policy) allowsHeaders(lines []string) bool {
	if p.anyHeader {
		return !header.TooLong(lines) && (p.authorization || !header.HasToken(lines, "authorization"))
	}
	size := 0
	for _, line := range lines {
		size += len(line) + 1
	}
	if size > p.maxRequested {
		return false
	}
	for name := range header.ListN(lines, size) { // every element has at least one byte
		if !slices.ContainsFunc(p.headers, func(allowed string) bool { return header.EqualFold(allowed, name) }) {
			return false
		}
	}
	return true
}

// vary adds to Vary the request fields that the response depends on: Origin, unless
// all origins are allowed, and the fields of a preflight, if the method is OPTIONS.
// If h has no Vary field yet, vary does not change h; it returns the value to set,
// or "" if there is none.
func (p *Policy) vary(h http.Header, r *http.Request) string {
	options := r.Method == http.MethodOptions
	if len(h["Vary"]) > 0 {
		if !p.origins.Any() {
			header.AddVary(h, fieldOrigin)
		}
		if options {
			header.AddVary(h, fieldRequestMethod, fieldRequestHeaders)
		}
		return ""
	}
	switch {
	case options && p.origins.Any():
		return varyPreflight
	case options:
		return varyOrigin
	case !p.origins.Any():
		return fieldOrigin
	}
	return ""
}

// orDefault returns a copy of values, or defaults if values is empty.
func orDefault(values []string, defaults ...string) []string {
	if len(values) == 0 {
		return defaults
	}
	return slices.Clone(values)
}

// maxAge returns the value of Access-Control-Max-Age: 86400 if seconds is zero, and
// 0 if it is negative.
func maxAge(seconds int) string {
	if seconds == 0 {
		seconds = 86400
	}
	return strconv.Itoa(max(seconds, 0))
}
