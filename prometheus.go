package http

import (
	"runtime"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/promtext"
)

// A PrometheusMetric is one sample or one histogram in the response of
// [PrometheusHandler]. Metrics with the same Name form a family: they must have the
// same Type and different Labels.
type PrometheusMetric struct {
	// Name is the name of the metric, for example "myapp_jobs_total". It
	// must consist of ASCII letters, digits, underscores and colons, and must
	// not start with a digit.
	Name string
	// Help describes the metric in one line. For a family, the first Help that
	// is not empty is used.
	Help string
	// Type is "counter" for a value that only increases, "gauge" for a value
	// that can go up and down, "histogram", or "untyped". If empty, it is
	// "histogram" if Histogram is set, and "untyped" otherwise.
	Type string
	// Value is the current value. It is ignored for a histogram.
	Value float64

	// Labels distinguish the metrics of a family. Names must consist of ASCII
	// letters, digits and underscores, and must not start with a digit or two
	// underscores. The name "le" is reserved in histograms. Values may be any
	// text, but should come from a small set, because Prometheus stores a series
	// for each combination. A label with an empty value is omitted.
	Labels map[string]string
	// Histogram holds the observations of a metric of type "histogram". It must
	// be nil for other types.
	Histogram *PrometheusHistogram
}

// A PrometheusHistogram counts observations in buckets.
type PrometheusHistogram struct {
	// Bounds are the inclusive upper bounds of all buckets except the last,
	// which counts all larger observations. They must be finite and in ascending
	// order.
	Bounds []float64
	// Counts holds the number of observations in each bucket. The numbers are
	// non-cumulative, and len(Counts) must be len(Bounds)+1.
	Counts []uint64
	// Sum is the sum of all observations.
	Sum float64
}

// prometheusContentType names the text exposition format. It includes the
// charset, as that of Prometheus's client libraries does, because labels can
// contain any text and browsers would guess the charset otherwise.
const prometheusContentType = "text/plain; version=0.0.4; charset=utf-8"

// PrometheusHandler returns a handler that responds with the metrics that collect
// returns, in the Prometheus text exposition format, version 0.0.4. It calls
// collect for each scrape. collect must be safe for concurrent use by multiple
// goroutines, because scrapes can overlap. PrometheusHandler panics if collect is
// nil.
//
// # Invalid metrics
//
// Prometheus rejects the whole response if one line is malformed, so the handler
// omits metrics that Prometheus would reject. A comment at the end of the response
// names each omitted metric and the reason. A metric is omitted if
//
//   - its name, type or a label name is invalid;
//   - its type differs from the first type in its family;
//   - its histogram is inconsistent, for example because it has too few Counts;
//   - an earlier metric has the same name and labels;
//   - its name is that of a histogram followed by _bucket, _sum or _count.
//
// # Access
//
// Do not expose metrics publicly. Scrapes pass through the middleware of the
// router like all requests, so register the handler in a group with
// authentication, or on a second router for an internal address.
func PrometheusHandler(collect func() []PrometheusMetric) HandlerFunc {
	if collect == nil {
		callsite.Panicf("PrometheusHandler: nil collect function")
	}
	return prometheusHandler{collect}.ServeHTTP
}

// A prometheusHandler is the handler of [PrometheusHandler].
type prometheusHandler struct {
	collect func() []PrometheusMetric
}

// ServeHTTP implements [Handler].
func (h prometheusHandler) ServeHTTP(w ResponseWriter, _ *Request) {
	metrics := h.collect()
	page := bufpool.Get() // passed only to w.Write, which must not keep it
	page.B = promtext.Append(page.B, len(metrics), func(i int) promtext.Metric { return expositionOf(&metrics[i]) })
	setContent(w, prometheusContentType, len(page.B))
	if _, err := w.Write(page.B); err == nil {
		bufpool.Put(page) // after an error, the HTTP/2 server may still be reading it
	}
}

// expositionOf converts a metric for the encoder.
func expositionOf(m *PrometheusMetric) promtext.Metric {
	return promtext.Metric{
		Name: m.Name, Help: m.Help, Type: m.Type, Value: m.Value,
		Labels: m.Labels, Histogram: (*promtext.Histogram)(m.Histogram),
	}
}

// RuntimeMetrics returns metrics of the Go runtime. If Prometheus's Go client
// library has a metric with the same meaning, its name is used.
//
//	go_goroutines                  gauge
//	go_memstats_alloc_bytes        gauge
//	go_memstats_sys_bytes          gauge
//	go_memstats_heap_inuse_bytes   gauge
//	go_memstats_stack_inuse_bytes  gauge
//	go_memstats_heap_objects       gauge
//	go_gc_completed_total          counter
//	go_gc_pause_total_seconds      counter
//
// RuntimeMetrics calls [runtime.ReadMemStats], which pauses all goroutines for tens of
// microseconds. That is negligible for a scrape every few seconds, but too
// expensive for a tight loop. RuntimeMetrics is safe for concurrent use by multiple
// goroutines.
func RuntimeMetrics() []PrometheusMetric {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	gauge := func(name string, value uint64, help string) PrometheusMetric {
		return PrometheusMetric{Name: name, Help: help, Type: "gauge", Value: float64(value)}
	}
	return []PrometheusMetric{
		gauge("go_goroutines", uint64(runtime.NumGoroutine()), "Number of goroutines."),
		gauge("go_memstats_alloc_bytes", mem.Alloc, "Bytes of heap objects, including unreachable objects that have not been freed yet."),
		gauge("go_memstats_sys_bytes", mem.Sys, "Bytes obtained from the operating system."),
		gauge("go_memstats_heap_inuse_bytes", mem.HeapInuse, "Bytes in heap spans that hold at least one object."),
		gauge("go_memstats_stack_inuse_bytes", mem.StackInuse, "Bytes in spans that hold goroutine stacks."),
		gauge("go_memstats_heap_objects", mem.HeapObjects, "Number of objects on the heap."),
		{Name: "go_gc_completed_total", Type: "counter", Value: float64(mem.NumGC),
			Help: "Garbage collections completed."},
		{Name: "go_gc_pause_total_seconds", Type: "counter", Value: float64(mem.PauseTotalNs) / 1e9,
			Help: "Total time that the program was paused for garbage collection."},
	}
}
