package http_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// vanishing returns a client that connects to a server, and a function that drops all
// packets for its connections.
func vanishing(t *testing.T, config *tls.Config) (client *nethttp.Client, vanish func()) {
	t.Helper()
	conns := make(chan net.Conn, 10)
	transport := &nethttp.Transport{
		TLSClientConfig:   config,
		ForceAttemptHTTP2: config != nil && config.NextProtos == nil,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			if err == nil {
				conns <- conn
			}
			return conn, err
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &nethttp.Client{Transport: transport}, func() {
		t.Helper()
		conn := testkit.Receive(t, conns, "a connection")
		t.Cleanup(func() { conn.Close() })
		testkit.BlackHole(t, conn)
	}
}

// A machine that disappears answers nothing, not even with a reset. The kernel would
// try to deliver what was sent to it for a quarter of an hour.
func TestFeedCutsClientsThatHaveVanished(t *testing.T) {
	t.Parallel()
	cert, key, pool := testkit.KeyPair(t)
	for name, config := range map[string]*tls.Config{
		"HTTP/1":          nil,
		"HTTP/1 with TLS": {RootCAs: pool, NextProtos: []string{"http/1.1"}},
		"HTTP/2":          {RootCAs: pool},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handler, ended := quickFeed()
			var options []http.ServerOption
			scheme := "http://"
			if config != nil {
				options, scheme = append(options, http.WithTLS(cert, key)), "https://"
			}
			client, vanish := vanishing(t, config)
			res, err := client.Get(scheme + startServer(t, handler, options...).Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			vanish()
			testkit.Receive(t, ended, "the end of the stream")
		})
	}
	t.Run("SSEWriter", func(t *testing.T) {
		t.Parallel()
		ended := make(chan struct{})
		client, vanish := vanishing(t, nil)
		res, err := client.Get("http://" + startServer(t, func(w http.ResponseWriter, r *http.Request) {
			events := http.NewSSEWriter(w)
			events.SetWriteTimeout(300 * time.Millisecond)
			events.KeepAlive(100 * time.Millisecond)
			<-r.Context().Done()
			close(ended)
		}).Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		vanish()
		testkit.Receive(t, ended, "the end of the stream")
	})
	t.Run("WebSocket", func(t *testing.T) {
		t.Parallel()
		handler, ended := quickFeed()
		raw := testkit.Dial(t, startServer(t, handler).Addr())
		raw.Send(handshake)
		if res := raw.ReadResponse("GET"); res.StatusCode != 101 {
			t.Fatal(res.Status)
		}
		testkit.BlackHole(t, raw.Conn)
		err := testkit.Receive(t, ended, "the end of Send")
		if err == nil || !strings.Contains(err.Error(), "does not answer") {
			t.Error(err)
		}
	})
}

// quickFeed returns a handler that sends a feed, with short times, and a channel that
// gets the reason why a stream has ended.
func quickFeed() (handler http.HandlerFunc, ended <-chan error) {
	feed := http.NewFeed(http.FeedConfig{Heartbeat: 200 * time.Millisecond, WriteTimeout: 300 * time.Millisecond})
	result := make(chan error, 1)
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			feed.ServeHTTP(w, r)
			result <- r.Context().Err()
			return
		}
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			result <- err
			return
		}
		read := make(chan error, 1)
		go func() {
			for {
				if _, _, err := conn.ReadMessage(); err != nil {
					read <- err
					return
				}
			}
		}()
		if err := feed.Send(context.Background(), conn, ""); !errors.Is(err, net.ErrClosed) {
			result <- err
		}
		result <- <-read
	}, result
}
