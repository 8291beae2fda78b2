package frame_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHeaderOnTheWire(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		h    frame.Header
		wire string
	}{
		{"empty text", frame.Header{Fin: true, Opcode: frame.Text}, "8100"},
		{"first fragment", frame.Header{Opcode: frame.Binary, Length: 1}, "0201"},
		{"longest in 7 bits", frame.Header{Fin: true, Opcode: frame.Binary, Length: 125}, "827d"},
		{"shortest in 16 bits", frame.Header{Fin: true, Opcode: frame.Binary, Length: 126}, "827e 007e"},
		{"longest in 16 bits", frame.Header{Fin: true, Opcode: frame.Binary, Length: 65535}, "827e ffff"},
		{"shortest in 64 bits", frame.Header{Fin: true, Opcode: frame.Binary, Length: 65536}, "827f 0000000000010000"},
		{"longest", frame.Header{Fin: true, Opcode: frame.Binary, Length: 1<<63 - 1}, "827f 7fffffffffffffff"},
		{"masked", frame.Header{Fin: true, Opcode: frame.Text, Masked: true, Key: 0x78563412, Length: 5}, "8185 12345678"},
		{"compressed", frame.Header{Fin: true, Compressed: true, Opcode: frame.Text, Length: 7}, "c107"},
		{"ping", frame.Header{Fin: true, Opcode: frame.Ping, Length: 125}, "897d"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wire := unhex(t, tt.wire)
			if got := frame.AppendHeader(nil, tt.h); !bytes.Equal(got, wire) {
				t.Errorf("AppendHeader(%+v) = %x, want %x", tt.h, got, wire)
			}
			d := frame.Decoder{Masked: tt.h.Masked, Compression: tt.h.Compressed}
			got, size, err := d.Next(wire)
			if err != nil || size != len(wire) || got != tt.h {
				t.Errorf("Next(%x) = %+v, %d, %v; want %+v, %d", wire, got, size, err, tt.h, len(wire))
			}
		})
	}
}

func TestDecoderAsksForMissingBytes(t *testing.T) {
	t.Parallel()
	wire := unhex(t, "82ff 0000000000010000 01020304")
	d := frame.Decoder{Masked: true}
	for n, want := range []int{2, 2, 10, 10, 10, 10, 10, 10, 10, 10, 14, 14, 14, 14} {
		h, size, err := d.Next(wire[:n])
		if h != (frame.Header{}) || size != want || err != nil {
			t.Errorf("Next of %d bytes = %+v, %d, %v; want size %d", n, h, size, err, want)
		}
	}
}

// All violations that a header can contain, after the frames that lead to them.
// If the first two bytes prove the violation, only those are passed.
func TestDecoderRefusesViolations(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		decoder frame.Decoder
		before  []string
		wire    string
		want    string
	}{
		{"RSV1 without compression", frame.Decoder{}, nil, "c100", "reserved bits set"},
		{"RSV2", frame.Decoder{Compression: true}, nil, "a100", "reserved bits set"},
		{"RSV3", frame.Decoder{Compression: true}, nil, "9100", "reserved bits set"},
		{"RSV1 on a continuation", frame.Decoder{Compression: true}, []string{"4100"}, "c000", "reserved bits set"},
		{"RSV1 on a ping", frame.Decoder{Compression: true}, nil, "c900", "reserved bits set"},
		{"opcode 3", frame.Decoder{}, nil, "8300", "reserved opcode"},
		{"opcode 7", frame.Decoder{}, nil, "8700", "reserved opcode"},
		{"opcode 11", frame.Decoder{}, nil, "8b00", "reserved opcode"},
		{"opcode 15", frame.Decoder{}, nil, "8f00", "reserved opcode"},
		{"unmasked from a client", frame.Decoder{Masked: true}, nil, "8100", "frame not masked"},
		{"masked from a server", frame.Decoder{}, nil, "8180", "frame masked"},
		{"ping without FIN", frame.Decoder{}, nil, "0900", "fragmented control frame"},
		{"ping of 126 bytes", frame.Decoder{}, nil, "897e", "control frame too long"},
		{"close of 2^16 bytes", frame.Decoder{}, nil, "887f", "control frame too long"},
		{"continuation first", frame.Decoder{}, nil, "8000", "continuation without a message"},
		{"continuation after a whole message", frame.Decoder{}, []string{"8100"}, "0000", "continuation without a message"},
		{"continuation after the last one", frame.Decoder{}, []string{"0100", "8900", "8000"}, "8000", "continuation without a message"},
		{"text inside a message", frame.Decoder{}, []string{"0100"}, "8100", "new message inside a message"},
		{"binary after a continuation", frame.Decoder{}, []string{"0100", "0000", "8a00"}, "0200", "new message inside a message"},
		{"125 in 16 bits", frame.Decoder{}, nil, "827e 007d", "length not minimally encoded"},
		{"65535 in 64 bits", frame.Decoder{}, nil, "827f 000000000000ffff", "length not minimally encoded"},
		{"length with the top bit", frame.Decoder{}, nil, "827f 8000000000000000", "length has the top bit set"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := tt.decoder
			for _, wire := range tt.before {
				if _, _, err := d.Next(unhex(t, wire)); err != nil {
					t.Fatalf("Next(%s): %v", wire, err)
				}
			}
			_, _, err := d.Next(unhex(t, tt.wire))
			var violation *frame.Error
			if !errors.As(err, &violation) || violation.Reason != tt.want || violation.Code != frame.CodeProtocolError {
				t.Errorf("Next(%s) = %v, want %q with code 1002", tt.wire, err, tt.want)
			}
		})
	}
}

func TestDecoderAllowsControlFramesInsideAMessage(t *testing.T) {
	t.Parallel()
	d := frame.Decoder{Compression: true}
	for _, wire := range []string{"4103", "897d", "0000", "8a00", "8000", "8800", "c100", "8200"} {
		if _, size, err := d.Next(unhex(t, wire)); err != nil || size != 2 {
			t.Errorf("Next(%s) = %d, %v", wire, size, err)
		}
	}
}

func TestDecodingAllocatesNothing(t *testing.T) {
	frames := [][]byte{
		unhex(t, "8180 01020304"),
		unhex(t, "82ff 7fffffffffffffff 01020304"),
		unhex(t, "8f80"),
		unhex(t, "82fe 0000 01020304"),
	}
	if n := testing.AllocsPerRun(100, func() {
		for _, f := range frames {
			d := frame.Decoder{Masked: true}
			d.Next(f)
		}
	}); n != 0 {
		t.Errorf("decoding made %v allocations", n)
	}
}

func FuzzHeaderEncodeThenDecode(f *testing.F) {
	f.Add(true, false, true, byte(1), uint32(0x01020304), int64(5))
	f.Add(false, true, false, byte(2), uint32(0), int64(126))
	f.Add(true, false, true, byte(9), uint32(1), int64(125))
	f.Add(true, true, true, byte(2), uint32(1<<31), int64(65536))
	f.Fuzz(func(t *testing.T, fin, compressed, masked bool, op byte, key uint32, length int64) {
		h := frame.Header{Fin: fin, Compressed: compressed, Masked: masked, Opcode: frame.Opcode(op & 0xF), Length: length}
		if masked {
			h.Key = key
		}
		if length < 0 {
			return
		}
		wire := frame.AppendHeader(nil, h)
		if len(wire) > frame.MaxHeader {
			t.Fatalf("header of %d bytes", len(wire))
		}
		d := frame.Decoder{Masked: masked, Compression: true}
		got, size, err := d.Next(append(wire, 0xFF))
		if err != nil {
			return // the header was invalid before it was encoded
		}
		if got != h || size != len(wire) {
			t.Errorf("%+v is decoded as %+v, size %d of %d", h, got, size, len(wire))
		}
	})
}

// FuzzDecoderChunking checks that bytes that arrive one at a time are decoded
// to the same frames and the same error as all bytes together, and that the
// error is not returned later.
func FuzzDecoderChunking(f *testing.F) {
	f.Add([]byte("\x81\x85\x01\x02\x03\x04hello\x89\x80\x01\x02\x03\x04"), true, false)
	f.Add([]byte("\x01\x03abc\x89\x00\x80\x02de\x88\x02\x03\xe8"), false, false)
	f.Add([]byte("\xc1\x7e\x00\x7e"), false, true)
	f.Add([]byte("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"), false, false)
	f.Fuzz(func(t *testing.T, stream []byte, masked, compression bool) {
		whole := frame.Decoder{Masked: masked, Compression: compression}
		bytewise := whole
		for len(stream) > 0 {
			want, wantSize, wantErr := whole.Next(stream)
			got, size, err := frame.Header{}, 2, error(nil)
			for n := 0; n <= len(stream) && err == nil; n++ {
				got, size, err = bytewise.Next(stream[:n])
				if err == nil && size <= n {
					if size < n {
						t.Fatalf("size %d found only at %d bytes", size, n)
					}
					break
				}
			}
			if got != want || size != wantSize || err != wantErr {
				t.Fatalf("at once %+v, %d, %v; byte by byte %+v, %d, %v", want, wantSize, wantErr, got, size, err)
			}
			if err != nil || size > len(stream) {
				return
			}
			if want.Length > int64(len(stream)-size) {
				return
			}
			stream = stream[size+int(want.Length):]
		}
	})
}

func BenchmarkDecoder(b *testing.B) {
	wire := unhex(b, "81fe 0400 01020304")
	d := frame.Decoder{Masked: true}
	b.ReportAllocs()
	for b.Loop() {
		d.Next(wire)
	}
}

func BenchmarkAppendHeader(b *testing.B) {
	buf := make([]byte, 0, frame.MaxHeader)
	b.ReportAllocs()
	for b.Loop() {
		buf = frame.AppendHeader(buf[:0], frame.Header{Fin: true, Opcode: frame.Text, Length: 1024})
	}
}
