package header_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/header"
)

func TestList(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		lines []string
		want  []string
	}{
		{"no field", nil, nil},
		{"empty field", []string{""}, nil},
		{"one element", []string{"gzip"}, []string{"gzip"}},
		{"white space around elements", []string{" a ,\tb\t, c d "}, []string{"a", "b", "c d"}},
		{"empty elements", []string{",, a,\t,b ,"}, []string{"a", "b"}},
		{"several lines", []string{"a, b", "", "c"}, []string{"a", "b", "c"}},
		{"quotation marks mean nothing", []string{`"a,b"`}, []string{`"a`, `b"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := slices.Collect(header.List(tt.lines)); !slices.Equal(got, tt.want) {
				t.Errorf("List(%q) = %q, want %q", tt.lines, got, tt.want)
			}
		})
	}
}

func TestQuotedList(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		lines []string
		want  []string
	}{
		{"no field", nil, nil},
		{"without quotes", []string{"a; x=1, ,b ,", "c"}, []string{"a; x=1", "b", "c"}},
		{"comma inside quotes", []string{`a; x="1,2", b`}, []string{`a; x="1,2"`, "b"}},
		{"escaped quotation mark", []string{`a="\",\\", b`}, []string{`a="\",\\"`, "b"}},
		{"backslash outside quotes", []string{`a\, b`}, []string{`a\`, "b"}},
		{"never closed", []string{`a="1, b`, "c"}, []string{`a="1, b`, "c"}},
		{"escape at the end", []string{`a="\`}, []string{`a="\`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := slices.Collect(header.QuotedList(tt.lines)); !slices.Equal(got, tt.want) {
				t.Errorf("QuotedList(%q) = %q, want %q", tt.lines, got, tt.want)
			}
		})
	}
}

func TestListsStopWhenTheLoopDoes(t *testing.T) {
	t.Parallel()
	lines := []string{"a, b", "c"}
	for range header.List(lines) {
		break
	}
	for range header.QuotedList(lines) {
		break
	}
}

func TestHasToken(t *testing.T) {
	t.Parallel()
	lines := []string{"keep-alive", "x, UpGrade"}
	for token, want := range map[string]bool{"upgrade": true, "Keep-Alive": true, "up": false, "": false, "x, upgrade": false} {
		if got := header.HasToken(lines, token); got != want {
			t.Errorf("HasToken(%q, %q) = %t, want %t", lines, token, got, want)
		}
	}
}

// FuzzList holds List to the sentence of RFC 9110 §5.3 that joining the lines
// with commas changes nothing, and QuotedList to List where nothing is quoted.
func FuzzList(f *testing.F) {
	f.Add("a, b", "c")
	f.Add(" ,\t", `"x,y"`)
	f.Add(`a="\",`, `b"`)
	f.Fuzz(func(t *testing.T, first, second string) {
		lines := []string{first, second}
		var want []string
		for element := range strings.SplitSeq(first+","+second, ",") {
			if element = strings.Trim(element, " \t"); element != "" {
				want = append(want, element)
			}
		}
		if got := slices.Collect(header.List(lines)); !slices.Equal(got, want) {
			t.Errorf("List(%q) = %q, want %q", lines, got, want)
		}
		got := slices.Collect(header.QuotedList(lines))
		if !strings.Contains(first+second, `"`) {
			if !slices.Equal(got, want) {
				t.Errorf("QuotedList(%q) = %q, want %q", lines, got, want)
			}
			return
		}
		for _, element := range got {
			if element == "" || strings.Trim(element, " \t") != element || !strings.Contains(first+"\n"+second, element) {
				t.Errorf("QuotedList(%q) has the element %q", lines, element)
			}
		}
	})
}

func BenchmarkList(b *testing.B) {
	lines := []string{"gzip, deflate, br, zstd", "identity"}
	b.ReportAllocs()
	for b.Loop() {
		for element := range header.List(lines) {
			if element == "" {
				b.Fatal("empty element")
			}
		}
	}
}
