package deflate

import (
	"errors"
	"fmt"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/header"
)

// An extension is one element of a Sec-WebSocket-Extensions header.
type extension struct {
	name   string
	params []param
}

type param struct {
	name, value string
	hasValue    bool
}

// isRepeated reports whether an earlier parameter has the same name as
// parameter i. The caller stops at the first unknown or repeated name, so i
// stays small.
func (e extension) isRepeated(i int) bool {
	for _, p := range e.params[:i] {
		if p.name == e.params[i].name {
			return true
		}
	}
	return false
}

// Limits of a Sec-WebSocket-Extensions header. Browsers send one extension of
// about 50 bytes.
const (
	maxItems = header.MaxElements // extensions and parameters, empty elements included
	maxBytes = 8 << 10            // of all lines together
)

// Errors of an invalid Sec-WebSocket-Extensions header.
var (
	errMalformed = errors.New("malformed Sec-WebSocket-Extensions header")
	errTooLong   = fmt.Errorf("Sec-WebSocket-Extensions has more than %d extensions and parameters, or %d bytes", maxItems, maxBytes)
)

// parseExtensions parses the lines of a Sec-WebSocket-Extensions header (RFC
// 6455, section 9.1). Several lines form one list.
func parseExtensions(lines []string) ([]extension, error) {
	if isTooLong(lines) {
		return nil, errTooLong
	}
	var list []extension
	for _, line := range lines {
		s := scanner{rest: line}
		for s.skipSpace(); s.rest != ""; s.skipSpace() {
			if s.take(',') {
				continue // an empty element
			}
			e, ok := s.extension()
			if !ok {
				return nil, errMalformed
			}
			list = append(list, e)
		}
	}
	return list, nil
}

// isTooLong reports whether a header exceeds the limits, without parsing it.
func isTooLong(lines []string) bool {
	items, size := header.Count(lines), 0
	for _, line := range lines {
		items += strings.Count(line, ";")
		size += len(line)
	}
	return items > maxItems || size > maxBytes
}

// A scanner parses a header line. Its methods remove the parsed text from rest.
type scanner struct{ rest string }

// extension parses one element, which must be followed by a comma or the end.
func (s *scanner) extension() (e extension, ok bool) {
	if e.name = s.token(); e.name == "" {
		return e, false
	}
	for s.skipSpace(); s.take(';'); s.skipSpace() {
		p, ok := s.param()
		if !ok {
			return e, false
		}
		e.params = append(e.params, p)
	}
	return e, s.rest == "" || s.take(',')
}

// param parses a name, optionally followed by an equals sign and a value.
func (s *scanner) param() (p param, ok bool) {
	s.skipSpace()
	if p.name = s.token(); p.name == "" {
		return p, false
	}
	s.skipSpace()
	if p.hasValue = s.take('='); !p.hasValue {
		return p, true
	}
	s.skipSpace()
	p.value = s.value()
	return p, p.value != ""
}

// value parses a token, or a quoted string that contains a token. It returns ""
// if there is neither.
func (s *scanner) value() string {
	if !s.take('"') {
		return s.token()
	}
	var value strings.Builder
	for s.rest != "" {
		if s.take('"') {
			return value.String()
		}
		s.take('\\')
		if s.rest == "" || !header.IsToken(s.rest[:1]) {
			return ""
		}
		value.WriteByte(s.rest[0])
		s.rest = s.rest[1:]
	}
	return ""
}

// token parses the longest token. It returns "" if there is none.
func (s *scanner) token() string {
	n := 0
	for n < len(s.rest) && header.IsToken(s.rest[n:n+1]) {
		n++
	}
	token := s.rest[:n]
	s.rest = s.rest[n:]
	return token
}

func (s *scanner) take(c byte) bool {
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *scanner) skipSpace() { s.rest = strings.TrimLeft(s.rest, " \t") }
