package main

import (
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/compare/fanout"
)

func TestSystemCallsAreRead(t *testing.T) {
	t.Parallel()
	const summary = `% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ------------------
 60.00    0.120000          12     10050           write
 30.00    0.060000          20      3000       120 futex
 10.00    0.020000           7      2000           writev
------ ----------- ----------- --------- --------- ------------------
100.00    0.200000          13     15050       120 total
`
	if writes, all, err := parseCalls(summary); err != nil || writes != 12_050 || all != 15_050 {
		t.Errorf("%d writes of %d calls, %v", writes, all, err)
	}
	header, _, _ := strings.Cut(summary, " 60.00")
	for _, text := range []string{"", header, header + " 60.00    0.120000          12     many           write\n"} {
		if _, _, err := parseCalls(text); err == nil {
			t.Errorf("no error for %q", text)
		}
	}
}

func TestQuantileIsOneOfTheNumbers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ share, want float64 }{{0, 1}, {0.2, 1}, {0.21, 2}, {0.5, 3}, {0.99, 5}, {1, 5}} {
		if got := quantile([]float64{3, 1, 5, 4, 2}, test.share); got != test.want {
			t.Errorf("%v: %v, want %v", test.share, got, test.want)
		}
	}
}

func TestFeedsAreComparedWithTheFloorOfTheSameRound(t *testing.T) {
	t.Parallel()
	round := func(factor float64) fanoutRound {
		l := fanoutLap{cpu: 1e-6 * factor, mallocs: 7, last: []float64{1e-3 * factor}, publish: []float64{1e-5}, whole: 1}
		return fanoutRound{steady: l, burst: l}
	}
	all := []*fanned{
		{Contestant: fanout.Contestant{Name: "floor"}, rounds: []fanoutRound{round(1), round(10), round(2)}},
		{Contestant: fanout.Contestant{Name: "other"}, follower: 20_000, rounds: []fanoutRound{round(3), round(20), round(3)}},
	}
	table := feedsTable(fanout.SSE, all)
	for _, want := range []string{"| floor | 2 µs | 1 | 2 ms, 10 ms |", "| other | 3 µs | 2.00 (1.50–3.00) | 3 ms, 20 ms |", "| 20.0 KB |"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
}
