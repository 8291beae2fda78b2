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
	e.Reset(w)
	return e
}

// A pooled encoder goes back to its pool when it is closed or abandoned.
type pooled struct {
	pool *pool
	Resetter
}

// Close implements [capture.Encoder].
func (e *pooled) Close() error {
	err := e.Resetter.Close()
	e.Abandon()
	return err
}

// Abandon implements [capture.Encoder]. The encoder forgets the response's
// writer, which must not be reachable from the pool.
func (e *pooled) Abandon() {
	e.Reset(io.Discard)
	e.pool.encoders.Put(e)
}
