package websocket_test

import (
	"context"
	"errors"
	nethttp "net/http"

	"github.com/coder/websocket"
)

// A coderSession is a session of github.com/coder/websocket.
type coderSession struct {
	conn   *websocket.Conn
	agreed string
	pong   chan error
}

var coderImplementation = implementation{
	name:     "coder/websocket",
	takeover: true,
	accept: func(w nethttp.ResponseWriter, r *nethttp.Request, c compression, serve func(session)) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: coderMode(c)})
		if err != nil {
			return // the upgrade has sent an error response
		}
		defer conn.CloseNow()
		serve(newCoderSession(conn))
	},
	dial: func(url string, c compression) (session, error) {
		conn, resp, err := websocket.Dial(context.Background(), url, &websocket.DialOptions{CompressionMode: coderMode(c)})
		if err != nil {
			return nil, err
		}
		s := newCoderSession(conn)
		s.agreed = resp.Header.Get("Sec-WebSocket-Extensions")
		return s, nil
	},
}

func coderMode(c compression) websocket.CompressionMode {
	switch c {
	case takeover:
		return websocket.CompressionContextTakeover
	case noTakeover:
		return websocket.CompressionNoContextTakeover
	}
	return websocket.CompressionDisabled
}

func newCoderSession(conn *websocket.Conn) *coderSession {
	conn.SetReadLimit(-1)
	return &coderSession{conn: conn, pong: make(chan error, 1)}
}

func (s *coderSession) extensions() string { return s.agreed }

func (s *coderSession) write(op int, payload []byte) error {
	return s.conn.Write(context.Background(), websocket.MessageType(op), payload)
}

func (s *coderSession) writeFragments(op int, parts ...[]byte) error {
	w, err := s.conn.Writer(context.Background(), websocket.MessageType(op))
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

func (s *coderSession) read() (int, []byte, error) {
	op, payload, err := s.conn.Read(context.Background())
	if e, ok := errors.AsType[websocket.CloseError](err); ok {
		err = closed{int(e.Code), e.Reason}
	}
	return int(op), payload, err
}

// ping waits for the pong, so it needs another goroutine that reads.
func (s *coderSession) ping() error {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s.pong <- s.conn.Ping(ctx)
	}()
	return nil
}

func (s *coderSession) ponged() error { return <-s.pong }

func (s *coderSession) close(code int, reason string) error {
	return s.conn.Close(websocket.StatusCode(code), reason)
}

func (s *coderSession) kill() error { return s.conn.CloseNow() }
