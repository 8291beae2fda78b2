// Package secureheaders sets the security headers of responses.
package secureheaders

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/header"
	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// A Config has the fields of SecureHeadersConfig in the root package, which
// documents them.
type Config struct {
	ContentTypeOptions    string
	FrameOptions          string
	ReferrerPolicy        string
	XSSProtection         string
	PermissionsPolicy     string
	ContentSecurityPolicy string
	HSTSMaxAge            int
	HSTSIncludeSubdomains bool
	HSTSPreload           bool
}

// A Handler sets Fields in the header of the response and then calls Next.
type Handler struct {
	Fields []response.Field
	Next   http.Handler
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	response.SetHeaders(w, h.Fields...)
	h.Next.ServeHTTP(w, r)
}

// off is the value that omits a field.
const off = "-"

// preloadAge is the smallest HSTSMaxAge, in seconds, that the preload lists of
// browsers accept: one year (https://hstspreload.org).
const preloadAge = 365 * 24 * 60 * 60

// Compile returns the header fields to send, or the invalid fields of c.
func Compile(c Config) (fields []response.Field, wrong callsite.FieldErrors) {
	for _, f := range []struct {
		setting, name, value, byDefault string
		allowed                         []string // any value if nil
	}{
		{"ContentTypeOptions", "X-Content-Type-Options", c.ContentTypeOptions, "nosniff", []string{"nosniff"}},
		{"FrameOptions", "X-Frame-Options", c.FrameOptions, "DENY", []string{"DENY", "SAMEORIGIN"}},
		{"ReferrerPolicy", "Referrer-Policy", c.ReferrerPolicy, "strict-origin-when-cross-origin", nil},
		{"XSSProtection", "X-Xss-Protection", c.XSSProtection, "0", nil},
		{"PermissionsPolicy", "Permissions-Policy", c.PermissionsPolicy, "camera=(), microphone=(), geolocation=()", nil},
		{"ContentSecurityPolicy", "Content-Security-Policy", c.ContentSecurityPolicy, off, nil},
	} {
		value := cmp.Or(f.value, f.byDefault)
		if value == off {
			continue
		}
		if reason := check(value, f.allowed); reason != "" {
			wrong.Addf(f.setting, "%q %s", value, reason)
		}
		fields = append(fields, response.Field{Name: f.name, Value: value})
	}
	c.checkTransportSecurity(&wrong)
	if len(wrong) > 0 {
		return nil, wrong
	}
	if c.HSTSMaxAge > 0 {
		fields = append(fields, response.Field{Name: "Strict-Transport-Security", Value: c.transportSecurity()})
	}
	return fields, nil
}

// check returns the reason why browsers would not accept a value, or "".
func check(value string, allowed []string) (reason string) {
	if !header.IsValue(value) || strings.TrimSpace(value) != value {
		return "is not a valid header value: it contains a control character, or starts or ends with white space"
	}
	for _, known := range allowed {
		if header.EqualFold(value, known) {
			return ""
		}
	}
	if len(allowed) > 0 {
		return "is not a value that browsers recognize; use " + strings.Join(allowed, " or ")
	}
	return ""
}

// checkTransportSecurity adds the invalid fields for Strict-Transport-Security
// to wrong.
func (c *Config) checkTransportSecurity(wrong *callsite.FieldErrors) {
	if c.HSTSMaxAge < 0 {
		wrong.Addf("HSTSMaxAge", "%d seconds is negative", c.HSTSMaxAge)
	}
	if c.HSTSIncludeSubdomains && c.HSTSMaxAge == 0 {
		wrong.Addf("HSTSIncludeSubdomains", "has no effect without HSTSMaxAge")
	}
	if c.HSTSPreload && !c.HSTSIncludeSubdomains {
		wrong.Addf("HSTSPreload", "requires HSTSIncludeSubdomains")
	}
	if c.HSTSPreload && c.HSTSMaxAge >= 0 && c.HSTSMaxAge < preloadAge {
		wrong.Addf("HSTSPreload", "requires an HSTSMaxAge of at least %d seconds (a year), not %d", preloadAge, c.HSTSMaxAge)
	}
}

// transportSecurity returns the value of Strict-Transport-Security (RFC 6797,
// section 6.1).
func (c *Config) transportSecurity() string {
	value := "max-age=" + strconv.Itoa(c.HSTSMaxAge)
	if c.HSTSIncludeSubdomains {
		value += "; includeSubDomains"
	}
	if c.HSTSPreload {
		value += "; preload"
	}
	return value
}
