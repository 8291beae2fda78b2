package websocket_test

import (
	"errors"
	nethttp "net/http"
	"slices"
	"time"

	"github.com/gorilla/websocket"
)

// A gorillaSession is a session of github.com/gorilla/websocket.
type gorillaSession struct {
	conn   *websocket.Conn
	agreed string
	pongs  []string
}

var gorillaImplementation = implementation{
	name: "gorilla/websocket",
	accept: func(w nethttp.ResponseWriter, r *nethttp.Request, c compression, serve func(session)) {
		u := websocket.Upgrader{EnableCompression: c != noCompression}
		conn, err := u.Upgrade(w, r, nil)
		if err != nil {
			return // the upgrade has sent an error response
		}
		defer conn.Close()
		serve(newGorillaSession(conn))
	},
	dial: func(url string, c compression) (session, error) {
		d := websocket.Dialer{EnableCompression: c != noCompression}
		conn, resp, err := d.Dial(url, nil)
		if err != nil {
			return nil, err
		}
		s := newGorillaSession(conn)
		s.agreed = resp.Header.Get("Sec-WebSocket-Extensions")
		return s, nil
	},
}

func newGorillaSession(conn *websocket.Conn) *gorillaSession {
	s := &gorillaSession{conn: conn}
	conn.SetPongHandler(func(data string) error {
		s.pongs = append(s.pongs, data)
		return nil
	})
	return s
}

func (s *gorillaSession) extensions() string { return s.agreed }

func (s *gorillaSession) write(op int, payload []byte) error { return s.conn.WriteMessage(op, payload) }

func (s *gorillaSession) writeFragments(op int, parts ...[]byte) error {
	w, err := s.conn.NextWriter(op)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return w.Close()
}

func (s *gorillaSession) read() (int, []byte, error) {
	op, payload, err := s.conn.ReadMessage()
	if e, ok := errors.AsType[*websocket.CloseError](err); ok && e.Code != websocket.CloseAbnormalClosure {
		err = closed{e.Code, e.Text}
	}
	return op, payload, err
}

func (s *gorillaSession) ping() error {
	return s.conn.WriteControl(websocket.PingMessage, []byte("gorilla asks"), time.Now().Add(patience))
}

func (s *gorillaSession) ponged() error {
	if !slices.Contains(s.pongs, "gorilla asks") {
		return errNoPong
	}
	return nil
}

// close waits for the peer's close frame, because the package leaves that to
// its user.
func (s *gorillaSession) close(code int, reason string) error {
	frame := websocket.FormatCloseMessage(code, reason)
	if err := s.conn.WriteControl(websocket.CloseMessage, frame, time.Now().Add(patience)); err != nil {
		return err
	}
	return awaitClose(s, code)
}

func (s *gorillaSession) kill() error { return kill(s.conn.NetConn()) }
