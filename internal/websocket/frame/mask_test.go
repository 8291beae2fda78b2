package frame_test

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"math/bits"
	"testing"

	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// maskNaive implements RFC 6455, section 5.3, literally.
func maskNaive(b []byte, key uint32) uint32 {
	k := binary.LittleEndian.AppendUint32(nil, key)
	for i := range b {
		b[i] ^= k[i%4]
	}
	return bits.RotateLeft32(key, -8*(len(b)%4))
}

func maskWords(b []byte, key uint32) uint32 {
	word := uint64(key)<<32 | uint64(key)
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^word)
		b = b[8:]
	}
	return maskNaive(b, key)
}

func maskTiled(b []byte, key uint32) uint32 {
	var tile [512]byte
	for i := 0; i < len(tile) && i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(tile[i:], uint64(key)<<32|uint64(key))
	}
	key = bits.RotateLeft32(key, -8*(len(b)%4))
	for len(b) > 0 {
		b = b[subtle.XORBytes(b, b, tile[:]):]
	}
	return key
}

func TestMaskAgreesWithTheDefinition(t *testing.T) {
	t.Parallel()
	const key = 0x44332211
	for length := range 301 {
		for offset := range 8 {
			// The key after offset bytes, and a slice that is not aligned to
			// words.
			turned := bits.RotateLeft32(key, -8*offset)
			want, got := make([]byte, offset+length), make([]byte, offset+length)
			for i := range want {
				want[i] = byte(i*7 + 3)
			}
			copy(got, want)
			wantKey := maskNaive(want[offset:], turned)
			gotKey := frame.Mask(got[offset:], turned)
			if !bytes.Equal(got, want) || gotKey != wantKey {
				t.Fatalf("length %d, offset %d: key %x, want %x\n got %x\nwant %x", length, offset, gotKey, wantKey, got, want)
			}
		}
	}
}

func FuzzMaskInPieces(f *testing.F) {
	f.Add([]byte("hello, world"), uint32(0x01020304), 5)
	f.Add(bytes.Repeat([]byte("x"), 200), uint32(0xFF00FF00), 65)
	f.Fuzz(func(t *testing.T, b []byte, key uint32, cut int) {
		if cut < 0 || cut > len(b) {
			return
		}
		want, got := bytes.Clone(b), bytes.Clone(b)
		maskNaive(want, key)
		frame.Mask(got[cut:], frame.Mask(got[:cut], key))
		if !bytes.Equal(got, want) {
			t.Errorf("cut at %d: %x, want %x", cut, got, want)
		}
	})
}

func BenchmarkMask(b *testing.B) {
	methods := []struct {
		name string
		mask func([]byte, uint32) uint32
	}{
		{"chosen", frame.Mask},
		{"words", maskWords},
		{"tiled", maskTiled},
		{"naive", maskNaive},
	}
	for _, size := range []int{0, 7, 16, 64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10} {
		buf := make([]byte, size)
		for _, m := range methods {
			b.Run(fmt.Sprintf("size=%d/method=%s", size, m.name), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					m.mask(buf, 0x12345678)
				}
			})
		}
	}
}
