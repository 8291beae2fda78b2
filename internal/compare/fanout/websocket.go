package fanout

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	nethttp "net/http"
	"sync"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"
	"github.com/olahol/melody"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

func newFloorWebSocket(Config) broadcaster {
	f := new(floor)
	return broadcaster{
		handler: nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
			f.join(w, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
				"Sec-WebSocket-Accept: "+base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n")
		}),
		publish: func(e Event) error {
			b := frame.AppendHeader(nil, frame.Header{Fin: true, Opcode: frame.Text, Length: int64(len(e.Data))})
			return f.write(append(b, e.Data...))
		},
		close: f.close,
	}
}

// newStanzaWebSocket returns a feed that is sent to WebSockets. If returns is set,
// the handler returns after the handshake, so that the memory of net/http for the
// request is freed.
func newStanzaWebSocket(returns bool) func(Config) broadcaster {
	return func(config Config) broadcaster {
		feed := newStanzaFeed(config)
		var upgrader http.Upgrader
		serve := func(w nethttp.ResponseWriter, r *nethttp.Request) {
			conn, err := upgrader.Upgrade(w, r)
			if err != nil {
				return // Upgrade has sent an error response
			}
			go discard(conn)
			if returns {
				go send(context.Background(), feed, conn)
				return
			}
			send(r.Context(), feed, conn)
		}
		return broadcaster{nethttp.HandlerFunc(serve), publishTo(feed), feed.Close}
	}
}

func send(ctx context.Context, feed *http.Feed, conn *http.Conn) {
	defer conn.Close()
	_ = feed.Send(ctx, conn, "") // the client is gone
}

// discard reads until the connection ends.
func discard(conn *http.Conn) {
	defer conn.Close()
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			return
		}
	}
}

// A gorillaHub is the hub of gorilla's chat example, with prepared messages, each of
// which is sent as one message.
type gorillaHub struct {
	broadcast            chan *gorilla.PreparedMessage
	register, unregister chan *gorillaClient
	done                 chan struct{}
	writeWait            time.Duration
}

type gorillaClient struct {
	conn *gorilla.Conn
	send chan *gorilla.PreparedMessage
}

// The times of the example.
const (
	pongWait   = 60 * time.Second
	pingPeriod = pongWait * 9 / 10
	writeWait  = 10 * time.Second
)

func newGorilla(config Config) broadcaster {
	h := &gorillaHub{
		broadcast: make(chan *gorilla.PreparedMessage),
		register:  make(chan *gorillaClient), unregister: make(chan *gorillaClient),
		done: make(chan struct{}), writeWait: orDefault(config.WriteTimeout, writeWait),
	}
	go h.run()
	upgrader := gorilla.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024}
	serve := func(w nethttp.ResponseWriter, r *nethttp.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return // Upgrade has sent an error response
		}
		c := &gorillaClient{conn, make(chan *gorilla.PreparedMessage, 256)}
		h.register <- c
		go h.write(c)
		go h.read(c)
	}
	publish := func(e Event) error {
		m, err := gorilla.NewPreparedMessage(gorilla.TextMessage, []byte(e.Data))
		if err != nil {
			return err
		}
		h.broadcast <- m
		return nil
	}
	return broadcaster{nethttp.HandlerFunc(serve), publish, func() { close(h.done) }}
}

func orDefault(d, normal time.Duration) time.Duration {
	if d == 0 {
		return normal
	}
	return d
}

func (h *gorillaHub) run() {
	clients := map[*gorillaClient]bool{}
	for {
		select {
		case c := <-h.register:
			clients[c] = true
		case c := <-h.unregister:
			if clients[c] {
				delete(clients, c)
				close(c.send)
			}
		case m := <-h.broadcast:
			for c := range clients {
				select {
				case c.send <- m:
				default:
					close(c.send)
					delete(clients, c)
				}
			}
		case <-h.done:
			for c := range clients {
				c.conn.Close()
			}
			clients, h.done = nil, nil // the others still unregister
		}
	}
}

func (h *gorillaHub) write(c *gorillaClient) {
	ticker := time.NewTicker(pingPeriod)
	defer func() {
		ticker.Stop()
		c.conn.Close()
	}()
	for {
		select {
		case m, ok := <-c.send:
			_ = c.conn.SetWriteDeadline(time.Now().Add(h.writeWait)) // as in the example
			if !ok {
				_ = c.conn.WriteMessage(gorilla.CloseMessage, nil) // the connection is closed next
				return
			}
			if err := c.conn.WritePreparedMessage(m); err != nil {
				return
			}
		case <-ticker.C:
			_ = c.conn.SetWriteDeadline(time.Now().Add(h.writeWait)) // as in the example
			if err := c.conn.WriteMessage(gorilla.PingMessage, nil); err != nil {
				return
			}
		}
	}
}

func (h *gorillaHub) read(c *gorillaClient) {
	defer func() {
		h.unregister <- c
		c.conn.Close()
	}()
	c.conn.SetReadLimit(512)
	extend := func(string) error { return c.conn.SetReadDeadline(time.Now().Add(pongWait)) }
	_ = extend("") // reading fails then
	c.conn.SetPongHandler(extend)
	for {
		if _, _, err := c.conn.ReadMessage(); err != nil {
			return
		}
	}
}

func newMelody(config Config) broadcaster {
	m := melody.New()
	m.Config.WriteWait = orDefault(config.WriteTimeout, m.Config.WriteWait)
	serve := func(w nethttp.ResponseWriter, r *nethttp.Request) {
		_ = m.HandleRequest(w, r) // it has sent an error response
	}
	publish := func(e Event) error { return m.Broadcast([]byte(e.Data)) }
	return broadcaster{nethttp.HandlerFunc(serve), publish, func() { _ = m.Close() }}
}

// A gwsHub broadcasts to its connections, as in the documentation of gws.
type gwsHub struct {
	gws.BuiltinEventHandler

	mu    sync.Mutex
	conns map[*gws.Conn]struct{}
}

// OnOpen adds a connection.
func (h *gwsHub) OnOpen(c *gws.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conns[c] = struct{}{}
}

// OnClose removes a connection.
func (h *gwsHub) OnClose(c *gws.Conn, _ error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c)
}

func newGWS(Config) broadcaster {
	h := &gwsHub{conns: map[*gws.Conn]struct{}{}}
	upgrader := gws.NewUpgrader(h, &gws.ServerOption{CheckUtf8Enabled: true})
	serve := func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if c, err := upgrader.Upgrade(w, r); err == nil {
			go c.ReadLoop()
		}
	}
	publish := func(e Event) error {
		b := gws.NewBroadcaster(gws.OpcodeText, []byte(e.Data))
		defer b.Close()
		h.mu.Lock()
		defer h.mu.Unlock()
		for c := range h.conns {
			_ = b.Broadcast(c) // OnClose is called if the connection has failed
		}
		return nil
	}
	return broadcaster{nethttp.HandlerFunc(serve), publish, h.close}
}

func (h *gwsHub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.conns {
		_ = c.NetConn().Close() // the process ends
	}
}
