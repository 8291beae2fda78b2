//go:build linux

package main

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/stanza-go/framework/pkg/http/internal/compare/fanout"
)

// A stream decodes the bytes that a client receives, in pieces of any size. It looks
// only for the number at the end of each event, because the clients run on the same
// processors as the server.
type stream struct {
	protocol fanout.Protocol
	got      func(number int)     // called for each event
	ping     func(payload []byte) // called for each ping

	headEnd int // number of bytes of "\r\n\r\n" that have been read
	begun   bool
	ended   bool

	part    []byte // the beginning of a size line or a frame's header
	left    int    // bytes of the chunk or frame that are still to come
	control []byte // payload of a ping, or nil
	pinged  bool   // the frame is a ping
	last    []byte // the last bytes of the data, as long as they may begin a number
}

// headBytes ends the head of a response.
const headBytes = "\r\n\r\n"

// feed decodes a piece.
func (s *stream) feed(p []byte) error {
	for ; !s.begun && len(p) > 0; p = p[1:] {
		switch {
		case p[0] == headBytes[s.headEnd]:
			s.headEnd++
		case p[0] == '\r':
			s.headEnd = 1
		default:
			s.headEnd = 0
		}
		s.begun = s.headEnd == len(headBytes)
	}
	for len(p) > 0 && !s.ended {
		if s.left == 0 {
			var err error
			if p, err = s.header(p); err != nil {
				return err
			}
			continue
		}
		n := min(s.left, len(p))
		if s.pinged {
			s.control = append(s.control, p[:n]...)
		} else {
			s.scan(p[:n])
		}
		p, s.left = p[n:], s.left-n
		s.endPing()
	}
	return nil
}

func (s *stream) endPing() {
	if s.pinged && s.left == 0 {
		s.ping(s.control)
		s.pinged, s.control = false, s.control[:0]
	}
}

// header decodes the header of a chunk or frame, and returns the bytes after it.
func (s *stream) header(p []byte) ([]byte, error) {
	if s.protocol == fanout.WebSocket {
		return s.frameHeader(p)
	}
	line, rest, found := bytes.Cut(p, []byte("\n"))
	s.part = append(s.part, line...)
	if !found {
		return nil, nil
	}
	text := string(bytes.TrimSpace(s.part))
	s.part = s.part[:0]
	if text == "" { // the end of the previous chunk
		return rest, nil
	}
	size, err := strconv.ParseInt(text, 16, 32)
	if err != nil {
		return nil, fmt.Errorf("size of a chunk: %w", err)
	}
	s.left, s.ended = int(size), size == 0
	return rest, nil
}

// frameHeader decodes the header of a frame from a server, which is not masked.
func (s *stream) frameHeader(p []byte) ([]byte, error) {
	for i, c := range p {
		s.part = append(s.part, c)
		h := s.part
		switch {
		case len(h) < 2:
		case h[1] < 126:
			return p[i+1:], s.begin(h[0]&15, int(h[1]))
		case h[1] == 126 && len(h) == 4:
			return p[i+1:], s.begin(h[0]&15, int(h[2])<<8|int(h[3]))
		case h[1] > 126:
			return nil, fmt.Errorf("a frame with the header %x", h)
		}
	}
	return nil, nil
}

// begin begins a frame.
func (s *stream) begin(opcode byte, size int) error {
	s.part = s.part[:0]
	s.left = size
	switch opcode {
	case 0, 1:
	case 8:
		s.ended = true
	case 9:
		s.pinged = true
		s.endPing()
	default:
		return fmt.Errorf("a frame with opcode %d", opcode)
	}
	return nil
}

// scan looks for numbers in data.
func (s *stream) scan(p []byte) {
	if len(s.last) > 0 {
		joined := append(s.last, p[:min(len(p), fanout.NumberSize-1)]...)
		if number, _, found := fanout.CutNumber(joined); found {
			s.got(number)
		}
		s.last = joined[:0]
		if len(p) < fanout.NumberSize-1 {
			s.last = append(s.last, joined[max(0, len(joined)-fanout.NumberSize+1):]...)
			return
		}
	}
	for {
		number, rest, found := fanout.CutNumber(p)
		if !found {
			break
		}
		s.got(number)
		p = rest
	}
	s.last = append(s.last[:0], p[max(0, len(p)-fanout.NumberSize+1):]...)
}
