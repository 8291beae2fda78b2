// Package bufpool lends byte buffers for the length of one call. It is the
// module's only pool of byte slices.
//
// # What may be pooled
//
// A buffer that is given back is soon another request's, so nothing may still
// refer to it then. Handlers can keep what they get hold of, so no buffer is
// handed to a user's code that it could keep without breaking a rule of the
// standard library: a [io.Writer] must not retain the bytes of a Write, nor an
// [io.Reader] those of a Read. (net/http, io.Copy and encoding/json rely on
// the same two rules for their own pools.)
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

// A Buffer is a byte slice on loan. B may be appended to and replaced at
// will; whatever it holds when the buffer is put back is what the pool keeps.
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
