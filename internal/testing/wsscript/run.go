package wsscript

import (
	"bufio"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// timeout limits each read and write of a script.
const timeout = 10 * time.Second

// A Peer is the script's end of a connection, after the opening handshake.
type Peer struct {
	Conn   net.Conn
	Reader *bufio.Reader // reads from Conn
	Client bool          // the other end is a server

	// FragmentSize is the maximum payload of the data frames that the other end
	// sends. It fragments larger messages.
	FragmentSize int
}

// A player plays the steps of a case.
type player struct {
	*Case
	Peer
	pending []byte     // bytes to be written by the next flush
	writing chan error // result of the last flush; nil if it has been received
	got     window     // decompressed messages of the other end
}

// Run plays the steps of a case. If a step fails, the error names its line.
func (c *Case) Run(p Peer) error {
	player := &player{Case: c, Peer: p}
	for range max(1, c.repeat) {
		for _, s := range c.steps {
			for range max(1, s.times) {
				if err := player.step(s); err != nil {
					return fmt.Errorf("line %d: %w", s.line, err)
				}
			}
		}
	}
	return player.flush()
}

func (p *player) step(s step) error {
	if s.verb == ">" {
		f := s.whole()
		if f.deflate {
			f.payload, f.rsv = p.compress(f.payload), f.rsv|0x40
		}
		p.pending = f.append(p.pending, p.Client)
		return nil
	}
	if err := p.flush(); err != nil {
		return err
	}
	switch s.verb {
	case "<":
		return p.expect(s.whole())
	case "<message":
		return p.expectMessage(s.whole())
	case "end":
		return p.expectEnd()
	case "drop":
		return p.Conn.Close()
	}
	return nil // flush
}

// flush writes the pending bytes. It does not wait for large writes, because
// the other end may stop reading until the script has read its replies.
func (p *player) flush() error {
	if p.writing != nil {
		if err := <-p.writing; err != nil {
			return err
		}
	}
	p.writing = make(chan error, 1)
	pending := p.pending
	p.pending = nil
	go func() { p.writing <- p.write(pending) }()
	if len(pending) > 64<<10 {
		return nil
	}
	err := <-p.writing
	p.writing = nil
	return err
}

// write writes b, in pieces of chop bytes if the case has a chop line.
func (p *player) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if err := p.Conn.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	size := p.chop
	if size == 0 {
		size = len(b)
	}
	for len(b) > 0 {
		n := min(size, len(b))
		if _, err := p.Conn.Write(b[:n]); err != nil {
			return nil // the other end has closed, and reading returns the error
		}
		b = b[n:]
	}
	return nil
}

// expect reads a frame. If its payload exceeds FragmentSize, it reads the
// fragments.
func (p *player) expect(want frame) error {
	if err := p.Conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if want.raw {
		got := make([]byte, len(want.payload))
		n, err := io.ReadFull(p.Reader, got)
		if err != nil || !bytes.Equal(got, want.payload) {
			return fmt.Errorf("got %s %v, want %s", brief(got[:n]), err, brief(want.payload))
		}
		return nil
	}
	for opcode, rest := want.opcode, want.payload; ; {
		part := want
		part.opcode = opcode
		if opcode < 8 && len(rest) > p.FragmentSize {
			part.payload, part.notFinal = rest[:p.FragmentSize], true
		} else {
			part.payload = rest
		}
		if err := p.expectOne(part); err != nil {
			return err
		}
		if opcode, rest = 0, rest[len(part.payload):]; len(rest) == 0 {
			return nil
		}
	}
}

// expectOne reads a frame, and compares all bytes with want except the masking
// key, which is random.
func (p *player) expectOne(want frame) error {
	got, payload, err := p.readFrame()
	if err != nil {
		return fmt.Errorf("%w, want %s", err, want.describe())
	}
	wantHead := want.appendHeader(nil, !p.Client)
	if !bytes.Equal(got, wantHead) || !bytes.Equal(payload, want.payload) {
		return fmt.Errorf("got %x %s, want %x %s", got, brief(payload), wantHead, brief(want.payload))
	}
	return nil
}

// readFrame reads a frame. It returns the header without the masking key, and
// the unmasked payload.
func (p *player) readFrame() (head, payload []byte, err error) {
	head = make([]byte, 2, 10)
	if _, err := io.ReadFull(p.Reader, head); err != nil {
		return nil, nil, err
	}
	length := uint64(head[1] & 0x7F)
	if extra := map[uint64]int{126: 2, 127: 8}[length]; extra > 0 {
		head = head[:2+extra]
		if _, err := io.ReadFull(p.Reader, head[2:]); err != nil {
			return nil, nil, err
		}
		length = 0
		for _, c := range head[2:] {
			length = length<<8 | uint64(c)
		}
	}
	if length > 1<<26 {
		return nil, nil, fmt.Errorf("a frame of %d bytes", length)
	}
	var key [4]byte
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(p.Reader, key[:]); err != nil {
			return nil, nil, err
		}
	}
	payload = make([]byte, length)
	if _, err := io.ReadFull(p.Reader, payload); err != nil {
		return nil, nil, err
	}
	for i := range payload {
		payload[i] ^= key[i%4]
	}
	return head, payload, nil
}

// expectMessage reads a data message, which may be compressed and fragmented.
func (p *player) expectMessage(want frame) error {
	if err := p.Conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	var message []byte
	compressed := false
	for first := true; ; first = false {
		head, payload, err := p.readFrame()
		if err != nil {
			return fmt.Errorf("%w, want %s", err, want.describe())
		}
		opcode := byte(0)
		if first {
			opcode, compressed = want.opcode, head[0]&0x40 != 0
			head[0] &^= 0x40
		}
		if head[0]&0x7F != opcode || head[1]&0x80 != 0 == p.Client {
			return fmt.Errorf("got header %x, want opcode %d", head, opcode)
		}
		if message = append(message, payload...); head[0]&0x80 != 0 {
			break
		}
	}
	if compressed {
		var err error
		if message, err = p.decompress(message); err != nil {
			return err
		}
	}
	if !bytes.Equal(message, want.payload) {
		return fmt.Errorf("got %s, want %s", brief(message), want.describe())
	}
	return nil
}

// expectEnd waits for the other end to close the connection. A server closes
// its side first. A client waits for the script to close its side.
func (p *player) expectEnd() error {
	if !p.Client {
		if half, ok := p.Conn.(*net.TCPConn); ok {
			if err := half.CloseWrite(); err != nil {
				return err
			}
		}
	}
	if err := p.Conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	rest, err := io.ReadAll(p.Reader)
	if err != nil || len(rest) > 0 {
		return fmt.Errorf("got %s %v, want the end of the connection", brief(rest), err)
	}
	return p.Conn.Close()
}

func (f frame) describe() string {
	return fmt.Sprintf("opcode %d with %s", f.opcode, brief(f.payload))
}

// brief returns the quoted start of p.
func brief(p []byte) string {
	if len(p) <= 40 {
		return fmt.Sprintf("%q", p)
	}
	return fmt.Sprintf("%q... (%d bytes)", p[:40], len(p))
}

// A window is the text that a compressed message may refer to, at most 32 KB.
type window []byte

func (w *window) add(p []byte) {
	*w = append(*w, p...)
	if n := len(*w) - 1<<15; n > 0 {
		*w = (*w)[n:]
	}
}

// deflaters is a pool because each flate.Writer takes more than 1 MB. No
// flate.Writer leaves the function that uses it.
var deflaters = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed) // the level is valid
	return w
}}

const syncTail = "\x00\x00\xff\xff"

// compress compresses a message without context, which complies with all
// negotiated parameters except a smaller window. For a smaller window, it
// compresses pieces of 256 bytes separately.
func (p *player) compress(message []byte) []byte {
	var b bytes.Buffer
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	for first := true; first || len(message) > 0; first = false {
		n := min(len(message), 256)
		if !p.smallWindow() {
			n = len(message)
		}
		w.Reset(&b)
		_, _ = w.Write(message[:n]) // cannot fail: it writes to memory
		_ = w.Flush()               // likewise
		message = message[n:]
	}
	return bytes.TrimSuffix(b.Bytes(), []byte(syncTail))
}

// smallWindow reports whether the script's window may be smaller than 32 KB.
func (p *player) smallWindow() bool {
	name := "server_max_window_bits="
	if p.Client {
		name = "client_max_window_bits="
	}
	return strings.Contains(p.Agree, name)
}

var errNotDeflate = errors.New("cannot be decompressed")

// decompress decompresses a message of the other end, with the context of
// earlier messages unless its agreement excludes context takeover.
func (p *player) decompress(message []byte) ([]byte, error) {
	stream := io.MultiReader(bytes.NewReader(message), strings.NewReader(syncTail+"\x01"+syncTail))
	out, err := io.ReadAll(flate.NewReaderDict(stream, p.got))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotDeflate, err)
	}
	takeover := !strings.Contains(p.Agree, map[bool]string{true: "server", false: "client"}[p.Client]+"_no_context_takeover")
	if takeover {
		p.got.add(out)
	}
	return out, nil
}
