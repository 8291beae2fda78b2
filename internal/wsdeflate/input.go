package wsdeflate

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

// errPause is returned instead of waiting for input if there is output.
var errPause = errors.New("no input at hand")

// An input gives the inflater the bytes of a Source, then the tail.
type input struct {
	source   Source
	piece    []byte // not read yet
	owned    bool   // piece is a copy
	ended    bool   // the source has ended, and piece is what is left of the tail
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

// more gets the next piece after the last was read. If there is output, it
// returns errPause instead of waiting.
func (in *input) more(output bool) error {
	switch {
	case in.ended:
		return ErrCorrupt
	case output && !in.source.Ended():
		return errPause
	case in.received > wireSlack+wirePerText*in.text:
		return ErrLimit
	}
	piece, err := in.next()
	in.piece, in.owned = piece, false
	if err == io.EOF {
		in.piece, in.ended = tail, true
		return nil
	}
	return err
}

// fetch adds the next piece to what was not read yet.
func (in *input) fetch() error {
	if !in.owned {
		in.piece, in.owned = bytes.Clone(in.piece), true
	}
	piece, err := in.next()
	in.piece = append(in.piece, piece...)
	return err
}

func (in *input) next() ([]byte, error) {
	if in.received > in.most {
		return nil, ErrLimit
	}
	piece, err := in.source.Next()
	in.received += int64(len(piece))
	return piece, err
}

// atEnd reports whether no more needs to be waited for.
func (in *input) atEnd() bool { return in.ended || in.source.Ended() }

// done reports whether all has been read.
func (in *input) done() bool { return in.ended && len(in.piece) == 0 }
