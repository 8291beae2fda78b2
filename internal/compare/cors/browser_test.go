package cors_test

import (
	nethttp "net/http"
	"net/http/httptest"
	"slices"
	"strings"
)

// A request is a request from a page, or a forged one from a client that is not
// a browser.
type request struct {
	origins     []string // values of the header Origin
	method      string
	headers     []string // values of Access-Control-Request-Headers
	credentials bool     // whether the page requests credentials mode "include"
}

// A verdict is a browser's decision after the responses.
type verdict struct {
	preflight bool // the request is allowed
	read      bool // the page may read the response
	exposed   bool // the page may also read the header X-Total
}

// judge sends the preflight and the request to handler, and evaluates the
// responses as the Fetch standard requires of browsers.
func judge(handler nethttp.Handler, r request) (v verdict) {
	ask := httptest.NewRequest(nethttp.MethodOptions, "/", nil)
	ask.Header["Origin"] = r.origins
	ask.Header["Access-Control-Request-Method"] = []string{r.method}
	if r.headers != nil {
		ask.Header["Access-Control-Request-Headers"] = r.headers
	}
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, ask)
	v.preflight = r.passesPreflight(rec)

	actual := httptest.NewRequest(r.method, "/", nil)
	actual.Header["Origin"] = r.origins
	rec = httptest.NewRecorder()
	handler.ServeHTTP(rec, actual)
	v.read = r.passesCheck(rec.Header())
	if v.read {
		exposed := list(rec.Header()["Access-Control-Expose-Headers"])
		v.exposed = slices.Contains(exposed, "x-total") || !r.credentials && slices.Contains(exposed, "*")
	}
	return v
}

// passesCheck implements https://fetch.spec.whatwg.org/#concept-cors-check.
func (r request) passesCheck(h nethttp.Header) bool {
	lines := h["Access-Control-Allow-Origin"]
	if len(lines) != 1 {
		return false
	}
	if lines[0] == "*" && !r.credentials {
		return true
	}
	if lines[0] != r.origins[0] {
		return false
	}
	return !r.credentials || slices.Equal(h["Access-Control-Allow-Credentials"], []string{"true"})
}

// passesPreflight implements step 7 of
// https://fetch.spec.whatwg.org/#cors-preflight-fetch.
func (r request) passesPreflight(rec *httptest.ResponseRecorder) bool {
	h := rec.Header()
	if !r.passesCheck(h) || rec.Code < 200 || rec.Code > 299 {
		return false
	}
	methods := h["Access-Control-Allow-Methods"]
	if !slices.Contains(split(methods), r.method) && !slices.Contains([]string{"GET", "HEAD", "POST"}, r.method) &&
		(r.credentials || !slices.Contains(split(methods), "*")) {
		return false
	}
	allowed := list(h["Access-Control-Allow-Headers"])
	for _, name := range list(r.headers) {
		if slices.Contains(allowed, name) {
			continue
		}
		if name == "authorization" || r.credentials || !slices.Contains(allowed, "*") {
			return false
		}
	}
	return true
}

// list returns the elements of a list in lowercase.
func list(lines []string) []string {
	return split([]string{strings.ToLower(strings.Join(lines, ","))})
}

// split returns the elements of a list.
func split(lines []string) (elements []string) {
	for element := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		if element = strings.Trim(element, " \t"); element != "" {
			elements = append(elements, element)
		}
	}
	return elements
}
