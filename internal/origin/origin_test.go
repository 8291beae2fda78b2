package origin_test

import (
	"errors"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/origin"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		want     origin.Origin
	}{
		{"default port", "https://example.com", origin.Origin{Scheme: "https", Host: "example.com"}},
		{"default port written out", "https://example.com:443", origin.Origin{Scheme: "https", Host: "example.com"}},
		{"the other scheme's default", "http://example.com:443", origin.Origin{Scheme: "http", Host: "example.com", Port: 443}},
		{"and its other way around", "https://example.com:80", origin.Origin{Scheme: "https", Host: "example.com", Port: 80}},
		{"port", "http://localhost:5173", origin.Origin{Scheme: "http", Host: "localhost", Port: 5173}},
		{"largest port", "http://a:65535", origin.Origin{Scheme: "http", Host: "a", Port: 65535}},
		{"upper case", "HTTPS://Example.COM", origin.Origin{Scheme: "https", Host: "example.com"}},
		{"punycode", "https://xn--bcher-kva.example", origin.Origin{Scheme: "https", Host: "xn--bcher-kva.example"}},
		{"underscore", "https://a_b.example.com", origin.Origin{Scheme: "https", Host: "a_b.example.com"}},
		{"IPv4", "http://127.0.0.1:80", origin.Origin{Scheme: "http", Host: "127.0.0.1"}},
		{"IPv6", "http://[::1]:8080", origin.Origin{Scheme: "http", Host: "[::1]", Port: 8080}},
		{"long IPv6", "http://[2001:DB8:0:0:0:0:0:1]", origin.Origin{Scheme: "http", Host: "[2001:db8::1]"}},
		{"digits in the first label", "https://1.example.com", origin.Origin{Scheme: "https", Host: "1.example.com"}},
		{"extension", "chrome-extension://abcdefgh", origin.Origin{Scheme: "chrome-extension", Host: "abcdefgh"}},
		{"longest domain", "https://" + longDomain(253), origin.Origin{Scheme: "https", Host: longDomain(253)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := origin.Parse(tt.in)
			if err != nil || got != tt.want {
				t.Fatalf("Parse(%q) = %+v, %v; want %+v", tt.in, got, err, tt.want)
			}
			again, err := origin.Parse(got.String())
			if err != nil || again != got {
				t.Errorf("Parse(%q) = %+v, %v; want %+v again", got.String(), again, err, got)
			}
		})
	}
}

// longDomain returns a domain of n characters.
func longDomain(n int) string {
	return strings.Repeat("a.", n/2) + strings.Repeat("a", n%2)
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, reason string }{
		{"", "no scheme"},
		{"null", "no host to compare"},
		{"example.com", "no scheme"},
		{"https:example.com", "no scheme"},
		{"//example.com", "no scheme"},
		{"://example.com", "malformed scheme"},
		{"1http://example.com", "malformed scheme"},
		{"ht tp://example.com", "malformed scheme"},
		{strings.Repeat("a", 65) + "://example.com", "malformed scheme"},
		{"http*://example.com", "separately"},
		{"file:///etc/passwd", "origin null"},
		{"wss://example.com", "scheme of the page, http or https"},
		{"https://", "no host"},
		{"https:///", "has a path"},
		{"https://:443", "no host"},
		{"https://example.com/", "without a slash"},
		{"https://example.com:8080/", "without a slash"},
		{"https://example.com/path", "has a path"},
		{"https://example.com?x", "has a path"},
		{"https://example.com#x", "has a path"},
		{"https://[::1]/", "other than a port"},
		{"https://me@example.com", "user name"},
		{"https://exämple.com", "not in ASCII"},
		{"https://example.com\n", "invalid character"},
		{"https://exa mple.com", "invalid character"},
		{"https://example.com ", "invalid character"},
		{"https://a%2eb", "invalid character"},
		{"https://a{b.example.com", "invalid character"},
		{"https://*.example.com", "whole first label"},
		{"https://example.com.", "ends in a dot"},
		{"https://.example.com", "empty label"},
		{"https://a..b", "empty label"},
		{"https://" + strings.Repeat("a", 64), "63 characters"},
		{"https://" + longDomain(255), "253 characters"},
		{"https://" + longDomain(999), "too long to be an origin"},
		{"https://example.com:", "other than a port"},
		{"https://example.com:*", "list each port"},
		{"https://example.com:0", "between 1 and 65535"},
		{"https://example.com:080", "between 1 and 65535"},
		{"https://example.com:65536", "between 1 and 65535"},
		{"https://example.com:+80", "between 1 and 65535"},
		{"https://example.com:80:80", "between 1 and 65535"},
		{"https://1.2.3", "IPv4"},
		{"https://1.2.3.256", "IPv4"},
		{"https://01.2.3.4", "IPv4"},
		{"https://0x7f000001", "IPv4"},
		{"https://[::1", "other than a port"},
		{"https://[::1]8080", "other than a port"},
		{"https://[fe80::1%25eth0]", "zones"},
		{"https://[::ffff:1.2.3.4]", "IPv4-mapped"},
		{"https://[1.2.3.4]", "without an IPv6 address"},
		{"https://::1", "no host"},
	}
	for _, tt := range tests {
		_, err := origin.Parse(tt.in)
		var typed *origin.Error
		switch {
		case !errors.As(err, &typed):
			t.Errorf("Parse(%q): error %v, want an *Error", tt.in, err)
		case typed.Value != tt.in || !strings.Contains(typed.Reason, tt.reason):
			t.Errorf("Parse(%q) says %q of %q, want something with %q", tt.in, typed.Reason, typed.Value, tt.reason)
		}
	}
}

func TestErrorIsOneShortLine(t *testing.T) {
	t.Parallel()
	_, err := origin.Parse("https://a\nb")
	want := `origin "https://a\nb" has an invalid character in its domain`
	if err == nil || err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if _, err = origin.Parse(strings.Repeat("x", 1<<20)); err == nil || len(err.Error()) > 200 {
		t.Errorf("a megabyte of origin gives an error of %d bytes", len(err.Error()))
	}
}

func TestHasHost(t *testing.T) {
	t.Parallel()
	tests := []struct {
		origin, host string
		want         bool
	}{
		{"https://example.com", "example.com", true},
		{"https://example.com", "Example.COM", true},
		{"https://example.com", "example.com:443", true},
		{"http://example.com", "example.com:80", true},
		{"http://example.com", "example.com:443", false},
		{"https://example.com", "example.com:8443", false},
		{"https://example.com:8443", "example.com:8443", true},
		{"https://example.com:8443", "example.com", false},
		{"https://example.com", "example.com.evil", false},
		{"https://example.com", "www.example.com", false},
		{"http://[::1]:8080", "[::1]:8080", true},
		{"http://[::1]", "[::1]", true},
		{"http://[::1]", "[::1", false},
		{"http://[::1]", "::1", false},
		{"https://example.com", "", false},
		{"https://example.com", "example.com:x", false},
	}
	for _, tt := range tests {
		o, err := origin.Parse(tt.origin)
		if err != nil {
			t.Fatal(err)
		}
		if got := o.HasHost(tt.host); got != tt.want {
			t.Errorf("(%s).HasHost(%q) = %t, want %t", tt.origin, tt.host, got, tt.want)
		}
	}
}

func TestParsingABrowsersOriginDoesNotAllocate(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	allocations := testing.AllocsPerRun(100, func() {
		o, err := origin.Parse("https://www.example.com:8443")
		if err != nil || !o.HasHost("WWW.example.com:8443") {
			t.Error("the origin does not have its own host")
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations, want none", allocations)
	}
}

var (
	shape = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]{0,63})://([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::([1-9][0-9]{0,4}))?$`)
	label = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)
	other = regexp.MustCompile(`^(?i:file|data|about|blob|javascript|wss?)$`)
)

// parseByShape is an implementation of Parse with regular expressions.
func parseByShape(s string) (o origin.Origin, ok bool) {
	m := shape.FindStringSubmatch(s)
	if m == nil || strings.HasSuffix(s, "\n") || other.MatchString(m[1]) || len(m[2]) > 253 {
		return o, false
	}
	o.Scheme, o.Host = strings.ToLower(m[1]), strings.ToLower(m[2])
	if strings.HasPrefix(o.Host, "[") {
		addr, err := netip.ParseAddr(strings.Trim(o.Host, "[]"))
		if err != nil || addr.Is4() || addr.Unmap().Is4() {
			return o, false
		}
		o.Host = "[" + addr.String() + "]"
	} else {
		labels := strings.Split(o.Host, ".")
		for _, l := range labels {
			if !label.MatchString(l) {
				return o, false
			}
		}
		if last := labels[len(labels)-1]; last[0] >= '0' && last[0] <= '9' {
			if _, err := netip.ParseAddr(o.Host); err != nil {
				return o, false
			}
		}
	}
	if m[3] != "" {
		n, err := strconv.ParseUint(m[3], 10, 16)
		if err != nil {
			return o, false
		}
		if !(o.Scheme == "http" && n == 80 || o.Scheme == "https" && n == 443) {
			o.Port = uint16(n)
		}
	}
	return o, true
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"https://example.com", "HTTP://A.b:80", "http://[::1]:8080", "http://[2001:DB8::0:1]", "https://127.0.0.1:443",
		"https://*.example.com", "http://a..b", "https://example.com/", "null", "chrome-extension://abc", "http://1.2.3.4.5",
		"http://a.0x1", "http://[::ffff:1.2.3.4]", "https://a:65536", "https://é", "ws://a", "http://a:", "h-1.+://_", "http://a.",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, ok := parseByShape(s)
		got, err := origin.Parse(s)
		if ok != (err == nil) {
			t.Fatalf("Parse(%q) = %+v, %v; the other parser says %t", s, got, err, ok)
		}
		if err == nil && got != want {
			t.Fatalf("Parse(%q) = %+v; the other parser says %+v", s, got, want)
		}
		if err == nil && !got.HasHost(strings.TrimPrefix(got.String(), got.Scheme+"://")) {
			t.Errorf("%s does not have its own host", got)
		}
		if want := got.String() == s; err == nil && got.IsCanonical(s) != want {
			t.Errorf("IsCanonical(%q) = %t; the canonical form is %q", s, !want, got.String())
		}
	})
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := origin.Parse("https://www.example.com:8443"); err != nil {
			b.Fatal(err)
		}
	}
}
