package deflate

import (
	"errors"
	"fmt"
	"strconv"
)

// Name is the extension's token in Sec-WebSocket-Extensions.
const Name = "permessage-deflate"

const (
	minWindowBits = 8
	maxWindowBits = 15
)

// The extension's parameters (RFC 7692, section 7.1).
const (
	serverNoContextTakeover = "server_no_context_takeover"
	clientNoContextTakeover = "client_no_context_takeover"
	serverMaxWindowBits     = "server_max_window_bits"
	clientMaxWindowBits     = "client_max_window_bits"
)

// Params is what the two ends agreed on.
type Params struct {
	ServerNoContextTakeover bool // the server starts every message with an empty window
	ClientNoContextTakeover bool // the client does
	ServerMaxWindowBits     int  // binary logarithm of the server's window, 8 to 15
	ClientMaxWindowBits     int  // of the client's
}

// Accept chooses the first of a client's offers that can be met, from the
// lines of its Sec-WebSocket-Extensions header. With noContextTakeover neither
// end may use it; clientBits, 8 to 15, bounds the client's window where the
// client leaves that to the server.
//
// The response is the header value to answer with; it is empty if there is no
// such offer. The error is that of a malformed header, which must fail the
// handshake (RFC 6455, section 9.1).
func Accept(lines []string, noContextTakeover bool, clientBits int) (p Params, response string, err error) {
	offers, err := parseExtensions(lines)
	if err != nil {
		return Params{}, "", err
	}
	for _, offer := range offers {
		if offer.name != Name {
			continue
		}
		asked, ok := readParams(offer, true)
		if !ok {
			continue
		}
		p, response = asked.answer(noContextTakeover, clientBits)
		return p, response, nil
	}
	return Params{}, "", nil
}

// answer settles the parameters of an offer that is accepted.
func (a asked) answer(noContextTakeover bool, clientBits int) (Params, string) {
	p := Params{
		ServerNoContextTakeover: a.serverNoContextTakeover || noContextTakeover,
		ClientNoContextTakeover: a.clientNoContextTakeover || noContextTakeover,
		ServerMaxWindowBits:     maxWindowBits,
		ClientMaxWindowBits:     maxWindowBits,
	}
	response := Name
	if p.ServerNoContextTakeover {
		response += "; " + serverNoContextTakeover
	}
	if p.ClientNoContextTakeover {
		response += "; " + clientNoContextTakeover
	}
	if a.serverBits != 0 {
		p.ServerMaxWindowBits = a.serverBits
		response += "; " + serverMaxWindowBits + "=" + strconv.Itoa(p.ServerMaxWindowBits)
	}
	if a.clientBits != 0 {
		p.ClientMaxWindowBits = min(a.clientBits, clientBits)
		response += "; " + clientMaxWindowBits + "=" + strconv.Itoa(p.ClientMaxWindowBits)
	}
	return p, response
}

// Offer returns the header value with which a client offers the extension.
func Offer(noContextTakeover bool) string {
	offer := Name + "; " + clientMaxWindowBits
	if noContextTakeover {
		offer += "; " + serverNoContextTakeover + "; " + clientNoContextTakeover
	}
	return offer
}

var (
	errNotOffered = errors.New("the server chose an extension that was not offered")
	errBadAnswer  = fmt.Errorf("the server answered %s with bad parameters", Name)
)

// Confirm reads a server's answer to [Offer] from the lines of its
// Sec-WebSocket-Extensions header. If the server declined, ok is false.
func Confirm(lines []string, noContextTakeover bool) (p Params, ok bool, err error) {
	chosen, err := parseExtensions(lines)
	if err != nil || len(chosen) == 0 {
		return Params{}, false, err
	}
	if len(chosen) > 1 || chosen[0].name != Name {
		return Params{}, false, errNotOffered
	}
	got, ok := readParams(chosen[0], false)
	if !ok {
		return Params{}, false, errBadAnswer
	}
	return Params{
		ServerNoContextTakeover: got.serverNoContextTakeover,
		ClientNoContextTakeover: got.clientNoContextTakeover || noContextTakeover,
		ServerMaxWindowBits:     bitsOrMax(got.serverBits),
		ClientMaxWindowBits:     bitsOrMax(got.clientBits),
	}, true, nil
}

func bitsOrMax(bits int) int {
	if bits == 0 {
		return maxWindowBits
	}
	return bits
}

// asked holds the parameters of one offer or answer; bits are 0 if absent.
type asked struct {
	serverNoContextTakeover, clientNoContextTakeover bool
	serverBits, clientBits                           int
}

// readParams reads the parameters of an offer or of an answer. It reports
// false for an unknown parameter, one given twice, and a value that is
// missing, bad, or where none belongs.
func readParams(e extension, offer bool) (a asked, ok bool) {
	for i, p := range e.params {
		if e.hasBefore(i) {
			return asked{}, false
		}
		switch p.name {
		case serverNoContextTakeover:
			a.serverNoContextTakeover, ok = true, !p.hasValue
		case clientNoContextTakeover:
			a.clientNoContextTakeover, ok = true, !p.hasValue
		case serverMaxWindowBits:
			a.serverBits, ok = parseWindowBits(p.value)
		case clientMaxWindowBits:
			if offer && !p.hasValue {
				a.clientBits, ok = maxWindowBits, true
				break
			}
			a.clientBits, ok = parseWindowBits(p.value)
		default:
			ok = false
		}
		if !ok {
			return asked{}, false
		}
	}
	return a, true
}

// parseWindowBits reads 8 to 15 without leading zeros.
func parseWindowBits(s string) (int, bool) {
	switch s {
	case "8", "9":
		return int(s[0] - '0'), true
	case "10", "11", "12", "13", "14", "15":
		return 10 + int(s[1]-'0'), true
	}
	return 0, false
}
