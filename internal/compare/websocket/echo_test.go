package websocket_test

import (
	"bytes"
	"context"
	"io"
	nethttp "net/http"

	coder "github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"

	"github.com/stanza-go/framework/pkg/http"
)

// An echoServer answers every message with itself until the connection ends,
// in the way that the documentation of its implementation shows.
type echoServer struct {
	name  string
	serve nethttp.HandlerFunc
}

func echoStanza(w nethttp.ResponseWriter, r *nethttp.Request) {
	c, err := new(http.Upgrader).Upgrade(w, r)
	if err != nil {
		return // the client has been told
	}
	defer c.Close()
	for {
		messageType, payload, err := c.ReadMessage()
		if err != nil {
			return
		}
		if err := c.WriteMessage(messageType, payload); err != nil {
			return
		}
	}
}

// echoStanzaReused reads every message into the same buffer.
func echoStanzaReused(w nethttp.ResponseWriter, r *nethttp.Request) {
	c, err := new(http.Upgrader).Upgrade(w, r)
	if err != nil {
		return // the client has been told
	}
	defer c.Close()
	buf := make([]byte, 1<<20)
	for {
		messageType, message, err := c.NextReader()
		if err != nil {
			return
		}
		n := 0
		for err == nil && n < len(buf) {
			var m int
			m, err = message.Read(buf[n:])
			n += m
		}
		if err != nil && err != io.EOF {
			return
		}
		if err := c.WriteMessage(messageType, buf[:n]); err != nil {
			return
		}
	}
}

func echoGorilla(w nethttp.ResponseWriter, r *nethttp.Request) {
	c, err := new(gorilla.Upgrader).Upgrade(w, r, nil)
	if err != nil {
		return // the client has been told
	}
	defer c.Close()
	for {
		messageType, payload, err := c.ReadMessage()
		if err != nil {
			return
		}
		if err := c.WriteMessage(messageType, payload); err != nil {
			return
		}
	}
}

func echoCoder(w nethttp.ResponseWriter, r *nethttp.Request) {
	c, err := coder.Accept(w, r, nil)
	if err != nil {
		return // the client has been told
	}
	defer c.CloseNow()
	c.SetReadLimit(16 << 20)
	for {
		messageType, payload, err := c.Read(context.Background())
		if err != nil {
			return
		}
		if err := c.Write(context.Background(), messageType, payload); err != nil {
			return
		}
	}
}

func echoGobwas(w nethttp.ResponseWriter, r *nethttp.Request) {
	c, _, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return // the client has been told
	}
	defer c.Close()
	for {
		payload, op, err := wsutil.ReadClientData(c)
		if err != nil {
			return
		}
		if err := wsutil.WriteServerMessage(c, op, payload); err != nil {
			return
		}
	}
}

// gwsEcho handles the events of all connections.
type gwsEcho struct {
	gws.BuiltinEventHandler
	keeps bool
}

// OnMessage answers a message.
func (e gwsEcho) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	payload := m.Bytes()
	if e.keeps {
		payload = bytes.Clone(payload)
	}
	_ = c.WriteMessage(m.Opcode, payload) // an error ends the loop of reading
}

// newEchoGWS lends payloads to its handler, who copies what it keeps.
func newEchoGWS(keeps bool) nethttp.HandlerFunc {
	// The check of text, which this package and gobwas have, is off by default.
	u := gws.NewUpgrader(gwsEcho{keeps: keeps}, &gws.ServerOption{CheckUtf8Enabled: true})
	return func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if c, err := u.Upgrade(w, r); err == nil {
			c.ReadLoop()
		}
	}
}
