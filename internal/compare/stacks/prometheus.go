package stacks

import (
	"fmt"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/stanza-go/framework/pkg/http"
)

// Prometheus returns handlers that write 50 metrics of a program. One row has
// 50 counters. The other has 20 counters and, for each of five queues, four
// gauges and two histograms.
func Prometheus() []Row {
	row := func(name string, collect func() []http.PrometheusMetric, registry *prometheus.Registry) Row {
		return Row{
			Name: name, Request: get(), Fields: []string{"Content-Type"},
			Contestants: []Contestant{
				{"stanza", http.PrometheusHandler(collect)},
				{"promhttp", promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true})},
			},
		}
	}
	plain, registry := newCounters(50)
	return []Row{
		row("50-counters", plain, registry),
		row("50-metrics", newStanzaMetrics().collect, newRegistry()),
	}
}

// newCounters returns n counters without labels for each of the two libraries.
func newCounters(n int) (func() []http.PrometheusMetric, *prometheus.Registry) {
	names, values, registry := make([]string, n), make([]atomic.Int64, n), prometheus.NewRegistry()
	for i := range n {
		names[i] = counterName(i)
		values[i].Store(counterValue(i))
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: names[i], Help: counterHelp})
		c.Add(float64(counterValue(i)))
		registry.MustRegister(c)
	}
	return func() []http.PrometheusMetric {
		all := make([]http.PrometheusMetric, n)
		for i := range all {
			all[i] = http.PrometheusMetric{Name: names[i], Help: counterHelp, Type: "counter", Value: float64(values[i].Load())}
		}
		return all
	}, registry
}

// Names and help texts of the metrics.
func counterName(i int) string   { return fmt.Sprintf("app_jobs_of_kind_%d_total", i) }
func gaugeName(i int) string     { return fmt.Sprintf("app_queue_gauge_%d", i) }
func histogramName(i int) string { return fmt.Sprintf("app_wait_%d_seconds", i) }

const (
	counterHelp   = "Jobs of this kind that were done."
	gaugeHelp     = "What a queue holds."
	histogramHelp = "How long jobs waited in a queue."
)

// queues returns the values of the label for queues.
func queues() []string { return []string{"mail", "images", "reports", "imports", "webhooks"} }

// waitBounds returns the bounds of the histograms.
func waitBounds() []float64 { return []float64{0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 10} }

// waits returns the observations of each histogram.
func waits() []float64 { return []float64{0.015625, 0.0625, 0.0625, 0.125, 0.375, 1.5, 1.75, 4, 32} }

// stanzaMetrics are the variables of a program that uses this package. Only
// values that may change are read on each collection.
type stanzaMetrics struct {
	counters   [20]atomic.Int64
	gauges     [4][5]atomic.Int64
	histograms [2][5]waitCounts

	names  [3][]string // of counters, gauges and histograms
	labels []map[string]string
	bounds []float64
}

// waitCounts are the counts of a histogram.
type waitCounts struct {
	counts [9]atomic.Uint64
	micros atomic.Int64
}

func newStanzaMetrics() *stanzaMetrics {
	m := &stanzaMetrics{bounds: waitBounds()}
	for _, queue := range queues() {
		m.labels = append(m.labels, map[string]string{"queue": queue})
	}
	for i := range m.counters {
		m.names[0] = append(m.names[0], counterName(i))
		m.counters[i].Store(counterValue(i))
	}
	for i := range m.gauges {
		m.names[1] = append(m.names[1], gaugeName(i))
		for q := range m.gauges[i] {
			m.gauges[i][q].Store(gaugeValue(i, q))
		}
	}
	for i := range m.histograms {
		m.names[2] = append(m.names[2], histogramName(i))
		for q := range m.histograms[i] {
			m.histograms[i][q].observe(waits(), m.bounds)
		}
	}
	return m
}

func counterValue(i int) int64  { return int64(i * 12345) }
func gaugeValue(i, q int) int64 { return int64(100*i + q) }

func (c *waitCounts) observe(seconds, bounds []float64) {
	for _, s := range seconds {
		i := 0
		for i < len(bounds) && s > bounds[i] {
			i++
		}
		c.counts[i].Add(1)
		c.micros.Add(int64(s * 1e6))
	}
}

// collect returns the current metrics.
func (m *stanzaMetrics) collect() []http.PrometheusMetric {
	all := make([]http.PrometheusMetric, 0, 50)
	for i := range m.counters {
		all = append(all, http.PrometheusMetric{
			Name: m.names[0][i], Help: counterHelp, Type: "counter", Value: float64(m.counters[i].Load()),
		})
	}
	for i := range m.gauges {
		for q := range m.gauges[i] {
			all = append(all, http.PrometheusMetric{
				Name: m.names[1][i], Help: gaugeHelp, Type: "gauge", Value: float64(m.gauges[i][q].Load()), Labels: m.labels[q],
			})
		}
	}
	for i := range m.histograms {
		for q := range m.histograms[i] {
			all = append(all, http.PrometheusMetric{
				Name: m.names[2][i], Help: histogramHelp, Type: "histogram", Labels: m.labels[q],
				Histogram: m.histograms[i][q].snapshot(m.bounds),
			})
		}
	}
	return all
}

func (c *waitCounts) snapshot(bounds []float64) *http.PrometheusHistogram {
	h := &http.PrometheusHistogram{Bounds: bounds, Counts: make([]uint64, len(c.counts)), Sum: float64(c.micros.Load()) / 1e6}
	for i := range c.counts {
		h.Counts[i] = c.counts[i].Load()
	}
	return h
}

// newRegistry returns the same metrics for the client library of Prometheus.
func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	for i := range 20 {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: counterName(i), Help: counterHelp})
		c.Add(float64(counterValue(i)))
		registry.MustRegister(c)
	}
	for i := range 4 {
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: gaugeName(i), Help: gaugeHelp}, []string{"queue"})
		for q, queue := range queues() {
			v.WithLabelValues(queue).Set(float64(gaugeValue(i, q)))
		}
		registry.MustRegister(v)
	}
	for i := range 2 {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: histogramName(i), Help: histogramHelp, Buckets: waitBounds(),
		}, []string{"queue"})
		for _, queue := range queues() {
			for _, s := range waits() {
				v.WithLabelValues(queue).Observe(s)
			}
		}
		registry.MustRegister(v)
	}
	return registry
}
