package header

import (
	"regexp"
	"strings"
	"testing"
)

func TestETagComparison(t *testing.T) {
	t.Parallel()
	tests := []struct { // the first four are the table of RFC 9110, section 8.8.3.2
		a, b         string
		strong, weak bool
	}{
		{`W/"1"`, `W/"1"`, false, true},
		{`W/"1"`, `W/"2"`, false, false},
		{`W/"1"`, `"1"`, false, true},
		{`"1"`, `"1"`, true, true},
		{`""`, `""`, true, true},
		{`"\"`, `"\"`, true, true},
		{`w/"1"`, `"1"`, false, false},
		{`w/"1"`, `w/"1"`, false, false},
		{``, ``, false, false},
		{`1`, `1`, false, false},
		{`"a b"`, `"a b"`, false, false},
		{`"a""`, `"a""`, false, false},
		{`W/W/"1"`, `"1"`, false, false},
	}
	for _, tt := range tests {
		if got := StrongMatch(tt.a, tt.b); got != tt.strong {
			t.Errorf("StrongMatch(%q, %q) = %t, want %t", tt.a, tt.b, got, tt.strong)
		}
		if got := WeakMatch(tt.a, tt.b); got != tt.weak {
			t.Errorf("WeakMatch(%q, %q) = %t, want %t", tt.a, tt.b, got, tt.weak)
		}
	}
}

func TestListsETag(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		lines        []string
		etag         string
		strong, weak bool
	}{
		{"no field", nil, `"a"`, false, false},
		{"empty field", []string{""}, `"a"`, false, false},
		{"one", []string{`"a"`}, `"a"`, true, true},
		{"weak in the list", []string{`W/"a"`}, `"a"`, false, true},
		{"weak etag", []string{`"a"`}, `W/"a"`, false, true},
		{"star", []string{" * "}, `"a"`, true, true},
		{"star without a tag", []string{"*"}, "", true, true},
		{"star in a list", []string{`"b", *`}, `"a"`, false, false},
		{"star in a separate line", []string{"*", `"b"`}, `"a"`, false, false},
		{"star before a tag", []string{`*, "a"`}, `"a"`, false, false},
		{"last of several", []string{`"x", W/"y" ,"a"`}, `"a"`, true, true},
		{"several lines", []string{`"x",`, ``, `, "a"`}, `"a"`, true, true},
		{"comma inside a tag", []string{`"x,y", "a"`}, `"x,y"`, true, true},
		{"half of a tag with a comma", []string{`"x,"a","y"`}, `"a"`, false, false},
		{"no commas between", []string{`"x" "a"`}, `"a"`, false, false},
		{"after a malformed element", []string{`x, "a"`}, `"a"`, false, false},
		{"in a line after a malformed one", []string{`x`, `"a"`}, `"a"`, false, false},
		{"never closed", []string{`"a`}, `"a"`, false, false},
		{"nothing to match", []string{`"a"`}, "", false, false},
		{"other case", []string{`"A"`}, `"a"`, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := ListsETag(tt.lines, tt.etag, StrongMatch); got != tt.strong {
				t.Errorf("strongly ListsETag(%q, %q) = %t, want %t", tt.lines, tt.etag, got, tt.strong)
			}
			if got := ListsETag(tt.lines, tt.etag, WeakMatch); got != tt.weak {
				t.Errorf("weakly ListsETag(%q, %q) = %t, want %t", tt.lines, tt.etag, got, tt.weak)
			}
		})
	}
}

func TestListsETagReadsABoundedNumberOfTags(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		lines []string
		want  bool
	}{
		{"last of the tags that are read", []string{strings.Repeat(`"x",`, MaxElements-1) + `"a"`}, true},
		{"one too many", []string{strings.Repeat(`"x",`, MaxElements) + `"a"`}, false},
		{"several lines", []string{strings.Repeat(`"x",`, MaxElements/2), strings.Repeat(`"x",`, MaxElements/2), `"a"`}, false},
		{"as many lines", append(make([]string, MaxElements-1), `"a"`), true},
		{"too many lines", append(make([]string, MaxElements), `"a"`), false},
		{"empty elements", []string{strings.Repeat(",", 1000) + `"a"`}, true},
	}
	for _, tt := range tests {
		if got := ListsETag(tt.lines, `"a"`, WeakMatch); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}

// FuzzListsETag compares with a regular expression that matches the well-formed
// beginning of the list and then looks for the tag in it.
func FuzzListsETag(f *testing.F) {
	list := regexp.MustCompile(`^(?:[ \t,]*(?:W/)?"[!#-~\x80-\xff]*"[ \t]*(?:,|$))*`)
	tags := regexp.MustCompile(`(W/)?("[!#-~\x80-\xff]*")`)
	for _, s := range []string{`"a"`, `W/"a", "b"`, `*`, `"a,b"`, `"a" "b"`, ` , "x" ,`, `x, "a"`, `"é"`, `W/"`, `"a`} {
		f.Add(s, `"a"`)
		f.Add(s, `W/"b"`)
	}
	f.Fuzz(func(t *testing.T, line, etag string) {
		if got := isETag(etag); got != (tags.FindString(latin1(etag)) == latin1(etag) && etag != "") {
			t.Errorf("isETag(%q) = %t", etag, got)
		}
		strong, weak := strings.Trim(line, " \t") == "*", strings.Trim(line, " \t") == "*"
		if isETag(etag) {
			for _, tag := range tags.FindAllStringSubmatch(list.FindString(latin1(line)), MaxElements) {
				if tag[2] == strings.TrimPrefix(latin1(etag), "W/") {
					weak = true
					strong = strong || tag[1] == "" && !strings.HasPrefix(etag, "W/")
				}
			}
		}
		if got := ListsETag([]string{line}, etag, StrongMatch); got != strong {
			t.Errorf("strongly ListsETag(%q, %q) = %t, want %t", line, etag, got, strong)
		}
		if got := ListsETag([]string{line}, etag, WeakMatch); got != weak {
			t.Errorf("weakly ListsETag(%q, %q) = %t, want %t", line, etag, got, weak)
		}
	})
}

// latin1 converts each byte to a character, because regexp cannot match single
// bytes.
func latin1(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

func BenchmarkListsETag(b *testing.B) {
	lines := []string{`"0123456789abcdef", W/"fedcba9876543210"`, `"x"`}
	b.ReportAllocs()
	for b.Loop() {
		if !ListsETag(lines, `"x"`, WeakMatch) {
			b.Fatal("no match")
		}
	}
}
