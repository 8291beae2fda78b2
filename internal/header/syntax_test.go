package header

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestByteClasses(t *testing.T) {
	t.Parallel()
	const tchar = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for c := range 256 {
		s := string([]byte{byte(c)})
		if got, want := IsToken(s), strings.Contains(tchar, s); got != want {
			t.Errorf("IsToken(%q) = %t, want %t", s, got, want)
		}
		if got, want := IsVisible(s), c > 0x20 && c < 0x7f; got != want {
			t.Errorf("IsVisible(%q) = %t, want %t", s, got, want)
		}
		if got, want := IsValue(s), c == '\t' || c >= 0x20 && c != 0x7f; got != want {
			t.Errorf("IsValue(%q) = %t, want %t", s, got, want)
		}
	}
}

func TestOneBadByteSpoilsTheString(t *testing.T) {
	t.Parallel()
	if IsToken("") || IsVisible("") || !IsValue("") {
		t.Error("the empty string must be a value, but not a token or visible")
	}
	for _, s := range []string{"\r\nabc", "ab\x00c", "abc\n", "abc\r"} {
		if IsToken(s) || IsVisible(s) || IsValue(s) {
			t.Errorf("%q passed as a token, as visible or as a value", s)
		}
	}
	if !IsToken("X-Request-ID") || !IsVisible("a/b?c=d") || !IsValue("default-src 'self'; x") {
		t.Error("an ordinary string was rejected")
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
		if got := EqualFold(tt.a, tt.b); got != tt.want {
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
		if got, want := IsToken(s), token.MatchString(s) && !strings.HasSuffix(s, "\n"); got != want {
			t.Errorf("IsToken(%q) = %t, want %t", s, got, want)
		}
		if got, want := IsValue(s), value.MatchString(s); got != want {
			t.Errorf("IsValue(%q) = %t, want %t", s, got, want)
		}
	})
}

func TestReadingFieldsDoesNotAllocate(t *testing.T) {
	request := http.Header{
		"Accept-Encoding": {"br;q=0.9, x-GZIP;q=0.8", "*;q=0.1"},
		"Connection":      {"keep-alive, Upgrade"},
		"If-None-Match":   {`"a", W/"b,c"`, `"d"`},
	}
	vary := http.Header{"Vary": {"Accept-Encoding, Origin"}}
	codings := []string{"zstd", "gzip"}
	found := false
	allocations := testing.AllocsPerRun(100, func() {
		coding, ok := NegotiateEncoding(request["Accept-Encoding"], codings)
		found = ok && coding == "gzip" &&
			HasToken(request["Connection"], "upgrade") &&
			ListsETag(request["If-None-Match"], `"b,c"`, WeakMatch) &&
			!ListsETag(request["If-None-Match"], `"b,c"`, StrongMatch)
		for element := range List(request["Connection"]) {
			found = found && IsToken(element)
		}
		AddVary(vary, "origin", "Accept-encoding")
	})
	if !found {
		t.Error("the functions under test returned wrong results")
	}
	if allocations != 0 {
		t.Errorf("%v allocations, want 0", allocations)
	}
}
