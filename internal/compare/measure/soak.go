package main

import (
	"context"
	"errors"
	"fmt"
	nethttp "net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// demo is the application under test.
const demo = "github.com/stanza-go/framework/pkg/http/internal/demo"

// The concurrent load on the demo.
const (
	soakConnections = 16  // of wrk, for each of two URLs
	soakClients     = 200 // in the chat, and the same number following the board
	warmUpClients   = 10
	warmUpTime      = 2 * time.Second
)

// settleTime is how long the demo may take to send outstanding messages and to
// end the goroutines of disconnected clients.
const settleTime = 15 * time.Second

// leastSoak is the minimum duration, which gives each part of the time some
// samples.
const leastSoak = 10 * time.Second

// A soak is a demo under sustained load of every kind.
type soak struct {
	demo    *process
	url     string
	metrics *scraper
	faults  faults
}

// An outcome is the result of a soak.
type outcome struct {
	list, page              load
	clients                 int // of each kind
	events, messages, pings int64
	heard                   int64 // messages received, over all members
	before, after           int64 // goroutines
	samples                 []sample
	early, late             window // windows whose memory is compared
	faults                  int
}

// measureSoak runs the demo with a memory limit of 64 MiB under concurrent
// requests, WebSocket connections, and event streams. All responses must be
// correct, and no event or message may be lost. Afterwards, the demo must have
// no more goroutines than before the load and no more memory than early on, and
// must exit with status 0. If a check fails, measureSoak returns the block with
// the figures as well as an error.
func measureSoak(d time.Duration) (string, error) {
	if d < leastSoak {
		return "", fmt.Errorf("a soak of %v is too short; the minimum is %v", d, leastSoak)
	}
	dir, err := os.MkdirTemp("", "measure")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "demo")
	if _, err := output("go", "build", "-o", program, demo); err != nil {
		return "", err
	}
	server, err := start(program, []string{"GOMEMLIMIT=64MiB", "GOGC=100"}, "-addr", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer server.kill()
	url := regexp.MustCompile(`http://[^ ]+`).FindString(server.firstLine)
	if url == "" {
		return "", fmt.Errorf("no address in the demo's first line %q", server.firstLine)
	}
	s := &soak{demo: server, url: url, metrics: newScraper(url + "/metrics")}
	o, err := s.run(d)
	err = errors.Join(s.faults.err(), err, server.end())
	if o == nil {
		return "", err
	}
	return o.block(d), errors.Join(err, o.check())
}

// run warms up the demo, applies the load for d, and waits until the demo has
// settled.
func (s *soak) run(d time.Duration) (*outcome, error) {
	if _, err := s.press(warmUpClients, warmUpTime); err != nil {
		return nil, err
	}
	before, err := s.metrics.steadyGoroutines(settleTime)
	if err != nil {
		return nil, err
	}
	o, err := s.press(soakClients, d)
	if err != nil {
		return nil, err
	}
	o.before = before
	if o.after, err = s.metrics.fewGoroutines(before, settleTime); err != nil {
		return nil, err
	}
	o.early, o.late = memoryWindows(d)
	o.faults = s.faults.count
	return o, nil
}

// press applies load to the demo: the given number of clients of each kind, and
// wrk with requests for a JSON list and for the page. It ends when wrk does.
func (s *soak) press(clients int, d time.Duration) (*outcome, error) {
	chat, err := joinChat(s.url, clients, &s.faults)
	if err != nil {
		return nil, err
	}
	defer chat.leave()
	audience, err := followBoard(s.url, clients, &s.faults)
	if err != nil {
		return nil, err
	}
	defer audience.leave()
	editors := newEditors(s.url)

	o := &outcome{clients: clients}
	var work, wrk sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	work.Go(func() { chat.talk(ctx) })
	for _, e := range editors {
		work.Go(func() { s.faults.add(e.name, e.edit(ctx)) })
	}
	work.Go(func() { o.samples = s.sample(ctx) })
	wrk.Go(func() { o.list = s.wrk("/api/tasks?limit=20", d) })
	wrk.Go(func() { o.page = s.wrk("/", d) })
	wrk.Wait()
	stop()
	work.Wait()

	o.events, o.messages = changes(editors), chat.said.Load()
	s.await(func() string { return chat.lacks() + audience.lacks(o.events) })
	o.heard, o.pings = chat.heard(), chat.pings()
	return o, nil
}

// wrk runs wrk on one path.
func (s *soak) wrk(path string, d time.Duration) load {
	l, err := runWrk(s.url+path, nethttp.Header{"Accept-Encoding": {"gzip"}}, soakConnections, d)
	s.faults.add("wrk", err)
	return l
}

// await waits until lacks returns "". If that takes longer than settleTime,
// await adds a fault.
func (s *soak) await(lacks func() string) {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	late := time.After(settleTime)
	for {
		lacking := lacks()
		if lacking == "" {
			return
		}
		select {
		case <-again.C:
		case <-late:
			s.faults.add("after all was sent", errors.New(lacking))
			return
		}
	}
}

// check returns an error that describes all failed checks of an outcome.
func (o *outcome) check() error {
	var errs []error
	if o.after > o.before {
		errs = append(errs, fmt.Errorf("%d goroutines are left, want at most %d", o.after, o.before))
	}
	early, late := o.resident(o.early), o.resident(o.late)
	if early == 0 || late == 0 {
		errs = append(errs, errors.New("the memory could not be read"))
	}
	if float64(late) > 1.1*float64(early) {
		errs = append(errs, fmt.Errorf("resident memory grew from %s to %s", mebibytes(early), mebibytes(late)))
	}
	return errors.Join(errs...)
}

// block returns the figures in Markdown.
func (o *outcome) block(d time.Duration) string {
	var b strings.Builder
	row := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "| %s | "+format+" |\n", append([]any{what}, args...)...)
	}
	fmt.Fprintf(&b, "The demo under load for %d s with GOMEMLIMIT=64MiB:\n\n| | |\n|---|---|\n", seconds(d))
	row("requests for a JSON list", "%d, %.0f/s, 99%% within %s", o.list.requests, o.list.rate, duration(o.list.p99.Seconds()))
	row("requests for the page", "%d, %.0f/s, 99%% within %s", o.page.requests, o.page.rate, duration(o.page.p99.Seconds()))
	row("event streams", "%d, each with all %d events", o.clients, o.events)
	row("WebSocket connections", "%d, which sent %d and received %d messages, and received pongs for %d pings", o.clients, o.messages, o.heard, o.pings)
	least, _, most := spread(o.samples, func(s sample) int64 { return s.goroutines })
	row("goroutines", "%d before, %d–%d during, %d after", o.before, least, most, o.after)
	row("faults", "%d", o.faults)
	b.WriteString("\n" + o.memoryTable(d))
	fmt.Fprintf(&b, "\nMedian of the resident memory: %s in %s, %s in %s.\n",
		mebibytes(o.resident(o.early)), o.early, mebibytes(o.resident(o.late)), o.late)
	return b.String()
}

// memoryTable returns a table with a row for each fifth of the time.
func (o *outcome) memoryTable(d time.Duration) string {
	var b strings.Builder
	b.WriteString("| fifth of the time | resident memory: minimum, median, maximum | heap in use: median |\n|---|---|---|\n")
	for i := range 5 {
		part := window{d * time.Duration(i) / 5, d * time.Duration(i+1) / 5}.of(o.samples)
		least, middle, most := spread(part, func(s sample) int64 { return s.resident })
		_, heap, _ := spread(part, func(s sample) int64 { return s.heap })
		fmt.Fprintf(&b, "| %d | %s, %s, %s | %s |\n", i+1, mebibytes(least), mebibytes(middle), mebibytes(most), mebibytes(heap))
	}
	return b.String()
}
