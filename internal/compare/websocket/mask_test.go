package websocket_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// maskWords is the usual implementation of masking: eight bytes at a time, then
// the rest. It must not be inlined, like a function of another package.
//
//go:noinline
func maskWords(b []byte, key uint32) {
	k := uint64(key)<<32 | uint64(key)
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^k)
	}
	for i := range b {
		b[i] ^= byte(key >> (8 * (i & 3)))
	}
}

// TestMaskSpeed prints the cost of masking if the flag -speed is set.
func TestMaskSpeed(t *testing.T) {
	if *speedRounds == 0 {
		t.Skip("a measurement, run with -speed")
	}
	const key = 0x3d21fa37
	methods := []struct {
		name string
		mask func([]byte)
	}{
		{"stanza", func(b []byte) { frame.Mask(b, key) }},
		{"8-byte words", func(b []byte) { maskWords(b, key) }},
		{"gobwas", func(b []byte) { ws.Cipher(b, [4]byte{0x37, 0xfa, 0x21, 0x3d}, 0) }},
	}
	var b strings.Builder
	fmt.Fprintf(&b, "ns to mask, medians of %d\n%-8s", *speedRounds, "bytes")
	for _, m := range methods {
		fmt.Fprintf(&b, " %14s", m.name)
	}
	for _, size := range []int{16, 64, 1 << 10, 64 << 10} {
		payload, times := make([]byte, size), make([][]float64, len(methods))
		n := (16 << 20) / (size + 16)
		for range *speedRounds {
			for i, m := range methods {
				start := time.Now()
				for range n {
					m.mask(payload)
				}
				times[i] = append(times[i], float64(time.Since(start).Nanoseconds())/float64(n))
			}
		}
		fmt.Fprintf(&b, "\n%-8d", size)
		for i := range methods {
			fmt.Fprintf(&b, " %14.1f", median(times[i]))
		}
	}
	t.Log(b.String())
}
