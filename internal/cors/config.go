package cors

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/header"
	"github.com/stanza-go/framework/pkg/http/internal/origin"
)

// A Config has the fields of the root package's CORSConfig, where they are
// explained.
type Config struct {
	AllowOrigins     []string
	AllowMethods     []string
	AllowHeaders     []string
	ExposeHeaders    []string
	AllowCredentials bool
	MaxAge           int
}

// check returns the fields with values that browsers would ignore or that would
// give every site access to the data of users.
func (c *Config) check() (wrong callsite.FieldErrors) {
	for i, entry := range c.AllowOrigins {
		field := fmt.Sprintf("AllowOrigins[%d]", i)
		if err := new(origin.AllowList).Add(entry); err != nil {
			wrong.Addf(field, "%v", err)
		}
		if c.AllowCredentials && (entry == "*" || entry == origin.Null) {
			wrong.Addf(field, "%q together with AllowCredentials would let every site act as the user who is logged in;"+
				" list the origins", entry)
		}
	}
	c.checkNames(&wrong, "AllowMethods", c.AllowMethods, checkMethod)
	c.checkNames(&wrong, "AllowHeaders", c.AllowHeaders, checkHeader)
	c.checkNames(&wrong, "ExposeHeaders", c.ExposeHeaders, checkExposed)
	return wrong
}

// checkNames adds to wrong the entries of a list for which check returns a
// reason. With AllowCredentials, browsers read "*" as a name.
func (c *Config) checkNames(wrong *callsite.FieldErrors, list string, names []string, check func(name string) (reason string)) {
	for i, name := range names {
		field := fmt.Sprintf("%s[%d]", list, i)
		if c.AllowCredentials && name == "*" {
			wrong.Addf(field, `browsers do not treat "*" as a wildcard together with AllowCredentials; list the names`)
		}
		if reason := check(name); reason != "" {
			wrong.Addf(field, "%q %s", name, reason)
		}
	}
}

// checkMethod returns what is wrong with a method, if anything. Methods are
// case-sensitive, and browsers put only some of them into capitals themselves.
func checkMethod(method string) (reason string) {
	upper := strings.ToUpper(method)
	switch {
	case !header.IsToken(method):
		return "is not a method"
	case slices.Contains([]string{"CONNECT", "TRACE", "TRACK"}, upper):
		return "is a method that browsers do not send"
	case method != upper && slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"}, upper):
		return "is not " + upper + ", and methods are case-sensitive"
	}
	return ""
}

// checkHeader is checkMethod for the name of a header field.
func checkHeader(name string) (reason string) {
	if !header.IsToken(name) {
		return "is not the name of a header field"
	}
	return ""
}

// checkExposed is checkMethod for the name of a response header field.
func checkExposed(name string) (reason string) {
	if header.EqualFold(name, "Set-Cookie") {
		return "is never exposed to a page"
	}
	return checkHeader(name)
}
