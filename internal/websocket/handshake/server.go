package handshake

import (
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/header"
)

// A Refusal is the answer to a request that does not become a WebSocket.
type Refusal struct {
	Status  int
	Reason  string      // for the client
	Found   string      // the values that led to it, for the error and the log, if Reason has none
	Headers [][2]string // to set, by name and value
}

// Error returns the reason and the values that led to it.
func (r *Refusal) Error() string {
	if r.Found == "" {
		return r.Reason
	}
	return r.Reason + ": " + r.Found
}

// lists are the fields of a handshake that are lists of any length.
var lists = [...]string{"Connection", "Upgrade", fieldProtocol, fieldExtensions}

// Check holds a request to RFC 6455, section 4.2.1. It returns nil if all of
// it is met.
func Check(r *http.Request) *Refusal {
	h := r.Header
	for _, name := range lists {
		if header.TooLong(h[name]) {
			return &Refusal{http.StatusBadRequest, "too many elements in " + wireName(name),
				fmt.Sprintf("%d, at most %d are read", header.Count(h[name]), header.MaxElements), nil}
		}
	}
	switch {
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return &Refusal{http.StatusHTTPVersionNotSupported, "a WebSocket needs HTTP/1.1, not " + r.Proto, "", nil}
	case r.Method != http.MethodGet:
		return &Refusal{http.StatusMethodNotAllowed, "a WebSocket begins with GET", "the method is " + quote(r.Method), [][2]string{{"Allow", "GET"}}}
	case !upgrades(h):
		return upgradeRequired("not a WebSocket handshake: Upgrade: websocket and Connection: Upgrade are needed",
			"Upgrade is "+quoteLines(h["Upgrade"])+", Connection is "+quoteLines(h["Connection"]))
	case len(h[fieldVersion]) != 1 || h[fieldVersion][0] != version:
		return upgradeRequired("Sec-WebSocket-Version must be 13", "it is "+quoteLines(h[fieldVersion]))
	case len(h[fieldKey]) != 1 || !isKey(h[fieldKey][0]):
		return &Refusal{http.StatusBadRequest, "Sec-WebSocket-Key must be 16 bytes in base64", "it is " + quoteLines(h[fieldKey]), nil}
	case r.ContentLength != 0:
		return &Refusal{http.StatusBadRequest, "a WebSocket handshake has no body", "this one has " + bodySize(r.ContentLength), nil}
	}
	return nil
}

// bodySize describes the length of a body that is there.
func bodySize(length int64) string {
	if length < 0 {
		return "a body of unknown length"
	}
	return fmt.Sprintf("a body of %d bytes", length)
}

// upgradeRequired tells the client how to ask (RFC 9110, section 15.5.22; RFC
// 6455, section 4.2.2).
func upgradeRequired(reason, found string) *Refusal {
	return &Refusal{http.StatusUpgradeRequired, reason, found, [][2]string{
		{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {fieldVersion, version},
	}}
}

// BadExtensions returns the refusal of a request whose Sec-WebSocket-Extensions
// cannot be read.
func BadExtensions(r *http.Request, err error) *Refusal {
	return &Refusal{http.StatusBadRequest, err.Error(), quoteLines(Extensions(r)), nil}
}

// ForeignOrigin returns the refusal of a request whose Origin is not allowed,
// by a CheckOrigin function if custom is set. The client does not learn which
// values were compared.
func ForeignOrigin(r *http.Request, custom bool) *Refusal {
	found := "Origin " + quoteLines(r.Header["Origin"])
	switch {
	case custom:
		found = "CheckOrigin refused " + found + " for Host " + quote(r.Host)
	case r.TLS != nil:
		found += " does not match Host " + quote(r.Host) + " with scheme https"
	default:
		found += " does not match Host " + quote(r.Host)
	}
	return &Refusal{http.StatusForbidden, "origin not allowed", found, nil}
}

// ChooseProtocol returns the first of the server's subprotocols that the
// client offers, or "".
func ChooseProtocol(r *http.Request, protocols []string) string {
	for _, protocol := range protocols {
		for offered := range header.List(r.Header[fieldProtocol]) {
			if offered == protocol {
				return protocol
			}
		}
	}
	return ""
}

// Extensions returns the lines of the request's Sec-WebSocket-Extensions.
func Extensions(r *http.Request) []string { return r.Header[fieldExtensions] }

// ownFields are the fields that the handshake sets itself, and those that
// have no place in a 101: they are about a body, or about a connection that
// goes on with HTTP.
var ownFields = map[string]bool{
	"Connection":        true,
	"Content-Encoding":  true,
	"Content-Length":    true,
	"Content-Range":     true,
	"Content-Type":      true,
	"Keep-Alive":        true,
	"Proxy-Connection":  true,
	fieldAccept:         true,
	fieldExtensions:     true,
	fieldKey:            true,
	fieldProtocol:       true,
	fieldVersion:        true,
	"Te":                true,
	"Trailer":           true,
	"Transfer-Encoding": true,
	"Upgrade":           true,
}

// CheckHeader refuses to send a header with a value that would break out of
// its line, instead of sending something else.
func CheckHeader(h http.Header) error {
	for name, values := range h {
		for _, value := range values {
			if i := header.IndexControl(value); i >= 0 {
				return fmt.Errorf("header %s has the control character %q at byte %d of its value", quote(name), value[i], i)
			}
		}
	}
	return nil
}

// AppendResponse appends the response that switches protocols: the fields of
// the handshake, of which protocol and extensions may be empty, and those of h
// that do not interfere with it.
func AppendResponse(b *bufpool.Buffer, r *http.Request, protocol, extensions string, h http.Header) error {
	for _, s := range []string{
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
		Accept(r.Header.Get(fieldKey)), "\r\n",
	} {
		b.B = append(b.B, s...)
	}
	if protocol != "" {
		b.B = append(b.B, "Sec-WebSocket-Protocol: "+protocol+"\r\n"...)
	}
	if extensions != "" {
		b.B = append(b.B, "Sec-WebSocket-Extensions: "+extensions+"\r\n"...)
	}
	left := maps.Clone(h)
	maps.DeleteFunc(left, func(name string, _ []string) bool { return ownFields[http.CanonicalHeaderKey(name)] })
	if err := left.Write(b); err != nil {
		return err
	}
	b.B = append(b.B, "\r\n"...)
	return nil
}

// CheckProtocols reports the first of a list of subprotocols that is no token,
// or stands in the list twice (RFC 6455, section 4.1).
func CheckProtocols(protocols []string) error {
	for i, protocol := range protocols {
		if !header.IsToken(protocol) {
			return fmt.Errorf("subprotocol %q is not a token", protocol)
		}
		if slices.Contains(protocols[:i], protocol) {
			return fmt.Errorf("subprotocol %q is listed twice", protocol)
		}
	}
	return nil
}
