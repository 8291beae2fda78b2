package response

import (
	"io"
	"net/http"

	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
)

// A Cause is the reason for the release of a held response.
type Cause int

const (
	// Full means that the body exceeds the limit that the stage asked for.
	Full Cause = iota
	// Flush means that the handler wants the bytes so far to reach the client.
	Flush
	// End means that the handler has returned: the body is complete.
	End
)

// A Stage inspects or rewrites the responses of one middleware. For each response,
// Hold is called before Release, and each at most once. After [Writer.Reset], both may
// be called again. The methods must not call the [http.ResponseWriter] methods of the
// Writer. A Stage is shared by all requests, so its methods must be safe for concurrent
// use by multiple goroutines.
type Stage interface {
	// Hold is called when the status ([Writer.Status]) and the header h are known
	// and nothing has been sent. limit is how many bytes of the body may be held
	// before Release must be called. If ok is false, the response passes through
	// unchanged and Release is not called. Hold may change h.
	//
	// Hold is also called for responses that cannot have a body. They always pass.
	Hold(w *Writer, h http.Header) (limit int, ok bool)

	// Release decides how a held response is sent. It returns the status, the body
	// to send, and the encoder for it and the rest of the body, or nil. If why is
	// Full, body may be only the beginning of the bytes written so far. Release may
	// change h. send must be a part of body or newly allocated.
	//
	// Release is not called for a body that is longer or shorter than its
	// Content-Length. Such a body is sent as it is, for the server to reject.
	Release(w *Writer, h http.Header, body []byte, why Cause) (status int, send []byte, enc Encoder)
}

// An Encoder rewrites the body on its way to the next writer.
type Encoder interface {
	io.Writer
	// Flush makes everything written so far decodable by the client.
	Flush() error
	// Close ends the encoded stream and gives up the encoder.
	Close() error
	// Abandon gives up the encoder without ending the stream and without writing
	// anything, so that a truncated response does not look complete.
	Abandon()
}

// A StageHandler is a handler whose ServeHTTP calls [Serve] with its own Stage.
type StageHandler interface {
	http.Handler
	Stage() Stage
}

// Serve calls next with a Writer that holds its response for stage, and ends the
// response when next returns.
//
// If next panics, a held body is dropped and an encoded one remains visibly
// incomplete. If the body cannot be completed, because the encoder failed or the
// handler wrote less than it declared, Serve aborts the connection by panicking with
// [http.ErrAbortHandler]. Serve does not panic if the next writer failed, because then
// the client has disconnected, or if an outer handler has already returned, because then
// nothing would recover the panic.
func Serve(next http.Handler, w http.ResponseWriter, r *http.Request, stage Stage) {
	outer, _ := w.(*Writer)
	state := outer.State()
	if state == nil {
		state = reqstate.Of(r.Context())
	}
	_, innerFollows := next.(StageHandler)
	cw := newStaged(outer, stage, innerFollows)
	cw.start(w, r, state)
	returned := false
	defer cw.cancelUnless(&returned)
	next.ServeHTTP(cw, r)
	returned = true
	if err := cw.finish(); err != nil && !cw.outerEnded() {
		panic(http.ErrAbortHandler)
	}
}

// A staged is a Writer with a stage.
type staged struct {
	Writer
	holding
}

// A stagedPair is the memory of two stages in a row, usually Compress and ETag. The outer
// one allocates it. The first call of [Serve] with the outer Writer takes the inner one,
// and never gives it back.
type stagedPair struct{ outer, inner staged }

// newStaged returns a Writer for stage: the one that was allocated together with outer, if
// it has not been taken, or a new one. If an inner stage follows, the new one is the outer
// one of a pair.
func newStaged(outer *Writer, stage Stage, innerFollows bool) *Writer {
	if outer != nil && outer.holding != nil {
		if s := outer.spareInner.Swap(nil); s != nil {
			return s.prepare(stage)
		}
	}
	if !innerFollows {
		return new(staged).prepare(stage)
	}
	pair := new(stagedPair)
	pair.outer.spareInner.Store(&pair.inner)
	return pair.outer.prepare(stage)
}

// prepare sets the stage of s and returns its Writer.
func (s *staged) prepare(stage Stage) *Writer {
	s.stage, s.declared = stage, -1
	s.Writer.holding = &s.holding
	return &s.Writer
}
