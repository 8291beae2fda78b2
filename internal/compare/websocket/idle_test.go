package websocket_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/compare/websocket/echo"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
	"github.com/stanza-go/framework/pkg/http/internal/websocket/frame"
)

// A hub is a server with many mostly idle connections. It discards the messages
// it receives, and broadcasts messages to all connections.
type hub struct {
	// open upgrades a request, and returns a function that reads until the end.
	open func(w nethttp.ResponseWriter, r *nethttp.Request) (read func(), err error)

	// broadcast sends a message to all connections.
	broadcast func(payload []byte) error

	received atomic.Int64 // messages
}

// connections is the set of a hub's connections.
type connections[C any] struct {
	mu  sync.Mutex
	all []C
}

func (s *connections[C]) add(c C) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, c)
}

func (s *connections[C]) each(f func(C) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.all {
		if err := f(c); err != nil {
			return err
		}
	}
	return nil
}

// hubs returns constructors of the hubs to compare. If deflate is set, they
// compress messages, with context takeover if the implementation supports it.
func hubs() map[string]func(deflate bool) *hub {
	return map[string]func(bool) *hub{"stanza": stanzaHub, "gorilla": gorillaHub, "coder": coderHub, "gws": gwsHub}
}

func stanzaHub(deflate bool) *hub {
	h, conns := new(hub), new(connections[*http.Conn])
	upgrader := &http.Upgrader{EnableCompression: deflate}
	h.open = func(w nethttp.ResponseWriter, r *nethttp.Request) (func(), error) {
		c, err := upgrader.Upgrade(w, r)
		if err != nil {
			return nil, err
		}
		conns.add(c)
		return func() {
			for {
				if _, _, err := c.ReadMessage(); err != nil {
					return
				}
				h.received.Add(1)
			}
		}, nil
	}
	h.broadcast = func(payload []byte) error {
		m, err := http.NewPreparedMessage(http.TextMessage, payload)
		if err != nil {
			return err
		}
		return conns.each(func(c *http.Conn) error { return c.WritePreparedMessage(m) })
	}
	return h
}

func gorillaHub(deflate bool) *hub {
	h, conns := new(hub), new(connections[*gorilla.Conn])
	upgrader := &gorilla.Upgrader{EnableCompression: deflate}
	h.open = func(w nethttp.ResponseWriter, r *nethttp.Request) (func(), error) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return nil, err
		}
		conns.add(c)
		return func() {
			for {
				if _, _, err := c.ReadMessage(); err != nil {
					return
				}
				h.received.Add(1)
			}
		}, nil
	}
	h.broadcast = func(payload []byte) error {
		m, err := gorilla.NewPreparedMessage(gorilla.TextMessage, payload)
		if err != nil {
			return err
		}
		return conns.each(func(c *gorilla.Conn) error { return c.WritePreparedMessage(m) })
	}
	return h
}

// coderHub encodes each message per connection: coder has no prepared messages.
func coderHub(deflate bool) *hub {
	h, conns := new(hub), new(connections[*coder.Conn])
	options := &coder.AcceptOptions{CompressionMode: coder.CompressionDisabled}
	if deflate {
		options.CompressionMode = coder.CompressionContextTakeover
	}
	h.open = func(w nethttp.ResponseWriter, r *nethttp.Request) (func(), error) {
		c, err := coder.Accept(w, r, options)
		if err != nil {
			return nil, err
		}
		conns.add(c)
		return func() {
			for {
				if _, _, err := c.Read(context.Background()); err != nil {
					return
				}
				h.received.Add(1)
			}
		}, nil
	}
	h.broadcast = func(payload []byte) error {
		return conns.each(func(c *coder.Conn) error {
			return c.Write(context.Background(), coder.MessageText, payload)
		})
	}
	return h
}

func gwsHub(deflate bool) *hub {
	h, conns := new(hub), new(connections[*gws.Conn])
	upgrader := gws.NewUpgrader(gwsCounter{h: h}, &gws.ServerOption{PermessageDeflate: gws.PermessageDeflate{
		Enabled: deflate, ServerContextTakeover: deflate, ClientContextTakeover: deflate,
	}})
	h.open = func(w nethttp.ResponseWriter, r *nethttp.Request) (func(), error) {
		c, err := upgrader.Upgrade(w, r)
		if err != nil {
			return nil, err
		}
		conns.add(c)
		return c.ReadLoop, nil
	}
	h.broadcast = func(payload []byte) error {
		b := gws.NewBroadcaster(gws.OpcodeText, payload)
		defer b.Close()
		return conns.each(b.Broadcast)
	}
	return h
}

// A gwsCounter handles the events of all connections.
type gwsCounter struct {
	gws.BuiltinEventHandler
	h *hub
}

// OnMessage counts a message.
func (c gwsCounter) OnMessage(_ *gws.Conn, m *gws.Message) {
	c.h.received.Add(1)
	_ = m.Close() // returns its buffer
}

// Environment variables that turn the test binary into a hub. If the second is
// not empty, the hub compresses messages.
const (
	hubEnvironment     = "WEBSOCKET_HUB"
	deflateEnvironment = "WEBSOCKET_DEFLATE"
	heapEnvironment    = "WEBSOCKET_HEAP" // megabytes to allocate
)

func TestMain(m *testing.M) {
	if name := os.Getenv(hubEnvironment); name != "" {
		if err := serveHub(hubs()[name](os.Getenv(deflateEnvironment) != "")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serveHub serves until the end of standard input.
func serveHub(h *hub) error {
	megabytes, _ := strconv.Atoi(os.Getenv(heapEnvironment)) // if unset, 0
	heap := make([]byte, megabytes<<20)
	defer runtime.KeepAlive(heap)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := nethttp.NewServeMux()
	mux.HandleFunc("/handler", func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if read, err := h.open(w, r); err == nil {
			read()
		}
	})
	inGoroutine := func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if read, err := h.open(w, r); err == nil {
			go read()
		}
	}
	mux.HandleFunc("/goroutine", inGoroutine)
	mux.HandleFunc("/"+deflated, inGoroutine)
	mux.HandleFunc("/broadcast", func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		reply(w, broadcastSize, h.broadcast([]byte(strings.Repeat("m", broadcastSize))))
	})
	mux.HandleFunc("/cpu", func(w nethttp.ResponseWriter, _ *nethttp.Request) { reply(w, cpuTime(), nil) })
	mux.HandleFunc("/footprint", func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		f, err := newFootprint()
		f.Received = h.received.Load()
		reply(w, f, err)
	})
	for _, c := range speedContestants() {
		mux.HandleFunc("/echo/"+c.Name, c.Serve)
	}
	fmt.Println(l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the end of standard input
		os.Exit(0)
	}()
	return nethttp.Serve(l, mux)
}

func reply(w nethttp.ResponseWriter, v any, err error) {
	if err != nil {
		nethttp.Error(w, err.Error(), nethttp.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(v) // if it fails, the test fails too
}

// A footprint is the memory of a process, in bytes.
type footprint struct {
	Heap     uint64 // in use after a collection
	Stacks   uint64
	RSS      uint64
	Received int64 // messages
}

func newFootprint() (footprint, error) {
	runtime.GC()
	runtime.GC() // the second collection frees the memory of pools
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return footprint{}, err
	}
	_, rss, _ := strings.Cut(string(status), "VmRSS:")
	kilobytes, err := strconv.ParseUint(strings.Fields(rss)[0], 10, 64)
	return footprint{Heap: m.HeapAlloc, Stacks: m.StackInuse, RSS: kilobytes << 10}, err
}

const (
	idleConnections = 2000
	broadcastSize   = 1000 // bytes
)

// TestIdleConnections opens thousands of connections to a server in another
// process, and broadcasts a message. With -v, it prints the costs for all
// implementations.
func TestIdleConnections(t *testing.T) {
	var b strings.Builder
	fmt.Fprintf(&b, "%d connections, bytes for each: heap + stacks (resident set)\n%-8s %-10s %20s %20s  broadcast of %d bytes: server's CPU, all have it",
		idleConnections, "", "reads in", "connected", "after messages", broadcastSize)
	for _, name := range []string{"stanza", "gorilla", "coder", "gws"} {
		for _, style := range []string{"handler", "goroutine", deflated} {
			t.Run(name+"/"+style, func(t *testing.T) {
				r := idle(t, name, style)
				limit := int64(16 << 10)
				if style == deflated {
					limit = 40 << 10 // includes two windows of 24 KB together
				}
				if name == "stanza" && max(r.connected.heap, r.used.heap) > limit {
					t.Errorf("a connection that is idle keeps %v bytes, and %v after a message", r.connected, r.used)
				}
				fmt.Fprintf(&b, "\n%-8s %-10s %20s %20s  %.1f ms, %.1f ms", name, style, r.connected, r.used,
					r.broadcast.Seconds()*1000, r.delivered.Seconds()*1000)
			})
		}
	}
	t.Log(b.String())
}

// deflated is the style "goroutine" with compressed messages.
const deflated = "deflate"

type idleResult struct {
	connected, used      share
	broadcast, delivered time.Duration
}

// idle measures one server.
func idle(t *testing.T, name, style string) (r idleResult) {
	var environment []string
	if style == deflated {
		environment = []string{deflateEnvironment + "=1"}
	}
	addr := startHub(t, name, environment...)
	before := ask[footprint](t, addr, "footprint")
	clients := connectAll(t, addr, style)
	r.connected = perConnection(before, ask[footprint](t, addr, "footprint"))

	message, read := echo.Frame(frame.Text, broadcastSize), readBroadcast
	if style == deflated {
		message, read = deflatedFrame(t, broadcastSize), skipFrame
	}
	for _, c := range clients {
		if _, err := c.Write(message); err != nil {
			t.Fatal(err)
		}
	}
	var now footprint
	for deadline := time.Now().Add(patience); now.Received < idleConnections; {
		if now = ask[footprint](t, addr, "footprint"); time.Now().After(deadline) {
			t.Fatalf("%d messages have arrived within %v", now.Received, patience)
		}
	}
	var costs, times []time.Duration
	for range 7 {
		cpu, start := ask[time.Duration](t, addr, "cpu"), time.Now()
		ask[int](t, addr, "broadcast")
		for _, c := range clients {
			read(t, c)
		}
		times = append(times, time.Since(start))
		costs = append(costs, ask[time.Duration](t, addr, "cpu")-cpu)
	}
	r.broadcast, r.delivered = median(costs), median(times)
	r.used = perConnection(before, ask[footprint](t, addr, "footprint"))
	return r
}

// startHub starts the test binary as a hub.
func startHub(t *testing.T, name string, environment ...string) (addr string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), hubEnvironment+"="+name), environment...)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	line, err := start(t, cmd).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// ask requests a path of a hub and decodes the JSON response.
func ask[T any](t *testing.T, addr, what string) (v T) {
	t.Helper()
	res := testkit.Get(t, nethttp.DefaultClient, "http://"+addr+"/"+what)
	if err := json.Unmarshal([]byte(res.Body), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// A share is the growth of a footprint per connection.
type share struct{ heap, stacks, rss int64 }

func perConnection(before, after footprint) share {
	each := func(before, after uint64) int64 { return (int64(after) - int64(before)) / idleConnections }
	return share{each(before.Heap, after.Heap), each(before.Stacks, after.Stacks), each(before.RSS, after.RSS)}
}

// String returns the bytes.
func (s share) String() string { return fmt.Sprintf("%d+%d (%d)", s.heap, s.stacks, s.rss) }

// connectAll opens the connections, at the lowest possible cost for this
// process.
func connectAll(t *testing.T, addr, path string) []net.Conn {
	t.Helper()
	clients := make([]net.Conn, idleConnections)
	for i := range clients {
		clients[i] = connect(t, addr, path)
	}
	return clients
}

// connect opens a connection, and closes it at the end of the test.
func connect(t *testing.T, addr, path string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // fails if it is already closed
	request := "GET /" + path + " HTTP/1.1\r\nHost: " + addr + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n" // like browsers
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReaderSize(c, 16)
	resp, err := nethttp.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != nethttp.StatusSwitchingProtocols || br.Buffered() > 0 {
		t.Fatalf("handshake: %v, %v", resp, err)
	}
	return c
}

// deflatedFrame returns an encoded frame of a client with a compressed message.
func deflatedFrame(t *testing.T, size int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(pattern(size))
	if err = errors.Join(err, w.Flush()); err != nil {
		t.Fatal(err)
	}
	payload := bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff})
	const key = 0x3d21fa37
	f := frame.AppendHeader(nil, frame.Header{
		Fin: true, Opcode: frame.Binary, Compressed: true, Masked: true, Key: key, Length: int64(len(payload)),
	})
	frame.Mask(payload, key)
	return append(f, payload...)
}

// skipFrame reads and discards a short frame.
func skipFrame(t *testing.T, c net.Conn) {
	t.Helper()
	var raw [2 + 125]byte
	_, err := io.ReadFull(c, raw[:2])
	if err == nil {
		_, err = io.ReadFull(c, raw[2:2+int(raw[1])])
	}
	if err != nil || raw[0] != 0xc1 {
		t.Fatalf("not a compressed text: % x, %v", raw[:2], err)
	}
}

// readBroadcast reads a frame and compares all its bytes.
func readBroadcast(t *testing.T, c net.Conn) {
	t.Helper()
	var raw [4 + broadcastSize]byte
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, raw[:]); err != nil {
		t.Fatal(err)
	}
	if raw[0] != 0x81 || raw[1] != 126 || binary.BigEndian.Uint16(raw[2:]) != broadcastSize ||
		string(raw[4:]) != strings.Repeat("m", broadcastSize) {
		t.Fatalf("not the message that was broadcast: %q", raw[:])
	}
}
