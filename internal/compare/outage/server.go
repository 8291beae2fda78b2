package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	nethttp "net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/compare/redisstore"
)

// The limits that are compared.
const (
	asItWas      = "as it was"
	withBreaker  = "breaker"
	withFallback = "breaker, LocalFallback"
)

var limits = []string{asItWas, withBreaker, withFallback}

// A sample describes one phase.
type sample struct {
	Responses, Rejected int
	Latencies           []time.Duration // in order
	Waiting, Goroutines int64
	StoreCalls, Lines   int64
}

// row returns the sample as cells of the table.
func (s *sample) row(length time.Duration) string {
	quantile := func(q float64) string {
		if len(s.Latencies) == 0 {
			return "-"
		}
		return fmt.Sprintf("%.1f ms", s.Latencies[int(q*float64(len(s.Latencies)-1))].Seconds()*1000)
	}
	return fmt.Sprintf("%.0f\t%.0f%%\t%s\t%s\t%s\t%d\t%d\t%d\t%d", float64(s.Responses)/length.Seconds(),
		100*float64(s.Rejected)/float64(max(s.Responses, 1)), quantile(0.5), quantile(0.99), quantile(1), s.Waiting, s.Goroutines, s.StoreCalls, s.Lines)
}

// A gauge collects a sample in the server's process.
type gauge struct {
	mu         sync.Mutex
	sample     sample
	waiting    int64 // now; guarded by mu
	goroutines atomic.Int64
	storeCalls atomic.Int64
	lines      atomic.Int64
}

// watch records the largest number of goroutines.
func (g *gauge) watch() {
	for range time.Tick(time.Millisecond) {
		g.goroutines.Store(max(g.goroutines.Load(), int64(runtime.NumGoroutine())))
	}
}

// take responds with the sample collected since the last call.
func (g *gauge) take(w nethttp.ResponseWriter, _ *nethttp.Request) {
	g.mu.Lock()
	s := g.sample
	g.sample = sample{}
	g.mu.Unlock()
	slices.Sort(s.Latencies)
	s.Goroutines, s.StoreCalls, s.Lines = g.goroutines.Swap(0), g.storeCalls.Swap(0), g.lines.Swap(0)
	_ = json.NewEncoder(w).Encode(s) // the client sees that it is incomplete
}

// Write implements [io.Writer] for the log.
func (g *gauge) Write(p []byte) (int, error) {
	g.lines.Add(int64(strings.Count(string(p), "\n")))
	return len(p), nil
}

// A stopwatch is the ResponseWriter of a limited request. It stops at the first call of
// WriteHeader, by the limit or by the handler.
type stopwatch struct {
	nethttp.ResponseWriter
	start    time.Time
	took     time.Duration
	rejected bool
}

// WriteHeader implements [nethttp.ResponseWriter].
func (s *stopwatch) WriteHeader(status int) {
	s.took = cmp.Or(s.took, time.Since(s.start))
	s.rejected = status == nethttp.StatusTooManyRequests
	s.ResponseWriter.WriteHeader(status)
}

// measured returns a handler that measures a limit.
func (g *gauge) measured(limit func(nethttp.Handler) nethttp.Handler) nethttp.Handler {
	limited := limit(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		w.WriteHeader(nethttp.StatusNoContent)
	}))
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		g.mu.Lock()
		g.waiting++
		g.sample.Waiting = max(g.sample.Waiting, g.waiting)
		g.mu.Unlock()
		watch := &stopwatch{ResponseWriter: w, start: time.Now()}
		limited.ServeHTTP(watch, r)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.waiting--
		g.sample.Responses++
		if watch.rejected {
			g.sample.Rejected++
		}
		g.sample.Latencies = append(g.sample.Latencies, watch.took)
	})
}

// serve runs a server and prints its address.
func serve(kind, redisAddress string) error {
	g := new(gauge)
	slog.SetDefault(slog.New(slog.NewTextHandler(g, nil)))
	redis.SetLogger(silent{})
	store, err := redisstore.New(redis.NewClient(&redis.Options{Addr: redisAddress, ContextTimeoutEnabled: true, MaxRetries: -1}), "a:")
	if err != nil {
		return err
	}
	config := http.RateLimitConfig{
		Limit: 10, Window: time.Second, Store: counted{store, g}, LocalFallback: kind == withFallback,
		KeyFunc: func(r *nethttp.Request) string { return r.URL.RawQuery },
	}
	limit := func(next nethttp.Handler) nethttp.Handler { return &formerLimit{config, next} }
	if kind != asItWas {
		limit = http.RateLimit(config)
	}
	mux := nethttp.NewServeMux()
	mux.Handle("/", g.measured(limit))
	mux.HandleFunc("/take", g.take)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go g.watch()
	fmt.Println(listener.Addr())
	return nethttp.Serve(listener, mux)
}

// A formerLimit asks the store for each request, like RateLimit before it had a breaker.
type formerLimit struct {
	http.RateLimitConfig
	next nethttp.Handler
}

// ServeHTTP implements [nethttp.Handler].
func (l *formerLimit) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 500*time.Millisecond)
	defer cancel()
	count, _, err := l.Store.Increment(ctx, l.KeyFunc(r), l.Window)
	switch {
	case err != nil:
		slog.Error("rate limit store failed; request allowed", "error", err)
	case count > int64(l.Limit):
		http.WriteError(w, nethttp.StatusTooManyRequests, "rate limit exceeded")
		return
	}
	l.next.ServeHTTP(w, r)
}

type silent struct{}

// Printf discards a line that the Redis client logs: it logs each connection that fails.
func (silent) Printf(context.Context, string, ...any) {}

// A counted store counts the calls.
type counted struct {
	http.RateLimitStore
	g *gauge
}

// Increment implements [http.RateLimitStore].
func (s counted) Increment(ctx context.Context, key string, window time.Duration) (int64, time.Duration, error) {
	s.g.storeCalls.Add(1)
	return s.RateLimitStore.Increment(ctx, key, window)
}

// A server is a process that runs serve.
type server struct {
	cmd *exec.Cmd
	url string
}

// startServer starts a server and waits until it accepts connections.
func startServer(limit, redisAddress string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{cmd: exec.Command(self, "-serve", limit, "-redis", redisAddress)}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, err
	}
	s.url = "http://" + strings.TrimSpace(address)
	return s, nil
}

// take returns the sample since the last call.
func (s *server) take() (got sample, err error) {
	res, err := nethttp.Get(s.url + "/take")
	if err != nil {
		return got, err
	}
	defer res.Body.Close()
	return got, json.NewDecoder(res.Body).Decode(&got)
}

// stop ends the process.
func (s *server) stop() {
	_ = s.cmd.Process.Kill() // fails only if it has ended already
	_ = s.cmd.Wait()         // reports the kill
}
