package routing

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// A Mount is the handler of the subtree below a prefix. It calls another handler with the
// prefix removed from the path of the request.
type Mount struct {
	prefix   string // without a slash at the end
	segments int    // of prefix
	names    []string
	isRouter bool
	handler  http.Handler

	// full contains the results of FullPattern by pattern. It is replaced, never changed.
	full atomic.Pointer[map[string]*string]
}

// NewMount returns a Mount for a prefix that [JoinPrefix] has returned. If isRouter is set,
// the handler is a Router. It then gets a request without a pattern, because a request that
// has one may take longer to route; see exactPaths.find.
func NewMount(prefix string, handler http.Handler, isRouter bool) *Mount {
	m := &Mount{prefix: prefix, segments: strings.Count(prefix, "/"), isRouter: isRouter, handler: handler}
	for segment := range strings.SplitSeq(prefix, "/") {
		if name, ok := wildcardName(segment); ok {
			m.names = append(m.names, name)
		}
	}
	return m
}

// mountedRequest is the memory that a Mount needs for a request.
type mountedRequest struct {
	request http.Request
	url     url.URL
	scope   reqstate.Scope
	mounted reqstate.Mounted

	outer         *reqstate.Scope
	outerPattern  *string
	outerRequests [2]*http.Request
}

// ServeHTTP calls the handler that m mounts.
func (m *Mount) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	turn := response.Enter(w, r)
	defer turn.End()
	state := turn.Writer.State()
	in := m.enter(state, turn.Request)
	in.outerRequests = [2]*http.Request{turn.Request, r}
	defer m.leave(state, in)
	m.handler.ServeHTTP(turn.Writer, &in.request)
	turn.Returned = true
}

// enter returns the request for the handler, and sets its scope in the state.
func (m *Mount) enter(state *reqstate.State, r *http.Request) *mountedRequest {
	in := &mountedRequest{request: *r, url: *r.URL, outer: state.Scope(), outerPattern: state.PatternPointer()}
	in.request.URL = &in.url
	prefix, path := cutSegments(in.url.Path, m.segments)
	rawPrefix := ""
	if in.url.RawPath = rawPath(r.URL); in.url.RawPath != "" {
		// An escaped slash is not the end of a segment.
		rawPrefix, in.url.RawPath = cutSegments(in.url.RawPath, m.segments)
		prefix, path = unescape(rawPrefix), unescape(in.url.RawPath)
	}
	in.url.Path = path
	if len(m.names) > 0 {
		keepPathValues(&in.request, m.names)
	}
	if m.isRouter {
		in.request.Pattern = ""
	}
	in.mounted = reqstate.Mounted{
		Outer: in.outer.MountedOf(), Mount: m,
		Prefix: prefix, RawPrefix: rawPrefix,
		Method: r.Method, Host: r.Host, Path: path, RawQuery: in.url.RawQuery,
	}
	in.scope = reqstate.Scope{WriteError: in.outer.ErrorWriter(), Mounted: &in.mounted}
	state.SetScope(&in.scope)
	return in
}

// leave restores the scope after the handler has returned or panicked. It copies the
// fields that the handler has set to the outer requests, as [reqstate.State.End] does.
func (m *Mount) leave(state *reqstate.State, in *mountedRequest) {
	pattern := &in.request.Pattern
	changed := *pattern != "" && *pattern != in.outerRequests[0].Pattern
	if in.request.Method == http.MethodConnect {
		changed = false // for a redirect, ServeMux sets it to the path, which clients choose
	}
	if changed && state.PatternPointer() == in.outerPattern {
		state.SetPattern(pattern) // a ServeMux is mounted, which does not set it
	}
	state.SetScope(in.outer)
	for _, outer := range in.outerRequests {
		if form := in.request.MultipartForm; form != nil {
			outer.MultipartForm = form
		}
		if changed {
			outer.Pattern = *m.FullPattern(pattern)
		}
	}
}

// keepPathValues makes the values of the wildcards with the given names independent of
// the request's pattern, so that they remain when a ServeMux that is mounted matches the
// request. A ServeMux without wildcards removes the pattern.
func keepPathValues(r *http.Request, names []string) {
	values := make([]string, len(names))
	for i, name := range names {
		values[i] = r.PathValue(name)
	}
	removePathValues(r)
	for i, name := range names {
		r.SetPathValue(name, values[i])
	}
}

// removePathValues removes the values of the wildcards of a request.
func removePathValues(r *http.Request) {
	pattern, target := r.Pattern, r.URL
	r.URL = &url.URL{Path: "/"}
	withoutWildcards.ServeHTTP(nil, r)
	r.Pattern, r.URL = pattern, target
}

// withoutWildcards matches every request, and does nothing.
var withoutWildcards = func() *http.ServeMux {
	mux := new(http.ServeMux)
	mux.Handle("/", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	return mux
}()

// maxFullPatterns limits the memory of a Mount whose handler sets patterns that clients
// choose.
const maxFullPatterns = 4096

// FullPattern implements [reqstate.Mount].
func (m *Mount) FullPattern(pattern *string) *string {
	known := m.full.Load()
	if known != nil {
		if full, ok := (*known)[*pattern]; ok {
			return full
		}
	}
	full := m.WithPrefix(*pattern)
	if known == nil {
		known = new(map[string]*string)
	}
	if len(*known) < maxFullPatterns {
		more := maps.Clone(*known)
		if more == nil {
			more = map[string]*string{}
		}
		more[*pattern] = &full
		m.full.Store(&more)
	}
	return &full
}

// WithPrefix returns a pattern with the prefix of the mount.
func (m *Mount) WithPrefix(pattern string) string {
	full, err := insertPrefix(m.prefix, pattern)
	if err != nil {
		return pattern // not a pattern of a ServeMux
	}
	return full
}

// Handler returns the handler that is mounted.
func (m *Mount) Handler() http.Handler { return m.handler }

// cutSegments cuts the first n segments off a path. The rest begins with a slash, or is
// "/" if there is none.
func cutSegments(path string, n int) (before, after string) {
	for i := range len(path) {
		if path[i] != '/' {
			continue
		}
		if n == 0 {
			return path[:i], path[i:]
		}
		n--
	}
	return path, "/"
}
