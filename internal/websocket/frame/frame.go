// Package frame encodes and decodes frames of the WebSocket protocol (RFC 6455,
// section 5). It works on bytes in memory and does not depend on connections.
// Decoding does not allocate.
//
// A frame is a header of 2 to 14 bytes, followed by a payload:
//
//	 0               1               2 ...
//	+-+---+---------+-+-------------+----------------+-----------+---------+
//	|F|RSV| opcode  |M| length 0-125| longer length  | mask key  | payload |
//	|I|123|         | | 126, 127    | 2 or 8 bytes   | 4 bytes   |         |
//	+-+---+---------+-+-------------+----------------+-----------+---------+
//
// A message is a single data frame, or a data frame without FIN followed by
// continuation frames, the last of which has FIN. Control frames (close, ping,
// pong) are never fragmented, and may appear between the frames of a message.
package frame

import "encoding/binary"

// An Opcode is the type of a frame (RFC 6455, section 11.8).
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
	// MaxHeader is the maximum size of a frame header in bytes.
	MaxHeader = 14

	// MaxControl is the maximum payload of a control frame in bytes.
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

// A Header is the header of a frame.
type Header struct {
	Fin        bool // the last frame of its message
	Compressed bool // RSV1: the first frame of a compressed message (RFC 7692)
	Masked     bool // the payload is masked with Key
	Opcode     Opcode
	Key        uint32 // masking key, in little-endian byte order
	Length     int64  // length of the payload in bytes, never negative
}

// AppendHeader appends the encoded header to dst, with the shortest encoding of
// the length.
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

// A Decoder decodes the frame headers of one direction of a connection. It
// checks every rule of the protocol that depends on headers only. The zero
// value decodes frames of a server, without extensions. A Decoder is not safe
// for concurrent use.
type Decoder struct {
	// Masked reports whether frames must be masked, because a client sends
	// them. If false, frames must not be masked.
	Masked bool

	// Compression reports whether permessage-deflate was negotiated. It allows
	// RSV1 in the first frame of a message.
	Compression bool

	inMessage bool // the current message continues in another data frame
}

// Next decodes the header at the start of b, and returns it with its size in
// bytes. If b contains only a part of the header, size is the number of bytes
// that Next needs, which is greater than len(b), and the state of d is
// unchanged.
//
// If the header violates the protocol, the error is an [*Error] with the close
// code to send. Next returns it as soon as b shows the violation, even if the
// header is incomplete.
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
		size += 4 // not before, so that an invalid length is reported first
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

// check checks the first two bytes of a header against RFC 6455, sections 5.1,
// 5.2, 5.4 and 5.5.
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

// payloadLength decodes the length of the payload, which must have the shortest
// encoding. The size is that of the header up to the end of the length. If b is
// shorter, length is 0.
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
