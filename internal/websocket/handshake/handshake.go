// Package handshake is the opening handshake of the WebSocket protocol
// (RFC 6455, section 4): what a server checks and answers, and how a client
// connects, by way of a proxy or not.
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
)

// version is the only version of the protocol that was ever a standard.
const version = "13"

// The fields of the handshake, as net/http spells them.
const (
	fieldAccept     = "Sec-Websocket-Accept"
	fieldExtensions = "Sec-Websocket-Extensions"
	fieldKey        = "Sec-Websocket-Key"
	fieldProtocol   = "Sec-Websocket-Protocol"
	fieldVersion    = "Sec-Websocket-Version"
)

// wireName returns a field's name as RFC 6455 spells it.
func wireName(name string) string { return strings.Replace(name, "Websocket", "WebSocket", 1) }

// GenerateKey returns a new key: 16 random bytes in base64.
func GenerateKey() string {
	var key [16]byte
	_, _ = rand.Read(key[:]) // never fails
	return base64.StdEncoding.EncodeToString(key[:])
}

// isKey reports whether s is what GenerateKey might have returned.
func isKey(s string) bool {
	key, err := base64.StdEncoding.DecodeString(s)
	return err == nil && len(key) == 16 && len(s) == 24
}

// Accept returns the value that proves that a server has read a key.
func Accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// upgrades reports whether a message asks for, or agrees to, the protocol.
func upgrades(h http.Header) bool {
	return header.HasToken(h["Connection"], "Upgrade") && header.HasToken(h["Upgrade"], "websocket")
}

// Rebase returns a reader of conn with a buffer of the given size; if that is
// 0, any will do. What br holds is read first. The buffer of br, which may be
// nil, is used further if possible: that of a server has been there all along.
// The reader itself is not, because a server's goes through locks that no one
// needs any more.
func Rebase(br *bufio.Reader, conn net.Conn, size int) *bufio.Reader {
	var r io.Reader = conn
	if br != nil && br.Buffered() > 0 {
		held, _ := br.Peek(br.Buffered()) // what is buffered can be peeked at
		r = io.MultiReader(bytes.NewReader(bytes.Clone(held)), conn)
	}
	if br == nil || size != 0 && size != br.Size() || size == 0 && br.Size() < defaultSize {
		return bufio.NewReaderSize(r, cmp.Or(size, defaultSize))
	}
	br.Reset(r)
	return br
}

// defaultSize is the size of net/http's read buffers.
const defaultSize = 4096
