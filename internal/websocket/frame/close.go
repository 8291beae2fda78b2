package frame

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// Close codes that this package returns (RFC 6455, section 7.4.1).
const (
	CodeProtocolError  = 1002
	CodeNoStatus       = 1005 // the close frame has no code
	CodeInvalidPayload = 1007
)

// maxReason is the maximum length of a reason in bytes: the payload of a
// control frame without the two bytes of the code.
const maxReason = MaxControl - 2

// An Error is a violation of the protocol by the peer. The caller must fail the
// connection with Code.
type Error struct {
	Code   int    // close code to send
	Reason string // short ASCII description
}

// Error returns the reason.
func (e *Error) Error() string { return e.Reason }

var (
	errReservedBits       = &Error{CodeProtocolError, "reserved bits set"}
	errReservedOpcode     = &Error{CodeProtocolError, "reserved opcode"}
	errNotMasked          = &Error{CodeProtocolError, "frame not masked"}
	errMasked             = &Error{CodeProtocolError, "frame masked"}
	errFragmentedControl  = &Error{CodeProtocolError, "fragmented control frame"}
	errLongControl        = &Error{CodeProtocolError, "control frame too long"}
	errNothingToContinue  = &Error{CodeProtocolError, "continuation without a message"}
	errMessageNotFinished = &Error{CodeProtocolError, "new message inside a message"}
	errLengthNotMinimal   = &Error{CodeProtocolError, "length not minimally encoded"}
	errLengthTopBit       = &Error{CodeProtocolError, "length has the top bit set"}
	errCloseTooShort      = &Error{CodeProtocolError, "close payload of one byte"}
	errCloseCode          = &Error{CodeProtocolError, "invalid close code"}
	errCloseReason        = &Error{CodeInvalidPayload, "close reason is not UTF-8"}
)

// ErrUTF8 is the error of a text message that is not valid UTF-8.
var ErrUTF8 = &Error{CodeInvalidPayload, "text is not UTF-8"}

// ValidCode reports whether a close frame may have the code: one that RFC 6455
// or the IANA registry allows in frames, or 3000 to 4999, which are for
// libraries and applications.
func ValidCode(code int) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
		return true
	}
	return code >= 3000 && code <= 4999
}

// AppendClose appends the payload of a close frame to dst. Invalid UTF-8 in the
// reason is replaced, and the reason is truncated to 123 bytes at the end of a
// character. If code is CodeNoStatus, the payload is empty.
func AppendClose(dst []byte, code int, reason string) []byte {
	if code == CodeNoStatus {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, cutReason(reason)...)
}

// cutReason replaces invalid UTF-8 in reason, and truncates it to maxReason
// bytes at the end of a character.
func cutReason(reason string) string {
	reason = strings.ToValidUTF8(reason, "\uFFFD")
	if len(reason) <= maxReason {
		return reason
	}
	end := maxReason
	for !utf8.RuneStart(reason[end]) {
		end--
	}
	return reason[:end]
}

// ParseClose parses the payload of a close frame (RFC 6455, section 5.5.1). If
// the payload is empty, the code is CodeNoStatus. The error is an [*Error].
func ParseClose(payload []byte) (code int, reason string, err error) {
	switch len(payload) {
	case 0:
		return CodeNoStatus, "", nil
	case 1:
		return 0, "", errCloseTooShort
	}
	code = int(binary.BigEndian.Uint16(payload))
	if !ValidCode(code) {
		return 0, "", errCloseCode
	}
	if !utf8.Valid(payload[2:]) {
		return 0, "", errCloseReason
	}
	return code, string(payload[2:]), nil
}
