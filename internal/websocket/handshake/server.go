package handshake

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/header"
	"github.com/stanza-go/framework/pkg/http/internal/origin"
	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
	"github.com/stanza-go/framework/pkg/http/internal/response"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/deflate"
)

// responseTimeout limits how long sending the 101 response may take.
const responseTimeout = 5 * time.Second

// clientWindowBits is the base-2 logarithm of the maximum compression window of
// clients that let the server choose it. With context takeover, the server
// keeps up to that much text per client: 8 KB.
const clientWindowBits = 13

// ServerOptions configure [Upgrade].
type ServerOptions struct {
	AllowOrigins      []string                 // allowed in addition to the same origin
	CheckOrigin       func(*http.Request) bool // decides alone; if nil, Origin must match Host
	Protocols         []string                 // subprotocols, in order of preference
	Compression       bool                     // accept permessage-deflate
	NoContextTakeover bool                     // compress each message separately
	ReadBufferSize    int                      // if 0 or less, net/http's buffer is used
}

// Upgrade checks a request, takes over its connection from net/http, and sends
// the 101 response with the fields of w.Header.
//
// If the request is not a valid handshake, the error is a [*Refusal]. If the
// connection failed after it was taken over, the error is a [*SendError], and
// the connection is closed. Any other error is the server's fault; the caller
// must respond with 500.
func Upgrade(w http.ResponseWriter, r *http.Request, o *ServerOptions) (*Established, error) {
	allowed, err := checkOptions(o)
	if err != nil {
		return nil, err
	}
	result, extensions, refusal := negotiate(r, o, allowed)
	if refusal != nil {
		return nil, refusal
	}
	b := bufpool.Get()
	defer bufpool.Put(b) // only the connection's Write sees it, and must not retain it
	if err := appendResponse(b, r, result.Protocol, extensions, w.Header()); err != nil {
		clear(w.Header()) // the 500 must not have the invalid field either
		return nil, err
	}
	state := response.StateOf(w, r)
	stream := state.OpenStream(reqstate.WebSocket)
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		state.DropStream()
		return nil, hijackError(w, err)
	}
	if err := send(conn, b.B); err != nil {
		stream.End()
		_ = conn.Close() // err is the reason
		return nil, &SendError{err}
	}
	result.Stream = stream
	result.Conn, result.BufferSize = conn, readBufferSize(o.ReadBufferSize)
	result.Reader = rebase(rw.Reader, conn, result.BufferSize)
	return &result, nil
}

// A SendError is the error of a hijacked connection to which the 101 response
// could not be sent.
type SendError struct{ err error }

// Error returns the text of the network error.
func (e *SendError) Error() string { return e.err.Error() }

// Unwrap returns the network error.
func (e *SendError) Unwrap() error { return e.err }

// checkOptions returns the list of AllowOrigins, or one error for everything
// that is wrong with it. The list is nil if AllowOrigins is empty.
func checkOptions(o *ServerOptions) (*origin.AllowList, error) {
	if len(o.AllowOrigins) == 0 {
		return nil, nil
	}
	var errs []error
	if o.CheckOrigin != nil {
		errs = append(errs, errors.New("Upgrader.AllowOrigins and Upgrader.CheckOrigin are both set; CheckOrigin decides alone, so set only one of them"))
	}
	allowed := new(origin.AllowList)
	for i, entry := range o.AllowOrigins {
		if err := allowed.Add(entry); err != nil {
			errs = append(errs, fmt.Errorf("Upgrader.AllowOrigins[%d]: %w", i, err))
		}
	}
	return allowed, joinErrors(errs)
}

// negotiate checks the request and chooses the subprotocol and the compression
// parameters. It also returns the Sec-WebSocket-Extensions value of the
// response, or "" if messages are not compressed.
func negotiate(r *http.Request, o *ServerOptions, allowed *origin.AllowList) (result Established, extensions string, refusal *Refusal) {
	if refusal = checkRequest(r); refusal != nil {
		return Established{}, "", refusal
	}
	if refusal = checkOrigin(r, o.CheckOrigin, allowed); refusal != nil {
		return Established{}, "", refusal
	}
	if o.Compression {
		params, accepted, err := deflate.Accept(r.Header[fieldExtensions], o.NoContextTakeover, clientWindowBits)
		if err != nil {
			return Established{}, "", badExtensions(r, err)
		}
		if extensions = accepted; extensions != "" {
			result.Compression = &params
		}
	}
	result.Protocol = chooseProtocol(r, o.Protocols)
	return result, extensions, nil
}

// send writes the response and clears the deadlines that net/http has set.
func send(conn net.Conn, head []byte) error {
	if err := conn.SetDeadline(time.Now().Add(responseTimeout)); err != nil {
		return err
	}
	if _, err := conn.Write(head); err != nil {
		return err
	}
	return conn.SetDeadline(time.Time{})
}

// hijackError adds to err the type of the ResponseWriter that cannot be
// hijacked, which is usually a middleware's wrapper.
func hijackError(w http.ResponseWriter, err error) error {
	if cw := response.Find(w); cw != nil && cw.Ended() {
		return err // it already says that the handler has returned
	}
	at := response.HijackedFrom(w)
	if response.Hijackable(at) {
		return fmt.Errorf("hijacking the ResponseWriter of type %T: %w", at, err)
	}
	return fmt.Errorf("the ResponseWriter of type %T has neither a Hijack nor an Unwrap method: %w", at, err)
}

// ownFields are the fields that the handshake sets, and those that a 101 must
// not have because they describe a body or a connection that continues to use
// HTTP.
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

// appendResponse appends the 101 response to b: the fields of the handshake,
// then those of h that are not in ownFields. The protocol and extensions may be
// "". It returns an error if a value in h contains a control character.
func appendResponse(b *bufpool.Buffer, r *http.Request, protocol, extensions string, h http.Header) error {
	if hasControl(h) {
		return joinErrors(controlCharacters("header ", h))
	}
	b.B = append(b.B, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	b.B = append(b.B, acceptKey(r.Header.Get(fieldKey))...)
	b.B = append(b.B, "\r\n"...)
	b.B = appendField(b.B, "Sec-WebSocket-Protocol: ", protocol)
	b.B = appendField(b.B, "Sec-WebSocket-Extensions: ", extensions)
	if len(h) > 0 {
		if err := appendCustom(b, h); err != nil {
			return err
		}
	}
	b.B = append(b.B, "\r\n"...)
	return nil
}

// appendField appends a field unless its value is empty. The name includes the colon and a
// space.
func appendField(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, name...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}

// appendCustom appends the fields of h that are not in ownFields. It is a function of its
// own, as is hasControl, so that the stack of a connection without such fields need not
// grow beyond 4 KB, which it would keep while it is open.
func appendCustom(b *bufpool.Buffer, h http.Header) error {
	custom := maps.Clone(h)
	maps.DeleteFunc(custom, func(name string, _ []string) bool { return ownFields[http.CanonicalHeaderKey(name)] })
	return custom.Write(b)
}

// hasControl reports whether a value of h contains a control character.
func hasControl(h http.Header) bool {
	for _, values := range h {
		if slices.ContainsFunc(values, func(value string) bool { return header.IndexControl(value) >= 0 }) {
			return true
		}
	}
	return false
}
