package main

import (
	"bufio"
	"context"
	"fmt"
	nethttp "net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A sample is the state of all instances of the demo at one time.
type sample struct {
	at                         time.Duration // since the start
	resident, heap, goroutines int64
}

// sample samples the demo every second until ctx is done.
func (s *soak) sample(ctx context.Context) []sample {
	var samples []sample
	begin := time.Now()
	next := time.NewTicker(time.Second)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return samples
		case <-next.C:
		}
		now := sample{at: time.Since(begin)}
		for _, instance := range s.instances {
			resident, err := instance.process.resident()
			s.faults.add("memory", err)
			heap, goroutines, err := instance.metrics.scrape()
			s.faults.add("metrics", err)
			now.resident, now.heap, now.goroutines = now.resident+resident, now.heap+heap, now.goroutines+goroutines
		}
		samples = append(samples, now)
	}
}

// A scraper reads the demo's metrics. It uses a new connection each time, so
// that every reading includes the goroutines of exactly one scraping
// connection.
type scraper struct {
	client *nethttp.Client
	url    string
}

func newScraper(url string) *scraper {
	return &scraper{&nethttp.Client{Transport: &nethttp.Transport{DisableKeepAlives: true}, Timeout: patience}, url}
}

// scrape returns the bytes of heap in use and the number of goroutines.
func (s *scraper) scrape() (heap, goroutines int64, err error) {
	response, err := s.client.Get(s.url)
	if err != nil {
		return 0, 0, err
	}
	defer response.Body.Close()
	found := map[string]int64{"go_memstats_heap_inuse_bytes": 0, "go_goroutines": 0}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if _, wanted := found[name]; !wanted {
			continue
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", name, err)
		}
		found[name] = int64(number)
	}
	heap, goroutines = found["go_memstats_heap_inuse_bytes"], found["go_goroutines"]
	if heap == 0 || goroutines == 0 {
		return 0, 0, fmt.Errorf("%s: status %s, %v, %w", s.url, response.Status, found, lines.Err())
	}
	return heap, goroutines, lines.Err()
}

// steadyGoroutines waits until the number of goroutines has been the same in
// several readings, and returns it.
func (s *scraper) steadyGoroutines() (int64, error) {
	const same = 5
	var last []int64
	n, err := s.goroutinesWhen(func(n int64) bool {
		last = append(last, n)
		last = last[max(0, len(last)-same):]
		return len(last) == same && slices.Min(last) == slices.Max(last)
	})
	if err == nil && slices.Min(last) != slices.Max(last) {
		err = fmt.Errorf("the number of goroutines keeps changing, last %d", last)
	}
	return n, err
}

// fewGoroutines waits until there are at most few goroutines, but no longer
// than settleTime, and returns their number.
func (s *scraper) fewGoroutines(few int64) (int64, error) {
	return s.goroutinesWhen(func(n int64) bool { return n <= few })
}

// goroutinesWhen reads the number of goroutines until ok accepts it or settleTime
// has passed, and returns the last reading.
func (s *scraper) goroutinesWhen(ok func(int64) bool) (int64, error) {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	late := time.After(settleTime)
	for {
		_, n, err := s.scrape()
		if err != nil || ok(n) {
			return n, err
		}
		select {
		case <-again.C:
		case <-late:
			return n, nil
		}
	}
}

// A window is the half-open interval of time [from, to).
type window struct{ from, to time.Duration }

// of returns the samples in the window.
func (w window) of(samples []sample) []sample {
	var part []sample
	for _, s := range samples {
		if w.from <= s.at && s.at < w.to {
			part = append(part, s)
		}
	}
	return part
}

// String returns the window in the form "1m0s–2m0s".
func (w window) String() string { return fmt.Sprintf("%v–%v", w.from, w.to) }

// spread returns the minimum, the median, and the maximum of a figure, or zeros
// if there are no samples.
func spread(samples []sample, of func(sample) int64) (least, middle, most int64) {
	var all []float64
	for _, s := range samples {
		all = append(all, float64(of(s)))
	}
	if len(all) == 0 {
		return 0, 0, 0
	}
	return int64(slices.Min(all)), int64(median(all)), int64(slices.Max(all))
}

// resident returns the median of the resident memory in a window.
func (o *outcome) resident(w window) int64 {
	_, middle, _ := spread(w.of(o.samples), func(s sample) int64 { return s.resident })
	return middle
}

// memoryWindows returns two windows: the second minute and the last. If d is less than
// three minutes, they are the second quarter and the last, and too early to compare the
// memory.
func memoryWindows(d time.Duration) (early, late window) {
	part := time.Minute
	if d < 3*part {
		part = d / 4
	}
	return window{part, 2 * part}, window{d - part, d}
}

// mebibytes formats a number of bytes in MiB.
func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
