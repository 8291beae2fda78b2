package websocket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// stalling are the kinds of network connections, and what they make of the
// write timeout.
var stalling = map[string]struct {
	vectored bool
	most     float64 // longest wait in timeouts
}{
	"partial writes":    {true, 1.625},
	"no partial writes": {false, 2.5},
}

func TestWriteTimeout(t *testing.T) {
	t.Parallel()
	const d = 10 * time.Second
	writes := map[string]func(c *Conn) error{
		"message":       func(c *Conn) error { return c.WriteMessage(frame.Text, []byte("x")) },
		"large message": func(c *Conn) error { return c.WriteMessage(frame.Text, make([]byte, 1<<20)) },
		"prepared":      func(c *Conn) error { return c.WritePrepared(NewPrepared(frame.Text, []byte("x"))) },
		"ping":          func(c *Conn) error { return c.WriteControl(frame.Ping, nil) },
		"writer": func(c *Conn) error {
			w, err := c.NextWriter(frame.Text)
			if err != nil {
				return err
			}
			_, err = w.Write(make([]byte, 100<<10))
			return errors.Join(err, w.Close())
		},
	}
	for kind, k := range stalling {
		for name, write := range writes {
			for _, taken := range []int{0, 1} {
				t.Run(kind+", "+name, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						c, peer := pipe(t)
						c.vectored = k.vectored
						c.SetWriteTimeout(d)
						writer := later(func() error { return write(c) })
						waiting := later(func() error { return c.WriteMessage(frame.Text, nil) })
						synctest.Wait()
						start := time.Now()
						io.ReadFull(peer.conn, make([]byte, taken)) // then it stalls
						err := <-writer
						if took := time.Since(start); took < d || took.Seconds() > k.most*d.Seconds() {
							t.Errorf("ended after %v", took)
						}
						if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "the peer has read nothing for 10s") {
							t.Errorf("write: %v", err)
						}
						if err := <-waiting; !errors.Is(err, os.ErrDeadlineExceeded) {
							t.Errorf("waiting write: %v", err)
						}
					})
				})
			}
		}
	}
}

// A peer that reads slowly gets a large message, however long that takes. The
// deadlines of the timeout that pass between two messages do no harm.
func TestWriteTimeoutOfASlowPeer(t *testing.T) {
	t.Parallel()
	for kind, k := range stalling {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, peer := pipe(t)
				c.vectored = k.vectored
				c.SetWriteTimeout(10 * time.Second)
				var got bytes.Buffer
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					for {
						time.Sleep(3 * time.Second)
						if _, err := io.CopyN(&got, peer.conn, 8<<10); err != nil {
							return
						}
					}
				}()
				message := bytes.Repeat([]byte("0123456789abcdef"), 50<<10)
				if err := c.WriteMessage(frame.Text, message); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				if err := c.WriteMessage(frame.Text, message[:100]); err != nil {
					t.Error(err)
				}
				c.CloseNow()
				<-ended
				if text := strings.Count(got.String(), "0123456789abcdef"); text < 50<<10 {
					t.Errorf("%d parts of %d arrived", text, 50<<10)
				}
			})
		})
	}
}

// The earliest of the timeout and the deadlines counts.
func TestWriteTimeoutAndTheWriteDeadline(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for name, tt := range map[string]struct {
		deadline, timeout time.Duration
		least, most       time.Duration
	}{
		"deadline first": {deadline: 3 * s, timeout: 10 * s, least: 3 * s, most: 3 * s},
		"timeout first":  {deadline: time.Hour, timeout: 10 * s, least: 10 * s, most: 17 * s},
		"deadline only":  {deadline: time.Minute, least: time.Minute, most: time.Minute},
	} {
		for kind, k := range stalling {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					c, peer := pipe(t)
					c.vectored = k.vectored
					c.SetWriteTimeout(5 * s)
					go io.CopyN(io.Discard, peer.conn, 3)
					if err := c.WriteMessage(frame.Text, []byte("x")); err != nil { // leaves a deadline of the timeout
						t.Fatal(err)
					}
					c.SetWriteTimeout(tt.timeout)
					start := time.Now()
					c.SetWriteDeadline(start.Add(tt.deadline))
					err := c.WriteMessage(frame.Text, []byte("x"))
					if took := time.Since(start); took < tt.least || took > tt.most {
						t.Errorf("ended after %v with %v", took, err)
					}
					if stalled := strings.Contains(err.Error(), "read nothing"); stalled != (name == "timeout first") {
						t.Errorf("write: %v", err)
					}
				})
			})
		}
	}
}

// realPair returns a Conn and its peer on a loopback connection with small
// buffers.
func realPair(t *testing.T) (*Conn, net.Conn) {
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
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); peer.Close() })
	peer.(*net.TCPConn).SetReadBuffer(32 << 10)
	conn.(*net.TCPConn).SetWriteBuffer(32 << 10)
	return New(Config{Conn: conn, WriteBufferSize: DefaultBufferSize, CloseError: newCloseError}), peer
}

func TestWriteTimeoutOverTCP(t *testing.T) {
	t.Parallel()
	c, peer := realPair(t)
	c.SetWriteTimeout(200 * time.Millisecond)
	const size = 4 << 20
	slow := later(func() error {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for left := size; left > 0; left -= 128 << 10 {
			<-tick.C
			if _, err := io.CopyN(io.Discard, peer, 128<<10); err != nil {
				return err
			}
		}
		return nil
	})
	if err := c.WriteMessage(frame.Binary, make([]byte, size)); err != nil {
		t.Error(err)
	}
	if err := <-slow; err != nil {
		t.Error(err)
	}
	var err error
	for err == nil { // until the buffers are full
		err = c.WriteMessage(frame.Binary, make([]byte, 10_000))
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "the peer has read nothing for 200ms") {
		t.Error(err)
	}
}
