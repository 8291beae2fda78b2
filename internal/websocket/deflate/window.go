package deflate

import "math/bits"

// minRing is the least that a window allocates.
const minRing = 256

// A window holds the last bytes of a stream. It grows with them, up to max.
type window struct {
	ring []byte // the length is zero or a power of two
	end  int    // index behind the last byte
	size int    // bytes held
	max  int    // a power of two
}

// reset empties the window and sets its size. It keeps what it has allocated.
func (w *window) reset(max int) {
	w.ring = w.ring[:min(cap(w.ring), max)]
	w.end, w.size, w.max = 0, 0, max
}

// write adds p.
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

// grow makes room for n bytes, of at most max.
func (w *window) grow(n int) {
	length := max(min(minRing, w.max), 1<<bits.Len(uint(n-1)))
	ring := make([]byte, length)
	if w.size > 0 {
		w.copy(ring[:w.size], w.size)
	}
	w.ring, w.end = ring, w.size
}

// copy fills dst with the bytes that begin back bytes before the end. Both back
// and len(dst) are at most size, and len(dst) is at most back.
func (w *window) copy(dst []byte, back int) {
	start := (w.end - back) & (len(w.ring) - 1)
	n := copy(dst, w.ring[start:])
	copy(dst[n:], w.ring)
}
