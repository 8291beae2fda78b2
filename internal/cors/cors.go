// Package cors decides over cross-origin requests as the Fetch standard
// asks of servers (https://fetch.spec.whatwg.org/#http-cors-protocol). It is
// compiled once from a configuration that is checked then; the decisions
// themselves take time linear in the request's fields and one allocation.
//
// Three rules hold throughout:
//
//   - a response allows only what the configuration lists; the one value taken
//     from a request is an origin, and only after it was found in the list;
//   - a refusal looks the same whatever it was for: no field but Vary;
//   - every response lists in Vary what it depends on, so that a cache never
//     gives one origin the answer meant for another. If all origins are
//     allowed, every origin gets the same answer and Origin is not listed.
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

// The fields that an answer to OPTIONS depends on, as one line of Vary: those of
// a preflight that decide what is allowed, and those that tell a preflight from
// another request.
const (
	varyPreflight = fieldRequestMethod + ", " + fieldRequestHeaders
	varyOrigin    = fieldOrigin + ", " + varyPreflight
)

// A Policy answers preflights and opens other responses to the origins that it
// allows. It does not change and is safe for concurrent use.
type Policy struct {
	origins *origin.AllowList

	methods   []string
	anyMethod bool
	headers   []string
	anyHeader bool
	// authorization says that Authorization is listed, which anyHeader does
	// not take in.
	authorization bool
	// maxRequested bounds the field lines in which a preflight may ask for
	// headers: room for all of them twice, and some white space.
	maxRequested int

	// Further fields of an allowed response, in an answer to a preflight and in
	// any other.
	preflight []response.Field
	actual    []response.Field
}

// maxFields is the largest number of fields that a response gets.
const maxFields = 6

// A Handler answers preflights by a Policy and passes other requests to Next,
// with the response opened to the origins that the Policy allows.
type Handler struct {
	Policy *Policy
	Next   http.Handler
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if IsPreflight(r) {
		h.Policy.ServePreflight(w, r)
		return
	}
	h.Policy.Open(w, r)
	h.Next.ServeHTTP(w, r)
}

// IsPreflight reports whether r is a CORS preflight: OPTIONS with both Origin
// and Access-Control-Request-Method. Other OPTIONS requests are the handler's.
func IsPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions &&
		len(r.Header[fieldOrigin]) > 0 && len(r.Header[fieldRequestMethod]) > 0
}

// ServePreflight answers a preflight with 204, and with what is allowed if that
// covers what the request asks for.
func (p *Policy) ServePreflight(w http.ResponseWriter, r *http.Request) {
	allowOrigin := p.allowOrigin(r)
	if allowOrigin == "" || !p.allowsMethod(r.Header[fieldRequestMethod]) || !p.allowsHeaders(r.Header[fieldRequestHeaders]) {
		p.setHeaders(w, r, "", nil)
	} else {
		p.setHeaders(w, r, allowOrigin, p.preflight)
	}
	w.WriteHeader(http.StatusNoContent)
}

// Open lets the requesting page read the response if its origin is allowed. It
// only sets fields, and must be called before the handler.
func (p *Policy) Open(w http.ResponseWriter, r *http.Request) {
	p.setHeaders(w, r, p.allowOrigin(r), p.actual)
}

// setHeaders sets Vary and, unless allowOrigin is "", the fields that allow the
// origin.
func (p *Policy) setHeaders(w http.ResponseWriter, r *http.Request, allowOrigin string, further []response.Field) {
	fields := make([]response.Field, 0, maxFields)
	if vary := p.vary(w.Header(), r); vary != "" {
		fields = append(fields, response.Field{Name: "Vary", Value: vary})
	}
	if allowOrigin != "" {
		fields = append(fields, response.Field{Name: fieldAllowOrigin, Value: allowOrigin})
		fields = append(fields, further...)
	}
	response.SetHeaders(w, fields...)
}

// allowOrigin returns the value of Access-Control-Allow-Origin, or "" if the
// request's origin is not allowed. Where all are, the value does not depend on
// the request, since some caches do not heed Vary.
func (p *Policy) allowOrigin(r *http.Request) string {
	if p.origins.Any() {
		return "*"
	}
	// Browsers send the field once; of two, neither is to be believed.
	if lines := r.Header[fieldOrigin]; len(lines) == 1 && p.origins.Allows(lines[0]) {
		return lines[0]
	}
	return ""
}

// allowsMethod compares as browsers do, in the case that was sent.
func (p *Policy) allowsMethod(lines []string) bool {
	return p.anyMethod || len(lines) == 1 && slices.Contains(p.methods, lines[0])
}

// allowsHeaders reports whether all the header fields that a page wants to send
// are listed. Proxies may split the list into several lines. By the standard
// "*" leaves Authorization out, but not all browsers keep to that yet.
//
// A list that is much longer than a browser would send is refused.
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
	for name := range header.ListN(lines, size) { // an element takes a byte at least
		if !slices.ContainsFunc(p.headers, func(allowed string) bool { return header.EqualFold(allowed, name) }) {
			return false
		}
	}
	return true
}

// vary lists in Vary what the response depends on: the origin, unless all are
// allowed, and for OPTIONS the fields of a preflight. If h has no Vary, it
// returns the value that Vary needs, which is "" if the response depends on none
// of these.
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

// New compiles a configuration. If fields of it are wrong, New returns all of
// them and no Policy.
func New(c Config) (*Policy, callsite.FieldErrors) {
	if wrong := c.check(); len(wrong) > 0 {
		return nil, wrong
	}
	origins := new(origin.AllowList)
	for _, entry := range c.AllowOrigins {
		_ = origins.Add(entry) // checked above
	}
	methods := orDefault(c.AllowMethods, "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
	headers := orDefault(c.AllowHeaders, "Origin", "Content-Type", "Accept", "Authorization")
	p := &Policy{
		origins:       origins,
		methods:       methods,
		anyMethod:     slices.Contains(methods, "*"),
		headers:       headers,
		anyHeader:     slices.Contains(headers, "*"),
		authorization: slices.ContainsFunc(headers, func(name string) bool { return header.EqualFold(name, "Authorization") }),
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
		// A route for GET answers HEAD too. Browsers need not be told, since
		// HEAD is one of the methods that they always allow.
		p.methods = append(p.methods, http.MethodHead)
	}
	return p, nil
}

// orDefault returns a copy of values, or the defaults if there are none.
func orDefault(values []string, defaults ...string) []string {
	if len(values) == 0 {
		return defaults
	}
	return slices.Clone(values)
}

// maxAge returns how many seconds a browser may remember the answer to a
// preflight: a day unless something else was asked for.
func maxAge(seconds int) string {
	if seconds == 0 {
		seconds = 86400
	}
	return strconv.Itoa(max(seconds, 0))
}
