package http_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// BenchmarkFeed publishes an event of 1 KB and waits until all followers have written
// it. The network is not measured.
func BenchmarkFeed(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("followers=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			var feed http.Feed
			ctx, cancel := context.WithCancel(b.Context())
			wrote := make(chan struct{}, n)
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					feed.ServeHTTP(&quietWriter{http.Header{}, wrote}, testkit.NewRequest("GET", "/", "").WithContext(ctx))
				})
			}
			data := strings.Repeat("x", 1000)
			for range n {
				<-wrote
			}
			for b.Loop() {
				publish(b, &feed, data)
				for range n {
					<-wrote
				}
			}
			cancel()
			wg.Wait()
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/delivery")
		})
	}
}
