package websocket_test

import (
	"errors"
	"fmt"
	nethttp "net/http"
)

// Opcodes of messages, the same in all implementations.
const (
	textMessage   = 1
	binaryMessage = 2
)

// A session is a connection of any implementation, at either end. Except for
// ping, only one goroutine uses it.
type session interface {
	// extensions are those agreed on, as in the header, where the
	// implementation tells: to clients.
	extensions() string

	write(op int, payload []byte) error

	// writeFragments sends the parts as one message of several frames, at
	// least one for each part.
	writeFragments(op int, parts ...[]byte) error

	// read returns the next message. Its error is a closed if the peer has
	// sent a close frame.
	read() (op int, payload []byte, err error)

	// ping sends a ping. Its pong is known to have come from ponged, once a
	// message that the peer sent later was read.
	ping() error
	ponged() error

	// close ends the connection with the closing handshake, as far as the
	// implementation has one.
	close(code int, reason string) error

	// kill ends the network connection.
	kill() error
}

// closed is the error of reading after the peer's close frame.
type closed struct {
	code   int
	reason string
}

func (c closed) Error() string {
	return fmt.Sprintf("closed with code %d, reason %q", c.code, c.reason)
}

var errNoPong = errors.New("no pong has come")

// compression is what a scenario wants of permessage-deflate.
type compression int

const (
	noCompression compression = iota
	noTakeover                // each message by itself
	takeover                  // messages share their context
)

// An implementation makes sessions.
type implementation struct {
	name     string
	takeover bool // it can do compression with context takeover

	// accept answers a request by becoming a WebSocket, and calls serve. The
	// connection ends when serve returns.
	accept func(w nethttp.ResponseWriter, r *nethttp.Request, c compression, serve func(session))

	// dial opens a connection.
	dial func(url string, c compression) (session, error)
}

// implementations are the Go peers.
func implementations() []implementation {
	return []implementation{gorillaImplementation, coderImplementation, gobwasImplementation, gwsImplementation}
}
