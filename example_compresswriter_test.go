package http_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"sync/atomic"

	"github.com/stanza-go/framework/pkg/http"
)

// A countingWriter is a gzip.Writer that counts the bytes before compression.
type countingWriter struct {
	*gzip.Writer
	total *atomic.Int64
}

func (w countingWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.total.Add(int64(n))
	return n, err
}

// This example measures how much compression saves. A CompressWriter usually
// embeds the writer of another package and changes one of its methods.
func ExampleCompressWriter() {
	var total atomic.Int64
	router := http.NewRouter()
	router.Use(http.Compress(http.CompressConfig{
		Encoders: []http.CompressEncoder{{
			Name: "gzip",
			New: func() http.CompressWriter {
				return countingWriter{gzip.NewWriter(io.Discard), &total}
			},
			Reuse: true,
		}},
	}))
	router.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat("hello ", 1000))
	})

	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, r)
	fmt.Println("bytes before compression:", total.Load())
	fmt.Println("less than a tenth was sent:", int64(rec.Body.Len()) < total.Load()/10)
	// Output:
	// bytes before compression: 6000
	// less than a tenth was sent: true
}
