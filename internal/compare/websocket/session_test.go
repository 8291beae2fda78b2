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

// A session is either end of a connection of any implementation. Except for
// ping, its methods are not safe for concurrent use.
type session interface {
	// extensions returns the negotiated extensions, in the form of the header
	// field. Implementations report them to clients only.
	extensions() string

	write(op int, payload []byte) error

	// writeFragments sends the parts as one message, with at least one frame
	// per part.
	writeFragments(op int, parts ...[]byte) error

	// read returns the next message. If the peer has sent a close frame, the
	// error is a closed.
	read() (op int, payload []byte, err error)

	// ping sends a ping. When a message that the peer sent after the pong has
	// been read, ponged reports the pong.
	ping() error
	ponged() error

	// close closes the connection, with as much of the closing handshake as the
	// implementation supports.
	close(code int, reason string) error

	// kill closes the network connection.
	kill() error
}

// A closed is the error of read after the peer's close frame.
type closed struct {
	code   int
	reason string
}

func (c closed) Error() string {
	return fmt.Sprintf("closed with code %d, reason %q", c.code, c.reason)
}

var errNoPong = errors.New("no pong has come")

// compression is the compression that a scenario requires.
type compression int

const (
	noCompression compression = iota
	noTakeover                // messages are compressed separately
	takeover                  // messages share a context
)

// An implementation creates sessions.
type implementation struct {
	name     string
	takeover bool // supports compression with context takeover

	// accept upgrades a request and calls serve. When serve returns, the
	// connection is closed.
	accept func(w nethttp.ResponseWriter, r *nethttp.Request, c compression, serve func(session))

	// dial opens a connection.
	dial func(url string, c compression) (session, error)
}

// implementations are the Go peers.
func implementations() []implementation {
	return []implementation{gorillaImplementation, coderImplementation, gobwasImplementation, gwsImplementation}
}
