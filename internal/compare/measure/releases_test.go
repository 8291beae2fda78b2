package main

import (
	"strings"
	"testing"
)

func TestReleasesAreComparedByRound(t *testing.T) {
	t.Parallel()
	lines := func(static, compress string) string {
		return "goos: linux\nBenchmarkRouter/row=static/by=stanza-2    100   " + static + " ns/op   16 B/op   1 allocs/op\n" +
			"BenchmarkMiddleware/row=Compress-10KB/by=stanza   100   " + compress + " ns/op   5 MB/s   16 B/op   6 allocs/op\nPASS\n"
	}
	var paces []*pace
	for i, out := range []string{lines("10", "2000"), strings.Replace(lines("20", "1000"), "6 allocs", "4 allocs", 1),
		lines("50", "2000"), strings.Replace(lines("55", "500"), "6 allocs", "4 allocs", 1)} {
		var err error
		if paces, err = note(paces, out, i%2); err != nil {
			t.Fatal(err)
		}
	}
	got := releasesTable([2]string{"go1.26.8", "go1.27.0"}, paces)
	want := "| benchmark | row | by | go1.26.8 | go1.27.0 | allocations |\n|---|---|---|---|---|---|\n" +
		"| Router | static | stanza | 30 ns | 1.55 (1.10–2.00) | 1 |\n" +
		"| Middleware | Compress-10KB | stanza | 2 µs | 0.38 (0.25–0.50) | 6 → 4 |\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
