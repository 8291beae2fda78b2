package websocket

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pooled returns the input of a new loopback connection, and its peer.
func pooled(t *testing.T) (*pooledInput, *net.TCPConn) {
	t.Helper()
	if !canTryRead {
		t.Skip("not supported on this system")
	}
	c, peer := realPair(t)
	return c.in.br.(*pooledInput), peer.(*net.TCPConn)
}

// expire peeks n bytes, of which some do not arrive until the deadline.
func (in *pooledInput) expire(t *testing.T, n int) {
	t.Helper()
	in.conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, err := in.Peek(n)
	if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.HasPrefix(err.Error(), "read tcp ") {
		t.Fatalf("%v, want a read that has timed out", err)
	}
	in.conn.SetReadDeadline(time.Time{})
}

func TestInputHoldsNoBufferWhileItWaits(t *testing.T) {
	t.Parallel()
	in, peer := pooled(t)
	in.expire(t, 1)
	if in.buf != nil {
		t.Fatal("holds a buffer before the first byte")
	}
	io.WriteString(peer, "ab")
	if b, err := in.Peek(2); string(b) != "ab" || err != nil {
		t.Fatalf("%q, %v", b, err)
	}
	in.expire(t, 3)
	io.WriteString(peer, "c")
	if b, err := in.Peek(3); string(b) != "abc" || err != nil {
		t.Fatalf("%q, %v after a deadline", b, err)
	}
	in.Discard(3)
	in.expire(t, 1)
	if in.buf != nil {
		t.Fatal("holds a buffer after everything was read")
	}
	peer.CloseWrite()
	if _, err := in.Peek(1); err != io.EOF {
		t.Fatalf("%v, want EOF", err)
	}
}

func TestInputReturnsEveryByte(t *testing.T) {
	t.Parallel()
	in, peer := pooled(t)
	want := make([]byte, 1<<20)
	for i := range want {
		want[i] = byte(rand.Uint32())
	}
	go func() {
		for left := want; len(left) > 0; {
			n, _ := peer.Write(left[:min(len(left), 1+rand.IntN(6000))])
			left = left[n:]
		}
		peer.CloseWrite()
	}()
	var got []byte
	var err error
	for err == nil {
		var b []byte
		switch n := 1 + rand.IntN(in.size); rand.IntN(3) {
		case 0:
			b = make([]byte, 2*n)
			n, err = in.Read(b)
			b = b[:n]
		case 1:
			b, err = in.Peek(min(n, 140))
			in.Discard(len(b))
		default:
			b, _ = in.Peek(in.Buffered())
			in.Discard(len(b))
		}
		got = append(got, b...)
	}
	rest, restErr := io.ReadAll(in) // what was left of a Peek
	if got = append(got, rest...); !bytes.Equal(got, want) || err != io.EOF || restErr != nil {
		t.Errorf("%d bytes of %d, %v, %v", len(got), len(want), err, restErr)
	}
}

func TestInputReportsAReset(t *testing.T) {
	t.Parallel()
	in, peer := pooled(t)
	peer.SetLinger(0)
	peer.Close()
	_, err := in.Peek(1)
	if !errors.Is(err, syscall.ECONNRESET) || !strings.HasPrefix(err.Error(), "read tcp 127.0.0.1:") {
		t.Errorf("%v, want a reset", err)
	}
	in.conn.Close()
	if _, err = in.Peek(1); !errors.Is(err, net.ErrClosed) || !strings.HasPrefix(err.Error(), "read tcp 127.0.0.1:") {
		t.Errorf("%v, want net.ErrClosed", err)
	}
}

// A read of no bytes must not wait for the peer, which may wait for a response.
func TestReadOfNoBytesDoesNotWait(t *testing.T) {
	t.Parallel()
	in, peer := pooled(t)
	in.conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if n, err := in.Read(nil); n != 0 || err != nil {
		t.Errorf("%d, %v before the first byte", n, err)
	}
	io.WriteString(peer, "a")
	if b, err := in.Peek(1); string(b) != "a" || err != nil {
		t.Fatalf("%q, %v", b, err)
	}
	in.Discard(1)
	if n, err := in.Read([]byte{}); n != 0 || err != nil {
		t.Errorf("%d, %v after the last byte", n, err)
	}
}

// The reader of a message whose payload has not arrived yet follows the same rule.
func TestMessageReadOfNoBytesDoesNotWait(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ begin, rest string }{
		"payload":  {"\x81\x82\x00\x00\x00\x00", "hi"},
		"fragment": {"\x01\x80\x00\x00\x00\x00", "\x80\x82\x00\x00\x00\x00hi"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, peer := realPair(t)
			io.WriteString(peer, test.begin)
			_, r, err := c.NextMessage()
			if err != nil {
				t.Fatal(err)
			}
			c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
			if n, err := r.Read(nil); n != 0 || err != nil {
				t.Errorf("%d, %v, want a read that does not wait", n, err)
			}
			c.SetReadDeadline(time.Time{})
			io.WriteString(peer, test.rest)
			if b, err := io.ReadAll(r); string(b) != "hi" || err != nil {
				t.Errorf("%q, %v", b, err)
			}
		})
	}
}
