package frame

import "unicode/utf8"

// A UTF8 checks text that arrives in pieces. It detects invalid text as early
// as possible, even in a character that is split between pieces. The zero value
// is ready to use. A UTF8 is not safe for concurrent use.
type UTF8 struct {
	need   uint8 // continuation bytes missing from the last character
	lo, hi byte  // range of the next continuation byte
}

// Check checks the next piece of the text. It reports whether the text so far
// is the start of valid UTF-8. After Check has returned false, it must not be
// called again.
func (u *UTF8) Check(p []byte) bool {
	for u.need > 0 && len(p) > 0 {
		if !u.next(p[0]) {
			return false
		}
		p = p[1:]
	}
	whole := len(p) - unfinished(p)
	if !utf8.Valid(p[:whole]) {
		return false
	}
	if whole == len(p) {
		return true
	}
	u.start(p[whole])
	for _, c := range p[whole+1:] {
		if !u.next(c) {
			return false
		}
	}
	return true
}

// Complete reports whether the text ends with a complete character.
func (u *UTF8) Complete() bool { return u.need == 0 }

// next checks one continuation byte.
func (u *UTF8) next(c byte) bool {
	if c < u.lo || c > u.hi {
		return false
	}
	u.need--
	u.lo, u.hi = 0x80, 0xBF
	return true
}

// start starts a character of two or more bytes with its first byte. The range
// of the second byte excludes overlong encodings, surrogates and values above
// U+10FFFF (Unicode, table 3-7).
func (u *UTF8) start(c byte) {
	u.need, u.lo, u.hi = uint8(runeSize(c)-1), 0x80, 0xBF
	switch c {
	case 0xE0:
		u.lo = 0xA0
	case 0xED:
		u.hi = 0x9F
	case 0xF0:
		u.lo = 0x90
	case 0xF4:
		u.hi = 0x8F
	}
}

// unfinished returns the number of bytes of an incomplete character at the end
// of p.
func unfinished(p []byte) int {
	for n := 1; n <= min(3, len(p)); n++ {
		c := p[len(p)-n]
		if c < utf8.RuneSelf {
			return 0
		}
		if utf8.RuneStart(c) {
			if runeSize(c) > n {
				return n
			}
			return 0
		}
	}
	return 0
}

// runeSize returns the length of the character that starts with c, or 1 if c
// does not start a character of several bytes.
func runeSize(c byte) int {
	switch {
	case c >= 0xC2 && c <= 0xDF:
		return 2
	case c >= 0xE0 && c <= 0xEF:
		return 3
	case c >= 0xF0 && c <= 0xF4:
		return 4
	}
	return 1
}
