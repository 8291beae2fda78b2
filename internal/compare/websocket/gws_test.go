package websocket_test

import (
	"bytes"
	"errors"
	"io"
	nethttp "net/http"
	"sync"

	"github.com/lxzan/gws"
)

// A gwsSession is a session of github.com/lxzan/gws. The package calls methods
// for events, which the session passes to its reader.
type gwsSession struct {
	conn     *gws.Conn
	agreed   string
	messages chan gwsMessage
	ended    chan struct{} // closed after err is set
	err      error

	mu    sync.Mutex
	pongs int
}

type gwsMessage struct {
	op      int
	payload []byte
}

func newGWSSession() *gwsSession {
	return &gwsSession{messages: make(chan gwsMessage, 64), ended: make(chan struct{})}
}

var gwsImplementation = implementation{
	name:     "lxzan/gws",
	takeover: true,
	accept: func(w nethttp.ResponseWriter, r *nethttp.Request, c compression, serve func(session)) {
		s := newGWSSession()
		u := gws.NewUpgrader(s, &gws.ServerOption{CheckUtf8Enabled: true, PermessageDeflate: gwsDeflate(c)})
		conn, err := u.Upgrade(w, r)
		if err != nil {
			return // the upgrade has sent an error response
		}
		s.conn = conn
		done := make(chan struct{})
		go func() {
			defer close(done)
			serve(s)
			_ = conn.NetConn().Close() // the scenario has already reported its outcome
		}()
		conn.ReadLoop()
		<-done
	},
	dial: func(url string, c compression) (session, error) {
		s := newGWSSession()
		conn, resp, err := gws.NewClient(s, &gws.ClientOption{Addr: url, CheckUtf8Enabled: true, PermessageDeflate: gwsDeflate(c)})
		if err != nil {
			return nil, err
		}
		s.conn, s.agreed = conn, resp.Header.Get("Sec-WebSocket-Extensions")
		go conn.ReadLoop()
		return s, nil
	},
}

func gwsDeflate(c compression) gws.PermessageDeflate {
	return gws.PermessageDeflate{
		Enabled:               c != noCompression,
		ServerContextTakeover: c == takeover,
		ClientContextTakeover: c == takeover,
	}
}

// OnOpen is called before the first message.
func (s *gwsSession) OnOpen(*gws.Conn) {}

// OnClose is called at the end of the connection.
func (s *gwsSession) OnClose(_ *gws.Conn, err error) {
	s.err = err
	if e, ok := errors.AsType[*gws.CloseError](err); ok {
		s.err = closed{int(e.Code), string(e.Reason)}
	}
	close(s.ended)
}

// OnPing answers a ping.
func (s *gwsSession) OnPing(c *gws.Conn, payload []byte) {
	_ = c.WritePong(payload) // reading returns the error
}

// OnPong records a pong.
func (s *gwsSession) OnPong(_ *gws.Conn, payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if string(payload) == "gws asks" {
		s.pongs++
	}
}

// OnMessage passes a message to read.
func (s *gwsSession) OnMessage(_ *gws.Conn, m *gws.Message) {
	s.messages <- gwsMessage{int(m.Opcode), bytes.Clone(m.Bytes())}
	_ = m.Close() // returns its buffer
}

func (s *gwsSession) extensions() string { return s.agreed }

func (s *gwsSession) write(op int, payload []byte) error {
	return s.conn.WriteMessage(gws.Opcode(op), payload)
}

// writeFragments uses the only method that sends fragments. Their size is 128
// KiB.
func (s *gwsSession) writeFragments(op int, parts ...[]byte) error {
	return s.conn.WriteFile(gws.Opcode(op), io.Reader(bytes.NewReader(bytes.Join(parts, nil))))
}

func (s *gwsSession) read() (int, []byte, error) {
	select {
	case m := <-s.messages:
		return m.op, m.payload, nil
	case <-s.ended:
	}
	select {
	case m := <-s.messages:
		return m.op, m.payload, nil
	default:
		return 0, nil, s.err
	}
}

func (s *gwsSession) ping() error { return s.conn.WritePing([]byte("gws asks")) }

func (s *gwsSession) ponged() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pongs == 0 {
		return errNoPong
	}
	return nil
}

// close does not wait for the peer's close frame, because the package cannot.
func (s *gwsSession) close(code int, reason string) error {
	return s.conn.WriteClose(uint16(code), []byte(reason))
}

func (s *gwsSession) kill() error { return kill(s.conn.NetConn()) }
