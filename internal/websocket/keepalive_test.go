package websocket

import (
	"bufio"
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

// answerPings reads frames until an error, and answers pings. It sends the time
// of each ping. It goes on reading while its pongs are not read.
func (p *rawPeer) answerPings(answer bool) <-chan time.Time {
	pings, pongs := make(chan time.Time, 2000), make(chan string, 2000)
	go func() {
		for payload := range pongs {
			p.conn.Write(p.frame(frame.Pong, true, payload))
		}
	}()
	go func() {
		defer close(pings)
		defer close(pongs)
		for {
			h, payload, err := p.next()
			if err != nil {
				return
			}
			if h.Opcode == frame.Ping {
				pings <- time.Now()
				if answer {
					pongs <- payload
				}
			}
		}
	}()
	return pings
}

// wantLost checks the error of a connection that KeepAlive has ended.
func wantLost(t *testing.T, method string, err error, contains string) {
	t.Helper()
	var closed *closeError
	if !errors.As(err, &closed) || closed.code != codeAbnormal || !strings.Contains(closed.text+": "+closed.cause.Error(), contains) {
		t.Errorf("%s: %v, want code 1006 and a text with %q", method, err, contains)
	}
	if isTimeout(err) {
		t.Errorf("%s: %v is a timeout, as if reading could continue", method, err)
	}
}

func TestKeepAliveOfAPeerThatAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, end := range []func(*Config){func(*Config) {}, client} {
			c, peer := pipe(t, end)
			pings := peer.answerPings(true)
			reader := readUntilError(c)
			pongs := 0
			c.SetPongHandler(func([]byte) error { pongs++; return nil })
			start := time.Now()
			c.KeepAlive(20*time.Second, 10*time.Second)
			time.Sleep(time.Hour)
			synctest.Wait()
			first := (<-pings).Sub(start)
			if first > 20*time.Second {
				t.Errorf("the first ping was sent after %v", first)
			}
			if n := 1 + len(pings); n < 180 || n > 181 || pongs != n {
				t.Errorf("%d pings and %d pongs in an hour, want one every 20s", n, pongs)
			}
			c.CloseNow()
			<-reader
		}
	})
}

func TestKeepAliveOfASilentPeer(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for _, tt := range []struct{ every, patience time.Duration }{{20 * s, 10 * s}, {10 * s, 35 * s}, {10 * s, 10 * s}} {
		synctest.Test(t, func(t *testing.T) {
			c, peer := pipe(t)
			pings := peer.answerPings(false)
			reader := readUntilError(c)
			c.KeepAlive(tt.every, tt.patience)
			ping := <-pings
			wantLost(t, "ReadMessage", <-reader, "the peer does not answer: nothing arrived for "+tt.patience.String()+" after a ping")
			if took := time.Since(ping); took != tt.patience {
				t.Errorf("%+v: ended %v after the ping", tt, took)
			}
			wantLost(t, "WriteMessage", c.WriteMessage(frame.Text, []byte("x")), "does not answer")
			wantLost(t, "WriteControl", c.WriteControl(frame.Ping, nil), "does not answer")
			_, _, err := c.NextMessage()
			wantLost(t, "NextMessage", err, "does not answer")
			wantLost(t, "Close", c.closeNormally(), "does not answer")
			closesNetwork(t, c)
			if _, ok := <-pings; ok && tt.patience <= tt.every {
				t.Error("another ping was sent")
			}
		})
	}
}

// A writer that is blocked returns too.
func TestKeepAliveEndsABlockedWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _ := pipe(t) // the peer does not read
		reader := readUntilError(c)
		c.KeepAlive(20*time.Second, 10*time.Second)
		writer := later(func() error { return c.WriteMessage(frame.Text, []byte("x")) })
		waiting := later(func() error { return c.WriteMessage(frame.Text, []byte("x")) })
		start := time.Now()
		wantLost(t, "WriteMessage", <-writer, "does not answer")
		wantLost(t, "waiting WriteMessage", <-waiting, "does not answer")
		wantLost(t, "ReadMessage", <-reader, "does not answer")
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// The ping itself is blocked, and a write deadline of an earlier message has
// passed.
func TestKeepAliveOfAPeerThatDoesNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t)
		c.SetWriteDeadline(time.Now())
		go func() { // it sends, but does not read
			for {
				time.Sleep(time.Second)
				if _, err := peer.conn.Write(peer.frame(frame.Pong, true, "")); err != nil {
					return
				}
			}
		}()
		reader := readUntilError(c)
		c.KeepAlive(20*time.Second, 10*time.Second)
		start := time.Now()
		wantLost(t, "ReadMessage", <-reader, "the peer does not read")
		if took := time.Since(start); took < 10*time.Second || took > 30*time.Second {
			t.Errorf("it took %v", took)
		}
		time.Sleep(time.Second) // until the peer has noticed
	})
}

// Any frame, or a part of a message, counts as an answer.
func TestKeepAliveOfAPeerThatSendsWithoutPongs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t)
		peer.answerPings(false)
		reader := readUntilError(c)
		c.KeepAlive(10*time.Second, 10*time.Second)
		message := peer.frame(frame.Text, true, strings.Repeat("x", 300))
		for i := range message {
			time.Sleep(6 * time.Second)
			peer.conn.Write(message[i : i+1])
		}
		last := time.Now()
		wantLost(t, "ReadMessage", <-reader, "does not answer")
		if took := time.Since(last); took > 20*time.Second {
			t.Errorf("ended %v after the last byte", took)
		}
	})
}

// A handler that works for a long time between two messages does not lose a
// healthy peer, whose pongs it has not read.
func TestKeepAliveWhileNobodyReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t)
		pings := peer.answerPings(true)
		c.KeepAlive(10*time.Second, 5*time.Second)
		for range 10 {
			time.Sleep(13 * time.Minute)
			c.SetReadDeadline(time.Now().Add(time.Minute))
			if _, _, err := c.ReadMessage(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
		}
		if len(pings) < 10*14*6-20 {
			t.Errorf("only %d pings were sent", len(pings))
		}
		c.CloseNow()
	})
}

// Read deadlines that pass are no answers.
func TestKeepAliveWithReadDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t)
		peer.answerPings(false)
		c.KeepAlive(10*time.Second, 5*time.Second)
		start, err := time.Now(), os.ErrDeadlineExceeded
		for errors.Is(err, os.ErrDeadlineExceeded) {
			c.SetReadDeadline(time.Now().Add(700 * time.Millisecond))
			_, _, err = c.ReadMessage()
		}
		wantLost(t, "ReadMessage", err, "does not answer")
		if took := time.Since(start); took > 21*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestKeepAliveIsReplacedAndStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t)
		pings := peer.answerPings(false)
		reader := readUntilError(c)
		c.KeepAlive(time.Second, time.Minute)
		<-pings
		c.KeepAlive(time.Hour, time.Hour)
		time.Sleep(59 * time.Minute)
		c.KeepAlive(0, 0)
		for len(pings) > 0 {
			<-pings
		}
		time.Sleep(24 * time.Hour)
		if len(pings) > 0 {
			t.Error("a ping was sent after KeepAlive was stopped")
		}
		c.CloseNow()
		if err := <-reader; !errors.Is(err, net.ErrClosed) {
			t.Errorf("ReadMessage: %v", err)
		}
	})
}

// A closed connection sends no pings, so it leaves no timer behind.
func TestKeepAliveEndsWithTheConnection(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(c *Conn, peer *rawPeer){
		"CloseNow":      func(c *Conn, _ *rawPeer) { c.CloseNow() },
		"closed before": func(c *Conn, _ *rawPeer) { c.CloseNow(); c.KeepAlive(time.Second, time.Second) },
		"peer's close":  func(_ *Conn, peer *rawPeer) { peer.send(frame.Close, true, "") },
		"lost":          func(_ *Conn, peer *rawPeer) { peer.conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, peer := pipe(t)
				peer.answerPings(true)
				reader := readUntilError(c)
				c.KeepAlive(time.Second, time.Second)
				time.Sleep(10 * time.Second)
				end(c, peer)
				err := <-reader
				time.Sleep(10 * time.Second)
				k := &c.keepAlive
				k.mu.Lock()
				defer k.mu.Unlock()
				if k.every != 0 || k.timer.Stop() {
					t.Error("the timer is running")
				}
				if strings.Contains(err.Error(), "answer") {
					t.Errorf("ReadMessage: %v", err)
				}
			})
		})
	}
}

// While another goroutine sends a frame, the ping waits, and goes out next.
func TestKeepAliveDuringALongWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t)
		reader := readUntilError(c)
		c.KeepAlive(time.Second, time.Hour)
		writer := later(func() error { return c.WriteMessage(frame.Text, make([]byte, 100)) })
		time.Sleep(time.Minute)
		peer.want(frame.Text, true, strings.Repeat("\x00", 100))
		peer.want(frame.Ping, true, "")
		if err := <-writer; err != nil {
			t.Error(err)
		}
		c.CloseNow()
		<-reader
	})
}

// Connections that were opened together spread their pings.
func TestKeepAliveSpreadsPings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		var perSecond [60]int
		start := time.Now()
		for range n {
			c, _ := pipe(t)
			c.KeepAlive(time.Minute, time.Minute)
			perSecond[c.keepAlive.nextPing.Sub(start)/time.Second%60]++
			c.CloseNow()
		}
		for second, pings := range perSecond {
			if pings > 5*n/60 {
				t.Errorf("%d pings in second %d", pings, second)
			}
		}
	})
}

// A peer that reads slowly gets to a ping long after it was sent. That it reads shows
// that it is there.
func TestKeepAliveOfASlowPeer(t *testing.T) {
	t.Parallel()
	c, peer := realPair(t)
	c.in.br = bufio.NewReader(c.conn)
	reader := readUntilError(c)
	c.SetWriteTimeout(10 * time.Second)
	c.KeepAlive(100*time.Millisecond, 1500*time.Millisecond)
	const size, step = 4 << 20, 64 << 10
	slow := later(func() error {
		tick := time.NewTicker(40 * time.Millisecond) // 2.5s in total
		defer tick.Stop()
		for left := size; left > 0; left -= step {
			<-tick.C
			if _, err := io.CopyN(io.Discard, peer, step); err != nil {
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
	c.CloseNow()
	<-reader
}
