package deflate

import (
	"bytes"
	"errors"
	"io"
	"math"
)

// tail is what the sender of a message left out at its end (RFC 7692, section
// 7.2.2).
var tail = []byte("\x00\x00\xff\xff")

// Bounds of a message's compressed bytes; see [Decompressor.Open].
const (
	wireSlack   = 64 << 10
	wirePerText = 16
	wirePerMax  = 2
)

// Errors between the parts of the decoder.
var (
	errPause = errors.New("output at hand and no input")
	errShort = errors.New("not enough input at hand")
)

// An input gives the inflater the bytes of a Source, then the tail.
type input struct {
	source   Source
	piece    []byte // not read yet
	owned    bool   // piece is a copy, and may be appended to
	ended    bool   // piece is all that is left
	received int64  // bytes of the source
	text     int64  // bytes made of them
	most     int64  // that the source may have
}

// open begins a message.
func (in *input) open(source Source, limit int64) {
	*in = input{source: source, most: math.MaxInt64}
	if limit < math.MaxInt64/wirePerMax-wireSlack {
		in.most = wirePerMax*limit + wireSlack
	}
}

// wait gets more input. If there is output, it returns errPause instead of
// waiting for the source.
func (in *input) wait(output bool) error {
	switch {
	case in.ended:
		return ErrCorrupt
	case output && !in.source.Ended():
		return errPause
	case in.received > wireSlack+wirePerText*in.text:
		return ErrLimit
	}
	return in.fetch()
}

// fetch adds the next piece, or the tail, to what was not read yet. If the
// source fails, nothing has changed.
func (in *input) fetch() error {
	if in.received > in.most {
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

// done reports whether all has been read.
func (in *input) done() bool { return in.ended && len(in.piece) == 0 }
