package echo

import (
	"bufio"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// A Kind is a type of message. Text must be checked.
type Kind struct {
	Name   string
	Opcode frame.Opcode
}

// Kinds returns both kinds.
func Kinds() []Kind { return []Kind{{"text", frame.Text}, {"binary", frame.Binary}} }

// Run runs a server with equal messages of the given size while more returns
// true. The server reads a message from memory after it has replied to the
// previous one. Its output, including the response of the handshake, is written
// to answers.
func Run(s Server, op frame.Opcode, size int, more func() bool, answers io.Writer) error {
	conn := &feed{frame: Frame(op, size), more: more, answers: answers}
	s.Serve(&hijackable{httptest.NewRecorder(), conn}, upgradeRequest())
	if !conn.ended || conn.answered < size*conn.sent {
		return fmt.Errorf("%s was sent %d messages (all: %v), and answered with %d bytes", s.Name, conn.sent, conn.ended, conn.answered)
	}
	return nil
}

// Times returns a function that returns true n times, and then false.
func Times(n int) (more func() bool) {
	return func() bool {
		n--
		return n >= 0
	}
}

// Payload returns the text of a message.
func Payload(size int) string {
	return strings.Repeat("All happy families are alike; ev", size/32+1)[:size]
}

// Frame returns an encoded frame of a client with the text.
func Frame(op frame.Opcode, size int) []byte {
	const key = 0x3d21fa37
	f := frame.AppendHeader(nil, frame.Header{Fin: true, Opcode: op, Masked: true, Key: key, Length: int64(size)})
	head := len(f)
	f = append(f, Payload(size)...)
	frame.Mask(f[head:], key)
	return f
}

func upgradeRequest() *nethttp.Request {
	r := httptest.NewRequest(nethttp.MethodGet, "http://example.com/", nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	return r
}

// A hijackable is a ResponseWriter whose connection is a feed.
type hijackable struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

// Hijack returns the connection, with buffers of net/http's sizes.
func (h *hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReaderSize(h.conn, 4096), bufio.NewWriterSize(h.conn, 4096)), nil
}

// A feed is a connection to a simulated client that sends the same message
// repeatedly, each after the reply to the previous one.
type feed struct {
	net.Conn // nil; its methods are not called
	frame    []byte
	offset   int // bytes of frame that have been read
	more     func() bool
	ended    bool // more has returned false

	sent     int // messages
	answered int // bytes
	answers  io.Writer
}

// Read returns bytes of at most one message.
func (f *feed) Read(p []byte) (int, error) {
	if f.ended || f.offset == 0 && !f.more() {
		f.ended = true
		return 0, io.EOF
	}
	n := copy(p, f.frame[f.offset:])
	if f.offset += n; f.offset == len(f.frame) {
		f.offset = 0
		f.sent++
	}
	return n, nil
}

// Write counts bytes, including the response of the handshake.
func (f *feed) Write(p []byte) (int, error) {
	f.answered += len(p)
	return f.answers.Write(p)
}

// Close does nothing. Neither do the methods that set deadlines.
func (f *feed) Close() error                     { return nil }
func (f *feed) SetDeadline(time.Time) error      { return nil }
func (f *feed) SetReadDeadline(time.Time) error  { return nil }
func (f *feed) SetWriteDeadline(time.Time) error { return nil }

// LocalAddr and RemoteAddr return an address of no network.
func (f *feed) LocalAddr() net.Addr  { return &net.UnixAddr{Name: "feed", Net: "unix"} }
func (f *feed) RemoteAddr() net.Addr { return f.LocalAddr() }
