// Overload measures what clients see if a handler gets 1, 2, and 4 times as many requests
// as it can handle: the latency of the handled requests, the share of 503 responses, and
// their latency.
//
// The handler uses one of 4 connections for 10 ms, so it can handle 400 requests a
// second. Requests arrive at a constant rate, whether or not earlier ones have been
// answered, and clients give up after 2 seconds.
//
//	go run ./overload -for 5s
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/go-chi/chi/v5/middleware"

	"github.com/stanza-go/framework/pkg/http"
)

const (
	connections = 4
	work        = 10 * time.Millisecond
	capacity    = connections * int(time.Second/work) // requests a second
	patience    = 2 * time.Second                     // of clients
)

func main() {
	length := flag.Duration("for", 5*time.Second, "duration of each measurement")
	flag.Parse()
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "\tload\thandled a second\tp50\tp99\tmax\t503\tp50 of 503\tp99 of 503\tgiven up\t")
	for _, c := range []struct {
		name     string
		throttle func(nethttp.Handler) nethttp.Handler
	}{
		{"no throttle", func(next nethttp.Handler) nethttp.Handler { return next }},
		{"stanza", http.Throttle(http.ThrottleConfig{Limit: connections, Backlog: connections, Wait: time.Second})},
		{"chi", middleware.ThrottleWithOpts(middleware.ThrottleOpts{
			Limit: connections, BacklogLimit: connections, BacklogTimeout: time.Second, StatusCode: nethttp.StatusServiceUnavailable,
		})},
	} {
		for _, times := range []int{1, 2, 4} {
			s := measure(c.throttle(newHandler()), times*capacity, *length)
			fmt.Fprintf(out, "%s\t%dx\t%s\t\n", c.name, times, s.row(*length))
		}
	}
	if err := out.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// newHandler returns a handler with a pool of connections. Like database/sql, it waits
// until a connection is free or the request's context is done.
func newHandler() nethttp.Handler {
	pool := make(chan struct{}, connections)
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		select {
		case pool <- struct{}{}:
		case <-r.Context().Done():
			return
		}
		defer func() { <-pool }()
		time.Sleep(work)
		w.WriteHeader(nethttp.StatusNoContent)
	})
}

// A sample holds the latencies of one measurement.
type sample struct {
	mu                sync.Mutex
	handled, rejected []time.Duration
	failed            int // clients that gave up
}

// measure sends requests at a constant rate for a time, and returns when all have ended.
func measure(h nethttp.Handler, rate int, length time.Duration) *sample {
	srv := httptest.NewServer(h)
	defer srv.Close()
	transport := &nethttp.Transport{MaxIdleConnsPerHost: 10_000, MaxIdleConns: 10_000}
	defer transport.CloseIdleConnections()
	client := &nethttp.Client{Transport: transport}
	s := new(sample)
	var all sync.WaitGroup
	start := time.Now()
	for i := range int(float64(rate) * length.Seconds()) {
		time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		all.Go(func() { s.ask(client, srv.URL) })
	}
	all.Wait()
	return s
}

// ask sends one request and records how it ends.
func (s *sample) ask(client *nethttp.Client, url string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	start := time.Now()
	status, err := get(ctx, client, url)
	took := time.Since(start)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		s.failed++
	case status == nethttp.StatusServiceUnavailable:
		s.rejected = append(s.rejected, took)
	default:
		s.handled = append(s.handled, took)
	}
}

// get returns the status of the response when its whole body has arrived.
func get(ctx context.Context, client *nethttp.Client, url string) (status int, err error) {
	r, err := nethttp.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return 0, err
	}
	res, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// row returns the sample as cells of a table.
func (s *sample) row(length time.Duration) string {
	total := len(s.handled) + len(s.rejected) + s.failed
	share := func(n int) string { return fmt.Sprintf("%.1f%%", 100*float64(n)/float64(total)) }
	return fmt.Sprintf("%.0f\t%s\t%s\t%s\t%s\t%s\t%s\t%s", float64(len(s.handled))/length.Seconds(),
		quantile(s.handled, 0.5), quantile(s.handled, 0.99), quantile(s.handled, 1),
		share(len(s.rejected)), quantile(s.rejected, 0.5), quantile(s.rejected, 0.99), share(s.failed))
}

// quantile sorts latencies and returns a quantile in milliseconds.
func quantile(latencies []time.Duration, q float64) string {
	if len(latencies) == 0 {
		return "-"
	}
	slices.Sort(latencies)
	return fmt.Sprintf("%.1f ms", latencies[int(q*float64(len(latencies)-1))].Seconds()*1000)
}
