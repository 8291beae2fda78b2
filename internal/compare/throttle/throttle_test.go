package throttle_test

import (
	nethttp "net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5/middleware"

	"github.com/stanza-go/framework/pkg/http"
)

// A null is a ResponseWriter that keeps only the status.
type null struct {
	header nethttp.Header
	status int
}

func newNull() *null { return &null{header: nethttp.Header{}} }

func (w *null) Header() nethttp.Header      { return w.header }
func (w *null) WriteHeader(status int)      { w.status = status }
func (w *null) Write(p []byte) (int, error) { return len(p), nil }

// A contender makes a throttle that admits limit requests at once and lets backlog
// others wait.
type contender struct {
	name string
	new  func(limit, backlog int) func(nethttp.Handler) nethttp.Handler
}

func contenders() []contender {
	retryAfter := func(bool) time.Duration { return time.Second }
	return []contender{
		{"stanza", func(limit, backlog int) func(nethttp.Handler) nethttp.Handler {
			config := http.ThrottleConfig{Limit: limit, Backlog: backlog}
			if backlog > 0 {
				config.Wait = time.Minute
			}
			return http.Throttle(config)
		}},
		{"chi", func(limit, backlog int) func(nethttp.Handler) nethttp.Handler {
			return middleware.ThrottleWithOpts(middleware.ThrottleOpts{
				Limit: limit, BacklogLimit: backlog, BacklogTimeout: time.Minute,
				StatusCode: nethttp.StatusServiceUnavailable, RetryAfterFn: retryAfter,
			})
		}},
	}
}

var passes = nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) { w.WriteHeader(nethttp.StatusNoContent) })

// blocker is a handler that keeps its place until it is released.
type blocker struct{ entered, release chan bool }

func (b *blocker) ServeHTTP(nethttp.ResponseWriter, *nethttp.Request) {
	b.entered <- true
	<-b.release
}

// occupied returns a throttled handler whose only place is taken until the test ends.
func occupied(tb testing.TB, c contender) nethttp.Handler {
	b := &blocker{make(chan bool), make(chan bool)}
	h := c.new(1, 0)(b)
	var running sync.WaitGroup
	running.Go(func() { h.ServeHTTP(newNull(), httptest.NewRequest("GET", "/", nil)) })
	<-b.entered
	tb.Cleanup(func() {
		close(b.release)
		running.Wait()
	})
	return h
}

func TestThrottlesAdmitAndRejectAlike(t *testing.T) {
	for _, c := range contenders() {
		w := newNull()
		c.new(1, 0)(passes).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.status != nethttp.StatusNoContent {
			t.Errorf("%s does not admit a request: %d", c.name, w.status)
		}
		w = newNull()
		occupied(t, c).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.status != nethttp.StatusServiceUnavailable || w.header.Get("Retry-After") != "1" {
			t.Errorf("%s answers %d, %v if its place is taken", c.name, w.status, w.header)
		}
	}
}

// BenchmarkThrottle measures what a throttle adds to a handler that does nothing, which is
// the contender none.
func BenchmarkThrottle(b *testing.B) {
	none := contender{"none", func(int, int) func(nethttp.Handler) nethttp.Handler {
		return func(next nethttp.Handler) nethttp.Handler { return next }
	}}
	for _, row := range []struct {
		name string
		run  func(b *testing.B, c contender)
		all  []contender
	}{
		{"admitted", admitted, append(contenders(), none)},
		{"admitted-concurrently", admittedConcurrently, append(contenders(), none)},
		{"waited", waited, contenders()},
		{"rejected", rejected, contenders()},
	} {
		for _, c := range row.all {
			b.Run("row="+row.name+"/by="+c.name, func(b *testing.B) { row.run(b, c) })
		}
	}
}

func admitted(b *testing.B, c contender) {
	h := c.new(100, 100)(passes)
	w, r := newNull(), httptest.NewRequest("GET", "/", nil)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

func admittedConcurrently(b *testing.B, c contender) {
	h := c.new(100, 100)(passes)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		w, r := newNull(), httptest.NewRequest("GET", "/", nil)
		for pb.Next() {
			h.ServeHTTP(w, r)
		}
	})
}

// waited hands one place from request to request. 64 goroutines want it, and the handler
// yields to them, so almost every request waits.
func waited(b *testing.B, c contender) {
	h := c.new(1, 100)(nethttp.HandlerFunc(func(nethttp.ResponseWriter, *nethttp.Request) { runtime.Gosched() }))
	var left atomic.Int64
	left.Store(int64(b.N))
	var all sync.WaitGroup
	b.ReportAllocs()
	for range 64 {
		all.Go(func() {
			w, r := newNull(), httptest.NewRequest("GET", "/", nil)
			for left.Add(-1) >= 0 {
				h.ServeHTTP(w, r)
			}
		})
	}
	all.Wait()
}

func rejected(b *testing.B, c contender) {
	h := occupied(b, c)
	w, r := newNull(), httptest.NewRequest("GET", "/", nil)
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		h.ServeHTTP(w, r)
	}
}
