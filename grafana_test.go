package http_test

import (
	"encoding/json"
	"maps"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A dashboard is the part of docs/grafana.json that the test reads.
type dashboard struct {
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
	Panels []struct {
		ID         int
		Type       string
		Title      string
		GridPos    struct{ X, Y, W, H int }
		Datasource struct{ UID string }
		Targets    []struct {
			Expr         string
			LegendFormat string
			Datasource   struct{ UID string }
		}
	}
}

// exportedSample matches a sample of the page, with its name and labels.
var exportedSample = regexp.MustCompile(`(?m)^(\w+)(?:\{(.*)\})? \S+$`)

// exportedLabels serves every kind of request once, and returns the names of all samples on
// the page of metrics, each with its labels.
func exportedLabels(t *testing.T) map[string][]string {
	t.Helper()
	m := http.NewMetrics()
	router := http.NewRouter()
	router.Use(m.Middleware())
	busy := router.Group("/busy")
	busy.Use(http.Throttle(http.ThrottleConfig{Limit: 1, Metrics: m, Name: "busy"}))
	busy.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "" {
			serveTarget(router, "/busy/?inner")
		}
	})
	limited := router.Group("/limited")
	limited.Use(http.RateLimit(http.RateLimitConfig{Limit: 1, Window: time.Hour}))
	limited.HandleFunc("GET /", func(http.ResponseWriter, *http.Request) {})
	router.HandleFunc("GET /events", func(w http.ResponseWriter, _ *http.Request) { http.NewSSEWriter(w) })
	router.HandleFunc("GET /metrics", http.PrometheusHandler(func() []http.PrometheusMetric {
		return append(m.Collect(), http.RuntimeMetrics()...)
	}))
	for _, target := range []string{"/busy/", "/limited/", "/limited/", "/events", "/nowhere"} {
		serveTarget(router, target)
	}
	page := testkit.Record(router, testkit.NewRequest("GET", "/metrics", "")).Body
	labelName := regexp.MustCompile(`(\w+)="`)
	all := map[string][]string{}
	for _, sample := range exportedSample.FindAllStringSubmatch(page, -1) {
		for _, label := range labelName.FindAllStringSubmatch(sample[2], -1) {
			if !slices.Contains(all[sample[1]], label[1]) {
				all[sample[1]] = append(all[sample[1]], label[1])
			}
		}
		all[sample[1]] = append(all[sample[1]], "") // known, even without labels
	}
	return all
}

func serveTarget(h http.Handler, target string) {
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", target, nil))
}

var (
	promName    = regexp.MustCompile(`\b(?:http|go)_\w+`)
	promLabels  = regexp.MustCompile(`by \(([\w, ]+)\)`)
	promMatcher = regexp.MustCompile(`[{,](\w+)=`)
	legendLabel = regexp.MustCompile(`\{\{(\w+)\}\}`)
)

// TestDashboardUsesWhatIsExported compares the expressions of the Grafana dashboard with
// the metrics that are really exported. Prometheus itself adds the labels job and instance.
func TestDashboardUsesWhatIsExported(t *testing.T) {
	t.Parallel()
	exported := exportedLabels(t)
	d := readDashboard(t)
	used := map[string]bool{}
	check := func(title, expr, legend string) {
		names := promName.FindAllString(expr, -1)
		var by []string
		for _, list := range promLabels.FindAllStringSubmatch(expr, -1) {
			by = append(by, strings.Split(list[1], ", ")...)
		}
		labels := slices.Clone(by)
		for _, matcher := range promMatcher.FindAllStringSubmatch(expr, -1) {
			labels = append(labels, matcher[1])
		}
		if len(names) == 0 {
			t.Errorf("%s: %s has no metric", title, expr)
		}
		for _, name := range names {
			used[name] = true
			if exported[name] == nil {
				t.Errorf("%s: %s is not exported", title, name)
			}
			for _, label := range labels {
				if !slices.Contains(append(exported[name], "job", "instance"), label) {
					t.Errorf("%s: %s has no label %s", title, name, label)
				}
			}
		}
		for _, label := range legendLabel.FindAllStringSubmatch(legend, -1) {
			if aggregated := strings.Contains(expr, "sum"); aggregated && !slices.Contains(by, label[1]) {
				t.Errorf("%s: the legend has label %s, which %s does not have", title, label[1], expr)
			}
		}
	}
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			check(panel.Title, target.Expr, target.LegendFormat)
			if target.Datasource.UID != "${datasource}" || panel.Datasource.UID != "${datasource}" {
				t.Errorf("%s has the data source %q", panel.Title, target.Datasource.UID)
			}
		}
	}
	for name := range maps.Keys(exported) {
		if !used[name] {
			t.Errorf("no panel uses %s", name)
		}
	}
}

// TestDashboardIsWellFormed checks what Grafana expects of the file.
func TestDashboardIsWellFormed(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	if v := d.Templating.List; len(v) != 2 || v[0].Name != "datasource" || v[0].Type != "datasource" || v[1].Name != "job" {
		t.Errorf("the variables are %+v", v)
	}
	ids := map[int]bool{}
	cells := map[[2]int]string{}
	for _, panel := range d.Panels {
		if ids[panel.ID] {
			t.Errorf("%s has the ID of another panel", panel.Title)
		}
		ids[panel.ID] = true
		if panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("%s shows nothing", panel.Title)
		}
		for x := panel.GridPos.X; x < panel.GridPos.X+panel.GridPos.W; x++ {
			for y := panel.GridPos.Y; y < panel.GridPos.Y+panel.GridPos.H; y++ {
				if other := cells[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s overlaps %s, or the edge, at %d,%d", panel.Title, other, x, y)
				}
				cells[[2]int{x, y}] = panel.Title
			}
		}
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile("docs/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}
