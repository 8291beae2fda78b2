package websocket

import (
	"errors"
	"sync"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/deflate"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

var errWriterClosed = errors.New("websocket: message writer is already closed")

// A Writer sends a message in frames. It collects small writes in a buffer of
// the connection's buffer size, and may send large ones directly. It is safe
// for concurrent use by multiple goroutines: its lock keeps a late Write from
// using buffers that Close has returned to the pool.
type Writer struct {
	mu     sync.Mutex
	c      *Conn
	header frame.Header    // of the next frame
	raw    *bufpool.Buffer // uncompressed bytes not yet sent, after header space; nil after Close
	err    error           // of sending a frame

	message *deflate.Message // nil unless the message is compressed
	packed  *bufpool.Buffer  // compressed bytes not yet sent, after header space
}

// NextWriter begins a data message. Other data messages wait until the Writer
// is closed.
func (c *Conn) NextWriter(op frame.Opcode) (*Writer, error) {
	if err := c.lockWrite(&c.messageLock); err != nil {
		return nil, err
	}
	c.frameLock.lock()
	err := c.writable()
	c.frameLock.unlock()
	if err = c.afterFrame(err); err != nil {
		c.messageLock.unlock()
		return nil, err
	}
	return &Writer{c: c, header: frame.Header{Opcode: op}, raw: newFrame()}, nil
}

// Write implements [io.Writer]. If the buffer is full and bytes of p are left,
// Write flushes it.
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
		case w.bypasses(p, room):
			p = w.sendDirectly(p)
		default:
			n := min(room, len(p))
			w.raw.B = append(w.raw.B, p[:n]...)
			p = p[n:]
		}
	}
	return size - len(p), w.err
}

// bypasses reports whether p can be sent without copying it through the buffer:
// the buffer is empty, p does not fit into it, and the message is not
// compressed.
func (w *Writer) bypasses(p []byte, room int) bool {
	empty := w.c.out.bufferSize - frame.MaxHeader
	return room == empty && len(p) > room && w.c.out.compressor == nil
}

// sendDirectly sends a frame with the start of p, and returns the rest. A
// client copies the bytes that it sends, because masking must not change the
// caller's slice.
func (w *Writer) sendDirectly(p []byte) (rest []byte) {
	if w.c.client {
		n := min(len(p), maxCopied)
		if want := frame.MaxHeader + n; cap(w.raw.B) < want {
			w.raw.B = append(make([]byte, 0, want), headerSpace[:]...)
		}
		w.raw.B = append(w.raw.B, p[:n]...)
		w.send(w.raw, false)
		return p[n:]
	}
	n := min(len(p), maxFragment)
	w.header.Length = int64(n)
	w.err = w.c.sendPayload(w.header, p[:n])
	w.header = frame.Header{Opcode: frame.Continuation}
	return p[n:]
}

// flush sends the buffered bytes in a frame, which is the last of the message
// if last is true. Compressed bytes may stay in the packed buffer until they
// fill it.
func (w *Writer) flush(last bool) {
	if w.compresses(last) {
		w.message, w.packed = w.c.out.compressor.Begin(), newFrame()
		w.header.Compressed = true
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
	if last || len(w.packed.B) >= w.c.out.bufferSize {
		w.send(w.packed, last)
	}
}

// compresses reports whether the first flush of a message begins to compress
// it. A message that fits into the buffer must reach the threshold; a larger
// one is always compressed.
func (w *Writer) compresses(last bool) bool {
	out := &w.c.out
	first := w.message == nil && w.header.Opcode != frame.Continuation
	return first && out.compressor != nil && (!last || len(w.raw.B)-frame.MaxHeader >= out.threshold)
}

// send sends a frame with the bytes in b, and empties b.
func (w *Writer) send(b *bufpool.Buffer, last bool) {
	w.header.Fin = last
	w.err = w.c.sendFrame(w.header, b.B)
	w.header = frame.Header{Opcode: frame.Continuation}
	b.B = b.B[:frame.MaxHeader]
}

// Close sends the last frame of the message, and lets the next message begin.
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
