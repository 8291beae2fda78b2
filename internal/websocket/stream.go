package websocket

import (
	"io"

	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// maxEmptyFrames is the maximum number of frames without payload in a message.
// They do not count towards its size, so a peer could otherwise keep a reader
// busy forever.
const maxEmptyFrames = 1000

// nonEmptyFrame begins the next non-empty data frame of the current message,
// unless the current frame has unread payload. It returns [io.EOF] at the end
// of the message.
func (c *Conn) nonEmptyFrame() error {
	for c.in.frameLeft == 0 {
		if c.in.lastFrame {
			return io.EOF
		}
		h, err := c.nextFrame()
		if err != nil {
			return err
		}
		if err := c.beginFrame(h); err != nil {
			return err
		}
	}
	return nil
}

// beginFrame begins a data frame of the current message. It fails the
// connection, before the payload arrives, if the message has too many empty
// frames or, unless it is compressed, is too large.
func (c *Conn) beginFrame(h frame.Header) error {
	in := &c.in
	in.frameLeft, in.maskKey, in.lastFrame = h.Length, h.Key, h.Fin
	if h.Length == 0 {
		if in.emptyFrames++; in.emptyFrames > maxEmptyFrames {
			return c.fail(codeMessageTooBig, "too many empty frames", ErrReadLimit)
		}
	}
	if in.compressed {
		return nil
	}
	if h.Length > in.maxSize-in.announced {
		return c.fail(codeMessageTooBig, reasonMessageTooBig, ErrReadLimit)
	}
	in.announced += h.Length
	return nil
}

// nextFrame reads the header of the next data frame, and handles the control
// frames before it.
func (c *Conn) nextFrame() (frame.Header, error) {
	for {
		h, err := c.readHeader()
		if err != nil || !h.Opcode.IsControl() {
			return h, err
		}
		if err := c.handleControl(h); err != nil {
			return h, err
		}
	}
}

// readHeader reads the header of a frame. A control frame's header stays in the
// read buffer until the payload has arrived too, so that a deadline in between
// loses nothing.
func (c *Conn) readHeader() (frame.Header, error) {
	br := c.in.br
	for need := 2; ; {
		if br.Buffered() < need {
			if _, err := br.Peek(need); err != nil {
				return frame.Header{}, c.readFailed(err)
			}
		}
		c.keepAlive.heard()
		b, _ := br.Peek(min(br.Buffered(), frame.MaxHeader)) // cannot fail: the bytes are buffered
		h, size, err := c.in.decoder.Next(b)
		if err != nil {
			return h, c.failProtocol(err)
		}
		if size > len(b) {
			need = size
			continue
		}
		if whole := size + int(h.Length); h.Opcode.IsControl() && br.Buffered() < whole {
			need = whole
			continue
		}
		_, _ = br.Discard(size) // cannot fail: the header is buffered
		return h, nil
	}
}
