// Package frame encodes and decodes the frames of the WebSocket protocol
// (RFC 6455, section 5). It works on bytes in memory: it knows nothing of
// connections, starts no goroutine, and decoding allocates nothing.
//
// A frame is a header of 2 to 14 bytes and a payload:
//
//	 0               1               2 ...
//	+-+---+---------+-+-------------+----------------+-----------+---------+
//	|F|RSV| opcode  |M| length 0-125| longer length  | mask key  | payload |
//	|I|123|         | | 126, 127    | 2 or 8 bytes   | 4 bytes   |         |
//	+-+---+---------+-+-------------+----------------+-----------+---------+
//
// A message is one data frame, or a data frame without FIN followed by
// continuation frames of which the last has FIN. Control frames (close, ping,
// pong) are never split and may stand between the frames of a message.
package frame

import "encoding/binary"

// An Opcode says what a frame carries (RFC 6455, section 11.8).
type Opcode byte

// The opcodes that RFC 6455 defines; all others are reserved.
const (
	Continuation Opcode = 0
	Text         Opcode = 1
	Binary       Opcode = 2
	Close        Opcode = 8
	Ping         Opcode = 9
	Pong         Opcode = 10
)

// IsControl reports whether o is in the range of control frames.
func (o Opcode) IsControl() bool { return o&8 != 0 }

func (o Opcode) isReserved() bool { return o > Binary && o < Close || o > Pong }

const (
	// MaxHeader is the length of the longest frame header in bytes.
	MaxHeader = 14

	// MaxControl is the longest payload of a control frame in bytes.
	MaxControl = 125
)

const (
	finBit   = 0x80
	rsvBits  = 0x70
	rsv1Bit  = 0x40
	maskBit  = 0x80
	length16 = 126
	length64 = 127
)

// A Header is a frame's header.
type Header struct {
	Fin        bool   // the last frame of its message
	Compressed bool   // RSV1: the first frame of a compressed message (RFC 7692)
	Masked     bool   // the payload is masked with Key
	Opcode     Opcode // kind of frame
	Key        uint32 // masking key; the low byte comes first on the wire
	Length     int64  // length of the payload in bytes, never negative
}

// AppendHeader appends the wire form of h to dst, with the shortest encoding
// of the length.
func AppendHeader(dst []byte, h Header) []byte {
	first, mask := byte(h.Opcode), byte(0)
	if h.Fin {
		first |= finBit
	}
	if h.Compressed {
		first |= rsv1Bit
	}
	if h.Masked {
		mask = maskBit
	}
	switch {
	case h.Length < length16:
		dst = append(dst, first, mask|byte(h.Length))
	case h.Length <= 0xFFFF:
		dst = append(dst, first, mask|length16, byte(h.Length>>8), byte(h.Length))
	default:
		dst = append(dst, first, mask|length64)
		dst = binary.BigEndian.AppendUint64(dst, uint64(h.Length))
	}
	if h.Masked {
		dst = binary.LittleEndian.AppendUint32(dst, h.Key)
	}
	return dst
}

// A Decoder reads the headers of one direction of a connection and holds them
// to every rule that a header alone can break. Its zero value reads what a
// server sends when no extension was agreed on.
type Decoder struct {
	// Masked is set to read frames of a client, which must be masked. Those
	// of a server must not be.
	Masked bool

	// Compression is set if permessage-deflate was agreed on. It allows RSV1
	// on the first frame of a message.
	Compression bool

	inMessage bool // a data frame without FIN has been read, its last not yet
}

// Next decodes the header at the start of b and returns it with its size in
// bytes. If b ends before the header does, size is the number of bytes needed
// to go on, which is more than len(b), and the decoder's state is unchanged.
//
// An error is an [*Error] that holds the close code to fail the connection
// with. It is reported as soon as the bytes present prove it.
func (d *Decoder) Next(b []byte) (h Header, size int, err error) {
	if len(b) < 2 {
		return Header{}, 2, nil
	}
	if err := d.check(b[0], b[1]); err != nil {
		return Header{}, 0, err
	}
	length, n, err := payloadLength(b)
	if err != nil {
		return Header{}, 0, err
	}
	size = n
	if len(b) >= n && b[1]&maskBit != 0 {
		size += 4 // asked for only now, so that a bad length shows early
	}
	if len(b) < size {
		return Header{}, size, nil
	}
	h = Header{
		Fin:        b[0]&finBit != 0,
		Compressed: b[0]&rsv1Bit != 0,
		Masked:     b[1]&maskBit != 0,
		Opcode:     Opcode(b[0] & 0xF),
		Length:     length,
	}
	if h.Masked {
		h.Key = binary.LittleEndian.Uint32(b[n:])
	}
	if !h.Opcode.IsControl() {
		d.inMessage = !h.Fin
	}
	return h, size, nil
}

// check holds the first two bytes of a header to the rules of RFC 6455,
// sections 5.1, 5.2, 5.4 and 5.5.
func (d *Decoder) check(first, second byte) error {
	op := Opcode(first & 0xF)
	rsv := first & rsvBits
	if d.Compression && (op == Text || op == Binary) {
		rsv &^= rsv1Bit
	}
	switch {
	case rsv != 0:
		return errReservedBits
	case op.isReserved():
		return errReservedOpcode
	case d.Masked && second&maskBit == 0:
		return errNotMasked
	case !d.Masked && second&maskBit != 0:
		return errMasked
	case op.IsControl() && first&finBit == 0:
		return errFragmentedControl
	case op.IsControl() && second&^maskBit > MaxControl:
		return errLongControl
	case op == Continuation && !d.inMessage:
		return errNothingToContinue
	case (op == Text || op == Binary) && d.inMessage:
		return errMessageNotFinished
	}
	return nil
}

// payloadLength reads the length of the payload, which must be in the shortest
// form, and returns the size of the header up to its end. Without all of its
// bytes in b, length is not set.
func payloadLength(b []byte) (length int64, size int, err error) {
	switch short := b[1] &^ maskBit; short {
	case length16:
		if len(b) < 4 {
			return 0, 4, nil
		}
		length = int64(binary.BigEndian.Uint16(b[2:]))
		if length < length16 {
			return 0, 0, errLengthNotMinimal
		}
		return length, 4, nil
	case length64:
		if len(b) < 10 {
			return 0, 10, nil
		}
		length = int64(binary.BigEndian.Uint64(b[2:]))
		if length < 0 {
			return 0, 0, errLengthTopBit
		}
		if length <= 0xFFFF {
			return 0, 0, errLengthNotMinimal
		}
		return length, 10, nil
	default:
		return int64(short), 2, nil
	}
}
