package jsonbody

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// maxDepth is the number of nested arrays and objects that a text may have.
// [encoding/json] has a limit too.
const maxDepth = 10000

// malformed says what keeps body from being one JSON value (RFC 8259), or
// returns "". It does not read this out of the errors of encoding/json: Go
// releases differ over the offset in them, and over what they call an early
// end.
func malformed(body []byte) string {
	at, fault := scan(body)
	switch fault {
	case none:
		return ""
	case empty:
		return "the request body is empty"
	case trailing:
		return fmt.Sprintf("trailing data after the JSON value, at offset %d", at)
	case tooDeep:
		return fmt.Sprintf("the JSON value is nested too deeply, at offset %d", at)
	}
	if at == len(body) {
		return fmt.Sprintf("malformed JSON: the text ends too early, at offset %d", at)
	}
	r, size := utf8.DecodeRune(body[at:])
	if r == utf8.RuneError && size <= 1 {
		return fmt.Sprintf("malformed JSON: unexpected byte 0x%02x at offset %d", body[at], at)
	}
	return fmt.Sprintf("malformed JSON: unexpected character %q at offset %d", r, at)
}

// A fault is what is wrong with a text.
type fault int

const (
	none fault = iota
	empty
	trailing // something follows the value
	tooDeep
	unexpected // byte, or the end of the text
)

// scan returns what is wrong with a text, and the position at which it is no
// longer the beginning of one JSON value. The functions that it calls take a
// position and return the one that they have come to.
func scan(b []byte) (int, fault) {
	i := space(b, 0)
	if i == len(b) {
		return i, empty
	}
	open := make([]byte, 0, 64) // the brackets around i
	for {
		var opens, ok bool
		if i, opens, ok = value(b, i); !ok {
			return i, unexpected
		}
		if opens {
			if len(open) == maxDepth {
				return i, tooDeep
			}
			open = append(open, b[i])
			i = space(b, i+1)
		} else if i == len(b) || b[i] != ',' {
			i = space(b, i)
		}
		for len(open) > 0 && i < len(b) && b[i] == closing(open[len(open)-1]) {
			open, opens = open[:len(open)-1], false
			i = space(b, i+1)
		}
		if !opens {
			if len(open) == 0 || i == len(b) || b[i] != ',' {
				return i, ending(b, i, open)
			}
			i = space(b, i+1)
		}
		if open[len(open)-1] == '{' {
			if i, ok = name(b, i); !ok {
				return i, unexpected
			}
		}
	}
}

// ending returns what is wrong with a text that does not go on after a value.
func ending(b []byte, i int, open []byte) fault {
	switch {
	case len(open) > 0:
		return unexpected
	case i < len(b):
		return trailing
	}
	return none
}

// value passes a scalar, or reports that a bracket opens.
func value(b []byte, i int) (_ int, opens, ok bool) {
	if i == len(b) {
		return i, false, false
	}
	switch b[i] {
	case '"':
		i, ok = text(b, i+1)
	case '0':
		i, ok = fraction(b, i+1)
	case '1', '2', '3', '4', '5', '6', '7', '8', '9':
		i, _ = digits(b, i+1)
		i, ok = fraction(b, i)
	case '-':
		i, ok = negative(b, i+1)
	case '{', '[':
		return i, true, true
	case 't':
		i, ok = word(b, i, "true")
	case 'f':
		i, ok = word(b, i, "false")
	case 'n':
		i, ok = word(b, i, "null")
	}
	return i, false, ok
}

// closing returns the bracket that ends what another one opens. In ASCII, [ and
// ] are two apart, and so are { and }.
func closing(bracket byte) byte { return bracket + 2 }

// name passes the name of an object's member with the colon behind it.
func name(b []byte, i int) (_ int, ok bool) {
	if i == len(b) || b[i] != '"' {
		return i, false
	}
	if i, ok = text(b, i+1); !ok {
		return i, false
	}
	if i = space(b, i); i == len(b) || b[i] != ':' {
		return i, false
	}
	return space(b, i+1), true
}

// text passes the rest of a string.
func text(b []byte, i int) (_ int, ok bool) {
	for {
		for len(b)-i >= 8 && b[i] != '\\' {
			special := specials(binary.LittleEndian.Uint64(b[i:]))
			if special == 0 {
				i += 8
				continue
			}
			if i += bits.TrailingZeros64(special) / 8; b[i] == '"' {
				return i + 1, true
			}
			break
		}
		for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
			i++
		}
		switch {
		case i == len(b) || b[i] < ' ':
			return i, false
		case b[i] == '"':
			return i + 1, true
		}
		if i, ok = escape(b, i+1); !ok {
			return i, false
		}
	}
}

// specials returns a number in which the lowest bit that is set belongs to the
// first of eight bytes that is special in a string: a quote, a backslash or a
// control character.
func specials(word uint64) uint64 {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	quote, slash := word^ones*'"', word^ones*'\\'
	// A borrow may set bits behind the first such byte, and bytes above 0x7f have
	// the bit themselves.
	return ((word - ones*' ') | (quote - ones) | (slash - ones)) &^ word & highs
}

// escape passes the rest of an escape sequence.
func escape(b []byte, i int) (_ int, ok bool) {
	if i == len(b) {
		return i, false
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1, true
	case 'u':
		digits := b[i+1 : min(i+5, len(b))]
		for n, c := range digits {
			if !isHex(c) {
				return i + 1 + n, false
			}
		}
		return i + 1 + len(digits), len(digits) == 4
	}
	return i, false
}

// negative passes a number behind its sign.
func negative(b []byte, i int) (_ int, ok bool) {
	if i < len(b) && b[i] == '0' {
		return fraction(b, i+1)
	}
	if i, ok = digits(b, i); !ok {
		return i, false
	}
	return fraction(b, i)
}

// fraction passes what may follow the integer of a number.
func fraction(b []byte, i int) (_ int, ok bool) {
	if i == len(b) || b[i] < '.' { // such as a comma
		return i, true
	}
	if b[i] == '.' {
		if i, ok = digits(b, i+1); !ok {
			return i, false
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return digits(b, i)
	}
	return i, true
}

// digits passes one digit or more.
func digits(b []byte, i int) (_ int, ok bool) {
	begin := i
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i, i > begin
}

// word passes a literal name.
func word(b []byte, i int, w string) (_ int, ok bool) {
	for j := range len(w) {
		if i == len(b) || b[i] != w[j] {
			return i, false
		}
		i++
	}
	return i, true
}

// space passes white space.
func space(b []byte, i int) int {
	if i < len(b) && b[i] > ' ' {
		return i
	}
	return spaces(b, i)
}

// spaces is space where there probably is some.
func spaces(b []byte, i int) int {
	const eight = 0x2020202020202020
	for len(b)-i >= 8 && binary.LittleEndian.Uint64(b[i:]) == eight {
		i += 8
	}
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

func isDigit(c byte) bool { return c-'0' < 10 }

func isHex(c byte) bool { return c-'0' < 10 || (c|0x20)-'a' < 6 }
