package http

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/url"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/callsite"
	"github.com/stanza-go/framework/pkg/http/internal/jsonbody"
	"github.com/stanza-go/framework/pkg/http/internal/reqstate"
	"github.com/stanza-go/framework/pkg/http/internal/shutdown"
	"github.com/stanza-go/framework/pkg/http/internal/websocket"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/handshake"
)

// MessageType is the type of a WebSocket message: [TextMessage] or
// [BinaryMessage].
type MessageType = int

// Message types (RFC 6455, sections 5.5 and 5.6). Only messages of type
// TextMessage or BinaryMessage can be read or written. The other three name
// control frames, which have their own methods: [Conn.CloseWithMessage],
// [Conn.WritePing] and [Conn.WritePong].
const (
	TextMessage   = 1  // UTF-8 text
	BinaryMessage = 2  // arbitrary bytes
	CloseMessage  = 8  // a close frame
	PingMessage   = 9  // a ping frame
	PongMessage   = 10 // a pong frame
)

// Close codes (RFC 6455, section 7.4.1, and the IANA registry). Codes from 4000
// to 4999 are for private use by applications.
const (
	CloseNormalClosure      = 1000 // the connection has served its purpose
	CloseGoingAway          = 1001 // the server is shutting down, or the browser is leaving the page
	CloseProtocolError      = 1002 // the peer violated the protocol
	CloseUnsupportedData    = 1003 // messages of this type are not accepted
	CloseNoStatusReceived   = 1005 // the close frame had no code; never sent
	CloseAbnormalClosure    = 1006 // the connection ended without a close frame; never sent
	CloseInvalidPayload     = 1007 // a text message was not UTF-8, or a compressed message was corrupt
	ClosePolicyViolation    = 1008 // a message violates the server's policy
	CloseMessageTooBig      = 1009 // a message exceeds the size limit
	CloseMandatoryExtension = 1010 // the server lacks an extension that the client requires
	CloseInternalError      = 1011 // the server encountered an unexpected condition
	CloseServiceRestart     = 1012 // the server is restarting
	CloseTryAgainLater      = 1013 // the server is overloaded
	CloseBadGateway         = 1014 // a gateway received an invalid response
)

// ErrCloseSent is returned by the writing methods of a [Conn] after the Conn
// has sent a close frame: because of Close or CloseWithMessage, in reply to the
// peer's close frame, or because the peer violated the protocol or sent a message
// that is too large.
var ErrCloseSent = websocket.ErrCloseSent

// ErrReadLimit is wrapped by the error that the reading methods of a [Conn]
// return if a message is larger than [Conn.SetMaxMessageSize] allows. The Conn
// has sent the peer a close frame with [CloseMessageTooBig].
var ErrReadLimit = websocket.ErrReadLimit

// A CloseError is the error that the reading methods of a [Conn] return or wrap
// after the peer has sent a close frame, after the connection was lost, or after
// this end has closed the connection because the peer violated the protocol or
// sent a message that is too large. If [Conn.KeepAlive] has ended the connection,
// the writing methods return it too. Use [errors.As] to find it.
type CloseError struct {
	// Code is the code of the close frame that the peer sent, or that this end
	// sent because of the peer's violation or oversized message. It is
	// CloseNoStatusReceived if the peer's frame had no code, and
	// CloseAbnormalClosure if the connection ended without a close frame.
	Code int

	// Text is the reason in the close frame. It is often empty.
	Text string

	networkErr error // of CloseAbnormalClosure
}

func newCloseError(code int, text string, networkErr error) error {
	return &CloseError{code, text, networkErr}
}

// Error returns the code and, if there is one, the text. If the text is not
// printable, it is quoted, because the peer may have chosen it.
func (e *CloseError) Error() string {
	s := fmt.Sprintf("websocket: closed with code %d", e.Code)
	if e.Text != "" {
		s += ": " + printable(e.Text)
	}
	if e.networkErr != nil {
		s += ": " + e.networkErr.Error()
	}
	return s
}

// Unwrap returns the network error that caused CloseAbnormalClosure, or nil.
func (e *CloseError) Unwrap() error { return e.networkErr }

// An Upgrader upgrades HTTP requests to WebSocket connections. The zero value
// is ready to use. For example:
//
//	conn, err := http.Upgrader{}.Upgrade(w, r)
//	if err != nil {
//		return // Upgrade has sent and logged the error
//	}
//	defer conn.Close()
//
// An Upgrader may be copied. It is safe for concurrent use by multiple
// goroutines, but its fields must not be changed while it is in use.
//
// # Origins
//
// Browsers let any page open a WebSocket to any server, and send the user's
// cookies with the handshake. CORS does not apply. By default, Upgrade
// therefore rejects requests from pages with a different origin. To accept
// other origins, list them in AllowOrigins, or set CheckOrigin. If every origin is
// allowed, do not authenticate users by cookies.
//
// # Compression
//
// If EnableCompression is true and the client supports permessage-deflate (RFC
// 7692), messages of at least CompressionThreshold bytes are compressed. The
// messages of a connection share one compression context, which makes small
// messages much smaller but keeps up to 24 KiB of memory per connection, or up to
// 48 KiB if the client does not offer the parameter client_max_window_bits. If
// NoContextTakeover is true, each message is compressed separately, and idle
// connections keep no memory for compression.
//
// Even over TLS, the length of a compressed message reveals whether it repeats
// earlier data. Do not send secrets on a connection on which an attacker can
// choose parts of the messages.
//
// # Timeouts
//
// Upgrade fails if it cannot send the handshake response within 5 seconds. After
// the handshake, the server's timeouts no longer apply, and the connection has no
// deadlines; see [Conn.KeepAlive], [Conn.SetWriteTimeout] and
// [Conn.SetCloseTimeout].
type Upgrader struct {
	// ReadBufferSize is the size of the connection's read buffer in bytes. If
	// it is 0 or negative, 4096 is used. Sizes from 1 to 255 are raised to 256.
	// Read buffers come from a pool that all connections share, and an idle
	// connection holds none. The exceptions are TLS connections and Windows, where
	// a connection holds its buffer, by default the one of the server.
	ReadBufferSize int

	// WriteBufferSize is the size in bytes of the buffer of NextWriter, which
	// sends a frame whenever the buffer is full. WriteMessage also copies frames
	// of up to this size, in order to send each with a single write. If it is 0
	// or negative, 4096 is used. Write buffers come from a pool that all
	// connections share.
	WriteBufferSize int

	// AllowOrigins lists the origins whose pages may connect, in addition to
	// pages of the same origin. An entry is one of:
	//
	//   - An origin, for example "https://app.example.com" or
	//     "http://localhost:5173". The scheme is that of the page, http or
	//     https.
	//   - A pattern, for example "https://*.example.com", which has the same
	//     meaning as in [CORSConfig]. Use a pattern only if nobody else can
	//     register a name in the domain.
	//   - An origin on the local computer with any port, for example
	//     "http://localhost:*", for development.
	//   - "*" for all origins. Pages of any site can then connect with the
	//     user's cookies, so do not authenticate users by cookies.
	//   - "null" for opaque origins, for example of sandboxed frames. Anyone can
	//     make a page with this origin.
	//
	// If an entry has none of these forms, Upgrade responds to every request
	// with 500, and returns and logs an error that names all such entries.
	AllowOrigins []string

	// CheckOrigin reports whether to accept a request, usually based on its
	// Origin header. It must be safe for concurrent use by multiple
	// goroutines. It decides alone: if AllowOrigins is set too, Upgrade responds
	// to every request with 500, and returns and logs an error.
	//
	// If CheckOrigin is nil and AllowOrigins does not allow the origin, the host
	// and port of the Origin must equal those of the Host header. If the request
	// came over TLS, the scheme of the Origin must be https. The origin "null" is
	// rejected. Requests without an Origin header are accepted; browsers always
	// send one.
	CheckOrigin func(r *Request) bool

	// Subprotocols are the subprotocols that the server supports, in order of
	// preference. Upgrade chooses the first one that the client offers; see
	// [Conn.Subprotocol].
	Subprotocols []string

	// EnableCompression accepts permessage-deflate (RFC 7692) if the client
	// offers it. By default, messages are not compressed.
	EnableCompression bool

	// NoContextTakeover compresses each message separately, so that connections
	// keep no memory for compression.
	NoContextTakeover bool

	// CompressionThreshold is the size in bytes of the smallest message that
	// is sent compressed. If it is 0, 128 is used. If it is negative, all
	// messages are compressed. NextWriter also compresses smaller messages if
	// they do not fit in its buffer.
	CompressionThreshold int
}

// Upgrade performs the opening handshake and returns the connection. It works
// inside any middleware whose ResponseWriter has a Hijack or an Unwrap method.
// Header fields and cookies set on w are sent with the response, except fields of
// the handshake, such as Sec-WebSocket-Protocol, and fields that describe a body,
// such as Content-Length.
//
// If the request is not a valid handshake, Upgrade sends an error response, as
// [WriteError] does, and returns an error that names the invalid values. It
// also logs the error with the request's logger (see [LoggerFromContext]), so
// that the handler can simply return. For example, the status is 426 if the
// request does not ask for an upgrade to WebSocket, 505 if it uses HTTP/2, 403 if
// the origin is not allowed, and 400 if a header field of the handshake lists more
// than 64 elements. If the connection cannot be hijacked, the status is 500.
//
// The connection outlives the handler; the caller must close it. If the request
// came through a [Server], [Server.Stop] closes the connection with
// [CloseGoingAway].
func (u Upgrader) Upgrade(w ResponseWriter, r *Request) (*Conn, error) {
	established, err := handshake.Upgrade(w, r, &handshake.ServerOptions{
		AllowOrigins:      u.AllowOrigins,
		CheckOrigin:       u.CheckOrigin,
		Protocols:         u.Subprotocols,
		Compression:       u.EnableCompression,
		NoContextTakeover: u.NoContextTakeover,
		ReadBufferSize:    u.ReadBufferSize,
	})
	if err != nil {
		return nil, upgradeFailed(w, r, err)
	}
	c := newConn(established, websocket.Config{
		WriteBufferSize:      u.WriteBufferSize,
		CompressionThreshold: u.CompressionThreshold,
	})
	c.closeOnStop(r.Context(), established.Stream)
	return c, nil
}

// closeOnStop makes Server.Stop close the connection and wait for that. When the
// connection is closed, closeOnStop ends its stream.
func (c *Conn) closeOnStop(ctx context.Context, stream *reqstate.Stream) {
	remove := shutdown.AddWebSocket(ctx, func(ctx context.Context) {
		_ = c.conn.Close(ctx, CloseGoingAway, "server shutting down") // AfterClose gets the error, and Drain cuts the rest
	})
	c.conn.AfterClose(func(error) {
		remove()
		stream.End()
	})
}

// upgradeFailed logs the error of a handshake, responds to the request unless its
// connection has failed, and returns the error to return from Upgrade. The client
// sees only the reason of a Refusal.
func upgradeFailed(w ResponseWriter, r *Request, err error) error {
	if refusal, ok := errors.AsType[*handshake.Refusal](err); ok {
		logUpgrade(r, slog.LevelWarn, "websocket upgrade refused", refusal)
		for _, field := range refusal.Headers {
			w.Header().Set(field[0], field[1])
		}
		WriteError(w, refusal.Status, refusal.Reason)
		return fmt.Errorf("websocket: upgrade refused: %w", refusal)
	}
	if _, hijacked := errors.AsType[*handshake.SendError](err); !hijacked {
		logUpgrade(r, slog.LevelError, "websocket upgrade failed", err)
		WriteError(w, StatusInternalServerError, "internal server error")
	}
	return fmt.Errorf("websocket: upgrade: %w", err)
}

// logUpgrade logs why a request was not upgraded. Handlers often drop the error
// of Upgrade, and its usual causes are mistakes in the configuration of the
// server or a proxy.
func logUpgrade(r *Request, level slog.Level, message string, err error) {
	attrs := []slog.Attr{slog.String("error", err.Error())}
	if r.URL != nil {
		attrs = append(attrs, slog.String("path", printablePath(r)))
	}
	LoggerFromContext(r.Context()).LogAttrs(r.Context(), level, message, attrs...)
}

// DialOptions are options for [Dial]. The zero value is ready to use.
// Concurrent calls to Dial may share DialOptions, as long as the options are
// not modified.
type DialOptions struct {
	// Header holds fields to add to the request, such as Authorization, Cookie
	// or Origin. A Host field replaces the host of the URL in the request.
	// Fields of the handshake, such as Upgrade or Sec-WebSocket-Protocol, and
	// fields that describe a body, such as Content-Type, make Dial return an
	// error. To offer subprotocols, set Subprotocols.
	Header Header

	// Subprotocols are the subprotocols to offer, in order of preference. Dial
	// succeeds even if the server chooses no subprotocol; see
	// [Conn.Subprotocol].
	Subprotocols []string

	// EnableCompression offers permessage-deflate (RFC 7692) to the server.
	EnableCompression bool

	// NoContextTakeover compresses each message separately and asks the server
	// to do the same. If the server agrees, the connection keeps no memory for
	// compression.
	NoContextTakeover bool

	// CompressionThreshold is the size in bytes of the smallest message that
	// is sent compressed. If it is 0, 128 is used. If it is negative, all
	// messages are compressed. NextWriter also compresses smaller messages if
	// they do not fit in its buffer.
	CompressionThreshold int

	// TLSConfig is used for wss URLs. It is also used for https proxies, with
	// the proxy's host as the ServerName. If nil, the default configuration is
	// used.
	TLSConfig *tls.Config

	// DialContext opens the network connection to the server or the proxy. If
	// nil, the DialContext method of a zero [net.Dialer] is used. If calls to Dial
	// share the function, it must be safe for concurrent use by multiple
	// goroutines.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// Proxy returns the URL of the HTTP proxy for a request, or nil to connect
	// directly, as [net/http.Transport.Proxy] does. If Proxy is not set,
	// [ProxyFromEnvironment] is used, which reads HTTP_PROXY, HTTPS_PROXY and
	// NO_PROXY. If calls to Dial share the function, it must be safe for
	// concurrent use by multiple goroutines.
	Proxy func(*Request) (*url.URL, error)

	// ReadBufferSize is the size of the read buffer in bytes. If it is 0 or
	// negative, 4096 is used. Sizes from 1 to 255 are raised to 256.
	ReadBufferSize int

	// WriteBufferSize is the size in bytes of the buffer of NextWriter, which
	// sends a frame whenever the buffer is full. If it is 0 or negative, 4096
	// is used.
	WriteBufferSize int
}

// Dial connects to a WebSocket server and performs the opening handshake. The
// URL has the scheme ws or wss; http and https are accepted as synonyms. If
// options is nil, the zero value is used. Dial is safe for concurrent use by
// multiple goroutines.
//
// The context applies until Dial returns: canceling it later has no effect on
// the connection. If the context has no deadline, Dial times out after 30
// seconds. Dial skips up to 10 informational responses, such as 103, and does
// not follow redirects.
//
// # Errors
//
// Dial checks the URL and the options before it opens a connection. If it finds
// invalid values, the error names all of them.
//
// If the server has responded, Dial returns the response, even if it also
// returns an error. If the status is not 101, the response has only the first 4
// KiB of the body. The caller need not close the body.
//
// The text of an error is printable and contains no passwords from URLs.
func Dial(ctx context.Context, url string, options *DialOptions) (*Conn, *Response, error) { //revive:disable-line:import-shadowing
	o := DialOptions{}
	if options != nil {
		o = *options
	}
	if o.Proxy == nil {
		o.Proxy = ProxyFromEnvironment
	}
	established, resp, err := handshake.Dial(ctx, url, handshake.Options{
		Header:            o.Header,
		Protocols:         o.Subprotocols,
		Compression:       o.EnableCompression,
		NoContextTakeover: o.NoContextTakeover,
		ReadBufferSize:    o.ReadBufferSize,
		TLSConfig:         o.TLSConfig,
		DialContext:       o.DialContext,
		Proxy:             o.Proxy,
	})
	if err != nil {
		return nil, resp, fmt.Errorf("websocket: dial: %w", err)
	}
	return newConn(established, websocket.Config{
		Client:               true,
		WriteBufferSize:      o.WriteBufferSize,
		CompressionThreshold: o.CompressionThreshold,
	}), resp, nil
}

// GenerateKey returns a random value for a Sec-WebSocket-Key header: 16 bytes
// in base64. [Dial] generates its own key; GenerateKey is for programs that
// write the request themselves, such as tests and proxies. It is safe for
// concurrent use by multiple goroutines.
func GenerateKey() string { return handshake.GenerateKey() }

// A Conn is one end of a WebSocket connection: the server's, as returned by
// [Upgrader.Upgrade], or the client's, as returned by [Dial].
//
// # Concurrency
//
// All methods are safe for concurrent use by multiple goroutines. Concurrent
// calls never mix the frames of different messages. The following rules apply:
//
//   - The reading methods wait for each other: ReadMessage, NextReader,
//     ReadJSON, and the Read method of the reader that NextReader returns.
//   - The writing methods wait for each other: WriteMessage, WriteJSON,
//     WriteEvent, WritePreparedMessage and NextWriter. A message that NextWriter
//     starts ends when its writer is closed.
//   - WritePing, WritePong and Close wait for at most one data frame before they
//     send their own frame. For that reason, all writing methods except
//     NextWriter split a message into frames of at most 128 KiB.
//   - Close and CloseNow may be called at any time, and make waiting methods
//     return.
//
// # Reading
//
// The Conn answers pings and processes the peer's close frame only while a
// reading method is running. One goroutine should therefore read until an error
// occurs, even if it expects no messages.
//
// After reading has failed, all reading methods return the same error. There
// are two exceptions. If a read deadline passes, reading can continue after a
// new deadline has been set. If ReadJSON cannot decode a message, the next
// message can be read.
//
// # Closing
//
// The caller must close the Conn, even after an error. Close performs the
// closing handshake, so that the peer can receive all earlier messages. CloseNow
// does not, so earlier messages may be lost.
//
// A Conn must come from [Upgrader.Upgrade] or [Dial]. The methods of any other
// Conn, such as a zero Conn, panic.
type Conn struct {
	conn        *websocket.Conn
	subprotocol string
}

// defaultCompressionThreshold is the default size in bytes of the smallest
// message that is compressed.
const defaultCompressionThreshold = 128

// newConn returns a Conn after the handshake. It applies the defaults of cfg.
func newConn(established *handshake.Established, cfg websocket.Config) *Conn {
	cfg.Conn, cfg.Reader, cfg.ReadBufferSize = established.Conn, established.Reader, established.BufferSize
	cfg.Compression = established.Compression
	if cfg.WriteBufferSize <= 0 {
		cfg.WriteBufferSize = websocket.DefaultBufferSize
	}
	if cfg.CompressionThreshold == 0 {
		cfg.CompressionThreshold = defaultCompressionThreshold
	}
	cfg.CloseError = newCloseError
	return &Conn{websocket.New(cfg), established.Protocol}
}

// established returns the connection below c. It panics if c was not returned
// by Dial or Upgrade.
func (c *Conn) established() *websocket.Conn {
	if c == nil || c.conn == nil {
		callsite.Panicf("Conn used without Dial or Upgrade; check the error that they return")
	}
	return c.conn
}

// Subprotocol returns the subprotocol that the server has chosen, or "".
func (c *Conn) Subprotocol() string {
	c.established()
	return c.subprotocol
}

// RemoteAddr returns the network address of the peer, or of the proxy that the
// connection goes through.
func (c *Conn) RemoteAddr() net.Addr { return c.established().NetConn().RemoteAddr() }

// LocalAddr returns the local network address.
func (c *Conn) LocalAddr() net.Addr { return c.established().NetConn().LocalAddr() }

// ReadMessage reads the next message and returns its type, TextMessage or
// BinaryMessage, and its payload. The caller may keep and modify the payload.
// If a read deadline passes, ReadMessage returns an error; see
// [Conn.SetReadDeadline].
//
// If the peer has closed the connection or violated the protocol, for example
// by sending text that is not UTF-8, the error is or wraps a [*CloseError]. If
// the message is too large, the error wraps both a [*CloseError] and
// [ErrReadLimit]. If this end has closed the connection, the error is a
// [*CloseError] if the peer's close frame has arrived, and wraps [net.ErrClosed]
// otherwise.
func (c *Conn) ReadMessage() (messageType int, payload []byte, err error) {
	op, payload, err := c.established().ReadMessage()
	return int(op), payload, err
}

// NextReader waits for the next message, as [Conn.ReadMessage] does, and
// returns its type and a reader for its payload. At the end of the message, the
// reader returns [io.EOF].
//
// The reader is valid until the next call to NextReader, ReadMessage or
// ReadJSON. That call skips the rest of the message, and the reader then
// returns an error. The reader is safe for concurrent use by multiple
// goroutines.
func (c *Conn) NextReader() (messageType int, r io.Reader, err error) {
	op, r, err := c.established().NextMessage()
	if err != nil {
		return 0, nil, err
	}
	return int(op), r, nil
}

// ReadJSON reads the next message, of either type, and decodes it as JSON into
// the value that v points to, as [json.Unmarshal] does. If the message cannot
// be decoded, ReadJSON returns an error, and the connection remains usable.
func (c *Conn) ReadJSON(v any) error {
	_, payload, err := c.established().ReadMessage()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(payload, v); err != nil {
		return fmt.Errorf("websocket: decoding a message as JSON: %w", err)
	}
	return nil
}

// WriteMessage sends a message of type TextMessage or BinaryMessage. For any
// other type, it returns an error. It does not retain the payload.
//
// The payload of a TextMessage must be valid UTF-8. WriteMessage does not check
// this, but a peer that receives invalid UTF-8 should close the connection.
func (c *Conn) WriteMessage(messageType int, payload []byte) error {
	conn := c.established()
	op, err := opcode(messageType)
	if err != nil {
		return err
	}
	return conn.WriteMessage(op, payload)
}

// NextWriter starts a message of type TextMessage or BinaryMessage and returns
// a writer for its payload. The writer sends a frame whenever WriteBufferSize
// bytes are buffered, and the last frame when it is closed. The caller must
// close the writer: until then, other messages wait. The writer is safe for
// concurrent use by multiple goroutines.
//
// The payload of a TextMessage must be valid UTF-8; see [Conn.WriteMessage].
func (c *Conn) NextWriter(messageType int) (io.WriteCloser, error) {
	conn := c.established()
	op, err := opcode(messageType)
	if err != nil {
		return nil, err
	}
	w, err := conn.NextWriter(op)
	if err != nil {
		return nil, err
	}
	return w, nil
}

// WriteJSON sends the JSON encoding of v as a text message. If v cannot be
// encoded, WriteJSON returns an error and sends nothing.
func (c *Conn) WriteJSON(v any) error {
	return c.established().WriteFrom(frame.Text, func(b *bufpool.Buffer) error {
		if err := jsonbody.Encode(b, v); err != nil {
			return fmt.Errorf("websocket: %w", err)
		}
		return nil
	})
}

// opcode returns the opcode of a message type.
func opcode(messageType int) (frame.Opcode, error) {
	if messageType != TextMessage && messageType != BinaryMessage {
		return 0, fmt.Errorf("websocket: message type %d is neither TextMessage nor BinaryMessage%s", messageType, hint(messageType))
	}
	return frame.Opcode(messageType), nil
}

// hint names the method that sends a control frame.
func hint(messageType int) string {
	switch messageType {
	case CloseMessage:
		return "; use CloseWithMessage"
	case PingMessage:
		return "; use WritePing"
	case PongMessage:
		return "; use WritePong"
	}
	return ""
}

// A PreparedMessage is a message to send on many connections. It is encoded
// only once and, for connections with compression, compressed only once per
// window size. Create it with [NewPreparedMessage]. It is safe for concurrent
// use by multiple goroutines.
type PreparedMessage struct{ prepared *websocket.Prepared }

// NewPreparedMessage prepares a message of type TextMessage or BinaryMessage.
// For any other type, it returns an error. It copies the payload. The payload of
// a TextMessage must be valid UTF-8; see [Conn.WriteMessage].
func NewPreparedMessage(messageType int, payload []byte) (*PreparedMessage, error) {
	op, err := opcode(messageType)
	if err != nil {
		return nil, err
	}
	return &PreparedMessage{websocket.NewPrepared(op, payload)}, nil
}

// WritePreparedMessage sends a prepared message. On a client, preparation saves
// only the compression, because a client masks each frame with a new key.
//
// WritePreparedMessage panics if m was not returned by [NewPreparedMessage].
func (c *Conn) WritePreparedMessage(m *PreparedMessage) error {
	conn := c.established()
	if m == nil || m.prepared == nil {
		callsite.Panicf("PreparedMessage used without NewPreparedMessage")
	}
	return conn.WritePrepared(m.prepared)
}

// WritePing sends a ping with up to 125 bytes of application data. If data is
// longer, WritePing returns an error. The peer answers with a pong that has the
// same data; see [Conn.SetPongHandler].
func (c *Conn) WritePing(data []byte) error { return c.writeControl(frame.Ping, data) }

// WritePong sends a pong with up to 125 bytes of application data. If data is
// longer, WritePong returns an error. Use it in a function set with
// [Conn.SetPingHandler], or at any time as a heartbeat.
func (c *Conn) WritePong(data []byte) error { return c.writeControl(frame.Pong, data) }

func (c *Conn) writeControl(op frame.Opcode, data []byte) error {
	conn := c.established()
	if len(data) > frame.MaxControl {
		return fmt.Errorf("websocket: control frame has %d bytes of data; the maximum is %d", len(data), frame.MaxControl)
	}
	return conn.WriteControl(op, data)
}

// SetPingHandler sets the function that is called for each ping from the peer.
// The function must send the pong itself, with [Conn.WritePong]. If f is nil,
// which is the default, pongs are sent automatically.
//
// The goroutine that is reading calls f between frames, never concurrently with
// another ping or pong handler of the Conn. f must not call reading methods; it
// may call all others, including Close. If f returns an error, the reading
// method returns this error, and so do all later calls to reading methods.
func (c *Conn) SetPingHandler(f func(data []byte) error) { c.established().SetPingHandler(f) }

// SetPongHandler sets the function that is called for each pong from the peer.
// The rules of [Conn.SetPingHandler] apply. If f is nil, which is the default,
// pongs are ignored.
func (c *Conn) SetPongHandler(f func(data []byte) error) { c.established().SetPongHandler(f) }

// SetMaxMessageSize sets the maximum size of incoming messages in bytes, after
// decompression. It applies to messages that start after the call. If size is
// 0, the default of 16 MiB is used. If size is negative, there is no limit.
//
// Reading a larger message fails with [ErrReadLimit]. So does reading a
// compressed message whose compressed form is longer than 64 KiB plus 16 bytes
// for each decompressed byte, or longer than 64 KiB plus twice the limit. Only a
// message padded with empty blocks is that long. Reading a message with more than
// 1000 empty frames fails with ErrReadLimit too.
func (c *Conn) SetMaxMessageSize(size int64) {
	switch {
	case size == 0:
		size = websocket.DefaultMaxMessageSize
	case size < 0:
		size = math.MaxInt64
	}
	c.established().SetMaxSize(size)
}

// SetReadDeadline sets the time after which reading fails with an error that
// wraps [os.ErrDeadlineExceeded]. If t is zero, reading does not time out. To
// detect peers that have disappeared, use [Conn.KeepAlive].
//
// After the deadline has passed, reading can continue once a new deadline is
// set, even in the middle of a message: no data is lost. [Conn.Close] ignores
// the deadline.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.established().SetReadDeadline(t) }

// SetWriteDeadline sets the time after which writing fails with an error that
// wraps [os.ErrDeadlineExceeded]. If a frame was being sent at that time, the
// Conn cannot send anything more, because the frame may have been sent in part.
// If t is zero, writing does not time out: if the peer does not read, writing
// blocks until the Conn is closed.
// To disconnect peers that stop reading, [Conn.SetWriteTimeout] is simpler.
//
// The deadline also applies to the pongs and close frames that reply to the
// peer; these time out after 5 seconds at the latest. A deadline that passed
// before the reply became due does not apply, because it was meant for an
// earlier message.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.established().SetWriteDeadline(t) }

// SetWriteTimeout sets how long a write may wait while the peer reads nothing. When the
// timeout expires, the writing method returns an error that wraps
// [os.ErrDeadlineExceeded], and nothing more can be sent on the Conn. By default, and
// if d is 0 or negative, there is no timeout.
//
// The timeout starts with each write, and restarts whenever some bytes have been sent,
// so a large message can be sent to a slow peer. It is checked at intervals, so the
// method may return somewhat later than d after the last byte. On TLS connections, each
// 16 KiB must be sent within the timeout.
//
// The operating system buffers data for the peer, so a peer that stops reading is
// detected only when these buffers are full. On Linux, SetWriteTimeout limits the data
// that has not been sent to 64 KiB; elsewhere, the buffers often hold several megabytes.
//
// The timeout applies to messages and control frames that start after the call.
// If there is a write deadline too, the earlier one applies.
func (c *Conn) SetWriteTimeout(d time.Duration) { c.established().SetWriteTimeout(max(d, 0)) }

// KeepAlive sends a ping at intervals, which keeps proxies from closing an idle
// connection, and ends the connection if the peer does not answer. For example, after
// KeepAlive(30*time.Second, 10*time.Second) a peer that has disappeared is detected
// within 40 seconds.
//
// If no pong or other data arrives within patience after a ping, the network connection
// is closed without a close frame. Reading and writing methods then return a
// [*CloseError] with [CloseAbnormalClosure], whose text names the cause. The caller
// must still call Close. If patience is 0 or negative, every is used instead. Patience
// must be long enough for the messages that are sent before a ping to reach the peer. A
// slow peer stays connected as long as it keeps receiving data that a write is waiting
// to send.
//
// Only reading methods receive pongs. Time during which no method is reading does not
// count towards patience, so a handler may be busy for longer between two messages. If
// no method ever reads, pings are sent, but the connection is never closed for lack of
// an answer; a handler that only writes should read in another goroutine.
//
// KeepAlive starts no goroutine, and returns immediately. The first ping is sent
// after a random part of the interval, so that many connections that were opened
// together do not send their pings together. Pings end with the connection.
// Another call of KeepAlive replaces both durations; if every is 0 or negative,
// pings stop.
//
// KeepAlive sets no deadlines, and a function set with [Conn.SetPongHandler] is
// called for its pongs too, with empty data.
func (c *Conn) KeepAlive(every, patience time.Duration) {
	if patience <= 0 {
		patience = every
	}
	c.established().KeepAlive(max(every, 0), patience)
}

// Close calls [Conn.CloseWithMessage] with CloseNormalClosure and no text.
func (c *Conn) Close() error { return c.CloseWithMessage(CloseNormalClosure, "") }

// CloseWithMessage closes the connection: it sends a close frame, waits for the
// peer's, and closes the network connection. That takes at most 5 seconds, or
// the time set with [Conn.SetCloseTimeout]. If the connection has failed, or
// the peer's close frame has already arrived, CloseWithMessage does not wait for
// a close frame.
//
// A reading method that is running when CloseWithMessage is called may still
// return a message. All other messages that arrive before the peer's close frame
// are discarded.
//
// If CloseWithMessage is called more than once, later calls wait for the first
// and return the same error. A ping or pong handler may call CloseWithMessage.
//
// The code must be in one of the ranges 1000 to 1003, 1007 to 1014 and 3000 to
// 4999. With any other code, CloseWithMessage returns an error and the
// connection stays open. The text is for debugging. If it is longer than 123
// bytes, it is truncated.
//
// Any other error means that the close frame could not be sent, or that the
// peer did not reply to it. Even then, the connection is closed.
func (c *Conn) CloseWithMessage(code int, text string) error {
	conn := c.established()
	if !frame.ValidCode(code) {
		return fmt.Errorf("websocket: invalid close code %d; use 1000 to 1003, 1007 to 1014 or 3000 to 4999", code)
	}
	return conn.Close(context.Background(), code, text)
}

// CloseNow closes the network connection immediately, without a close frame.
// The peer sees [CloseAbnormalClosure]. Methods that are reading or writing
// return an error that wraps [net.ErrClosed], as does a Close that is waiting
// for the peer. If the connection is already closed, CloseNow does nothing.
func (c *Conn) CloseNow() error { return c.established().CloseNow() }

// SetCloseTimeout sets the maximum time that [Conn.Close] and
// [Conn.CloseWithMessage] take. If the closing handshake is not complete by
// then, they close the network connection anyway. If d is 0 or negative, the
// default of 5 seconds is used. Calls that have already started are not affected.
//
// Use a shorter timeout for peers that may not respond. [Server.Stop] waits at
// most 5 seconds, whatever the timeout.
func (c *Conn) SetCloseTimeout(d time.Duration) {
	conn := c.established()
	if d <= 0 {
		d = websocket.CloseTimeout
	}
	conn.SetCloseTimeout(d)
}
