package http_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	nethttp "net/http"
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
			wrote := quietFollowers(b, &feed, n)
			data := strings.Repeat("x", 1000)
			for b.Loop() {
				publish(b, &feed, data)
				for range n {
					<-wrote
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/delivery")
		})
	}
}

// BenchmarkFeedPublish measures Publish alone, while followers are busy.
func BenchmarkFeedPublish(b *testing.B) {
	for _, n := range []int{0, 1, 1000} {
		b.Run(fmt.Sprintf("followers=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			var feed http.Feed
			wrote := quietFollowers(b, &feed, n)
			stop := make(chan struct{})
			defer close(stop)
			go func() {
				for {
					select {
					case <-wrote:
					case <-stop:
						return
					}
				}
			}()
			data := strings.Repeat("x", 1000)
			for b.Loop() {
				publish(b, &feed, data)
			}
		})
	}
}

// quietFollowers starts n followers. Each sends on the channel when it has written
// something, and has already written its position.
func quietFollowers(b *testing.B, feed *http.Feed, n int) <-chan struct{} {
	ctx, cancel := context.WithCancel(b.Context())
	wrote := make(chan struct{}, n)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			feed.ServeHTTP(&quietWriter{http.Header{}, wrote}, testkit.NewRequest("GET", "/", "").WithContext(ctx))
		})
	}
	for range n {
		<-wrote
	}
	b.Cleanup(func() {
		cancel()
		go func() { // the writes of events that nobody has counted
			for range wrote {
			}
		}()
		wg.Wait()
		close(wrote)
	})
	return wrote
}

// BenchmarkFeedDelivery publishes an event of 1 KB and waits until 100 clients have
// received it on loopback connections. A bare loop over net/http is measured too.
func BenchmarkFeedDelivery(b *testing.B) {
	const clients = 100
	data := strings.Repeat("x", 1000) + "#"
	deliver := func(b *testing.B, publish func(), got <-chan struct{}) {
		b.ReportAllocs()
		for b.Loop() {
			publish()
			for range clients {
				<-got
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*clients), "ns/delivery")
	}
	b.Run("net/http", func(b *testing.B) {
		turns := make(chan chan struct{}, clients)
		got := streamClients(b, clients, func(w http.ResponseWriter, r *http.Request) {
			flusher := nethttp.NewResponseController(w)
			flusher.Flush()
			turn := make(chan struct{}, 1)
			turns <- turn
			for {
				select {
				case <-turn:
					fmt.Fprintf(w, "data: %s\n\n", data)
					flusher.Flush()
				case <-r.Context().Done():
					return
				}
			}
		})
		deliver(b, func() {
			for range clients {
				turn := <-turns
				turn <- struct{}{}
				turns <- turn
			}
		}, got)
	})
	b.Run("SSE", func(b *testing.B) {
		var feed http.Feed
		got := streamClients(b, clients, feed.ServeHTTP)
		deliver(b, func() { publish(b, &feed, data) }, got)
	})
	b.Run("WebSocket", func(b *testing.B) {
		var feed http.Feed
		got := make(chan struct{}, clients)
		srv := testkit.StartServer(b, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if conn, err := (http.Upgrader{}).Upgrade(w, r); err == nil {
				go feed.Send(r.Context(), conn, "")
				conn.ReadMessage()
			}
		}))
		for range clients {
			client := dialWS(b, wsURL(srv), nil)
			if _, _, err := client.ReadMessage(); err != nil { // the position
				b.Fatal(err)
			}
			go func() {
				for {
					if _, _, err := client.ReadMessage(); err != nil {
						return
					}
					got <- struct{}{}
				}
			}()
		}
		deliver(b, func() { publish(b, &feed, data) }, got)
	})
}

// streamClients connects clients to a handler. Each sends on the channel when it has
// read a "#".
func streamClients(b *testing.B, n int, handler http.HandlerFunc) <-chan struct{} {
	srv := testkit.StartServer(b, testkit.HTTP1, handler)
	got := make(chan struct{}, n)
	for range n {
		res, err := srv.Client().Get(srv.URL)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { res.Body.Close() })
		go func() {
			for r := bufio.NewReader(res.Body); ; got <- struct{}{} {
				if _, err := r.ReadSlice('#'); err != nil {
					return
				}
			}
		}()
	}
	return got
}

// TestSendingFollowersAddNoAllocations compares what an event allocates with 1 and
// with 50 WebSockets.
func TestSendingFollowersAddNoAllocations(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	perEvent := func(followers int) float64 {
		var feed http.Feed
		got := make(chan struct{}, followers)
		srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
			if conn, err := (http.Upgrader{}).Upgrade(w, r); err == nil {
				go feed.Send(r.Context(), conn, "")
				conn.ReadMessage()
			}
		})
		for range followers {
			raw := testkit.Dial(t, srv.Addr())
			raw.Send(handshake)
			p := make([]byte, 4096)
			for head := ""; !strings.Contains(head, `{"id":`); { // until the position has come
				n, err := raw.Conn.Read(p)
				if err != nil {
					t.Fatal(err)
				}
				head += string(p[:n])
			}
			go func() {
				for {
					n, err := raw.Conn.Read(p)
					if err != nil {
						return
					}
					for range bytes.Count(p[:n], []byte("#")) {
						got <- struct{}{}
					}
				}
			}()
		}
		event := func() {
			if _, err := feed.Publish(t.Context(), http.Event{Data: "#"}); err != nil {
				t.Error(err)
			}
			for range followers {
				<-got
			}
		}
		for range 50 {
			event()
		}
		return testing.AllocsPerRun(100, event)
	}
	one, many := perEvent(1), perEvent(50)
	t.Logf("allocations an event: %v with 1 follower, %v with 50", one, many)
	if many > one+20 {
		t.Errorf("%v allocations an event with 50 followers, %v with one", many, one)
	}
}
