package routing

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestInsertPrefixPutsThePrefixBeforeThePath(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ prefix, p, want string }{
		{"", "GET /users", "GET /users"},
		{"", "GET  example.com/", "GET  example.com/"},
		{"", " /", " /"},
		{"/api", "/users", "/api/users"},
		{"/api", "GET /users", "GET /api/users"},
		{"/api", "GET  /users", "GET  /api/users"},
		{"/api", "GET\t/users", "GET\t/api/users"},
		{"/api", "GET /a b", "GET /api/a b"},
		{"/api", "/", "/api/"},
		{"/api", "GET /{$}", "GET /api/{$}"},
		{"/api", "", "/api"},
		{"/api", "GET", "GET /api"},
		{"/api", "GET ", "GET /api"},
		{"/api", "M-SEARCH", "M-SEARCH /api"},
		{"/api", "X_1", "X_1 /api"},
		{"/api", "example.com/users", "example.com/api/users"},
		{"/api", "GET example.com/users", "GET example.com/api/users"},
		{"/api", "example.com", "example.com/api"},
		{"/api", "EXAMPLE.COM", "EXAMPLE.COM/api"},
		{"/api", "localhost", "localhost/api"},
		{"/api", "[::1]", "[::1]/api"},
		{"/api", "GET example.com", "GET example.com/api"},
		{"/api", "GET localhost/", "GET localhost/api/"},
		{"/{x...}", "/", "/{x...}/"}, // the mux rejects it later
	} {
		if got, err := insertPrefix(tt.prefix, tt.p); got != tt.want || err != nil {
			t.Errorf("insertPrefix(%q, %q) = %q, %v, want %q", tt.prefix, tt.p, got, err, tt.want)
		}
	}
}

func TestInsertPrefixRejectsLikelyTypos(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ prefix, p, want string }{
		{"", "", "empty pattern"},
		{"", " GET /users", `host "GET " contains white space`},
		{"/api", "GET GET\t/users", `host "GET\t" contains white space`},
		{"/api", "users", `"users" is neither a method nor a host; a path must start with a slash (group prefix "/api")`},
		{"/api", "GET users", `"users" is neither`},
		{"/api", "GET USERS", `"USERS" is neither`},
		{"/api", "get", `"get" is neither`},
		{"/api", "{id}", `"{id}" is neither`},
		{"/api", "{ID}", `"{ID}" is neither`},
		{"/api", "1X", `"1X" is neither`},
		{"/api", "GET example.com ", `"example.com " is neither`},
	} {
		if got, err := insertPrefix(tt.prefix, tt.p); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("insertPrefix(%q, %q) = %q, %v, want the error %q", tt.prefix, tt.p, got, err, tt.want)
		}
	}
}

func TestJoinPrefixDropsTheLastSlash(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ prefix, sub, want string }{
		{"", "", ""},
		{"", "/", ""},
		{"", "/api", "/api"},
		{"", "/api/", "/api"},
		{"/api", "", "/api"},
		{"/api", "/", "/api"},
		{"/api", "/v1/", "/api/v1"},
		{"/orgs/{org}", "/users/{user}", "/orgs/{org}/users/{user}"},
		{"", "/a%2Fb", "/a%2Fb"},
	} {
		if got, err := JoinPrefix(tt.prefix, tt.sub); got != tt.want || err != nil {
			t.Errorf("JoinPrefix(%q, %q) = %q, %v, want %q", tt.prefix, tt.sub, got, err, tt.want)
		}
	}
}

func TestJoinPrefixRejectsPrefixesThatNoPathCanFollow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ prefix, sub, want string }{
		{"", "api", "the prefix must start with a slash"},
		{"", "GET /api", "the prefix must start with a slash"},
		{"", "example.com/api", "the prefix must start with a slash"},
		{"", "/a b", "the prefix must not contain white space, a method or a host"},
		{"", "/a\tb", "the prefix must not contain white space, a method or a host"},
		{"", "/a/{x...}", "{...} wildcard not at end"},
		{"", "/{$}", "{$} not at end"},
		{"", "//", "unclean path"},
		{"", "/a//", "unclean path"},
		{"", "/a/../b", "unclean path"},
		{"", "/{", "bad wildcard segment"},
		{"/{id}", "/{id}", `duplicate wildcard name "id"`},
	} {
		if got, err := JoinPrefix(tt.prefix, tt.sub); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("JoinPrefix(%q, %q) = %q, %v, want the error %q", tt.prefix, tt.sub, got, err, tt.want)
		}
	}
}

func TestTryHandleSaysWhatIsWrongWithAPattern(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	for p, want := range map[string]string{
		"":              "http: invalid pattern",
		"/{":            "at offset 1: bad wildcard segment",
		"GET users":     "at offset 4: host/path missing /",
		"/a/{x}/b/{x}":  "at offset 9: duplicate wildcard name \"x\"",
		"GET //":        "non-CONNECT pattern with unclean path can never match",
		"B@D /":         "invalid method \"B@D\"",
		"GET {host}/":   "host contains '{'",
		"GET /{a...}/b": "{...} wildcard not at end",
	} {
		if err := tryHandle(mux, p, http.NotFoundHandler()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("tryHandle(%q): %v, want the error %q", p, err, want)
		}
		if err := checkPattern(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("checkPattern(%q): %v, want the error %q", p, err, want)
		}
	}
	if err := tryHandle(mux, "/", http.NotFoundHandler()); err != nil {
		t.Errorf("a rejected pattern changed the mux: %v", err)
	}
}

func TestConflictsAreExplainedWithRequests(t *testing.T) {
	t.Parallel()
	const same, some = "both match the same requests", "both match some requests, and neither is more specific"
	const add = "\nadd a method to pattern \"/a\": \"GET /a\" would be more specific"
	for _, tt := range []struct{ first, second, why string }{
		{"GET /a", "GET /a", same + "\nboth match the request \"GET /a\""},
		{"/a/{x}", "/{y}/b", some + "\nboth match the request \"GET /a/b\"\nonly pattern \"/{y}/b\" matches \"GET /y/b\"\nonly pattern \"/a/{x}\" matches \"GET /a/x\""},
		{"/\"q\"/{x}", "/\"q\"/{y}", same + "\nboth match the request \"GET /\\\"q\\\"/x\""},
		{"GET /%61", "GET /a", same + "\nboth match the request \"GET /a\""},
		{"GET /\xff", "GET /\xff", same + "\nboth match the request \"GET /\\xff\""},
		{"GET /{x}", "/a", some + "\nboth match the request \"GET /a\"\nonly pattern \"/a\" matches \"POST /a\"\nonly pattern \"GET /{x}\" matches \"GET /x\"" + add},
		{"/a", "GET /{x}", some + "\nboth match the request \"GET /a\"\nonly pattern \"GET /{x}\" matches \"GET /x\"\nonly pattern \"/a\" matches \"POST /a\"" + add},
		{"/a/{x}", "GET /{y}/b", some + "\nboth match the request \"GET /a/b\"\nonly pattern \"GET /{y}/b\" matches \"GET /y/b\"\nonly pattern \"/a/{x}\" matches \"POST /a/x\""},
		{"HEAD /{x}", "GET /a", some + "\nboth match the request \"HEAD /a\"\nonly pattern \"GET /a\" matches \"GET /a\"\nonly pattern \"HEAD /{x}\" matches \"HEAD /x\""},
		{"PUT h/{x}/", "PUT h/a/{y...}", ""},
		{"PUT h/{x}/b", "PUT h/a/{y...}", some + "\nboth match the request \"PUT h/a/b\"\nonly pattern \"PUT h/a/{y...}\" matches \"PUT h/a/y\"\nonly pattern \"PUT h/{x}/b\" matches \"PUT h/x/b\""},
		{"/{b}/b", "/a/{b}", some + "\nboth match the request \"GET /a/b\"\nonly pattern \"/a/{b}\" matches \"GET /a/b1\"\nonly pattern \"/{b}/b\" matches \"GET /b/b\""},
		{"/", "/{all...}", same + "\nboth match the request \"GET /all\""},
		{"/{x}/", "/{y}/{rest...}", same + "\nboth match the request \"GET /x/rest\""},
		{"/{x}/{$}", "/a/", some + "\nboth match the request \"GET /a/\"\nonly pattern \"/a/\" matches \"GET /a/more\"\nonly pattern \"/{x}/{$}\" matches \"GET /x/\""},
		{"CONNECT //a", "CONNECT //a", same + "\nboth match the request \"CONNECT //a\""},
		{"/a?b", "/a?b", same},
		{"h/a/{x}", "/{x}/b", ""},
		{"GET /a", "POST /a", ""},
		{"/a", "/{x}", ""},
		{"/a/", "/a", ""},
	} {
		var conflict *ConflictError
		err := conflictBetween(tt.second, tt.first)
		if tt.why == "" {
			if err != nil {
				t.Errorf("%q after %q: %v, want no conflict", tt.second, tt.first, err)
			}
			continue
		}
		if !errors.As(err, &conflict) || conflict.Other != tt.first || conflict.Why != tt.why {
			t.Errorf("%q after %q: %v\nwant\n%s", tt.second, tt.first, err, tt.why)
		}
	}
}

func TestJoinPatternReturnsThePatternToNameInAMessage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ prefix, pattern, full, err string }{
		{"/api", "GET /users", "GET /api/users", ""},
		{"/api", "GET /:id", "GET /api/:id", `write "{id}"`},
		{"", "users/{id}", "users/{id}", `write "/users/{id}"`},
		{"/api", "GET users", "GET users", `write "GET /users"`},
		{"/api", "{id}", "{id}", "a path must start with a slash"},
	} {
		full, err := JoinPattern(tt.prefix, tt.pattern)
		if full != tt.full || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("JoinPattern(%q, %q) = %q, %v, want %q and the error %q", tt.prefix, tt.pattern, full, err, tt.full, tt.err)
		}
	}
}
