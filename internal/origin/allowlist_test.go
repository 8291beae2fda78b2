package origin_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/origin"
)

func newAllowList(tb testing.TB, entries ...string) *origin.AllowList {
	tb.Helper()
	l := new(origin.AllowList)
	for _, entry := range entries {
		if err := l.Add(entry); err != nil {
			tb.Fatal(err)
		}
	}
	return l
}

func TestAllows(t *testing.T) {
	t.Parallel()
	l := newAllowList(t, "https://example.com", "http://LOCALHOST:5173", "http://[0:0::1]:80", "https://api.example.org:443",
		"https://*.example.com", "https://*.example.net:8443", "http://*.localhost:3000",
		"http://LocalHost:*", "http://127.0.0.1:*", "http://[0:0::1]:*", "https://*.shop.localhost:*")
	tests := []struct {
		value string
		want  bool
	}{
		{"https://example.com", true},
		{"http://localhost:5173", true},
		{"http://[::1]", true},
		{"https://api.example.org", true},
		{"https://a.example.com", true},
		{"https://a.b.c.example.com", true},
		{"https://xn--bcher-kva.example.com", true},
		{"https://a.example.net:8443", true},
		{"http://shop.localhost:3000", true},
		{"http://localhost", true},
		{"http://localhost:1", true},
		{"http://localhost:65535", true},
		{"http://127.0.0.1", true},
		{"http://127.0.0.1:3000", true},
		{"http://[::1]:8080", true},
		{"https://a.b.shop.localhost", true},
		{"https://a.shop.localhost:8443", true},

		{"http://localhost:80", false},
		{"http://localhost:", false},
		{"http://localhost:0", false},
		{"http://localhost:080", false},
		{"http://localhost:65536", false},
		{"http://localhost:+80", false},
		{"http://localhost:*", false},
		{"http://localhost:3000/", false},
		{"http://localhost:3000:1", false},
		{"http://localhost:3000.evil.com", false},
		{"http://localhost:3000@evil.com", false},
		{"http://localhost.evil.com:3000", false},
		{"http://evil.com:3000", false},
		{"http://a.localhost:4000", false},
		{"https://localhost", false},
		{"https://localhost:3000", false},
		{"http://LOCALHOST:3000", false},
		{"http://127.0.0.2:3000", false},
		{"http://127.1:3000", false},
		{"http://[::1", false},
		{"http://[::1]x:80", false},
		{"https://shop.localhost:8443", false},
		{"https://a.shop.localhost:443", false},
		{"https://a.shop.localhost:8443:1", false},
		{"https://A.shop.localhost:8443", false},

		{"", false},
		{"null", false},
		{"*", false},
		{"https://evilexample.com", false},
		{"https://example.com.evil", false},
		{"https://a.example.com.evil", false},
		{"https://a.example.com.", false},
		{"http://example.com", false},
		{"http://a.example.com", false},
		{"https://example.com:8443", false},
		{"https://a.example.com:8443", false},
		{"https://a.example.net", false},
		{"https://a.example.net:84433", false},
		{"https://.example.com", false},
		{"https://a..example.com", false},
		{"https://.a.example.com", false},
		{"https://*.example.com", false},
		{"https://evil.com:443.example.com", false},
		{"https://evil.com/.example.com", false},
		{"https://evil.com#.example.com", false},
		{"https://me@a.example.com", false},
		{"https://a b.example.com", false},
		{"https://a\n.example.com", false},
		{"https://a\x00.example.com", false},
		{"https://a{b.example.com", false},
		{"https://é.example.com", false},
		{"https://A.example.com", false},
		{"HTTPS://example.com", false},
		{"https://example.com:443", false},
		{"https://example.com/", false},
		{"https://example.com,https://evil.com", false},
		{"https://" + strings.Repeat("a", 64) + ".example.com", false},
		{"https://" + strings.Repeat("a.", 120) + "aa.example.com", false},
		{"https://" + strings.Repeat("a.", 120) + "a.example.com", true},
		{"https://" + strings.Repeat("a.", 1<<19) + "a.example.com", false},
	}
	for _, tt := range tests {
		if got := l.Allows(tt.value); got != tt.want {
			t.Errorf("Allows(%.80q) = %t, want %t", tt.value, got, tt.want)
		}
	}
}

// Two allowed hosts must not allow a third (GHSA-vhxv-fg4m-p2w8).
func TestAllowedOriginsDoNotAddUp(t *testing.T) {
	t.Parallel()
	l := newAllowList(t, "https://foo.com", "https://bar.com", "https://*.foo.net", "https://*.bar.net")
	for _, value := range []string{"https://barfoo.com", "https://foobar.com", "https://bar.foo.com", "https://a.barfoo.net", "https://foo.net"} {
		if l.Allows(value) {
			t.Errorf("%s is allowed", value)
		}
	}
}

func TestStarAndNullAndNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		entries         []string
		any, page, null bool
	}{
		{nil, false, false, false},
		{[]string{"*"}, true, true, true},
		{[]string{"https://example.org", "*"}, true, true, true},
		{[]string{"null"}, false, false, true},
	} {
		l := newAllowList(t, tt.entries...)
		if l.Any() != tt.any || l.Allows("https://example.com") != tt.page || l.Allows("null") != tt.null {
			t.Errorf("%q: Any %t, a page %t, null %t; want %t, %t, %t", tt.entries,
				l.Any(), l.Allows("https://example.com"), l.Allows("null"), tt.any, tt.page, tt.null)
		}
	}
}

func TestAddRejectsDangerousAndMeaninglessEntries(t *testing.T) {
	t.Parallel()
	tests := []struct{ entry, reason string }{
		{"https://*.com", "top-level domain"},
		{"https://*.com:8443", "top-level domain"},
		{"https://*.", "no host"},
		{"https://*", "whole first label"},
		{"https://*example.com", "whole first label"},
		{"https://a*.example.com", "whole first label"},
		{"https://a.*.example.com", "whole first label"},
		{"https://*.*.example.com", "whole first label"},
		{"https://*.example.*", "whole first label"},
		{"https://*.example.com.", "ends in a dot"},
		{"https://*.com.", "ends in a dot"},
		{"https://*..example.com", "empty label"},
		{"https://*.1.2.3.4", "IP address"},
		{"https://*.[::1]", "IP address"},
		{"https://*.example.com:*", "list each port"},
		{"https://example.com:*", "list each port"},
		{"https://localhost.example.com:*", "list each port"},
		{"http://10.0.0.1:*", "list each port"},
		{"http://[fe80::1]:*", "list each port"},
		{"http://localhost:3000:*", "two ports"},
		{"http://localhost:80:*", "two ports"},
		{"localhost:*", "no scheme"},
		{"http://:*", "no host"},
		{"*:*", "no scheme"},
		{"http://*.localhost.:*", "ends in a dot"},
		{"http://*.127.0.0.1:*", "IP address"},
		{"https://*.example.com/", "without a slash"},
		{"https://example.com/", "without a slash"},
		{"https://example.com/app", "has a path"},
		{"http*", "no scheme"},
		{"http*://example.com", "separately"},
		{"*://example.com", "separately"},
		{"*://*.example.com", "separately"},
		{"*.example.com", "no scheme"},
		{"**", "no scheme"},
		{"Null", "no scheme"},
		{"", "no scheme"},
		{" https://example.com", "malformed scheme"},
		{"https://a.example.com://*.example.com", "has a path"},
	}
	for _, tt := range tests {
		err := newAllowList(t, "https://example.com").Add(tt.entry)
		if err == nil || !strings.Contains(err.Error(), tt.reason) || !strings.Contains(err.Error(), fmt.Sprintf("%q", tt.entry)) {
			t.Errorf("Add(%q): error %v, want one that names it and has %q", tt.entry, err, tt.reason)
		}
	}
}

func TestAllowsDoesNotAllocate(t *testing.T) {
	l := newAllowList(t, "https://example.com", "https://*.example.com", "http://[::1]")
	values := []string{
		"https://example.com", "https://a.b.example.com", "https://evil.com", "http://[zz]", "null", "",
		strings.Repeat("https://a.", 1<<16) + "example.com",
	}
	allocations := testing.AllocsPerRun(100, func() {
		for _, value := range values {
			l.Allows(value)
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations, want none", allocations)
	}
}

// allowsByExpression returns a regular expression for the origins that an entry
// allows.
func allowsByExpression(entry string) *regexp.Regexp {
	if entry == "*" {
		return regexp.MustCompile(`(?s)^.*$`)
	}
	host, anyPort := strings.CutSuffix(entry, ":*")
	o, err := origin.Parse(strings.Replace(host, "://*.", "://", 1))
	if err != nil {
		return regexp.MustCompile(`^` + regexp.QuoteMeta(entry) + `$`) // null
	}
	canonical := regexp.QuoteMeta(o.String())
	if strings.Contains(host, "*") {
		canonical = strings.Replace(canonical, "://", `://(?:[a-z0-9_-]{1,63}\.)+`, 1)
	}
	if anyPort {
		canonical += `(?::[1-9][0-9]{0,4})?`
	}
	return regexp.MustCompile(`^` + canonical + `$`)
}

func FuzzAllows(f *testing.F) {
	for _, entry := range []string{"*", "null", "https://example.com", "https://*.example.com", "http://*.localhost:3000", "http://[::1]:80",
		"http://localhost:*", "https://*.localhost:*", "http://127.0.0.1:*", "http://[::1]:*"} {
		for _, value := range []string{
			"null", "https://example.com", "https://a.example.com", "https://a.b.example.com", "https://evilexample.com",
			"http://shop.localhost:3000", "http://[::1]", "https://a.example.com.evil", "https://.example.com", "https://A.example.com",
			"http://localhost:3000", "http://localhost:70000", "http://127.0.0.1", "http://[::1]:81", "https://a.localhost:443",
		} {
			f.Add(entry, value)
		}
	}
	f.Fuzz(func(t *testing.T, entry, value string) {
		var l origin.AllowList
		if l.Add(entry) != nil {
			return
		}
		if len(value) > 250 {
			t.Skip("the expression does not count to the longest domain")
		}
		got := l.Allows(value)
		want := allowsByExpression(entry).MatchString(value)
		if o, err := origin.Parse(value); strings.HasSuffix(entry, ":*") && (err != nil || o.String() != value) {
			want = false // the expression does not check the number
		}
		if got != want {
			t.Errorf("%q allows %q: %t, the expression says %t", entry, value, got, want)
		}
		if got && entry != "*" && value != "null" {
			if o, err := origin.Parse(value); err != nil || o.String() != value {
				t.Errorf("%q allows %q, which is no origin in canonical form (%v)", entry, value, err)
			}
		}
	})
}

func BenchmarkAllows(b *testing.B) {
	l := newAllowList(b, "https://example.com", "https://example.org", "https://*.example.com", "https://*.example.net:8443")
	for _, bench := range []struct{ name, value string }{
		{"exact", "https://example.org"},
		{"pattern", "https://www.example.com"},
		{"rejected", "https://evil.example.edu"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l.Allows(bench.value)
			}
		})
	}
}
