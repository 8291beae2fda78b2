package response

// A phase is the progress of a response.
//
//	pending ─┬─► passed
//	         └─► held ─┬───────────────────────► sent
//	                   ├─► encoded ────────────► sent
//	                   └─► encoding ─► ending ─► sent
//
//	from      to        when
//	pending   passed    the status is chosen or implied; there is no stage, or Hold returned false
//	pending   held      the status is chosen or implied; Hold returned true
//	held      sent      Release returned no encoder, or the body does not have its declared length
//	held      encoding  Release returned an encoder for a body of which more may follow
//	held      encoded   Release returned an encoder for a body that is complete
//	encoded   sent      the handler flushed, hijacked or returned
//	encoding  ending    the handler returned
//	ending    sent      the encoder was closed; its last output is sent next
//	passed    pending   the response was committed for a file, and the file was empty
//	any       hijacked  the handler took over the connection
//	any       pending   Reset, if nothing has reached the client
//
// The stage's Release is called when the body exceeds the limit that Hold returned, and
// when the handler flushes, hijacks or returns.
//
// A phase changes only while the Writer's mutex is held. There is no phase for a handler
// that has returned, because the response passes through more phases after that: see
// Writer.ended.
type phase int32

const (
	pending  phase = iota // nothing but 1xx responses has been written
	passed                // the header was sent as the handler set it; the body passes unchanged
	held                  // nothing was sent; the body waits in memory
	encoded               // nothing was sent; the complete body waits in memory, encoded
	encoding              // the header was sent; the body passes through the encoder
	ending                // the header was sent; the encoder writes its last output to memory
	sent                  // the header was sent as the stage left it; the body passes unchanged
	hijacked              // the connection belongs to the handler
)

// headerTaken reports whether the response's stage has taken the header: the handler can
// no longer change it.
func (p phase) headerTaken() bool {
	switch p {
	case held, encoded, encoding, ending, sent:
		return true
	}
	return false
}
