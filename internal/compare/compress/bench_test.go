package compress_test

import (
	stdgzip "compress/gzip"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"

	"github.com/stanza-go/framework/pkg/http"
)

// A null is a ResponseWriter that discards the response.
type null struct{ header nethttp.Header }

func (w *null) Header() nethttp.Header      { return w.header }
func (w *null) WriteHeader(int)             {}
func (w *null) Write(p []byte) (int, error) { return len(p), nil }

// A contender sends one compressed response, or only compresses the body.
type contender struct {
	name string
	once func()
}

// contenders returns the contenders, which compress 10 KB.
func contenders(tb testing.TB) []contender {
	body := sample("10 KB", 10<<10)
	bare := func(zw interface {
		io.WriteCloser
		Reset(io.Writer)
	}) func() {
		return func() {
			zw.Reset(io.Discard)
			zw.Write(body)
			zw.Close()
		}
	}
	serve := func(wrap func(nethttp.Handler) nethttp.Handler) func() {
		h := wrap(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			w.Header()["Content-Type"] = []string{"text/plain"}
			w.Write(body)
		}))
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", "gzip")
		w := &null{nethttp.Header{}}
		return func() {
			clear(w.header)
			h.ServeHTTP(w, r)
		}
	}
	std, err := stdgzip.NewWriterLevel(io.Discard, 6)
	if err != nil {
		tb.Fatal(err)
	}
	klauspost, err := gzip.NewWriterLevel(io.Discard, 6)
	if err != nil {
		tb.Fatal(err)
	}
	gzhttpWrap, err := gzhttp.NewWrapper(gzhttp.CompressionLevel(6))
	if err != nil {
		tb.Fatal(err)
	}
	return []contender{
		{"compress gzip alone", bare(std)},
		{"Compress", serve(http.Compress(http.CompressConfig{}))},
		{"klauspost gzip alone", bare(klauspost)},
		{"Compress with klauspost gzip", serve(http.Compress(http.CompressConfig{
			Encoders: []http.CompressEncoder{gzipEncoder()},
		}))},
		{"gzhttp", serve(func(h nethttp.Handler) nethttp.Handler { return gzhttpWrap(h) })},
	}
}

func BenchmarkGzip10KB(b *testing.B) {
	for _, c := range contenders(b) {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.once()
			}
		})
	}
}

// BenchmarkRatio runs the contenders in turn, one response each, so that other
// load on the machine affects all of them, and reports the ratios of the
// medians.
func BenchmarkRatio(b *testing.B) {
	all := contenders(b)
	times := make([][]time.Duration, len(all))
	for b.Loop() {
		for i, c := range all {
			start := time.Now()
			c.once()
			times[i] = append(times[i], time.Since(start))
		}
	}
	median := func(i int) float64 {
		slices.Sort(times[i])
		return float64(times[i][len(times[i])/2])
	}
	b.ReportMetric(median(1)/median(0), "ours/gzip")
	b.ReportMetric(median(3)/median(2), "ours+kp/kp-gzip")
	b.ReportMetric(median(3)/median(4), "ours+kp/gzhttp")
}
