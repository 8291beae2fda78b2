package cors

import (
	"fmt"
	"slices"
	"strings"

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

// check finds everything that browsers would refuse or, worse, that they would
// not, except for malformed origins.
func (c *Config) check() error {
	if c.AllowCredentials {
		if err := c.checkCredentials(); err != nil {
			return err
		}
	}
	for _, method := range c.AllowMethods {
		if reason := checkMethod(method); reason != "" {
			return fmt.Errorf("AllowMethods: %q %s", method, reason)
		}
	}
	for _, name := range c.AllowHeaders {
		if !header.IsToken(name) {
			return fmt.Errorf("AllowHeaders: %q is not the name of a header field", name)
		}
	}
	for _, name := range c.ExposeHeaders {
		switch {
		case !header.IsToken(name):
			return fmt.Errorf("ExposeHeaders: %q is not the name of a header field", name)
		case header.EqualFold(name, "Set-Cookie"):
			return fmt.Errorf("ExposeHeaders: %q is never shown to a page", name)
		}
	}
	return nil
}

// checkCredentials refuses what must not or cannot be had together with
// credentials: origins that anyone can have, and a "*" which browsers then take
// for a method or field of that name.
func (c *Config) checkCredentials() error {
	for _, anyone := range []string{"*", origin.Null} {
		if slices.Contains(c.AllowOrigins, anyone) {
			return fmt.Errorf("AllowOrigins: %q together with AllowCredentials would let every site act as"+
				" the user who is logged in: list the origins", anyone)
		}
	}
	for _, list := range []struct {
		field  string
		values []string
	}{{"AllowMethods", c.AllowMethods}, {"AllowHeaders", c.AllowHeaders}, {"ExposeHeaders", c.ExposeHeaders}} {
		if slices.Contains(list.values, "*") {
			return fmt.Errorf(`%s: "*" has no meaning for browsers together with AllowCredentials: list the names`, list.field)
		}
	}
	return nil
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
