package main

import (
	"compress/gzip"
	"io"
	nethttp "net/http"
	"strings"
	"sync"
)

// compress is the shortest hand-written middleware that compresses responses.
// It compresses all responses, whatever their type and size, if the client
// accepts gzip. It uses the same level as the other contestants.
func compress(next nethttp.Handler) nethttp.Handler {
	pool := sync.Pool{New: func() any {
		zw, err := gzip.NewWriterLevel(io.Discard, 6)
		if err != nil {
			panic(err) // not reached: level 6 is valid
		}
		return zw
	}}
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			next.ServeHTTP(w, r)
			return
		}
		zw := pool.Get().(*gzip.Writer)
		defer pool.Put(zw)
		zw.Reset(w)
		next.ServeHTTP(&compressed{w, zw}, r)
		_ = zw.Close() // fails only if the client has disconnected
	})
}

// compressed is the ResponseWriter of a compressed response.
type compressed struct {
	nethttp.ResponseWriter
	zw *gzip.Writer
}

// WriteHeader sends a header that describes the compressed body.
func (c *compressed) WriteHeader(status int) {
	h := c.Header()
	h.Del("Content-Length")
	h.Set("Content-Encoding", "gzip")
	h.Set("Vary", "Accept-Encoding")
	c.ResponseWriter.WriteHeader(status)
}

// Write compresses p. The handlers of this program call WriteHeader first.
func (c *compressed) Write(p []byte) (int, error) { return c.zw.Write(p) }
