package prom_test

import (
	"math"
	"regexp"
	"runtime"
	"runtime/debug"
	"testing"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"

	"github.com/stanza-go/framework/pkg/http"
)

// ours returns the values of RuntimeMetrics by name.
func ours() map[string]float64 {
	values := map[string]float64{}
	for _, m := range http.RuntimeMetrics() {
		values[m.Name] = m.Value
	}
	return values
}

// nameOf matches the name in a metric's description, which does not export it.
var nameOf = regexp.MustCompile(`fqName: "(\w+)"`)

// theirs returns the values of client_golang's collector. The count and sum of
// its summary of collections have the names of RuntimeMetrics. It does not use
// a registry, because that would start goroutines, which are counted.
func theirs(t *testing.T, collector client.Collector) map[string]float64 {
	t.Helper()
	metrics := make(chan client.Metric, 1000)
	collector.Collect(metrics)
	close(metrics)
	values := map[string]float64{}
	for metric := range metrics {
		var m dto.Metric
		if err := metric.Write(&m); err != nil {
			t.Fatal(err)
		}
		name := nameOf.FindStringSubmatch(metric.Desc().String())[1]
		switch {
		case m.Gauge != nil:
			values[name] = m.GetGauge().GetValue()
		case name == "go_gc_duration_seconds":
			values["go_gc_completed_total"] = float64(m.GetSummary().GetSampleCount())
			values["go_gc_pause_total_seconds"] = m.GetSummary().GetSampleSum()
		}
	}
	return values
}

// TestRuntimeMetricsAgreeWithClientGolang reads our values, theirs, and ours
// again. The heap changes during the test. Because garbage collection is off,
// it only grows, so each of their values must be between our two. The exception
// is memory that the runtime caches for each core: only RuntimeMetrics, which
// stops the world, includes it.
func TestRuntimeMetricsAgreeWithClientGolang(t *testing.T) {
	collector := collectors.NewGoCollector()
	ballast := make([][]byte, 1<<15) // makes small differences irrelevant
	for i := range ballast {
		ballast[i] = make([]byte, 1024)
	}
	for range 5 {
		runtime.GC()
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	theirs(t, collector) // its first collection allocates more
	before, got, after := ours(), theirs(t, collector), ours()
	runtime.KeepAlive(ballast)

	exact := map[string]bool{"go_goroutines": true, "go_gc_completed_total": true, "go_gc_pause_total_seconds": true, "go_memstats_sys_bytes": true}
	for name, low := range before {
		value, ok := got[name]
		if !ok {
			t.Errorf("client_golang has no %s", name)
			continue
		}
		high, slack := after[name], 1e-9
		if !exact[name] {
			slack = 0.02 * high
		}
		t.Logf("%-30s ours %.9g, client_golang %.9g, ours %.9g", name, low, value, high)
		if value < math.Min(low, high)-slack || value > math.Max(low, high)+slack {
			t.Errorf("%s: client_golang says %v, ours before and after are %v and %v", name, value, low, high)
		}
	}
}
