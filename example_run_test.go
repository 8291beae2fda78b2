package http_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"github.com/stanza-go/framework/pkg/http"
)

// The metrics are on a separate port, which only the monitoring system can reach. Both
// servers start and stop together.
func ExampleRun() {
	metrics := http.NewMetrics()
	ctx, cancel := context.WithCancel(context.Background())
	router := http.NewRouter()
	router.Use(metrics.Middleware())
	router.HandleFunc("POST /quit", func(w http.ResponseWriter, r *http.Request) { cancel() })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	public := http.NewServer(router, http.WithListener(listener))

	internal := http.NewRouter()
	internal.Handle("GET /metrics", http.PrometheusHandler(metrics.Collect))
	internal.Handle("GET /ready", http.ReadyHandler())
	private := http.NewServer(internal, http.WithAddr("127.0.0.1:0"))

	go func() {
		res, err := http.Post("http://"+public.Addr()+"/quit", "", nil)
		if err != nil {
			log.Fatal(err)
		}
		res.Body.Close()
	}()
	if err := http.Run(ctx, public, private); err != nil {
		log.Fatal(err)
	}
	fmt.Println("both have stopped")
	// Output: both have stopped
}
