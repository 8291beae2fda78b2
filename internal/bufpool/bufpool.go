// Package bufpool lends byte buffers for the length of one call. It is the
// module's only pool of byte slices.
//
// # What may be pooled
//
// Another request soon uses a buffer that was put back, so nothing else may
// refer to it. User code may keep anything it is given, unless the standard
// library forbids it: an [io.Writer] must not retain the bytes of a Write, nor
// an [io.Reader] those of a Read. Buffers must not reach user code in any other
// way. For example, the body given to an UnmarshalJSON method is not pooled.
// The pools of net/http, io.Copy and encoding/json rely on the same two rules.
//
// A Write that failed may still be going on: the HTTP/2 server of net/http
// returns from Write when the client resets the stream, while another
// goroutine sends the bytes. Such a buffer must not be put back.
//
// A buffer that several goroutines can reach must be used and put back under
// one mutex.
package bufpool

import "sync"

// maxKept is the largest capacity that goes back to the pool. Larger buffers
// are left to the garbage collector, so that one big response does not pin
// its memory for ever.
const maxKept = 64 << 10

// startSize is the capacity of a new buffer: enough for most JSON answers.
const startSize = 2 << 10

// A Buffer is a byte slice on loan. The borrower may append to B and replace it.
// Put keeps the slice that B is at that time.
type Buffer struct{ B []byte }

// pool holds buffers that nobody refers to, by the rules above.
var pool = sync.Pool{
	New: func() any { return &Buffer{B: make([]byte, 0, startSize)} },
}

// Get returns an empty buffer. The caller owns it until Put.
func Get() *Buffer { return pool.Get().(*Buffer) }

// GetSize is Get for a buffer with a capacity of at least n.
func GetSize(n int) *Buffer {
	b := Get()
	if cap(b.B) < n {
		b.B = make([]byte, 0, n)
	}
	return b
}

// Put returns b to the pool. Neither b nor any slice of b.B may be used after.
func Put(b *Buffer) {
	if cap(b.B) > maxKept {
		b.B = nil // for the garbage collector, whoever may still have b
		return
	}
	b.B = b.B[:0]
	pool.Put(b)
}

// Write appends p; it makes a Buffer an [io.Writer] and never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	b.B = append(b.B, p...)
	return len(p), nil
}

// WriteString appends s.
func (b *Buffer) WriteString(s string) (int, error) {
	b.B = append(b.B, s...)
	return len(s), nil
}
