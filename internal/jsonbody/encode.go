package jsonbody

import (
	"encoding/json"
	"sync"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
)

// An encoder is a [json.Encoder] and the buffer that it currently writes to.
// Encoders are pooled because creating one costs as much as encoding a small
// value. A MarshalJSON method cannot reach the encoder or the buffer. An encoder
// is not put back after an error or a panic.
type encoder struct {
	enc *json.Encoder
	dst *bufpool.Buffer
}

// Write appends to the buffer.
func (e *encoder) Write(p []byte) (int, error) { return e.dst.Write(p) }

var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	e.enc = json.NewEncoder(e)
	return e
}}

// Encode appends the JSON encoding of v to dst. The bytes are those of
// [json.Marshal]: <, > and & are escaped, and there is no newline at the end. If
// Encode returns an error, or a MarshalJSON method panics, dst is unchanged.
func Encode(dst *bufpool.Buffer, v any) error {
	e := encoders.Get().(*encoder)
	e.dst = dst
	end := len(dst.B)
	defer func() { dst.B = dst.B[:end] }()
	if err := e.enc.Encode(v); err != nil {
		return err // a failed encoder is not put back
	}
	end = len(dst.B) - 1 // without the newline of json.Encoder
	e.dst = nil
	encoders.Put(e)
	return nil
}

// EncodeString is [Encode] for a string.
func EncodeString(dst *bufpool.Buffer, s string) {
	if !needsNoEscape(s) {
		_ = Encode(dst, s) // every string can be encoded
		return
	}
	dst.B = append(dst.B, '"')
	dst.B = append(dst.B, s...)
	dst.B = append(dst.B, '"')
}

// needsNoEscape reports whether the encoding of s is s itself in quotes.
func needsNoEscape(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c >= 0x7f, c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}
