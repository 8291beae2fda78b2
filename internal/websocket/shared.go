package websocket

import (
	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/deflate"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// A Shared is a text message that is sent on many connections, in forms that are
// made once. It must be safe for concurrent use by multiple goroutines.
type Shared interface {
	// Plain returns what [EncodeShared] returned.
	Plain() []byte
	// Packed returns what [PackShared] returned for Plain.
	Packed() []byte
}

// SharedSpace is the number of bytes before the payload of a message that is
// passed to EncodeShared.
const SharedSpace = frame.MaxHeader

// sharedWindow is the size of the window for which messages are packed.
const sharedWindow = 15

// EncodeShared turns b into the plain form of a text message, and returns it. The
// payload is in b, after SharedSpace bytes.
func EncodeShared(b []byte) []byte {
	encode(frame.Header{Opcode: frame.Text}, b)
	return b
}

// PackShared returns the compressed form of a message whose plain form is given.
// If that is not shorter, it returns nil.
func PackShared(plain []byte) []byte {
	b := deflate.NewCompressor(sharedWindow, false).Append(headerSpace[:frame.MaxHeader:frame.MaxHeader], plain[SharedSpace:])
	if len(b) >= len(plain) {
		return nil
	}
	encode(frame.Header{Opcode: frame.Text, Compressed: true}, b)
	return b
}

// maxJoined is the largest number of bytes that WriteShared writes at once if
// there are several messages.
const maxJoined = 64 << 10

// WriteShared sends messages in order, with one write for as many as fit into 64 KiB.
func (c *Conn) WriteShared(messages []Shared) error {
	if err := c.lockWrite(&c.messageLock); err != nil {
		return err
	}
	defer c.messageLock.unlock()
	if len(messages) == 1 {
		return c.writeForm(c.chooseForm(messages[0]))
	}
	size := 0
	for _, m := range messages {
		size += len(m.Plain())
	}
	// A buffer that grows by append would become too large for the pool.
	joined := bufpool.GetSize(min(size, maxJoined))
	defer bufpool.Put(joined)
	for _, m := range messages {
		h, form := c.chooseForm(m)
		if !c.client && len(form)-SharedSpace <= maxFragment {
			ready := readyFrame(h, form)
			if len(joined.B)+len(ready) <= maxJoined {
				joined.B = append(joined.B, ready...)
				continue
			}
		}
		if err := c.sendJoined(joined); err != nil {
			return err
		}
		if err := c.writeForm(h, form); err != nil {
			return err
		}
	}
	return c.sendJoined(joined)
}

// sendJoined sends the frames in a buffer, and empties it. The caller must hold
// messageLock.
func (c *Conn) sendJoined(b *bufpool.Buffer) error {
	if len(b.B) == 0 {
		return nil
	}
	err := c.sendReady(b.B)
	b.B = b.B[:0]
	return err
}

// writeForm sends one form of a message. The caller must hold messageLock.
func (c *Conn) writeForm(h frame.Header, form []byte) error {
	if c.client || len(form)-SharedSpace > maxFragment {
		return c.writeFragments(h, form[SharedSpace:])
	}
	return c.sendReady(readyFrame(h, form))
}

// readyFrame returns the frame in a form, whose header ends where the payload
// begins.
func readyFrame(h frame.Header, form []byte) []byte {
	h.Fin, h.Length = true, int64(len(form)-SharedSpace)
	var head [frame.MaxHeader]byte
	return form[SharedSpace-len(frame.AppendHeader(head[:0], h)):]
}

// chooseForm returns the form in which this connection sends a message, and the
// beginning of its header. The caller must hold messageLock.
func (c *Conn) chooseForm(m Shared) (frame.Header, []byte) {
	plain, out := m.Plain(), c.out.compressor
	size := len(plain) - SharedSpace
	if out != nil && size >= c.out.threshold && (out.WindowBits() == sharedWindow || size <= 1<<out.WindowBits()) {
		if packed := m.Packed(); packed != nil {
			out.Skip(plain[SharedSpace:])
			return frame.Header{Opcode: frame.Text, Compressed: true}, packed
		}
	}
	return frame.Header{Opcode: frame.Text}, plain
}

// Ended returns a channel that is closed when the connection has been closed, or can no
// longer be used to send messages: a reading method has read the peer's close frame, the
// peer has violated the protocol, or the network has failed.
func (c *Conn) Ended() <-chan struct{} { return c.closing.ended }
