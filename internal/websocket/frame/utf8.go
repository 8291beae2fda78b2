package frame

import "unicode/utf8"

// A UTF8 checks text that arrives in pieces. It fails at the first piece that
// proves the text invalid, even if that piece ends within a character. Its
// zero value is ready for the start of a text.
type UTF8 struct {
	need   uint8 // continuation bytes that the last character still lacks
	lo, hi byte  // bounds of the next of them
}

// Check takes the next piece of the text. It reports false if no continuation
// of what it has seen so far is valid UTF-8; it must not be called after that.
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

// Complete reports whether the text may end here: it does not if its last
// character is cut.
func (u *UTF8) Complete() bool { return u.need == 0 }

// next takes one continuation byte.
func (u *UTF8) next(c byte) bool {
	if c < u.lo || c > u.hi {
		return false
	}
	u.need--
	u.lo, u.hi = 0x80, 0xBF
	return true
}

// start takes the first byte of a character of two or more bytes. The bounds
// of the second byte rule out overlong forms, surrogates and values past
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

// unfinished returns the length of the character that is cut off by the end
// of p, or 0 if there is none.
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

// runeSize returns the length of the character that starts with c, or 1 if no
// character of more than one byte does.
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
