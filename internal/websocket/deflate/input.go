package deflate

import (
	"bytes"
	"errors"
	"io"
	"math"
)

// tail holds the bytes that the sender removes from the end of a message (RFC
// 7692, section 7.2.1).
var tail = []byte("\x00\x00\xff\xff")

// Limits of the compressed bytes of a message; see [Decompressor.Open].
const (
	wireSlack   = 64 << 10
	wirePerText = 16
	wirePerMax  = 2
)

// Errors that the parts of the decoder pass to each other. Read does not return
// them.
var (
	errPause = errors.New("return the output before waiting for input")
	errShort = errors.New("wait for more input")
)

// An input provides the inflater with the bytes of a Source, followed by the
// tail.
type input struct {
	source      Source
	piece       []byte // bytes not yet read
	owned       bool   // piece is a copy that may be appended to
	ended       bool   // the source has ended, and the tail has been added to piece
	received    int64  // bytes of the source so far
	produced    int64  // decompressed bytes so far
	maxReceived int64
}

// open starts a message.
func (in *input) open(source Source, limit int64) {
	*in = input{source: source, maxReceived: math.MaxInt64}
	if limit < math.MaxInt64/wirePerMax-wireSlack {
		in.maxReceived = wirePerMax*limit + wireSlack
	}
}

// wait waits for more input. If there is output to return first, wait returns
// errPause instead of waiting for the source. If the input has ended, the
// message is incomplete, and wait returns ErrCorrupt.
func (in *input) wait(hasOutput bool) error {
	switch {
	case in.ended:
		return ErrCorrupt
	case hasOutput && !in.source.Ended():
		return errPause
	case in.received > wireSlack+wirePerText*in.produced:
		return ErrLimit
	}
	return in.fetch()
}

// fetch adds the next piece of the source, or the tail, to in.piece. If the
// source returns an error, fetch changes nothing.
func (in *input) fetch() error {
	if in.received > in.maxReceived {
		return ErrLimit
	}
	if len(in.piece) > 0 && !in.owned {
		in.piece, in.owned = bytes.Clone(in.piece), true
	}
	piece, err := in.source.Next()
	if err == io.EOF {
		piece, in.ended = tail, true
	} else if err != nil {
		return err
	}
	in.received += int64(len(piece))
	if len(in.piece) > 0 {
		in.piece = append(in.piece, piece...)
	} else {
		in.piece, in.owned = piece, false
	}
	return nil
}

// done reports whether all input has been read.
func (in *input) done() bool { return in.ended && len(in.piece) == 0 }
