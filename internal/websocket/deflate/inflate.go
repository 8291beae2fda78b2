package deflate

import (
	"encoding/binary"
	"io"
)

// A phase is the position of an inflater in the stream of a message:
//
//	            ┌──► inStored ──┐
//	atHeader ───┤               ├──► atHeader
//	            └──► inTokens ──┘
//	                  ▲    │
//	                  │    ▼
//	                 inMatch
type phase uint8

const (
	atHeader phase = iota // before the header of a block
	inStored              // in a stored block
	inTokens              // in a compressed block, between two tokens
	inMatch               // in a match
)

// An inflater decodes the DEFLATE blocks of a message (RFC 1951). Input and
// output may be split anywhere.
//
// Unlike compress/flate, it continues after a final block, which it treats like
// any other. A flate.Reader would have to be reset, with a copy of the window,
// which takes microseconds even for a block of two bytes.
type inflater struct {
	input
	window *window // text before the current output

	acc  uint64 // bits loaded from the input, the next one lowest
	bits uint   // number of bits in acc; the bits above are 0

	phase           phase
	final           bool    // the current block is final; in atHeader, the previous one was
	length          int     // bytes left to copy in inStored or inMatch
	distance        int     // of the match
	literals, dists *lookup // of the block

	dynamic struct { // codes that a block describes
		literals, dists lookup
		lengths         [literalSize + distSize]uint8
	}
}

// open starts a message.
func (f *inflater) open(source Source, limit int64) {
	f.input.open(source, limit)
	f.acc, f.bits, f.phase, f.final = 0, 0, atHeader, false
}

// close releases the memory of the message.
func (f *inflater) close() { f.input, f.window = input{}, nil }

// decode decodes into p, which must not be empty, until p is full, or until it
// has output and would have to wait for the source. At the end of the message,
// it returns [io.EOF], possibly with output. After an error of the source,
// decode can be called again.
func (f *inflater) decode(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		switch f.phase {
		case atHeader:
			err = f.header(n > 0)
		case inStored:
			n, err = f.stored(p, n)
		case inTokens:
			n, err = f.tokens(p, n)
		case inMatch:
			n, err = f.match(p, n)
		}
	}
	if err == errPause {
		err = nil
	}
	return n, err
}

// load moves bytes from the input to the accumulator.
func (f *inflater) load() {
	for f.bits < 56 && len(f.piece) > 0 {
		f.acc |= uint64(f.piece[0]) << f.bits
		f.bits += 8
		f.piece = f.piece[1:]
	}
}

// need makes sure that n bits are loaded, at most 32. It returns errShort if
// the input has too few.
func (f *inflater) need(n uint) error {
	if f.load(); f.bits < n {
		return errShort
	}
	return nil
}

// take removes n bits, which must be loaded, and returns their value.
func (f *inflater) take(n uint) int {
	v := f.acc & (1<<n - 1)
	f.acc >>= n
	f.bits -= n
	return int(v)
}

// header reads the header of a block (RFC 1951, section 3.2.3). After a final
// block, another may follow at the next byte boundary (RFC 7692, section
// 7.2.3.4).
func (f *inflater) header(hasOutput bool) error {
	if f.final {
		f.final = false
		f.take(f.bits & 7)
	}
	if f.bits == 0 && f.done() {
		return io.EOF
	}
	for {
		acc, bits, piece := f.acc, f.bits, f.piece
		err := f.readHeader()
		if err != errShort {
			return err
		}
		// Restart at the beginning of the header when more input has arrived.
		f.acc, f.bits, f.piece, f.phase, f.final = acc, bits, piece, atHeader, false
		if err := f.wait(hasOutput); err != nil {
			return err
		}
	}
}

// readHeader reads a header. It returns errShort if the input has only a part
// of it.
func (f *inflater) readHeader() error {
	if err := f.need(3); err != nil {
		return err
	}
	f.final = f.take(1) == 1
	switch f.take(2) {
	case 0:
		return f.storedHeader()
	case 1:
		f.literals, f.dists, f.phase = fixedLiteralLookup, fixedDistLookup, inTokens
		return nil
	case 2:
		f.literals, f.dists, f.phase = &f.dynamic.literals, &f.dynamic.dists, inTokens
		return f.codes()
	}
	return ErrCorrupt
}

// storedHeader reads the length of a stored block (RFC 1951, section 3.2.4).
func (f *inflater) storedHeader() error {
	f.take(f.bits & 7)
	if err := f.need(32); err != nil {
		return err
	}
	f.length, f.phase = f.take(16), inStored
	if f.take(16) != f.length^0xFFFF {
		return ErrCorrupt
	}
	return nil
}

// stored copies bytes of a stored block to p[n:], and returns the new n.
func (f *inflater) stored(p []byte, n int) (int, error) {
	for n < len(p) && f.length > 0 {
		m := 1
		switch {
		case f.bits > 0:
			p[n] = byte(f.take(8))
		case len(f.piece) > 0:
			m = copy(p[n:min(len(p), n+f.length)], f.piece)
			f.piece = f.piece[m:]
		default:
			if err := f.wait(n > 0); err != nil {
				return n, err
			}
			m = 0
		}
		n += m
		f.length -= m
	}
	if f.length == 0 {
		f.phase = atHeader
	}
	return n, nil
}

// codes reads the dynamic Huffman codes of a block (RFC 1951, section 3.2.7).
func (f *inflater) codes() error {
	if err := f.need(14); err != nil {
		return err
	}
	literals, dists, orders := f.take(5)+257, f.take(5)+1, f.take(4)+4
	if literals > literalSize || dists > distSize {
		return ErrCorrupt
	}
	var order [len(lengthOrder)]uint8
	for _, i := range lengthOrder[:orders] {
		if err := f.need(3); err != nil {
			return err
		}
		order[i] = uint8(f.take(3))
	}
	dynamic := &f.dynamic
	if !dynamic.dists.build(order[:]) { // holds the code of the lengths until they are read
		return ErrCorrupt
	}
	lengths := dynamic.lengths[:literals+dists]
	if err := f.lengths(lengths, &dynamic.dists); err != nil {
		return err
	}
	if !dynamic.literals.build(lengths[:literals]) || !dynamic.dists.build(lengths[literals:]) {
		return ErrCorrupt
	}
	return nil
}

// lengths reads the run-length encoded code lengths of both codes.
func (f *inflater) lengths(list []uint8, code *lookup) error {
	for i := 0; i < len(list); {
		symbol, err := f.symbol(code)
		if err != nil {
			return err
		}
		if symbol < repeatLast {
			list[i] = uint8(symbol)
			i++
			continue
		}
		extra := runBits(uint8(symbol))
		if err := f.need(extra); err != nil {
			return err
		}
		repeat, length := f.take(extra)+3, uint8(0)
		if symbol == repeatZeros {
			repeat += 8
		}
		if symbol == repeatLast && i > 0 {
			length = list[i-1]
		}
		if symbol == repeatLast && i == 0 || repeat > len(list)-i {
			return ErrCorrupt
		}
		for end := i + repeat; i < end; i++ {
			list[i] = length
		}
	}
	return nil
}

// symbol reads one symbol of a code.
func (f *inflater) symbol(code *lookup) (int, error) {
	f.load()
	symbol, length := code.find(f.acc).split()
	switch {
	case length > 0 && length <= f.bits:
		f.take(length)
		return symbol, nil
	case f.bits < maxCodeLength:
		return 0, errShort
	}
	return 0, ErrCorrupt
}

// tokens decodes tokens to p[n:], and returns the new n. While there is enough
// input and room, it decodes without checking for the end of either. After
// that, it decodes at most one token.
func (f *inflater) tokens(p []byte, n int) (int, error) {
	n, err := f.run(p, n)
	if err != nil || f.phase != inTokens || n == len(p) {
		return n, err
	}
	for {
		f.load()
		literal, ok, err := f.token()
		switch {
		case err != nil:
			return n, err
		case ok && f.phase == inTokens:
			p[n] = literal
			return n + 1, nil
		case ok:
			return n, nil
		}
		if err := f.wait(n > 0); err != nil {
			return n, err
		}
	}
}

// token decodes one token. A match or the end of the block changes f.phase. If
// f.acc holds only a part of the token, token consumes nothing, and ok is
// false.
func (f *inflater) token() (literal byte, ok bool, err error) {
	symbol, used := f.literals.find(f.acc).split()
	switch {
	case used == 0 || used > f.bits:
	case symbol < endOfBlock:
		f.take(used)
		return byte(symbol), true, nil
	case symbol == endOfBlock:
		f.take(used)
		f.phase = atHeader
		return 0, true, nil
	default:
		length, distance, more := f.pair(symbol, f.acc>>used)
		if used += more; more > 0 && used <= f.bits {
			f.take(used)
			f.length, f.distance, f.phase = length, distance, inMatch
			return 0, true, nil
		}
	}
	if f.bits >= maxToken {
		return 0, false, ErrCorrupt
	}
	return 0, false, nil
}

// pair decodes a match from the symbol of its length and the bits after that
// symbol. It returns the number of bits it has used, or 0 if the match is
// invalid.
func (f *inflater) pair(symbol int, acc uint64) (length, distance int, used uint) {
	if symbol <= endOfBlock || symbol >= literalSize {
		return 0, 0, 0
	}
	span := &lengthSpans[symbol-endOfBlock-1]
	length, used = span.value(acc), uint(span.extra)
	symbol, n := f.dists.find(acc >> used).split()
	if n == 0 || symbol >= distSize {
		return 0, 0, 0
	}
	used += n
	span = &distSpans[symbol]
	return length, span.value(acc >> used), used + uint(span.extra)
}

// run decodes tokens while the input has 8 bytes, enough for any token, and p
// has room for a literal and the longest match.
func (f *inflater) run(p []byte, n int) (_ int, err error) {
	acc, bits, in, literals := f.acc, f.bits, f.piece, f.literals
	for n+maxMatch < len(p) && len(in) >= 8 && err == nil {
		acc |= binary.LittleEndian.Uint64(in) << bits
		in = in[(63-bits)>>3:]
		bits |= 56
		symbol, used := literals.at(acc).split()
		if used > 0 && symbol < endOfBlock {
			p[n] = byte(symbol)
			n++
			acc, bits = acc>>used, bits-used
			// Often, enough bits remain for another token.
			if symbol, used = literals.at(acc).split(); bits < maxToken {
				continue
			}
		}
		if used == 0 {
			symbol, used = literals.long(acc).split()
		}
		acc >>= used
		bits -= used
		if symbol < endOfBlock && used > 0 {
			p[n] = byte(symbol)
			n++
			continue
		}
		if symbol == endOfBlock {
			f.phase = atHeader
			break
		}
		length, distance, more := f.pair(symbol, acc)
		if more == 0 {
			err = ErrCorrupt
			break
		}
		acc >>= more
		bits -= more
		if length <= distance && distance <= min(n, f.window.max) {
			n += copy(p[n:n+length], p[n-distance:])
			continue
		}
		f.length, f.distance = length, distance
		n, err = f.match(p, n)
	}
	f.acc, f.bits, f.piece = acc&(1<<bits-1), bits, in
	return n, err
}

// match copies bytes of a match to p[n:], and returns the new n.
func (f *inflater) match(p []byte, n int) (int, error) {
	if f.distance > f.window.max || f.distance > n+f.window.size {
		return n, ErrCorrupt
	}
	end := min(len(p), n+f.length)
	f.length -= end - n
	if back := f.distance - n; back > 0 {
		m := min(back, end-n)
		f.window.copy(p[n:n+m], back)
		n += m
	}
	for start := n - f.distance; n < end; {
		n += copy(p[n:end], p[start:n]) // doubles with each copy
	}
	f.phase = inTokens
	if f.length > 0 {
		f.phase = inMatch
	}
	return n, nil
}
