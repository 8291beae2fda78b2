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

// Params are negotiated parameters.
type Params struct {
	ServerNoContextTakeover bool // the server compresses each message separately
	ClientNoContextTakeover bool // the client compresses each message separately
	ServerMaxWindowBits     int  // base-2 logarithm of the server's window, 8 to 15
	ClientMaxWindowBits     int  // base-2 logarithm of the client's window, 8 to 15
}

// Accept accepts the first offer of permessage-deflate with valid parameters in
// the lines of a client's Sec-WebSocket-Extensions header. If noContextTakeover
// is true, both ends must compress each message separately. If the client
// offers client_max_window_bits, its window is at most 1<<clientBits bytes;
// clientBits must be from 8 to 15.
//
// The response is the value of the Sec-WebSocket-Extensions field to send, or
// "" if there is no such offer. If the header is malformed, Accept returns an
// error, and the handshake must fail (RFC 6455, section 9.1).
func Accept(lines []string, noContextTakeover bool, clientBits int) (p Params, response string, err error) {
	offers, err := parseExtensions(lines)
	if err != nil {
		return Params{}, "", err
	}
	for _, offer := range offers {
		if offer.name != Name {
			continue
		}
		offered, ok := parseParams(offer, true)
		if !ok {
			continue
		}
		p, response = offered.accept(noContextTakeover, clientBits)
		return p, response, nil
	}
	return Params{}, "", nil
}

// accept returns the parameters for an offer, and the value of the response's
// header field.
func (o rawParams) accept(noContextTakeover bool, clientBits int) (Params, string) {
	p := Params{
		ServerNoContextTakeover: o.serverNoContextTakeover || noContextTakeover,
		ClientNoContextTakeover: o.clientNoContextTakeover || noContextTakeover,
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
	if o.serverBits != 0 {
		p.ServerMaxWindowBits = o.serverBits
		response += "; " + serverMaxWindowBits + "=" + strconv.Itoa(p.ServerMaxWindowBits)
	}
	if o.clientBits != 0 {
		p.ClientMaxWindowBits = min(o.clientBits, clientBits)
		response += "; " + clientMaxWindowBits + "=" + strconv.Itoa(p.ClientMaxWindowBits)
	}
	return p, response
}

// Offer returns the value of a client's Sec-WebSocket-Extensions header.
func Offer(noContextTakeover bool) string {
	offer := Name + "; " + clientMaxWindowBits
	if noContextTakeover {
		offer += "; " + serverNoContextTakeover + "; " + clientNoContextTakeover
	}
	return offer
}

var (
	errNotOffered = errors.New("the server chose an extension that was not offered")
	errBadParams  = fmt.Errorf("the server chose invalid parameters of %s", Name)
)

// Confirm returns the parameters that a server has chosen in response to
// [Offer], from the lines of its Sec-WebSocket-Extensions header. If the server
// has declined, ok is false.
func Confirm(lines []string, noContextTakeover bool) (p Params, ok bool, err error) {
	chosen, err := parseExtensions(lines)
	if err != nil || len(chosen) == 0 {
		return Params{}, false, err
	}
	if len(chosen) > 1 || chosen[0].name != Name {
		return Params{}, false, errNotOffered
	}
	got, ok := parseParams(chosen[0], false)
	if !ok {
		return Params{}, false, errBadParams
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

// rawParams are the parameters in one offer or response.
type rawParams struct {
	serverNoContextTakeover, clientNoContextTakeover bool
	serverBits, clientBits                           int // 0 if absent
}

// parseParams parses the parameters of an offer or a response. If a parameter
// is unknown or repeated, or its value is missing, invalid or unexpected, ok is
// false.
func parseParams(e extension, isOffer bool) (raw rawParams, ok bool) {
	for i, p := range e.params {
		if e.isRepeated(i) {
			return rawParams{}, false
		}
		switch p.name {
		case serverNoContextTakeover:
			raw.serverNoContextTakeover, ok = true, !p.hasValue
		case clientNoContextTakeover:
			raw.clientNoContextTakeover, ok = true, !p.hasValue
		case serverMaxWindowBits:
			raw.serverBits, ok = parseWindowBits(p.value)
		case clientMaxWindowBits:
			if isOffer && !p.hasValue {
				raw.clientBits, ok = maxWindowBits, true
				break
			}
			raw.clientBits, ok = parseWindowBits(p.value)
		default:
			ok = false
		}
		if !ok {
			return rawParams{}, false
		}
	}
	return raw, true
}

// parseWindowBits parses a number from 8 to 15 without leading zeros.
func parseWindowBits(s string) (int, bool) {
	switch s {
	case "8", "9":
		return int(s[0] - '0'), true
	case "10", "11", "12", "13", "14", "15":
		return 10 + int(s[1]-'0'), true
	}
	return 0, false
}
