package main

import (
	"compress/gzip"
	"io"
	nethttp "net/http"
	"strings"
	"sync"
)

// compress is the least that one writes by hand to have answers compressed: it
// asks for nothing but a client that takes gzip, and does so whatever the type
// and size of the answer is. Its level is that of the other contestants.
func compress(next nethttp.Handler) nethttp.Handler {
	pool := sync.Pool{New: func() any {
		zw, err := gzip.NewWriterLevel(io.Discard, 6)
		if err != nil {
			panic(err) // there is a level 6
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
		_ = zw.Close() // the client is gone then
	})
}

// compressed is the ResponseWriter of an answer that is compressed.
type compressed struct {
	nethttp.ResponseWriter
	zw *gzip.Writer
}

// WriteHeader declares what is sent in place of what the handler has declared.
func (c *compressed) WriteHeader(status int) {
	h := c.Header()
	h.Del("Content-Length")
	h.Set("Content-Encoding", "gzip")
	h.Set("Vary", "Accept-Encoding")
	c.ResponseWriter.WriteHeader(status)
}

// Write compresses a part of the body. The handlers here call WriteHeader
// before.
func (c *compressed) Write(p []byte) (int, error) { return c.zw.Write(p) }
