package deflate

import "math/bits"

// A DEFLATE block (RFC 1951) is a list of tokens: literal bytes, and matches
// that copy a length of bytes from a distance back. Literals and lengths share
// one alphabet of Huffman codes, distances have another.
const (
	endOfBlock  = 256
	literalSize = 286 // literals, end of block, 29 length codes
	distSize    = 30
	storedMax   = 1<<16 - 1
)

// A token is a literal byte, or a match: matchToken, length-3, distance-1.
type token uint32

const (
	matchToken  token = 1 << 31
	lengthShift       = 16
)

// maxTokens is one literal for each byte of a block's input.
const maxTokens = blockSize

// A block collects the tokens of a block and writes them in the shortest of
// the three forms. It keeps the bits of the last unfinished byte in between.
type block struct {
	tokens  [maxTokens]token
	n       int
	out     bitWriter
	dynamic struct {
		literal, dist code
		lengths       lengthCoder
	}
	literalFreq [literalSize]uint32
	distFreq    [distSize]uint32
}

func (b *block) reset() { b.out = bitWriter{} }

// literals adds a run of literal bytes.
func (b *block) literals(text []byte) {
	for _, c := range text {
		b.tokens[b.n] = token(c)
		b.n++
		b.literalFreq[c]++
	}
}

// match adds a copy.
func (b *block) match(length, distance int) {
	b.tokens[b.n] = matchToken | token(length-3)<<lengthShift | token(distance-1)
	b.n++
	symbol, _, _ := lengthCode(length - 3)
	b.literalFreq[symbol]++
	symbol, _, _ = distCode(distance - 1)
	b.distFreq[symbol]++
}

// write appends the block to dst and empties b. The text is what the tokens
// stand for.
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

// minDynamic is the size in bits of a block in the fixed code below which a
// code of its own does not win back the bits that it takes to describe it.
const minDynamic = 640

// makeDynamic makes the codes that fit the block best.
func (b *block) makeDynamic() {
	d := &b.dynamic
	d.literal.build(b.literalFreq[:], maxCodeLength)
	d.dist.build(b.distFreq[:], maxCodeLength)
	d.lengths.build(&d.literal, &d.dist)
}

// extraBits counts the bits that follow the codes of lengths and distances.
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

// writeTokens appends the codes of the tokens and the end of the block.
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

// endStored appends the head of an empty stored block up to, and without, its
// length, and so ends at a byte.
func (b *block) endStored(dst []byte) []byte { return b.out.align(b.out.bits(dst, 0, 3)) }

// lengthCode returns the symbol of a match length less 3, and the bits that
// follow it.
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

// lengthExtra returns how many bits follow the i-th length code.
func lengthExtra(i int) int {
	if i < 8 || i == literalSize-1-endOfBlock-1 {
		return 0
	}
	return i/4 - 1
}

// distCode returns the symbol of a distance less 1, and the bits that follow.
func distCode(dist int) (symbol, extra int, n uint) {
	if dist < 4 {
		return dist, 0, 0
	}
	n = uint(bits.Len(uint(dist))) - 2
	return int(2*(n+1)) + dist>>n&1, dist & (1<<n - 1), n
}

// distExtra returns how many bits follow the i-th distance code.
func distExtra(i int) int { return max(0, i/2-1) }
