package deflate

import (
	"math/bits"
	"slices"
)

const (
	maxCodeLength   = 15 // of literals, lengths and distances
	maxLengthLength = 7  // of the code that describes the other two
)

// A code is a canonical Huffman code (RFC 1951, section 3.2.2). The bits of a
// symbol are in the order in which they are written. A length of 0 means that
// the symbol does not occur.
type code struct {
	length [literalSize + 2]uint8
	bits   [literalSize + 2]uint16
}

// The codes of blocks that describe none (section 3.2.6). Two symbols of the
// first and none of the second are never written.
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

// cost returns how many bits the codes of all symbols take.
func (c *code) cost(freq []uint32) int {
	sum := 0
	for i, n := range freq {
		sum += int(n) * int(c.length[i])
	}
	return sum
}

// build makes the best code for the given frequencies, with no length over
// limit. A single symbol gets one bit; with none, symbol 0 does, because
// there are decoders that ask for at least one.
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

// codeLengths replaces two or more weights, sorted from the smallest, with
// the lengths of their Huffman codes, in place (Moffat and Katajainen,
// "In-Place Calculation of Minimum-Redundancy Codes", 1995).
func codeLengths(a []int) {
	n := len(a)
	// Join the two lightest of leaves and inner nodes, over and over. A node
	// that was joined holds the index of its parent.
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
	// Turn parents into depths of the inner nodes, from the root down.
	a[n-2] = 0
	for i := n - 3; i >= 0; i-- {
		a[i] = a[a[i]] + 1
	}
	// Count the inner nodes of each depth: the rest of its places are leaves.
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

// limitLengths makes a code of counts that are too many for its longest
// length, count[len(count)-1], because longer ones were cut to it. For each
// place that is missing there it splits a shorter code.
func limitLengths(count []int) {
	limit := len(count) - 1
	used := 0 // of 1<<limit places
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

// A lengthCount holds how many symbols have each length of code.
type lengthCount [maxCodeLength + 1]int

func count(lengths []uint8) (c lengthCount) {
	for _, length := range lengths {
		if length > 0 {
			c[length]++
		}
	}
	return c
}

// assign gives the first n symbols their bits, from the lengths, which count
// must agree with.
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

// A lengthCoder writes the description of a block's codes: their lengths,
// run-length encoded, in a code of its own (RFC 1951, section 3.2.7).
type lengthCoder struct {
	code    code
	symbols [literalSize + distSize]lengthSymbol
	n       int // symbols in use
	literal int // literal and length codes described
	dist    int // distance codes described
	order   int // lengths of code that are written
	size    int // of the description, in bits, with the block's first three
}

// A lengthSymbol is a length, or a run with the bits that follow it.
type lengthSymbol struct{ symbol, extra uint8 }

const (
	repeatLast  = 16 // 3 to 6 times, 2 bits
	repeatZero  = 17 // 3 to 10 times, 3 bits
	repeatZeros = 18 // 11 to 138 times, 7 bits
)

// lengthOrder is the order in which the lengths of the third code are written.
var lengthOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

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
	l.literal, l.dist = literalSize, distSize
	for literal.length[l.literal-1] == 0 {
		l.literal-- // stops at the end of block
	}
	for l.dist > 1 && dist.length[l.dist-1] == 0 {
		l.dist--
	}
	var lengths [literalSize + distSize]uint8
	copy(lengths[copy(lengths[:], literal.length[:l.literal]):], dist.length[:l.dist])
	l.encodeRuns(lengths[:l.literal+l.dist])

	var freq [len(lengthOrder)]uint32
	for _, s := range l.symbols[:l.n] {
		freq[s.symbol]++
	}
	l.code.build(freq[:], maxLengthLength)
	l.order = len(lengthOrder)
	for l.order > 4 && l.code.length[lengthOrder[l.order-1]] == 0 {
		l.order--
	}
	l.size = 3 + 5 + 5 + 4 + 3*l.order + l.code.cost(freq[:])
	for _, s := range []uint8{repeatLast, repeatZero, repeatZeros} {
		l.size += int(freq[s]) * int(runBits(s))
	}
}

// encodeRuns fills symbols.
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

// addRun adds as much of a run as one symbol takes and returns that.
func (l *lengthCoder) addRun(symbol uint8, run, least, most int) int {
	run = min(run, most)
	l.add(symbol, uint8(run-least))
	return run
}

// write appends the description.
func (l *lengthCoder) write(dst []byte, out *bitWriter) []byte {
	dst = out.bits(dst, uint64(l.literal-257), 5)
	dst = out.bits(dst, uint64(l.dist-1), 5)
	dst = out.bits(dst, uint64(l.order-4), 4)
	for _, i := range lengthOrder[:l.order] {
		dst = out.bits(dst, uint64(l.code.length[i]), 3)
	}
	for _, s := range l.symbols[:l.n] {
		dst = out.symbol(dst, &l.code, int(s.symbol), int(s.extra), runBits(s.symbol))
	}
	return dst
}
