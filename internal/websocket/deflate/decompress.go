package deflate

import (
	"errors"
	"io"
	"sync"
)

var (
	// ErrLimit is returned by a [Reader] whose message is longer than its
	// limit allows, before or after decompression.
	ErrLimit = errors.New("decompressed message exceeds the limit")

	// ErrCorrupt is returned by a [Reader] whose message is not a sequence of
	// DEFLATE blocks, or refers to text beyond the agreed window.
	ErrCorrupt = errors.New("corrupt compressed data")
)

// A Source hands out the compressed bytes of a message piece by piece, and
// then [io.EOF]. A piece is valid until Next is called again.
type Source interface {
	Next() ([]byte, error)

	// Ended reports whether Next would return io.EOF. It does not wait.
	Ended() bool
}

// A Decompressor decompresses the messages that one end of a connection
// sends. It is not safe for concurrent use.
//
// Without context takeover it holds no memory between messages. With it, it
// holds the last bytes received, at most a window of them. A message that is
// being read borrows about 6 KB from a pool, and without context takeover a
// window as large as the text read so far.
type Decompressor struct {
	size   int     // of the window
	window *window // nil without context takeover
}

// NewDecompressor returns a decompressor for a peer that compresses with a
// window of 1<<windowBits bytes.
func NewDecompressor(windowBits int, contextTakeover bool) *Decompressor {
	d := &Decompressor{size: 1 << windowBits}
	if contextTakeover {
		d.window = &window{max: d.size}
	}
	return d
}

// Open starts to read a message of at most limit decompressed bytes. Until the
// Reader is done with it, its Decompressor must not be used.
//
// The compressed bytes are limited too, because blocks may have no text: to 16
// for each byte of text, plus 64 KB, and to twice the limit, plus 64 KB. Senders
// stay far below that. Text that cannot be compressed takes 5 bytes more for
// each block, and at most 11 bytes for one byte of text if the sender flushes
// its compressor after each.
func (d *Decompressor) Open(source Source, limit int64) *Reader {
	r := readers.Get().(*Reader)
	r.left, r.keep = limit, d.window != nil
	r.open(source, limit)
	if r.window = d.window; r.window == nil {
		r.window = &r.spare
		r.window.reset(d.size)
	}
	return r
}

// A Reader reads one message. It gives itself back when it has returned
// [io.EOF], [ErrLimit] or [ErrCorrupt], and must not be used after.
type Reader struct {
	left  int64  // bytes that the message may still have
	keep  bool   // the window is for the next message too
	spare window // used without context takeover
	inflater
}

// readers are pooled. A connection keeps its Reader to itself, under the lock of
// its stream, and forgets it with the error by which it gives itself back.
var readers = sync.Pool{New: func() any { return new(Reader) }}

// Read reads decompressed bytes. It returns those that it can make of the input
// at hand before it waits for more. Errors of the source are returned as they
// are, and Read may be called again to go on; other errors are [io.EOF],
// [ErrLimit] and [ErrCorrupt].
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if int64(len(p)) > r.left {
		// One byte more than is left shows that the message is too long.
		p = p[:r.left+1]
	}
	n, err := r.decode(p)
	if r.keep || err != io.EOF {
		r.window.write(p[:n])
	}
	if int64(n) > r.left {
		n, err = int(r.left), ErrLimit
	}
	r.left -= int64(n)
	r.input.text += int64(n)
	return n, r.checked(err)
}

// Received returns how many compressed bytes of the message have arrived.
func (r *Reader) Received() int64 { return r.received }

// Fetch reads the next compressed bytes ahead, to be decompressed later. The
// source must not have ended. Fetch returns an error as Read does, but not
// [io.EOF].
func (r *Reader) Fetch() error { return r.checked(r.fetch()) }

// checked gives r back if err is the last of the message.
func (r *Reader) checked(err error) error {
	if err == io.EOF || err == ErrLimit || err == ErrCorrupt {
		r.close()
		readers.Put(r)
	}
	return err
}
