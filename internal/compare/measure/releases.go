package main

import (
	"fmt"
	"log"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// newer is the release of Go that is compared with the one that this command runs with.
const newer = "go1.27.0"

// sameCode are the contestants that the releases are compared with: this package, and code
// that uses only the standard library, which shows what a release has changed there.
const sameCode = "stanza|ServeMux|net-http|compress-gzip|encoding-json|encoding-csv|net-url|slog|standard"

// A pace is the speed of one contestant in a row with two releases of Go.
type pace struct {
	name        string
	times       [2][]float64 // in seconds, one in each round
	allocations [2]string
}

// measureReleases compares the benchmarks of this package and of the standard library with
// two releases of Go. In each round, both releases are measured one after the other.
func measureReleases(p plan) (string, error) {
	dir, err := os.MkdirTemp("", "measure")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	releases := [2]string{runtime.Version(), newer}
	for _, folder := range folders(comparisons) {
		for _, release := range releases {
			if err := compileTests(dir, folder, release); err != nil {
				return "", err
			}
		}
	}
	var paces []*pace
	for round := range p.rounds {
		log.Printf("releases, round %d of %d", round+1, p.rounds)
		for _, c := range comparisons {
			for i, release := range releases {
				out, err := output(testsOf(dir, c.folder, release), "-test.run=^$", "-test.benchtime="+p.benchTime.String(),
					"-test.bench=^Benchmark("+strings.Join(c.benchmarks, "|")+")$/./^by=("+sameCode+")$")
				if err != nil {
					return "", err
				}
				if paces, err = note(paces, string(out), i); err != nil {
					return "", err
				}
			}
		}
	}
	return releasesTable(releases, paces), nil
}

// pacedLine matches a line of a benchmark's output. Its groups are the function, the row,
// the contestant, the time, and the allocations.
var pacedLine = regexp.MustCompile(`(?m)^Benchmark(\w+)/row=([^/\s]+)/by=(\S+?)(?:-\d+)?\s+\d+\s+([\d.]+) ns/op.*?(\d+) allocs/op`)

// note adds the times of a benchmark's output, which are those of the first or the second
// release.
func note(paces []*pace, out string, release int) ([]*pace, error) {
	for _, m := range pacedLine.FindAllStringSubmatch(out, -1) {
		name := strings.Join(m[1:4], " | ")
		i := slices.IndexFunc(paces, func(p *pace) bool { return p.name == name })
		if i < 0 {
			i = len(paces)
			paces = append(paces, &pace{name: name})
		}
		nanoseconds, err := strconv.ParseFloat(m[4], 64)
		if err != nil {
			return nil, err
		}
		paces[i].times[release] = append(paces[i].times[release], nanoseconds*time.Nanosecond.Seconds())
		paces[i].allocations[release] = m[5]
	}
	return paces, nil
}

// releasesTable returns a Markdown table with a line for each contestant of a row.
func releasesTable(releases [2]string, paces []*pace) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| benchmark | row | by | %s | %s | allocations |\n|---|---|---|---|---|---|\n", releases[0], releases[1])
	for _, p := range paces {
		var ratios []float64
		for round, took := range p.times[1] {
			ratios = append(ratios, took/p.times[0][round])
		}
		allocations := p.allocations[0]
		if p.allocations[1] != allocations {
			allocations += " → " + p.allocations[1]
		}
		fmt.Fprintf(&b, "| %s | %s | %.2f (%.2f–%.2f) | %s |\n", p.name, duration(median(p.times[0])),
			median(ratios), slices.Min(ratios), slices.Max(ratios), allocations)
	}
	return b.String()
}
