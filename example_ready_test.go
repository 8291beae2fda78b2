package http_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// The load balancer sends requests as long as its readiness probe succeeds.
func ExampleReadyHandler() {
	router := http.NewRouter()
	router.Handle("GET /ready", http.ReadyHandler())
	server := http.NewServer(router, http.WithAddr("127.0.0.1:0"), http.WithDrainDelay(time.Minute))
	if err := server.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	probe := func() string {
		res, err := http.Get("http://" + server.Addr() + "/ready")
		if err != nil {
			log.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			log.Fatal(err)
		}
		return res.Status + " " + string(body)
	}
	ready := probe()
	fmt.Println(ready)

	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- server.Stop(ctx) }()
	now := probe()
	for now == ready { // Stop has just been called
		now = probe()
	}
	fmt.Println(now)

	cancel() // ends the delay and closes the remaining connections
	<-stopped
	// Output:
	// 200 OK {"status":"ready"}
	// 503 Service Unavailable {"error":"server is stopping"}
}
