package main

import (
	"strings"
	"testing"
	"time"
)

const wrkOutput = `Running 8s test @ http://127.0.0.1:38597/api/items/7
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     3.34ms    2.25ms  28.49ms   77.45%
    Req/Sec    18.34k     3.43k   30.86k    78.75%
  Latency Distribution
     50%    2.98ms
     75%    4.14ms
     90%    5.82ms
     99%   11.43ms
  146297 requests in 8.03s, 41.02MB read
Requests/sec:  18226.36
Transfer/sec:      5.11MB
`

func TestWrkOutputIsRead(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		old, new string // replaced in wrkOutput
		want     load
	}{
		{"as it is", "", "", load{146297, 0, 18226.36, 2980 * time.Microsecond, 11430 * time.Microsecond}},
		{"microseconds", "2.98ms", "870.00us", load{146297, 0, 18226.36, 870 * time.Microsecond, 11430 * time.Microsecond}},
		{"seconds", "11.43ms", "1.02s", load{146297, 0, 18226.36, 2980 * time.Microsecond, 1020 * time.Millisecond}},
		{"minutes", "11.43ms", "1.50m", load{146297, 0, 18226.36, 2980 * time.Microsecond, 90 * time.Second}},
		{"failures", "Requests/sec:", "  Non-2xx or 3xx responses: 10\nRequests/sec:", load{146297, 10, 18226.36, 2980 * time.Microsecond, 11430 * time.Microsecond}},
		{"few requests", "Requests/sec:  18226.36", "Requests/sec:      0.25", load{146297, 0, 0.25, 2980 * time.Microsecond, 11430 * time.Microsecond}},
	}
	for _, test := range tests {
		got, err := parseWrk(strings.Replace(wrkOutput, test.old, test.new, 1))
		if err != nil || got != test.want {
			t.Errorf("%s: got %+v, %v, want %+v", test.name, got, err, test.want)
		}
	}
}

func TestWrkOutputOfFailuresIsAnError(t *testing.T) {
	t.Parallel()
	end := "Requests/sec:  18226.36\n"
	tests := []struct {
		name     string
		old, new string // replaced in wrkOutput
		err      string // part of it
	}{
		{"timeouts", end, "  Socket errors: connect 0, read 0, write 0, timeout 13\n" + end, "timeout 13"},
		{"statuses", end, "  Non-2xx or 3xx responses: some\n" + end, "some"},
		{"nothing", wrkOutput, "", `no ["50%" "99%" "requests in" "Requests/sec:"]`},
		{"without --latency", "     99%   11.43ms\n", "", `no ["99%"]`},
		{"no requests", "146297 requests", "0 requests", "no responses"},
		{"unknown unit", "2.98ms", "2.98fortnights", "2.98fortnights"},
		{"a number too large", "146297 requests", "99999999999999999999 requests", "value out of range"},
		{"no number", "18226.36", "many", "many"},
	}
	for _, test := range tests {
		got, err := parseWrk(strings.Replace(wrkOutput, test.old, test.new, 1))
		if err == nil || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: got %+v, %v, want an error with %q", test.name, got, err, test.err)
		}
	}
}

func TestRatiosAreOfTheSameRound(t *testing.T) {
	t.Parallel()
	lapOf := func(rate float64) lap { return lap{load{rate: rate}, 0} }
	rate := func(l lap) float64 { return l.rate }
	got := ratios([]lap{lapOf(50), lapOf(200), lapOf(90)}, []lap{lapOf(100), lapOf(200), lapOf(100)}, rate)
	if want := "0.90 (0.50–1.00)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMedianIsTheMiddle(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		numbers []float64
		want    float64
	}{
		{[]float64{7}, 7},
		{[]float64{3, 1}, 2},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := median(test.numbers); got != test.want {
			t.Errorf("median of %v is %v, want %v", test.numbers, got, test.want)
		}
	}
}
