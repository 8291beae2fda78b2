package routing

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// otherSyntaxes are patterns in the syntax of other routers, or with mistakes
// that ServeMux accepts, and what the error must contain.
var otherSyntaxes = []struct{ pattern, want string }{
	{"/users/:id", `":id" is a parameter in gin, echo and httprouter, but here it matches only itself; write "{id}", or "%3Aid"`},
	{"GET /users/:user_id/posts", `write "{user_id}"`},
	{"/:id.json", `write "{id}"`},
	{"/:id?", `write "{id}"`},
	{"/:id<int>", `write "{id}"`},
	{"/api/*", `"*" matches the rest of the path in chi, gin and echo, but here it matches only itself; write "{path...}", or "%2A"`},
	{"/files/*path", `write "{path...}", or "%2Apath"`},
	{"/files/*filepath", `write "{filepath...}"`},
	{"/a/*/b", `write "{name}"`},
	{"/**", `write "{path...}"`},
	{"/*.html", `write "{path...}"`},
	{"GET example.com/*", `write "{path...}"`},
	{"/users/{id:[0-9]+}", `"{id:[0-9]+}" has a constraint, as in chi and gorilla/mux; write "{id}" and check the value`},
	{`/users/{id:\d{2,}}/x`, `write "{id}"`},
	{"/{path:[a-z/]+}/x", `"{path:[a-z/]+}" has a constraint`},
	{"/{path:.*}", `"{path:.*}" matches the rest of the path in chi and gorilla/mux; write "{path...}"`},
	{"/{path:.+}", `write "{path...}"`},
	{"/{file:path}", `write "{file...}"`},
	{"/{path:.*}/x", `write "{path}"`},
	{"/users/{id?}", `"{id?}" is an optional parameter in other routers; write "{id}", and register the path without it too`},
	{"/{*rest}", `write "{rest...}"`},
	{"/{rest*}", `write "{rest...}"`},
	{"/{id}.json", `"{id}.json" has a wildcard for a part of a segment, as in chi and gorilla/mux; write "{id}" and split the value`},
	{"/{from}-{to}", `write "{from}" and split the value`},
	{"/v{version}/x", `write "{version}"`},
	{"/<id>", `"<id>" is a parameter in Flask and Django, but here it matches only itself; write "{id}", or "%3Cid>"`},
	{"/<int:id>/x", `write "{id}"`},
	{"/<path:rest>", `write "{rest...}"`},
	{"/<rest..>", `write "{rest...}"`},

	{"get /x", `"get" is not a request method; write "GET /x"`},
	{"Get example.com/x", `write "GET example.com/x"`},
	{"patch\t/x", `write "PATCH /x"`},
	{"get", `write "GET"`},
	{"GET: /x", `write "GET /x"`},
	{"GET, /x", `write "GET /x"`},
	{"GET,POST /x", "a pattern can have only one method; register the handler once for each of GET, POST, or without a method for all methods"},
	{"GET|POST /x", "GET, POST"},
	{"get|post /x", "GET, POST"},
	{"GET/POST /x", "GET, POST"},
	{"GET, POST /x", "GET, POST"},
	{"GET POST /x", "GET, POST"},
	{"GET;PUT;PATCH /x", "GET, PUT, PATCH"},
	{"ANY /x", `"ANY" is not a request method; to match all methods, write "/x"`},
	{"* /x", `write "/x"`},
	{"all /x", `write "/x"`},
	{"GET/x", `"GET" is parsed as a host; write "GET /x"`},
	{"post/users/{id}", `write "POST /users/{id}"`},
	{"GET:/x", `write "GET /x"`},
	{" GET /x", `"GET " is parsed as a host; write "GET /x"`},

	{"localhost:8080/x", `port "8080" never matches, because ServeMux compares hosts without their port; write "localhost/x"`},
	{"GET example.com:443/x", `write "GET example.com/x"`},
	{"GET example.com:443", `port "443" never matches`},
	{"[::1]:8080/x", `write "::1/x"`},
	{":8080/x", `write "/x", and set the port in the server's address`},
	{"example.com:/x", `port "" never matches`},
	{"http://example.com/x", `a pattern cannot have a scheme or a port; write "example.com/x"`},
	{"GET https://example.com:8443/x", `write "GET example.com/x"`},
	{"*.example.com/x", `host "*.example.com" contains a wildcard, but only paths can`},
	{"users/{id}", `"users" is parsed as a host; write "/users/{id}" if it is part of the path, or "users./{id}" if it is a host`},
	{"GET users/{id}", `write "GET /users/{id}" if it is part of the path, or "GET users./{id}" if it is a host`},
	{"users", `a path must start with a slash; write "/users"`},
	{"GET users", `a path must start with a slash; write "GET /users"`},
	{"*", `a path must start with a slash; write "/{path...}"`},
	{"GET *", `write "GET /{path...}"`},

	{"/search?q={q}", "a pattern cannot have a query"},
	{"/page#top", "a pattern cannot have a query or a fragment"},
	{"GET /users ", "the path ends in white space"},
	{"GET /users\n", "the path ends in white space"},
	{"/users ", `the path ends in white space; write "/users"`},
	{"/my file.txt", `must not contain white space; write "/my%20file.txt"`},
	{"/users/{ id }", "remove it from wildcards"},
	{"./users", `"." is parsed as a host; write "/users"`},
	{"GET ../users", `write "GET /users"`},

	{"/users/{user-id}", `"{user-id}" is not a wildcard, because a name must be a Go identifier; write "{user_id}"`},
	{"GET /users/{user id}/x", `write "{user_id}"`},
	{"/users/{user.id}", `write "{user_id}"`},
	{"/users/{}", `write "{name}"`},
	{"/users/{1}", `write "{name}"`},
	{"/users/{id=5}", `write "{id}"`},
	{"/users/{id,int}/x", `write "{id}"`},
	{"/{proxy+}", `write "{proxy...}"`},
	{"/{+path}", `write "{path...}"`},
	{"/{...path}", `write "{path...}"`},
	{"/{path..}", `write "{path...}"`},
	{"/{path....}", `write "{path...}"`},
	{"/{the-path...}", `write "{the_path...}"`},
	{"/{...}", `write "{path...}"`},
	{"/<id:int>", `write "{id}"`},
	{"/<rest:path>", `write "{rest...}"`},
	{"/(?P<id>[0-9]+)/x", `is a regular expression in Django and Express, but here it matches only itself; write "{id}"`},
	{"/(.*)", `write "{path...}"`},
}

func TestOtherSyntaxSaysWhatToWriteInstead(t *testing.T) {
	t.Parallel()
	for _, tt := range otherSyntaxes {
		err := otherSyntax(tt.pattern)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %s", tt.pattern, err, tt.want)
		}
	}
}

// advice matches the patterns that an error suggests.
var advice = regexp.MustCompile(`(?:write|or) ("(?:[^"\\]|\\.)*")`)

func TestThePatternsThatErrorsSuggestAreAccepted(t *testing.T) {
	t.Parallel()
	for _, tt := range otherSyntaxes {
		for _, found := range advice.FindAllStringSubmatch(otherSyntax(tt.pattern).Error(), -1) {
			written, err := strconv.Unquote(found[1])
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(tt.pattern+written, "/") {
				continue // a pattern only in groups
			}
			if !strings.Contains(written, "/") {
				written = "/" + written // a segment
			}
			if err := otherSyntax(written); err != nil {
				t.Errorf("%q: the suggested %q is rejected too: %v", tt.pattern, written, err)
			}
			if err := checkPattern(written); err != nil {
				t.Errorf("%q: ServeMux rejects the suggested %q: %v", tt.pattern, written, err)
			}
		}
	}
}

func TestOtherSyntaxAcceptsPatternsOfServeMux(t *testing.T) {
	t.Parallel()
	for _, p := range []string{
		"/", "/{$}", "/x", "GET /x", "GET /x/", "POST\t/x", "GET  /x", "/x/{id}", "/x/{id}/{rest...}", "/{rest...}", "/{id}/{$}", "/{größe}", "",
		"GET", "example.com", "GET example.com", "LOCALHOST", "OPTIONS", " /x",
		"example.com/", "GET example.com/x", "localhost/x", "LocalHost/x", "[::1]/x", "::1/x", "[2001:db8::1]/x", "127.0.0.1/x", "intranet./x",
		"CONNECT example.com:443/x", "options.example.com/x", "get.example.com/",
		"LOCK /x", "M-SEARCH /x", "PURGE /x", "X-Y /x", "purge /x", "GETX /x", "PROPFIND example.com/x",
		"/v1/items:batch", "/v1/{id}/items:batchGet", "/a*b", "/a*", "/a:b/c:d", "/:", "/:9", "/::x", "/a<b>", "/<a", "/a>", "/$x", "/@user",
		"/[id]", "/(x)", "/x;v=1", "/a=b&c", "/a|b", "/a+b", "/~user", "/.well-known/x", "/my file", "/%3Aid", "/%2A", "/%3F", "/é",
		"/get/post", "/GET /x", "GET /post", "/http://x",
	} {
		if p == "/my file" || p == "/GET /x" {
			p = "GET " + p // a space would end the method
		}
		if err := otherSyntax(p); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
}

func TestOtherSyntaxInPrefixSaysWhatToWriteInstead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ prefix, want string }{
		{"", ""},
		{"/", ""},
		{"/api", ""},
		{"/api/", ""},
		{"/t/{tenant}", ""},
		{"/v1:beta", ""},
		{"/t/:tenant", `write "{tenant}"`},
		{"/:tenant/", `write "{tenant}"`},
		{"/t/{tenant:[a-z]+}/x", `write "{tenant}"`},
		{"/api/*", `a prefix covers all paths below it; remove "/*"`},
		{"/api/**/", `remove "/**"`},
		{"/*path", `write "{path}"`},
		{"/*/x", `write "{name}"`},
	} {
		switch err := otherSyntaxInPrefix(tt.prefix); {
		case tt.want == "" && err != nil:
			t.Errorf("%q: %v", tt.prefix, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%q: %v, want %s", tt.prefix, err, tt.want)
		}
	}
}

// FuzzOtherSyntax checks that no pattern makes otherSyntax panic, and that plain
// patterns are always accepted.
func FuzzOtherSyntax(f *testing.F) {
	for _, tt := range otherSyntaxes {
		f.Add(tt.pattern)
	}
	plain := regexp.MustCompile(`^(?:[A-Z-]+ )?(?:[a-z]+\.[a-z]+)?(?:/(?:[a-z][a-z0-9:*-]*|\{[a-z]+\}))*/?$`)
	f.Fuzz(func(t *testing.T, p string) {
		err := otherSyntax(p)
		method, _, _ := strings.Cut(p, " ")
		if err != nil && strings.HasPrefix(strings.TrimLeft(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ- "), "/") &&
			plain.MatchString(p) && method != "ANY" && method != "ALL" {
			t.Errorf("%q: %v", p, err)
		}
		_ = otherSyntaxInPrefix(p) // must not panic
	})
}
