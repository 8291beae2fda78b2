package cors

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/header"
	"github.com/stanza-go/framework/pkg/http/internal/origin"
)

// A Config has the fields of CORSConfig in the root package, which documents them.
type Config struct {
	AllowOrigins     []string
	AllowOriginFunc  func(r *http.Request, origin string) bool
	AllowMethods     []string
	AllowHeaders     []string
	ExposeHeaders    []string
	AllowCredentials bool
	MaxAge           int
}

// check returns the allowed origins and the invalid fields: those with values that
// browsers would ignore, and those that would let any site act as the user.
func (c *Config) check() (origins *origin.AllowList, wrong callsite.FieldErrors) {
	origins = new(origin.AllowList)
	for i, entry := range c.AllowOrigins {
		field := fmt.Sprintf("AllowOrigins[%d]", i)
		if err := origins.Add(entry); err != nil {
			wrong.Addf(field, "%v", err)
		}
		if c.AllowCredentials && (entry == "*" || entry == origin.Null) {
			wrong.Addf(field, "%q together with AllowCredentials would let every site act as the logged-in user;"+
				" list the origins", entry)
		}
	}
	if c.AllowOriginFunc != nil && origins.Any() {
		wrong.Addf("AllowOriginFunc", `would never be called, because AllowOrigins contains "*"; remove one of them`)
	}
	c.checkNames(&wrong, "AllowMethods", c.AllowMethods, checkMethod)
	c.checkNames(&wrong, "AllowHeaders", c.AllowHeaders, checkHeader)
	c.checkNames(&wrong, "ExposeHeaders", c.ExposeHeaders, checkExposed)
	return origins, wrong
}

// checkNames adds an error to wrong for each name that check rejects and, if
// AllowCredentials is set, for "*", which browsers then treat as a literal name.
func (c *Config) checkNames(wrong *callsite.FieldErrors, list string, names []string, check func(name string) (reason string)) {
	for i, name := range names {
		field := fmt.Sprintf("%s[%d]", list, i)
		if c.AllowCredentials && name == "*" {
			wrong.Addf(field, `browsers do not treat "*" as a wildcard if AllowCredentials is set; list the names`)
		}
		if reason := check(name); reason != "" {
			wrong.Addf(field, "%q %s", name, reason)
		}
	}
}

// checkMethod returns the reason why method is invalid, or "". Methods are
// case-sensitive, and browsers convert only some of them to upper case.
func checkMethod(method string) (reason string) {
	upper := strings.ToUpper(method)
	switch {
	case !header.IsToken(method):
		return "is not a valid method"
	case slices.Contains([]string{"CONNECT", "TRACE", "TRACK"}, upper):
		return "is a method that browsers do not send"
	case method != upper && slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"}, upper):
		return "should be " + upper + "; methods are case-sensitive"
	}
	return ""
}

// checkHeader returns the reason why the name of a request header field is invalid,
// or "".
func checkHeader(name string) (reason string) {
	if !header.IsToken(name) {
		return "is not a valid header field name"
	}
	return ""
}

// checkExposed returns the reason why the name of a response header field is
// invalid, or "".
func checkExposed(name string) (reason string) {
	if header.EqualFold(name, "Set-Cookie") {
		return "is never exposed to scripts"
	}
	return checkHeader(name)
}
