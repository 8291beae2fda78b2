package wsdeflate

import (
	"compress/flate"
	"errors"
	"io"
	"sync"
)

var (
	// ErrLimit is returned by a [Reader] whose message is longer than its
	// limit allows.
	ErrLimit = errors.New("decompressed message exceeds the limit")

	// ErrCorrupt is returned by a [Reader] whose message is not compressed
	// as it says.
	ErrCorrupt = errors.New("corrupt compressed data")
)

// A Source hands out the compressed bytes of a message piece by piece, and
// then [io.EOF]. A piece is read before the next is asked for.
type Source interface {
	Next() ([]byte, error)
}

// A Decompressor decompresses the messages that one end of a connection
// sends. It is not safe for concurrent use.
//
// Without context takeover it holds no memory between messages. With it, it
// holds the last bytes received, at most a window of them. A message that is
// being read borrows about 44 KB from a pool.
type Decompressor struct {
	window int    // bytes that the next message may refer to; 0 without context takeover
	text   []byte // the last of them
}

// NewDecompressor returns a decompressor for a peer that compresses with a
// window of 1<<windowBits bytes.
func NewDecompressor(windowBits int, contextTakeover bool) *Decompressor {
	if !contextTakeover {
		return new(Decompressor)
	}
	return &Decompressor{window: 1 << windowBits}
}

// Open starts to read a message of at most limit decompressed bytes. Until the
// Reader has returned an error, its Decompressor must not be used.
func (d *Decompressor) Open(source Source, limit int64) *Reader {
	r := readers.Get().(*Reader)
	r.decompressor, r.left = d, limit
	r.input = input{source: source}
	r.restart()
	return r
}

// A Reader reads one message. It gives itself back when it has returned an
// error, [io.EOF] included, and must not be used after.
type Reader struct {
	decompressor *Decompressor
	left         int64 // bytes that the message may still have
	input        input
	flate        flateReader
}

// A flateReader is what [flate.NewReader] returns.
type flateReader interface {
	io.Reader
	flate.Resetter
}

var readers = sync.Pool{New: func() any {
	return &Reader{flate: flate.NewReader(new(input)).(flateReader)}
}}

// Read reads decompressed bytes. Errors of the source are returned as they
// are; other errors are [io.EOF], [ErrLimit] and [ErrCorrupt].
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if int64(len(p)) > r.left {
		// One byte more than is left shows that the message is too long.
		p = p[:r.left+1]
	}
	n, err := r.read(p)
	r.decompressor.keep(p[:n])
	if int64(n) > r.left {
		n, err = int(r.left), ErrLimit
	}
	r.left -= int64(n)
	if err != nil {
		r.release()
	}
	return n, err
}

// read fills part of p, from as many streams as the message has: one, unless
// the peer ends its stream with every message (RFC 7692, section 7.2.3.4).
func (r *Reader) read(p []byte) (int, error) {
	for {
		n, err := r.flate.Read(p)
		switch {
		case err == nil && n == 0:
			continue
		case err == io.EOF && !r.input.done():
			r.restart()
			err = nil
			if n == 0 {
				continue
			}
		case err != nil && err != io.EOF:
			err = r.input.blame()
		}
		return n, err
	}
}

// restart begins a new stream that may refer to the text before it.
func (r *Reader) restart() {
	_ = r.flate.Reset(&r.input, r.decompressor.text) // flate's Reset cannot fail
}

func (r *Reader) release() {
	r.decompressor, r.input = nil, input{}
	readers.Put(r)
}

// keep notes text for the messages to come.
func (d *Decompressor) keep(text []byte) {
	if d.window > 0 {
		d.text = keepLast(d.text, text, d.window)
	}
}

// tail ends the stream of every message: the bytes that the sender left out
// (RFC 7692, section 7.2.2), and a last, empty block, so that the stream is
// known to be whole.
var tail = []byte("\x00\x00\xff\xff\x01\x00\x00\xff\xff")

// An input gives the decompressor the bytes of a Source, then the tail.
type input struct {
	source Source
	piece  []byte // not read yet
	ended  bool   // piece is of the tail
	err    error  // of the source, other than io.EOF
}

// ReadByte makes an input a [flate.Reader], from which no byte is read that
// is not needed.
func (in *input) ReadByte() (byte, error) {
	for len(in.piece) == 0 {
		if err := in.next(); err != nil {
			return 0, err
		}
	}
	c := in.piece[0]
	in.piece = in.piece[1:]
	return c, nil
}

// Read makes an input a [flate.Reader].
func (in *input) Read(p []byte) (int, error) {
	for len(in.piece) == 0 {
		if err := in.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.piece)
	in.piece = in.piece[n:]
	return n, nil
}

func (in *input) next() error {
	if in.ended {
		return io.ErrUnexpectedEOF
	}
	piece, err := in.source.Next()
	if err == io.EOF {
		in.piece, in.ended = tail, true
		return nil
	}
	in.piece, in.err = piece, err
	return err
}

// done reports whether all has been read.
func (in *input) done() bool { return in.ended && len(in.piece) == 0 }

// blame returns the error behind a failed read: the source's, if it has one.
func (in *input) blame() error {
	if in.err != nil {
		return in.err
	}
	return ErrCorrupt
}
