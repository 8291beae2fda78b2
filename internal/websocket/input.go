package websocket

import (
	"bufio"
	"io"
	"net"
	"syscall"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
)

// An input is a buffered reader of the network connection, with the methods of a
// [bufio.Reader].
type input interface {
	io.Reader
	Buffered() int
	Peek(n int) ([]byte, error)
	Discard(n int) (int, error)
}

// Poolable reports whether a connection can wait for input without holding a read
// buffer.
func Poolable(conn net.Conn) bool { return isVectored(conn) && canTryRead }

// newInput returns the reader of a connection that has no [Config.Reader].
func newInput(conn net.Conn, size int) input {
	if Poolable(conn) {
		raw, err := conn.(syscall.Conn).SyscallConn()
		if err == nil {
			return newPooledInput(conn, raw, size)
		}
	}
	return bufio.NewReaderSize(conn, size)
}

// A pooledInput is an input whose buffer comes from the pool of buffers. While
// it waits for the first byte, it holds no buffer: most connections are idle
// most of the time.
//
// Waiting for input without a buffer is possible with [syscall.RawConn.Read],
// which calls a function that tries to read, and again whenever the connection
// has become readable.
type pooledInput struct {
	conn  net.Conn
	raw   syscall.RawConn
	try   func(fd uintptr) bool // the method tryFill
	size  int                   // of the buffer
	buf   *bufpool.Buffer       // nil if there is none; then start and end are 0
	start int                   // the buffer holds the bytes from start to end
	end   int
	err   error // of tryFill
}

func newPooledInput(conn net.Conn, raw syscall.RawConn, size int) *pooledInput {
	in := &pooledInput{conn: conn, raw: raw, size: size}
	in.try = in.tryFill
	return in
}

// Buffered returns the number of bytes that can be read without waiting.
func (in *pooledInput) Buffered() int { return in.end - in.start }

// Peek returns the next n bytes without advancing. They are valid until the next
// call of another method. If there are fewer, it returns an error. n must not be
// larger than the size of the buffer.
func (in *pooledInput) Peek(n int) ([]byte, error) {
	for in.Buffered() < n {
		if err := in.fill(); err != nil {
			return nil, err
		}
	}
	if n == 0 {
		return nil, nil
	}
	return in.buf.B[in.start : in.start+n], nil
}

// Discard skips n bytes, which must be buffered.
func (in *pooledInput) Discard(n int) (int, error) {
	in.start += n
	return n, nil
}

// Read implements [io.Reader]. It reads from the connection at most once, and not if
// p is empty. If the buffer is empty and p is not smaller, it reads into p.
func (in *pooledInput) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if in.Buffered() == 0 {
		if len(p) >= in.size {
			in.release()
			return in.conn.Read(p)
		}
		if err := in.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.buf.B[in.start:in.end])
	in.start += n
	return n, nil
}

// fill waits until the buffer holds more bytes than before.
func (in *pooledInput) fill() error {
	if in.start > 0 {
		in.end = copy(in.buf.B, in.buf.B[in.start:in.end])
		in.start = 0
	}
	err := in.raw.Read(in.try)
	if err == nil {
		err = in.err
	} else if operation, ok := err.(*net.OpError); ok {
		operation.Op = "read" // instead of raw-read
	}
	if in.end == 0 {
		in.release()
	}
	return err
}

// tryFill reads into the buffer, and reports whether fill can stop waiting.
func (in *pooledInput) tryFill(fd uintptr) bool {
	if in.buf == nil {
		in.buf = bufpool.GetSize(in.size)
		in.buf.B = in.buf.B[:in.size]
	}
	n, again, err := tryRead(fd, in.buf.B[in.end:])
	switch {
	case again:
		if in.end == 0 {
			in.release()
		}
		return false
	case err != nil:
		in.err = &net.OpError{Op: "read", Net: in.conn.LocalAddr().Network(), Source: in.conn.LocalAddr(), Addr: in.conn.RemoteAddr(), Err: err}
	case n == 0:
		in.err = io.EOF
	default:
		in.err = nil
	}
	in.end += max(n, 0)
	return true
}

// release puts an empty buffer back into the pool.
func (in *pooledInput) release() {
	if in.buf != nil {
		bufpool.Put(in.buf)
	}
	in.buf, in.start, in.end = nil, 0, 0
}
