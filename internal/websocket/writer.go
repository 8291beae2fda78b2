package websocket

import (
	"errors"
	"sync"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/deflate"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

var errWriterClosed = errors.New("websocket: write to a closed message writer")

// A Writer sends a message piece by piece, each buffer of bytes as a frame. It
// is safe for concurrent use: its buffers are pooled, and a Write that comes
// late must not reach them.
type Writer struct {
	mu     sync.Mutex
	c      *Conn
	header frame.Header    // of the next frame
	raw    *bufpool.Buffer // bytes to send, after room for a header; nil after Close
	err    error

	message *deflate.Message // nil unless the message is compressed
	packed  *bufpool.Buffer  // its compressed bytes, after room for a header
}

// NextWriter begins a data message. Until its Close, other data messages wait.
func (c *Conn) NextWriter(op frame.Opcode) (*Writer, error) {
	if err := c.lockWrite(&c.messageLock); err != nil {
		return nil, err
	}
	c.frameLock.lock()
	err := c.writable()
	c.frameLock.unlock()
	if err != nil {
		c.messageLock.unlock()
		return nil, err
	}
	return &Writer{c: c, header: frame.Header{Opcode: op}, raw: newFrame()}, nil
}

// Write takes more of the message. It returns before the bytes are sent, if
// the buffer has room for them.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.raw == nil {
		return 0, errWriterClosed
	}
	size := len(p)
	for len(p) > 0 && w.err == nil {
		room := w.c.out.bufferSize - len(w.raw.B)
		switch {
		case room <= 0:
			w.flush(false)
		case room == w.c.out.bufferSize-frame.MaxHeader && len(p) > room && w.c.out.compressor == nil:
			p = w.direct(p)
		default:
			n := min(room, len(p))
			w.raw.B = append(w.raw.B, p[:n]...)
			p = p[n:]
		}
	}
	return size - len(p), w.err
}

// direct sends a frame of p without a detour through the buffer.
func (w *Writer) direct(p []byte) (rest []byte) {
	n := min(len(p), maxFragment)
	if w.c.client {
		n = min(len(p), maxCopied)
		if want := frame.MaxHeader + n; cap(w.raw.B) < want {
			w.raw.B = append(make([]byte, 0, want), reserved[:]...)
		}
		w.raw.B = append(w.raw.B, p[:n]...)
		w.send(w.raw, false)
		return p[n:]
	}
	w.header.Length = int64(n)
	w.err = w.c.sendPayload(w.header, p[:n])
	w.header = frame.Header{Opcode: frame.Continuation}
	return p[n:]
}

// flush sends what is in the buffer, by way of compression if there is any.
func (w *Writer) flush(last bool) {
	out := &w.c.out
	started := w.header.Opcode == frame.Continuation
	if w.message == nil && !started && out.compressor != nil &&
		(!last || len(w.raw.B)-frame.MaxHeader >= out.threshold) {
		w.message, w.packed, w.header.Compressed = out.compressor.Begin(), newFrame(), true
	}
	if w.message == nil {
		w.send(w.raw, last)
		return
	}
	w.packed.B = w.message.Write(w.packed.B, w.raw.B[frame.MaxHeader:])
	w.raw.B = w.raw.B[:frame.MaxHeader]
	if last {
		w.packed.B = w.message.End(w.packed.B)
	}
	if last || len(w.packed.B) >= out.bufferSize {
		w.send(w.packed, last)
	}
}

// send sends a frame of what is in b, and empties it.
func (w *Writer) send(b *bufpool.Buffer, last bool) {
	w.header.Fin = last
	w.err = w.c.sendFrame(w.header, b.B)
	w.header = frame.Header{Opcode: frame.Continuation}
	b.B = b.B[:frame.MaxHeader]
}

// Close sends the last frame of the message.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.raw == nil {
		return errWriterClosed
	}
	if w.err == nil {
		w.flush(true)
	}
	bufpool.Put(w.raw)
	if w.packed != nil {
		bufpool.Put(w.packed)
	}
	w.raw, w.packed, w.message = nil, nil, nil
	w.c.messageLock.unlock()
	return w.err
}
