package secureheaders_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/secureheaders"
)

func TestCompile(t *testing.T) {
	t.Parallel()
	type config = secureheaders.Config
	tests := []struct {
		name   string
		config config
		want   []string
	}{
		{"defaults", config{}, []string{
			"X-Content-Type-Options: nosniff",
			"X-Frame-Options: DENY",
			"Referrer-Policy: strict-origin-when-cross-origin",
			"X-Xss-Protection: 0",
			"Permissions-Policy: camera=(), microphone=(), geolocation=()",
		}},
		{"all off", config{ContentTypeOptions: "-", FrameOptions: "-", ReferrerPolicy: "-", XSSProtection: "-",
			PermissionsPolicy: "-", ContentSecurityPolicy: "-"}, nil},
		{"all set", config{ContentTypeOptions: "nosniff", FrameOptions: "sameorigin", ReferrerPolicy: "no-referrer", XSSProtection: "1; mode=block",
			PermissionsPolicy: "usb=()", ContentSecurityPolicy: "default-src 'self'", HSTSMaxAge: 31536000, HSTSIncludeSubdomains: true, HSTSPreload: true}, []string{
			"X-Content-Type-Options: nosniff",
			"X-Frame-Options: sameorigin",
			"Referrer-Policy: no-referrer",
			"X-Xss-Protection: 1; mode=block",
			"Permissions-Policy: usb=()",
			"Content-Security-Policy: default-src 'self'",
			"Strict-Transport-Security: max-age=31536000; includeSubDomains; preload",
		}},
		{"transport security alone", config{ContentTypeOptions: "-", FrameOptions: "-", ReferrerPolicy: "-", XSSProtection: "-",
			PermissionsPolicy: "-", HSTSMaxAge: 1}, []string{"Strict-Transport-Security: max-age=1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fields, wrong := secureheaders.Compile(tt.config)
			if len(wrong) > 0 {
				t.Fatal(wrong)
			}
			var got []string
			for _, f := range fields {
				got = append(got, f.Name+": "+f.Value)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("fields\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}
