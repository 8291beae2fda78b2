package jsonbody

import (
	"encoding/json"
	"sync"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
)

// An encoder is a [json.Encoder] with the buffer that it currently writes to.
// The pool keeps encoders, which cost as much as a small encoding, and no
// memory for their output. A user's MarshalJSON cannot reach the encoder that
// calls it, or the buffer. If it panics, the encoder is not put back.
type encoder struct {
	enc *json.Encoder
	dst *bufpool.Buffer
}

// Write appends to the current buffer.
func (e *encoder) Write(p []byte) (int, error) { return e.dst.Write(p) }

var pool = sync.Pool{New: func() any {
	e := new(encoder)
	e.enc = json.NewEncoder(e)
	return e
}}

// Append appends the JSON encoding of v to dst: the bytes of [json.Marshal],
// with <, > and & escaped, and no line break at the end. If it returns an
// error dst is as it was.
//
// A panic of a MarshalJSON method is passed on. dst is as it was then too.
func Append(dst *bufpool.Buffer, v any) error {
	e := pool.Get().(*encoder)
	e.dst = dst
	end := len(dst.B)
	defer func() { dst.B = dst.B[:end] }()
	if err := e.enc.Encode(v); err != nil {
		return err // encoders that have failed do not go back to the pool
	}
	end = len(dst.B) - 1 // without the line break that Encode adds
	e.dst = nil
	pool.Put(e)
	return nil
}

// AppendString appends s as a JSON string, as [Append] does.
func AppendString(dst *bufpool.Buffer, s string) {
	if !plain(s) {
		_ = Append(dst, s) // every string can be encoded
		return
	}
	dst.B = append(dst.B, '"')
	dst.B = append(dst.B, s...)
	dst.B = append(dst.B, '"')
}

// plain reports whether s is its own encoding between quotes.
func plain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c >= 0x7f, c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}
