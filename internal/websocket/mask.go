package websocket

import (
	"crypto/rand"
	"encoding/binary"
)

// maskingKeys generates the masking keys of a client's frames. An attacker who
// chooses payloads must not be able to predict the keys (RFC 6455, section
// 10.3), so they come from crypto/rand, 32 at a time.
type maskingKeys struct {
	random [32 * 4]byte
	unused int // bytes at the end of random
}

// next returns a new key.
func (k *maskingKeys) next() uint32 {
	if k.unused == 0 {
		_, _ = rand.Read(k.random[:]) // never returns an error
		k.unused = len(k.random)
	}
	key := k.random[len(k.random)-k.unused:]
	k.unused -= 4
	return binary.LittleEndian.Uint32(key)
}
