package websocket_test

import (
	"context"
	"errors"
	"net"
	"slices"

	"github.com/stanza-go/framework/pkg/http"
)

// A stanzaSession is a session of the package under test.
type stanzaSession struct {
	conn   *http.Conn
	raw    net.Conn
	agreed string
	pongs  []string
}

var stanzaImplementation = implementation{
	name:     "stanza",
	takeover: true,
	accept: func(w http.ResponseWriter, r *http.Request, c compression, serve func(session)) {
		u := http.Upgrader{EnableCompression: c != noCompression, NoContextTakeover: c == noTakeover}
		conn, err := u.Upgrade(w, r)
		if err != nil {
			return // the upgrade has sent an error response
		}
		s := newStanzaSession(conn)
		s.raw = r.Context().Value(rawConn{}).(net.Conn)
		serve(s)
		_ = conn.Close() // the scenario has already reported its outcome
	},
	dial: func(url string, c compression) (session, error) {
		var raw net.Conn
		conn, resp, err := http.Dial(context.Background(), url, &http.DialOptions{
			EnableCompression: c != noCompression,
			NoContextTakeover: c == noTakeover,
			DialContext: func(ctx context.Context, network, addr string) (_ net.Conn, err error) {
				raw, err = new(net.Dialer).DialContext(ctx, network, addr)
				return raw, err
			},
		})
		if err != nil {
			return nil, err
		}
		s := newStanzaSession(conn)
		s.raw, s.agreed = raw, resp.Header.Get("Sec-WebSocket-Extensions")
		return s, nil
	},
}

// rawConn is the context key of a request's network connection.
type rawConn struct{}

func newStanzaSession(conn *http.Conn) *stanzaSession {
	s := &stanzaSession{conn: conn}
	conn.SetPongHandler(func(data []byte) error {
		s.pongs = append(s.pongs, string(data))
		return nil
	})
	return s
}

func (s *stanzaSession) extensions() string { return s.agreed }

func (s *stanzaSession) write(op int, payload []byte) error { return s.conn.WriteMessage(op, payload) }

func (s *stanzaSession) writeFragments(op int, parts ...[]byte) error {
	w, err := s.conn.NextWriter(op)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if _, err := w.Write(part); err != nil {
			return errors.Join(err, w.Close())
		}
	}
	return w.Close()
}

func (s *stanzaSession) read() (int, []byte, error) {
	op, payload, err := s.conn.ReadMessage()
	if e, ok := errors.AsType[*http.CloseError](err); ok && e.Code != http.CloseAbnormalClosure {
		err = closed{e.Code, e.Text}
	}
	return op, payload, err
}

func (s *stanzaSession) ping() error { return s.conn.WritePing([]byte("stanza asks")) }

func (s *stanzaSession) ponged() error {
	if !slices.Contains(s.pongs, "stanza asks") {
		return errNoPong
	}
	return nil
}

func (s *stanzaSession) close(code int, reason string) error {
	return s.conn.CloseWithMessage(code, reason)
}

func (s *stanzaSession) kill() error { return kill(s.raw) }

// kill resets a network connection, as the operating system does when a process
// dies with unread data.
func kill(conn net.Conn) error {
	if tcp, ok := conn.(*net.TCPConn); ok {
		if err := tcp.SetLinger(0); err != nil {
			return err
		}
	}
	return conn.Close()
}
