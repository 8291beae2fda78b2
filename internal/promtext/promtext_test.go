package promtext_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/promtext"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// everything contains all types, escapes and special values, and all kinds of
// metrics that Append omits.
func everything() []promtext.Metric {
	waits := &promtext.Histogram{Bounds: []float64{0.005, 0.1, 1}, Counts: []uint64{3, 0, 4, 1}, Sum: 5.75}
	return []promtext.Metric{
		{Name: "jobs_total", Help: "Jobs done.", Type: "counter", Value: 1234567, Labels: map[string]string{"queue": "mail", "host": "b"}},
		{Name: "up", Help: "Whether the service is up.", Type: "gauge", Value: 1},
		{Name: "jobs_total", Help: "Another text.", Type: "counter", Value: 2, Labels: map[string]string{"queue": "mail", "host": "a"}},
		{Name: "jobs_total", Type: "counter", Value: 0.25},
		{Name: "plain", Value: -1},
		{Name: "ns:rule:rate5m", Type: "gauge", Value: 1e-9},
		{Name: "escapes", Help: "a \\ backslash, a \"quote\"\nand a line", Type: "gauge", Labels: map[string]string{"v": "a\\b\"c\nd\re é \xff"}},
		{Name: "values", Type: "gauge", Value: math.NaN(), Labels: map[string]string{"v": "nan"}},
		{Name: "values", Type: "gauge", Value: math.Inf(1), Labels: map[string]string{"v": "inf"}},
		{Name: "values", Type: "gauge", Value: math.Inf(-1), Labels: map[string]string{"v": "minus inf"}},
		{Name: "values", Type: "gauge", Value: math.MaxFloat64, Labels: map[string]string{"v": "max"}},
		{Name: "values", Type: "gauge", Value: 1 << 53, Labels: map[string]string{"v": "2^53", "empty": ""}},
		{Name: "wait_seconds", Help: "Time spent waiting.", Histogram: waits},
		{Name: "wait_seconds", Type: "histogram", Histogram: waits, Labels: map[string]string{"queue": "mail"}},
		{Name: "one_bucket", Histogram: &promtext.Histogram{Counts: []uint64{2}, Sum: math.Inf(1)}},

		{Name: "", Value: 1},
		{Name: "9lives", Value: 1},
		{Name: "with space\n# HELP", Value: 1},
		{Name: "naïve", Value: 1},
		{Name: "summary", Type: "summary", Value: 1},
		{Name: "shouted", Type: "COUNTER", Value: 1},
		{Name: "bad_label", Labels: map[string]string{"a-b": "x"}},
		{Name: "bad_label", Labels: map[string]string{"": "x"}},
		{Name: "bad_label", Labels: map[string]string{"a:b": "x"}},
		{Name: "bad_label", Labels: map[string]string{"__name__": "x"}},
		{Name: "up", Type: "counter", Value: 1, Labels: map[string]string{"a": "b"}},
		{Name: "up", Type: "gauge", Value: 7},
		{Name: "up", Type: "gauge", Value: 7, Labels: map[string]string{"empty": ""}},
		{Name: "wait_seconds_count", Type: "counter", Value: 1},
		{Name: "wait_seconds_sum", Type: "gauge", Value: 1},
		{Name: "wait_seconds_bucket", Histogram: waits},
		{Name: "wait_seconds_bucket_count", Type: "gauge", Value: 5, Help: "Not a series of anything on the page."},
		{Name: "wait_seconds", Histogram: waits, Labels: map[string]string{"le": "1"}},
		{Name: "no_data", Type: "histogram"},
		{Name: "two_types", Type: "gauge", Histogram: waits},
		{Name: "bad_counts", Histogram: &promtext.Histogram{Bounds: []float64{1}, Counts: []uint64{1}}},
		{Name: "bad_bounds", Histogram: &promtext.Histogram{Bounds: []float64{2, 1}, Counts: []uint64{1, 2, 3}}},
		{Name: "bad_bounds", Histogram: &promtext.Histogram{Bounds: []float64{1, 1}, Counts: []uint64{1, 2, 3}}},
		{Name: "bad_bounds", Histogram: &promtext.Histogram{Bounds: []float64{math.NaN()}, Counts: []uint64{1, 2}}},
		{Name: "bad_bounds", Histogram: &promtext.Histogram{Bounds: []float64{math.Inf(1)}, Counts: []uint64{1, 2}}},
		{Name: "bad_total", Histogram: &promtext.Histogram{Bounds: []float64{1}, Counts: []uint64{1, math.MaxUint64}}},
		{Name: strings.Repeat("x ", 300), Value: 1},
	}
}

// appendAll is Append for a slice.
func appendAll(dst []byte, metrics []promtext.Metric) []byte {
	return promtext.Append(dst, len(metrics), func(i int) promtext.Metric { return metrics[i] })
}

func TestAppendMatchesTheGoldenPage(t *testing.T) {
	t.Parallel()
	got := appendAll(nil, everything())
	testkit.Golden(t, "everything.prom", got)
	if _, err := parse(string(got)); err != nil {
		t.Error(err)
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	got := string(appendAll([]byte("# before\n"), []promtext.Metric{{Name: "a", Value: 1}}))
	if want := "# before\n# TYPE a untyped\na 1\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := appendAll(nil, nil); len(got) != 0 {
		t.Errorf("no metrics give %q", got)
	}
}

func TestOrderOfMetricsDoesNotMatter(t *testing.T) {
	t.Parallel()
	metrics := []promtext.Metric{
		{Name: "b", Type: "gauge", Value: 1},
		{Name: "a", Type: "gauge", Value: 2, Labels: map[string]string{"x": "2"}},
		{Name: "a", Type: "gauge", Value: 3, Labels: map[string]string{"x": "1"}},
	}
	want := string(appendAll(nil, metrics))
	slices.Reverse(metrics)
	if got := string(appendAll(nil, metrics)); got != want {
		t.Errorf("reversed:\n%s\nwant:\n%s", got, want)
	}
}

func TestEverySeriesOfAnotherFamilySurvivesAMistake(t *testing.T) {
	t.Parallel()
	page, err := parse(string(appendAll(nil, everything())))
	if err != nil {
		t.Fatal(err)
	}
	for series, want := range map[string]float64{
		`up`:                                    1,
		`jobs_total{host="a",queue="mail"}`:     2,
		`wait_seconds_bucket{le="+Inf"}`:        8,
		`wait_seconds_bucket{le="0.1"}`:         3,
		`wait_seconds_sum{queue="mail"}`:        5.75,
		`wait_seconds_count`:                    8,
		`wait_seconds_bucket_count`:             5,
		`one_bucket_bucket{le="+Inf"}`:          2,
		"escapes{v=\"a\\b\"c\nd\re é \ufffd\"}": 0,
	} {
		if got, ok := page.values[series]; !ok || got != want {
			t.Errorf("%s is %v (there: %v), want %v", series, got, ok, want)
		}
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	if testkit.Race {
		t.Skip("the pool forgets at random under the race detector")
	}
	metrics := fifty()
	buf := appendAll(nil, metrics)
	n := testing.AllocsPerRun(100, func() { buf = appendAll(buf[:0], metrics) })
	if n > 1 { // the pool may be cleared between the calls
		t.Errorf("%v allocations, want 0", n)
	}
}

// FuzzAppend makes metrics from arbitrary bytes and parses the page with a strict
// parser.
func FuzzAppend(f *testing.F) {
	f.Add("a|help|counter|l=v|1\na|||l=w|2\nb_total||counter||3")
	f.Add("h|h|histogram|x=y|#1,2,3;4,5,6,7\nh_sum||gauge||1\nh||||#1;1,1")
	f.Add("h_count||||#;1\nh||||#;1\nh_count_sum||||5")
	f.Add("a|\\ \n|gauge|l=\"\\|NaN\nü|x|y|z=ü|-Inf")
	f.Add("a|||le=1,__x=2,l=|0\na||||0\na||gauge||0")
	f.Add("x|h\x00|gauge|a=\x00\xff|1e300\nx||counter|a=b|1")
	f.Fuzz(func(t *testing.T, script string) {
		metrics := metricsFrom(script)
		out := string(appendAll(nil, metrics))
		page, err := parse(out)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if written := page.samples + page.comments; written != len(metrics) {
			t.Fatalf("%d metrics in, %d samples and %d comments out\n%s", len(metrics), page.samples, page.comments, out)
		}
	})
}

// metricsFrom parses one metric per line: name|help|type|labels|value. A value
// "#bounds;counts" makes a histogram.
func metricsFrom(script string) []promtext.Metric {
	var metrics []promtext.Metric
	for line := range strings.SplitSeq(script, "\n") {
		fields := append(strings.SplitN(line, "|", 5), make([]string, 5)...)
		m := promtext.Metric{Name: fields[0], Help: fields[1], Type: fields[2]}
		for pair := range strings.SplitSeq(fields[3], ",") {
			if name, value, ok := strings.Cut(pair, "="); ok {
				if m.Labels == nil {
					m.Labels = map[string]string{}
				}
				m.Labels[name] = value
			}
		}
		if rest, ok := strings.CutPrefix(fields[4], "#"); ok {
			bounds, counts, _ := strings.Cut(rest, ";")
			m.Histogram = new(promtext.Histogram)
			for s := range strings.SplitSeq(bounds, ",") {
				if v, err := strconv.ParseFloat(s, 64); err == nil {
					m.Histogram.Bounds = append(m.Histogram.Bounds, v)
				}
			}
			for s := range strings.SplitSeq(counts, ",") {
				var n [8]byte
				copy(n[:], s)
				m.Histogram.Counts = append(m.Histogram.Counts, binary.LittleEndian.Uint64(n[:]))
			}
		}
		m.Value, _ = strconv.ParseFloat(fields[4], 64) // 0 will do
		metrics = append(metrics, m)
	}
	return metrics
}

func fifty() []promtext.Metric {
	metrics := make([]promtext.Metric, 50)
	for i := range metrics {
		metrics[i] = promtext.Metric{
			Name:   fmt.Sprintf("app_metric_%d_total", i/5),
			Help:   "What happened so far.",
			Type:   "counter",
			Value:  float64(i) * 1.5,
			Labels: map[string]string{"method": "GET", "route": fmt.Sprint("/items/", i)},
		}
	}
	return metrics
}

func BenchmarkAppend50(b *testing.B) {
	metrics := fifty()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = appendAll(buf[:0], metrics)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkAppendHistograms(b *testing.B) {
	metrics := make([]promtext.Metric, 1000)
	bounds := []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	for i := range metrics {
		metrics[i] = promtext.Metric{
			Name:      "http_request_duration_seconds",
			Type:      "histogram",
			Labels:    map[string]string{"method": "GET", "route": fmt.Sprint("/items/", i), "status": "2xx"},
			Histogram: &promtext.Histogram{Bounds: bounds, Counts: make([]uint64, 12), Sum: 1.5},
		}
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = appendAll(buf[:0], metrics)
	}
	b.SetBytes(int64(len(buf)))
}
