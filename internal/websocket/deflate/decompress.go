package deflate

import (
	"errors"
	"io"
	"sync"
)

var (
	// ErrLimit is returned by a [Reader] if its message exceeds the limit,
	// compressed or decompressed.
	ErrLimit = errors.New("decompressed message exceeds the limit")

	// ErrCorrupt is returned by a [Reader] if its message is not a sequence of
	// DEFLATE blocks, or a distance exceeds the negotiated window.
	ErrCorrupt = errors.New("corrupt compressed data")
)

// A Source provides the compressed bytes of a message.
type Source interface {
	// Next returns the next piece, which is valid until the next call. At the
	// end of the message, it returns [io.EOF].
	Next() ([]byte, error)

	// Ended reports whether Next would return io.EOF. It does not block.
	Ended() bool
}

// A Decompressor decompresses the messages of a peer. It is not safe for
// concurrent use.
//
// With context takeover, it keeps the last decompressed bytes, at most a
// window, between messages. Without context takeover, it keeps nothing. While a
// message is read, it takes about 6 KB from a pool and, without context
// takeover, a window that grows with the text read so far, up to the negotiated
// size.
type Decompressor struct {
	windowSize int
	window     *window // nil without context takeover
}

// NewDecompressor returns a Decompressor for a peer with a window of
// 1<<windowBits bytes.
func NewDecompressor(windowBits int, contextTakeover bool) *Decompressor {
	d := &Decompressor{windowSize: 1 << windowBits}
	if contextTakeover {
		d.window = &window{max: d.windowSize}
	}
	return d
}

// Open returns a Reader of a message with at most limit decompressed bytes. The
// Decompressor must not be used until the Reader has reached the end of the
// message.
//
// Because blocks may be empty, the compressed bytes are limited too: to 16 per
// byte of text plus 64 KB, and to twice the limit plus 64 KB. Ordinary senders
// stay far below. For example, incompressible text takes 5 extra bytes per
// block, and a sender that flushes after each byte takes up to 11 bytes per
// byte of text.
func (d *Decompressor) Open(source Source, limit int64) *Reader {
	r := readers.Get().(*Reader)
	r.remaining, r.contextTakeover = limit, d.window != nil
	r.open(source, limit)
	if r.window = d.window; r.window == nil {
		r.window = &r.scratch
		r.window.reset(d.windowSize)
	}
	return r
}

// A Reader reads one message. When a method returns [io.EOF], [ErrLimit] or
// [ErrCorrupt], the Reader is back in a pool and must not be used again. It is
// not safe for concurrent use.
type Reader struct {
	remaining       int64  // limit minus the bytes read so far
	contextTakeover bool   // the next message uses the window too
	scratch         window // used without context takeover
	inflater
}

// readers is safe to use because no user code has access to a Reader. A
// connection guards its Reader with streamLock, and does not use it after the
// errors that release it.
var readers = sync.Pool{New: func() any { return new(Reader) }}

// Read reads decompressed bytes. It does not wait for input while it can return
// output. Read returns errors of the source unchanged, and can then be called
// again to continue. Its other errors are [io.EOF], [ErrLimit] and
// [ErrCorrupt].
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if int64(len(p)) > r.remaining {
		// One extra byte is enough to detect a message that is too long.
		p = p[:r.remaining+1]
	}
	n, err := r.decode(p)
	if r.contextTakeover || err != io.EOF {
		r.window.write(p[:n])
	}
	if int64(n) > r.remaining {
		n, err = int(r.remaining), ErrLimit
	}
	r.remaining -= int64(n)
	r.produced += int64(n)
	return n, r.release(err)
}

// Received returns the number of compressed bytes that have arrived.
func (r *Reader) Received() int64 { return r.received }

// Fetch waits for the next compressed bytes and stores them, to be decompressed
// later. The source must not have ended. Fetch returns the errors of Read
// except [io.EOF].
func (r *Reader) Fetch() error { return r.release(r.fetch()) }

// release returns r to the pool if err ends the message. It returns err.
func (r *Reader) release(err error) error {
	if err == io.EOF || err == ErrLimit || err == ErrCorrupt {
		r.close()
		readers.Put(r)
	}
	return err
}
