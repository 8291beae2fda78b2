package storm_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/compare/tools"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// messageCount is the number of events of serveCompressed.
const messageCount = 200

// text returns the data of an event.
func text(n int) string {
	switch n {
	case 100:
		return strings.Repeat("long ", 60<<10)
	case 150:
		return strings.Repeat("1 MB", 256<<10)
	}
	return strings.Repeat(fmt.Sprintf("%d<%x>", n, n*n*7919), n*n%401)
}

// serveCompressed serves a feed over WebSocket, with and without context takeover by the
// server. The connections share the compressed messages.
func serveCompressed(t *testing.T) (url string) {
	t.Helper()
	feed := http.NewFeed(http.FeedConfig{History: true})
	for n := range messageCount {
		if _, err := feed.Publish(t.Context(), http.Event{Data: text(n)}); err != nil {
			t.Fatal(err)
		}
	}
	router := http.NewRouter()
	for path, upgrader := range map[string]http.Upgrader{
		"takeover":    {EnableCompression: true, CompressionThreshold: -1},
		"no-takeover": {EnableCompression: true, CompressionThreshold: -1, NoContextTakeover: true},
		"threshold":   {EnableCompression: true},
	} {
		router.HandleFunc("GET /"+path, func(w http.ResponseWriter, r *http.Request) {
			conn, err := upgrader.Upgrade(w, r)
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for {
					if _, _, err := conn.ReadMessage(); err != nil {
						return
					}
				}
			}()
			go func() { // messages that only this connection sends, between the others
				for n := range messageCount {
					if conn.WriteEvent(http.Event{Name: "own", Data: text(n)}) != nil {
						return
					}
				}
			}()
			_ = feed.Send(r.Context(), conn, "") // the client has left
		})
	}
	return strings.Replace(testkit.StartServer(t, testkit.HTTP1, router).URL, "http", "ws", 1)
}

// checkMessages reads the position, all events, and all messages of the connection's own.
func checkMessages(read func() ([]byte, error)) error {
	shared, own := -1, 0 // numbers of the next ones
	for shared < messageCount || own < messageCount {
		message, err := read()
		if err != nil {
			return fmt.Errorf("after %d events and %d others: %w", shared, own, err)
		}
		var got struct {
			Event string
			Data  any
		}
		if err := json.Unmarshal(message, &got); err != nil {
			return fmt.Errorf("%w: %.60q", err, message)
		}
		next := &shared
		if got.Event == "own" {
			next = &own
		}
		if *next >= 0 && fmt.Sprint(got.Data) != text(*next) {
			return fmt.Errorf("event %d is %.60q", *next, message)
		}
		*next++
	}
	return nil
}

func TestSharedMessagesAreReadByGoClients(t *testing.T) {
	t.Parallel()
	url := serveCompressed(t)
	clients := map[string]func(url string) (func() ([]byte, error), error){
		"gorilla": func(url string) (func() ([]byte, error), error) {
			conn, _, err := (&gorilla.Dialer{EnableCompression: true}).Dial(url, nil)
			return func() ([]byte, error) {
				_, b, err := conn.ReadMessage()
				return b, err
			}, err
		},
	}
	for name, mode := range map[string]coder.CompressionMode{
		"coder": coder.CompressionContextTakeover, "coder, no takeover": coder.CompressionNoContextTakeover,
	} {
		clients[name] = func(url string) (func() ([]byte, error), error) {
			conn, _, err := coder.Dial(t.Context(), url, &coder.DialOptions{CompressionMode: mode})
			if err != nil {
				return nil, err
			}
			conn.SetReadLimit(-1)
			return func() ([]byte, error) {
				_, b, err := conn.Read(t.Context())
				return b, err
			}, nil
		}
	}
	for bits := 8; bits <= 15; bits++ {
		for _, takeover := range []bool{false, true} {
			clients[fmt.Sprintf("gws, %d bits, takeover %v", bits, takeover)] = func(url string) (func() ([]byte, error), error) {
				messages := make(chan []byte, 2*messageCount+1)
				conn, _, err := gws.NewClient(gwsReader{messages: messages}, &gws.ClientOption{Addr: url, PermessageDeflate: gws.PermessageDeflate{
					Enabled: true, ServerContextTakeover: takeover, ClientContextTakeover: takeover,
					ServerMaxWindowBits: bits, ClientMaxWindowBits: bits,
				}})
				if err != nil {
					return nil, err
				}
				go conn.ReadLoop()
				return func() ([]byte, error) {
					b, ok := <-messages
					if !ok {
						return nil, fmt.Errorf("the connection ended")
					}
					return b, nil
				}, nil
			}
		}
	}
	for name, dial := range clients {
		for _, path := range []string{"takeover", "no-takeover", "threshold"} {
			t.Run(name+"/"+path, func(t *testing.T) {
				t.Parallel()
				read, err := dial(url + "/" + path)
				if err != nil {
					t.Fatal(err)
				}
				if err := checkMessages(read); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// A gwsReader passes messages on.
type gwsReader struct {
	gws.BuiltinEventHandler
	messages chan []byte
}

// OnMessage implements gws.Event.
func (r gwsReader) OnMessage(_ *gws.Conn, m *gws.Message) {
	r.messages <- append([]byte(nil), m.Bytes()...)
	m.Close()
}

// OnClose implements gws.Event.
func (r gwsReader) OnClose(*gws.Conn, error) { close(r.messages) }

// pythonReader reads all events with each combination of parameters.
const pythonReader = `
import asyncio, itertools, json, sys, websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

def text(n):
    if n == 100: return "long " * (60 << 10)
    if n == 150: return "1 MB" * (256 << 10)
    return ("%d<%x>" % (n, n * n * 7919)) * (n * n % 401)

async def read(url, count, **parameters):
    offer = [ClientPerMessageDeflateFactory(**parameters)]
    async with websockets.connect(url, max_size=None, compression=None, extensions=offer) as ws:
        next = {None: -1, "own": 0}
        while min(next.values()) < count:
            message = json.loads(await ws.recv())
            name = message.get("event")
            n = next[name]
            if n >= 0 and str(message["data"]) != text(n):
                raise Exception("event %d is %.60r" % (n, message))
            next[name] = n + 1
        return ws.response_headers.get("Sec-WebSocket-Extensions", "none")

async def main(url, count):
    for path in ["takeover", "no-takeover", "threshold"]:
        for server, client, bits, window in itertools.product([False, True], [False, True], [None, 8, 9, 15], [None, True]):
            name = "%s server_no=%s client_no=%s bits=%s client_bits=%s" % (path, server, client, bits, window)
            try:
                agreed = await read(url + "/" + path, count, server_no_context_takeover=server,
                    client_no_context_takeover=client, server_max_window_bits=bits, client_max_window_bits=window)
                print("ok", name, agreed)
            except Exception as e:
                print("failed", name, repr(e))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
`

func TestSharedMessagesAreReadByPython(t *testing.T) {
	t.Parallel()
	python := tools.Require(t, "/usr/bin/python3")
	if output, err := exec.Command(python, "-c", "import websockets").CombinedOutput(); err != nil {
		t.Skipf("Python's websockets: %v\n%s", err, output)
	}
	output, err := exec.CommandContext(t.Context(), python, "-c", pythonReader, serveCompressed(t), fmt.Sprint(messageCount)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	agreed := 0
	for line := range strings.Lines(string(output)) {
		if !strings.HasPrefix(line, "ok ") {
			t.Error(line)
		} else if strings.Contains(line, "permessage-deflate") {
			agreed++
		}
	}
	t.Logf("%d combinations, %d of them compressed", strings.Count(string(output), "\n"), agreed)
	if agreed < 90 {
		t.Errorf("only %d combinations were compressed", agreed)
	}
}
