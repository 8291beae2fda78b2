package websocket

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stanza-go/framework/pkg/http/internal/websocket/deflate"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// FuzzConnection plays whole connections. The input is a program for the peer
// and for the users of the Conn; see play. A model of the peer predicts the
// messages that must be read and the close frame that must be sent. The
// synctest bubble detects calls that hang and goroutines that remain.
func FuzzConnection(f *testing.F) {
	for options := range byte(56) {
		for how := range byte(4) {
			// One byte at a time, with a deadline that passes after each.
			program := []byte{options, 7, 3, 5, 7, 6, 9, 0, 1, 7, 3, 1, 5, 3, 0, 1, 2, 2, 0, 5, 7, 0, 1, 30, 8, 2}
			f.Add(append(program, bytes.Repeat([]byte{how, 3}, 40)...))
		}
	}
	for options := range byte(4) {
		for form := range byte(2) { // the previous message is complete or not
			before := []byte{options, 7, 5, 5, 3, 0, 1, 30, 1, form, 11, 0}
			for rule := range byte(15) {
				f.Add(append(before[:len(before):len(before)], rule, 1, 1, 1, 0, 0))
			}
			for kind := range byte(4) { // of invalid text
				f.Add(append(before[:len(before):len(before)], 13, kind, 1, 1, 0, 0))
			}
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		program := make([]byte, 10+i)
		for j := range program {
			program[j] = byte(random.Uint32())
		}
		f.Add(program)
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) < 8 || len(program) > 400 {
			return
		}
		synctest.Test(t, func(t *testing.T) { newPlay(t, program).run() })
	})
}

// A tape returns the bytes of a program, and zeros after its end.
type tape []byte

// next returns a number in [0, n).
func (p *tape) next(n int) int {
	if len(*p) == 0 {
		return 0
	}
	b := (*p)[0]
	*p = (*p)[1:]
	return int(b) % n
}

const (
	playLimit   = 700 // maximum message size
	playTimeout = 3 * time.Second
	playGap     = 50 * time.Millisecond
)

// A play is one connection. Its actors are goroutines: the peer sends the bytes
// that the program prepares and records the frames it receives, a reader and a
// writer use the Conn, and other goroutines close it.
type play struct {
	t          *testing.T
	script     tape
	c          *Conn
	peer       *rawPeer
	compressed bool
	actors     sync.WaitGroup

	// The model of the peer's stream.
	message  []byte       // current message
	opcode   frame.Opcode // its type; 0 between messages
	packed   []byte       // its compressed bytes that are still to be sent
	messages []string     // complete messages, with their types
	pings    []string
	end      int  // close code that the Conn must report; 0 before the end
	fault    bool // the peer has violated the protocol
	lossy    bool // an action on the Conn may end the stream earlier

	queue    chan []byte // bytes for the peer to send
	split    int         // size of the pieces to send; 0 for no splitting
	gap      bool        // wait between the pieces
	paused   chan bool   // pauses the goroutine that reads as the peer
	received chan []frameAndPayload

	writes  chan func() (string, error)
	written chan []outcome
	reading chan []string // messages that the reader has read
	readErr error
}

type frameAndPayload struct {
	frame.Header
	payload string
}

// An outcome is the result of writing a message.
type outcome struct {
	message string
	err     error
}

func newPlay(t *testing.T, program []byte) *play {
	script := tape(program)
	p := &play{
		t: t, queue: make(chan []byte, 1<<14), paused: make(chan bool, 1<<10), received: make(chan []frameAndPayload, 1),
		writes: make(chan func() (string, error), 1<<10), written: make(chan []outcome, 1), reading: make(chan []string, 1),
	}
	options := script.next(256)
	a, b := net.Pipe()
	cfg := Config{Conn: a, Reader: bufio.NewReaderSize(a, MinReadBuffer), Client: options&1 != 0, WriteBufferSize: 256, CloseError: newCloseError}
	if p.compressed = options&2 != 0; p.compressed {
		cfg.Compression = &deflate.Params{ServerMaxWindowBits: 15, ClientMaxWindowBits: 15, ServerNoContextTakeover: options&4 != 0}
		cfg.CompressionThreshold = 50
	}
	p.c = New(cfg)
	p.c.SetMaxSize(playLimit)
	p.c.SetCloseTimeout(playTimeout)
	p.peer = &rawPeer{t: t, conn: b, br: bufio.NewReader(b), mask: !cfg.Client}
	p.peer.dec.Masked, p.peer.dec.Compression = cfg.Client, p.compressed
	p.handlers(options >> 3)
	p.script = script
	return p
}

// handlers sets the ping handler.
func (p *play) handlers(kind int) {
	c := p.c
	switch kind % 8 {
	case 1:
		c.SetPingHandler(func(data []byte) error {
			if err := c.WriteControl(frame.Pong, data); err != ErrCloseSent {
				return err
			}
			return nil
		})
	case 2:
		p.lossy = true
		c.SetPingHandler(func([]byte) error { return p.close(1001) })
	case 3:
		p.lossy = true
		c.SetPingHandler(func([]byte) error { return c.CloseNow() })
	case 4:
		c.SetPongHandler(func([]byte) error { c.SetPingHandler(nil); return nil })
	case 5:
		c.SetPingHandler(func([]byte) error { panic("at the handler") })
	case 6:
		p.lossy = true
		c.SetPingHandler(func([]byte) error { return io.EOF })
	}
}

// run runs the program and checks the results.
func (p *play) run() {
	backwards := slices.Clone([]byte(p.script))
	slices.Reverse(backwards)
	p.actors.Go(p.send)
	p.actors.Go(p.receive)
	p.actors.Go(p.write)
	p.actors.Go(func() { p.read(tape(backwards)) })
	for len(p.script) > 0 {
		p.step()
	}
	p.paused <- false
	if p.end == 0 {
		p.frame(frame.Close, true, closePayload(1000, ""))
		p.end = 1000
	}
	close(p.queue)
	time.Sleep(10 * time.Minute) // on the fake clock: all timeouts have passed
	close(p.writes)
	_ = p.close(1000) // may return the error of the program's end
	p.peer.conn.Close()
	p.actors.Wait()
	p.check()
}

// step executes one step of the program.
func (p *play) step() {
	s := &p.script
	switch s.next(16) {
	case 0, 1, 2, 3, 4:
		p.sendData(frame.Opcode(1+s.next(2)), s.next(64)*s.next(16), s.next(4))
	case 5:
		p.control(frame.Ping, s.next(8))
	case 6:
		p.control(frame.Pong, s.next(126))
	case 7:
		n := s.next(16)
		p.split, p.gap = n/2, n%2 == 1
	case 8:
		time.Sleep(time.Duration(s.next(256)) * 10 * time.Millisecond)
	case 9, 10:
		p.sendMessage(s.next(4), s.next(64)*s.next(32))
	case 11:
		if s.next(2) == 0 {
			p.breakRules(s.next(15))
		} else if p.end == 0 {
			code := []int{1000, 1001, 3000, 4999, frame.CodeNoStatus}[s.next(5)]
			p.frame(frame.Close, true, closePayload(code, ""))
			p.end = code
		}
	case 12:
		p.closeLater(s.next(4), time.Duration(s.next(64))*100*time.Millisecond)
	case 13:
		p.lossy = true
		p.paused <- s.next(2) == 0
	case 14:
		p.lossy = true
		p.c.SetWriteDeadline(time.Now().Add(time.Duration(s.next(64)-16) * 100 * time.Millisecond))
	case 15:
		synctest.Wait()
	}
}

// enqueue queues bytes for the peer to send.
func (p *play) enqueue(b []byte) {
	for len(b) > 0 {
		n := len(b)
		if p.split > 0 {
			n = min(n, p.split)
		}
		p.queue <- b[:n]
		if b = b[n:]; p.gap && len(b) < 200 {
			p.queue <- nil
		}
	}
}

func (p *play) frame(op frame.Opcode, fin bool, payload string) {
	if p.end == 0 {
		p.enqueue(p.peer.frame(op, fin, payload))
	}
}

// sendData sends a data frame, which begins a message or continues the current
// one. The bits of form select the last frame and compression.
func (p *play) sendData(op frame.Opcode, size, form int) {
	if p.end != 0 {
		return
	}
	text := strings.Repeat("κόσμος ", size/13+1)[:size]
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	begins, fin := p.opcode == 0, form&1 == 0
	if begins {
		p.opcode, p.message, p.packed = op, nil, nil
		if p.compressed && form&2 != 0 {
			p.sendCompressed(op, text, size%5)
			return
		}
	} else {
		op = frame.Continuation
	}
	if p.message = append(p.message, text...); len(p.message) > playLimit {
		fin = true
	}
	p.frame(op, fin, text)
	p.sent(fin)
}

// sendCompressed sends a compressed message in fragments.
func (p *play) sendCompressed(op frame.Opcode, text string, fragments int) {
	p.message = []byte(text)
	packed := deflate.NewCompressor(15, false).Append(nil, p.message)
	for i := range fragments + 1 {
		n, fin := len(packed)/(fragments+1), i == fragments
		if fin {
			n = len(packed)
		}
		b := p.peer.frame(op, fin, string(packed[:n]))
		if i == 0 {
			b[0] |= 0x40
		}
		p.enqueue(b)
		packed, op = packed[n:], frame.Continuation
	}
	p.sent(true)
}

// sent records a data frame.
func (p *play) sent(fin bool) {
	if len(p.message) > playLimit {
		p.end, p.fault = codeMessageTooBig, true
	} else if fin {
		p.messages = append(p.messages, fmt.Sprint(p.opcode, " ", string(p.message)))
		p.opcode = 0
	}
}

func (p *play) control(op frame.Opcode, size int) {
	payload := strings.Repeat("\x81", size)
	if op == frame.Ping && p.end == 0 {
		p.pings = append(p.pings, payload)
	}
	p.frame(op, true, payload)
}

// breakRules sends a frame that a Conn must reject.
func (p *play) breakRules(rule int) {
	if p.end != 0 {
		return
	}
	p.end, p.fault = frame.CodeProtocolError, true
	b := p.peer.frame(frame.Ping, true, "")
	switch rule {
	case 0:
		b[0] |= 0x20
	case 1:
		b[0] |= 0x40
	case 2:
		b[0] = 0x83
	case 3:
		b[0] = 0x8B
	case 4:
		b[1] ^= 0x80
	case 5:
		b[0] &^= 0x80
	case 6:
		b[1] |= 126
	case 7:
		b[0] = 0x80 | byte(min(1, p.opcode)) // a new message inside a message, or a continuation without one
	case 8:
		b[0], b[1] = 0x80|byte(min(1, p.opcode)^1), b[1]|126
		b = append(b[:2], 0, 125)
	case 9:
		b[0], b[1] = 0x80|byte(min(1, p.opcode)^1), b[1]|127
		b = append(b[:2], bytes.Repeat([]byte{0xFF}, 8)...)
	case 10:
		b = p.peer.frame(frame.Close, true, "\x03\xED")
	case 11:
		b = p.peer.frame(frame.Close, true, "\x03")
	case 12:
		b = p.peer.frame(frame.Close, true, "\x03\xE8\xFF")
		p.end = frame.CodeInvalidPayload
	case 13:
		p.badText(p.script.next(4))
		return
	case 14:
		b = p.peer.frame(frame.Text, true, "\xFF\xFF\xFF") // an invalid DEFLATE block
		if b[0] |= 0x40; p.opcode != 0 {
			b[0] &= 0xF0
		} else if p.compressed {
			p.end = frame.CodeInvalidPayload
		}
	}
	p.enqueue(append(b, "and more"...))
}

// badText ends the current message and sends one that is not UTF-8.
func (p *play) badText(kind int) {
	if p.opcode != 0 {
		p.end, p.fault = 0, false
		p.frame(frame.Continuation, true, "")
		p.sent(true)
	}
	p.end, p.fault = 0, false
	if kind == 3 {
		p.frame(frame.Text, true, "a\xFF")
	} else {
		p.frame(frame.Text, false, "a\xC3")
		p.frame(frame.Continuation, true, []string{"", "\xC3", "x"}[kind])
	}
	p.end, p.fault = frame.CodeInvalidPayload, true
}

// send is the peer's sending goroutine.
func (p *play) send() {
	for b := range p.queue {
		if b == nil {
			time.Sleep(playGap)
		} else if _, err := p.peer.conn.Write(b); err != nil {
			for range p.queue {
			}
		}
	}
}

// receive is the peer's reading goroutine. It records the frames.
func (p *play) receive() {
	var frames []frameAndPayload
	defer func() { p.received <- frames }()
	for {
		select {
		case pause := <-p.paused:
			for pause {
				pause = <-p.paused
			}
		default:
		}
		h, payload, err := p.peer.next()
		if err != nil {
			if violation := (*frame.Error)(nil); errors.As(err, &violation) {
				p.t.Errorf("the peer got a bad frame: %v", err)
			}
			return
		}
		frames = append(frames, frameAndPayload{h, payload})
	}
}

// sendMessage makes the writer send a message or a ping, in one of four ways.
func (p *play) sendMessage(how, size int) {
	message := strings.Repeat("to the peer, ", size/13+1)[:size]
	p.writes <- func() (string, error) {
		switch how {
		case 0:
			return message, p.c.WriteMessage(frame.Text, []byte(message))
		case 1:
			return message, p.c.WritePrepared(NewPrepared(frame.Text, []byte(message)))
		case 2:
			return "", p.c.WriteControl(frame.Ping, []byte("ping"))
		}
		w, err := p.c.NextWriter(frame.Text)
		if err != nil {
			return message, err
		}
		for rest := message; rest != ""; rest = rest[min(99, len(rest)):] {
			_, _ = io.WriteString(w, rest[:min(99, len(rest))]) // Close returns the same error
		}
		return message, w.Close()
	}
}

// write is the writing goroutine of the Conn's user.
func (p *play) write() {
	var outcomes []outcome
	for write := range p.writes {
		message, err := write()
		outcomes = append(outcomes, outcome{message, err})
	}
	p.written <- outcomes
}

// closeLater closes the Conn in another goroutine.
func (p *play) closeLater(how int, after time.Duration) {
	p.lossy = true
	p.actors.Go(func() {
		time.Sleep(after)
		if how == 0 {
			if err := p.c.CloseNow(); err != nil {
				p.t.Errorf("CloseNow: %v", err)
			}
			return
		}
		_ = p.close(1000 + how) // may fail, but not hang
	})
}

// close closes the Conn, and checks that it takes no longer than its timeout.
func (p *play) close(code int) error {
	start := time.Now()
	err := p.c.Close(context.Background(), code, "")
	if took := time.Since(start); took > playTimeout {
		p.t.Errorf("Close took %v: %v", took, err)
	}
	if _, err := p.c.conn.Write(nil); !errors.Is(err, io.ErrClosedPipe) {
		p.t.Errorf("after Close, the network connection is open: %v", err)
	}
	return err
}

// read is the reading goroutine of the Conn's user. The program determines how
// each message is read, and when deadlines pass.
func (p *play) read(program tape) {
	u := playReader{c: p.c, program: program}
	for {
		deadline := time.Time{}
		if wait := u.program.next(16); wait > 0 {
			deadline = time.Now().Add(time.Duration(wait-2) * playGap / 2)
		}
		_ = p.c.SetReadDeadline(deadline) // fails after the connection is closed
		err := recovered(u.step)
		timeout := errors.Is(err, os.ErrDeadlineExceeded)
		if err != nil && err.Error() != "panic: at the handler" && (!timeout || p.hasEnded(err)) {
			p.readErr = err
			break
		}
		if u.old != nil {
			if n, err := u.old.Read(make([]byte, 10)); n > 0 || err == nil || err == io.EOF {
				p.t.Errorf("the reader of an earlier message read %d bytes, %v", n, err)
			}
		}
	}
	p.reading <- u.got
}

// A playReader reads messages.
type playReader struct {
	c       *Conn
	program tape
	message []byte    // bytes of the current message so far
	r       io.Reader // of the current message; nil for ReadMessage
	last    io.Reader // of the previous message
	old     io.Reader // of an earlier message
	got     []string  // messages; a skipped message ends in "..."
}

// step reads a message, or part of one. After a timeout, the next call
// continues, possibly with another method.
func (u *playReader) step() error {
	how := u.program.next(4)
	if u.r != nil {
		return u.readPart(how == 0)
	}
	if u.last != nil {
		u.old = u.last
	}
	if how < 2 {
		op, message, err := u.c.ReadMessage()
		if err == nil {
			u.got = append(u.got, fmt.Sprint(op, " ", string(message)))
		}
		return err
	}
	op, r, err := u.c.NextMessage()
	if err == nil {
		u.r, u.message = r, fmt.Append(nil, op, " ")
	}
	return err
}

// readPart reads a part of the message, and may skip the rest.
func (u *playReader) readPart(skip bool) error {
	b := make([]byte, 1+u.program.next(100))
	n, err := u.r.Read(b)
	u.message = append(u.message, b[:n]...)
	switch {
	case err == io.EOF:
		u.got = append(u.got, string(u.message))
	case err == nil && skip:
		u.got = append(u.got, string(u.message)+"...")
	default:
		return err
	}
	u.last, u.r = u.r, nil
	return nil
}

// hasEnded reports whether reading has ended, and not only timed out.
func (p *play) hasEnded(timeout error) bool {
	_ = p.c.SetReadDeadline(time.Time{}) // fails after the connection is closed
	p.c.streamLock.lock()
	defer p.c.streamLock.unlock()
	return p.c.readable() == timeout
}
