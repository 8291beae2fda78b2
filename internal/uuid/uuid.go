// Package uuid makes random (version 4) UUIDs as RFC 9562 §5.4 lays them out.
package uuid

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
)

// New returns a version 4 UUID in its text form of 36 characters. It is safe
// for concurrent use.
//
// The 122 random bits come from the runtime's generator, ChaCha8 keyed by the
// operating system: nobody guesses the next, but unlike crypto/rand it makes
// no promise to keep secrets. The ids tell requests apart; they grant nothing.
func New() string {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(b[8:], rand.Uint64())
	b[6] = b[6]&0x0f | 0x40 // version 4
	b[8] = b[8]&0x3f | 0x80 // variant of RFC 9562

	var text [36]byte
	hex.Encode(text[0:8], b[0:4])
	hex.Encode(text[9:13], b[4:6])
	hex.Encode(text[14:18], b[6:8])
	hex.Encode(text[19:23], b[8:10])
	hex.Encode(text[24:36], b[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}
