// Package handshake implements the opening handshake of the WebSocket protocol
// (RFC 6455, section 4): [Upgrade] for servers, [Dial] for clients.
package handshake

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/stanza-go/framework/pkg/http/internal/header"
	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
	"github.com/stanza-go/framework/pkg/http/internal/websocket"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/deflate"
)

// version is the only standardized version of the protocol.
const version = "13"

// The header fields of the handshake, in net/http's canonical form.
const (
	fieldAccept     = "Sec-Websocket-Accept"
	fieldExtensions = "Sec-Websocket-Extensions"
	fieldKey        = "Sec-Websocket-Key"
	fieldProtocol   = "Sec-Websocket-Protocol"
	fieldVersion    = "Sec-Websocket-Version"
)

// An Established is a connection whose opening handshake is complete.
type Established struct {
	Conn        net.Conn        // has no deadlines set
	Reader      *bufio.Reader   // reads from Conn; may already hold buffered bytes; nil if the Conn's own reader is better
	BufferSize  int             // of the read buffer without Reader; if 0, the default is used
	Protocol    string          // subprotocol, or "" if the server chose no subprotocol
	Compression *deflate.Params // nil if messages are not compressed

	Stream *reqstate.Stream // must be ended when the connection is closed; nil for a client
}

// wireName returns the name of a field in the spelling of RFC 6455, for example
// Sec-WebSocket-Key for Sec-Websocket-Key.
func wireName(name string) string { return strings.Replace(name, "Websocket", "WebSocket", 1) }

// GenerateKey returns a new Sec-WebSocket-Key: 16 random bytes in base64.
func GenerateKey() string {
	var key [16]byte
	_, _ = rand.Read(key[:]) // never returns an error
	return base64.StdEncoding.EncodeToString(key[:])
}

// isKey reports whether s is 16 bytes in base64, as GenerateKey returns.
func isKey(s string) bool {
	if len(s) != 24 {
		return false
	}
	var key [18]byte // as many as 24 characters may encode
	n, err := base64.StdEncoding.Decode(key[:], []byte(s))
	return err == nil && n == 16
}

// acceptKey returns the Sec-WebSocket-Accept value for a key. It proves that
// the server has read the key.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// isUpgrade reports whether a request asks for the WebSocket protocol, or a
// response agrees to it.
func isUpgrade(h http.Header) bool {
	return header.HasToken(h["Connection"], "Upgrade") && header.HasToken(h["Upgrade"], "websocket")
}

// rebase returns a reader of conn that first returns the bytes buffered in br.
// Its buffer has the given size, or at least the default size if size is 0. The
// buffer of br, which may be nil, is reused if possible, because net/http has
// allocated it already. The source of br is not reused, because on each read,
// net/http's takes locks that a hijacked connection no longer needs.
//
// If no bytes are buffered and the connection can be read without a buffer that
// waits for them, rebase returns nil.
func rebase(br *bufio.Reader, conn net.Conn, size int) *bufio.Reader {
	if websocket.Poolable(conn) && (br == nil || br.Buffered() == 0) {
		return nil
	}
	var r io.Reader = conn
	if br != nil && br.Buffered() > 0 {
		held, _ := br.Peek(br.Buffered()) // cannot fail: the bytes are buffered
		r = io.MultiReader(bytes.NewReader(bytes.Clone(held)), conn)
	}
	if br == nil || size != 0 && size != br.Size() || size == 0 && br.Size() < websocket.DefaultBufferSize {
		return bufio.NewReaderSize(r, cmp.Or(size, websocket.DefaultBufferSize))
	}
	br.Reset(r)
	return br
}

// readBufferSize returns the size of the read buffer for a configured size:
// at least the minimum, or 0 for the default.
func readBufferSize(size int) int {
	if size <= 0 {
		return 0
	}
	return max(size, websocket.MinReadBuffer)
}
