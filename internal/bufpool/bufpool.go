// Package bufpool provides byte buffers for the duration of one call. It is the only pool
// of byte slices in the module.
//
// # What may be pooled
//
// A buffer that was put back is soon used by another request, so nothing else may refer to
// it. User code may keep anything that it gets, unless the standard library forbids it: an
// [io.Writer] must not retain the bytes of a Write, and an [io.Reader] must not retain those
// of a Read. Buffers must not reach user code in any other way. For example, the body that
// an UnmarshalJSON method gets is not pooled. The pools of net/http, io.Copy and
// encoding/json rely on the same two rules.
//
// A Write that has returned an error may still be in progress: if the client resets the
// stream, Write of the HTTP/2 server in net/http returns while another goroutine sends the
// bytes. Such a buffer must not be put back.
//
// If multiple goroutines can reach a buffer, it must be used and put back under one mutex.
package bufpool

import "sync"

// maxKept is the largest capacity, in bytes, of a buffer that Put keeps. Larger buffers are
// left to the garbage collector, so that the pool does not keep the memory of large responses.
const maxKept = 64 << 10

// startSize is the capacity in bytes of a new buffer. It is enough for most JSON responses.
const startSize = 2 << 10

// A Buffer is a byte slice from the pool. Its user may append to B or replace it. Put keeps
// the slice that B holds when Put is called. A Buffer is not safe for concurrent use.
type Buffer struct{ B []byte }

// pool contains buffers to which nothing refers, by the rules of the package comment.
var pool = sync.Pool{
	New: func() any { return &Buffer{B: make([]byte, 0, startSize)} },
}

// Get returns an empty buffer. Only the caller may use it, until Put.
func Get() *Buffer { return pool.Get().(*Buffer) }

// GetSize is like Get for a buffer with a capacity of at least n.
func GetSize(n int) *Buffer {
	b := Get()
	if cap(b.B) < n {
		b.B = make([]byte, 0, n)
	}
	return b
}

// Put puts b back into the pool. The caller must not use b or any slice of b.B afterwards.
func Put(b *Buffer) {
	if cap(b.B) > maxKept {
		b.B = nil // frees it, even if something still refers to b
		return
	}
	b.B = b.B[:0]
	pool.Put(b)
}

// Write implements [io.Writer]. It appends p and always succeeds.
func (b *Buffer) Write(p []byte) (int, error) {
	b.B = append(b.B, p...)
	return len(p), nil
}

// WriteString appends s.
func (b *Buffer) WriteString(s string) (int, error) {
	b.B = append(b.B, s...)
	return len(s), nil
}
