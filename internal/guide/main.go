// Status serves a status page. Anyone can follow the incidents live, and users who log in
// can report them. docs/guide.md builds it step by step.
package main

import (
	"context"
	"flag"
	"log"
	"log/slog"
	"os"

	"github.com/stanza-go/framework/pkg/http"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "address of the site")
	internalAddr := flag.String("internal-addr", "127.0.0.1:2112", "address of metrics and readiness")
	delay := flag.Duration("drain-delay", 0, "how long to keep serving after SIGINT or SIGTERM")
	var c config
	flag.StringVar(&c.dir, "dir", "uploads", "directory for uploaded files")
	flag.BoolVar(&c.https, "https", false, "set if browsers reach the site over HTTPS")
	flag.Parse()

	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		log.Fatal(err)
	}
	c.logger = slog.New(slog.NewJSONHandler(os.Stdout, nil))
	slog.SetDefault(c.logger)
	c.metrics = http.NewMetrics()
	err := http.Run(context.Background(),
		http.NewServer(routes(c), http.WithAddr(*addr), http.WithDrainDelay(*delay)),
		http.NewServer(operations(c.metrics), http.WithAddr(*internalAddr), http.WithDrainDelay(*delay)),
	)
	if err != nil {
		log.Fatal(err)
	}
}

// operations returns the routes for Prometheus and the load balancer.
func operations(metrics *http.Metrics) *http.Router {
	router := http.NewRouter()
	router.Handle("GET /ready", http.ReadyHandler())
	router.HandleFunc("GET /metrics", http.PrometheusHandler(func() []http.PrometheusMetric {
		return append(metrics.Collect(), http.RuntimeMetrics()...)
	}))
	return router
}
