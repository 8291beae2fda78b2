package websocket

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/websocket/deflate"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

type closeError struct {
	code  int
	text  string
	cause error
}

func (e *closeError) Error() string { return fmt.Sprintf("closed %d %s", e.code, e.text) }
func (e *closeError) Unwrap() error { return e.cause }

func newCloseError(code int, text string, cause error) error { return &closeError{code, text, cause} }

// A rawPeer is the other end of a Conn. It sends and receives single frames.
type rawPeer struct {
	t    testing.TB
	conn net.Conn
	br   *bufio.Reader
	mask bool // the peer is a client
	dec  frame.Decoder
}

// pipe returns a Conn and its peer. The network between them has no buffer: a
// write returns when its bytes have been read.
func pipe(t testing.TB, change ...func(*Config)) (*Conn, *rawPeer) {
	t.Helper()
	a, b := net.Pipe()
	cfg := Config{Conn: a, Reader: bufio.NewReaderSize(a, DefaultBufferSize), WriteBufferSize: DefaultBufferSize, CloseError: newCloseError}
	for _, f := range change {
		f(&cfg)
	}
	peer := &rawPeer{t: t, conn: b, br: bufio.NewReader(b), mask: !cfg.Client}
	peer.dec.Masked = cfg.Client
	peer.dec.Compression = cfg.Compression != nil
	t.Cleanup(func() { a.Close(); b.Close() })
	return New(cfg), peer
}

func client(cfg *Config) { cfg.Client = true }

// frame returns an encoded frame from the peer.
func (p *rawPeer) frame(op frame.Opcode, fin bool, payload string) []byte {
	h := frame.Header{Fin: fin, Opcode: op, Masked: p.mask, Length: int64(len(payload))}
	if p.mask {
		h.Key = 0xA1B2C3D4
	}
	b := frame.AppendHeader(nil, h)
	start := len(b)
	b = append(b, payload...)
	if p.mask {
		frame.Mask(b[start:], h.Key)
	}
	return b
}

func (p *rawPeer) send(op frame.Opcode, fin bool, payload string) {
	p.t.Helper()
	if _, err := p.conn.Write(p.frame(op, fin, payload)); err != nil {
		p.t.Errorf("peer: write: %v", err)
	}
}

// next reads a frame.
func (p *rawPeer) next() (frame.Header, string, error) {
	for need := 2; ; {
		b, err := p.br.Peek(need)
		if err != nil {
			return frame.Header{}, "", err
		}
		h, size, err := p.dec.Next(b)
		if err != nil {
			return h, "", err
		}
		if need = size; size > len(b) {
			continue
		}
		_, _ = p.br.Discard(size)
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(p.br, payload); err != nil {
			return h, "", err
		}
		if h.Masked {
			frame.Mask(payload, h.Key)
		}
		return h, string(payload), nil
	}
}

// want reads a frame and compares it.
func (p *rawPeer) want(op frame.Opcode, fin bool, payload string) {
	p.t.Helper()
	h, got, err := p.next()
	if err != nil || h.Opcode != op || h.Fin != fin || got != payload {
		p.t.Errorf("peer: got %+v %.60q, %v; want opcode %d, FIN %v, %.60q", h, got, err, op, fin, payload)
	}
}

func closePayload(code int, reason string) string {
	return string(frame.AppendClose(nil, code, reason))
}

func TestReadMessagesInEveryForm(t *testing.T) {
	t.Parallel()
	for _, role := range []func(*Config){func(*Config) {}, client} {
		c, peer := pipe(t, role)
		go func() {
			peer.send(frame.Text, true, "whole")
			peer.send(frame.Text, true, "")
			peer.send(frame.Text, false, "in ")
			peer.send(frame.Pong, true, "x")
			peer.send(frame.Continuation, false, "")
			peer.send(frame.Continuation, true, "pieces")
			peer.send(frame.Binary, true, strings.Repeat("long", 50_000))
			peer.conn.Write(bytes.Join([][]byte{peer.frame(frame.Text, true, "two"), peer.frame(frame.Binary, true, "at once")}, nil))
		}()
		for _, want := range []string{"whole", "", "in pieces", strings.Repeat("long", 50_000), "two", "at once"} {
			if _, got, err := c.ReadMessage(); err != nil || string(got) != want || got == nil {
				t.Fatalf("got %.20q, %v; want %.20q", got, err, want)
			}
		}
	}
}

func TestEveryChopOfTheBytes(t *testing.T) {
	t.Parallel()
	_, peer := pipe(t)
	stream := bytes.Join([][]byte{
		peer.frame(frame.Text, false, "κόσμ"),
		peer.frame(frame.Ping, true, "p"),
		peer.frame(frame.Continuation, true, "ε"),
		peer.frame(frame.Binary, true, strings.Repeat("b", 300)),
		peer.frame(frame.Close, true, closePayload(1000, "")),
	}, nil)
	for size := 1; size <= len(stream); size++ {
		c, peer := pipe(t)
		go func() {
			for rest := stream; len(rest) > 0; rest = rest[min(size, len(rest)):] {
				peer.conn.Write(rest[:min(size, len(rest))])
			}
		}()
		go io.Copy(io.Discard, peer.br)
		for _, want := range []string{"κόσμε", strings.Repeat("b", 300)} {
			if _, got, err := c.ReadMessage(); err != nil || string(got) != want {
				t.Fatalf("in pieces of %d: %.20q, %v; want %.20q", size, got, err, want)
			}
		}
		if _, _, err := c.ReadMessage(); !errors.As(err, new(*closeError)) {
			t.Fatalf("in pieces of %d: %v", size, err)
		}
	}
}

func TestReadErrorsStay(t *testing.T) {
	t.Parallel()
	c, peer := pipe(t)
	go func() {
		peer.send(frame.Close, true, closePayload(4321, "bye"))
		peer.want(frame.Close, true, closePayload(4321, ""))
	}()
	_, _, first := c.ReadMessage()
	var closed *closeError
	if !errors.As(first, &closed) || closed.code != 4321 || closed.text != "bye" {
		t.Fatal(first)
	}
	if _, _, err := c.ReadMessage(); err != first {
		t.Error(err)
	}
	if _, _, err := c.NextMessage(); err != first {
		t.Error(err)
	}
	if err := c.WriteMessage(frame.Text, nil); err != ErrCloseSent {
		t.Error(err)
	}
}

func TestLostConnectionIs1006(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]string{"between frames": "", "in a header": "\x81", "in a payload": "\x81\x85\x00\x00\x00\x00he"} {
		c, peer := pipe(t)
		go func() {
			io.WriteString(peer.conn, sent)
			peer.conn.Close()
		}()
		_, _, err := c.ReadMessage()
		var closed *closeError
		if !errors.As(err, &closed) || closed.code != 1006 || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSkippedMessages(t *testing.T) {
	t.Parallel()
	c, peer := pipe(t)
	go func() {
		peer.send(frame.Text, false, strings.Repeat("skipped ", 1000))
		peer.send(frame.Continuation, true, strings.Repeat("skipped ", 1000))
		peer.send(frame.Text, true, "read")
	}()
	op, skipped, err := c.NextMessage()
	if op != frame.Text || err != nil {
		t.Fatal(op, err)
	}
	b := make([]byte, 7)
	if n, err := skipped.Read(b); string(b[:n]) != "skipped" || err != nil {
		t.Fatal(string(b[:n]), err)
	}
	_, r, err := c.NextMessage()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := skipped.Read(b); n != 0 || err != errOldReader {
		t.Errorf("the reader of the skipped message: %d, %v", n, err)
	}
	if got, err := io.ReadAll(r); string(got) != "read" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if n, err := r.Read(b); n != 0 || err != io.EOF {
		t.Errorf("after the end: %d, %v", n, err)
	}
}

// If a header announces 16 MB, the Conn allocates a multiple of the bytes that
// have arrived, and almost nothing if no bytes have.
func TestMemoryGrowsWithTheBytesReceived(t *testing.T) {
	if size := grantedFor(t, 0, 16<<20); size > 0 {
		t.Errorf("%d bytes granted to a header", size)
	}
	if size := grantedFor(t, 100, 16<<20); size > firstGrant {
		t.Errorf("%d bytes granted to 100", size)
	}
	if size := grantedFor(t, 64<<10, 16<<20); size > growth*64<<10 {
		t.Errorf("%d bytes granted to 64 KB", size)
	}
}

// grantedFor returns the number of bytes that are allocated for a message whose
// header announces the given size, if only the given number of bytes arrives.
func grantedFor(t *testing.T, arrive int, size int64) (granted uint64) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t)
		h := frame.AppendHeader(nil, frame.Header{Fin: true, Opcode: frame.Binary, Masked: true, Length: size})
		sent := append(h, make([]byte, arrive)...)
		warm := func() { // fills pools and buffers of the runtime
			b := newFrame()
			b.B = append(b.B, make([]byte, chunkSize-frame.MaxHeader)...)
		}
		warm()
		var before, after uint64
		done := make(chan struct{})
		before = allocated()
		go func() {
			defer close(done)
			c.ReadMessage()
		}()
		peer.conn.Write(sent)
		synctest.Wait()
		after = allocated()
		peer.conn.Close()
		<-done
		granted = after - before
		if granted < 16<<10 {
			granted = 0 // excludes the allocations of the test
		}
	})
	return granted
}

func TestPingIsAnsweredInsideAMessage(t *testing.T) {
	t.Parallel()
	c, peer := pipe(t)
	done := make(chan error)
	go func() {
		_, p, err := c.ReadMessage()
		if err == nil && string(p) != "ab" {
			err = fmt.Errorf("read %q", p)
		}
		done <- err
	}()
	peer.send(frame.Text, false, "a")
	peer.send(frame.Ping, true, "now")
	peer.want(frame.Pong, true, "now")
	peer.send(frame.Continuation, true, "b")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestControlFramesDoNotWaitForALargeMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t)
		message := strings.Repeat("m", 3*maxFragment)
		var writers sync.WaitGroup
		writers.Go(func() {
			if err := c.WriteMessage(frame.Binary, []byte(message)); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait() // until the write of the first fragment blocks
		writers.Go(func() {
			if err := c.WriteControl(frame.Ping, []byte("soon")); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		fragment := message[:maxFragment]
		peer.want(frame.Binary, false, fragment)
		peer.want(frame.Ping, true, "soon")
		peer.want(frame.Continuation, false, fragment)
		peer.want(frame.Continuation, true, fragment)
		writers.Wait()
	})
}

// A reader that must answer a ping while NextWriter holds frameLock leaves the
// pong to NextWriter.
func TestNextWriterSendsThePongThatBecameDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t)
		c.pongs.put([]byte("due"))
		got := make(chan string, 1)
		go func() {
			h, payload, err := peer.next()
			got <- fmt.Sprint(h.Opcode == frame.Pong, payload, err)
		}()
		w, err := c.NextWriter(frame.Text)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		select {
		case pong := <-got:
			if want := fmt.Sprint(true, "due", nil); pong != want {
				t.Errorf("the peer got %s, want %s", pong, want)
			}
		default:
			t.Error("no pong was sent before the message was written")
		}
		go peer.next()
		w.Close()
	})
}

func TestPongGoesBetweenFragments(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t)
		go c.ReadMessage()
		go c.WriteMessage(frame.Binary, make([]byte, 2*maxFragment))
		synctest.Wait() // until the write of the first fragment blocks
		// The reader does not wait for the writer, and reads all of these.
		for i := range 100 {
			peer.send(frame.Ping, true, fmt.Sprint(i))
		}
		synctest.Wait()
		peer.want(frame.Binary, false, strings.Repeat("\x00", maxFragment))
		peer.want(frame.Pong, true, "99")
		peer.want(frame.Continuation, true, strings.Repeat("\x00", maxFragment))
	})
}

func TestPingFloodOfAPeerThatDoesNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t)
		go func() {
			for {
				if _, err := peer.conn.Write(peer.frame(frame.Ping, true, "flood")); err != nil {
					return
				}
			}
		}()
		start := time.Now()
		_, _, err := c.ReadMessage()
		if waited := time.Since(start); err == nil || waited != CloseTimeout {
			t.Errorf("after %v: %v", waited, err)
		}
		// A reader that sets a new deadline and tries again must not do so
		// forever.
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the end of reading looks like a read deadline: %v", err)
		}
		c.SetReadDeadline(time.Now().Add(time.Second))
		if _, _, again := c.ReadMessage(); again != err {
			t.Errorf("then %v, want %v", again, err)
		}
		c.conn.Close()
	})
}

func TestCloseHandshakeOfThisEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t)
		go func() {
			peer.want(frame.Close, true, closePayload(4000, "done"))
			peer.send(frame.Text, true, "late")
			peer.send(frame.Ping, true, "late")
			peer.send(frame.Close, true, closePayload(4000, ""))
		}()
		start := time.Now()
		if err := c.Close(context.Background(), 4000, "done"); err != nil || time.Since(start) > 0 {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		var closed *closeError
		if _, _, err := c.ReadMessage(); !errors.As(err, &closed) || closed.code != 4000 {
			t.Errorf("ReadMessage: %v", err)
		}
		if err := c.WriteMessage(frame.Text, nil); err != ErrCloseSent {
			t.Errorf("WriteMessage: %v", err)
		}
	})
}

func TestCloseWhileAnotherGoroutineReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t)
		read := make(chan string, 10)
		go func() {
			defer close(read)
			for {
				_, p, err := c.ReadMessage()
				if err != nil {
					return
				}
				read <- string(p)
			}
		}()
		go func() {
			peer.want(frame.Close, true, closePayload(1000, ""))
			peer.send(frame.Text, true, "late")
			peer.send(frame.Close, true, closePayload(1000, ""))
		}()
		synctest.Wait() // until the reader reads
		if err := c.Close(context.Background(), 1000, ""); err != nil {
			t.Error(err)
		}
		if late := <-read; late != "late" && late != "" {
			t.Errorf("read %q", late)
		}
	})
}

func TestCloseIsBounded(t *testing.T) {
	t.Parallel()
	stalls := map[string]func(c *Conn, peer *rawPeer){
		"peer reads nothing":           func(*Conn, *rawPeer) {},
		"peer reads and never answers": func(_ *Conn, peer *rawPeer) { go io.Copy(io.Discard, peer.conn) },
		"a writer is stuck":            func(c *Conn, _ *rawPeer) { go c.WriteMessage(frame.Binary, make([]byte, 1<<20)) },
		"a message writer is abandoned": func(c *Conn, _ *rawPeer) {
			c.NextWriter(frame.Text)
			go c.WriteMessage(frame.Text, nil)
		},
		"a reader is stuck": func(c *Conn, _ *rawPeer) { go c.ReadMessage() },
		"peer sends for ever": func(c *Conn, peer *rawPeer) {
			go io.Copy(io.Discard, peer.conn)
			go func() {
				for {
					if _, err := peer.conn.Write(peer.frame(frame.Text, true, "x")); err != nil {
						return
					}
					select {
					case <-time.After(time.Millisecond): // lets the fake clock advance
					case <-c.closing.done:
						return
					}
				}
			}()
		},
		"the user's deadlines are later": func(c *Conn, _ *rawPeer) {
			c.SetReadDeadline(time.Now().Add(time.Hour))
			c.SetWriteDeadline(time.Now().Add(time.Hour))
		},
	}
	for name, stall := range stalls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, peer := pipe(t)
				stall(c, peer)
				synctest.Wait()
				start := time.Now()
				err := c.Close(context.Background(), 1000, "")
				if waited := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || waited != CloseTimeout {
					t.Errorf("after %v: %v", waited, err)
				}
				if again := c.Close(context.Background(), 1000, ""); again != err {
					t.Errorf("again: %v", again)
				}
				synctest.Wait()
			})
		})
	}
}

func TestCloseEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			limit, timeout time.Duration // of the context and of SetCloseTimeout
			want           time.Duration
			err            error
		}{
			{time.Second, CloseTimeout, time.Second, context.DeadlineExceeded},
			{time.Minute, CloseTimeout, CloseTimeout, os.ErrDeadlineExceeded},
			{time.Minute, time.Second, time.Second, os.ErrDeadlineExceeded},
			{20 * time.Second, time.Minute, 20 * time.Second, context.DeadlineExceeded},
		} {
			c, peer := pipe(t)
			c.SetCloseTimeout(tt.timeout)
			go io.Copy(io.Discard, peer.conn)
			ctx, cancel := context.WithTimeout(context.Background(), tt.limit)
			defer cancel()
			start := time.Now()
			err := c.Close(ctx, 1001, "")
			if waited := time.Since(start); !errors.Is(err, tt.err) || waited != tt.want {
				t.Errorf("%+v: after %v: %v", tt, waited, err)
			}
		}
		c, peer := pipe(t)
		go io.Copy(io.Discard, peer.conn)
		go c.Close(context.Background(), 1000, "")
		synctest.Wait()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		start := time.Now()
		if err := c.Close(ctx, 1001, ""); err == nil || time.Since(start) != 0 {
			t.Errorf("a second Close, cancelled: after %v: %v", time.Since(start), err)
		}
	})
}

func TestCloseInAHandlerDoesTheHandshake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t)
		c.SetPingHandler(func([]byte) error { return c.Close(context.Background(), 4001, "") })
		go func() {
			peer.send(frame.Ping, true, "")
			peer.want(frame.Close, true, closePayload(4001, ""))
			peer.send(frame.Close, true, closePayload(4001, ""))
		}()
		start := time.Now()
		if _, _, err := c.ReadMessage(); !errors.As(err, new(*closeError)) {
			t.Error(err)
		}
		synctest.Wait()
		if err := c.Close(context.Background(), 1000, ""); err != nil || time.Since(start) != 0 {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestCloseAfterATimeoutOfReading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t)
		go io.WriteString(peer.conn, "\x81\xfe") // half a header
		c.SetReadDeadline(time.Now().Add(time.Second))
		_, _, first := c.ReadMessage()
		if !errors.Is(first, os.ErrDeadlineExceeded) {
			t.Fatal(first)
		}
		go func() {
			peer.want(frame.Close, true, closePayload(1000, ""))
			io.WriteString(peer.conn, "\x01\x00\x00\x00\x00\x00"+strings.Repeat("x", 256))
			peer.send(frame.Close, true, closePayload(1000, ""))
		}()
		if err := c.Close(context.Background(), 1000, ""); err != nil {
			t.Error(err)
		}
		if _, _, err := c.ReadMessage(); !errors.As(err, new(*closeError)) {
			t.Error(err)
		}
	})
}

func TestAfterClose(t *testing.T) {
	t.Parallel()
	c, peer := pipe(t)
	calls := 0
	c.AfterClose(func(error) { calls++ })
	peer.conn.Close()
	c.Close(context.Background(), 1000, "")
	if calls != 1 {
		t.Errorf("%d calls", calls)
	}
	c.AfterClose(func(error) { calls++ })
	if calls != 2 {
		t.Errorf("%d calls after a late AfterClose", calls)
	}
}

func TestWriteDeadlineHoldsForWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _ := pipe(t)
		w, err := c.NextWriter(frame.Text)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		c.SetWriteDeadline(start.Add(3 * time.Second))
		err = c.WriteMessage(frame.Text, []byte("x"))
		if waited := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || waited != 3*time.Second {
			t.Errorf("after %v: %v", waited, err)
		}
		if err := w.Close(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		c.conn.Close()
	})
}

func TestMessageWriter(t *testing.T) {
	t.Parallel()
	for _, role := range []func(*Config){func(*Config) {}, client} {
		c, peer := pipe(t, role)
		room := DefaultBufferSize - frame.MaxHeader
		go func() {
			w, err := c.NextWriter(frame.Text)
			if err != nil {
				t.Error(err)
			}
			io.WriteString(w, strings.Repeat("a", room-1))
			io.WriteString(w, "bc")
			io.WriteString(w, strings.Repeat("d", 10))
			w.Close()
			if _, err := w.Write(nil); err != errWriterClosed {
				t.Error(err)
			}
			if err := w.Close(); err != errWriterClosed {
				t.Error(err)
			}
			w, _ = c.NextWriter(frame.Binary)
			w.Close()
			w, _ = c.NextWriter(frame.Binary)
			w.Write(bytes.Repeat([]byte("e"), 10_000))
			io.WriteString(w, "f")
			w.Close()
		}()
		peer.want(frame.Text, false, strings.Repeat("a", room-1)+"b")
		peer.want(frame.Continuation, true, "c"+strings.Repeat("d", 10))
		peer.want(frame.Binary, true, "")
		peer.want(frame.Binary, false, strings.Repeat("e", 10_000))
		peer.want(frame.Continuation, true, "f")
	}
}

func TestCompressedMessageWriter(t *testing.T) {
	t.Parallel()
	compressed := func(cfg *Config) {
		cfg.Compression = &deflate.Params{ServerMaxWindowBits: 15, ClientMaxWindowBits: 15}
		cfg.CompressionThreshold = 10
	}
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	ends := make([]*Conn, 2)
	for i, conn := range []net.Conn{a, b} {
		cfg := Config{Conn: conn, Reader: bufio.NewReader(conn), Client: i == 0, CloseError: newCloseError}
		compressed(&cfg)
		ends[i] = New(cfg)
	}
	pieces := []int{0, 1, 9, 10, 100, 5000, 300_000}
	text := strings.Repeat("compressed in pieces, ", 20_000)
	go func() {
		for _, size := range pieces {
			w, err := ends[0].NextWriter(frame.Text)
			if err != nil {
				t.Error(err)
			}
			for rest := text[:size]; rest != ""; rest = rest[min(777, len(rest)):] {
				io.WriteString(w, rest[:min(777, len(rest))])
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			if err := ends[0].WriteMessage(frame.Text, []byte(text[:size])); err != nil {
				t.Error(err)
			}
		}
	}()
	for _, size := range pieces {
		for range 2 {
			if _, got, err := ends[1].ReadMessage(); err != nil || string(got) != text[:size] {
				t.Fatalf("size %d: %d bytes, %v", size, len(got), err)
			}
		}
	}
}

func TestPreparedMessages(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 5, 5000, 2*maxFragment + 7} {
		message := strings.Repeat("p", size)
		prepared := NewPrepared(frame.Text, []byte(message))
		for _, role := range []func(*Config){func(*Config) {}, client} {
			c, peer := pipe(t, role)
			go func() {
				for range 2 {
					if err := c.WritePrepared(prepared); err != nil {
						t.Error(err)
					}
				}
			}()
			for range 2 {
				got := ""
				for fin := false; !fin; {
					h, payload, err := peer.next()
					if err != nil {
						t.Fatal(err)
					}
					got, fin = got+payload, h.Fin
				}
				if got != message {
					t.Errorf("size %d: %d bytes came", size, len(got))
				}
			}
		}
	}
}

// Prepared messages are compressed without context. They can be mixed with
// other messages of a connection with context takeover, for every window size.
func TestPreparedMessagesBetweenCompressedOnes(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("message with context, ", 3000)
	prepared := []*Prepared{NewPrepared(frame.Text, []byte(text[:200])), NewPrepared(frame.Text, []byte(text))}
	for bits := 8; bits <= 15; bits++ {
		a, b := net.Pipe()
		t.Cleanup(func() { a.Close(); b.Close() })
		params := &deflate.Params{ServerMaxWindowBits: bits, ClientMaxWindowBits: bits}
		server := New(Config{Conn: a, Reader: bufio.NewReader(a), Compression: params, CloseError: newCloseError})
		receiver := New(Config{Conn: b, Reader: bufio.NewReader(b), Compression: params, CloseError: newCloseError, Client: true})
		go func() {
			for i := range 12 {
				var err error
				if i%3 == 0 {
					err = server.WriteMessage(frame.Text, []byte(text[:1000+i]))
				} else {
					err = server.WritePrepared(prepared[i%2])
				}
				if err != nil {
					t.Error(err)
				}
			}
		}()
		for i := range 12 {
			want := text[:1000+i]
			if i%3 != 0 {
				want = string(prepared[i%2].plain.payload)
			}
			if _, got, err := receiver.ReadMessage(); err != nil || string(got) != want {
				t.Fatalf("window bits %d, message %d: %d bytes, %v", bits, i, len(got), err)
			}
		}
	}
}

func TestHandlers(t *testing.T) {
	t.Parallel()
	c, peer := pipe(t)
	var seen []string
	note := func(kind string) func([]byte) error {
		return func(data []byte) error {
			seen = append(seen, kind+" "+string(data))
			return nil
		}
	}
	c.SetPingHandler(note("ping"))
	c.SetPongHandler(note("pong"))
	go func() {
		peer.send(frame.Ping, true, "1")
		peer.send(frame.Pong, true, "2")
		peer.send(frame.Text, true, "")
		peer.send(frame.Ping, true, "3")
		peer.want(frame.Pong, true, "3")
		peer.send(frame.Pong, true, "4")
	}()
	if _, _, err := c.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(seen, ", "); got != "ping 1, pong 2" {
		t.Errorf("handlers saw %q", got)
	}
	c.SetPingHandler(nil)
	broken := errors.New("broken")
	c.SetPongHandler(func([]byte) error { return broken })
	for range 2 {
		if _, _, err := c.ReadMessage(); err != broken {
			t.Errorf("%v, want the handler's error", err)
		}
	}
}

func TestManyGoroutinesWriteWholeFrames(t *testing.T) {
	t.Parallel()
	c, peer := pipe(t)
	const goroutines, messages = 50, 20
	var writers sync.WaitGroup
	for g := range goroutines {
		writers.Go(func() {
			for m := range messages {
				switch (g + m) % 3 {
				case 0:
					c.WriteControl(frame.Ping, []byte("ping"))
				case 1:
					c.WriteMessage(frame.Text, bytes.Repeat([]byte{byte('a' + g%26)}, m*500))
				case 2:
					w, err := c.NextWriter(frame.Text)
					if err != nil {
						return
					}
					for range 3 {
						w.Write(bytes.Repeat([]byte{byte('a' + g%26)}, 2000))
					}
					w.Close()
				}
			}
			c.Close(context.Background(), 1000, "")
		})
	}
	message := ""
	for {
		h, payload, err := peer.next()
		if err != nil {
			t.Fatal(err)
		}
		if h.Opcode == frame.Close {
			break
		}
		if h.Opcode == frame.Ping {
			continue
		}
		if message += payload; h.Fin {
			if strings.Trim(message, message[:min(1, len(message))]) != "" {
				t.Fatalf("mixed message %.100q", message)
			}
			message = ""
		}
	}
	peer.send(frame.Close, true, closePayload(1000, ""))
	writers.Wait()
}

func TestLimitsOfConcurrentUse(t *testing.T) {
	t.Parallel()
	c, peer := pipe(t)
	const total = 200
	go func() {
		for range total {
			peer.send(frame.Text, true, "x")
		}
		peer.conn.Close()
	}()
	var readers sync.WaitGroup
	var mu sync.Mutex
	n := 0
	for range 5 {
		readers.Go(func() {
			for {
				if _, _, err := c.ReadMessage(); err != nil {
					return
				}
				mu.Lock()
				n++
				mu.Unlock()
				c.SetMaxSize(1000)
				c.SetPingHandler(nil)
				c.SetReadDeadline(time.Time{})
				c.SetWriteDeadline(time.Time{})
			}
		})
	}
	readers.Wait()
	if n != total {
		t.Errorf("read %d messages of %d", n, total)
	}
}
