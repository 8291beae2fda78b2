package http

import (
	"bufio"
	"cmp"
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
	"github.com/stanza-go/framework/pkg/http/internal/jsonbody"
	"github.com/stanza-go/framework/pkg/http/internal/origin"
	"github.com/stanza-go/framework/pkg/http/internal/response"
	"github.com/stanza-go/framework/pkg/http/internal/shutdown"
	"github.com/stanza-go/framework/pkg/http/internal/websocket"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/deflate"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/handshake"
)

// MessageType is the type of a message, such as [TextMessage].
type MessageType = int

// Message types (RFC 6455, section 5.6). Only TextMessage and BinaryMessage are
// read and written as messages. The other three name control frames, which
// have methods of their own: [Conn.CloseWithMessage], [Conn.WritePing] and
// [Conn.WritePong].
const (
	TextMessage   = 1  // UTF-8 text
	BinaryMessage = 2  // any bytes
	CloseMessage  = 8  // a close frame
	PingMessage   = 9  // a ping frame
	PongMessage   = 10 // a pong frame
)

// Close codes (RFC 6455, section 7.4.1, and the IANA registry). Applications
// may use 4000 to 4999 for their own.
const (
	CloseNormalClosure      = 1000 // the purpose of the connection is fulfilled
	CloseGoingAway          = 1001 // the server shuts down, or the browser leaves the page
	CloseProtocolError      = 1002 // the peer broke the protocol
	CloseUnsupportedData    = 1003 // the type of a message is not accepted
	CloseNoStatusReceived   = 1005 // the close frame had no code; never sent
	CloseAbnormalClosure    = 1006 // the connection ended without a close frame; never sent
	CloseInvalidPayload     = 1007 // a text message was not UTF-8, or a compressed one corrupt
	ClosePolicyViolation    = 1008 // a message violates the server's policy
	CloseMessageTooBig      = 1009 // a message exceeds the size limit
	CloseMandatoryExtension = 1010 // the server lacks an extension that the client needs
	CloseInternalError      = 1011 // the server met an unexpected condition
	CloseServiceRestart     = 1012 // the server restarts
	CloseTryAgainLater      = 1013 // the server is overloaded
	CloseBadGateway         = 1014 // a gateway got an invalid response
)

// ErrCloseSent is returned by writing methods after a close frame was sent: by
// Close or CloseWithMessage, as the answer to the peer's, or because the peer
// broke the protocol.
var ErrCloseSent = websocket.ErrCloseSent

// ErrReadLimit is wrapped by the error of reading methods for a message that is
// larger than [Conn.SetMaxMessageSize] allows. The peer was sent a close frame
// with [CloseMessageTooBig].
var ErrReadLimit = websocket.ErrReadLimit

// A CloseError is the error of reading methods when the connection is closed:
// by the peer, or by this end because the peer broke the protocol or sent a
// message that is too large. Find it with [errors.As].
type CloseError struct {
	// Code is the code of the close frame: of the peer's, or of the one that
	// the peer was sent for its fault. It is CloseNoStatusReceived if the
	// peer's frame had no code, and CloseAbnormalClosure if the connection
	// ended without a close frame.
	Code int

	// Text is the reason in the close frame, often empty.
	Text string

	cause error // of CloseAbnormalClosure
}

func newCloseError(code int, text string, cause error) error { return &CloseError{code, text, cause} }

// Error returns the code, and the text if there is one. A text that is not
// printable is quoted, because the peer may have chosen it.
func (e *CloseError) Error() string {
	s := fmt.Sprintf("websocket: closed with code %d", e.Code)
	if e.Text != "" {
		s += ": " + printable(e.Text)
	}
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

// Unwrap returns the network error behind CloseAbnormalClosure, or nil.
func (e *CloseError) Unwrap() error { return e.cause }

// defaultCompressionThreshold is the size in bytes from which messages are
// compressed unless the user says otherwise.
const defaultCompressionThreshold = 128

// clientWindowBits bounds the window with which clients compress, if they let
// the server choose. It is what a connection keeps for each client.
const clientWindowBits = 13

// An Upgrader turns HTTP requests into WebSocket connections. Its zero value
// is ready to use, and it may be copied. It is safe for concurrent use by
// multiple goroutines, but its fields must not be changed while it is in use.
type Upgrader struct {
	// ReadBufferSize is the size in bytes of the buffer that a connection
	// reads into, by default 4096. With the default, the buffer that the
	// server has allocated already is used. The least is 256.
	ReadBufferSize int

	// WriteBufferSize is the size in bytes of the largest frame that is
	// copied in order to be sent at once, and of the frames that NextWriter
	// sends, by default 4096. Write buffers are shared by all connections.
	WriteBufferSize int

	// CheckOrigin reports whether a page may connect, judging by the Origin
	// header. If nil, the origin's host and port must be those of the Host header,
	// and its scheme must be https if the request came over TLS; "null" is refused.
	// Requests without an Origin header are allowed; browsers always send one.
	//
	// Browsers send the user's cookies whichever page connects. If CheckOrigin
	// allows any origin, do not authenticate by cookies.
	CheckOrigin func(r *Request) bool

	// Subprotocols are the subprotocols that the server speaks, the preferred
	// first. The first that the client offers is chosen, see
	// [Conn.Subprotocol].
	Subprotocols []string

	// EnableCompression lets clients compress messages and has them sent
	// compressed (permessage-deflate, RFC 7692), if the client offers it. By
	// default messages are not compressed.
	//
	// Messages of one connection share their context, which makes small ones
	// much smaller and keeps up to 24 KB for each connection, or 48 KB for
	// clients that insist on the largest window. Browsers do not.
	//
	// As with any compression under encryption, do not send secrets and text
	// of an attacker's choice in one connection.
	EnableCompression bool

	// NoContextTakeover has every message compressed by itself. A connection
	// then keeps no memory for compression.
	NoContextTakeover bool

	// CompressionThreshold is the size in bytes from which messages are sent
	// compressed, by default 128. A negative value means from the first byte.
	CompressionThreshold int
}

// Upgrade does the opening handshake and returns the connection. It works
// behind any middleware whose ResponseWriter has an Unwrap method. Headers and
// cookies set on w before are sent with the response; those that frame an HTTP
// response, such as Content-Length, are left out.
//
// If the request is not a proper handshake, Upgrade answers it with an error
// as [WriteError] does, and returns an error that names the values it refused.
// It also logs that error with the request's logger (see [LoggerFromContext]),
// so the handler can simply return. Lists of more than 64 elements in the
// handshake are refused with 400. If the request came through a [Server],
// [Server.Stop] closes the connection with [CloseGoingAway].
//
// The connection outlives the handler; it must be closed in the end.
func (u Upgrader) Upgrade(w ResponseWriter, r *Request) (*Conn, error) {
	if refusal := u.check(r); refusal != nil {
		return nil, refuse(w, r, refusal)
	}
	var params *deflate.Params
	var extensions string
	if u.EnableCompression {
		p, response, err := deflate.Accept(handshake.Extensions(r), u.NoContextTakeover, clientWindowBits)
		if err != nil {
			return nil, refuse(w, r, handshake.BadExtensions(r, err))
		}
		if extensions = response; response != "" {
			params = &p
		}
	}
	protocol := handshake.ChooseProtocol(r, u.Subprotocols)
	netConn, br, err := u.switchProtocols(w, r, protocol, extensions)
	if err != nil {
		return nil, err
	}
	c := newConn(websocket.Config{
		Conn:                 netConn,
		Reader:               br,
		WriteBufferSize:      u.WriteBufferSize,
		Compression:          params,
		CompressionThreshold: u.CompressionThreshold,
	}, protocol)
	c.endWithServer(r.Context())
	return c, nil
}

// endWithServer has the connection closed when the server stops, which waits
// for that.
func (c *Conn) endWithServer(ctx context.Context) {
	remove := shutdown.Add(ctx, shutdown.WebSocket, func(ctx context.Context) {
		_ = c.conn.Close(ctx, CloseGoingAway, "server shutting down") // AfterClose learns of it, and Drain cuts what fails
	})
	c.conn.AfterClose(func(error) { remove() })
}

// check returns why the request cannot become a WebSocket, or nil.
func (u Upgrader) check(r *Request) *handshake.Refusal {
	if refusal := handshake.Check(r); refusal != nil {
		return refusal
	}
	checkOrigin := u.CheckOrigin
	if checkOrigin == nil {
		checkOrigin = isSameOrigin
	}
	if !checkOrigin(r) {
		return handshake.ForeignOrigin(r, u.CheckOrigin != nil)
	}
	return nil
}

// isSameOrigin is the default of CheckOrigin. Where the request came without
// TLS, both schemes pass, because TLS may have ended at a proxy.
func isSameOrigin(r *Request) bool {
	values := r.Header["Origin"]
	if len(values) == 0 {
		return true
	}
	o, err := origin.Parse(values[0])
	switch {
	case err != nil || len(values) > 1:
		return false
	case o.Scheme != "https" && (o.Scheme != "http" || r.TLS != nil):
		return false
	}
	return o.HasHost(r.Host)
}

// refuse answers a request that does not become a WebSocket.
func refuse(w ResponseWriter, r *Request, refusal *handshake.Refusal) error {
	logUpgrade(r, slog.LevelWarn, "websocket upgrade refused", refusal)
	for _, field := range refusal.Headers {
		w.Header().Set(field[0], field[1])
	}
	WriteError(w, refusal.Status, refusal.Reason)
	return fmt.Errorf("websocket: upgrade refused: %w", refusal)
}

// fail answers a request that the server cannot upgrade. The client does not
// see the error.
func fail(w ResponseWriter, r *Request, err error) error {
	logUpgrade(r, slog.LevelError, "websocket upgrade failed", err)
	WriteError(w, StatusInternalServerError, "internal server error")
	return fmt.Errorf("websocket: upgrade: %w", err)
}

// logUpgrade writes one line about a request that was not upgraded. Handlers
// often drop Upgrade's error, and the usual causes are mistakes in the server's
// or a proxy's configuration.
func logUpgrade(r *Request, level slog.Level, message string, err error) {
	attrs := []slog.Attr{slog.String("error", err.Error())}
	if r.URL != nil {
		attrs = append(attrs, slog.String("path", printablePath(r)))
	}
	LoggerFromContext(r.Context()).LogAttrs(r.Context(), level, message, attrs...)
}

// switchProtocols takes the connection over from net/http and sends the
// response.
func (u Upgrader) switchProtocols(w ResponseWriter, r *Request, protocol, extensions string) (net.Conn, *bufio.Reader, error) {
	b := bufpool.Get()
	defer bufpool.Put(b) // only conn.Write sees it, which must not keep it
	err := handshake.CheckHeader(w.Header())
	if err == nil {
		err = handshake.AppendResponse(b, r, protocol, extensions, w.Header())
	}
	if err != nil {
		clear(w.Header())
		return nil, nil, fail(w, r, err)
	}
	conn, rw, err := NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, fail(w, r, hijackError(w, err))
	}
	err = conn.SetDeadline(time.Now().Add(websocket.CloseTimeout))
	if err == nil {
		_, err = conn.Write(b.B)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		_ = conn.Close() // err says what went wrong before
		return nil, nil, fmt.Errorf("websocket: upgrade: %w", err)
	}
	return conn, handshake.Rebase(rw.Reader, conn, readBufferSize(u.ReadBufferSize)), nil
}

// hijackError names the type of the ResponseWriter that does not give up its
// connection: usually a middleware's wrapper.
func hijackError(w ResponseWriter, err error) error {
	if cw := response.Find(w); cw != nil && cw.Ended() {
		return err // it says so
	}
	at := response.HijackedFrom(w)
	if response.Hijackable(at) {
		return fmt.Errorf("hijacking the ResponseWriter of type %T: %w", at, err)
	}
	return fmt.Errorf("the ResponseWriter of type %T has neither a Hijack nor an Unwrap method: %w", at, err)
}

// readBufferSize keeps 0, which stands for the buffer that is there.
func readBufferSize(size int) int {
	if size <= 0 {
		return 0
	}
	return max(size, websocket.MinReadBuffer)
}

// DialOptions are options of [Dial]. The zero value is ready to use.
type DialOptions struct {
	// Header holds fields to add to the request, such as Authorization, Cookie,
	// Origin, or Host to replace the URL's. If it has a field of the handshake,
	// such as Upgrade or Sec-WebSocket-Protocol, or one that describes a body, such
	// as Content-Type, Dial returns an error. To offer subprotocols, use
	// Subprotocols.
	Header Header

	// Subprotocols are the subprotocols to offer, the preferred first. A
	// server that chooses none is accepted; see [Conn.Subprotocol].
	Subprotocols []string

	// EnableCompression offers permessage-deflate (RFC 7692) to the server.
	EnableCompression bool

	// NoContextTakeover asks for every message to be compressed by itself, so
	// that the connection keeps no memory for compression.
	NoContextTakeover bool

	// CompressionThreshold is the size in bytes from which messages are sent
	// compressed, by default 128. A negative value means from the first byte.
	CompressionThreshold int

	// TLSConfig is used for wss URLs, and for https proxies with the proxy's
	// host in place of its ServerName. If nil, the default configuration is
	// used.
	TLSConfig *tls.Config

	// DialContext opens the network connection, to the server or to the
	// proxy. By default it is that of a [net.Dialer].
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// Proxy returns the HTTP proxy for a request, or nil for none, as
	// [net/http.Transport.Proxy] does. By default it is [ProxyFromEnvironment], which
	// reads HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
	Proxy func(*Request) (*url.URL, error)

	// ReadBufferSize is the size of the read buffer in bytes, by default
	// 4096. The least is 256.
	ReadBufferSize int

	// WriteBufferSize is the size in bytes of the frames that NextWriter
	// sends, by default 4096.
	WriteBufferSize int
}

// Dial connects to a WebSocket server at a ws or wss URL; http and https stand
// for the same. Options may be nil. The context bounds the handshake, which
// otherwise may take 30 seconds, and not the connection.
//
// The response is that of the server, or nil if there was none. If the server
// refused, or the context ended while it did, Dial returns its response with the
// error; the body holds the first 4 KB of the server's. Up to 10 informational
// responses, such as 103, are skipped, and redirects are not followed. The text
// of an error is printable and holds no password of a URL.
func Dial(ctx context.Context, url string, options *DialOptions) (*Conn, *Response, error) {
	o := DialOptions{}
	if options != nil {
		o = *options
	}
	if o.Proxy == nil {
		o.Proxy = ProxyFromEnvironment
	}
	c, resp, err := dial(ctx, url, &o)
	if err != nil {
		return nil, resp, fmt.Errorf("websocket: dial: %w", err)
	}
	return c, resp, nil
}

func dial(ctx context.Context, url string, o *DialOptions) (*Conn, *Response, error) {
	extensions := ""
	if o.EnableCompression {
		extensions = deflate.Offer(o.NoContextTakeover)
	}
	netConn, br, resp, err := handshake.Dial(ctx, url, handshake.Options{
		Header:      o.Header,
		Protocols:   o.Subprotocols,
		Extensions:  extensions,
		BufferSize:  cmp.Or(readBufferSize(o.ReadBufferSize), websocket.DefaultBufferSize),
		TLSConfig:   o.TLSConfig,
		DialContext: o.DialContext,
		Proxy:       o.Proxy,
	})
	if err != nil {
		return nil, resp, err
	}
	params, err := confirm(resp, o)
	if err != nil {
		_ = netConn.Close() // err says what went wrong before
		return nil, resp, err
	}
	return newConn(websocket.Config{
		Conn:                 netConn,
		Reader:               br,
		Client:               true,
		WriteBufferSize:      o.WriteBufferSize,
		Compression:          params,
		CompressionThreshold: o.CompressionThreshold,
	}, resp.Header.Get("Sec-WebSocket-Protocol")), resp, nil
}

// confirm reads the extensions that the server has chosen.
func confirm(resp *Response, o *DialOptions) (*deflate.Params, error) {
	p, ok, err := deflate.Confirm(resp.Header["Sec-Websocket-Extensions"], o.NoContextTakeover)
	if ok && !o.EnableCompression {
		err = errors.New("the server chose an extension that was not offered")
	}
	if err != nil {
		return nil, handshake.BadAnswer(resp, err)
	}
	if !ok {
		return nil, nil
	}
	return &p, nil
}

// GenerateKey returns a new value for a Sec-WebSocket-Key header: 16 random
// bytes in base64. Dial does this by itself.
func GenerateKey() string { return handshake.GenerateKey() }

// A Conn is a WebSocket connection, of a server ([Upgrader]) or a client
// ([Dial]).
//
// All methods are safe for concurrent use by multiple goroutines. Reading
// methods wait for one another, and so do writing methods, so that messages
// never mix. Usually one goroutine reads for as long as the connection lives:
// pings are answered, and the peer's close frame is noticed, only while a
// method reads.
//
// Messages of more than 128 KB (64 KB by a client) are sent in fragments, so
// that pings, pongs and close frames need not wait for the whole message.
//
// After an error of a reading method, all reading methods return that error.
// The exception is a read deadline that has passed: if it is moved, reading
// goes on where it was. A Conn must be closed in the end, whatever has
// happened to it.
type Conn struct {
	conn        *websocket.Conn
	subprotocol string
}

// newConn fills the gaps of a Config.
func newConn(cfg websocket.Config, subprotocol string) *Conn {
	if cfg.WriteBufferSize <= 0 {
		cfg.WriteBufferSize = websocket.DefaultBufferSize
	}
	if cfg.CompressionThreshold == 0 {
		cfg.CompressionThreshold = defaultCompressionThreshold
	}
	cfg.CloseError = newCloseError
	return &Conn{websocket.New(cfg), subprotocol}
}

// Subprotocol returns the subprotocol that was agreed on, or "".
func (c *Conn) Subprotocol() string { return c.subprotocol }

// RemoteAddr returns the network address of the peer, or of a proxy.
func (c *Conn) RemoteAddr() net.Addr { return c.conn.NetConn().RemoteAddr() }

// LocalAddr returns the network address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.conn.NetConn().LocalAddr() }

// ReadMessage waits for the next message and returns its type, TextMessage or
// BinaryMessage, and its payload, which belongs to the caller. If there is a
// read deadline, it waits no longer than that.
//
// The error wraps a [*CloseError] if the peer has closed the connection, or if
// it broke the protocol, for example with text that is not UTF-8. If the
// message is too large, it wraps [ErrReadLimit] too.
func (c *Conn) ReadMessage() (messageType int, payload []byte, err error) {
	op, payload, err := c.conn.ReadMessage()
	return int(op), payload, err
}

// NextReader waits for the next message, like [Conn.ReadMessage], and returns
// a reader of its payload, which ends with [io.EOF]. The reader is valid until
// the next message is asked for. Then the rest of its message is skipped, and
// its Read method returns an error.
func (c *Conn) NextReader() (messageType int, r io.Reader, err error) {
	op, r, err := c.conn.NextMessage()
	if err != nil {
		return 0, nil, err
	}
	return int(op), r, nil
}

// ReadJSON reads the next message, of either type, and decodes it as JSON into
// the value that v points to. If the message cannot be decoded, ReadJSON
// returns an error, and the connection stays usable.
func (c *Conn) ReadJSON(v any) error {
	_, payload, err := c.conn.ReadMessage()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(payload, v); err != nil {
		return fmt.Errorf("websocket: message is not the JSON expected: %w", err)
	}
	return nil
}

// WriteMessage sends a message of type TextMessage or BinaryMessage. The caller
// may change the payload after it returns. The payload of a TextMessage must be
// valid UTF-8. WriteMessage does not check that, but peers close the connection
// if it is not.
func (c *Conn) WriteMessage(messageType int, payload []byte) error {
	op, err := opcode(messageType)
	if err != nil {
		return err
	}
	return c.conn.WriteMessage(op, payload)
}

// NextWriter begins a message and returns a writer for its payload. The message
// is sent in fragments as the buffer fills, and ends when the writer is closed.
// The caller must close the writer: other messages wait until then.
func (c *Conn) NextWriter(messageType int) (io.WriteCloser, error) {
	op, err := opcode(messageType)
	if err != nil {
		return nil, err
	}
	w, err := c.conn.NextWriter(op)
	if err != nil {
		return nil, err
	}
	return w, nil
}

// WriteJSON sends v, encoded as JSON, as a text message. If v cannot be encoded,
// WriteJSON returns an error and sends nothing.
func (c *Conn) WriteJSON(v any) error {
	return c.conn.WriteFrom(frame.Text, func(b *bufpool.Buffer) error {
		if err := jsonbody.Append(b, v); err != nil {
			return fmt.Errorf("websocket: %w", err)
		}
		return nil
	})
}

// opcode checks a message type.
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
// only once, and compressed only once if connections need that. It is safe for
// concurrent use by multiple goroutines.
type PreparedMessage struct{ prepared *websocket.Prepared }

// NewPreparedMessage prepares a message of type TextMessage or BinaryMessage.
// The payload is copied.
func NewPreparedMessage(messageType int, payload []byte) (*PreparedMessage, error) {
	op, err := opcode(messageType)
	if err != nil {
		return nil, err
	}
	return &PreparedMessage{websocket.NewPrepared(op, payload)}, nil
}

// WritePreparedMessage sends a prepared message. A client saves only the
// compression, because it masks every frame with a new key.
func (c *Conn) WritePreparedMessage(m *PreparedMessage) error {
	return c.conn.WritePrepared(m.prepared)
}

// WritePing sends a ping with up to 125 bytes of data. The peer answers with a
// pong that carries the same data; see [Conn.SetPongHandler].
func (c *Conn) WritePing(data []byte) error { return c.writeControl(frame.Ping, data) }

// WritePong sends a pong with up to 125 bytes of data, as the answer to a ping
// in a handler of [Conn.SetPingHandler], or as an unsolicited sign of life.
func (c *Conn) WritePong(data []byte) error { return c.writeControl(frame.Pong, data) }

func (c *Conn) writeControl(op frame.Opcode, data []byte) error {
	if len(data) > frame.MaxControl {
		return fmt.Errorf("websocket: %d bytes in a control frame, at most %d fit", len(data), frame.MaxControl)
	}
	return c.conn.WriteControl(op, data)
}

// SetPingHandler sets the function called for each ping of the peer. It must
// send the pong itself, with [Conn.WritePong]. If f is nil, pongs are sent
// automatically, as by default.
//
// The handler runs in the goroutine that reads, between frames. It must not
// read, but it may write, close the connection, and set handlers and deadlines.
// If it returns an error, the reading method returns that error, and so do
// later ones.
func (c *Conn) SetPingHandler(f func(data []byte) error) { c.conn.SetPingHandler(f) }

// SetPongHandler sets the function called for each pong of the peer, in the same
// way as [Conn.SetPingHandler]. If f is nil, pongs are ignored, as by default.
func (c *Conn) SetPongHandler(f func(data []byte) error) { c.conn.SetPongHandler(f) }

// SetMaxMessageSize sets the size in bytes of the largest message that is
// accepted, after decompression. The default is 16 MB; it is also used if size
// is 0. If size is negative, there is no limit. The limit applies from the next
// message on.
//
// On the wire, a compressed message may take 16 bytes for each byte that it
// decompresses to, but at most twice the limit, plus 64 KB in both cases. If it
// takes more, it consists of blocks without content, and is refused as too large.
func (c *Conn) SetMaxMessageSize(size int64) {
	switch {
	case size == 0:
		size = websocket.DefaultMaxMessageSize
	case size < 0:
		size = math.MaxInt64
	}
	c.conn.SetLimit(size)
}

// SetReadDeadline sets the time after which reading fails with an error that
// wraps [os.ErrDeadlineExceeded]. If t is the zero time, there is no deadline.
// Set anew for every message or pong, it finds peers that are gone.
//
// After it has passed, a new deadline lets reading go on, in the middle of a
// message too: no byte is lost. [Conn.Close] does not depend on it.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }

// SetWriteDeadline sets the time after which writing fails with an error that
// wraps [os.ErrDeadlineExceeded]; a frame may have been sent in part, so that
// no more can be written. If t is the zero time, there is no deadline, and
// writing to a peer that does not read waits until the connection is closed.
//
// The deadline applies to the pongs and close frames that answer the peer, too,
// which also have a limit of 5 seconds. If it had passed before such an answer
// came due, it belongs to an earlier message and does not apply.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.conn.SetWriteDeadline(t) }

// Close is [Conn.CloseWithMessage] with CloseNormalClosure and no text.
func (c *Conn) Close() error { return c.CloseWithMessage(CloseNormalClosure, "") }

// CloseWithMessage closes the connection: it sends a close frame, waits for
// the peer's, and closes the network connection. That takes at most 5 seconds,
// or the time set with [Conn.SetCloseTimeout]. If the connection has failed or
// the peer has closed it before, CloseWithMessage does not wait for the peer.
//
// Messages that the peer sends before its close frame go to a goroutine that is
// reading, and are discarded if there is none. If CloseWithMessage is called
// more than once, later calls wait for the first and return the same error. It
// may be called from a ping or pong handler.
//
// The text is for the peer's developers; it is cut to 123 bytes. The codes
// 1000 to 1003, 1007 to 1014 and 3000 to 4999 can be sent; others are refused
// with an error, and the connection stays open.
//
// Any other error means that the peer was not sent a close frame or did not
// answer it. The connection is closed even then.
func (c *Conn) CloseWithMessage(code int, text string) error {
	if !frame.ValidCode(code) {
		return fmt.Errorf("websocket: close code %d must not be sent", code)
	}
	return c.conn.Close(context.Background(), code, text)
}

// CloseNow closes the network connection at once, without a close frame. The
// peer sees the connection end with [CloseAbnormalClosure]. Methods that read
// or write fail with an error that wraps [net.ErrClosed], and a Close that
// waits for the peer returns with such an error. CloseNow does nothing if the
// connection is closed already.
func (c *Conn) CloseNow() error { return c.conn.CloseNow() }

// SetCloseTimeout sets how long [Conn.Close] and [Conn.CloseWithMessage] may
// take before they close the network connection without the peer's close
// frame. The default is 5 seconds; it is also used if d is not positive.
//
// A shorter timeout is right if the peer is not trusted to answer. Calls that
// have begun keep theirs. [Server.Stop] never waits longer than 5 seconds.
func (c *Conn) SetCloseTimeout(d time.Duration) {
	if d <= 0 {
		d = websocket.CloseTimeout
	}
	c.conn.SetCloseTimeout(d)
}
