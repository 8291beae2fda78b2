package main

import (
	"fmt"
	nethttp "net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A load is the result of one run of wrk.
type load struct {
	requests int64
	failed   int64   // requests whose status was not 2xx or 3xx
	rate     float64 // requests per second
	p50, p99 time.Duration
}

// runWrk runs wrk, which requests a URL repeatedly. Each connection sends the
// next request after it has received the previous response. runWrk returns an
// error if a connection fails.
func runWrk(url string, header nethttp.Header, connections int, d time.Duration) (load, error) {
	args := []string{"-t1", "--latency", "--timeout", "20s", fmt.Sprintf("-c%d", connections), fmt.Sprintf("-d%ds", seconds(d))}
	for name, values := range header {
		args = append(args, "-H", name+": "+strings.Join(values, ", "))
	}
	out, err := output("wrk", append(args, url)...)
	if err != nil {
		return load{}, err
	}
	l, err := parseWrk(string(out))
	if err != nil {
		return load{}, fmt.Errorf("wrk %s: %w", url, err)
	}
	return l, nil
}

// seconds returns a duration in whole seconds, as wrk expects it, and at least
// 1.
func seconds(d time.Duration) int64 { return max(1, int64(d.Round(time.Second)/time.Second)) }

// parseWrk parses the output of wrk --latency:
//
//	Latency Distribution
//	   50%    2.98ms
//	   75%    4.14ms
//	   90%    5.82ms
//	   99%   11.43ms
//	146297 requests in 8.03s, 41.02MB read
//	Requests/sec:  18226.36
//
// and, if there were any,
//
//	Socket errors: connect 0, read 0, write 0, timeout 13
//	Non-2xx or 3xx responses: 10
func parseWrk(text string) (load, error) {
	var l load
	var missing = []string{"50%", "99%", "requests in", "Requests/sec:"}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "Socket errors:") {
			return load{}, fmt.Errorf("some requests failed: %s", line)
		}
		found, err := l.read(line)
		if err != nil {
			return load{}, fmt.Errorf("line %q: %w", line, err)
		}
		missing = slices.DeleteFunc(missing, func(what string) bool { return what == found })
	}
	switch {
	case len(missing) > 0:
		return load{}, fmt.Errorf("no %q in %q", missing, text)
	case l.requests == 0:
		return load{}, fmt.Errorf("no responses: %q", text)
	}
	return l, nil
}

// read parses a line and reports which figure it contained.
func (l *load) read(line string) (found string, err error) {
	fields := strings.Fields(line)
	if failed, ok := strings.CutPrefix(line, "Non-2xx or 3xx responses: "); ok {
		l.failed, err = strconv.ParseInt(failed, 10, 64)
		return "", err
	}
	switch {
	case len(fields) == 2 && fields[0] == "50%":
		l.p50, err = time.ParseDuration(fields[1])
		return fields[0], err
	case len(fields) == 2 && fields[0] == "99%":
		l.p99, err = time.ParseDuration(fields[1])
		return fields[0], err
	case len(fields) == 2 && fields[0] == "Requests/sec:":
		l.rate, err = strconv.ParseFloat(fields[1], 64)
		return fields[0], err
	case len(fields) > 2 && fields[1] == "requests" && fields[2] == "in":
		l.requests, err = strconv.ParseInt(fields[0], 10, 64)
		return "requests in", err
	}
	return "", nil
}

// with returns the sum of two loads at the same time. Its latencies are the longer ones.
func (l load) with(other load) load {
	return load{l.requests + other.requests, l.failed + other.failed, l.rate + other.rate, max(l.p50, other.p50), max(l.p99, other.p99)}
}
