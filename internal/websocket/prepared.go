package websocket

import (
	"sync"

	"github.com/stanza-go/framework/pkg/http/internal/websocket/deflate"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// A Prepared is a message whose frames are made once, to be sent on many
// connections. It is safe for concurrent use.
type Prepared struct {
	plain      encoded
	compressed [16]struct { // by window bits
		once sync.Once
		encoded
	}
}

// An encoded message is as a server sends it.
type encoded struct {
	header  frame.Header
	payload []byte
	frame   []byte // header and payload, if they are one frame
}

// NewPrepared prepares a message; data is copied.
func NewPrepared(op frame.Opcode, data []byte) *Prepared {
	b := append(make([]byte, 0, frame.MaxHeader+len(data)), reserved[:]...)
	return &Prepared{plain: encode(frame.Header{Opcode: op}, append(b, data...))}
}

// encode takes the payload in b, which starts after room for a header.
func encode(h frame.Header, b []byte) encoded {
	e := encoded{header: h, payload: b[frame.MaxHeader:]}
	if len(e.payload) <= maxFragment {
		h.Fin, h.Length = true, int64(len(e.payload))
		e.frame = putHeader(h, b)
	}
	return e
}

// pack returns the message compressed, without context, for a window. One
// that is larger than the message is as good as the largest.
func (p *Prepared) pack(windowBits int) *encoded {
	if len(p.plain.payload) <= 1<<windowBits {
		windowBits = len(p.compressed) - 1
	}
	v := &p.compressed[windowBits]
	v.once.Do(func() {
		b := deflate.NewCompressor(windowBits, false).Append(reserved[:frame.MaxHeader:frame.MaxHeader], p.plain.payload)
		v.encoded = encode(frame.Header{Opcode: p.plain.header.Opcode, Compressed: true}, b)
	})
	return &v.encoded
}

// WritePrepared sends a prepared message.
func (c *Conn) WritePrepared(p *Prepared) error {
	if err := c.lockWrite(&c.messageLock); err != nil {
		return err
	}
	defer c.messageLock.unlock()
	e := &p.plain
	if out := &c.out; out.compressor != nil && len(e.payload) >= out.threshold {
		e = p.pack(out.compressor.WindowBits())
		out.compressor.Skip(p.plain.payload)
	}
	if c.client || e.frame == nil {
		return c.writeFragments(e.header, e.payload)
	}
	return c.sendReady(e.frame)
}

// sendReady sends a frame that is complete.
func (c *Conn) sendReady(frame []byte) error {
	c.frameLock.lock()
	err := c.writable()
	if err == nil {
		if _, err = c.conn.Write(frame); err != nil {
			err = c.broke(err)
		}
	}
	c.frameLock.unlock()
	return c.afterFrame(err)
}
