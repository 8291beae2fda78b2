package fanout

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	nethttp "net/http"
	"strconv"
	"sync"

	r3labs "github.com/r3labs/sse/v2"
	gosse "github.com/tmaxmax/go-sse"

	"github.com/stanza-go/framework/pkg/http"
)

// block returns an event as a block of an event stream.
func block(e Event) string {
	return fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", e.Number, EventName, e.Data)
}

// A floor calls Write once for each client and event, from one goroutine.
type floor struct {
	mu    sync.Mutex
	conns []net.Conn
}

// join takes over the connection of a request and sends the head of the response.
func (f *floor) join(w nethttp.ResponseWriter, head string) {
	conn, _, err := nethttp.NewResponseController(w).Hijack()
	if err != nil {
		nethttp.Error(w, err.Error(), nethttp.StatusInternalServerError)
		return
	}
	if _, err := io.WriteString(conn, head); err != nil {
		conn.Close()
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns = append(f.conns, conn)
}

func (f *floor) write(b []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		if _, err := c.Write(b); err != nil {
			return err
		}
	}
	return nil
}

func (f *floor) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		c.Close()
	}
}

func newFloorSSE(Config) broadcaster {
	f := new(floor)
	return broadcaster{
		handler: nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			f.join(w, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n")
		}),
		publish: func(e Event) error {
			b := block(e)
			return f.write(fmt.Appendf(nil, "%x\r\n%s\r\n", len(b), b))
		},
		close: f.close,
	}
}

func newStanzaFeed(config Config) *http.Feed {
	return http.NewFeed(http.FeedConfig{WriteTimeout: config.WriteTimeout})
}

// publishTo returns a function that publishes to a feed.
func publishTo(feed *http.Feed) func(Event) error {
	return func(e Event) error {
		_, err := feed.Publish(context.Background(), http.Event{Name: EventName, Data: e.Data})
		return err
	}
}

func newStanzaSSE(config Config) broadcaster {
	feed := newStanzaFeed(config)
	return broadcaster{feed, publishTo(feed), feed.Close}
}

// newStanzaChain returns a feed behind the whole documented chain.
func newStanzaChain(config Config) broadcaster {
	feed := newStanzaFeed(config)
	router := http.NewRouter()
	router.Use(
		http.RequestID(http.RequestIDConfig{}),
		http.NewMetrics().Middleware(),
		http.RequestLogger(slog.New(slog.NewJSONHandler(io.Discard, nil))),
		http.Compress(http.CompressConfig{}),
		http.ETag(http.ETagConfig{}),
		http.SecureHeaders(http.SecureHeadersConfig{}),
		http.MaxBody(1<<20),
		http.CORS(http.CORSConfig{AllowOrigins: []string{"https://example.com"}}),
		http.Recovery(nil),
	)
	router.Handle("/events", feed)
	return broadcaster{router, publishTo(feed), feed.Close}
}

// newChannels returns a hub as it is usually written by hand: each client has a
// channel, and misses events if the channel is full. The channels are as large as
// those of the chat example of gorilla.
func newChannels(Config) broadcaster {
	var mu sync.Mutex
	clients := map[chan Event]struct{}{}
	serve := func(w nethttp.ResponseWriter, r *nethttp.Request) {
		events := make(chan Event, 256)
		mu.Lock()
		clients[events] = struct{}{}
		mu.Unlock()
		defer func() {
			mu.Lock()
			defer mu.Unlock()
			delete(clients, events)
		}()
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-cache")
		flusher := w.(nethttp.Flusher)
		flusher.Flush()
		for {
			select {
			case e := <-events:
				fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", e.Number, EventName, e.Data)
				flusher.Flush()
			case <-r.Context().Done():
				return
			}
		}
	}
	publish := func(e Event) error {
		mu.Lock()
		defer mu.Unlock()
		for events := range clients {
			select {
			case events <- e:
			default:
			}
		}
		return nil
	}
	return broadcaster{handler: nethttp.HandlerFunc(serve), publish: publish}
}

// newGoSSE returns a server of go-sse with its default provider, without replay.
func newGoSSE(Config) broadcaster {
	server := new(gosse.Server)
	publish := func(e Event) error {
		m := &gosse.Message{ID: gosse.ID(strconv.Itoa(e.Number)), Type: gosse.Type(EventName)}
		m.AppendData(e.Data)
		return server.Publish(m)
	}
	return broadcaster{server, publish, func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // do not wait
		_ = server.Shutdown(ctx)
	}}
}

// newR3labs returns a server of r3labs. Without replay, because that keeps all
// events for ever.
func newR3labs(Config) broadcaster {
	server := r3labs.New()
	server.AutoReplay = false
	server.CreateStream(streamName)
	publish := func(e Event) error {
		server.Publish(streamName, &r3labs.Event{
			ID: []byte(strconv.Itoa(e.Number)), Event: []byte(EventName), Data: []byte(e.Data),
		})
		return nil
	}
	return broadcaster{server, publish, server.Close}
}
