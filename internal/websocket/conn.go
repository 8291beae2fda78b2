// Package websocket implements an established WebSocket connection (RFC 6455):
// it reads and writes messages, answers control frames, and performs the
// closing handshake. Package frame encodes and decodes frames, package deflate
// compresses messages, and package handshake establishes connections.
//
// # Locks
//
// A connection has four locks:
//
//   - readLock is held by a reading method during its whole call.
//   - streamLock guards the read state. A reading method holds it during
//     its call too, except while it runs a ping or pong handler. Close holds it
//     while it waits for the peer's close frame.
//   - messageLock is held while a data message is sent, from its first frame to
//     its last. Goroutines stop waiting for it when the connection is closed or
//     the write deadline passes.
//   - frameLock is held while one frame is sent. A control frame therefore
//     waits for at most one data frame. Large messages are sent in fragments to
//     keep this wait short.
//
// A method acquires them in this order, and holds no other lock while it waits
// for readLock or messageLock. User code can wait for one while it holds the
// other: a handler can send a message while its reader holds readLock, and a
// goroutine can read while its Writer holds messageLock.
// If a reader must answer a ping while frameLock is held, it does not wait: it
// leaves the pong to the holder, which sends it next. The timer of KeepAlive
// leaves its ping to the holder too.
//
// While a handler runs, streamLock is free, so that the handler or another
// goroutine can call Close. Close then reads the rest of the stream, and when
// the handler returns, the reader finds the connection closed. The package
// starts no goroutines, except through time.AfterFunc in KeepAlive, and through
// time.AfterFunc and context.AfterFunc in Close.
package websocket

import (
	"bufio"
	"cmp"
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
	// DefaultMaxMessageSize is the default limit of incoming messages in bytes.
	DefaultMaxMessageSize = 16 << 20

	// DefaultBufferSize is the default size of read and write buffers in bytes.
	// It is the size of net/http's read buffers too.
	DefaultBufferSize = 4096

	// MinReadBuffer is the minimum size of the read buffer in bytes. The buffer
	// must hold a whole control frame.
	MinReadBuffer = 256

	// CloseTimeout is the default time limit of the closing handshake. It also
	// limits how long sending a pong or close frame in reply to the peer may
	// take.
	CloseTimeout = 5 * time.Second
)

// Close codes that a Conn sends or reports (RFC 6455, section 7.4.1).
const (
	codeAbnormal      = 1006
	codeMessageTooBig = 1009
)

// reasonMessageTooBig is the reason sent with codeMessageTooBig.
const reasonMessageTooBig = "message too big"

// Errors that callers test for with [errors.Is].
var (
	ErrCloseSent = errors.New("websocket: close frame sent")
	ErrReadLimit = errors.New("websocket: message exceeds the size limit")
)

// errClosed is returned by reading and writing methods after Close, unless
// there is a more specific error.
var errClosed = fmt.Errorf("websocket: %w", net.ErrClosed)

// Config describes a connection whose opening handshake is complete.
type Config struct {
	// Conn is the network connection. It must have no deadlines set.
	Conn net.Conn

	// Reader reads from Conn. It may already hold buffered bytes. If nil, the Conn
	// allocates a buffer of ReadBufferSize, if possible only while something
	// arrives.
	Reader *bufio.Reader

	// ReadBufferSize is the size of the read buffer in bytes if Reader is nil. If
	// it is 0, the default is used.
	ReadBufferSize int

	// Client reports whether this is the client's end of the connection.
	Client bool

	// WriteBufferSize is the maximum size in bytes, including the header, of a
	// frame that a server copies to send it with a single write. It is also the
	// size of a Writer's buffer. Sizes that cannot hold a control frame are
	// increased.
	WriteBufferSize int

	// Compression holds the negotiated parameters. If nil, messages are not
	// compressed.
	Compression *deflate.Params

	// CompressionThreshold is the size in bytes of the smallest message that is
	// compressed.
	CompressionThreshold int

	// CloseError returns the error that reading methods return after either end
	// has sent a close frame or, if networkErr is not nil, after the network
	// has failed.
	CloseError func(code int, text string, networkErr error) error
}

// A Conn is a WebSocket connection. It is safe for concurrent use by multiple
// goroutines.
type Conn struct {
	conn       net.Conn
	client     bool
	vectored   bool // conn writes several buffers with one system call
	closeError func(code int, text string, networkErr error) error

	readLock    semaphore
	streamLock  semaphore
	messageLock semaphore
	frameLock   semaphore

	in        incoming  // guarded by streamLock
	out       outgoing  // guarded by messageLock and frameLock; see its fields
	closing   closing   // guarded by its mu
	deadlines deadlines // guarded by its mu
	pongs     pongQueue // guarded by its mu
	keepAlive keepAlive // guarded by its mu

	maxSize      atomic.Int64
	writeTimeout atomic.Int64 // a time.Duration; 0 means no limit
	limited      atomic.Bool  // sendqueue.Limit was called
	onPing       atomic.Pointer[func(data []byte) error]
	onPong       atomic.Pointer[func(data []byte) error]
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
	if c.in.br = cfg.Reader; cfg.Reader == nil {
		c.in.br = newInput(cfg.Conn, cmp.Or(cfg.ReadBufferSize, DefaultBufferSize))
	}
	c.in.decoder.Masked = !cfg.Client
	c.in.lastFrame = true
	c.out.bufferSize = max(cfg.WriteBufferSize, frame.MaxHeader+frame.MaxControl)
	c.out.threshold = cfg.CompressionThreshold
	c.closing.init()
	c.deadlines.conn, c.deadlines.closing = cfg.Conn, &c.closing
	if cfg.Client {
		c.out.keys = new(maskingKeys)
	}
	c.maxSize.Store(DefaultMaxMessageSize)
	if p := cfg.Compression; p != nil {
		c.in.decoder.Compression = true
		c.in.decompressor, c.out.compressor = codecs(p, cfg.Client)
	}
	return c
}

// codecs returns the decompressor and compressor of one end.
func codecs(p *deflate.Params, client bool) (*deflate.Decompressor, *deflate.Compressor) {
	if client {
		return deflate.NewDecompressor(p.ServerMaxWindowBits, !p.ServerNoContextTakeover),
			deflate.NewCompressor(p.ClientMaxWindowBits, !p.ClientNoContextTakeover)
	}
	return deflate.NewDecompressor(p.ClientMaxWindowBits, !p.ClientNoContextTakeover),
		deflate.NewCompressor(p.ServerMaxWindowBits, !p.ServerNoContextTakeover)
}

// isVectored reports whether writing net.Buffers to conn takes one system call.
func isVectored(conn net.Conn) bool {
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// NetConn returns the underlying network connection.
func (c *Conn) NetConn() net.Conn { return c.conn }

// SetMaxSize sets the maximum size of incoming messages in bytes, after
// decompression. It applies to messages that start after the call.
func (c *Conn) SetMaxSize(n int64) { c.maxSize.Store(n) }

// SetPingHandler sets the function that the reading goroutine calls for each
// ping. If f is nil, the Conn sends a pong. If f returns an error, reading
// methods return it from then on.
func (c *Conn) SetPingHandler(f func(data []byte) error) { setHandler(&c.onPing, f) }

// SetPongHandler sets the function that the reading goroutine calls for each
// pong. If f is nil, pongs are ignored. If f returns an error, reading methods
// return it from then on.
func (c *Conn) SetPongHandler(f func(data []byte) error) { setHandler(&c.onPong, f) }

func setHandler(p *atomic.Pointer[func([]byte) error], f func([]byte) error) {
	if f == nil {
		p.Store(nil)
		return
	}
	p.Store(&f)
}

// isTimeout reports whether err was caused by a deadline.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// headerSpace reserves space for a frame's header before a payload.
var headerSpace [frame.MaxHeader]byte

// newFrame returns a pooled buffer with space for a header. The caller appends
// the payload.
//
// User code never has access to pooled buffers: payloads are copied into and
// out of them, and a net.Conn must not retain the slices passed to Write. A
// buffer is returned to the pool by the call that took it or, in a Writer,
// under the Writer's lock.
func newFrame() *bufpool.Buffer {
	b := bufpool.Get()
	b.B = append(b.B, headerSpace[:]...)
	return b
}
