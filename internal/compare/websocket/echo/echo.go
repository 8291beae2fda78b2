// Package echo has WebSocket echo servers of this package and its peers, and
// runs them without a network to measure the cost of an echo.
package echo

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

// A Server echoes messages until the connection ends, as in the documentation
// of its implementation.
type Server struct {
	Name  string
	Serve nethttp.HandlerFunc
}

// Kept returns the servers in which the caller may keep the payload of a
// message. The servers of Gorilla and coder do less than the others: they do
// not check that text is UTF-8.
func Kept() []Server {
	return []Server{
		{"stanza", serveStanza},
		{"gorilla", serveGorilla},
		{"coder", serveCoder},
		{"gobwas", serveGobwas},
		{"gws", newGWS(true)},
	}
}

// Lent returns the servers that reuse the memory of a payload for the next
// message.
func Lent() []Server {
	return []Server{{"stanza", serveStanzaLent}, {"gws", newGWS(false)}}
}

func serveStanza(w nethttp.ResponseWriter, r *nethttp.Request) {
	c, err := new(http.Upgrader).Upgrade(w, r)
	if err != nil {
		return // the upgrade has sent an error response
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

// serveStanzaLent reads all messages into the same buffer.
func serveStanzaLent(w nethttp.ResponseWriter, r *nethttp.Request) {
	c, err := new(http.Upgrader).Upgrade(w, r)
	if err != nil {
		return // the upgrade has sent an error response
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

func serveGorilla(w nethttp.ResponseWriter, r *nethttp.Request) {
	c, err := new(gorilla.Upgrader).Upgrade(w, r, nil)
	if err != nil {
		return // the upgrade has sent an error response
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

func serveCoder(w nethttp.ResponseWriter, r *nethttp.Request) {
	c, err := coder.Accept(w, r, nil)
	if err != nil {
		return // the upgrade has sent an error response
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

func serveGobwas(w nethttp.ResponseWriter, r *nethttp.Request) {
	c, _, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return // the upgrade has sent an error response
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

// A gwsHandler handles the events of all connections.
type gwsHandler struct {
	gws.BuiltinEventHandler
	keeps bool
}

// OnMessage echoes a message.
func (e gwsHandler) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	payload := m.Bytes()
	if e.keeps {
		payload = bytes.Clone(payload)
	}
	_ = c.WriteMessage(m.Opcode, payload) // if it fails, reading ends too
}

// newGWS returns a server that reuses the memory of payloads. Its handler
// copies the payloads that it keeps.
func newGWS(keeps bool) nethttp.HandlerFunc {
	// The UTF-8 check is off by default, unlike in this package and gobwas.
	u := gws.NewUpgrader(gwsHandler{keeps: keeps}, &gws.ServerOption{CheckUtf8Enabled: true})
	return func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if c, err := u.Upgrade(w, r); err == nil {
			c.ReadLoop()
		}
	}
}
