package compress

import (
	"errors"
	"io"
	"sync"

	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// A Resetter is a compressing writer that can start over on another writer.
// The writers of compress/gzip and of the usual zstd and brotli packages are
// Resetters.
type Resetter interface {
	io.WriteCloser
	Flush() error
	Reset(w io.Writer)
}

// encoders are the encoders of one content coding.
type encoders struct {
	open func() Resetter

	// idle are the encoders between two responses, if they are used again.
	// They come from compress/gzip, which keeps no reference to them, or from a
	// function of the application's that promises the same. Either way nothing
	// else can reach them: the stage hands out none, and an encoder knows its
	// response's writer only as long as it works for it. Of those that failed
	// or whose output was refused, none comes back: on HTTP/2 the server may
	// still be sending from their memory.
	idle *sync.Pool // nil if they are not
}

// get returns an encoder that writes to w.
func (c *encoders) get(w io.Writer) response.Encoder {
	var e *encoder
	if c.idle != nil {
		e, _ = c.idle.Get().(*encoder)
	}
	if e == nil {
		e = &encoder{Resetter: c.open(), idle: c.idle}
	}
	e.dest.set(w)
	e.Reset(&e.dest)
	return e
}

// An encoder implements [response.Encoder].
type encoder struct {
	Resetter
	idle   *sync.Pool
	dest   destination
	failed bool
}

// Write implements [io.Writer].
func (e *encoder) Write(p []byte) (int, error) {
	n, err := e.Resetter.Write(p)
	e.failed = e.failed || err != nil
	return n, err
}

// Flush makes everything written so far decodable.
func (e *encoder) Flush() error {
	err := e.Resetter.Flush()
	e.failed = e.failed || err != nil
	return err
}

// Close ends the encoded stream and gives up the encoder.
func (e *encoder) Close() error {
	err := e.Resetter.Close()
	refused := e.dest.set(nil)
	if e.idle != nil && err == nil && !refused && !e.failed {
		// Another Reset would make it let go of the destination, but
		// compress/gzip clears half a megabyte in each.
		e.idle.Put(e)
	}
	return err
}

// Abandon gives up the encoder without ending the stream. One that is not used
// again is closed all the same, in case it holds more than memory.
func (e *encoder) Abandon() {
	refused := e.dest.set(nil)
	e.Reset(io.Discard)
	if e.idle != nil && !refused && !e.failed {
		e.idle.Put(e)
		return
	}
	_ = e.Resetter.Close() // its output is discarded
}

// errGivenUp is the error of an encoder that writes after it was given up.
var errGivenUp = errors.New("http: compressing writer used after its response ended")

// A destination leads from an encoder to the writer of one response. When the
// response has ended it leads nowhere, even if the application has kept the
// encoder.
type destination struct {
	mu      sync.Mutex
	w       io.Writer
	refused bool // a write has failed
}

// set changes the writer, and reports whether the one before has refused a
// write.
func (d *destination) set(w io.Writer) (refused bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	refused = d.refused
	d.w, d.refused = w, false
	return refused
}

// Write implements [io.Writer].
func (d *destination) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.w == nil {
		return 0, errGivenUp
	}
	n, err := d.w.Write(p)
	d.refused = d.refused || err != nil
	return n, err
}
