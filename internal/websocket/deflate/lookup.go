package deflate

import "math/bits"

// lookupBits is the length of the longest code that the table of a lookup
// contains.
const lookupBits = 10

// maxToken is the maximum number of bits of a token: a length and a distance
// with their extra bits.
const maxToken = 2*maxCodeLength + 5 + 13

// A lookup decodes a canonical Huffman code (RFC 1951, section 3.2.2). A code
// of at most lookupBits bits is found in a table. The remaining bits of a
// longer code, which is rare, are read one by one.
type lookup struct {
	table [1 << lookupBits]entry // indexed by the next bits; 0 for a longer or invalid code
	mask  uint64                 // selects the bits of the index

	// For codes of more than lookupBits bits.
	count     [maxCodeLength + 1]uint16 // number of codes of each length
	longCode  uint16                    // first code of lookupBits+1 bits
	longIndex uint16                    // index of its symbol in symbols
	symbols   [literalSize + 2]uint16   // in the order of their codes
}

// build prepares l for the code in which symbol i has lengths[i] bits. It
// reports whether the lengths form a complete code. As in zlib and
// compress/flate, a code of a single symbol with one bit is accepted too, and
// so is a code without symbols, which decodes nothing.
func (l *lookup) build(lengths []uint8) bool {
	clear(l.count[:])
	for _, length := range lengths {
		l.count[length]++
	}
	l.count[0] = 0
	longest, used := 0, 0 // used counts bit patterns, out of 1<<maxCodeLength
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

// fill adds the symbols to the table, which is indexed by width bits, and to
// symbols.
func (l *lookup) fill(lengths []uint8, width int) {
	var next, at [maxCodeLength + 2]uint16 // next code of each length, and the index of its symbol
	for length := 1; length <= maxCodeLength; length++ {
		next[length+1] = (next[length] + l.count[length]) << 1
		at[length+1] = at[length] + l.count[length]
	}
	l.longCode, l.longIndex = next[lookupBits+1], at[lookupBits+1]
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

// at returns the entry for the code at the start of acc, or 0 if the code has
// more than lookupBits bits or is invalid.
func (l *lookup) at(acc uint64) entry { return l.table[acc&l.mask&(1<<lookupBits-1)] }

// find returns the entry for the code at the start of acc, or 0 if it is
// invalid.
func (l *lookup) find(acc uint64) entry {
	if e := l.at(acc); e != 0 {
		return e
	}
	return l.long(acc)
}

// long is find for codes of more than lookupBits bits.
func (l *lookup) long(acc uint64) entry {
	if l.mask != 1<<lookupBits-1 {
		return 0
	}
	code := bits.Reverse16(uint16(acc)) >> (16 - lookupBits)
	acc >>= lookupBits
	first, index := l.longCode, l.longIndex
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

// An entry is a symbol and the length of its code. The zero entry has no
// symbol.
type entry uint16

func newEntry(symbol, length int) entry { return entry(symbol<<4 | length) }

// split returns the symbol and the length of its code. The length is 0 for the
// zero entry.
func (e entry) split() (symbol int, length uint) { return int(e >> 4), uint(e & 15) }

// The fixed Huffman codes (RFC 1951, section 3.2.6).
var fixedLiteralLookup, fixedDistLookup = makeFixedLookup()

func makeFixedLookup() (literal, dist *lookup) {
	literal, dist = new(lookup), new(lookup)
	literal.build(fixedLiteral.length[:])
	dist.build(fixedDist.length[:32])
	return literal, dist
}

// A span is the range of lengths or distances of a symbol: base plus the value
// of the extra bits (RFC 1951, section 3.2.5).
type span struct {
	base  uint16
	extra uint8
}

// value returns the length or distance for the bits after the code.
func (s *span) value(acc uint64) int { return int(s.base) + int(acc&(1<<s.extra-1)) }

// The spans of the length symbols, starting at endOfBlock+1, and of the
// distance symbols.
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
