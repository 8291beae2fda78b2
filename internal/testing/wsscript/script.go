// Package wsscript runs scripts that talk the WebSocket protocol over a raw
// connection: they send bytes and state, to the byte, what must come back. It
// shares no code with the implementation that it tests.
//
// A script is a text of cases. A case is a header and steps, one a line:
//
//	case 5.6 ping between two fragments
//	> text- "frag"
//	> ping "p"
//	> cont "ment"
//	< pong "p"
//	< text "fragment"
//
//	# Comments and blank lines are skipped.
//
// The other end echoes data messages. The steps are:
//
//	> FRAME              send a frame; consecutive ones are sent in one write
//	> raw PAYLOAD        send bytes that are no frame
//	< FRAME              read exactly this frame
//	< message FRAME      read one message of this content, which the other end may
//	                     have compressed, in any number of frames
//	flush                write what was sent so far before going on
//	end                  the other end must close the connection now
//	drop                 close the connection without a word
//
// And before the steps:
//
//	chop N               write in pieces of N bytes
//	server               the case is for servers only; so is one with raw bytes
//	repeat N             take all steps N times
//	limit N              the largest message that the other end accepts
//	offer EXTENSIONS     Sec-WebSocket-Extensions of the request
//	agree EXTENSIONS     and of the response
//	each NAME VALUE...   repeat the case with every value in place of $NAME
//
// A FRAME is an opcode, attributes and a payload. Opcodes are text, binary,
// cont, ping, pong, close, and op3 to op15. A minus after it clears FIN; rsv1,
// rsv2 and rsv3 set reserved bits; deflate sets RSV1 and compresses the
// payload; unmasked or masked sends the frame as the wrong role would;
// length=N announces N bytes, whatever the payload is; split=N sends the
// payload in fragments of N bytes; times=N repeats the line. The payload of close may start with a code.
//
// A PAYLOAD is a list of Go strings, each perhaps with *N to repeat it,
// hex:HEX, zeros:N, random:N, and the compressible samples json:N, prose:N,
// and html:N.
package wsscript

import (
	"fmt"
	"strconv"
	"strings"
)

// A Case is one conversation.
type Case struct {
	ID, Title    string
	Offer, Agree string
	Limit        int64 // 0 for the default
	ServerOnly   bool
	chop, repeat int
	steps        []step
}

// Group returns the part of the ID before the first dot.
func (c *Case) Group() string {
	group, _, _ := strings.Cut(c.ID, ".")
	return group
}

// Bytes returns how many bytes of payload the case sends and expects.
func (c *Case) Bytes() int {
	sum := 0
	for _, s := range c.steps {
		sum += s.size * max(1, s.times)
	}
	return sum * max(1, c.repeat)
}

// A step is one line of a case. Its payload is made when it is taken.
type step struct {
	line int
	verb string
	frame
	text string // of the payload
	size int    // of the payload
}

// whole returns the frame of a step with its payload.
func (s step) whole() frame {
	f := s.frame
	p, _ := parsePayload(s.text) // was parsed before
	f.payload = append(f.payload, p...)
	return f
}

// Parse reads a script.
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

// expand makes a case, or one for every value of each "each".
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
