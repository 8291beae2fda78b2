package header

import (
	"slices"
	"strings"
	"testing"
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
		{"quotation marks have no meaning", []string{`"a,b"`}, []string{`"a`, `b"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := slices.Collect(List(tt.lines)); !slices.Equal(got, tt.want) {
				t.Errorf("List(%q) = %q, want %q", tt.lines, got, tt.want)
			}
		})
	}
}

func TestListStopsWhenTheLoopDoes(t *testing.T) {
	t.Parallel()
	for range List([]string{"a, b", "c"}) {
		break
	}
}

// A list of any length costs no more than its first MaxElements elements.
func TestListsAreBounded(t *testing.T) {
	t.Parallel()
	const most = MaxElements
	for name, lines := range map[string][]string{
		"one line":   {strings.Repeat("a,", most-1) + "last" + strings.Repeat(",beyond", 10)},
		"lines":      append(append(slices.Repeat([]string{"a"}, most-1), "last"), slices.Repeat([]string{"beyond"}, 10)...),
		"both":       {strings.Repeat("a,", most/2-1) + "a", strings.Repeat("a,", most/2-1) + "last", "beyond, beyond"},
		"empty ones": append(append(make([]string, 3), strings.Repeat(",", most-4)+"last"), "beyond"),
	} {
		got := slices.Collect(List(lines))
		if slices.Contains(got, "beyond") || len(got) == 0 || got[len(got)-1] != "last" {
			t.Errorf("%s: %d elements, the last %q", name, len(got), got[max(0, len(got)-1):])
		}
		if HasToken(lines, "beyond") || !HasToken(lines, "last") {
			t.Errorf("HasToken, %s: reads other elements than List", name)
		}
		if !TooLong(lines) {
			t.Errorf("%s: not reported as too long", name)
		}
	}
	for n, lines := range map[int][]string{0: nil, 1: {""}, 3: {"a,", ""}, most: {strings.Repeat(",", most-1)}, most + 1: {strings.Repeat(",", most-1), ""}} {
		if got := Count(lines); got != n || TooLong(lines) != (n > most) {
			t.Errorf("Count(%q) = %d, want %d", lines, got, n)
		}
	}
	if got := slices.Collect(ListN([]string{"a,b", "c"}, 2)); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("ListN of two elements yields %q", got)
	}
}

func TestHasToken(t *testing.T) {
	t.Parallel()
	lines := []string{"keep-alive", "x, UpGrade"}
	for token, want := range map[string]bool{"upgrade": true, "Keep-Alive": true, "up": false, "": false, "x, upgrade": false} {
		if got := HasToken(lines, token); got != want {
			t.Errorf("HasToken(%q, %q) = %t, want %t", lines, token, got, want)
		}
	}
}

// FuzzList checks that List yields the same for several lines as for one that
// joins them with commas (RFC 9110, section 5.3).
func FuzzList(f *testing.F) {
	f.Add("a, b", "c")
	f.Add(" ,\t", `"x,y"`)
	f.Add(`a="\",`, `b"`)
	f.Fuzz(func(t *testing.T, first, second string) {
		lines := []string{first, second}
		var want []string
		all := strings.Split(first+","+second, ",")
		for _, element := range all[:min(len(all), MaxElements)] {
			if element = strings.Trim(element, " \t"); element != "" {
				want = append(want, element)
			}
		}
		if got := slices.Collect(List(lines)); !slices.Equal(got, want) {
			t.Errorf("List(%q) = %q, want %q", lines, got, want)
		}
	})
}

func BenchmarkList(b *testing.B) {
	lines := []string{"gzip, deflate, br, zstd", "identity"}
	b.ReportAllocs()
	for b.Loop() {
		for element := range List(lines) {
			if element == "" {
				b.Fatal("empty element")
			}
		}
	}
}
