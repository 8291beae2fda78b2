// Command measure compares this library with its peers and writes what it
// finds into RESULTS.md. In the directory of this module:
//
//	go run ./measure                 everything, in about half an hour
//	go run ./measure router chain    some of it
//
// Run it on a machine that does nothing else. It needs wrk.
//
// RESULTS.md keeps what people wrote about the figures: between two comments
// that name a topic stands what the last measurement of it gave, and only that
// is replaced.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A plan says how much is measured.
type plan struct {
	rounds    int           // of benchmarks and of wrk
	benchTime time.Duration // for each benchmark in a round
	wrkTime   time.Duration // for each run of wrk
	soakTime  time.Duration
}

// A measurement gives the block of a topic that is not benchmarks alone.
type measurement struct {
	topic string
	run   func(plan) (string, error)
}

var measurements = []measurement{
	{"idle", func(plan) (string, error) { return measureIdle() }},
	{"wrk", func(p plan) (string, error) { return measureWrk(p.rounds, p.wrkTime) }},
	{"soak", func(p plan) (string, error) { return measureSoak(p.soakTime) }},
}

func main() {
	log.SetFlags(log.Ltime)
	var p plan
	file := flag.String("o", "RESULTS.md", "the file whose blocks are replaced")
	flag.IntVar(&p.rounds, "rounds", 15, "rounds in which the contestants take turns")
	flag.DurationVar(&p.benchTime, "benchtime", 50*time.Millisecond, "time for each benchmark in a round")
	flag.DurationVar(&p.wrkTime, "wrktime", 3*time.Second, "time for each run of wrk")
	flag.DurationVar(&p.soakTime, "soaktime", 5*time.Minute, "time of the soak")
	flag.Usage = usage
	flag.Parse()
	if err := run(*file, p, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func usage() {
	fmt.Fprintf(os.Stderr, "usage: measure [flags] [topic ...]\ntopics: %s\n", strings.Join(topics(), ", "))
	flag.PrintDefaults()
}

// topics lists what can be measured, in the order in which it is.
func topics() []string {
	var all []string
	for _, c := range comparisons {
		all = append(all, c.topic)
	}
	for _, m := range measurements {
		all = append(all, m.topic)
	}
	return all
}

// run measures the wanted topics, or all, and replaces their blocks. Each is
// written when it is there, so that what a later one fails of is not lost.
func run(file string, p plan, wanted []string) error {
	known := topics()
	for _, topic := range wanted {
		if !slices.Contains(known, topic) {
			return fmt.Errorf("no topic %q; there are %s", topic, strings.Join(known, ", "))
		}
	}
	if len(wanted) == 0 {
		wanted = known
	}
	blocks, err := measureBenchmarks(p, wanted)
	if err != nil {
		return err
	}
	if err := writeBlocks(file, blocks); err != nil {
		return err
	}
	for _, m := range measurements {
		if !slices.Contains(wanted, m.topic) {
			continue
		}
		log.Print(m.topic)
		text, failure := m.run(p)
		if text != "" { // the figures of a soak that failed tell more than nothing
			text = circumstances("") + "\n\n" + text
			if err := writeBlocks(file, map[string]string{m.topic: text}); err != nil {
				return err
			}
		}
		if failure != nil {
			return fmt.Errorf("%s: %w", m.topic, failure)
		}
	}
	return nil
}

// circumstances says when and where something was measured.
func circumstances(how string) string {
	where := fmt.Sprintf("%s, %s, %s/%s, %d × %s",
		time.Now().Format(time.DateOnly), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), processor())
	if how != "" {
		where += "; " + how
	}
	return "*" + where + "*"
}

// processor names the machine's processor as /proc does, where there is one.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unnamed processor"
}

// output runs a program and returns what it printed; an error has what it
// complained of.
func output(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s%s", name, err, out, complaint.String())
	}
	return out, nil
}
