package compress

import (
	"errors"
	"io"
	"sync"

	"github.com/stanza-go/framework/pkg/http/internal/response"
)

// A Resetter is a compressing writer that can start a new stream on another writer. The
// writers of compress/gzip and of the common zstd and brotli packages are Resetters.
type Resetter interface {
	io.WriteCloser
	Flush() error
	Reset(w io.Writer)
}

// encoders are the encoders of one content coding.
type encoders struct {
	open func() Resetter

	// idle contains the encoders that are not serving a response. It is nil if encoders
	// are not reused.
	//
	// An encoder comes from compress/gzip, which keeps no reference to it, or from a
	// function of the application, which must not keep one either. The stage passes it to
	// no other code, so nothing else can reach it. It refers to the writer of a response
	// only while it serves that response. An encoder that failed, or whose output was
	// rejected, is not reused, because the HTTP/2 server may still be sending from its
	// memory.
	idle *sync.Pool
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
	rejected := e.dest.set(nil)
	if e.idle != nil && err == nil && !rejected && !e.failed {
		// Calling Reset here would remove the reference to the response, too. But each
		// Reset of compress/gzip clears half a megabyte, so clear only the destination.
		e.idle.Put(e)
	}
	return err
}

// Abandon gives up the encoder without ending the stream. If the encoder cannot be reused,
// Abandon closes it, because it may hold resources other than memory.
func (e *encoder) Abandon() {
	rejected := e.dest.set(nil)
	e.Reset(io.Discard)
	if e.idle != nil && !rejected && !e.failed {
		e.idle.Put(e)
		return
	}
	_ = e.Resetter.Close() // its output is discarded
}

// errGivenUp is the error of an encoder that writes after it was given up.
var errGivenUp = errors.New("http: compressing writer used after its response ended")

// A destination forwards the output of an encoder to the writer of one response. After the
// response has ended, writes fail until the encoder serves another one, even if the
// application has kept the encoder.
type destination struct {
	mu       sync.Mutex
	w        io.Writer // nil after the response has ended
	rejected bool      // a write to w has failed
}

// set changes the writer. It reports whether a write to the previous one has failed.
func (d *destination) set(w io.Writer) (rejected bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	rejected = d.rejected
	d.w, d.rejected = w, false
	return rejected
}

// Write implements [io.Writer].
func (d *destination) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.w == nil {
		return 0, errGivenUp
	}
	n, err := d.w.Write(p)
	d.rejected = d.rejected || err != nil
	return n, err
}
