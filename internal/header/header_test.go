package header_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/header"
)

func TestByteClasses(t *testing.T) {
	t.Parallel()
	const tchar = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for c := range 256 {
		s := string([]byte{byte(c)})
		if got, want := header.IsToken(s), strings.Contains(tchar, s); got != want {
			t.Errorf("IsToken(%q) = %t, want %t", s, got, want)
		}
		if got, want := header.IsVisible(s), c > 0x20 && c < 0x7f; got != want {
			t.Errorf("IsVisible(%q) = %t, want %t", s, got, want)
		}
		if got, want := header.IsValue(s), c == '\t' || c >= 0x20 && c != 0x7f; got != want {
			t.Errorf("IsValue(%q) = %t, want %t", s, got, want)
		}
	}
}

func TestOneBadByteSpoilsTheString(t *testing.T) {
	t.Parallel()
	if header.IsToken("") || header.IsVisible("") || !header.IsValue("") {
		t.Error("the empty string is a value, but no token and nothing visible")
	}
	for _, s := range []string{"\r\nabc", "ab\x00c", "abc\n", "abc\r"} {
		if header.IsToken(s) || header.IsVisible(s) || header.IsValue(s) {
			t.Errorf("%q passed as a token, as visible or as a value", s)
		}
	}
	if !header.IsToken("X-Request-ID") || !header.IsVisible("a/b?c=d") || !header.IsValue("default-src 'self'; x") {
		t.Error("an ordinary string was refused")
	}
}

func TestEqualFoldIsASCIIOnly(t *testing.T) {
	t.Parallel()
	tests := []struct {
		a, b string
		want bool
	}{
		{"", "", true},
		{"GZip", "gZIP", true},
		{"gzip", "gzip2", false},
		{"[", "{", false},
		{"@", "`", false},
		{"k", "\u212a", false},
		{"kkk", "\u212a", false},
		{"é", "É", false},
	}
	for _, tt := range tests {
		if got := header.EqualFold(tt.a, tt.b); got != tt.want {
			t.Errorf("EqualFold(%q, %q) = %t, want %t", tt.a, tt.b, got, tt.want)
		}
	}
}

func FuzzIsToken(f *testing.F) {
	token := regexp.MustCompile("^[!#$%&'*+\\-.^_`|~0-9A-Za-z]+$")
	value := regexp.MustCompile(`(?s)^[\t\x20-\x7e\x{80}-\x{10ffff}]*$`)
	for _, s := range []string{"", "gzip", "a b", "é", "a\nb", "a\x7f", "X-Y_z~"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := header.IsToken(s), token.MatchString(s) && !strings.HasSuffix(s, "\n"); got != want {
			t.Errorf("IsToken(%q) = %t, want %t", s, got, want)
		}
		if got, want := header.IsValue(s), value.MatchString(s); got != want {
			t.Errorf("IsValue(%q) = %t, want %t", s, got, want)
		}
	})
}

func TestNothingAllocates(t *testing.T) {
	request := http.Header{
		"Accept-Encoding": {"br;q=0.9, x-GZIP;q=0.8", "*;q=0.1"},
		"Connection":      {"keep-alive, Upgrade"},
		"If-None-Match":   {`"a", W/"b,c"`, `"d"`},
	}
	vary := http.Header{"Vary": {"Accept-Encoding, Origin"}}
	codings := []string{"zstd", "gzip"}
	found := false
	allocations := testing.AllocsPerRun(100, func() {
		coding, ok := header.NegotiateEncoding(request["Accept-Encoding"], codings)
		found = ok && coding == "gzip" &&
			header.HasToken(request["Connection"], "upgrade") &&
			header.ListsETag(request["If-None-Match"], `"b,c"`, header.WeakMatch) &&
			!header.ListsETag(request["If-None-Match"], `"b,c"`, header.StrongMatch)
		for element := range header.QuotedList(request["Connection"]) {
			found = found && header.IsToken(element)
		}
		header.AddVary(vary, "origin", "Accept-encoding")
	})
	if !found {
		t.Error("the functions under test gave wrong answers")
	}
	if allocations != 0 {
		t.Errorf("%v allocations, want none", allocations)
	}
}
