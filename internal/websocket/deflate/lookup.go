package deflate

import "math/bits"

// lookupBits is the longest code that a lookup finds at once.
const lookupBits = 10

// maxToken is the most bits that a token has: two codes and their extra bits.
const maxToken = 2*maxCodeLength + 5 + 13

// A lookup decodes a canonical Huffman code. Codes of at most lookupBits bits
// are found in a table; of longer ones, which are rare, the rest is read bit by
// bit.
type lookup struct {
	table [1 << lookupBits]entry // 0 for a longer code or none
	mask  uint64                 // of the bits that index table

	// For codes of more than lookupBits bits.
	count   [maxCodeLength + 1]uint16 // codes of each length
	first   uint16                    // the first code of lookupBits+1 bits
	index   uint16                    // its index in symbols
	symbols [literalSize + 2]uint16   // in the order of their codes
}

// build makes l decode the code in which the i-th symbol has lengths[i] bits.
// It reports whether there is such a code that uses all its bit patterns. As in
// zlib and compress/flate a code of one symbol, of one bit, is allowed, and one
// of no symbols, which decodes nothing.
func (l *lookup) build(lengths []uint8) bool {
	clear(l.count[:])
	for _, length := range lengths {
		l.count[length]++
	}
	l.count[0] = 0
	longest, used := 0, 0 // used is out of 1<<maxCodeLength
	for length, n := range l.count {
		if n > 0 {
			longest = length
			used += int(n) << (maxCodeLength - length)
		}
	}
	if used != 1<<maxCodeLength && longest > 0 && (longest > 1 || l.count[1] > 1) {
		return false
	}
	width := max(1, min(longest, lookupBits))
	l.mask = 1<<width - 1
	clear(l.table[:1<<width])
	l.fill(lengths, width)
	return true
}

// fill enters the symbols, for an index of width bits.
func (l *lookup) fill(lengths []uint8, width int) {
	var next, at [maxCodeLength + 2]uint16 // the next code of each length, and its symbol's index
	for length := 1; length <= maxCodeLength; length++ {
		next[length+1] = (next[length] + l.count[length]) << 1
		at[length+1] = at[length] + l.count[length]
	}
	l.first, l.index = next[lookupBits+1], at[lookupBits+1]
	for symbol, length := range lengths {
		if length == 0 {
			continue
		}
		code := next[length]
		next[length]++
		if int(length) > width {
			l.symbols[at[length]] = uint16(symbol)
			at[length]++
			continue
		}
		e := newEntry(symbol, int(length))
		for i := int(bits.Reverse16(code) >> (16 - length)); i < 1<<width; i += 1 << length {
			l.table[i] = e
		}
	}
}

// at returns the entry of the table for a code of at most lookupBits bits that
// acc begins with, or else 0.
func (l *lookup) at(acc uint64) entry { return l.table[acc&l.mask&(1<<lookupBits-1)] }

// find returns the entry for the code that acc begins with, or 0.
func (l *lookup) find(acc uint64) entry {
	if e := l.at(acc); e != 0 {
		return e
	}
	return l.long(acc)
}

// long is find for a code of more than lookupBits bits.
func (l *lookup) long(acc uint64) entry {
	if l.mask != 1<<lookupBits-1 {
		return 0
	}
	code := bits.Reverse16(uint16(acc)) >> (16 - lookupBits)
	acc >>= lookupBits
	first, index := l.first, l.index
	for length := lookupBits + 1; length <= maxCodeLength; length++ {
		code = code<<1 | uint16(acc&1)
		acc >>= 1
		count := l.count[length]
		if code-first < count {
			return newEntry(int(l.symbols[index+code-first]), length)
		}
		index += count
		first = (first + count) << 1
	}
	return 0
}

// An entry is a symbol and the length of its code. 0 is none.
type entry uint16

func newEntry(symbol, length int) entry { return entry(symbol<<4 | length) }

// split returns the symbol, and the length of its code or 0.
func (e entry) split() (symbol int, length uint) { return int(e >> 4), uint(e & 15) }

// The codes of blocks that describe none.
var fixedLiteralLookup, fixedDistLookup = makeFixedLookup()

func makeFixedLookup() (literal, dist *lookup) {
	literal, dist = new(lookup), new(lookup)
	literal.build(fixedLiteral.length[:])
	dist.build(fixedDist.length[:32])
	return literal, dist
}

// A span is what a length or distance code stands for: base, plus the value of
// the extra bits that follow it.
type span struct {
	base  uint16
	extra uint8
}

// value returns the length or distance, given the bits that follow the code.
func (s *span) value(acc uint64) int { return int(s.base) + int(acc&(1<<s.extra-1)) }

// The spans of the symbols from endOfBlock+1 on, and of the distance symbols.
var lengthSpans, distSpans = makeSpans()

func makeSpans() (lengths [literalSize - endOfBlock - 1]span, dists [distSize]span) {
	base := 3
	for i := range lengths {
		lengths[i] = span{uint16(base), uint8(lengthExtra(i))}
		base += 1 << lengthExtra(i)
	}
	lengths[len(lengths)-1].base = maxMatch
	base = 1
	for i := range dists {
		dists[i] = span{uint16(base), uint8(distExtra(i))}
		base += 1 << distExtra(i)
	}
	return lengths, dists
}
