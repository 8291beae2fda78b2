package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/compare/fanout"
)

// feedsTable returns a Markdown table with a line for each contestant. The ratios are
// medians of the ratios to the floor in the same round.
func feedsTable(protocol fanout.Protocol, all []*fanned) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | steady: CPU per delivery | × floor | last client: 50%%, 99%% of events | × floor | allocations per delivery"+
		" | burst: CPU per delivery | × floor | last client has all | Publish: 50%%, 99%% | memory per follower |\n", protocol)
	b.WriteString("|---" + strings.Repeat("|---", 10) + "|\n")
	base := all[0]
	for _, c := range all {
		steadyCPU := func(r fanoutRound) float64 { return r.steady.cpu }
		steadyLast := func(r fanoutRound) float64 { return median(r.steady.last) }
		burstCPU := func(r fanoutRound) float64 { return r.burst.cpu }
		burstLast := func(r fanoutRound) float64 { return r.burst.whole }
		last := c.gathered(func(r fanoutRound) []float64 { return r.steady.last })
		publish := c.gathered(func(r fanoutRound) []float64 { return r.steady.publish })
		fmt.Fprintf(&b, "| %s | %s | %s | %s, %s | %s | %.2f | %s | %s | %s | %s, %s | %.1f KB |\n",
			c.Name, duration(c.median(steadyCPU)), c.ratio(base, steadyCPU),
			duration(quantile(last, 0.5)), duration(quantile(last, 0.99)), c.ratio(base, steadyLast),
			c.median(func(r fanoutRound) float64 { return r.steady.mallocs }),
			duration(c.median(burstCPU)), c.ratio(base, burstCPU), duration(c.median(burstLast)),
			duration(quantile(publish, 0.5)), duration(quantile(publish, 0.99)),
			c.follower/1000)
	}
	return b.String()
}

// median returns the median of a figure over all rounds.
func (c *fanned) median(of func(fanoutRound) float64) float64 {
	var all []float64
	for _, r := range c.rounds {
		all = append(all, of(r))
	}
	return median(all)
}

// ratio formats the median, the minimum, and the maximum of the ratios of each
// round's figure to the base's.
func (c *fanned) ratio(base *fanned, of func(fanoutRound) float64) string {
	if c == base {
		return "1"
	}
	var all []float64
	for i, r := range c.rounds {
		all = append(all, of(r)/of(base.rounds[i]))
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(all), slices.Min(all), slices.Max(all))
}

// gathered returns figures of all rounds.
func (c *fanned) gathered(of func(fanoutRound) []float64) []float64 {
	var all []float64
	for _, r := range c.rounds {
		all = append(all, of(r)...)
	}
	return all
}

// quantile returns the smallest number that at least the given share of all numbers,
// which must not be empty, do not exceed.
func quantile(numbers []float64, share float64) float64 {
	sorted := slices.Sorted(slices.Values(numbers))
	return sorted[max(int(math.Ceil(share*float64(len(sorted))))-1, 0)]
}
