package shutdown

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// Clients whose connections the kernel has taken before the stop are not reset.
func TestStoppedListenerAcceptsThoseWhoWait(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := NewListener(inner)
	const clients = 5
	for range clients {
		conn, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	accepted := make(chan error, clients+1)
	go func() {
		for {
			conn, err := l.Accept()
			accepted <- err
			if err != nil {
				return
			}
			defer conn.Close()
		}
	}()
	l.stop()
	for range clients {
		if err := testkit.Receive(t, accepted, "a connection"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := net.Dial("tcp", inner.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialing after the stop: %v", err)
	}
	select {
	case err := <-accepted:
		t.Errorf("Accept returned %v before Close", err)
	default:
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := testkit.Receive(t, accepted, "the end of Accept"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept returned %v", err)
	}
}

// A listener without deadlines stops at once, and one that was closed does not block.
func TestListenerWithoutDeadlinesStops(t *testing.T) {
	t.Parallel()
	inner := testkit.NewPipeListener()
	l := NewListener(inner)
	ended := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		ended <- err
	}()
	l.stop()
	if _, err := inner.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the inner listener is open: %v", err)
	}
	l.Close()
	if err := testkit.Receive(t, ended, "the end of Accept"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept returned %v", err)
	}
	l.stop()
}

// A stop ends even if connections arrive without a pause, and if Accept waits for something
// else than a connection.
func TestListenerStopsAlthoughAcceptGoesOn(t *testing.T) {
	t.Parallel()
	for _, pace := range []time.Duration{time.Millisecond, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			inner := testkit.NewPipeListener()
			go func() {
				for {
					conn, err := inner.Dial(t.Context(), "", "")
					if err != nil {
						return
					}
					conn.Close()
				}
			}()
			l := NewListener(pacedListener{inner, pace})
			ended := make(chan error, 1)
			go func() {
				for {
					if _, err := l.Accept(); err != nil {
						ended <- err
						return
					}
				}
			}()
			began := time.Now()
			l.stop()
			if d := time.Since(began); d != stopTime {
				t.Errorf("a connection in %v: the stop took %v, want %v", pace, d, stopTime)
			}
			l.Close()
			if err := <-ended; !errors.Is(err, net.ErrClosed) {
				t.Errorf("Accept returned %v", err)
			}
		})
	}
}

// A pacedListener waits before it accepts a connection, regardless of its deadline.
type pacedListener struct {
	net.Listener
	pace time.Duration
}

func (l pacedListener) Accept() (net.Conn, error) {
	time.Sleep(l.pace)
	return l.Listener.Accept()
}

func (pacedListener) SetDeadline(time.Time) error { return nil }
