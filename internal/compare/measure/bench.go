package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// benchstat is the command that computes medians and their confidence
// intervals.
const benchstat = "golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da"

// ours is the contestant that all others are compared with.
const ours = "stanza"

// A comparison is a topic that is measured with benchmarks of a package of this module.
type comparison struct {
	topic      string
	folder     string   // of the package
	benchmarks []string // function names, without Benchmark
	cpus       string   // for -test.cpu; "" means all
}

var comparisons = []comparison{
	{"router", "stacks", []string{"Router"}, ""},
	{"middleware", "stacks", []string{"Middleware"}, ""},
	{"chain", "stacks", []string{"Chain"}, ""},
	{"helpers", "stacks", []string{"Helpers", "Prometheus"}, ""},
	{"ratelimit", "stacks", []string{"RateLimit"}, "1,2"},
	{"throttle", "throttle", []string{"Throttle"}, ""},
	{"timeout", "timeout", []string{"Timeout"}, ""},
	{"bind", "bind", []string{"Query", "Form"}, ""},
	{"standard", "bind", []string{"Standard"}, ""},
	{"upload", "upload", []string{"Upload"}, ""},
	{"mount", "mount", []string{"Mount"}, ""},
	{"websocket", "stacks", []string{"WebSocket"}, ""},
	{"sse", "stacks", []string{"SSE"}, ""},
}

// measureBenchmarks runs the benchmarks of the wanted topics and returns a
// block for each topic. It runs them in rounds, each benchmark once per round,
// so that other load on the machine affects all of them.
func measureBenchmarks(p plan, wanted []string) (map[string]string, error) {
	chosen := slices.DeleteFunc(slices.Clone(comparisons), func(c comparison) bool {
		return !slices.Contains(wanted, c.topic)
	})
	if len(chosen) == 0 {
		return nil, nil
	}
	dir, err := os.MkdirTemp("", "measure")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	release := runtime.Version()
	for _, folder := range folders(chosen) {
		if err := compileTests(dir, folder, release); err != nil {
			return nil, err
		}
		if _, err := output(testsOf(dir, folder, release), "-test.run=Alike"); err != nil {
			return nil, err // without any result, there is nothing to compare
		}
	}
	var lines bytes.Buffer
	for round := range p.rounds {
		log.Printf("benchmarks, round %d of %d", round+1, p.rounds)
		for _, c := range chosen {
			out, err := output(testsOf(dir, c.folder, release), "-test.run=^$", "-test.bench=^Benchmark("+strings.Join(c.benchmarks, "|")+")$",
				"-test.benchtime="+p.benchTime.String(), "-test.cpu="+c.cpus)
			if err != nil {
				return nil, err
			}
			lines.Write(addRatios(out))
		}
	}
	raw := filepath.Join(dir, "benchmarks.txt")
	if err := os.WriteFile(raw, lines.Bytes(), 0o644); err != nil {
		return nil, err
	}
	return summarize(p, chosen, raw)
}

// folders returns the folders of the packages of some comparisons, without duplicates.
func folders(some []comparison) []string {
	var all []string
	for _, c := range some {
		if !slices.Contains(all, c.folder) {
			all = append(all, c.folder)
		}
	}
	return all
}

// compileTests compiles the tests of the package in a folder with a release of Go. It
// writes the program to the path that testsOf returns.
func compileTests(dir, folder, release string) error {
	cmd := exec.Command("go", "test", "-c", "-o", testsOf(dir, folder, release), "./"+folder)
	if release != runtime.Version() {
		cmd.Env = append(os.Environ(), "GOTOOLCHAIN="+release)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", release, err, out)
	}
	return nil
}

// testsOf returns the path of the compiled tests of the package in a folder.
func testsOf(dir, folder, release string) string {
	return filepath.Join(dir, folder+"-"+release+".test")
}

// benchmarkLine matches a line of a benchmark's output. Its groups are the name
// up to the row, the contestant, the number of processors, and the time.
var benchmarkLine = regexp.MustCompile(`(?m)^(Benchmark\S+/row=[^/\s]+)/by=(\S+?)(-\d+)?\s+\d+\s+([\d.]+) ns/op.*$`)

// addRatios adds a figure to each line of a round's output: the time as a
// multiple of ours in the same round. The speed of a shared machine changes by
// more than contestants differ, but it hardly affects the ratio of two times
// measured within a second of each other.
func addRatios(out []byte) []byte {
	base := map[string]float64{}
	for _, m := range benchmarkLine.FindAllSubmatch(out, -1) {
		if string(m[2]) == ours {
			base[string(m[1])+string(m[3])], _ = strconv.ParseFloat(string(m[4]), 64) // the pattern allows only digits and points
		}
	}
	return benchmarkLine.ReplaceAllFunc(out, func(line []byte) []byte {
		m := benchmarkLine.FindSubmatch(line)
		took, _ := strconv.ParseFloat(string(m[4]), 64)
		if b := base[string(m[1])+string(m[3])]; b > 0 {
			line = fmt.Appendf(slices.Clip(line), "\t%.4f %s", took/b, ratio)
		}
		return line
	})
}

// ratio is the unit of the figures that addRatios adds.
const ratio = "ratio"

// summarize returns a table for each comparison, from the benchmarks' output in
// the file raw.
func summarize(p plan, chosen []comparison, raw string) (map[string]string, error) {
	csv, err := output("go", "run", benchstat, "-format", "csv", "-row", ".fullname", raw)
	if err != nil {
		return nil, err
	}
	results, err := parseBenchstat(csv)
	if err != nil {
		return nil, err
	}
	how := fmt.Sprintf("medians of %d rounds of %v", p.rounds, p.benchTime)
	blocks := map[string]string{}
	for _, c := range chosen {
		var mine []result
		for _, r := range results {
			if slices.Contains(c.benchmarks, r.function) {
				mine = append(mine, r)
			}
		}
		blocks[c.topic] = circumstances(how) + "\n\n" + table(mine)
	}
	return blocks, nil
}
