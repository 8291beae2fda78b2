package websocket

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// within reports an error unless f takes exactly the duration want on the fake
// clock.
func within(t *testing.T, want time.Duration, what string, f func() error) error {
	t.Helper()
	start := time.Now()
	err := f()
	if took := time.Since(start); took != want {
		t.Errorf("%s took %v, want %v; it returned %v", what, took, want, err)
	}
	return err
}

func (c *Conn) closeNormally() error { return c.Close(context.Background(), 1000, "") }

// closesNetwork checks that the network connection is closed.
func closesNetwork(t *testing.T, c *Conn) {
	t.Helper()
	if _, err := c.conn.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, net.ErrClosed) {
		t.Errorf("the network connection is open: %v", err)
	}
}

// readUntilError reads messages in a goroutine, and sends the error that ends
// reading on the channel.
func readUntilError(c *Conn) <-chan error {
	ended := make(chan error, 1)
	go func() {
		for {
			if _, _, err := c.ReadMessage(); err != nil {
				ended <- err
				return
			}
		}
	}()
	return ended
}

func TestCloseDoesNotWaitAfterAFailedWrite(t *testing.T) {
	t.Parallel()
	stuck := func(c *Conn) { c.SetWriteDeadline(time.Now().Add(time.Second)) }
	for name, fail := range map[string]func(c *Conn, peer *rawPeer) error{
		"message": func(c *Conn, _ *rawPeer) error { stuck(c); return c.WriteMessage(frame.Text, []byte("x")) },
		"ping":    func(c *Conn, _ *rawPeer) error { stuck(c); return c.WriteControl(frame.Ping, nil) },
		"writer": func(c *Conn, _ *rawPeer) error {
			stuck(c)
			w, err := c.NextWriter(frame.Text)
			if err != nil {
				return err
			}
			return w.Close()
		},
		"pong of the reader": func(c *Conn, peer *rawPeer) error {
			peer.send(frame.Ping, true, "")
			time.Sleep(2 * CloseTimeout)
			return os.ErrDeadlineExceeded
		},
		"part of a large message": func(c *Conn, peer *rawPeer) error {
			stuck(c)
			go io.CopyN(io.Discard, peer.conn, 1000)
			return c.WriteMessage(frame.Binary, make([]byte, 1<<20))
		},
	} {
		for role, change := range map[string]func(*Config){"server": func(*Config) {}, "client": client} {
			t.Run(name+" of a "+role, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					c, peer := pipe(t, change)
					ended := readUntilError(c)
					if err := fail(c, peer); !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Fatal(err)
					}
					err := within(t, 0, "Close", c.closeNormally)
					if !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("Close: %v, want the error of the write", err)
					}
					<-ended
					closesNetwork(t, c)
				})
			})
		}
	}
}

// Close returns after its timeout, regardless of what blocks it.
func TestCloseTimeout(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		hold    func(c *Conn, peer *rawPeer)
		control bool // CloseTimeout limits the time for sending a control frame
	}{
		"silent peer":              {hold: func(c *Conn, peer *rawPeer) { go io.Copy(io.Discard, peer.conn) }},
		"peer that does not read":  {hold: func(*Conn, *rawPeer) {}},
		"stuck writer":             {hold: func(c *Conn, _ *rawPeer) { go c.WriteMessage(frame.Text, []byte("x")) }},
		"stuck ping":               {hold: func(c *Conn, _ *rawPeer) { go c.WriteControl(frame.Ping, nil) }},
		"open writer":              {hold: func(c *Conn, _ *rawPeer) { c.NextWriter(frame.Text) }},
		"reader":                   {hold: func(c *Conn, peer *rawPeer) { go io.Copy(io.Discard, peer.conn); readUntilError(c) }},
		"reader that sends a pong": {hold: func(c *Conn, peer *rawPeer) { readUntilError(c); peer.send(frame.Ping, true, "") }, control: true},
		"reader that sends a close frame": {hold: func(c *Conn, peer *rawPeer) {
			readUntilError(c)
			peer.conn.Write([]byte{0xFF, 0xFF})
		}, control: true},
		"handler that does not return": {hold: func(c *Conn, peer *rawPeer) {
			c.SetPingHandler(func([]byte) error { <-c.closing.done; return nil })
			readUntilError(c)
			peer.send(frame.Ping, true, "")
			go io.Copy(io.Discard, peer.conn)
		}},
		"connection that ignores deadlines": {hold: func(c *Conn, _ *rawPeer) {
			c.conn = deaf{c.conn}
			c.deadlines.conn = c.conn
		}},
	} {
		for _, timeout := range []time.Duration{time.Millisecond, 2 * time.Second, time.Minute} {
			t.Run(fmt.Sprint(name, " for ", timeout), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					c, peer := pipe(t)
					tt.hold(c, peer)
					synctest.Wait()
					c.SetCloseTimeout(timeout)
					want := timeout
					if tt.control {
						want = min(want, CloseTimeout)
					}
					var second sync.WaitGroup
					second.Go(func() { c.closeNormally() })
					err := within(t, want, "Close", c.closeNormally)
					if !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("Close: %v", err)
					}
					second.Wait()
					closesNetwork(t, c)
					synctest.Wait() // for all goroutines to end
				})
			})
		}
	}
}

// A deaf network connection ignores deadlines.
type deaf struct{ net.Conn }

func (deaf) SetDeadline(time.Time) error      { return nil }
func (deaf) SetReadDeadline(time.Time) error  { return nil }
func (deaf) SetWriteDeadline(time.Time) error { return nil }

func TestALaterCloseMayHaveLessTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t)
		go io.Copy(io.Discard, peer.conn)
		c.SetCloseTimeout(time.Hour)
		first := make(chan error, 1)
		go func() { first <- c.closeNormally() }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := within(t, time.Second, "Close", func() error { return c.Close(ctx, 1001, "") })
		if !errors.Is(err, context.DeadlineExceeded) || <-first != err {
			t.Error(err)
		}
	})
}

// A peer that keeps sending after our close frame does not delay Close.
func TestCloseOfAPeerThatSendsForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, tt := range map[string]struct {
			next   func(peer *rawPeer, i int) []byte
			closes bool // the peer sends a close frame
		}{
			"messages":    {next: func(peer *rawPeer, i int) []byte { return peer.frame(frame.Text, true, "x") }},
			"fragments":   {next: func(peer *rawPeer, i int) []byte { return peer.frame(frame.Opcode(min(i, 1)^1), false, "x") }},
			"pings":       {next: func(peer *rawPeer, i int) []byte { return peer.frame(frame.Ping, true, "x") }},
			"one message": {next: endless},
			"after its close frame": {closes: true, next: func(peer *rawPeer, i int) []byte {
				return append(peer.frame(frame.Close, true, ""), make([]byte, 1000)...)
			}},
		} {
			for _, reads := range []bool{false, true} {
				c, peer := pipe(t)
				go io.Copy(io.Discard, peer.conn)
				if reads {
					readUntilError(c)
				}
				var sender sync.WaitGroup
				sender.Go(func() {
					for i := 0; !c.closing.reached(phaseClosed); i++ {
						peer.conn.Write(tt.next(peer, i))
						time.Sleep(100 * time.Millisecond)
					}
				})
				synctest.Wait()
				start := time.Now()
				err := c.closeNormally()
				if took := time.Since(start); took > CloseTimeout || (err == nil) != tt.closes {
					t.Errorf("%s, with a reader: %v: Close took %v: %v", name, reads, took, err)
				}
				sender.Wait()
			}
		}
	})
}

// endless returns the next bytes of a message that never ends.
func endless(peer *rawPeer, i int) []byte {
	if i > 0 {
		return make([]byte, 1000)
	}
	return frame.AppendHeader(nil, frame.Header{Fin: true, Opcode: frame.Binary, Masked: true, Length: 1 << 20})
}

func TestCloseNow(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(c *Conn, peer *rawPeer) (ended <-chan error){
		"idle":   func(*Conn, *rawPeer) <-chan error { return nil },
		"reader": func(c *Conn, _ *rawPeer) <-chan error { return readUntilError(c) },
		"writer": func(c *Conn, _ *rawPeer) <-chan error {
			return later(func() error { return c.WriteMessage(frame.Text, []byte("x")) })
		},
		"writer that waits for another": func(c *Conn, _ *rawPeer) <-chan error {
			c.NextWriter(frame.Text)
			return later(func() error { return c.WriteMessage(frame.Text, []byte("x")) })
		},
		"ping that waits for a message": func(c *Conn, _ *rawPeer) <-chan error {
			go c.WriteMessage(frame.Text, []byte("x"))
			synctest.Wait()
			return later(func() error { return c.WriteControl(frame.Ping, nil) })
		},
		"reader that waits for a handler": func(c *Conn, peer *rawPeer) <-chan error {
			c.SetPongHandler(func([]byte) error { <-c.closing.done; return nil })
			go c.ReadMessage()
			peer.send(frame.Pong, true, "")
			synctest.Wait()
			return readUntilError(c)
		},
		"Close": func(c *Conn, _ *rawPeer) <-chan error { return later(c.closeNormally) },
		"Close that waits for the peer": func(c *Conn, peer *rawPeer) <-chan error {
			go io.Copy(io.Discard, peer.conn)
			return later(c.closeNormally)
		},
		"Close that waits for a reader": func(c *Conn, peer *rawPeer) <-chan error {
			go io.Copy(io.Discard, peer.conn)
			readUntilError(c)
			synctest.Wait()
			return later(c.closeNormally)
		},
		"Close that lingers": func(c *Conn, peer *rawPeer) <-chan error {
			c.client = true // a client lingers even on a pipe
			go io.Copy(io.Discard, peer.conn)
			peer.mask = false
			c.in.decoder.Masked = false
			go peer.send(frame.Close, true, "")
			return later(func() error { c.closeNormally(); return net.ErrClosed })
		},
		"connection that ignores deadlines": func(c *Conn, _ *rawPeer) <-chan error {
			c.conn = deaf{c.conn}
			c.deadlines.conn = c.conn
			return readUntilError(c)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, peer := pipe(t, func(cfg *Config) { cfg.Client = false })
				c.out.keys = new(maskingKeys)
				calls := 0
				c.AfterClose(func(error) { calls++ })
				ended := begin(c, peer)
				synctest.Wait()
				var callers sync.WaitGroup
				for range 5 {
					callers.Go(func() {
						for range 3 {
							if err := within(t, 0, "CloseNow", c.CloseNow); err != nil {
								t.Errorf("CloseNow: %v", err)
							}
						}
					})
				}
				if ended != nil {
					err := within(t, 0, name, func() error { return <-ended })
					if !errors.Is(err, net.ErrClosed) {
						t.Errorf("%s: %v, want net.ErrClosed", name, err)
					}
				}
				callers.Wait()
				closesNetwork(t, c)
				wantClosed(t, c)
				if err := within(t, 0, "Close after CloseNow", c.closeNormally); err != nil && ended == nil {
					t.Errorf("Close after CloseNow: %v", err)
				}
				if calls != 1 {
					t.Errorf("AfterClose was called %d times", calls)
				}
			})
		})
	}
}

// later calls f in a goroutine, and sends its error on the channel.
func later(f func() error) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- f() }()
	return ended
}

// wantClosed checks that every method of a closed connection fails immediately.
func wantClosed(t *testing.T, c *Conn) {
	t.Helper()
	uses := map[string]func() error{
		"ReadMessage": func() error { _, _, err := c.ReadMessage(); return err },
		"NextMessage": func() error { _, _, err := c.NextMessage(); return err },
		"WriteMessage": func() error {
			return c.WriteMessage(frame.Text, []byte("x"))
		},
		"NextWriter":    func() error { _, err := c.NextWriter(frame.Text); return err },
		"WritePrepared": func() error { return c.WritePrepared(NewPrepared(frame.Text, nil)) },
		"WriteControl":  func() error { return c.WriteControl(frame.Ping, nil) },
	}
	c.SetWriteDeadline(time.Now().Add(time.Second)) // for methods that wait for an open writer
	for name, use := range uses {
		start := time.Now()
		err := use()
		if took := time.Since(start); took != 0 || !errors.Is(err, net.ErrClosed) && !errors.Is(err, ErrCloseSent) && !errors.As(err, new(*closeError)) {
			t.Errorf("%s of a closed connection: after %v: %v", name, took, err)
		}
	}
}

func TestMessagesInTheBufferAreNotReadAfterCloseNow(t *testing.T) {
	t.Parallel()
	c, peer := pipe(t)
	go peer.conn.Write(append(peer.frame(frame.Text, true, "one"), peer.frame(frame.Text, true, "two")...))
	if _, p, err := c.ReadMessage(); string(p) != "one" || err != nil {
		t.Fatal(string(p), err)
	}
	c.CloseNow()
	if _, p, err := c.ReadMessage(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read %q, %v", p, err)
	}
}

// tlsPair returns a Conn over TLS, and the TLS connection of its peer.
func tlsPair(t *testing.T, isClient bool) (*Conn, *tls.Conn) {
	t.Helper()
	certFile, keyFile, pool := testkit.KeyPair(t)
	certificate, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	// Without tickets, the handshake ends before the client reads.
	ours := tls.Server(a, &tls.Config{Certificates: []tls.Certificate{certificate}, SessionTicketsDisabled: true})
	peer := tls.Client(b, &tls.Config{RootCAs: pool, ServerName: "localhost", Time: time.Now})
	if isClient {
		ours, peer = peer, ours
	}
	done := later(peer.Handshake)
	if err := errors.Join(ours.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	return New(Config{Conn: ours, Reader: bufio.NewReader(ours), Client: isClient, CloseError: newCloseError}), peer
}

// Closing a TLS connection sends an alert, which could take another 5 seconds.
func TestCloseOverTLSIsBounded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		begin   func(c *Conn, peer *tls.Conn)
		answers bool // the peer answers the close frame
	}{
		"peer does not read":    {begin: func(*Conn, *tls.Conn) {}},
		"peer does not answer":  {begin: func(c *Conn, peer *tls.Conn) { go io.Copy(io.Discard, peer) }},
		"peer reads one frame":  {begin: func(c *Conn, peer *tls.Conn) { go peer.Read(make([]byte, 100)) }},
		"a writer is stuck":     {begin: func(c *Conn, _ *tls.Conn) { go c.WriteMessage(frame.Text, []byte("x")) }},
		"a reader sends a pong": {begin: func(c *Conn, peer *tls.Conn) { readUntilError(c); peer.Write(pingTo(c)) }},
		"peer answers and does not read the end": {answers: true, begin: func(c *Conn, peer *tls.Conn) {
			go func() {
				peer.Read(make([]byte, 100))
				peer.Write(closeTo(c))
			}()
		}},
	} {
		for _, isClient := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", client: ", isClient), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					c, peer := tlsPair(t, isClient)
					tt.begin(c, peer)
					synctest.Wait()
					start := time.Now()
					err := c.closeNormally()
					took := time.Since(start)
					if tt.answers {
						if err != nil || took > CloseTimeout {
							t.Errorf("Close took %v: %v", took, err)
						}
					} else if !errors.Is(err, os.ErrDeadlineExceeded) || took != CloseTimeout {
						t.Errorf("Close took %v: %v", took, err)
					}
					synctest.Wait()
				})
			})
		}
	}
}

func TestCloseNowOverTLSDoesNotWait(t *testing.T) {
	t.Parallel()
	for _, isClient := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c, _ := tlsPair(t, isClient)
			writer := later(func() error { return c.WriteMessage(frame.Text, []byte("x")) })
			reader := readUntilError(c)
			synctest.Wait()
			if err := within(t, 0, "CloseNow", c.CloseNow); err != nil {
				t.Error(err)
			}
			for _, err := range []error{<-writer, <-reader} {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("%v, want net.ErrClosed", err)
				}
			}
		})
	}
}

// pingTo and closeTo return an encoded frame for c.
func pingTo(c *Conn) []byte  { return frameTo(c, frame.Ping) }
func closeTo(c *Conn) []byte { return frameTo(c, frame.Close) }

func frameTo(c *Conn, op frame.Opcode) []byte {
	return frame.AppendHeader(nil, frame.Header{Fin: true, Opcode: op, Masked: !c.client})
}

// While a handler runs, Close performs the whole closing handshake in the
// calling goroutine. It returns nil only after the peer has answered and the
// connection is closed.
func TestCloseWhileAHandlerRuns(t *testing.T) {
	t.Parallel()
	answer := func(peer *rawPeer) {
		peer.want(frame.Close, true, closePayload(1000, ""))
		peer.send(frame.Ping, true, "late")
		peer.send(frame.Continuation, true, "late")
		time.Sleep(time.Second)
		peer.send(frame.Close, true, closePayload(1000, ""))
	}
	silent := func(peer *rawPeer) { io.Copy(io.Discard, peer.conn) }
	for name, tt := range map[string]struct {
		op     frame.Opcode
		before string // fragment before the control frame
		read   func(c *Conn) error
		peer   func(peer *rawPeer)
		took   time.Duration
		err    error
	}{
		"ping":                  {frame.Ping, "", read, answer, time.Second, nil},
		"pong":                  {frame.Pong, "", read, answer, time.Second, nil},
		"ping within a message": {frame.Ping, "fragment", read, answer, time.Second, nil},
		"ping of a stream":      {frame.Ping, "fragment", readStream, answer, time.Second, nil},
		"silent peer":           {frame.Ping, "", read, silent, CloseTimeout, os.ErrDeadlineExceeded},
	} {
		for _, from := range []string{"handler", "another goroutine", "both"} {
			t.Run(name+", from "+from, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					c, peer := pipe(t)
					closeConn := func() {
						err := within(t, tt.took, "Close", c.closeNormally)
						if !errors.Is(err, tt.err) {
							t.Errorf("Close: %v, want %v", err, tt.err)
						}
						closesNetwork(t, c)
					}
					running, leave := make(chan struct{}), make(chan struct{})
					handler := func(data []byte) error {
						close(running)
						if from != "another goroutine" {
							closeConn()
						}
						<-leave
						if string(data) != "data" {
							t.Errorf("the handler's data became %q", data)
						}
						return nil
					}
					c.SetPingHandler(handler)
					c.SetPongHandler(handler)
					reader := later(func() error { return tt.read(c) })
					peer.send(frame.Text, false, tt.before)
					peer.send(tt.op, true, "data")
					<-running
					go tt.peer(peer)
					if from != "handler" {
						closeConn()
					}
					<-c.closing.done
					other := later(func() error { return read(c) })
					if err := within(t, 0, "another reader", func() error { synctest.Wait(); return <-other }); err == nil && from != "handler" {
						t.Error("another reader read a message")
					}
					close(leave)
					if err := <-reader; err == nil {
						t.Error("the reader read a message")
					}
				})
			})
		}
	}
}

func read(c *Conn) error {
	_, _, err := c.ReadMessage()
	return err
}

func readStream(c *Conn) error {
	_, r, err := c.NextMessage()
	if err == nil {
		_, err = io.ReadAll(r)
	}
	return err
}

// Handlers may call methods of their connection.
func TestHandlersUseTheirConnection(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		handler func(c *Conn) error
		check   func(t *testing.T, c *Conn, err error) // gets the error of the reader
	}{
		"WriteMessage": {
			func(c *Conn) error { return c.WriteMessage(frame.Text, []byte("hello")) },
			wantMessageAfter,
		},
		"SetPingHandler": {
			func(c *Conn) error { c.SetPingHandler(nil); return nil },
			wantMessageAfter,
		},
		"SetReadDeadline": {
			func(c *Conn) error { return c.SetReadDeadline(time.Now()) },
			func(t *testing.T, c *Conn, err error) {
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error(err)
				}
				c.SetReadDeadline(time.Time{})
				wantMessageAfter(t, c, read(c))
			},
		},
		"panic": {
			func(c *Conn) error { panic("at the handler") },
			func(t *testing.T, c *Conn, err error) {
				if err == nil || err.Error() != "panic: at the handler" {
					t.Error(err)
				}
				wantMessageAfter(t, c, read(c))
			},
		},
		"CloseNow": {
			func(c *Conn) error { return c.CloseNow() },
			func(t *testing.T, c *Conn, err error) {
				if !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
			},
		},
		"CloseNow and an error": {
			func(c *Conn) error { c.CloseNow(); return broken },
			func(t *testing.T, c *Conn, err error) {
				if again := read(c); err != broken || again != broken {
					t.Errorf("%v, then %v", err, again)
				}
			},
		},
		"Close and panic": {
			func(c *Conn) error { c.closeNormally(); panic("closed") },
			func(t *testing.T, c *Conn, err error) {
				if err == nil || err.Error() != "panic: closed" {
					t.Error(err)
				}
				if err := read(c); !errors.As(err, new(*closeError)) {
					t.Error(err)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, peer := pipe(t)
				c.SetPingHandler(func([]byte) error { return tt.handler(c) })
				go func() {
					peer.conn.Write(peer.frame(frame.Ping, true, ""))
					peer.conn.Write(peer.frame(frame.Text, true, "after"))
					peer.conn.Write(peer.frame(frame.Close, true, ""))
				}()
				go io.Copy(io.Discard, peer.conn)
				tt.check(t, c, recovered(func() error { return read(c) }))
			})
		})
	}
}

// recovered calls f and returns its error. It returns a panic as an error.
func recovered(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return f()
}

// wantMessageAfter checks that the connection is still usable.
func wantMessageAfter(t *testing.T, c *Conn, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
	if err := read(c); !errors.As(err, new(*closeError)) {
		t.Errorf("after the message: %v", err)
	}
	if err := c.closeNormally(); err != nil {
		t.Error(err)
	}
}

// A Write that races with Close never uses a buffer that has been returned to
// the pool. The race detector would report it.
func TestWriterUsedLate(t *testing.T) {
	t.Parallel()
	c, peer := pipe(t)
	go io.Copy(io.Discard, peer.conn)
	for range 100 {
		w, err := c.NextWriter(frame.Binary)
		if err != nil {
			t.Fatal(err)
		}
		var writers sync.WaitGroup
		for range 2 {
			writers.Go(func() { w.Write(make([]byte, 100)) })
			writers.Go(func() { w.Close() })
		}
		writers.Wait()
		if n, err := w.Write([]byte("x")); n != 0 || err != errWriterClosed {
			t.Errorf("Write after Close: %d, %v", n, err)
		}
	}
}

// framings are ways to send a message in more than one frame. message returns
// the first frame and the rest.
var framings = map[string]struct {
	configure func(*Config)
	message   func(peer *rawPeer) (first, rest []byte)
}{
	"plain": {func(*Config) {}, func(peer *rawPeer) (first, rest []byte) {
		return peer.frame(frame.Text, false, "begin "), peer.frame(frame.Continuation, true, "end")
	}},
	"compressed": {compressing, func(peer *rawPeer) (first, rest []byte) {
		stream := compressedFrames(peer, 10, "a message in pieces")
		const length = 6 + 10 // of the first frame
		return stream[:length:length], stream[length:]
	}},
}

// The error of a handler ends reading anywhere in the stream, even if it is
// io.EOF, which also marks the end of a message. Close continues to read the
// stream.
func TestErrorsOfHandlers(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, how := range readings {
		for _, want := range []error{broken, io.EOF, os.ErrDeadlineExceeded} {
			for name, frames := range framings {
				t.Run(fmt.Sprintf("%s, %s, %v", how.name, name, want), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						c, peer := pipe(t, frames.configure)
						c.SetPingHandler(func([]byte) error { return want })
						go func() {
							first, rest := frames.message(peer)
							peer.conn.Write(first)
							peer.send(frame.Ping, true, "")
							peer.want(frame.Close, true, closePayload(1000, ""))
							peer.conn.Write(rest)
							time.Sleep(time.Second)
							peer.send(frame.Close, true, "")
						}()
						next := how.next(c)
						for range 3 {
							if p, err := next(); !errors.Is(err, want) {
								t.Errorf("read %q, %v; want %v", p, err, want)
							}
						}
						if err := within(t, time.Second, "Close", c.closeNormally); err != nil {
							t.Error(err)
						}
						if err := read(c); !errors.Is(err, want) {
							t.Errorf("after Close: %v, want %v", err, want)
						}
					})
				})
			}
		}
	}
}

// If a handler closes the connection in the middle of a message and returns an
// error, the reading method and all later ones return that error.
func TestErrorsOfHandlersThatClose(t *testing.T) {
	t.Parallel()
	for _, how := range readings {
		for name, frames := range framings {
			synctest.Test(t, func(t *testing.T) {
				c, peer := pipe(t, frames.configure)
				var want error
				c.SetPingHandler(func([]byte) error {
					want = c.closeNormally() // times out: the peer does not answer
					return want
				})
				go func() {
					first, _ := frames.message(peer)
					peer.conn.Write(append(first, peer.frame(frame.Ping, true, "")...))
					io.Copy(io.Discard, peer.conn)
				}()
				next := how.next(c)
				for range 3 {
					if p, err := next(); err != want || err == nil {
						t.Errorf("%s, %s: read %q, %v; want %v", how.name, name, p, err, want)
					}
				}
			})
		}
	}
}
