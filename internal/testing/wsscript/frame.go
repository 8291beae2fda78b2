package wsscript

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// A frame is the frame of a line in a script.
type frame struct {
	raw       bool // bytes without a header
	opcode    byte
	notFinal  bool
	rsv       byte // reserved bits, in their place in the first byte
	deflate   bool
	wrongMask bool  // masked by a server, or not masked by a client
	length    int64 // length in the header; 0 for the length of the payload
	split     int   // maximum payload of a fragment; 0 for no fragments
	times     int   // 0 for once
	payload   []byte
}

var opcodes = map[string]byte{"cont": 0, "text": 1, "binary": 2, "close": 8, "ping": 9, "pong": 10}

// parseFrame parses a frame. It returns the text of the payload unparsed.
func parseFrame(s string) (f frame, payload string, err error) {
	name, rest, _ := strings.Cut(s, " ")
	name, f.notFinal = strings.CutSuffix(name, "-")
	opcode, ok := opcodes[name]
	if n, found := strings.CutPrefix(name, "op"); found {
		number, err := strconv.Atoi(n)
		opcode, ok = byte(number), err == nil && number < 16
	}
	if !ok {
		return f, "", fmt.Errorf("unknown opcode %q", name)
	}
	f.opcode = opcode
	for {
		rest = strings.TrimSpace(rest)
		word, after, _ := strings.Cut(rest, " ")
		known, err := f.attribute(word)
		if err != nil {
			return f, "", err
		}
		if !known {
			break
		}
		rest = after
	}
	if word, after, _ := strings.Cut(rest, " "); f.opcode == 8 && word != "" && isNumber(word) {
		code, _ := strconv.Atoi(word)
		f.payload = binary.BigEndian.AppendUint16(nil, uint16(code))
		rest = after
	}
	return f, rest, nil
}

func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }

// attribute parses an attribute, and reports whether word is one.
func (f *frame) attribute(word string) (known bool, err error) {
	name, value, _ := strings.Cut(word, "=")
	switch name {
	case "rsv1":
		f.rsv |= 0x40
	case "rsv2":
		f.rsv |= 0x20
	case "rsv3":
		f.rsv |= 0x10
	case "deflate":
		f.deflate = true
	case "unmasked", "masked":
		f.wrongMask = true
	case "length":
		f.length, err = strconv.ParseInt(value, 10, 64)
	case "split":
		f.split, err = strconv.Atoi(value)
	case "times":
		f.times, err = strconv.Atoi(value)
	default:
		return false, nil
	}
	return true, err
}

// parsePayload parses a PAYLOAD.
func parsePayload(s string) (p []byte, err error) {
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		var piece []byte
		if s[0] == '"' {
			quoted, err := strconv.QuotedPrefix(s)
			if err != nil {
				return nil, err
			}
			text, _ := strconv.Unquote(quoted)
			piece, s = []byte(text), s[len(quoted):]
		} else {
			word, rest, _ := strings.Cut(s, " ")
			word, repeat, found := strings.Cut(word, "*")
			if s = rest; found {
				s = "*" + repeat + " " + rest
			}
			if piece, err = generate(word); err != nil {
				return nil, err
			}
		}
		if rest, found := strings.CutPrefix(s, "*"); found {
			number, after, _ := strings.Cut(rest, " ")
			n, err := strconv.Atoi(number)
			if err != nil {
				return nil, err
			}
			piece, s = bytes.Repeat(piece, n), after
		}
		p = append(p, piece...)
	}
	return p, nil
}

// generate returns the bytes for an element of a PAYLOAD that is not a string.
func generate(word string) ([]byte, error) {
	kind, value, _ := strings.Cut(word, ":")
	if kind == "hex" {
		return hex.DecodeString(value)
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return nil, fmt.Errorf("unknown payload %q", word)
	}
	p := make([]byte, 0, n+100)
	r := rand.New(rand.NewPCG(1, 2))
	switch kind {
	case "zeros":
		return make([]byte, n), nil
	case "random":
		for len(p) < n {
			p = binary.LittleEndian.AppendUint64(p, r.Uint64())
		}
	case "json":
		for len(p) < n {
			p = fmt.Appendf(p, `{"id":%d,"user":"%s","at":%d,"online":%v},`, r.IntN(1e6), words[r.IntN(len(words))], r.Int64(), r.IntN(2) == 0)
		}
	case "prose":
		for len(p) < n {
			p = append(append(p, words[r.IntN(len(words))]...), " ,.\n"[r.IntN(4)])
		}
	case "html":
		for len(p) < n {
			p = fmt.Appendf(p, "<tr class=\"row%d\"><td>%s</td><td>%s</td></tr>\n", r.IntN(2), words[r.IntN(len(words))], words[r.IntN(len(words))])
		}
	default:
		return nil, fmt.Errorf("unknown payload %q", word)
	}
	return p[:n], nil
}

// words are ASCII, so that every part of a sample is valid UTF-8.
var words = strings.Fields(`habe nun ach Philosophie Juristerei und Medizin und leider auch Theologie
	durchaus studiert mit heissem Bemuehn da steh ich nun ich armer Tor und bin so klug als wie zuvor`)

// append appends the encoded frame to b. If split is set, append appends the
// fragments.
func (f frame) append(b []byte, masked bool) []byte {
	if f.raw {
		return append(b, f.payload...)
	}
	if f.split > 0 && len(f.payload) > f.split {
		first, rest := f, f
		first.split, first.payload, first.notFinal = 0, f.payload[:f.split], true
		rest.opcode, rest.rsv, rest.payload = 0, 0, f.payload[f.split:]
		return rest.append(first.append(b, masked), masked)
	}
	b = f.appendHeader(b, masked)
	if masked == f.wrongMask {
		return append(b, f.payload...)
	}
	// If the header has another length, raw bytes may follow as the rest of the
	// payload. They are not masked, so the key is zero.
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	if f.length > 0 {
		key = [4]byte{}
	}
	b = append(b, key[:]...)
	for i, c := range f.payload {
		b = append(b, c^key[i%4])
	}
	return b
}

// appendHeader appends the header up to the masking key.
func (f frame) appendHeader(b []byte, masked bool) []byte {
	first, mask := f.opcode|f.rsv, byte(0)
	if !f.notFinal {
		first |= 0x80
	}
	if masked != f.wrongMask {
		mask = 0x80
	}
	length := uint64(len(f.payload))
	if f.length > 0 {
		length = uint64(f.length)
	}
	switch {
	case length < 126:
		return append(b, first, mask|byte(length))
	case length < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, first, mask|126), uint16(length))
	default:
		return binary.BigEndian.AppendUint64(append(b, first, mask|127), length)
	}
}
