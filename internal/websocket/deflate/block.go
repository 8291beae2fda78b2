package deflate

import "math/bits"

// A compressed block (RFC 1951, section 3.2.3) is a sequence of tokens: literal
// bytes, and matches <length, backward distance>. Literals and lengths are
// encoded with one Huffman code, distances with another.
const (
	endOfBlock  = 256
	literalSize = 286 // 256 literals, the end of the block, and 29 lengths
	distSize    = 30
	storedMax   = 1<<16 - 1 // maximum length of a stored block
)

// A token is a literal byte, or a match: the matchToken bit, length-3 and
// distance-1.
type token uint32

const (
	matchToken  token = 1 << 31
	lengthShift       = 16
)

// maxTokens is the maximum number of tokens of a block: all bytes are literals.
const maxTokens = blockSize

// A block collects the tokens of a block and writes them in the shortest of the
// three forms: stored, with fixed Huffman codes, or with dynamic ones. Between
// blocks, it keeps the bits of an incomplete byte.
type block struct {
	tokens  [maxTokens]token
	n       int // tokens in use
	out     bitWriter
	dynamic struct {
		literal, dist code
		lengths       lengthCoder // describes the two codes
	}
	literalFreq [literalSize]uint32
	distFreq    [distSize]uint32
}

func (b *block) reset() { b.out = bitWriter{} }

// literals adds a literal for each byte of text.
func (b *block) literals(text []byte) {
	for _, c := range text {
		b.tokens[b.n] = token(c)
		b.n++
		b.literalFreq[c]++
	}
}

// match adds a match.
func (b *block) match(length, distance int) {
	b.tokens[b.n] = matchToken | token(length-3)<<lengthShift | token(distance-1)
	b.n++
	symbol, _, _ := lengthCode(length - 3)
	b.literalFreq[symbol]++
	symbol, _, _ = distCode(distance - 1)
	b.distFreq[symbol]++
}

// write appends the block to dst and removes all tokens from b. The text is the
// uncompressed form of the tokens.
func (b *block) write(dst, text []byte) []byte {
	b.literalFreq[endOfBlock] = 1
	extra := b.extraBits()
	literal, dist := &fixedLiteral, &fixedDist
	size := extra + literal.cost(b.literalFreq[:]) + dist.cost(b.distFreq[:])
	dynamic := false
	if size >= minDynamic {
		d := &b.dynamic
		b.makeDynamic()
		dynamicSize := extra + d.lengths.size + d.literal.cost(b.literalFreq[:]) + d.dist.cost(b.distFreq[:])
		if dynamic = dynamicSize < size; dynamic {
			literal, dist, size = &d.literal, &d.dist, dynamicSize
		}
	}
	switch {
	case size >= 8*(len(text)+4):
		dst = b.out.stored(dst, text)
	case dynamic:
		dst = b.out.bits(dst, 0b100, 3)
		dst = b.dynamic.lengths.write(dst, &b.out)
		dst = b.writeTokens(dst, literal, dist)
	default:
		dst = b.out.bits(dst, 0b010, 3)
		dst = b.writeTokens(dst, literal, dist)
	}
	b.n = 0
	clear(b.literalFreq[:])
	clear(b.distFreq[:])
	return dst
}

// minDynamic is the size in bits, with fixed codes, of the smallest block for
// which dynamic codes are tried. For smaller blocks, the description of the
// codes takes more than they save.
const minDynamic = 640

// makeDynamic builds the optimal codes for the block.
func (b *block) makeDynamic() {
	d := &b.dynamic
	d.literal.build(b.literalFreq[:], maxCodeLength)
	d.dist.build(b.distFreq[:], maxCodeLength)
	d.lengths.build(&d.literal, &d.dist)
}

// extraBits returns the total number of extra bits of lengths and distances.
func (b *block) extraBits() int {
	sum := 0
	for i, n := range b.literalFreq[endOfBlock+1:] {
		sum += int(n) * lengthExtra(i)
	}
	for i, n := range b.distFreq {
		sum += int(n) * distExtra(i)
	}
	return sum
}

// writeTokens appends the codes of all tokens and the end of the block.
func (b *block) writeTokens(dst []byte, literal, dist *code) []byte {
	out := b.out
	for _, t := range b.tokens[:b.n] {
		if t&matchToken == 0 {
			dst = out.bits(dst, uint64(literal.bits[t]), uint(literal.length[t]))
			continue
		}
		symbol, extra, n := lengthCode(int(t >> lengthShift & 0xFF))
		dst = out.symbol(dst, literal, symbol, extra, n)
		symbol, extra, n = distCode(int(t & 0xFFFF))
		dst = out.symbol(dst, dist, symbol, extra, n)
	}
	dst = out.bits(dst, uint64(literal.bits[endOfBlock]), uint(literal.length[endOfBlock]))
	b.out = out
	return dst
}

// endStored appends the start of an empty stored block, without the four bytes
// of its length, so that dst ends at a byte boundary.
func (b *block) endStored(dst []byte) []byte { return b.out.align(b.out.bits(dst, 0, 3)) }

// lengthCode returns the symbol for a match length minus 3, and the value and
// number of its extra bits (RFC 1951, section 3.2.5). For example, the length
// 14 has symbol 266 and one extra bit of value 1.
func lengthCode(length int) (symbol, extra int, n uint) {
	switch {
	case length < 8:
		return endOfBlock + 1 + length, 0, 0
	case length == maxMatch-3:
		return literalSize - 1, 0, 0
	}
	n = uint(bits.Len(uint(length))) - 3
	return endOfBlock + 1 + int(4*(n+1)) + length>>n&3, length & (1<<n - 1), n
}

// lengthExtra returns the number of extra bits of length symbol endOfBlock+1+i.
func lengthExtra(i int) int {
	if i < 8 || i == literalSize-1-endOfBlock-1 {
		return 0
	}
	return i/4 - 1
}

// distCode returns the symbol for a distance minus 1, and the value and number
// of its extra bits (RFC 1951, section 3.2.5).
func distCode(dist int) (symbol, extra int, n uint) {
	if dist < 4 {
		return dist, 0, 0
	}
	n = uint(bits.Len(uint(dist))) - 2
	return int(2*(n+1)) + dist>>n&1, dist & (1<<n - 1), n
}

// distExtra returns the number of extra bits of distance symbol i.
func distExtra(i int) int { return max(0, i/2-1) }
