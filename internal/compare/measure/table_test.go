package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const benchstatOutput = `goos: linux
cpu: AMD EPYC
,benchmarks.txt,
,sec/op,CI
Router/row=static/by=chi-2,8.543e-07,3%
Router/row=static/by=stanza-2,3.2e-07,∞
RateLimit/row=1-key/by=stanza,1.25e-06,1%
geomean,1e-7,

,benchmarks.txt,
,allocs/op,CI
Router/row=static/by=chi-2,2,0%
Router/row=static/by=stanza-2,0,0%
RateLimit/row=1-key/by=stanza,1,0%
geomean,,

,benchmarks.txt,
,ratio,CI
Router/row=static/by=chi-2,2.5,4%
Router/row=static/by=stanza-2,1,0%
RateLimit/row=1-key/by=stanza,1,0%

,benchmarks.txt,
,B/key,CI
RateLimit/row=1-key/by=stanza,123.4,0%
`

func TestTableHasOursFirstAndTheOthersAsRatios(t *testing.T) {
	t.Parallel()
	results, err := parseBenchstat([]byte(benchstatOutput))
	if err != nil {
		t.Fatal(err)
	}
	const want = `| | stanza | chi |
|---|---|---|
| static | 320 ns, 0 | 2.50 ±4%, 2 |
| 1-key, 1 CPU | 1.25 µs, 1, 123 B |  |
`
	if got := table(results); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestRatiosAreThoseOfOneRoundAndRow(t *testing.T) {
	t.Parallel()
	const out = `goos: linux
BenchmarkRouter/row=static/by=stanza-2         	  680889	       40.0 ns/op	       0 B/op
BenchmarkRouter/row=static/by=rs-cors-2        	  279090	       100 ns/op	     368 B/op
BenchmarkRouter/row=404/by=chi-2         	  680889	       20.5 ns/op	       0 B/op
BenchmarkRouter/row=404/by=stanza-2         	  680889	       41 ns/op	       0 B/op
BenchmarkRateLimit/row=404/by=stanza         	  680889	       41 ns/op	       0 B/op
PASS
`
	want := out
	for _, ratio := range []string{"1.0000", "2.5000", "0.5000", "1.0000", "1.0000"} {
		want = strings.Replace(want, " B/op\n", " b/op\t"+ratio+" ratio\n", 1)
	}
	want = strings.ReplaceAll(want, " b/op", " B/op")
	if got := string(addRatios([]byte(out))); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	const alone = "BenchmarkRouter/row=404/by=chi-2         	  680889	       20.5 ns/op\n"
	if got := string(addRatios([]byte(alone))); got != alone {
		t.Errorf("a line without ours beside became %q", got)
	}
}

func TestNamesOfBenchmarksAreChecked(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Router-2", "Router/row=static-2", "Router/static/by=chi-2"} {
		if r, err := parseName(name); err == nil {
			t.Errorf("%q is taken for %v", name, r)
		}
	}
	r, err := parseName("Chain/row=200B/by=rs-cors-16")
	if err != nil || r.function != "Chain" || r.row != "200B" || r.by != "rs-cors" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestBlocksAreReplacedAndTheRestKept(t *testing.T) {
	t.Parallel()
	const text = "before\n<!-- begin a -->\nold\n<!-- end a -->\nbetween\n<!-- begin b -->\n<!-- end b -->\n"
	got, err := replaceBlock(text, "a", "\nnew\n\n")
	if want := strings.Replace(text, "old", "new", 1); err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
	for _, topic := range []string{"c", "end"} {
		if _, err := replaceBlock(text, topic, ""); err == nil {
			t.Errorf("a block %q was found", topic)
		}
	}
	if _, err := replaceBlock("<!-- end a -->\n<!-- begin a -->\n", "a", ""); err == nil {
		t.Error("a block without an end was taken")
	}
}

func TestDurationHasThreeDigits(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[float64]string{
		3.2e-8: "32 ns", 3.456e-7: "346 ns", 1.2345e-6: "1.23 µs", 0.0987654: "98.8 ms", 2: "2 s",
	} {
		if got := duration(seconds); got != want {
			t.Errorf("duration(%v) = %q, want %q", seconds, got, want)
		}
	}
}

func TestTopicsOfAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "RESULTS.md")
	if err := os.WriteFile(file, []byte("# Results\n\n<!-- begin wrk -->\n<!-- end wrk -->\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	known := []string{"router", "wrk"}
	if got, err := topicsOf(file, known); err != nil || !slices.Equal(got, []string{"wrk"}) {
		t.Errorf("got %v, %v, want only wrk", got, err)
	}
	if got, err := topicsOf("-", known); err != nil || !slices.Equal(got, known) {
		t.Errorf("got %v, %v, want all", got, err)
	}
	if _, err := topicsOf(file+"x", known); err == nil {
		t.Error("a missing file is no error")
	}
}
