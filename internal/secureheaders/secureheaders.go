// Package secureheaders turns a configuration into the response header fields
// that tell browsers to be careful.
package secureheaders

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/header"
	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// A Config has the fields of the root package's SecureHeadersConfig, where
// they are explained.
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

// A Handler sets Fields in the responses of Next, before Next is called.
type Handler struct {
	Fields []response.Field
	Next   http.Handler
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	response.SetHeaders(w, h.Fields...)
	h.Next.ServeHTTP(w, r)
}

// off is the value that leaves a field out.
const off = "-"

// preloadAge is the least age, in seconds, of a policy that browsers take into
// the lists they are built with (https://hstspreload.org): a year.
const preloadAge = 365 * 24 * 60 * 60

// Compile returns the fields to send. The error names the field of Config that
// is wrong, and its value.
func Compile(c Config) ([]response.Field, error) {
	var fields []response.Field
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
		if f.value == "" {
			f.value = f.byDefault
		}
		if f.value == off {
			continue
		}
		if err := check(f.value, f.allowed); err != nil {
			return nil, fmt.Errorf("%s: %q %w", f.setting, f.value, err)
		}
		fields = append(fields, response.Field{Name: f.name, Value: f.value})
	}
	hsts, err := c.strictTransportSecurity()
	if err != nil {
		return nil, err
	}
	if hsts != "" {
		fields = append(fields, response.Field{Name: "Strict-Transport-Security", Value: hsts})
	}
	return fields, nil
}

// check refuses a value that would break out of its field, or that browsers
// would not know what to make of.
func check(value string, allowed []string) error {
	if !header.IsValue(value) || strings.TrimSpace(value) != value {
		return errors.New("is no header value: it has a line break, another control character, or space around it")
	}
	for _, known := range allowed {
		if header.EqualFold(value, known) {
			return nil
		}
	}
	if len(allowed) > 0 {
		return fmt.Errorf("is not a value that browsers know, want %s", strings.Join(allowed, " or "))
	}
	return nil
}

// strictTransportSecurity returns the value of the field of that name (RFC 6797
// §6.1), or "" if it is not wanted.
func (c *Config) strictTransportSecurity() (string, error) {
	switch {
	case c.HSTSMaxAge < 0:
		return "", fmt.Errorf("HSTSMaxAge: %d seconds is negative", c.HSTSMaxAge)
	case c.HSTSIncludeSubdomains && c.HSTSMaxAge == 0:
		return "", errors.New("HSTSIncludeSubdomains: has no effect without HSTSMaxAge")
	case c.HSTSPreload && !c.HSTSIncludeSubdomains:
		return "", errors.New("HSTSPreload: browsers want HSTSIncludeSubdomains with it")
	case c.HSTSPreload && c.HSTSMaxAge < preloadAge:
		return "", fmt.Errorf("HSTSPreload: browsers want an HSTSMaxAge of a year (%d) with it, not %d", preloadAge, c.HSTSMaxAge)
	case c.HSTSMaxAge == 0:
		return "", nil
	}
	value := "max-age=" + strconv.Itoa(c.HSTSMaxAge)
	if c.HSTSIncludeSubdomains {
		value += "; includeSubDomains"
	}
	if c.HSTSPreload {
		value += "; preload"
	}
	return value, nil
}
