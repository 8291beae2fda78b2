package http_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// longLists returns long values, of the given size, for a field that is a list
// in which element has a meaning.
func longLists(size int, element string) map[string]string {
	return map[string]string{
		"elements":       strings.Repeat(element+",", size/(len(element)+1)),
		"short elements": strings.Repeat("a,", size/2),
		"empty elements": strings.Repeat(",", size),
		"spaces":         strings.Repeat(" ,", size/2),
		"one element":    strings.Repeat("a", size),
		"parameters":     element + strings.Repeat(";a", size/2),
		"empty values":   element + strings.Repeat(";", size),
		"quoted":         element + `;a="` + strings.Repeat("b", size) + `"`,
		"escaped":        element + `;a="` + strings.Repeat(`\b`, size/2) + `"`,
		"never closed":   element + `;a="` + strings.Repeat("b", size),
		"white space":    strings.Repeat(" ", size) + element,
	}
}

// Rejecting a long list allocates almost nothing in addition to net/http, which
// reads the header.
func TestUpgradeDoesNotGrowWithALongList(t *testing.T) {
	srv := testkit.StartServer(t, testkit.HTTP1, quiet(echo(&http.Upgrader{EnableCompression: true, Subprotocols: []string{"chat", "chat.v2"}})))
	cost := func(field, list string) (int, string) {
		conn := testkit.Dial(t, srv.Addr())
		defer conn.Close()
		request := strings.Replace(handshake, "\r\n\r\n", "\r\n"+field+": "+list+"\r\n\r\n", 1)
		status := ""
		return allocated(func() {
			conn.Send(request)
			status = conn.ReadResponse("GET").Status
		}), status
	}
	usual, _ := cost("X-Other", strings.Repeat("a", 900_000))
	for field, element := range map[string]string{
		"Sec-WebSocket-Extensions": "permessage-deflate",
		"Sec-WebSocket-Protocol":   "chat.v3",
		"Connection":               "close",
	} {
		for name, list := range longLists(900_000, element) {
			if n, status := cost(field, list); n > usual+1<<20 {
				t.Errorf("%s, %s: %d KB allocated, %d KB for another field; answered %s", field, name, n>>10, usual>>10, status)
			}
		}
	}
}

func TestDialDoesNotGrowWithALongList(t *testing.T) {
	cost := func(field, list string) (int, error) {
		server := answering(t, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n"+
			field+": "+list+"\r\n\r\n")
		var err error
		return allocated(func() {
			var conn *http.Conn
			if conn, _, err = http.Dial(t.Context(), server, &http.DialOptions{EnableCompression: true, Subprotocols: []string{"chat"}}); err == nil {
				conn.Close()
			}
		}), err
	}
	const size = 200_000
	usual, _ := cost("X-Other", strings.Repeat("a", size))
	for field, element := range map[string]string{
		"Sec-WebSocket-Extensions": "permessage-deflate",
		"Sec-WebSocket-Protocol":   "chat",
		"Connection":               "close",
	} {
		for name, list := range longLists(size, element) {
			if n, err := cost(field, list); n > usual+1<<20 {
				t.Errorf("%s, %s: %d KB allocated, %d KB for another field; %.200v", field, name, n>>10, usual>>10, err)
			}
		}
	}
}

// rawDeflate returns a Conn with negotiated compression and the network
// connection of its peer. The Conn is the client's end if client is set.
func rawDeflate(t *testing.T, client bool, options string) (*http.Conn, *testkit.Conn) {
	t.Helper()
	if !client {
		upgraded := make(chan *http.Conn, 1)
		srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := http.Upgrader{EnableCompression: true}.Upgrade(w, r)
			if err != nil {
				t.Error(err)
			}
			upgraded <- conn
		}))
		raw := testkit.Dial(t, srv.Addr())
		raw.Send(strings.Replace(handshake, "\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate"+options+"\r\n\r\n", 1))
		if resp := raw.ReadResponse("GET"); !strings.HasPrefix(resp.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate") {
			t.Fatal(resp.Status, resp.Header)
		}
		conn := <-upgraded
		t.Cleanup(func() { conn.CloseNow() })
		return conn, raw
	}
	accepted := make(chan net.Conn, 1)
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\nSec-WebSocket-Extensions: permessage-deflate%s\r\n\r\n",
			base64.StdEncoding.EncodeToString(sum[:]), options)
		rw.Flush()
		accepted <- conn
	}))
	conn := dialWS(t, wsURL(srv), &http.DialOptions{EnableCompression: true})
	raw := <-accepted
	t.Cleanup(func() { raw.Close() })
	return conn, testkit.Wrap(t, raw)
}

// finalABC is a final block with the text "abc". threeAtSix is the end of a
// message, with a match of 3 bytes at distance 6.
const (
	finalABC   = "\x4b\x4c\x4a\x06\x00"
	threeAtSix = "\x02\x92\x00\x00"
)

// A message may have blocks after a final block. They may refer to all text
// before them, in the message and in earlier ones (RFC 7692, section 7.2.1).
func TestBlocksAfterAFinalBlock(t *testing.T) {
	t.Parallel()
	for _, client := range []bool{false, true} {
		for _, takeover := range []bool{true, false} {
			options, want := "", "abcxyz"
			if !takeover {
				options, want = "; server_no_context_takeover; client_no_context_takeover", ""
			}
			conn, raw := rawDeflate(t, client, options)
			send := func(payload string) { raw.Send(compressedFrame(0xC1, []byte(payload), !client)) }
			send(deflated(t, "xyz"))
			wantMessage(t, conn, http.TextMessage, "xyz")
			send(finalABC + deflated(t, "123123123"))
			wantMessage(t, conn, http.TextMessage, "abc123123123")
			send(deflated(t, "xyz"))
			wantMessage(t, conn, http.TextMessage, "xyz")
			send(finalABC + threeAtSix)
			if want != "" {
				wantMessage(t, conn, http.TextMessage, want)
				continue
			}
			var closed *http.CloseError
			if _, p, err := conn.ReadMessage(); !errors.As(err, &closed) || closed.Code != http.CloseInvalidPayload {
				t.Errorf("client %v, without context takeover: %q, %v", client, p, err)
			}
		}
	}
}

// emptyBlocks are blocks without text that end at a byte boundary: stored,
// final, and with dynamic codes.
var emptyBlocks = map[string]string{
	"stored":        "\x00\x00\x00\xff\xff",
	"final stored":  "\x01\x00\x00\xff\xff",
	"final fixed":   "\x03\x00",
	"final dynamic": "\x05\xc0\x81\x00\x00\x00\x00\x00\x90\xff\x6b\x00",
}

// A message of empty blocks is rejected when it exceeds a limit.
func TestBlocksWithoutTextEndTheConnection(t *testing.T) {
	t.Parallel()
	for name, unit := range emptyBlocks {
		for _, client := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, client %v", name, client), func(t *testing.T) {
				t.Parallel()
				conn, raw := rawDeflate(t, client, "")
				sent := make(chan int, 1)
				go func() {
					payload, first, n := bytes.Repeat([]byte(unit), 4000/len(unit)), byte(0x42), 0
					for {
						m, err := io.WriteString(raw.Conn, compressedFrame(first, payload, !client))
						if n += m; err != nil || n > 64<<20 {
							sent <- n
							return
						}
						first = 0x00
					}
				}()
				conn.SetMaxMessageSize(-1)
				_, p, err := conn.ReadMessage()
				if !errors.Is(err, http.ErrReadLimit) {
					t.Errorf("read %d bytes, %v", len(p), err)
				}
				if code, _ := readClose(t, raw); code != http.CloseMessageTooBig {
					t.Errorf("the peer received close code %d", code)
				}
				conn.CloseNow()
				if n := testkit.Receive(t, sent, "the sender"); n > 32<<20 {
					t.Errorf("the peer could send %d bytes", n)
				}
			})
		}
	}
}

// An incomplete message takes a small multiple of the bytes that have arrived,
// even if it is highly compressed.
func TestUnfinishedCompressedMessagesPinLittle(t *testing.T) {
	bomb := []byte(deflated(t, strings.Repeat("a", 24<<20)))
	for _, tt := range []struct {
		method string
		size   int
	}{{"ReadMessage", 10}, {"ReadMessage", 4000}, {"ReadMessage", 20_000}, {"NextReader", 4000}} {
		const conns = 8
		var raw [conns]*testkit.Conn
		var readers [conns]*http.Conn
		for i := range raw {
			readers[i], raw[i] = rawDeflate(t, false, "")
			readers[i].SetMaxMessageSize(-1)
			go readingMethods[tt.method](readers[i])
		}
		before := heap()
		for i := range raw {
			raw[i].Send(compressedFrame(0x41, bomb[:tt.size], true) + masked(0x89, "all read"))
		}
		for i := range raw {
			pong := make([]byte, 10)
			if _, err := io.ReadFull(raw[i], pong); err != nil || string(pong[2:]) != "all read" {
				t.Fatalf("%q, %v", pong, err)
			}
		}
		if each := (heap() - before) / conns; each > 64<<10+8*tt.size {
			t.Errorf("%s: %d bytes arrived, and take %d KB", tt.method, tt.size, each>>10)
		}
		for i := range readers {
			readers[i].CloseNow()
		}
	}
}
