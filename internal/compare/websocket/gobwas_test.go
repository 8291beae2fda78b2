package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	nethttp "net/http"
	"slices"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"github.com/gobwas/ws/wsutil"
)

// A gobwasSession is a session of github.com/gobwas/ws, which leaves control
// frames and the closing handshake to its user.
type gobwasSession struct {
	net.Conn
	state      ws.State
	compressed bool
	closing    bool // a close frame has been sent
	agreed     string
	pongs      []string
}

// gobwasParameters are the only parameters that the package supports.
var gobwasParameters = wsflate.Parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true}

var gobwasImplementation = implementation{
	name: "gobwas/ws",
	accept: func(w nethttp.ResponseWriter, r *nethttp.Request, c compression, serve func(session)) {
		extension := wsflate.Extension{Parameters: gobwasParameters}
		u := ws.HTTPUpgrader{}
		if c != noCompression {
			u.Negotiate = extension.Negotiate
		}
		conn, _, _, err := u.Upgrade(r, w)
		if err != nil {
			return // the upgrade has sent an error response
		}
		defer conn.Close()
		_, accepted := extension.Accepted()
		serve(&gobwasSession{Conn: conn, state: ws.StateServerSide, compressed: accepted})
	},
	dial: func(url string, c compression) (session, error) {
		d := ws.Dialer{}
		if c != noCompression {
			d.Extensions = []httphead.Option{gobwasParameters.Option()}
		}
		conn, br, hs, err := d.Dial(context.Background(), url)
		if err != nil {
			return nil, err
		}
		s := &gobwasSession{Conn: conn, state: ws.StateClientSide}
		if br != nil {
			s.Conn = bufferedConn{conn, br}
		}
		for _, extension := range hs.Extensions {
			s.compressed, s.agreed = true, string(extension.Name)
		}
		return s, nil
	},
}

// A bufferedConn is a connection whose first bytes are in a buffer.
type bufferedConn struct {
	net.Conn
	r io.Reader
}

func (c bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }

func (s *gobwasSession) extensions() string { return s.agreed }

func (s *gobwasSession) writeFrame(f ws.Frame) error {
	if s.state.ClientSide() {
		f = ws.MaskFrame(f)
	}
	return ws.WriteFrame(s.Conn, f)
}

func (s *gobwasSession) write(op int, payload []byte) error {
	f := ws.NewFrame(ws.OpCode(op), true, payload)
	if s.compressed {
		var err error
		if f, err = wsflate.CompressFrame(f); err != nil {
			return err
		}
	}
	return s.writeFrame(f)
}

func (s *gobwasSession) writeFragments(op int, parts ...[]byte) error {
	for i, part := range parts {
		if err := s.writeFrame(ws.NewFrame(ws.OpCode(op), i == len(parts)-1, part)); err != nil {
			return err
		}
		op = int(ws.OpContinuation)
	}
	return nil
}

func (s *gobwasSession) read() (int, []byte, error) {
	state := s.state
	if s.compressed {
		state = state.Set(ws.StateExtended)
	}
	for {
		var message wsflate.MessageState
		rd := &wsutil.Reader{
			Source:         s.Conn,
			State:          state,
			CheckUTF8:      !s.compressed,
			Extensions:     []wsutil.RecvExtension{&message},
			OnIntermediate: s.control,
		}
		h, err := rd.NextFrame()
		if err != nil {
			return 0, nil, err
		}
		if h.OpCode.IsControl() {
			if err := s.control(h, rd); err != nil {
				return 0, nil, err
			}
			continue
		}
		payload, err := io.ReadAll(rd)
		if err == nil && message.IsCompressed() {
			payload, err = wsflate.DefaultHelper.Decompress(payload)
		}
		return int(h.OpCode), payload, err
	}
}

// control handles a control frame.
func (s *gobwasSession) control(h ws.Header, r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	switch {
	case h.OpCode == ws.OpPong:
		s.pongs = append(s.pongs, string(data))
		return nil
	case h.OpCode == ws.OpClose && s.closing:
		code, reason := ws.ParseCloseFrameData(data)
		return closed{int(code), reason}
	}
	handler := wsutil.ControlHandler{Src: bytes.NewReader(data), Dst: s.Conn, State: s.state, DisableSrcCiphering: true}
	err = handler.Handle(h)
	if e, ok := errors.AsType[wsutil.ClosedError](err); ok {
		return closed{int(e.Code), e.Reason}
	}
	return err
}

func (s *gobwasSession) ping() error { return s.writeFrame(ws.NewPingFrame([]byte("gobwas asks"))) }

func (s *gobwasSession) ponged() error {
	if !slices.Contains(s.pongs, "gobwas asks") {
		return errNoPong
	}
	return nil
}

func (s *gobwasSession) close(code int, reason string) error {
	s.closing = true
	body := ws.NewCloseFrameBody(ws.StatusCode(code), reason)
	if err := s.writeFrame(ws.NewCloseFrame(body)); err != nil {
		return err
	}
	return awaitClose(s, code)
}

func (s *gobwasSession) kill() error {
	if b, ok := s.Conn.(bufferedConn); ok {
		return kill(b.Conn)
	}
	return kill(s.Conn)
}
