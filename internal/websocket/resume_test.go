package websocket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// A reading reads the next message of a connection with a certain method.
type reading struct {
	name string
	next func(c *Conn) func() ([]byte, error)
}

// readings are all methods of reading messages. Each returns a function that
// reads one message. If a deadline passes, the next call continues with the
// same message.
var readings = []reading{
	{"ReadMessage", func(c *Conn) func() ([]byte, error) {
		return func() ([]byte, error) {
			_, p, err := c.ReadMessage()
			return p, err
		}
	}},
	{"NextMessage", func(c *Conn) func() ([]byte, error) {
		var r io.Reader
		var got []byte
		return func() ([]byte, error) {
			if r == nil {
				_, next, err := c.NextMessage()
				if err != nil {
					return nil, err
				}
				r, got = next, nil
			}
			b := make([]byte, 7)
			for {
				n, err := r.Read(b)
				got = append(got, b[:n]...)
				if err == io.EOF {
					r = nil
					return got, nil
				}
				if err != nil {
					return nil, err
				}
			}
		}
	}},
	{"NextMessage after ReadMessage", func(c *Conn) func() ([]byte, error) {
		var r io.Reader
		var got []byte
		return func() ([]byte, error) {
			if r == nil {
				_, p, err := c.ReadMessage()
				if err == nil {
					return p, nil
				}
				if c.SetReadDeadline(time.Time{}); !errors.Is(err, os.ErrDeadlineExceeded) {
					return nil, err
				}
				op, next, err2 := c.NextMessage()
				if err2 != nil {
					return nil, err2
				}
				if op != frame.Text && op != frame.Binary {
					return nil, errors.New("not the type of a message")
				}
				r, got = next, nil
			}
			p, err := io.ReadAll(r)
			got = append(got, p...)
			if err != nil {
				return nil, err
			}
			r = nil
			return got, nil
		}
	}},
}

// conversation returns messages in every form, with control frames before,
// inside and after them. The payloads of the control frames look like frames.
func conversation(peer *rawPeer) (stream []byte, messages []string) {
	frames := [][]byte{
		peer.frame(frame.Text, false, "κόσμ"),
		peer.frame(frame.Ping, true, "\x82\x03abc\x88\x00"),
		peer.frame(frame.Continuation, false, ""),
		peer.frame(frame.Continuation, true, "ε"),
		peer.frame(frame.Pong, true, "\x81\x81\x00\x00\x00\x00"),
		peer.frame(frame.Binary, true, strings.Repeat("b", 150)),
		peer.frame(frame.Text, true, ""),
		peer.frame(frame.Ping, true, ""),
		peer.frame(frame.Text, true, "last"),
	}
	return bytes.Join(frames, nil), []string{"κόσμε", strings.Repeat("b", 150), "", "last"}
}

// If a deadline passes at any byte of the stream, reading continues after a new
// deadline without losing a byte.
func TestReadGoesOnAfterADeadlineAtEveryByte(t *testing.T) {
	t.Parallel()
	for _, how := range readings {
		for role, change := range map[string]func(*Config){"server": func(*Config) {}, "client": client} {
			t.Run(how.name+" of a "+role, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					_, peer := pipe(t, change)
					stream, want := conversation(peer)
					for at := range stream {
						c, peer := pipe(t, change)
						go io.Copy(io.Discard, peer.conn)
						readWithTimeoutAt(t, c, peer, how, stream, at, want)
						peer.conn.Close()
						c.conn.Close()
					}
				})
			})
		}
	}
}

// readWithTimeoutAt lets the read deadline pass after the first bytes of the
// stream have arrived, and compares the messages.
func readWithTimeoutAt(t *testing.T, c *Conn, peer *rawPeer, how reading, stream []byte, at int, want []string) {
	t.Helper()
	go func() {
		peer.conn.Write(stream[:at])
		time.Sleep(2 * time.Second)
		peer.conn.Write(stream[at:])
	}()
	c.SetReadDeadline(time.Now().Add(time.Second))
	next, timeouts := how.next(c), 0
	for i := 0; i < len(want); {
		got, err := next()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && timeouts == 0:
			timeouts++
			c.SetReadDeadline(time.Time{})
		case err != nil || string(got) != want[i]:
			t.Fatalf("deadline at byte %d: message %d is %.20q, %v; want %.20q", at, i, got, err, want[i])
		default:
			i++
		}
	}
}

// While the deadline is in the past, reading fails. Reading with repeated
// deadlines loses no byte.
func TestReadGoesOnAfterManyDeadlines(t *testing.T) {
	t.Parallel()
	for _, how := range readings[:2] {
		synctest.Test(t, func(t *testing.T) {
			c, peer := pipe(t)
			stream, want := conversation(peer)
			go io.Copy(io.Discard, peer.conn)
			var sender sync.WaitGroup
			sender.Go(func() {
				for i := range stream {
					time.Sleep(time.Second)
					peer.conn.Write(stream[i : i+1])
				}
			})
			c.SetReadDeadline(time.Now())
			next := how.next(c)
			for range 3 {
				if _, err := next(); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("%s: %v, want a timeout", how.name, err)
				}
			}
			for i := 0; i < len(want); {
				c.SetReadDeadline(time.Now().Add(700 * time.Millisecond))
				got, err := next()
				if errors.Is(err, os.ErrDeadlineExceeded) {
					continue
				}
				if err != nil || string(got) != want[i] {
					t.Fatalf("%s: message %d is %.20q, %v; want %.20q", how.name, i, got, err, want[i])
				}
				i++
			}
			sender.Wait()
			peer.conn.Close()
			c.conn.Close()
		})
	}
}

// Close reads up to the peer's close frame from the byte at which a deadline
// has passed. The deadline does not apply to Close.
func TestCloseAfterADeadlineAtEveryByte(t *testing.T) {
	t.Parallel()
	for _, how := range readings[:2] {
		for role, change := range map[string]func(*Config){"server": func(*Config) {}, "client": client, "server with compression": compressing} {
			t.Run(how.name+" of a "+role, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					_, peer := pipe(t, change)
					stream, _ := conversation(peer)
					if role == "server with compression" {
						stream = append(compressedFrames(peer, 25, strings.Repeat("one of many ", 20), "another of many"), stream...)
					}
					for at := range len(stream) + 1 {
						c, peer := pipe(t, change)
						closeWithTimeoutAt(t, c, peer, how, stream, at)
					}
				})
			})
		}
	}
}

func closeWithTimeoutAt(t *testing.T, c *Conn, peer *rawPeer, how reading, stream []byte, at int) {
	t.Helper()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		go peer.conn.Write(stream[:at])
		for h := (frame.Header{}); h.Opcode != frame.Close; {
			var err error
			if h, _, err = peer.next(); err != nil {
				t.Errorf("deadline at byte %d: the peer reads %v", at, err)
				return
			}
		}
		peer.conn.Write(stream[at:])
		time.Sleep(time.Second)
		peer.send(frame.Close, true, closePayload(4000, ""))
		peer.conn.Close()
	}()
	c.SetReadDeadline(time.Now().Add(time.Second))
	next, err := how.next(c), error(nil)
	for err == nil {
		_, err = next()
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("deadline at byte %d: %v", at, err)
	}
	start := time.Now()
	if err := c.Close(context.Background(), 4000, ""); err != nil || time.Since(start) != time.Second {
		t.Errorf("deadline at byte %d: Close after %v: %v", at, time.Since(start), err)
	}
	<-answered
	var closed *closeError
	if _, _, err := c.ReadMessage(); !errors.As(err, &closed) || closed.code != 4000 {
		t.Errorf("deadline at byte %d: ReadMessage after Close: %v", at, err)
	}
}

// An old reader fails immediately, even while another goroutine waits for a
// message.
func TestOldReaderFailsWhileTheNextMessageIsAwaited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t)
		go peer.send(frame.Text, true, "first")
		_, old, err := c.NextMessage()
		if err != nil {
			t.Fatal(err)
		}
		reader := readUntilError(c)
		synctest.Wait()
		if _, err := old.Read(make([]byte, 1)); err != errOldReader {
			t.Error(err)
		}
		c.CloseNow()
		<-reader
	})
}
