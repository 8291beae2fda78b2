package sendqueue_test

import (
	"crypto/tls"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/sendqueue"
)

// wrapped is a connection in the form of a [tls.Conn].
type wrapped struct{ net.Conn }

func (w wrapped) NetConn() net.Conn { return w.Conn }

func TestLimitBoundsWhatTheKernelTakes(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("not supported on this system")
	}
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"TCP":     func(c net.Conn) net.Conn { return c },
		"wrapped": func(c net.Conn) net.Conn { return wrapped{c} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			free, limited := taken(t, func(net.Conn) {}), taken(t, func(c net.Conn) { sendqueue.Limit(wrap(c)) })
			if limited > 512<<10 {
				t.Errorf("the kernel took %d KB; without a limit, it takes %d KB", limited>>10, free>>10)
			}
		})
	}
}

// taken returns how many bytes the kernel takes for a peer that does not read.
func taken(t *testing.T, prepare func(net.Conn)) (n int) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	if err := peer.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	prepare(conn)
	for err == nil {
		conn.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		var m int
		m, err = conn.Write(make([]byte, 32<<10))
		n += m
	}
	return n
}

func TestLimitIgnoresOtherConnections(t *testing.T) {
	t.Parallel()
	a, b := net.Pipe()
	defer b.Close()
	sendqueue.Limit(a)
	sendqueue.Limit(tls.Server(a, nil))
	a.Close()
}
