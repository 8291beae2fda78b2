package websocket

import (
	"bufio"
	"bytes"
	"net"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/deflate"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// allocated returns the number of bytes that the process has allocated.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// A loop is a network connection whose Read returns the same bytes repeatedly.
// It discards writes.
type loop struct {
	net.Conn
	data []byte
	next int
}

func (l *loop) Read(p []byte) (int, error) {
	n := copy(p, l.data[l.next:])
	l.next = (l.next + n) % len(l.data)
	return n, nil
}

func (l *loop) Write(p []byte) (int, error) { return len(p), nil }

func newLoop(t testing.TB, size int, params *deflate.Params, role ...func(*Config)) *Conn {
	_, peer := pipe(t, role...)
	conn := &loop{data: peer.frame(frame.Binary, true, string(make([]byte, size)))}
	if params != nil {
		packed := deflate.NewCompressor(15, false).Append(nil, make([]byte, size))
		conn.data = peer.frame(frame.Binary, true, string(packed))
		conn.data[0] |= 0x40
	}
	cfg := Config{Conn: conn, Reader: bufio.NewReader(conn), WriteBufferSize: DefaultBufferSize, CloseError: newCloseError, Compression: params}
	for _, f := range role {
		f(&cfg)
	}
	return New(cfg)
}

func TestAllocations(t *testing.T) {
	if testkit.Race {
		t.Skip("pools drop items at random under the race detector")
	}
	params := &deflate.Params{ServerMaxWindowBits: 15, ClientMaxWindowBits: 15}
	unshared := &deflate.Params{ServerMaxWindowBits: 15, ClientMaxWindowBits: 15, ServerNoContextTakeover: true, ClientNoContextTakeover: true}
	for _, size := range []int{1, 100, 4000, 5000, 60_000, 64 << 10, 300_000, 1 << 20} {
		data := make([]byte, size)
		prepared := NewPrepared(frame.Binary, data)
		var buf bytes.Buffer
		buf.Grow(size + bytes.MinRead)
		server, cl := newLoop(t, size, nil), newLoop(t, size, nil, client)
		packed, packedUnshared := newLoop(t, size, params), newLoop(t, size, unshared)
		tests := []struct {
			name string
			want float64
			do   func() error
		}{
			{"WriteMessage", 0, func() error { return server.WriteMessage(frame.Binary, data) }},
			{"WriteMessage of a client", 0, func() error { return cl.WriteMessage(frame.Binary, data) }},
			{"WriteMessage compressed", 0, func() error { return packed.WriteMessage(frame.Binary, data) }},
			{"WriteMessage compressed without context", 0, func() error { return packedUnshared.WriteMessage(frame.Binary, data) }},
			{"WritePrepared", 0, func() error { return server.WritePrepared(prepared) }},
			{"WritePrepared compressed", 0, func() error { return packed.WritePrepared(prepared) }},
			{"WriteControl", 0, func() error { return server.WriteControl(frame.Ping, data[:min(size, 125)]) }},
			{"ReadMessage", 1, func() error { return readMessage(server) }},
			{"ReadMessage of a client", 1, func() error { return readMessage(cl) }},
			{"NextMessage", 0, func() error { return readInto(server, &buf) }},
			{"NextMessage of a client", 0, func() error { return readInto(cl, &buf) }},
		}
		for _, tt := range tests {
			if err := tt.do(); err != nil {
				t.Fatal(err)
			}
			got := testing.AllocsPerRun(40, func() {
				if err := tt.do(); err != nil {
					t.Fatal(err)
				}
			})
			if got > tt.want {
				t.Errorf("%s, %d bytes: %v allocations, want %v", tt.name, size, got, tt.want)
			}
		}
	}
}

// A plain is a Shared that is never compressed.
type plain []byte

func (p plain) Plain() []byte  { return p }
func (p plain) Packed() []byte { return nil }

func TestJoiningMessagesDoesNotAllocate(t *testing.T) {
	if testkit.Race {
		t.Skip("pools drop items at random under the race detector")
	}
	c := newLoop(t, 1, nil)
	message := plain(EncodeShared(make([]byte, SharedSpace+1<<10)))
	for _, n := range []int{2, 30, maxJoined / len(message), 200} {
		messages := slices.Repeat([]Shared{message}, n)
		if got := testing.AllocsPerRun(40, func() {
			if err := c.WriteShared(messages); err != nil {
				t.Fatal(err)
			}
		}); got > 0 {
			t.Errorf("%d messages: %v allocations", n, got)
		}
	}
}

func readMessage(c *Conn) error {
	_, _, err := c.ReadMessage()
	return err
}

func readInto(c *Conn, buf *bytes.Buffer) error {
	_, r, err := c.NextMessage()
	if err != nil {
		return err
	}
	buf.Reset()
	_, err = buf.ReadFrom(r)
	return err
}

func BenchmarkReadMessage(b *testing.B) {
	for _, size := range []int{64, 1 << 10, 64 << 10, 1 << 20} {
		b.Run(sizeName(size), func(b *testing.B) {
			c := newLoop(b, size, nil)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := readMessage(c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNextMessage(b *testing.B) {
	for _, size := range []int{64, 1 << 10, 64 << 10, 1 << 20} {
		b.Run(sizeName(size), func(b *testing.B) {
			c := newLoop(b, size, nil)
			var buf bytes.Buffer
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := readInto(c, &buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkWriteMessage(b *testing.B) {
	for _, size := range []int{64, 1 << 10, 64 << 10, 1 << 20} {
		for _, role := range []struct {
			name string
			f    func(*Config)
		}{{"server", func(*Config) {}}, {"client", client}} {
			b.Run(role.name+"/"+sizeName(size), func(b *testing.B) {
				c := newLoop(b, size, nil, role.f)
				data := make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if err := c.WriteMessage(frame.Binary, data); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func sizeName(size int) string { return "size=" + strconv.Itoa(size) }
