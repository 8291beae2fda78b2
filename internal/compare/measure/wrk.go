package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log"
	nethttp "net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/compare/stacks"
)

// wrkConnections is over how many connections wrk asks.
const wrkConnections = 64

// A scale is a size of answers, and the contestants of which the others'
// figures are given as multiples. Only some compress answers of that size.
type scale struct {
	size  string
	bases []string
}

var scales = []scale{
	{"200B", []string{"net-http"}},
	{"10KB", []string{"net-http", "net-http-gzip"}},
}

// ownServer is the whole chain on this package's server, which package stacks
// does not know.
const ownServer = "stanza-server"

// twin is a second process that serves the same contestant as "stanza". How
// far its figures are from that one's shows how much of any difference is
// noise.
const twin = "stanza-again"

// measureWrk measures the chains of package stacks from outside: each is served
// by a process of its own and asked by wrk. In every round each contestant is
// measured once, so that whatever else the machine does in a while meets all of
// them, and each round begins with another.
func measureWrk(rounds int, d time.Duration) (string, error) {
	dir, err := os.MkdirTemp("", "measure")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "serve")
	if _, err := output("go", "build", "-o", program, "./serve"); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Medians of %d rounds of %d s over %d connections, with the least and the most of any round:\n",
		rounds, seconds(d), wrkConnections)
	for _, row := range stacks.Chains(io.Discard) {
		i := slices.IndexFunc(scales, func(s scale) bool { return s.size == row.Name })
		if i < 0 {
			return "", fmt.Errorf("no base for answers of size %s", row.Name)
		}
		runs, err := measureScale(program, row, scales[i], rounds, d)
		if err != nil {
			return "", fmt.Errorf("%s: %w", row.Name, err)
		}
		for _, base := range scales[i].bases {
			b.WriteString("\n" + wrkTable(row.Name, base, runs))
		}
	}
	return b.String(), nil
}

// A served is a contestant that is served, and what was measured of it.
type served struct {
	name   string
	server *process
	url    string
	rounds []lap
}

// A lap is what one run of wrk has shown of a contestant.
type lap struct {
	load
	cpu time.Duration // that the server has taken for each request
}

// measureScale measures the contestants of a row, and the bases that are not
// among them.
func measureScale(program string, row stacks.Row, s scale, rounds int, d time.Duration) ([]*served, error) {
	names := append(slices.Clone(s.bases), ownServer, twin)
	for _, c := range append(row.Contestants, row.Beside...) {
		if !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
		}
	}
	var all []*served
	for _, name := range names {
		by := name
		if name == twin {
			by = "stanza"
		}
		server, err := start(program, nil, "-by", by, "-size", row.Name)
		if err != nil {
			return nil, err
		}
		defer server.kill()
		all = append(all, &served{name: name, server: server, url: "http://" + server.firstLine + row.Request.URL.Path})
	}
	if err := checkAlike(all, row.Request.Header); err != nil {
		return nil, err
	}
	for round := -1; round < rounds; round++ {
		log.Printf("wrk, %s, round %d of %d", row.Name, round+1, rounds)
		for i := range all {
			c := all[(i+round+1)%len(all)]
			r, err := c.measure(row.Request.Header, d)
			if err != nil {
				return nil, err
			}
			if round >= 0 { // the first is to warm up
				c.rounds = append(c.rounds, r)
			}
		}
	}
	for _, c := range all {
		if err := c.server.end(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// measure has wrk ask a contestant.
func (c *served) measure(header nethttp.Header, d time.Duration) (lap, error) {
	before, err := c.server.cpuTime()
	if err != nil {
		return lap{}, err
	}
	l, err := runWrk(c.url, header, wrkConnections, d)
	if err != nil {
		return lap{}, fmt.Errorf("%s: %w", c.name, err)
	}
	after, err := c.server.cpuTime()
	if err != nil {
		return lap{}, err
	}
	return lap{l, (after - before) / time.Duration(l.requests)}, nil
}

// checkAlike makes sure that all answer with the same JSON, compressed or not.
// Echo ends it with a line break.
func checkAlike(all []*served, header nethttp.Header) error {
	var want []byte
	for _, c := range all {
		got, err := fetch(c.url, header)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		got = bytes.TrimSpace(got)
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("%s answers %q, and %s answers %q", c.name, got, all[0].name, want)
		}
	}
	return nil
}

// fetch returns the body at a URL, decompressed.
func fetch(url string, header nethttp.Header) ([]byte, error) {
	request, err := nethttp.NewRequest(nethttp.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header = header
	client := &nethttp.Client{Timeout: patience}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != nethttp.StatusOK {
		return nil, fmt.Errorf("status %s", response.Status)
	}
	if response.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(response.Body)
	}
	zr, err := gzip.NewReader(response.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(zr)
}

// A column is what a column of the table tells.
type column struct {
	title string
	of    func(lap) float64
}

var columns = []column{
	{"requests/s", func(r lap) float64 { return r.rate }},
	{"50% of answers within", func(r lap) float64 { return r.p50.Seconds() }},
	{"99% within", func(r lap) float64 { return r.p99.Seconds() }},
	{"server's CPU time for each", func(r lap) float64 { return r.cpu.Seconds() }},
}

// wrkTable makes a Markdown table: a line for each contestant, with its figures
// as multiples of the base's in the same round.
func wrkTable(size, baseName string, all []*served) string {
	base := all[slices.IndexFunc(all, func(c *served) bool { return c.name == baseName })]
	var b strings.Builder
	fmt.Fprintf(&b, "| %s, × %s |", size, baseName)
	for _, m := range columns {
		fmt.Fprintf(&b, " %s |", m.title)
	}
	b.WriteString("\n|---" + strings.Repeat("|---", len(columns)) + "|\n")
	for _, c := range all {
		if c == base {
			continue
		}
		fmt.Fprintf(&b, "| %s |", c.name)
		for _, m := range columns {
			fmt.Fprintf(&b, " %s |", ratios(c.rounds, base.rounds, m.of))
		}
		b.WriteByte('\n')
	}
	middle := func(i int) float64 { return median(figures(base.rounds, columns[i].of)) }
	fmt.Fprintf(&b, "\n%s itself: %.0f requests/s, 50%% within %s, 99%% within %s, %s of CPU time for each.\n",
		baseName, middle(0), duration(middle(1)), duration(middle(2)), duration(middle(3)))
	return b.String()
}

// ratios writes the median of what each round's figure is as a multiple of the
// base's, and the least and the most.
func ratios(rounds, base []lap, of func(lap) float64) string {
	var all []float64
	for i, figure := range figures(rounds, of) {
		all = append(all, figure/of(base[i]))
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(all), slices.Min(all), slices.Max(all))
}

// figures returns one figure of each round.
func figures(rounds []lap, of func(lap) float64) []float64 {
	var all []float64
	for _, r := range rounds {
		all = append(all, of(r))
	}
	return all
}

// median returns the middle of some numbers, of which there is one at least.
func median(numbers []float64) float64 {
	sorted := slices.Sorted(slices.Values(numbers))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
