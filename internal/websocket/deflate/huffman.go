package deflate

import (
	"math/bits"
	"slices"
)

const (
	maxCodeLength   = 15 // of codes for literals, lengths and distances
	maxLengthLength = 7  // of the code for code lengths
)

// A code is a canonical Huffman code (RFC 1951, section 3.2.2), indexed by
// symbol.
type code struct {
	length [literalSize + 2]uint8  // 0 for symbols that do not occur
	bits   [literalSize + 2]uint16 // least significant bit first
}

// The fixed Huffman codes (RFC 1951, section 3.2.6). Literal symbols 286 and
// 287 and distance symbols 30 and 31 have codes but never occur.
var fixedLiteral, fixedDist = makeFixed()

func makeFixed() (literal, dist code) {
	for i := range literal.length {
		switch {
		case i < 144:
			literal.length[i] = 8
		case i < 256:
			literal.length[i] = 9
		case i < 280:
			literal.length[i] = 7
		default:
			literal.length[i] = 8
		}
	}
	for i := range 32 {
		dist.length[i] = 5
	}
	literal.assign(len(literal.length), count(literal.length[:]))
	dist.assign(32, count(dist.length[:]))
	return literal, dist
}

// cost returns the number of bits that all symbols take with the code.
func (c *code) cost(freq []uint32) int {
	sum := 0
	for i, n := range freq {
		sum += int(n) * int(c.length[i])
	}
	return sum
}

// build sets c to the optimal code for the frequencies, with lengths of at most
// limit. A single symbol gets a code of one bit. If no symbol occurs, symbol 0
// gets it, because some decoders require at least one code.
func (c *code) build(freq []uint32, limit int) {
	clear(c.length[:])
	var symbols [literalSize]uint32 // frequency and symbol, to be sorted
	n := 0
	for i, f := range freq {
		if f > 0 {
			symbols[n] = f<<9 | uint32(i)
			n++
		}
	}
	var count lengthCount
	if n < 2 {
		c.length[symbols[0]&0x1FF] = 1
		count[1] = 1
		c.assign(len(freq), count)
		return
	}
	slices.Sort(symbols[:n])
	var weight [literalSize]int
	for i, s := range symbols[:n] {
		weight[i] = int(s >> 9)
	}
	codeLengths(weight[:n])
	for _, length := range weight[:n] {
		count[min(length, limit)]++
	}
	limitLengths(count[:limit+1])
	i := 0
	for length := limit; length > 0; length-- {
		for range count[length] {
			c.length[symbols[i]&0x1FF] = uint8(length)
			i++
		}
	}
	c.assign(len(freq), count)
}

// codeLengths replaces weights with the lengths of their Huffman codes, in
// place. It requires at least two weights in increasing order. The algorithm is
// from Moffat and Katajainen, "In-Place Calculation of Minimum-Redundancy
// Codes", 1995.
func codeLengths(a []int) {
	n := len(a)
	// Repeatedly join the two lightest nodes, leaves or inner nodes. The
	// element of a joined inner node becomes the index of its parent.
	root, leaf := 0, 0
	for next := range n - 1 {
		sum := 0
		for range 2 {
			if leaf >= n || root < next && a[root] < a[leaf] {
				sum += a[root]
				a[root] = next
				root++
			} else {
				sum += a[leaf]
				leaf++
			}
		}
		a[next] = sum
	}
	// Replace the parents of the inner nodes with their depths, from the root.
	a[n-2] = 0
	for i := n - 3; i >= 0; i-- {
		a[i] = a[a[i]] + 1
	}
	// At each depth, the places that are not inner nodes are leaves.
	places, inner, next := 1, n-2, n-1
	for depth := 0; places > 0; depth++ {
		used := 0
		for inner >= 0 && a[inner] == depth {
			used++
			inner--
		}
		for ; places > used; places-- {
			a[next] = depth
			next--
		}
		places = 2 * used
	}
}

// limitLengths makes count valid again after all lengths above len(count)-1
// were reduced to it. While there are too many codes of that length, it splits
// a shorter code and moves one code below it.
func limitLengths(count []int) {
	limit := len(count) - 1
	used := 0 // bit patterns in use, out of 1<<limit
	for length, n := range count {
		used += n << (limit - length)
	}
	for ; used > 1<<limit; used-- {
		length := limit - 1
		for count[length] == 0 {
			length--
		}
		count[limit]--
		count[length]--
		count[length+1] += 2
	}
}

// A lengthCount is the number of symbols with each code length.
type lengthCount [maxCodeLength + 1]int

func count(lengths []uint8) (c lengthCount) {
	for _, length := range lengths {
		if length > 0 {
			c[length]++
		}
	}
	return c
}

// assign sets the bits of the first n symbols from their lengths (RFC 1951,
// section 3.2.2). The count must be the count of those lengths.
func (c *code) assign(n int, count lengthCount) {
	var next [maxCodeLength + 1]uint16
	for length := 2; length <= maxCodeLength; length++ {
		next[length] = (next[length-1] + uint16(count[length-1])) << 1
	}
	for i, length := range c.length[:n] {
		if length > 0 {
			c.bits[i] = bits.Reverse16(next[length]) >> (16 - length)
			next[length]++
		}
	}
}

// A lengthCoder writes the description of a block's dynamic codes: their code
// lengths, run-length encoded and compressed with a third code (RFC 1951,
// section 3.2.7).
type lengthCoder struct {
	code         code // of the length symbols
	symbols      [literalSize + distSize]lengthSymbol
	n            int // symbols in use
	literalCount int // literal and length codes described (HLIT + 257)
	distCount    int // distance codes described (HDIST + 1)
	codeCount    int // code length codes described (HCLEN + 4)
	size         int // of the description in bits, including the block header
}

// A lengthSymbol is a code length, or a run with the value of its extra bits.
type lengthSymbol struct{ symbol, extra uint8 }

const (
	repeatLast  = 16 // the previous length, repeated 3 to 6 times; 2 extra bits
	repeatZero  = 17 // a run of 3 to 10 zero lengths; 3 extra bits
	repeatZeros = 18 // a run of 11 to 138 zero lengths; 7 extra bits
)

// lengthOrder is the order in which the lengths of the third code are written.
var lengthOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// runBits returns the number of extra bits of a length symbol.
func runBits(symbol uint8) uint {
	switch symbol {
	case repeatLast:
		return 2
	case repeatZero:
		return 3
	case repeatZeros:
		return 7
	}
	return 0
}

// build prepares the description of two codes.
func (l *lengthCoder) build(literal, dist *code) {
	l.literalCount, l.distCount = literalSize, distSize
	for literal.length[l.literalCount-1] == 0 {
		l.literalCount-- // ends at endOfBlock, which always has a code
	}
	for l.distCount > 1 && dist.length[l.distCount-1] == 0 {
		l.distCount--
	}
	var lengths [literalSize + distSize]uint8
	copy(lengths[copy(lengths[:], literal.length[:l.literalCount]):], dist.length[:l.distCount])
	l.encodeRuns(lengths[:l.literalCount+l.distCount])

	var freq [len(lengthOrder)]uint32
	for _, s := range l.symbols[:l.n] {
		freq[s.symbol]++
	}
	l.code.build(freq[:], maxLengthLength)
	l.codeCount = len(lengthOrder)
	for l.codeCount > 4 && l.code.length[lengthOrder[l.codeCount-1]] == 0 {
		l.codeCount--
	}
	l.size = 3 + 5 + 5 + 4 + 3*l.codeCount + l.code.cost(freq[:])
	for _, s := range []uint8{repeatLast, repeatZero, repeatZeros} {
		l.size += int(freq[s]) * int(runBits(s))
	}
}

// encodeRuns sets the symbols to the run-length encoding of lengths.
func (l *lengthCoder) encodeRuns(lengths []uint8) {
	l.n = 0
	for i := 0; i < len(lengths); {
		length, run := lengths[i], 1
		for i+run < len(lengths) && lengths[i+run] == length {
			run++
		}
		i += run
		if length > 0 {
			l.add(length, 0)
			run--
		}
		for run > 0 {
			switch {
			case length > 0 && run >= 3:
				run -= l.addRun(repeatLast, run, 3, 6)
			case length == 0 && run >= 11:
				run -= l.addRun(repeatZeros, run, 11, 138)
			case length == 0 && run >= 3:
				run -= l.addRun(repeatZero, run, 3, 10)
			default:
				l.add(length, 0)
				run--
			}
		}
	}
}

func (l *lengthCoder) add(symbol, extra uint8) {
	l.symbols[l.n] = lengthSymbol{symbol, extra}
	l.n++
}

// addRun adds a symbol for a run of least to most lengths, and returns the
// number of lengths that it covers.
func (l *lengthCoder) addRun(symbol uint8, run, least, most int) int {
	run = min(run, most)
	l.add(symbol, uint8(run-least))
	return run
}

// write appends the description to dst.
func (l *lengthCoder) write(dst []byte, out *bitWriter) []byte {
	dst = out.bits(dst, uint64(l.literalCount-257), 5)
	dst = out.bits(dst, uint64(l.distCount-1), 5)
	dst = out.bits(dst, uint64(l.codeCount-4), 4)
	for _, i := range lengthOrder[:l.codeCount] {
		dst = out.bits(dst, uint64(l.code.length[i]), 3)
	}
	for _, s := range l.symbols[:l.n] {
		dst = out.symbol(dst, &l.code, int(s.symbol), int(s.extra), runBits(s.symbol))
	}
	return dst
}
