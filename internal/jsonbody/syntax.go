package jsonbody

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// maxDepth is the maximum nesting depth of arrays and objects. [encoding/json] has
// the same limit.
const maxDepth = 10000

// describeSyntax returns the message for a body that is not exactly one JSON value
// (RFC 8259). It returns "" for a well-formed body. The errors of encoding/json
// are not used, because their offsets, and how they report a truncated body, vary
// between Go releases.
func describeSyntax(body []byte) string {
	at, fault := scan(body)
	switch fault {
	case wellFormed:
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

// A fault is the reason why a body is not exactly one JSON value.
type fault int

const (
	wellFormed fault = iota
	empty
	trailing   // text after the value
	tooDeep    // more than maxDepth
	unexpected // a byte or the end of the text in the wrong place
)

// scan returns the fault of b, and the first offset at which b can no longer be
// the beginning of exactly one JSON value.
//
// scan calls the skip functions below. Each is given an offset and returns the
// offset after the part that it skips. If the part is malformed, ok is false and
// the offset is that of the fault.
func scan(b []byte) (int, fault) {
	i := skipSpace(b, 0)
	if i == len(b) {
		return i, empty
	}
	open := make([]byte, 0, 64) // the brackets that are open at i
	for {
		var opens, ok bool
		if i, opens, ok = skipValue(b, i); !ok {
			return i, unexpected
		}
		if opens {
			if len(open) == maxDepth {
				return i, tooDeep
			}
			open = append(open, b[i])
			i = skipSpace(b, i+1)
		} else if i == len(b) || b[i] != ',' {
			i = skipSpace(b, i)
		}
		// Closing brackets, including that of an empty array or object.
		for len(open) > 0 && i < len(b) && b[i] == closing(open[len(open)-1]) {
			open, opens = open[:len(open)-1], false
			i = skipSpace(b, i+1)
		}
		// A comma, unless the next element is the first after a bracket.
		if !opens {
			if len(open) == 0 || i == len(b) || b[i] != ',' {
				return i, faultAtEnd(b, i, open)
			}
			i = skipSpace(b, i+1)
		}
		if open[len(open)-1] == '{' {
			if i, ok = skipName(b, i); !ok {
				return i, unexpected
			}
		}
	}
}

// faultAtEnd returns the fault of b if offset i follows a value and is not at a
// comma. open contains the brackets that are open there.
func faultAtEnd(b []byte, i int, open []byte) fault {
	switch {
	case len(open) > 0:
		return unexpected
	case i < len(b):
		return trailing
	}
	return wellFormed
}

// skipValue skips a scalar. If the value is an array or object, it skips nothing
// and opens is true.
func skipValue(b []byte, i int) (_ int, opens, ok bool) {
	if i == len(b) {
		return i, false, false
	}
	switch b[i] {
	case '"':
		i, ok = skipString(b, i+1)
	case '0':
		i, ok = skipFraction(b, i+1)
	case '1', '2', '3', '4', '5', '6', '7', '8', '9':
		i, _ = skipDigits(b, i+1)
		i, ok = skipFraction(b, i)
	case '-':
		i, ok = skipNegative(b, i+1)
	case '{', '[':
		return i, true, true
	case 't':
		i, ok = skipWord(b, i, "true")
	case 'f':
		i, ok = skipWord(b, i, "false")
	case 'n':
		i, ok = skipWord(b, i, "null")
	}
	return i, false, ok
}

// closing returns the closing bracket for an opening one. In ASCII, [ and ] are
// two apart, and so are { and }.
func closing(bracket byte) byte { return bracket + 2 }

// skipName skips the name of an object's member and the colon after it.
func skipName(b []byte, i int) (_ int, ok bool) {
	if i == len(b) || b[i] != '"' {
		return i, false
	}
	if i, ok = skipString(b, i+1); !ok {
		return i, false
	}
	if i = skipSpace(b, i); i == len(b) || b[i] != ':' {
		return i, false
	}
	return skipSpace(b, i+1), true
}

// skipString skips the rest of a string after its opening quote.
func skipString(b []byte, i int) (_ int, ok bool) {
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
		if i, ok = skipEscape(b, i+1); !ok {
			return i, false
		}
	}
}

// specials looks for bytes with a special meaning in strings: quotes, backslashes
// and control characters. The lowest bit that is set in the result is in the first
// such byte of word. If there is none, the result is 0.
func specials(word uint64) uint64 {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	quote, slash := word^ones*'"', word^ones*'\\'
	// A borrow can set bits only after the first such byte. Bytes above 0x7f have
	// their high bit set already and are masked out.
	return ((word - ones*' ') | (quote - ones) | (slash - ones)) &^ word & highs
}

// skipEscape skips the rest of an escape sequence after its backslash.
func skipEscape(b []byte, i int) (_ int, ok bool) {
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

// skipNegative skips the rest of a number after its sign.
func skipNegative(b []byte, i int) (_ int, ok bool) {
	if i < len(b) && b[i] == '0' {
		return skipFraction(b, i+1)
	}
	if i, ok = skipDigits(b, i); !ok {
		return i, false
	}
	return skipFraction(b, i)
}

// skipFraction skips the fraction and exponent of a number, if there are any.
func skipFraction(b []byte, i int) (_ int, ok bool) {
	if i == len(b) || b[i] < '.' { // such as a comma
		return i, true
	}
	if b[i] == '.' {
		if i, ok = skipDigits(b, i+1); !ok {
			return i, false
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return skipDigits(b, i)
	}
	return i, true
}

// skipDigits skips one or more digits.
func skipDigits(b []byte, i int) (_ int, ok bool) {
	begin := i
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i, i > begin
}

// skipWord skips true, false or null.
func skipWord(b []byte, i int, w string) (_ int, ok bool) {
	for j := range len(w) {
		if i == len(b) || b[i] != w[j] {
			return i, false
		}
		i++
	}
	return i, true
}

// skipSpace skips white space.
func skipSpace(b []byte, i int) int {
	if i < len(b) && b[i] > ' ' {
		return i
	}
	return skipLongSpace(b, i)
}

// skipLongSpace is the slow path of skipSpace, for input that probably starts with
// white space. It is separate so that skipSpace can be inlined.
func skipLongSpace(b []byte, i int) int {
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
