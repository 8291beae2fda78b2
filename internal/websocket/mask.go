package websocket

import (
	"crypto/rand"
	"encoding/binary"
)

// maskingKeys makes the keys that a client masks its frames with. An attacker
// who chooses payloads must not be able to predict them (RFC 6455, section
// 10.3), so they come from crypto/rand, in batches.
type maskingKeys struct {
	random [32 * 4]byte
	left   int // unused bytes at the end of random
}

// next returns a new key.
func (k *maskingKeys) next() uint32 {
	if k.left == 0 {
		_, _ = rand.Read(k.random[:]) // it never returns an error
		k.left = len(k.random)
	}
	key := k.random[len(k.random)-k.left:]
	k.left -= 4
	return binary.LittleEndian.Uint32(key)
}
