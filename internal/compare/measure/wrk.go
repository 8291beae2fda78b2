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

// wrkConnections is the number of connections that wrk uses.
const wrkConnections = 64

// A scale is a size of responses and the contestants that are the bases of its
// ratios. Large responses have a second base, which compresses them.
type scale struct {
	size  string
	bases []string
}

var scales = []scale{
	{"200B", []string{"net-http"}},
	{"10KB", []string{"net-http", "net-http-gzip"}},
}

// ownServer is the contestant with the whole chain on this package's server.
// Package stacks does not have it.
const ownServer = "stanza-server"

// twin is a second process with the same contestant as "stanza". The difference
// between the two shows how large the noise is.
const twin = "stanza-again"

// measureWrk measures the chains of package stacks with wrk, each served by a
// separate process. Each round measures every contestant once, so that other
// load on the machine affects all of them, and starts with a different
// contestant.
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
	fmt.Fprintf(&b, "Medians of %d rounds of %d s over %d connections, with the minimum and maximum of all rounds:\n",
		rounds, seconds(d), wrkConnections)
	for _, row := range stacks.Chains(io.Discard) {
		i := slices.IndexFunc(scales, func(s scale) bool { return s.size == row.Name })
		if i < 0 {
			return "", fmt.Errorf("no base for responses of size %s", row.Name)
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

// A served is a contestant's process and its measurements.
type served struct {
	name   string
	server *process
	url    string
	rounds []lap
}

// A lap is the result of one run of wrk for a contestant.
type lap struct {
	load
	cpu time.Duration // of the server, per request
}

// measureScale measures the contestants of a row and those bases that are not
// in the row.
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
			if round >= 0 { // the first lap is a warm-up
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

// measure runs wrk on a contestant.
func (c *served) measure(header nethttp.Header, d time.Duration) (lap, error) {
	before, err := c.server.cpuTime()
	if err != nil {
		return lap{}, err
	}
	l, err := runWrk(c.url, header, wrkConnections, d)
	if err != nil {
		return lap{}, fmt.Errorf("%s: %w", c.name, err)
	}
	if l.failed > 0 {
		return lap{}, fmt.Errorf("%s: %d requests failed", c.name, l.failed)
	}
	after, err := c.server.cpuTime()
	if err != nil {
		return lap{}, err
	}
	return lap{l, (after - before) / time.Duration(l.requests)}, nil
}

// checkAlike returns an error unless all contestants send the same JSON,
// compressed or not. It ignores the line break that echo appends.
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
			return fmt.Errorf("%s sends %q, but %s sends %q", c.name, got, all[0].name, want)
		}
	}
	return nil
}

// fetch returns the decompressed body at a URL.
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

// A column is a column of the table.
type column struct {
	title string
	of    func(lap) float64
}

var columns = []column{
	{"requests/s", func(r lap) float64 { return r.rate }},
	{"50% of responses within", func(r lap) float64 { return r.p50.Seconds() }},
	{"99% within", func(r lap) float64 { return r.p99.Seconds() }},
	{"server's CPU time per request", func(r lap) float64 { return r.cpu.Seconds() }},
}

// wrkTable returns a Markdown table with a line for each contestant. Its
// figures are multiples of the base's in the same round.
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
	fmt.Fprintf(&b, "\n%s itself: %.0f requests/s, 50%% within %s, 99%% within %s, %s of CPU time per request.\n",
		baseName, middle(0), duration(middle(1)), duration(middle(2)), duration(middle(3)))
	return b.String()
}

// ratios formats the median, the minimum, and the maximum of the ratios of each
// round's figure to the base's.
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

// median returns the median of numbers, which must not be empty.
func median(numbers []float64) float64 {
	sorted := slices.Sorted(slices.Values(numbers))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
