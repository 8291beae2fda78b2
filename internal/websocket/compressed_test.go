package websocket

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stanza-go/framework/pkg/http/internal/websocket/deflate"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// compressing configures compression with context takeover.
func compressing(cfg *Config) {
	cfg.Compression = &deflate.Params{ServerMaxWindowBits: 15, ClientMaxWindowBits: 15}
}

// compressedFrames returns the frames of compressed messages, in fragments of
// the given size.
func compressedFrames(peer *rawPeer, piece int, messages ...string) []byte {
	c := deflate.NewCompressor(15, true)
	var stream []byte
	for _, message := range messages {
		op := frame.Binary
		for rest := c.Append(nil, []byte(message)); op != frame.Continuation || len(rest) > 0; {
			n := min(piece, len(rest))
			sent := peer.frame(op, n == len(rest), string(rest[:n]))
			if op != frame.Continuation {
				sent[0] |= 0x40
			}
			stream = append(stream, sent...)
			op, rest = frame.Continuation, rest[n:]
		}
	}
	return stream
}

// A deadline that passes in the middle of a compressed message loses no byte of
// it, and does not change the context of the next message.
func TestReadGoesOnAfterADeadlineInACompressedMessage(t *testing.T) {
	t.Parallel()
	messages := []string{strings.Repeat("one of many ", 20), "", "one of many that ends " + strings.Repeat("x", 600), "last of many"}
	for _, how := range readings {
		for role, change := range map[string]func(*Config){"server": func(*Config) {}, "client": client} {
			t.Run(how.name+" of a "+role, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					_, peer := pipe(t, change, compressing)
					stream := compressedFrames(peer, 25, messages...)
					for at := range stream {
						c, peer := pipe(t, change, compressing)
						go io.Copy(io.Discard, peer.conn)
						readWithTimeoutAt(t, c, peer, how, stream, at, messages)
						peer.conn.Close()
						c.conn.Close()
					}
				})
			})
		}
	}
}

// Until a compressed message is complete, ReadMessage decompresses only a small
// multiple of the bytes that have arrived. After that, it returns all of it.
func TestCompressedMessagesWaitInCompressedForm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe(t, compressing)
		text := make([]byte, 8<<20)
		stream := compressedFrames(peer, 500, string(text))
		type result struct {
			p   []byte
			err error
		}
		done := make(chan result, 1)
		go func() {
			_, p, err := c.ReadMessage()
			done <- result{p, err}
		}()
		for sent := 0; len(stream) > 0; {
			n := min(300, len(stream))
			peer.conn.Write(stream[:n])
			stream = stream[n:]
			sent += n
			synctest.Wait()
			if c.in.chunks.size > max(firstText, textGrowth*sent) && len(stream) > 0 {
				t.Fatalf("after %d bytes there are %d of text", sent, c.in.chunks.size)
			}
		}
		if r := <-done; r.err != nil || !bytes.Equal(r.p, text) {
			t.Errorf("%d bytes, %v", len(r.p), r.err)
		}
		c.conn.Close()
		peer.conn.Close()
	})
}

// The number of frames without payload is limited, in messages with and without
// compression.
func TestEmptyFramesAreBounded(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]byte{"plain": 0x02, "compressed": 0x42} {
		for _, frames := range []int{maxEmptyFrames, maxEmptyFrames + 1} {
			c, peer := pipe(t, compressing)
			closed := make(chan frame.Header, 1)
			go func() {
				h, _, _ := peer.next()
				closed <- h
			}()
			go func() {
				empty := peer.frame(frame.Binary, false, "")
				empty[0] = first
				for range frames {
					if _, err := peer.conn.Write(empty); err != nil {
						return
					}
					empty[0] = 0x00
				}
				peer.conn.Write(peer.frame(frame.Continuation, true, "\x00"))
			}()
			_, p, err := c.ReadMessage()
			if frames <= maxEmptyFrames {
				if want := map[string]int{"plain": 1}[name]; err != nil || len(p) != want {
					t.Errorf("%s, %d frames: %q, %v", name, frames, p, err)
				}
				continue
			}
			if !errors.Is(err, ErrReadLimit) {
				t.Errorf("%s, %d frames: %q, %v", name, frames, p, err)
			}
			if h := <-closed; h.Opcode != frame.Close {
				t.Errorf("%s: the peer got opcode %d", name, h.Opcode)
			}
		}
	}
}
