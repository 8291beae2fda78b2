package header_test

import (
	"iter"
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

// A list of any length costs no more than its first elements do.
func TestListsAreBounded(t *testing.T) {
	t.Parallel()
	const most = header.MaxElements
	for name, lines := range map[string][]string{
		"one line":   {strings.Repeat("a,", most-1) + "last" + strings.Repeat(",beyond", 10)},
		"lines":      append(append(slices.Repeat([]string{"a"}, most-1), "last"), slices.Repeat([]string{"beyond"}, 10)...),
		"both":       {strings.Repeat("a,", most/2-1) + "a", strings.Repeat("a,", most/2-1) + "last", "beyond, beyond"},
		"empty ones": append(append(make([]string, 3), strings.Repeat(",", most-4)+"last"), "beyond"),
	} {
		for kind, list := range map[string]func([]string) iter.Seq[string]{"List": header.List, "QuotedList": header.QuotedList} {
			got := slices.Collect(list(lines))
			if slices.Contains(got, "beyond") || len(got) == 0 || got[len(got)-1] != "last" {
				t.Errorf("%s, %s: %d elements, the last %q", kind, name, len(got), got[max(0, len(got)-1):])
			}
		}
		if header.HasToken(lines, "beyond") || !header.HasToken(lines, "last") {
			t.Errorf("HasToken, %s: looks at other elements than List", name)
		}
		if !header.TooLong(lines) {
			t.Errorf("%s: not too long", name)
		}
	}
	for n, lines := range map[int][]string{0: nil, 1: {""}, 3: {"a,", ""}, most: {strings.Repeat(",", most-1)}, most + 1: {strings.Repeat(",", most-1), ""}} {
		if got := header.Count(lines); got != n || header.TooLong(lines) != (n > most) {
			t.Errorf("Count(%q) = %d, want %d", lines, got, n)
		}
	}
	if got := slices.Collect(header.ListN([]string{"a,b", "c"}, 2)); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("ListN of two elements yields %q", got)
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
		all := strings.Split(first+","+second, ",")
		for _, element := range all[:min(len(all), header.MaxElements)] {
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
