package http

import (
	"runtime"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/promtext"
)

// A PrometheusMetric is one sample for [PrometheusHandler], or one histogram.
// Metrics with the same Name form a family; they share type and help and
// differ in their labels.
type PrometheusMetric struct {
	// Name is the metric's name, such as myapp_jobs_total: letters, digits,
	// underscores and colons, and no digit first.
	Name string
	// Help says in one line what is measured. Of a family the first that is
	// not empty is used.
	Help string
	// Type is "counter" for what only ever grows, "gauge" for what goes up and
	// down, "histogram", or "untyped". Empty means "histogram" if Histogram is
	// set and "untyped" if not.
	Type string
	// Value is the current value. A histogram has none.
	Value float64

	// Labels tell the metrics of a family apart. Names are letters, digits and
	// underscores, no digit first and not two underscores; values may be any
	// text, but should come from a small set: Prometheus stores each
	// combination as a series of its own. An empty value is no label.
	Labels map[string]string
	// Histogram holds what a metric of type "histogram" has observed.
	Histogram *PrometheusHistogram
}

// A PrometheusHistogram counts observations by their size.
type PrometheusHistogram struct {
	// Bounds are the upper bounds, inclusive and ascending, of all buckets
	// but the last, which takes everything larger.
	Bounds []float64
	// Counts are the observations in each bucket alone, not in it and all
	// smaller ones: one number more than there are Bounds.
	Counts []uint64
	// Sum is the sum of all observations.
	Sum float64
}

// prometheusContentType names the text exposition format. The charset is said
// because labels may hold any text and a browser would guess otherwise;
// Prometheus's own libraries say it too.
const prometheusContentType = "text/plain; version=0.0.4; charset=utf-8"

// PrometheusHandler returns a handler that answers with the metrics collect
// returns, in the text exposition format, version 0.0.4. It calls collect for
// each scrape, from several goroutines if scrapes overlap.
//
// One malformed line would cost the whole scrape. So a metric that Prometheus
// would not accept (an invalid name, label or type, a type that is not the
// family's, a histogram whose numbers do not fit together) is left out, as is
// one that has been there before with the same labels; a comment at the end
// of the page names it and the reason.
//
// Scrapes pass the router's middleware like all requests. If the page is not
// for everyone, register it in a group with authentication, or on a router of
// its own that listens elsewhere. It panics if collect is nil.
func PrometheusHandler(collect func() []PrometheusMetric) HandlerFunc {
	if collect == nil {
		callsite.Panicf("PrometheusHandler: nil collect function")
	}
	return func(w ResponseWriter, r *Request) {
		metrics := collect()
		page := bufpool.Get() // only w.Write sees it, which must not keep it
		page.B = promtext.Append(page.B, len(metrics), func(i int) promtext.Metric { return expositionOf(&metrics[i]) })
		setContent(w, prometheusContentType, len(page.B))
		if _, err := w.Write(page.B); err == nil {
			bufpool.Put(page) // otherwise the HTTP/2 server may still be sending it
		}
	}
}

// expositionOf returns a metric as the encoder takes it.
func expositionOf(m *PrometheusMetric) promtext.Metric {
	return promtext.Metric{
		Name: m.Name, Help: m.Help, Type: m.Type, Value: m.Value,
		Labels: m.Labels, Histogram: (*promtext.Histogram)(m.Histogram),
	}
}

// RuntimeMetrics returns metrics of the Go runtime under the names that
// Prometheus's Go client library uses where it has the same:
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
// It calls [runtime.ReadMemStats], which stops the program for some tens of
// microseconds: nothing at a scrape every few seconds, too much for a loop.
func RuntimeMetrics() []PrometheusMetric {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	gauge := func(name string, value uint64, help string) PrometheusMetric {
		return PrometheusMetric{Name: name, Help: help, Type: "gauge", Value: float64(value)}
	}
	return []PrometheusMetric{
		gauge("go_goroutines", uint64(runtime.NumGoroutine()), "Goroutines that exist."),
		gauge("go_memstats_alloc_bytes", mem.Alloc, "Bytes of heap objects, including those not swept yet."),
		gauge("go_memstats_sys_bytes", mem.Sys, "Bytes obtained from the operating system."),
		gauge("go_memstats_heap_inuse_bytes", mem.HeapInuse, "Bytes in heap spans that hold an object."),
		gauge("go_memstats_stack_inuse_bytes", mem.StackInuse, "Bytes in spans that hold goroutine stacks."),
		gauge("go_memstats_heap_objects", mem.HeapObjects, "Objects on the heap."),
		{Name: "go_gc_completed_total", Type: "counter", Value: float64(mem.NumGC),
			Help: "Garbage collections completed."},
		{Name: "go_gc_pause_total_seconds", Type: "counter", Value: float64(mem.PauseTotalNs) / 1e9,
			Help: "Time the program stood still for garbage collection."},
	}
}
