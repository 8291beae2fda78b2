package deflate

import "encoding/binary"

// A bitWriter packs bits into bytes, starting with the least significant bit
// (RFC 1951, section 3.1.1).
type bitWriter struct {
	acc uint64 // bits not yet appended
	n   uint   // number of bits in acc; fewer than 32 between calls
}

// bits appends the low n bits of v. At most 32 bits are allowed, and the other
// bits of v must be 0.
func (w *bitWriter) bits(dst []byte, v uint64, n uint) []byte {
	w.acc |= v << w.n
	w.n += n
	if w.n >= 32 {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(w.acc))
		w.acc >>= 32
		w.n -= 32
	}
	return dst
}

// symbol appends the code of a symbol and its n extra bits, with value extra.
func (w *bitWriter) symbol(dst []byte, c *code, symbol, extra int, n uint) []byte {
	length := uint(c.length[symbol])
	return w.bits(dst, uint64(c.bits[symbol])|uint64(extra)<<length, length+n)
}

// align pads the last byte with zeros and appends all bits.
func (w *bitWriter) align(dst []byte) []byte {
	for ; w.n > 0; w.n -= min(w.n, 8) {
		dst = append(dst, byte(w.acc))
		w.acc >>= 8
	}
	return dst
}

// stored appends text in stored blocks (RFC 1951, section 3.2.4).
func (w *bitWriter) stored(dst, text []byte) []byte {
	for len(text) > 0 {
		n := min(len(text), storedMax)
		dst = w.align(w.bits(dst, 0, 3))
		dst = binary.LittleEndian.AppendUint16(dst, uint16(n))
		dst = binary.LittleEndian.AppendUint16(dst, ^uint16(n))
		dst = append(dst, text[:n]...)
		text = text[n:]
	}
	return dst
}
