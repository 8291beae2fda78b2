package prom_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/compare/tools"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A prometheus is a running Prometheus server.
type prometheus struct {
	t   *testing.T
	url string
}

// listening matches the address in the server's log.
var listening = regexp.MustCompile(`msg="Listening on" address=(\S+)`)

// startPrometheus starts a server that scrapes target ("host:port") five times
// per second, and stops it when the test ends.
func startPrometheus(t *testing.T, target string) *prometheus {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 200ms}\nscrape_configs:\n- job_name: app\n  static_configs: [{targets: [%q]}]\n", target)
	if err := os.WriteFile(config, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(tools.Require(t, "prometheus"), "--config.file="+config,
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails only if it has ended already
		_ = cmd.Wait()         // reports the kill
	})
	ready := make(chan string, 2)
	go func() {
		address, said := "", false // the two lines may come in either order
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				address = m[1]
			}
			said = said || strings.Contains(lines.Text(), "ready to receive web requests")
			if said && address != "" {
				ready <- address
				break
			}
		}
		_, _ = io.Copy(io.Discard, log) // so that the server never blocks on its log
		ready <- ""
	}()
	select {
	case address := <-ready:
		if address == "" {
			t.Fatal("prometheus ended, or did not tell its address")
		}
		return &prometheus{t, "http://" + address}
	case <-time.After(testkit.Patience):
		t.Fatal("prometheus does not get ready")
	}
	return nil
}

// get sends a request to the server's API and decodes the response's data into
// v.
func (p *prometheus) get(path string, v any) {
	p.t.Helper()
	res, err := http.Get(p.url + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	answer := struct {
		Status string
		Data   any
	}{Data: v}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "success" {
		p.t.Fatalf("%s: %v: %s", path, err, body)
	}
}

// query returns the value of an expression that has a single series, and
// reports whether there is one.
func (p *prometheus) query(expression string) (float64, bool) {
	p.t.Helper()
	var data struct {
		Result []struct{ Value [2]any }
	}
	p.get("/api/v1/query?query="+url.QueryEscape(expression), &data)
	if len(data.Result) != 1 {
		return 0, false
	}
	value, err := strconv.ParseFloat(fmt.Sprint(data.Result[0].Value[1]), 64)
	if err != nil {
		p.t.Fatal(err)
	}
	return value, true
}

// await repeats a query until the expression has the wanted value.
func (p *prometheus) await(expression string, want float64) {
	p.t.Helper()
	deadline := time.Now().Add(testkit.Patience)
	for {
		got, ok := p.query(expression)
		if ok && (got == want || math.IsNaN(got) && math.IsNaN(want)) {
			p.t.Logf("/api/v1/query %s = %v", expression, got)
			return
		}
		if time.Now().After(deadline) {
			p.t.Errorf("%s is %v (there: %v), want %v", expression, got, ok, want)
			return
		}
		time.Sleep(20 * time.Millisecond) // nothing announces the next scrape
	}
}

func TestPrometheusScrapesARealServer(t *testing.T) {
	metrics := http.NewMetrics()
	router := http.NewRouter()
	router.Use(metrics.Middleware())
	router.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })
	router.HandleFunc("GET /metrics", http.PrometheusHandler(func() []http.PrometheusMetric {
		out := append(wellNamed(), mistaken()...)
		out = append(out, metrics.Collect()...)
		return append(out, http.RuntimeMetrics()...)
	}))
	srv := http.NewServer(router, http.WithAddr("127.0.0.1:0"))
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
		defer cancel()
		if err := srv.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	address := fmt.Sprint(srv.Addr())
	for i := range 12 {
		res, err := http.Get(fmt.Sprintf("http://%s/users/%d", address, i))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	p := startPrometheus(t, address)

	p.await(`up{job="app"}`, 1)
	p.await(`http_requests_total{method="GET",route="/users/{id}",status="2xx"}`, 12)
	p.await(`http_response_body_bytes_total{route="/users/{id}"}`, 60)
	p.await(`http_request_duration_seconds_count{route="/users/{id}"}`, 12)
	p.await(`http_request_duration_seconds_bucket{route="/users/{id}",le="+Inf"}`, 12)
	p.await(`http_requests_in_flight`, 1) // the scrape itself
	p.await(`app_jobs_total`, 1234567)
	p.await(`count(app_text)`, float64(len(strangeTexts)))
	p.await(`app_value{n="0"}`, math.NaN())
	p.await(`app_value{n="1"}`, math.Inf(1))
	p.await(`app_value{n="3"}`, math.MaxFloat64)
	p.await(`app_wait_seconds_bucket{le="0.005",queue=""}`, 3)
	p.await(`histogram_quantile(0.25, app_wait_seconds_bucket{queue=""})`, 0)
	p.await(`count({job="app",__name__=~"go_.*"})`, 8)
	if q, ok := p.query(`histogram_quantile(0.5, http_request_duration_seconds_bucket{route="/users/{id}"})`); !ok || !(q > 0 && q < 10) {
		t.Errorf("the median duration is %v", q)
	}

	var targets struct {
		ActiveTargets []struct{ Health, LastError, ScrapeURL string }
	}
	p.get("/api/v1/targets", &targets)
	t.Logf("/api/v1/targets: %+v", targets.ActiveTargets)
	if len(targets.ActiveTargets) != 1 || targets.ActiveTargets[0].Health != "up" || targets.ActiveTargets[0].LastError != "" {
		t.Errorf("targets %+v, want one that is up", targets)
	}
	var metadata map[string][]struct{ Type, Help string }
	p.get("/api/v1/metadata?metric=http_request_duration_seconds", &metadata)
	t.Logf("/api/v1/metadata: %+v", metadata)
	if m := metadata["http_request_duration_seconds"]; len(m) != 1 || m[0].Type != "histogram" || m[0].Help == "" {
		t.Errorf("metadata %+v", metadata)
	}
}
