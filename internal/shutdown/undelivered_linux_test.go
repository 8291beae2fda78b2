package shutdown_test

import (
	"context"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/shutdown"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// userTimeout returns the TCP_USER_TIMEOUT of a connection.
func userTimeout(t *testing.T, conn net.Conn) time.Duration {
	t.Helper()
	if outer, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = outer.NetConn()
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var ms int
	control := raw.Control(func(fd uintptr) { ms, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, 0x12) })
	if control != nil || err != nil {
		t.Fatal(control, err)
	}
	return time.Duration(ms) * time.Millisecond
}

// The limit applies to a connection while it sends an event stream, and not to other
// responses.
func TestUndeliveredBytesAreLimitedDuringStreams(t *testing.T) {
	t.Parallel()
	for protocol, want := range map[testkit.Protocol][]time.Duration{
		testkit.HTTP1: {9 * time.Second, 5 * time.Second, 0, time.Millisecond, 0},
		testkit.HTTP2: {9 * time.Second, 9 * time.Second, 0, 0, 0}, // longer limits remain
	} {
		t.Run(string(protocol), func(t *testing.T) {
			t.Parallel()
			type connKey struct{}
			got := make(chan time.Duration, 10)
			idle := make(chan struct{}, 10)
			handler := func(w http.ResponseWriter, r *http.Request) {
				conn := r.Context().Value(connKey{}).(net.Conn)
				if r.URL.Path == "/stream" {
					stream := shutdown.OpenStream(r.Context(), nil)
					for _, d := range []time.Duration{9 * time.Second, 5 * time.Second, 0, 1} {
						stream.SetWriteTimeout(d)
						got <- userTimeout(t, conn)
					}
					return
				}
				got <- userTimeout(t, conn)
			}
			srv := testkit.StartServer(t, protocol, http.HandlerFunc(handler), func(hs *http.Server) {
				hs.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
					return context.WithValue(ctx, connKey{}, c)
				}
				hs.ConnState = func(_ net.Conn, state http.ConnState) {
					if state == http.StateIdle {
						idle <- struct{}{}
					}
				}
				attach(hs)
			})
			if srv.Get(t, "/stream"); protocol == testkit.HTTP2 {
				testkit.Receive(t, idle, "a connection without requests") // before its first request
			}
			testkit.Receive(t, idle, "a connection without requests")
			srv.Get(t, "/")
			for i, want := range want {
				if got := <-got; got != want {
					t.Errorf("limit %d is %v, want %v", i, got, want)
				}
			}
		})
	}
}
