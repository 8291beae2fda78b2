// Package wsscript runs scripts that test a WebSocket implementation over a raw
// connection. A script defines the bytes to send and the bytes that must be
// received. The package shares no code with the implementation under test.
//
// A script consists of cases. A case is a header, followed by one step per
// line:
//
//	case 5.6 ping between two fragments
//	> text- "frag"
//	> ping "p"
//	> cont "ment"
//	< pong "p"
//	< text "fragment"
//
//	# Comments and blank lines are ignored.
//
// The other end must echo data messages. The steps are:
//
//	> FRAME              send a frame; consecutive frames are sent with one write
//	> raw PAYLOAD        send bytes without a frame header
//	< FRAME              read exactly this frame
//	< message FRAME      read one message with this content, in any number of frames,
//	                     compressed or not
//	flush                write all frames so far before the next step
//	end                  the other end must close the connection
//	drop                 close the connection without a close frame
//
// These lines come before the steps:
//
//	chop N               write in pieces of N bytes
//	server               run the case against servers only, as if it had raw bytes
//	repeat N             repeat all steps N times
//	limit N              maximum message size of the other end in bytes
//	offer EXTENSIONS     Sec-WebSocket-Extensions of the request
//	agree EXTENSIONS     Sec-WebSocket-Extensions of the response
//	each NAME VALUE...   repeat the case with each value in place of $NAME
//
// A FRAME is an opcode, attributes and a payload. The opcodes are text, binary,
// cont, ping, pong, close, and op3 to op15. A minus sign after the opcode
// clears FIN. The attributes are:
//
//   - rsv1, rsv2 and rsv3 set reserved bits.
//   - deflate sets RSV1 and compresses the payload.
//   - masked and unmasked send the frame as the opposite role would.
//   - length=N sets the length in the header, independently of the payload.
//   - split=N sends the payload in fragments of N bytes.
//   - times=N repeats the line.
//
// A PAYLOAD is a list of Go strings, hex:HEX, zeros:N, random:N, and the
// compressible samples json:N, prose:N and html:N, where N is a number of
// bytes. An element followed by *N is repeated N times. The payload of a close
// frame may start with a code.
package wsscript

import (
	"fmt"
	"strconv"
	"strings"
)

// A Case is one connection of a script.
type Case struct {
	ID, Title    string
	Offer, Agree string
	Limit        int64 // maximum message size of the other end; 0 for its default
	ServerOnly   bool
	chop, repeat int
	steps        []step
}

// Group returns the part of the ID before the first dot.
func (c *Case) Group() string {
	group, _, _ := strings.Cut(c.ID, ".")
	return group
}

// Bytes returns the total payload in bytes that the case sends and expects.
func (c *Case) Bytes() int {
	sum := 0
	for _, s := range c.steps {
		sum += s.size * max(1, s.times)
	}
	return sum * max(1, c.repeat)
}

// A step is one line of a case. Its payload is generated when it is played.
type step struct {
	line int
	verb string
	frame
	text string // unparsed payload
	size int    // payload size in bytes
}

// whole returns the frame of a step with its generated payload.
func (s step) whole() frame {
	f := s.frame
	p, _ := parsePayload(s.text) // cannot fail: parseLine has parsed it
	f.payload = append(f.payload, p...)
	return f
}

// Parse parses a script.
func Parse(text string) ([]*Case, error) {
	var cases []*Case
	var block []string
	start := 0
	flush := func() error {
		if len(block) == 0 {
			return nil
		}
		expanded, err := expand(block, start)
		cases, block = append(cases, expanded...), nil
		return err
	}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "case ") {
			if err := flush(); err != nil {
				return nil, err
			}
			start = i + 1
		}
		if line != "" && line[0] == '#' {
			line = ""
		}
		if start > 0 {
			block = append(block, line)
		} else if line != "" {
			return nil, fmt.Errorf("line %d: before the first case", i+1)
		}
	}
	return cases, flush()
}

// expand parses a case. If it has lines with "each", expand returns one case
// for each combination of their values.
func expand(block []string, start int) ([]*Case, error) {
	for i, line := range block {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != "each" {
			continue
		}
		var cases []*Case
		for n, value := range words[2:] {
			one := make([]string, len(block))
			for j, other := range block {
				one[j] = strings.ReplaceAll(other, "$"+words[1], value)
			}
			one[i] = ""
			id, title, _ := strings.Cut(strings.TrimPrefix(one[0], "case "), " ")
			one[0] = fmt.Sprintf("case %s.%d %s, %s %s", id, n+1, title, words[1], value)
			expanded, err := expand(one, start)
			if err != nil {
				return nil, err
			}
			cases = append(cases, expanded...)
		}
		return cases, nil
	}
	c, err := parseCase(block, start)
	return []*Case{c}, err
}

func parseCase(block []string, start int) (*Case, error) {
	c := &Case{}
	c.ID, c.Title, _ = strings.Cut(strings.TrimPrefix(block[0], "case "), " ")
	for i, line := range block[1:] {
		if line == "" {
			continue
		}
		if err := c.parseLine(line, start+i+1); err != nil {
			return nil, fmt.Errorf("line %d: %q: %w", start+i+1, line, err)
		}
	}
	return c, nil
}

func (c *Case) parseLine(line string, number int) (err error) {
	verb, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	s := step{line: number, verb: verb}
	switch verb {
	case "chop":
		c.chop, err = strconv.Atoi(rest)
		return err
	case "repeat":
		c.repeat, err = strconv.Atoi(rest)
		return err
	case "limit":
		c.Limit, err = strconv.ParseInt(rest, 10, 64)
		return err
	case "offer":
		c.Offer = rest
		return nil
	case "agree":
		c.Agree = rest
		return nil
	case "server":
		c.ServerOnly = true
		return nil
	case "flush", "end", "drop":
	case ">", "<":
		if after, ok := strings.CutPrefix(rest, "message "); ok && verb == "<" {
			s.verb, rest = "<message", after
		}
		if after, ok := strings.CutPrefix(rest, "raw "); ok {
			s.raw, c.ServerOnly, s.text = true, true, after
		} else if s.frame, s.text, err = parseFrame(rest); err != nil {
			return err
		}
		var p []byte
		p, err = parsePayload(s.text)
		s.size = len(p)
	default:
		return fmt.Errorf("unknown step")
	}
	c.steps = append(c.steps, s)
	return err
}
