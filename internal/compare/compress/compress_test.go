// Package compress_test uses encoders of other packages with Compress, and
// compares the speed with their own middleware.
package compress_test

import (
	"bytes"
	stdgzip "compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	nethttp "net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// zstdEncoder returns an encoder for zstd as an application would write it. Its
// concurrency is 1, because with more goroutines, the encoder would write to
// the response while the handler runs.
func zstdEncoder() http.CompressEncoder {
	return http.CompressEncoder{Name: "zstd", Reuse: true, New: func() http.CompressWriter {
		zw, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
		if err != nil {
			panic(err) // an option is invalid
		}
		return zw
	}}
}

func brotliEncoder() http.CompressEncoder {
	return http.CompressEncoder{Name: "br", Reuse: true, New: func() http.CompressWriter {
		return brotli.NewWriterLevel(nil, 4)
	}}
}

func gzipEncoder() http.CompressEncoder {
	return http.CompressEncoder{Name: "gzip", Reuse: true, New: func() http.CompressWriter {
		zw, err := gzip.NewWriterLevel(io.Discard, 6)
		if err != nil {
			panic(err) // the level is invalid
		}
		return zw
	}}
}

// middleware returns middleware that offers all three encodings, zstd first.
func middleware() http.Middleware {
	return http.Compress(http.CompressConfig{
		Encoders: []http.CompressEncoder{zstdEncoder(), brotliEncoder(), gzipEncoder()},
	})
}

// decode decodes a body with the decoder of the package that encoded it, or
// with the standard library for gzip.
func decode(coding string, r io.Reader) ([]byte, error) {
	switch coding {
	case "zstd":
		zr, err := zstd.NewReader(r)
		if err != nil {
			return nil, err
		}
		defer zr.Close()
		return io.ReadAll(zr)
	case "br":
		return io.ReadAll(brotli.NewReader(r))
	case "gzip":
		zr, err := stdgzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(zr)
	case "":
		return io.ReadAll(r)
	}
	return nil, fmt.Errorf("unknown coding %q", coding)
}

// get sends a request with the given Accept-Encoding and decodes the response.
func get(client *nethttp.Client, url, accept string) (coding string, body []byte, err error) {
	res, err := testkit.Send(client, testkit.NewRequest("GET", url, "", "Accept-Encoding: "+accept))
	if err != nil {
		return "", nil, err
	}
	coding = res.Header.Get("Content-Encoding")
	body, err = decode(coding, strings.NewReader(res.Body))
	return coding, body, err
}

// sample returns n bytes that compress like text and depend on the seed.
func sample(seed string, n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "line %d of %s, %x\n", i, seed, sha256.Sum256([]byte(seed+strconv.Itoa(i/8))))
	}
	return b.Bytes()[:n]
}

func TestPluggedInEncodersKeepTheBody(t *testing.T) {
	t.Parallel()
	text := sample("sizes", 10<<20)
	ways := map[string]func(w nethttp.ResponseWriter, body []byte){
		"one write": func(w nethttp.ResponseWriter, body []byte) { w.Write(body) },
		"many writes": func(w nethttp.ResponseWriter, body []byte) {
			for len(body) > 0 {
				n := min(len(body), 777)
				w.Write(body[:n])
				body = body[n:]
			}
		},
		"flush in between": func(w nethttp.ResponseWriter, body []byte) {
			w.Write(body[:len(body)/2])
			w.(nethttp.Flusher).Flush()
			w.Write(body[len(body)/2:])
		},
		"ReadFrom": func(w nethttp.ResponseWriter, body []byte) {
			io.Copy(w, struct{ io.Reader }{bytes.NewReader(body)})
		},
	}
	handler := middleware()(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		size, err := strconv.Atoi(r.FormValue("size"))
		if err != nil {
			panic(err)
		}
		w.Header().Set("Content-Type", "text/plain")
		ways[r.FormValue("way")](w, text[:size])
	}))
	testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
		for _, accept := range []string{"zstd", "br", "gzip", "identity"} {
			for way := range ways {
				for _, size := range []int{0, 1, 1023, 1024, 1025, 64 << 10, 10 << 20} {
					url := fmt.Sprintf("%s/?size=%d&way=%s", srv.URL, size, strings.ReplaceAll(way, " ", "+"))
					coding, body, err := get(srv.Client(), url, accept)
					want := ""
					if accept != "identity" && (size >= 1024 || way == "flush in between" && size > 1) {
						want = accept
					}
					if err != nil || coding != want || !bytes.Equal(body, text[:size]) {
						t.Errorf("%s, %s, %d bytes: coding %q (want %q), %d bytes, equal %v, %v",
							accept, way, size, coding, want, len(body), bytes.Equal(body, text[:size]), err)
					}
				}
			}
		}
	})
}

func TestFlushedHalfIsDecodableAtOnce(t *testing.T) {
	t.Parallel()
	const first = "this must arrive before the rest is written\n"
	for _, accept := range []string{"zstd", "br", "gzip"} {
		t.Run(accept, func(t *testing.T) {
			seen := make(chan struct{})
			handler := middleware()(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
				w.Header().Set("Content-Type", "text/plain")
				io.WriteString(w, first)
				w.(nethttp.Flusher).Flush()
				<-seen
				io.WriteString(w, "rest")
			}))
			srv := testkit.StartServer(t, testkit.HTTP1, handler)
			r, err := nethttp.NewRequest("GET", srv.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Accept-Encoding", accept)
			resp, err := srv.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var plain io.Reader
			switch accept {
			case "zstd":
				zr, err := zstd.NewReader(resp.Body, zstd.WithDecoderConcurrency(1))
				if err != nil {
					t.Fatal(err)
				}
				defer zr.Close()
				plain = zr
			case "br":
				plain = brotli.NewReader(resp.Body)
			case "gzip":
				if plain, err = stdgzip.NewReader(resp.Body); err != nil {
					t.Fatal(err)
				}
			}
			got := make([]byte, len(first))
			if _, err := io.ReadFull(plain, got); err != nil || string(got) != first {
				t.Errorf("before the end: %q, %v", got, err)
			}
			close(seen)
			if rest, err := io.ReadAll(plain); err != nil || string(rest) != "rest" {
				t.Errorf("at the end: %q, %v", rest, err)
			}
		})
	}
}

func TestNegotiationFollowsTheClientThenTheOrder(t *testing.T) {
	t.Parallel()
	body := sample("negotiation", 4<<10)
	handler := middleware()(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) { w.Write(body) }))
	srv := testkit.StartServer(t, testkit.HTTP1, handler)
	for accept, want := range map[string]string{
		"gzip, deflate, br, zstd":     "zstd", // as browsers send it
		"gzip, deflate, br":           "br",
		"gzip, deflate":               "gzip",
		"deflate":                     "",
		"zstd;q=0.5, br;q=0.9":        "br",
		"zstd;q=0.1, gzip;q=0.2":      "gzip",
		"br;q=0, zstd;q=0, *":         "gzip",
		"*":                           "zstd",
		"ZSTD":                        "zstd",
		"zstd;q=0":                    "",
		"gzip;q=0.5, identity;q=0.9":  "",
		"identity;q=0, br;q=0.001":    "br",
		"x-gzip":                      "gzip",
		"br;q=1.000, zstd;q=0.999, *": "br",
	} {
		coding, got, err := get(srv.Client(), srv.URL, accept)
		if coding != want || err != nil || !bytes.Equal(got, body) {
			t.Errorf("Accept-Encoding %q: coding %q, %d bytes, %v; want %q", accept, coding, len(got), err, want)
		}
	}
}

// Concurrent responses must not mix, even if they reuse pooled encoders,
// including encoders of responses that panicked halfway.
func TestConcurrentResponsesAndPanicsDoNotMix(t *testing.T) {
	t.Parallel()
	handler := middleware()(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("Content-Type", "text/plain")
		body := sample(r.URL.Path, 20<<10)
		w.Write(body[:8<<10])
		switch r.URL.RawQuery {
		case "panic":
			panic(nethttp.ErrAbortHandler)
		case "flush-and-panic":
			w.(nethttp.Flusher).Flush()
			w.Write(body[8<<10:])
			panic(nethttp.ErrAbortHandler)
		}
		w.Write(body[8<<10:])
	}))
	testkit.EachProtocol(t, handler, func(t *testing.T, srv *testkit.Server) {
		var all sync.WaitGroup
		for worker := range 8 {
			all.Go(func() {
				for i := range 40 {
					path := fmt.Sprintf("/%d/%d", worker, i)
					accept := [...]string{"zstd", "br", "gzip"}[i%3]
					if query := [...]string{"", "", "panic", "", "flush-and-panic"}[i%5]; query != "" {
						if _, body, err := get(srv.Client(), srv.URL+path+"?"+query, accept); err == nil {
							t.Errorf("%s, %s: %d bytes look like a whole response", accept, query, len(body))
						}
						continue
					}
					coding, body, err := get(srv.Client(), srv.URL+path, accept)
					if coding != accept || err != nil || !bytes.Equal(body, sample(path, 20<<10)) {
						t.Errorf("%s, %s: coding %q, %d bytes, %v", accept, path, coding, len(body), err)
					}
				}
			})
		}
		all.Wait()
	})
}

// The tag is computed from the uncompressed body, so it is the same for every
// encoding. A client may revalidate a body with a different encoding.
func TestTagsAreTheSameForEveryCoding(t *testing.T) {
	t.Parallel()
	body := sample("tags", 32<<10)
	handler := http.Chain(middleware(), http.ETag(http.ETagConfig{}))(
		nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) { w.Write(body) }))
	srv := testkit.StartServer(t, testkit.HTTP1, handler)
	tag := ""
	for _, accept := range []string{"identity", "gzip", "br", "zstd"} {
		for _, conditional := range []bool{false, true} {
			fields, status := []string{"Accept-Encoding: " + accept}, nethttp.StatusOK
			if conditional {
				fields, status = append(fields, "If-None-Match: "+tag), nethttp.StatusNotModified
			}
			resp := srv.Get(t, "/", fields...)
			if tag == "" {
				tag = resp.Header.Get("ETag")
			}
			if resp.StatusCode != status || tag == "" || resp.Header.Get("ETag") != tag || resp.Header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s: status %d (want %d), ETag %q (want %q), Vary %q",
					accept, resp.StatusCode, status, resp.Header.Get("ETag"), tag, resp.Header.Get("Vary"))
			}
		}
	}
}
