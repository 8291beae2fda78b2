package deflate

import "math/bits"

// minRing is the size of the smallest ring that a window allocates.
const minRing = 256

// A window holds the last max bytes of a stream. Its memory grows with the
// stream.
type window struct {
	ring []byte // length is 0 or a power of two
	end  int    // index after the last byte
	size int    // number of bytes
	max  int    // a power of two
}

// reset empties the window and sets max. It keeps the allocated memory.
func (w *window) reset(max int) {
	w.ring = w.ring[:min(cap(w.ring), max)]
	w.end, w.size, w.max = 0, 0, max
}

// write appends p.
func (w *window) write(p []byte) {
	p = p[max(0, len(p)-w.max):]
	if need := min(w.size+len(p), w.max); need > len(w.ring) {
		w.grow(need)
	}
	for len(p) > 0 {
		n := copy(w.ring[w.end:], p)
		p = p[n:]
		w.end = (w.end + n) & (len(w.ring) - 1)
		w.size = min(w.size+n, len(w.ring))
	}
}

// grow makes room for n bytes. It requires n <= max.
func (w *window) grow(n int) {
	length := max(min(minRing, w.max), 1<<bits.Len(uint(n-1)))
	ring := make([]byte, length)
	if w.size > 0 {
		w.copy(ring[:w.size], w.size)
	}
	w.ring, w.end = ring, w.size
}

// copy fills dst with the bytes that start back bytes before the end. It
// requires len(dst) <= back <= size.
func (w *window) copy(dst []byte, back int) {
	start := (w.end - back) & (len(w.ring) - 1)
	n := copy(dst, w.ring[start:])
	copy(dst[n:], w.ring)
}
