package websocket

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// ownFrames make a Conn send a frame without a call to a writing method. The
// peer does not read.
var ownFrames = map[string]func(c *Conn, peer *rawPeer) (ended <-chan error){
	"pong": func(c *Conn, peer *rawPeer) <-chan error {
		reader := readUntilError(c)
		peer.send(frame.Ping, true, "")
		return reader
	},
	"answer to a close frame": func(c *Conn, peer *rawPeer) <-chan error {
		reader := readUntilError(c)
		peer.send(frame.Close, true, "")
		return reader
	},
	"answer to a violation": func(c *Conn, peer *rawPeer) <-chan error {
		reader := readUntilError(c)
		peer.conn.Write([]byte{0xFF, 0xFF})
		return reader
	},
	"close frame": func(c *Conn, peer *rawPeer) <-chan error { return later(c.closeNormally) },
}

// The limit of such a frame and the user's write deadline both apply, whenever
// the deadline is set. The earlier one ends the write.
func TestOwnFramesAndTheWriteDeadline(t *testing.T) {
	t.Parallel()
	const s = time.Second
	after := func(c *Conn, d time.Duration) { c.SetWriteDeadline(time.Now().Add(d)) }
	for name, tt := range map[string]struct {
		before func(c *Conn)
		during func(c *Conn)
		want   time.Duration
	}{
		"none":                        {want: 5 * s},
		"later":                       {before: func(c *Conn) { after(c, time.Hour) }, want: 5 * s},
		"earlier":                     {before: func(c *Conn) { after(c, 2*s) }, want: 2 * s},
		"passed":                      {before: func(c *Conn) { after(c, -s) }, want: 5 * s},
		"set to a later one":          {during: func(c *Conn) { time.Sleep(s); after(c, time.Hour) }, want: 5 * s},
		"set to an earlier one":       {during: func(c *Conn) { time.Sleep(s); after(c, s) }, want: 2 * s},
		"set to one that has passed":  {during: func(c *Conn) { time.Sleep(s); after(c, -s) }, want: 1 * s},
		"removed":                     {before: func(c *Conn) { after(c, 2*s) }, during: func(c *Conn) { time.Sleep(s); c.SetWriteDeadline(time.Time{}) }, want: 5 * s},
		"passed, then set to a later": {before: func(c *Conn) { after(c, -s) }, during: func(c *Conn) { after(c, time.Hour) }, want: 5 * s},
		"passed, then set to earlier": {before: func(c *Conn) { after(c, -s) }, during: func(c *Conn) { after(c, 3*s) }, want: 3 * s},
		"moved on again and again": {during: func(c *Conn) {
			for range 100 {
				after(c, 10*s)
				time.Sleep(s / 10)
			}
		}, want: 5 * s},
		"moved on again and again, but not enough": {during: func(c *Conn) {
			for range 10 {
				after(c, s)
				time.Sleep(s / 10)
			}
		}, want: 1900 * time.Millisecond},
	} {
		for kind, begin := range ownFrames {
			t.Run(kind+", deadline "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					c, peer := pipe(t)
					if tt.before != nil {
						tt.before(c)
					}
					start := time.Now()
					ended := begin(c, peer)
					moved := make(chan struct{})
					go func() {
						defer close(moved)
						if tt.during != nil {
							tt.during(c)
						}
					}()
					<-ended
					if took := time.Since(start); took != tt.want {
						t.Errorf("it took %v, want %v", took, tt.want)
					}
					<-moved
				})
			})
		}
	}
}

// If the write deadline of an earlier message has passed, messages fail, but
// pings and close frames are still answered.
func TestAPassedWriteDeadlineDoesNotStopAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t)
		c.SetWriteDeadline(time.Now().Add(time.Second))
		go peer.want(frame.Text, true, "x")
		if err := c.WriteMessage(frame.Text, []byte("x")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait() // until the peer has read
		reader := readUntilError(c)
		for range 3 {
			peer.send(frame.Ping, true, "there?")
			peer.want(frame.Pong, true, "there?")
		}
		synctest.Wait() // until the pong has been sent
		if err := c.WriteControl(frame.Ping, nil); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("WriteControl: %v", err)
		}
		c.CloseNow()
		<-reader

		c, peer = pipe(t)
		c.SetWriteDeadline(time.Now())
		go func() {
			peer.want(frame.Close, true, closePayload(1000, ""))
			peer.send(frame.Close, true, "")
		}()
		if err := within(t, 0, "Close", c.closeNormally); err != nil {
			t.Error(err)
		}
	})
}

// After a pong, the user's write deadline applies as before.
func TestTheWriteDeadlineIsTheUsersAfterAPong(t *testing.T) {
	t.Parallel()
	for _, deadline := range []time.Duration{0, 30 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			c, peer := pipe(t)
			start := time.Now()
			if deadline > 0 {
				c.SetWriteDeadline(start.Add(deadline))
			}
			readUntilError(c)
			peer.send(frame.Ping, true, "")
			peer.want(frame.Pong, true, "")
			writer := later(func() error { return c.WriteMessage(frame.Text, []byte("x")) })
			time.Sleep(time.Minute)
			synctest.Wait()
			select {
			case err := <-writer:
				if deadline == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("the writer failed: %v", err)
				}
			default:
				if deadline > 0 {
					t.Error("the writer still waits")
				}
			}
			c.CloseNow()
		})
	}
}

// A pong that a writer sends for the reader has a limit too.
func TestPongOfAWriterIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t)
		writer := later(func() error { return c.WriteMessage(frame.Text, []byte("x")) })
		synctest.Wait()
		reader := readUntilError(c)
		peer.send(frame.Ping, true, "")
		synctest.Wait()
		peer.want(frame.Text, true, "x")
		go func() {
			for range 10 {
				c.SetWriteDeadline(time.Now().Add(time.Hour))
				time.Sleep(time.Second)
			}
		}()
		if err := within(t, CloseTimeout, "the pong", func() error { return <-writer }); err != nil {
			t.Errorf("the message was sent, but: %v", err)
		}
		c.CloseNow()
		<-reader
		time.Sleep(time.Minute)
	})
}

// The user's read deadline applies to reading methods only. It does not change
// how long Close waits.
func TestCloseAndTheReadDeadline(t *testing.T) {
	t.Parallel()
	const s = time.Second
	at := func(d time.Duration) time.Time { return time.Now().Add(d) }
	for name, set := range map[string]func(c *Conn){
		"passed":            func(c *Conn) { c.SetReadDeadline(at(-s)) },
		"soon":              func(c *Conn) { c.SetReadDeadline(at(s)) },
		"late":              func(c *Conn) { c.SetReadDeadline(at(time.Hour)) },
		"passed, meanwhile": func(c *Conn) { time.Sleep(s / 2); c.SetReadDeadline(at(-s)) },
		"late, meanwhile":   func(c *Conn) { time.Sleep(s / 2); c.SetReadDeadline(at(time.Hour)) },
		"none, meanwhile":   func(c *Conn) { time.Sleep(s / 2); c.SetReadDeadline(time.Time{}) },
	} {
		for _, reads := range []bool{false, true} {
			for _, answers := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					c, peer := pipe(t)
					if reads {
						readUntilError(c)
						synctest.Wait()
					}
					go set(c)
					synctest.Wait()
					go func() {
						peer.want(frame.Close, true, closePayload(1000, ""))
						if time.Sleep(2 * s); answers {
							peer.send(frame.Close, true, "")
						}
					}()
					want, wantErr := CloseTimeout, os.ErrDeadlineExceeded
					if answers {
						want, wantErr = 2*s, nil
					}
					start := time.Now()
					err := c.closeNormally()
					if took := time.Since(start); took != want || !errors.Is(err, wantErr) {
						t.Errorf("read deadline %s, with a reader: %v: Close took %v: %v; want %v, %v", name, reads, took, err, want, wantErr)
					}
					time.Sleep(time.Minute)
				})
			}
		}
	}
}

// The read deadline still applies to a reading method while Close waits for it.
func TestReaderKeepsItsDeadlineDuringClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t)
		c.SetReadDeadline(time.Now().Add(time.Second))
		reader := readUntilError(c)
		synctest.Wait()
		go io.Copy(io.Discard, peer.conn)
		closed := later(c.closeNormally)
		err := within(t, time.Second, "ReadMessage", func() error { return <-reader })
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("ReadMessage: %v", err)
		}
		time.Sleep(2 * time.Second)
		peer.send(frame.Close, true, "")
		if err := <-closed; err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

func TestLingeringIsBounded(t *testing.T) {
	t.Parallel()
	for _, timeout := range []time.Duration{300 * time.Millisecond, 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			c, peer := pipe(t, client) // a client lingers even on a pipe
			c.SetCloseTimeout(timeout)
			go func() {
				peer.want(frame.Close, true, closePayload(1000, ""))
				peer.send(frame.Close, true, "")
			}()
			go func() {
				for range 20 {
					c.SetReadDeadline(time.Now().Add(time.Hour))
					time.Sleep(100 * time.Millisecond)
				}
			}()
			if err := within(t, min(timeout, lingerTimeout), "Close", c.closeNormally); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Minute)
		})
	}
}

// Writing methods that wait for another writer notice a new write deadline.
func TestWaitingWritersFollowTheDeadline(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(c *Conn) error{
		"WriteMessage": func(c *Conn) error { return c.WriteMessage(frame.Text, nil) },
		"NextWriter":   func(c *Conn) error { _, err := c.NextWriter(frame.Text); return err },
	} {
		synctest.Test(t, func(t *testing.T) {
			c, peer := pipe(t)
			w, err := c.NextWriter(frame.Text)
			if err != nil {
				t.Fatal(err)
			}
			for _, moves := range [][]time.Duration{{3 * time.Second}, {3 * time.Second, time.Second}, {time.Second, 3 * time.Second}} {
				c.SetWriteDeadline(time.Time{})
				waiting := later(func() error { return write(c) })
				synctest.Wait()
				start := time.Now()
				for _, d := range moves {
					c.SetWriteDeadline(start.Add(d))
					synctest.Wait()
				}
				err := <-waiting
				if took := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || took != moves[len(moves)-1] {
					t.Errorf("%s, deadlines %v: after %v: %v", name, moves, took, err)
				}
			}
			// The writer that they waited for is not affected.
			c.SetWriteDeadline(time.Time{})
			waiting := later(func() error { return c.WriteMessage(frame.Text, []byte("last")) })
			synctest.Wait()
			go w.Close()
			peer.want(frame.Text, true, "")
			peer.want(frame.Text, true, "last")
			if err := <-waiting; err != nil {
				t.Error(err)
			}
		})
	}
}

// A ping waits for a blocked frame, at first without a deadline.
func TestWaitingPingFollowsTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t)
		c.SetWriteDeadline(time.Now()) // passes before the pong, which blocks
		readUntilError(c)
		peer.send(frame.Ping, true, "")
		synctest.Wait()
		err := within(t, 0, "WriteControl", func() error { return c.WriteControl(frame.Ping, nil) })
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		c.CloseNow()
	})
}

func TestCloseWithAnEndedContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t)
		go io.Copy(io.Discard, peer.conn)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		err := within(t, 0, "Close", func() error { return c.Close(ctx, 1000, "") })
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		closesNetwork(t, c)
	})
}

// A countingReader is a source of randomness that counts the calls to Read.
type countingReader struct {
	next  byte
	reads int
	given []byte
}

func (r *countingReader) Read(p []byte) (int, error) {
	r.reads++
	for i := range p {
		p[i] = r.next
		r.next += 7
	}
	r.given = append(r.given, p...)
	return len(p), nil
}

// This test cannot run in parallel: it replaces the source of randomness.
func TestMaskingKeysAreReadFromTheSystemInBatches(t *testing.T) {
	source, before := &countingReader{}, rand.Reader
	rand.Reader = source
	defer func() { rand.Reader = before }()
	var network bytes.Buffer
	c := New(Config{Conn: written{nil, &network}, Client: true, CloseError: newCloseError})
	const frames = 1000
	for range frames {
		if err := c.WriteMessage(frame.Binary, nil); err != nil {
			t.Fatal(err)
		}
	}
	if most := frames/16 + 1; source.reads == 0 || source.reads > most {
		t.Errorf("%d reads for %d keys, want 1 to %d", source.reads, frames, most)
	}
	for i := range frames {
		key, want := network.Next(6)[2:], source.given[4*i:]
		if !bytes.Equal(key, want[:4]) {
			t.Fatalf("key %d is %x, want %x from the source", i, key, want[:4])
		}
	}
}

// Keys do not repeat, and all bits are random.
func TestMaskingKeysDiffer(t *testing.T) {
	t.Parallel()
	var a, b maskingKeys
	seen := make(map[uint32]bool)
	var ones, zeros uint32
	for range 500 {
		for _, k := range []uint32{a.next(), b.next()} {
			if seen[k] {
				// One of 8,600 runs finds one pair by chance.
				t.Logf("key %08x came twice", k)
				continue
			}
			seen[k] = true
			ones, zeros = ones|k, zeros|^k
		}
	}
	if len(seen) < 998 || ones != 1<<32-1 || zeros != 1<<32-1 {
		t.Errorf("%d keys of 1000 differ; bits that were 1: %08x, 0: %08x", len(seen), ones, zeros)
	}
}

// written is a network connection that records writes.
type written struct {
	net.Conn
	*bytes.Buffer
}

func (w written) Read(p []byte) (int, error)  { return w.Buffer.Read(p) }
func (w written) Write(p []byte) (int, error) { return w.Buffer.Write(p) }
