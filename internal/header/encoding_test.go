package header

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestNegotiateEncoding(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		lines []string
		want  string // "" if nothing is acceptable
	}{
		{"no field", nil, "identity"},
		{"empty field", []string{""}, "identity"},
		{"gzip", []string{"gzip"}, "gzip"},
		{"any case", []string{"GZIP"}, "gzip"},
		{"older name", []string{"x-gzip"}, "gzip"},
		{"older name in capitals", []string{"X-GZip;Q=0.3"}, "gzip"},
		{"weight", []string{"gzip;q=0.5"}, "gzip"},
		{"smallest weight", []string{"gzip;q=0.001"}, "gzip"},
		{"white space about the weight", []string{"gzip \t; q=0.5"}, "gzip"},
		{"refused", []string{"gzip;q=0"}, "identity"},
		{"refused with decimals", []string{"gzip;q=0.000"}, "identity"},
		{"star", []string{"*"}, "br"},
		{"star but one", []string{"*, br;q=0"}, "gzip"},
		{"star refused", []string{"*;q=0"}, ""},
		{"star refused, gzip named", []string{"*;q=0, gzip"}, "gzip"},
		{"star refused, identity named", []string{"*;q=0, identity"}, "identity"},
		{"two lines", []string{"deflate", "gzip"}, "gzip"},
		{"server's order among equals", []string{"gzip, br"}, "br"},
		{"client's weights first", []string{"gzip;q=0.9, br;q=0.8"}, "gzip"},
		{"identity refused", []string{"identity;q=0, gzip"}, "gzip"},
		{"only identity refused", []string{"identity;q=0"}, ""},
		{"all refused", []string{"gzip;q=0, br;q=0, identity;q=0"}, ""},
		{"identity and unknown codings only", []string{"identity, deflate, zstd"}, "identity"},
		{"identity preferred", []string{"identity, gzip;q=0.5"}, "identity"},
		{"identity equal", []string{"identity, gzip"}, "gzip"},
		{"star weighs more than gzip", []string{"*;q=0.5, gzip;q=0.1, br;q=0"}, "identity"},
		{"listed twice, lower weight counts", []string{"gzip, x-gzip;q=0"}, "identity"},
		{"listed twice, other order", []string{"gzip;q=0", "gzip"}, "identity"},
		{"weight above one", []string{"gzip;q=1.001"}, "identity"},
		{"weight without digits", []string{"gzip;q="}, "identity"},
		{"weight with a sign", []string{"gzip;q=-1"}, "identity"},
		{"too many decimals", []string{"gzip;q=0.0001"}, "identity"},
		{"other parameter", []string{"gzip;level=9"}, "identity"},
		{"malformed refusal of identity", []string{"identity;q=no"}, "identity"},
		{"part of a name", []string{"gzipped, xgzip, x-br"}, "identity"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, ok := NegotiateEncoding(tt.lines, []string{"br", "gzip"})
			want := tt.want
			if want == "" {
				want = "identity"
			}
			if got != want || ok != (tt.want != "") {
				t.Errorf("NegotiateEncoding(%q) = %q, %t; want %q, %t", tt.lines, got, ok, want, tt.want != "")
			}
		})
	}
}

func TestNegotiateEncodingIgnoresListsThatAreTooLong(t *testing.T) {
	t.Parallel()
	for most, lines := range map[int][]string{
		MaxElements - 1: {"gzip" + strings.Repeat(",a", MaxElements-2), "br;q=0"},
		MaxElements:     {"gzip" + strings.Repeat(",", MaxElements-1)},
		MaxElements + 1: {"gzip" + strings.Repeat(",a", MaxElements)},
		1000:            slices.Repeat([]string{"gzip, identity;q=0"}, 500),
	} {
		want := Identity
		if most <= MaxElements {
			want = "gzip"
		}
		if got, ok := NegotiateEncoding(lines, []string{"br", "gzip"}); got != want || !ok {
			t.Errorf("%d elements: %q, %t; want %q", most, got, ok, want)
		}
	}
}

func TestNegotiateEncodingKnowsTheOlderNameOfCompress(t *testing.T) {
	t.Parallel()
	if got, ok := NegotiateEncoding([]string{"X-Compress"}, []string{"compress"}); got != "compress" || !ok {
		t.Errorf("x-compress chose %q, %t; want compress", got, ok)
	}
}

func TestWeight(t *testing.T) {
	t.Parallel()
	tests := []struct {
		element, value string
		weight         int
		ok             bool
	}{
		{"gzip", "gzip", 1000, true},
		{"gzip;q=1", "gzip", 1000, true},
		{"gzip;q=1.", "gzip", 1000, true},
		{"gzip;q=1.000", "gzip", 1000, true},
		{"gzip;q=0", "gzip", 0, true},
		{"gzip;Q=0.7", "gzip", 700, true},
		{"gzip;q=0.07", "gzip", 70, true},
		{"gzip;q=0.007", "gzip", 7, true},
		{"gzip;q=1.1", "gzip", 0, false},
		{"gzip;q=0.1234", "gzip", 0, false},
		{"gzip;q=.5", "gzip", 0, false},
		{"gzip;q=00", "gzip", 0, false},
		{"gzip;q=2", "gzip", 0, false},
		{"gzip;q=0.x", "gzip", 0, false},
		{"gzip;q = 1", "gzip", 0, false},
		{"gzip;", "gzip", 0, false},
		{"gzip;q", "gzip", 0, false},
		{";q=1", "", 1000, true},
	}
	for _, tt := range tests {
		value, weight, ok := splitWeight(tt.element)
		if value != tt.value || ok != tt.ok || ok && weight != tt.weight {
			t.Errorf("splitWeight(%q) = %q, %d, %t; want %q, %d, %t",
				tt.element, value, weight, ok, tt.value, tt.weight, tt.ok)
		}
	}
}

// weighted matches the grammar of RFC 9110, section 12.4.2.
var weighted = regexp.MustCompile(`^([^;]*?)[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)$`)

// negotiate is a simple implementation of NegotiateEncoding: it collects all
// weights in a map and chooses the best candidate.
func negotiate(field string, codings []string) (string, bool) {
	weights := map[string]float64{}
	for element := range strings.SplitSeq(field, ",") {
		name, weight := strings.Trim(element, " \t"), 1.0
		if strings.Contains(name, ";") {
			parts := weighted.FindStringSubmatch(name)
			if parts == nil {
				continue
			}
			name = parts[1]
			weight, _ = strconv.ParseFloat(parts[2], 64) // the expression matches numbers only
		}
		name = strings.TrimPrefix(asciiLower(name), "x-")
		if earlier, ok := weights[name]; ok {
			weight = min(weight, earlier)
		}
		weights[name] = weight
	}
	best, bestWeight := "", 0.0
	for _, coding := range append(slices.Clone(codings), "identity") {
		weight, ok := weights[coding]
		if !ok {
			weight, ok = weights["*"]
		}
		if !ok && coding == "identity" {
			weight = 0.0001
		}
		if weight > bestWeight {
			best, bestWeight = coding, weight
		}
	}
	if best == "" {
		return "identity", false
	}
	return best, true
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func FuzzNegotiateEncoding(f *testing.F) {
	for _, line := range []string{
		"", "gzip", "gzip;q=0", "x-gzip;q=0.5, *", "identity;q=0, br", "*;q=0", "deflate, gzip;q=1.0, *;q=0.5",
		"gzip;q=0.123, compress;q=0.124", "GZIP ; Q=1.", "a;b;c,,;q=1", "gzip;q=1;q=0", "*;q=0.1, gzip;q=0.05",
	} {
		f.Add(line, "identity;q=0.5")
		f.Add(line, "x-compress, zstd")
	}
	codings := []string{"zstd", "gzip", "compress"}
	f.Fuzz(func(t *testing.T, first, second string) {
		field := first + "," + second
		// negotiate removes "x-" from every name; NegotiateEncoding only from two.
		for _, name := range []string{"x-zstd", "x-identity", "x-*", "x-x-"} {
			if strings.Contains(asciiLower(field), name) {
				t.Skip()
			}
		}
		coding, ok := NegotiateEncoding([]string{first, second}, codings)
		wantCoding, wantOK := negotiate(field, codings)
		if strings.Count(field, ",") >= MaxElements {
			wantCoding, wantOK = Identity, true
		}
		if coding != wantCoding || ok != wantOK {
			t.Errorf("NegotiateEncoding(%q) = %q, %t; want %q, %t", field, coding, ok, wantCoding, wantOK)
		}
	})
}

func BenchmarkNegotiateEncoding(b *testing.B) {
	lines, codings := []string{"gzip, deflate, br;q=0.9, *;q=0.1"}, []string{"zstd", "gzip"}
	b.ReportAllocs()
	for b.Loop() {
		if coding, _ := NegotiateEncoding(lines, codings); coding != "gzip" {
			b.Fatal(coding)
		}
	}
}
