package stacks_test

import (
	"fmt"
	"math/rand/v2"
	nethttp "net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/compare/stacks"
)

// passes handles the requests that a limiter allows.
var passes = nethttp.HandlerFunc(func(nethttp.ResponseWriter, *nethttp.Request) {})

func TestLimitersAnswerAlike(t *testing.T) {
	for _, l := range stacks.Limiters() {
		h := l.New(3)(passes)
		for i, want := range []struct {
			key       string
			status    int
			remaining string
		}{{"a", 200, "2"}, {"b", 200, "2"}, {"a", 200, "1"}, {"a", 200, "0"}, {"a", 429, "0"}, {"b", 200, "1"}, {"a", 429, "0"}} {
			r, rec := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
			r.Header.Set(stacks.KeyField, want.key)
			h.ServeHTTP(rec, r)
			header := rec.Header()
			if rec.Code != want.status || header.Get("X-RateLimit-Limit") != "3" ||
				header.Get("X-RateLimit-Remaining") != want.remaining || header.Get("X-RateLimit-Reset") == "" {
				t.Errorf("%s answers request %d, %+v, with %d and %v", l.Name, i, want, rec.Code, header)
			}
		}
	}
}

// TestLimitersCountEveryKey checks that limiters still count every key exactly
// if there are many.
func TestLimitersCountEveryKey(t *testing.T) {
	keys := newKeys(20_000)
	for _, l := range stacks.Limiters() {
		h := l.New(2)(passes)
		c := newClient()
		for i, want := range []int{0, 0, nethttp.StatusTooManyRequests} {
			for _, key := range keys {
				if c.ask(h, key); c.w.status != want {
					t.Fatalf("%s answers request %d of key %s with %d, want %d", l.Name, i, key, c.w.status, want)
				}
			}
		}
	}
}

// newKeys returns n keys that look like API keys, in random order.
func newKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("key-%016x", uint64(i)*0x9e3779b97f4a7c15)
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	return keys
}

// A client sends requests that differ only in the key.
type client struct {
	r     *nethttp.Request
	w     *writer
	value []string
}

func newClient() *client {
	c := &client{httptest.NewRequest("GET", "/", nil), &writer{header: nethttp.Header{}}, []string{""}}
	c.r.Header[stacks.KeyField] = c.value
	return c
}

// ask sends a request with a key. If the request is allowed, the status is 0,
// because passes does not set it.
func (c *client) ask(h nethttp.Handler, key string) {
	c.value[0] = key
	c.w.status = 0
	clear(c.w.header)
	h.ServeHTTP(c.w, c.r)
}

// heap returns the bytes in use after garbage collection. It collects
// repeatedly, because objects with finalizers take several cycles.
func heap() uint64 {
	least := ^uint64(0)
	for {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if m.HeapAlloc >= least {
			return least
		}
		least = m.HeapAlloc
	}
}

// fill sends one request for each key through a new limiter, and returns the
// limiter and the bytes that it retains per key. Each request has its own copy
// of the key, as on a server, so a key that the limiter retains counts.
func fill(l stacks.Limiter, keys []string) (h nethttp.Handler, perKey float64) {
	before := heap()
	h = l.New(1 << 30)(passes)
	c := newClient()
	for _, key := range keys {
		c.ask(h, strings.Clone(key))
	}
	c.ask(h, "") // releases the copy of the last key
	perKey = (float64(heap()) - float64(before)) / float64(len(keys))
	runtime.KeepAlive(h)
	return h, perKey
}

// BenchmarkRateLimit measures concurrent requests from many clients, all of
// which are allowed. If there are enough keys, it reports the bytes per key.
func BenchmarkRateLimit(b *testing.B) {
	for _, n := range []int{1, 10_000, 1_000_000} {
		keys := sync.OnceValue(func() []string { return newKeys(n) })
		for _, l := range stacks.Limiters() {
			filled := sync.OnceValues(func() (nethttp.Handler, float64) { return fill(l, keys()) })
			row := fmt.Sprintf("%d-keys", n)
			if n == 1 {
				row = "1-key"
			}
			b.Run("row="+row+"/by="+l.Name, func(b *testing.B) {
				h, perKey := filled()
				b.ReportAllocs()
				measureLimit(b, h, keys())
				if n > 1 {
					b.ReportMetric(perKey, "B/key")
				}
			})
		}
	}
}

// measureLimit measures parallel requests. Each goroutine iterates over the
// keys from a different start.
func measureLimit(b *testing.B, h nethttp.Handler, keys []string) {
	var goroutines atomic.Int64
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		c := newClient()
		i := int(goroutines.Add(1)) * 7919 % len(keys)
		for pb.Next() {
			c.ask(h, keys[i])
			if i++; i == len(keys) {
				i = 0
			}
		}
	})
}
