package compress

import (
	"io"
	"sync"

	"github.com/stanza-go/framework/pkg/http/internal/capture"
)

// A Resetter is a compressing writer that can start over on another writer.
// The writers of compress/gzip and of the usual zstd and brotli packages are
// Resetters.
type Resetter interface {
	io.WriteCloser
	Flush() error
	Reset(w io.Writer)
}

// A pool keeps the encoders of one coding between responses.
type pool struct{ encoders sync.Pool }

func newPool(open func() Resetter) *pool {
	p := &pool{}
	p.encoders.New = func() any { return &pooled{pool: p, Resetter: open()} }
	return p
}

// get returns an encoder that writes to w.
func (p *pool) get(w io.Writer) capture.Encoder {
	e := p.encoders.Get().(*pooled)
	e.dest.Writer = w
	e.Reset(&e.dest)
	return e
}

// A pooled encoder goes back to its pool when it is closed or abandoned. It
// writes to dest and so never holds the response's writer, which must not be
// reachable from the pool, itself. A second Reset would make it let go of the
// writer too, but compress/gzip clears half a megabyte in each.
type pooled struct {
	pool *pool
	dest struct{ io.Writer }
	Resetter
}

// Close implements [capture.Encoder].
func (e *pooled) Close() error {
	err := e.Resetter.Close()
	e.release()
	return err
}

// Abandon implements [capture.Encoder]. Unlike a closed one, the encoder may
// have more to write, and it is told at once where that goes now.
func (e *pooled) Abandon() {
	e.Reset(io.Discard)
	e.release()
}

func (e *pooled) release() {
	e.dest.Writer = io.Discard
	e.pool.encoders.Put(e)
}
