package http_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// TestKernelTakesLittleForClientsThatDoNotRead writes to clients that read nothing
// until the write timeout. Without a limit, Linux takes about 4 MB before that.
func TestKernelTakesLittleForClientsThatDoNotRead(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the limit is for Linux")
	}
	const timeout = 100 * time.Millisecond
	piece := strings.Repeat("x", 16<<10)
	writes := make(chan int, 1) // number of pieces that were written
	written := func(t *testing.T, write func() error) {
		n := 0
		err := write()
		for ; err == nil; n++ {
			err = write()
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v, want a timeout", err)
		}
		writes <- n
	}
	handlers := map[string]http.HandlerFunc{
		"SSE": func(w http.ResponseWriter, _ *http.Request) {
			s := http.NewSSEWriter(w)
			s.SetWriteTimeout(timeout)
			written(t, func() error { return s.Data(piece) })
		},
		"WebSocket": func(w http.ResponseWriter, r *http.Request) {
			conn, err := http.Upgrader{}.Upgrade(w, r)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.CloseNow()
			conn.SetWriteTimeout(timeout)
			written(t, func() error { return conn.WriteMessage(http.TextMessage, []byte(piece)) })
		},
	}
	certFile, keyFile, pool := testkit.KeyPair(t)
	for name, handler := range handlers {
		for _, secure := range []bool{false, true} {
			options := []http.ServerOption(nil)
			if secure {
				options = append(options, http.WithTLS(certFile, keyFile))
			}
			srv := startServer(t, handler, options...)
			conn, err := net.Dial("tcp", srv.Addr())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			if err := conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
				t.Fatal(err)
			}
			client := conn
			if secure {
				client = tls.Client(conn, &tls.Config{RootCAs: pool, ServerName: "localhost"})
			}
			if _, err := client.Write([]byte(handshake)); err != nil {
				t.Fatal(err)
			}
			if n := <-writes; n > 64 {
				t.Errorf("%s, TLS %t: wrote %d KB", name, secure, n*16)
			}
		}
	}
}

// TestStopClosesSocketsWhoseHandlersHaveReturned lets goroutines serve a WebSocket
// after its handler has returned.
func TestStopClosesSocketsWhoseHandlersHaveReturned(t *testing.T) {
	t.Parallel()
	feed := http.NewFeed(http.FeedConfig{})
	sent, read := make(chan error, 1), make(chan error, 1)
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		go func() { sent <- feed.Send(context.Background(), conn, "") }()
		go func() {
			_, _, err := conn.ReadMessage()
			read <- err
		}()
	})
	client := dialWS(t, "ws://"+srv.Addr(), nil)
	if _, _, err := client.ReadMessage(); err != nil { // the position
		t.Fatal(err)
	}
	publish(t, feed, "an event")
	if _, message, err := client.ReadMessage(); err != nil || !strings.Contains(string(message), "an event") {
		t.Fatalf("%s, %v", message, err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- srv.Stop(context.Background()) }()
	_, _, err := client.ReadMessage()
	if closed, ok := errors.AsType[*http.CloseError](err); !ok || closed.Code != http.CloseGoingAway {
		t.Errorf("the client gets %v, want code %d", err, http.CloseGoingAway)
	}
	client.Close()
	if err := <-stopped; err != nil {
		t.Errorf("Stop: %v", err)
	}
	if err := <-sent; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Send returned %v, want net.ErrClosed", err)
	}
	if err := <-read; err == nil {
		t.Error("ReadMessage returned no error")
	}
}
