package deflate

import (
	"encoding/binary"
	"io"
)

// A phase is a place in the stream of a message.
type phase uint8

const (
	atHeader phase = iota // before the header of a block
	inStored              // in the text of a stored block
	inTokens              // in a block of codes, between two tokens
	inMatch               // in a match, of which length bytes are still to be copied
)

// An inflater decodes the blocks of a message (RFC 1951). Its input and output
// may be cut anywhere.
//
// It is not compress/flate because of what that does with a final block. There
// the stream ends, and what follows needs a new one with a copy of the window:
// microseconds, for a block that takes two bytes. For an inflater a final block
// is one like any other. It also allocates no more than it needs.
type inflater struct {
	input
	window *window // the text before the output

	acc  uint64 // bits of the input, the next one lowest
	bits uint   // how many; those above are zero

	phase            phase
	final            bool    // the block, or the one before the header, is final
	length, distance int     // of the match or the stored block, what is left of it
	literals, dists  *lookup // of the block

	own struct { // of a block that describes its codes
		literals, dists lookup
		lengths         [literalSize + distSize]uint8
	}
}

// open begins a message.
func (f *inflater) open(source Source, limit int64) {
	f.input.open(source, limit)
	f.acc, f.bits, f.phase, f.final = 0, 0, atHeader, false
}

// close drops what belongs to the message.
func (f *inflater) close() { f.input, f.window = input{}, nil }

// decode fills p, which is not empty, until the input has no more at hand. The
// error is [io.EOF] at the end of the message, which may come with output.
// After an error of the source it can go on.
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

// need loads n bits, at most 32, or returns errShort.
func (f *inflater) need(n uint) error {
	if f.load(); f.bits < n {
		return errShort
	}
	return nil
}

// take removes n bits, which must be there.
func (f *inflater) take(n uint) int {
	v := f.acc & (1<<n - 1)
	f.acc >>= n
	f.bits -= n
	return int(v)
}

// header reads the header of a block. A final block ends at a byte, and another
// may follow (RFC 7692, section 7.2.3.4): the stream ends with the message.
func (f *inflater) header(output bool) error {
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
		// It is read again, from its beginning, when there is more of it.
		f.acc, f.bits, f.piece, f.phase, f.final = acc, bits, piece, atHeader, false
		if err := f.wait(output); err != nil {
			return err
		}
	}
}

// readHeader reads a header from the input at hand, or returns errShort.
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
		f.literals, f.dists, f.phase = &f.own.literals, &f.own.dists, inTokens
		return f.codes()
	}
	return ErrCorrupt
}

// storedHeader reads the length of a stored block.
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

// stored reads the text of a stored block.
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

// codes reads the description of a block's codes.
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
	own := &f.own
	if !own.dists.build(order[:]) { // is free until the distances are known
		return ErrCorrupt
	}
	lengths := own.lengths[:literals+dists]
	if err := f.lengths(lengths, &own.dists); err != nil {
		return err
	}
	if !own.literals.build(lengths[:literals]) || !own.dists.build(lengths[literals:]) {
		return ErrCorrupt
	}
	return nil
}

// lengths reads the lengths of codes, which are run-length encoded in a code of
// their own.
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

// symbol reads one symbol.
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

// tokens decodes the tokens of a block: as many as possible at once while there
// is plenty of input and room, and then one with care.
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

// token decodes one token: a literal, or what ends the phase. It takes nothing
// and reports false if the accumulator does not hold all of it.
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

// pair decodes a match, given the symbol of its length and the bits that follow
// it. It returns how many of them it used, or 0 if it is not valid.
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

// run decodes tokens as long as there are 8 bytes of input, which hold any
// token, and room for a literal and the longest match.
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
			acc >>= used
			bits -= used
			// Often the bits left are enough for another token.
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

// match copies as much of a match as there is room for.
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
		n += copy(p[n:end], p[start:n]) // twice as much each time
	}
	f.phase = inTokens
	if f.length > 0 {
		f.phase = inMatch
	}
	return n, nil
}
