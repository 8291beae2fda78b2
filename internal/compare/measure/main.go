// Command measure compares this package with its peers and writes the results
// to RESULTS.md. Run it in the directory of this module:
//
//	go run ./measure                 # all topics, in about an hour
//	go run ./measure router chain    # only some topics
//	GOTOOLCHAIN=go1.27.0 go run ./measure -o RESULTS-go1.27.md
//
// It needs wrk, and a machine without other load.
//
// In RESULTS.md, the block of a topic is between two comments that name the
// topic. The command replaces only these blocks and keeps the text around them.
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

// A plan determines how much is measured.
type plan struct {
	rounds    int           // for benchmarks and wrk
	benchTime time.Duration // per benchmark and round
	wrkTime   time.Duration // per run of wrk
	soakTime  time.Duration
	fanout    fanoutPlan
}

// A measurement returns the block of a topic that does not consist of
// benchmarks only.
type measurement struct {
	topic string
	run   func(plan) (string, error)
}

var measurements = []measurement{
	{"releases", measureReleases},
	{"idle", func(plan) (string, error) { return measureIdle() }},
	{"feeds", measureFeeds},
	{"wrk", func(p plan) (string, error) { return measureWrk(p.rounds, p.wrkTime) }},
	{"soak", func(p plan) (string, error) { return measureSoak(p.soakTime) }},
}

func main() {
	log.SetFlags(log.Ltime)
	var p plan
	file := flag.String("o", "RESULTS.md", "`file` whose blocks are replaced; - prints the blocks instead")
	flag.IntVar(&p.rounds, "rounds", 15, "number of rounds; each measures every contestant once")
	flag.DurationVar(&p.benchTime, "benchtime", 50*time.Millisecond, "time per benchmark and round")
	flag.DurationVar(&p.wrkTime, "wrktime", 3*time.Second, "time per run of wrk")
	flag.DurationVar(&p.soakTime, "soaktime", 5*time.Minute, "duration of the soak")
	flag.IntVar(&p.fanout.followers, "followers", 5000, "number of clients of each contestant of the feeds")
	flag.IntVar(&p.fanout.burst, "burst", 200, "number of events in a burst of the feeds")
	flag.StringVar(&p.fanout.by, "by", "", "the `contestants` of the feeds, separated by commas (default all)")
	flag.StringVar(&p.fanout.parts, "parts", "", "the `parts` of the feeds, separated by commas: delivery, calls, stalled, inside (default all)")
	flag.StringVar(&p.fanout.profiles, "profiles", "", "`directory` for CPU profiles of the servers of the feeds")
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

// topics returns all topics in the order in which they are measured.
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

// run measures the wanted topics, or all that the file has if wanted is empty, and replaces
// their blocks. It writes each block as soon as it is complete, so that the failure
// of a later topic does not lose it.
func run(file string, p plan, wanted []string) error {
	known := topics()
	for _, topic := range wanted {
		if !slices.Contains(known, topic) {
			return fmt.Errorf("unknown topic %q; want one of %s", topic, strings.Join(known, ", "))
		}
	}
	if len(wanted) == 0 {
		var err error
		if wanted, err = topicsOf(file, known); err != nil {
			return err
		}
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
		if text != "" { // a soak that fails still returns its figures
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

// circumstances returns a line with the date and place of a measurement, and
// how it was made.
func circumstances(how string) string {
	where := fmt.Sprintf("%s, %s, %s/%s, %d × %s",
		time.Now().Format(time.DateOnly), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), processor())
	if how != "" {
		where += "; " + how
	}
	return "*" + where + "*"
}

// processor returns the name of the machine's processor from /proc, if
// available.
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

// output runs a program and returns its standard output. An error includes its
// standard error.
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
