// Package websocket runs an established WebSocket connection (RFC 6455): it reads
// and writes messages, answers control frames, and ends the connection with
// the closing handshake. The bytes of frames are the business of wsframe,
// compression that of wsdeflate.
//
// # Locks
//
// Four locks order what goroutines do with a connection:
//
//   - readLock is held by a reading method for the time of its call.
//   - streamLock guards the state of reading. A reading method holds it for
//     the time of its call too, except while it runs a ping or pong handler.
//     Close holds it while it waits for the peer's close frame.
//   - messageLock is held while a data message is being sent, from its first
//     frame to its last. Goroutines that wait for it give up when the
//     connection closes or the write deadline passes.
//   - frameLock is held while one frame is sent. Data and control frames
//     take it frame by frame, so that a control frame waits for no more than
//     the frame that is under way. Large messages are sent in fragments for
//     that reason.
//
// A goroutine takes them in this order and holds no other while it waits for
// readLock or messageLock. A reader that must answer a ping while frameLock is
// taken does not wait: it leaves the pong to the holder, who sends it next.
//
// Since a handler runs without streamLock, Close can be called while one runs:
// it reads the rest of the stream itself, whether the handler or another
// goroutine has called it, and the reader finds the connection closed when the
// handler returns. No goroutine is started.
package websocket

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/bufpool"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/deflate"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

const (
	// DefaultMaxMessageSize is the limit of incoming messages in bytes.
	DefaultMaxMessageSize = 16 << 20

	// DefaultBufferSize is the size of read and write buffers in bytes.
	DefaultBufferSize = 4096

	// MinReadBuffer is the smallest usable read buffer: a control frame must
	// fit in whole.
	MinReadBuffer = 256

	// CloseTimeout bounds the closing handshake unless SetCloseTimeout says
	// otherwise, and the sending of a frame that the reader answers with.
	CloseTimeout = 5 * time.Second
)

// Close codes that a Conn sends or reports without being told to (RFC 6455, section 7.4.1).
const (
	CodeNormal          = 1000
	CodeProtocolError   = frame.CodeProtocolError
	CodeNoStatus        = frame.CodeNoStatus
	CodeAbnormal        = 1006
	CodeInvalidPayload  = frame.CodeInvalidPayload
	CodeMessageTooBig   = 1009
	reasonMessageTooBig = "message too big"
)

// Errors that callers tell apart.
var (
	ErrCloseSent = errors.New("websocket: close frame sent")
	ErrReadLimit = errors.New("websocket: message exceeds the size limit")
)

// errClosed is what reading and writing return after Close, if they have no
// better reason.
var errClosed = fmt.Errorf("websocket: %w", net.ErrClosed)

// Config describes a connection whose opening handshake is done.
type Config struct {
	// Conn is the network connection. No deadline is set on it.
	Conn net.Conn

	// Reader reads from Conn and may hold bytes already.
	Reader *bufio.Reader

	// Client is set on the client's side of the connection.
	Client bool

	// WriteBufferSize is the largest frame that is copied to be sent with
	// one write, its header included.
	WriteBufferSize int

	// Compression holds the parameters agreed on. If nil, messages are not
	// compressed.
	Compression *deflate.Params

	// CompressionThreshold is the size in bytes below which messages are
	// sent as they are.
	CompressionThreshold int

	// CloseError makes the error of a closed connection: for a close frame of
	// either end, or without one, for which cause is the reason.
	CloseError func(code int, text string, cause error) error
}

// A Conn is a WebSocket connection. All of its methods may be called from any
// goroutine.
type Conn struct {
	conn       net.Conn
	client     bool
	vectored   bool // conn writes several buffers with one system call
	closeError func(code int, text string, cause error) error

	readLock    semaphore
	streamLock  semaphore
	messageLock semaphore
	frameLock   semaphore

	in  incoming  // guarded by streamLock
	out outgoing  // guarded by messageLock and frameLock, as its fields say
	end closing   // has its own lock
	dl  deadlines // has its own lock

	pongs  pongQueue // has its own lock
	limit  atomic.Int64
	onPing atomic.Pointer[func(data []byte) error]
	onPong atomic.Pointer[func(data []byte) error]
}

// New returns a Conn.
func New(cfg Config) *Conn {
	c := &Conn{
		conn:        cfg.Conn,
		client:      cfg.Client,
		vectored:    isVectored(cfg.Conn),
		closeError:  cfg.CloseError,
		readLock:    newSemaphore(),
		streamLock:  newSemaphore(),
		messageLock: newSemaphore(),
		frameLock:   newSemaphore(),
	}
	c.in.br = cfg.Reader
	c.in.decoder.Masked = !cfg.Client
	c.in.fin = true
	c.out.bufferSize = max(cfg.WriteBufferSize, frame.MaxHeader+frame.MaxControl)
	c.out.threshold = cfg.CompressionThreshold
	c.end.init()
	c.dl.conn = cfg.Conn
	if cfg.Client {
		c.out.keys = new(maskingKeys)
	}
	c.limit.Store(DefaultMaxMessageSize)
	if p := cfg.Compression; p != nil {
		c.in.decoder.Compression = true
		c.in.decompressor, c.out.compressor = codecs(p, cfg.Client)
	}
	return c
}

// codecs returns the two directions of compression.
func codecs(p *deflate.Params, client bool) (*deflate.Decompressor, *deflate.Compressor) {
	if client {
		return deflate.NewDecompressor(p.ServerMaxWindowBits, !p.ServerNoContextTakeover),
			deflate.NewCompressor(p.ClientMaxWindowBits, !p.ClientNoContextTakeover)
	}
	return deflate.NewDecompressor(p.ClientMaxWindowBits, !p.ClientNoContextTakeover),
		deflate.NewCompressor(p.ServerMaxWindowBits, !p.ServerNoContextTakeover)
}

// isVectored reports whether net.Buffers reach the kernel as one write.
func isVectored(conn net.Conn) bool {
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// NetConn returns the network connection underneath, for its addresses.
func (c *Conn) NetConn() net.Conn { return c.conn }

// SetLimit sets the largest incoming message in bytes, after decompression.
// It counts for messages that begin later.
func (c *Conn) SetLimit(n int64) { c.limit.Store(n) }

// SetPingHandler sets what is called for incoming pings, from the reading
// goroutine. With nil, a pong is sent.
func (c *Conn) SetPingHandler(f func(data []byte) error) { setHandler(&c.onPing, f) }

// SetPongHandler sets what is called for incoming pongs, from the reading
// goroutine. With nil, nothing is.
func (c *Conn) SetPongHandler(f func(data []byte) error) { setHandler(&c.onPong, f) }

func setHandler(p *atomic.Pointer[func([]byte) error], f func([]byte) error) {
	if f == nil {
		p.Store(nil)
		return
	}
	p.Store(&f)
}

// isTimeout reports whether err is due to a deadline that has passed.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// reserved makes room for a frame's header in front of a payload.
var reserved [frame.MaxHeader]byte

// newFrame returns a pooled buffer with room for a header; the payload is to
// be appended.
//
// No user's code gets hold of the package's buffers: what is written is copied
// into them, what is read is copied out of them, and a net.Conn must not keep
// what it is given. A buffer is used and put back within one call, or by a
// message writer under its own lock.
func newFrame() *bufpool.Buffer {
	b := bufpool.Get()
	b.B = append(b.B, reserved[:]...)
	return b
}
