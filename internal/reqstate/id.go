package reqstate

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
)

// NewID returns a random UUID (version 4, RFC 9562 §5.4) in its text form of 36
// characters. It is safe for concurrent use by multiple goroutines.
//
// The 122 random bits come from the runtime's ChaCha8 generator, which is seeded
// by the operating system. Its output cannot be predicted, but unlike crypto/rand
// it is not meant for secrets. An ID distinguishes requests; it grants no access.
func NewID() string {
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
