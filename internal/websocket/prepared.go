package websocket

import (
	"sync"

	"github.com/stanza-go/framework/pkg/http/internal/websocket/deflate"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// A Prepared is a message that is encoded once and sent on many connections. It
// is safe for concurrent use by multiple goroutines.
type Prepared struct {
	plain      encoded
	compressed [16]struct { // indexed by window bits
		once sync.Once
		encoded
	}
}

// An encoded message is the unmasked form that servers send.
type encoded struct {
	header  frame.Header // of the first frame
	payload []byte
	frame   []byte // header and payload; nil if the message needs several frames
}

// NewPrepared prepares a message. It copies data.
func NewPrepared(op frame.Opcode, data []byte) *Prepared {
	b := append(make([]byte, 0, frame.MaxHeader+len(data)), headerSpace[:]...)
	return &Prepared{plain: encode(frame.Header{Opcode: op}, append(b, data...))}
}

// encode returns the message whose payload is in b, after header space.
func encode(h frame.Header, b []byte) encoded {
	e := encoded{header: h, payload: b[frame.MaxHeader:]}
	if len(e.payload) <= maxFragment {
		h.Fin, h.Length = true, int64(len(e.payload))
		e.frame = putHeader(h, b)
	}
	return e
}

// compress returns the message compressed without context, for a window size.
// All windows that can hold the whole message share one result.
func (p *Prepared) compress(windowBits int) *encoded {
	if len(p.plain.payload) <= 1<<windowBits {
		windowBits = len(p.compressed) - 1
	}
	v := &p.compressed[windowBits]
	v.once.Do(func() {
		b := deflate.NewCompressor(windowBits, false).Append(headerSpace[:frame.MaxHeader:frame.MaxHeader], p.plain.payload)
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
		e = p.compress(out.compressor.WindowBits())
		out.compressor.Skip(p.plain.payload)
	}
	if c.client || e.frame == nil {
		return c.writeFragments(e.header, e.payload)
	}
	return c.sendReady(e.frame)
}

// sendReady sends an encoded frame.
func (c *Conn) sendReady(encoded []byte) error {
	c.frameLock.lock()
	err := c.writable()
	if err == nil {
		if err = c.writeNetwork(encoded, nil); err != nil {
			err = c.writeFailed(err)
		}
	}
	c.frameLock.unlock()
	return c.afterFrame(err)
}
