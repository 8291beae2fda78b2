package response

import "github.com/stanza-go/framework/pkg/http/internal/bufpool"

// An output collects the output of an encoder in memory.
type output struct {
	pieces []*bufpool.Buffer
	first  [1]*bufpool.Buffer // backs pieces while there is only one, the usual case
	size   int
}

// pieceSize is the largest size, in bytes, that is requested for a piece. Until it is
// reached, each new piece has room for as many bytes as all earlier ones contain.
const pieceSize = 16 << 10

// Write appends p. It never copies earlier bytes.
func (o *output) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		var last *bufpool.Buffer
		if n := len(o.pieces); n > 0 {
			last = o.pieces[n-1]
		}
		if last == nil || len(last.B) == cap(last.B) {
			if o.size == 0 {
				o.pieces = o.first[:0]
			}
			last = bufpool.GetSize(min(pieceSize, o.size))
			o.pieces = append(o.pieces, last)
		}
		n := min(len(rest), cap(last.B)-len(last.B))
		last.B = append(last.B, rest[:n]...)
		rest = rest[n:]
		o.size += n
	}
	return len(p), nil
}

// A sink is the [io.Writer] to which the encoder of a Writer writes.
type sink Writer

// Write implements [io.Writer].
func (s *sink) Write(p []byte) (int, error) {
	if s.enc == nil {
		return 0, errEnded
	}
	switch (*Writer)(s).at() {
	case encoded, ending:
		return s.output.Write(p)
	}
	return (*Writer)(s).passOn(p)
}
