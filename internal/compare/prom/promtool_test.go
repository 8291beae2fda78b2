// Package prom_test checks the metrics pages with Prometheus's linter, parser,
// server, and client library for Go.
package prom_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/compare/tools"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// page returns the metrics page as a client receives it.
func page(metrics []http.PrometheusMetric) []byte {
	handler := http.PrometheusHandler(func() []http.PrometheusMetric { return metrics })
	return []byte(testkit.Record(handler, testkit.NewRequest("GET", "/metrics", "")).Body)
}

// checkMetrics runs promtool check metrics on a page and returns its output and
// exit status: 0 if there are no findings, 3 if the linter has findings, and 1
// if the page cannot be parsed.
func checkMetrics(t *testing.T, page []byte) (string, int) {
	t.Helper()
	cmd := exec.Command(tools.Require(t, "promtool"), "check", "metrics")
	cmd.Stdin = bytes.NewReader(page)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	t.Logf("promtool check metrics: %d bytes, exit status %d\n%s", len(page), cmd.ProcessState.ExitCode(), out)
	return string(out), cmd.ProcessState.ExitCode()
}

// traffic sends requests of many kinds to a router and returns its metrics.
func traffic() *http.Metrics {
	m := http.NewMetrics()
	router := http.NewRouter()
	router.Use(m.Middleware())
	router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })
	router.HandleFunc(`GET example.com/odd"\/{x...}`, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(799) })
	router.HandleFunc("/broken", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) })
	for i := range 30 {
		for _, target := range []string{fmt.Sprint("/users/", i), fmt.Sprint("/lost/", i), `http://example.com/odd%22%5C/x`, "/broken"} {
			for _, method := range []string{"GET", "POST", fmt.Sprint("M", i)} {
				router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, target, nil))
			}
		}
	}
	return m
}

// wellNamed returns metrics of every type, with all kinds of values and unusual
// labels. The linter accepts their names and help texts.
func wellNamed() []http.PrometheusMetric {
	metrics := []http.PrometheusMetric{
		{Name: "app_jobs_total", Help: "Jobs \\ done, in \"quotes\"\nand two lines.", Type: "counter", Value: 1234567},
		{Name: "app_temperature_celsius", Help: "How warm it is.", Type: "gauge", Value: -1.5e-300},
		{Name: "app_anything", Help: "Without a type.", Value: 7},
		{Name: "app_wait_seconds", Help: "Waiting.", Histogram: &http.PrometheusHistogram{
			Bounds: []float64{-1, 0, 0.005, 1e9}, Counts: []uint64{1, 2, 0, 4, 5}, Sum: 12.5}},
		{Name: "app_wait_seconds", Labels: map[string]string{"queue": "mail"}, Histogram: &http.PrometheusHistogram{
			Counts: []uint64{0}}},
	}
	for i, value := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64, 1 << 53, 1<<53 + 2, 0} {
		metrics = append(metrics, http.PrometheusMetric{Name: "app_value", Help: "A value.", Type: "gauge", Value: value,
			Labels: map[string]string{"n": fmt.Sprint(i)}})
	}
	for i, text := range strangeTexts {
		metrics = append(metrics, http.PrometheusMetric{Name: "app_text", Help: "A text.", Type: "gauge", Value: 1,
			Labels: map[string]string{"text": text, "z": "1"}})
		metrics = append(metrics, http.PrometheusMetric{Name: fmt.Sprintf("app_about%c", 'a'+i), Help: "About " + text, Type: "gauge"})
	}
	return metrics
}

var strangeTexts = []string{
	"plain", "two\nlines", "\r\n", `"`, `\`, `\n`, `\"`, "\x00", "\xff\xfe", "a\xc3", "é", "日本", "\u2028", "{}", `",x="1`, "#", " ", "\t", "\x7f",
	strings.Repeat("long ", 1000),
}

// mistaken returns metrics that cannot be written, each for a different reason.
func mistaken() []http.PrometheusMetric {
	h := &http.PrometheusHistogram{Counts: []uint64{1}}
	return []http.PrometheusMetric{
		{Name: "", Value: 1}, {Name: "9lives"}, {Name: "a b"}, {Name: "x\n# TYPE y gauge\ny"}, {Name: "é"},
		{Name: "app_bad_type", Type: "summary"}, {Name: "app_bad_type", Type: "gauge\nevil 1"},
		{Name: "app_bad_label", Labels: map[string]string{"a-b": "1"}}, {Name: "app_bad_label", Labels: map[string]string{"__name__": "up"}},
		{Name: "app_jobs_total", Type: "counter", Value: 2}, {Name: "app_jobs_total", Type: "gauge", Labels: map[string]string{"a": "b"}},
		{Name: "app_wait_seconds_count", Type: "counter"}, {Name: "app_wait_seconds_bucket", Type: "gauge", Labels: map[string]string{"le": "1"}},
		{Name: "app_wait_seconds", Histogram: h, Labels: map[string]string{"le": "1"}}, {Name: "app_wait_seconds", Histogram: h, Type: "gauge"},
		{Name: "app_no_data", Type: "histogram"}, {Name: "app_bad_bounds", Histogram: &http.PrometheusHistogram{Bounds: []float64{1}}},
	}
}

func TestPromtoolAcceptsRequestMetrics(t *testing.T) {
	if out, status := checkMetrics(t, page(traffic().Collect())); status != 0 || out != "" {
		t.Errorf("exit status %d: %s", status, out)
	}
}

func TestPromtoolAcceptsAnythingWellNamed(t *testing.T) {
	if out, status := checkMetrics(t, page(wellNamed())); status != 0 || out != "" {
		t.Errorf("exit status %d: %s", status, out)
	}
}

func TestPromtoolAcceptsAPageInSpiteOfMistakes(t *testing.T) {
	text := page(append(wellNamed(), mistaken()...))
	if out, status := checkMetrics(t, text); status != 0 || out != "" {
		t.Errorf("exit status %d: %s", status, out)
	}
	if got, want := bytes.Count(text, []byte("# skipped")), len(mistaken()); got != want {
		t.Errorf("%d metrics were skipped, want %d\n%s", got, want, text)
	}
}

// The names and types of RuntimeMetrics are documented, so they stay, although
// the linter expects the name of one counter to end in _total.
func TestPromtoolAcceptsRuntimeMetricsButForADocumentedName(t *testing.T) {
	const want = `go_gc_pause_total_seconds counter metrics should have "_total" suffix` + "\n"
	if out, status := checkMetrics(t, page(http.RuntimeMetrics())); status != 3 || out != want {
		t.Errorf("exit status %d: %s", status, out)
	}
}

// parse parses a page with Prometheus's Go library.
func parse(page []byte) (map[string]*dto.MetricFamily, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	return parser.TextToMetricFamilies(bytes.NewReader(page))
}

func TestEveryValueAndTextReadsBack(t *testing.T) {
	metrics := wellNamed()
	families, err := parse(page(append(metrics, mistaken()...)))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range metrics {
		if m.Histogram != nil {
			continue
		}
		found := 0
		for _, got := range families[m.Name].GetMetric() {
			if !sameLabels(got.GetLabel(), m.Labels) {
				continue
			}
			found++
			value := got.GetCounter().GetValue() + got.GetGauge().GetValue() + got.GetUntyped().GetValue()
			if value != m.Value && !(math.IsNaN(value) && math.IsNaN(m.Value)) {
				t.Errorf("%s%q is %v, want %v", m.Name, m.Labels, value, m.Value)
			}
		}
		if found != 1 {
			t.Errorf("%s%q is there %d times", m.Name, m.Labels, found)
		}
	}
	if got, want := families["app_jobs_total"].GetHelp(), metrics[0].Help; got != want {
		t.Errorf("help %q, want %q", got, want)
	}
	h := families["app_wait_seconds"].GetMetric()[0].GetHistogram()
	if h.GetSampleCount() != 12 || h.GetSampleSum() != 12.5 || len(h.GetBucket()) != 5 || h.GetBucket()[3].GetCumulativeCount() != 7 {
		t.Errorf("histogram %v", h)
	}
}

// sameLabels compares labels. It expects invalid UTF-8 to be replaced.
func sameLabels(got []*dto.LabelPair, want map[string]string) bool {
	if len(got) != len(want) {
		return false
	}
	for _, pair := range got {
		if pair.GetValue() != string([]rune(want[pair.GetName()])) {
			return false
		}
	}
	return true
}

// FuzzPage parses pages with arbitrary texts with Prometheus's Go library.
func FuzzPage(f *testing.F) {
	for _, text := range strangeTexts {
		f.Add("app_x", "help", "gauge", "label", text, 1.5)
		f.Add("app_x", text, "counter", "label", "value", -1.0)
		f.Add(text, text, text, text, text, math.Inf(1))
	}
	f.Fuzz(func(t *testing.T, name, help, kind, label, text string, value float64) {
		out := page([]http.PrometheusMetric{
			{Name: name, Help: help, Type: kind, Value: value, Labels: map[string]string{label: text}},
			{Name: name, Help: text, Type: "histogram", Labels: map[string]string{label: text},
				Histogram: &http.PrometheusHistogram{Bounds: []float64{value}, Counts: []uint64{1, 2}, Sum: value}},
			{Name: name + "_count", Type: kind, Value: value},
			{Name: name, Help: label, Type: kind, Value: value, Labels: map[string]string{label: help, text: label}},
		})
		if _, err := parse(out); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}
