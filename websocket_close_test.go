package http_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// readingMethods are all methods that read a message.
var readingMethods = map[string]func(conn *http.Conn) error{
	"ReadMessage": func(conn *http.Conn) error {
		_, _, err := conn.ReadMessage()
		return err
	},
	"NextReader": func(conn *http.Conn) error {
		_, r, err := conn.NextReader()
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		return err
	},
	"ReadJSON": func(conn *http.Conn) error {
		var v any
		return conn.ReadJSON(&v)
	},
}

// For every violation of the peer, the error of the reading method and of later
// ones wraps the violation and a CloseError with the close frame that was sent.
func TestFaultsOfThePeerAreCloseErrors(t *testing.T) {
	t.Parallel()
	faults := []struct {
		name   string
		frames func(frame func(first byte, payload string) string) string
		code   int
		text   string // reason in the close frame
		err    string // text of the reading method's error
		is     error
	}{
		{"reserved bit", func(f func(byte, string) string) string { return f(0xC1, "x") }, 1002, "reserved bits set", "websocket: protocol violation: reserved bits set", nil},
		{"reserved opcode", func(f func(byte, string) string) string { return f(0x83, "x") }, 1002, "reserved opcode", "websocket: protocol violation: reserved opcode", nil},
		{"fragmented ping", func(f func(byte, string) string) string { return f(0x09, "x") }, 1002, "fragmented control frame", "websocket: protocol violation: fragmented control frame", nil},
		{"continuation", func(f func(byte, string) string) string { return f(0x80, "x") }, 1002, "continuation without a message", "websocket: protocol violation: continuation without a message", nil},
		{"message in a message", func(f func(byte, string) string) string { return f(0x01, "x") + f(0x81, "x") }, 1002, "new message inside a message", "websocket: protocol violation: new message inside a message", nil},
		{"bad close code", func(f func(byte, string) string) string { return f(0x88, "\x03\xED") }, 1002, "invalid close code", "websocket: protocol violation: invalid close code", nil},
		{"bad close reason", func(f func(byte, string) string) string { return f(0x88, "\x03\xE8\xFF") }, 1007, "close reason is not UTF-8", "websocket: protocol violation: close reason is not UTF-8", nil},
		{"bad text", func(f func(byte, string) string) string { return f(0x81, "\xFF") }, 1007, "text is not UTF-8", "websocket: protocol violation: text is not UTF-8", nil},
		{"bad text in a fragment", func(f func(byte, string) string) string { return f(0x01, "a") + f(0x00, "\xC3") + f(0x80, "a") }, 1007, "text is not UTF-8", "websocket: protocol violation: text is not UTF-8", nil},
		{"text that is cut", func(f func(byte, string) string) string { return f(0x01, "a") + f(0x80, "\xC3") }, 1007, "text is not UTF-8", "websocket: protocol violation: text is not UTF-8", nil},
		{"too big", func(f func(byte, string) string) string { return f(0x81, "12345678901") }, 1009, "message too big", "websocket: message exceeds the size limit", http.ErrReadLimit},
		{"too big in fragments", func(f func(byte, string) string) string { return f(0x01, "123456") + f(0x80, "123456") }, 1009, "message too big", "websocket: message exceeds the size limit", http.ErrReadLimit},
	}
	for method, read := range readingMethods {
		for _, fault := range faults {
			for _, role := range []string{"server", "client"} {
				t.Run(fmt.Sprintf("%s, %s, %s", fault.name, method, role), func(t *testing.T) {
					t.Parallel()
					conn, raw := (*http.Conn)(nil), (*testkit.Conn)(nil)
					frame := masked
					if role == "server" {
						conn, raw = rawClient(t, http.Upgrader{})
					} else {
						conn, raw = rawServer(t)
						frame = plain
					}
					conn.SetMaxMessageSize(10)
					raw.Send(fault.frames(frame))
					first := read(conn)
					for _, err := range []error{first, read(conn), readingMethods["ReadMessage"](conn)} {
						var closed *http.CloseError
						if !errors.As(err, &closed) || closed.Code != fault.code || closed.Text != fault.text {
							t.Errorf("%#v contains no close error of %d %q", err, fault.code, fault.text)
						}
						if err != first || err.Error() != fault.err || fault.is != nil && !errors.Is(err, fault.is) {
							t.Errorf("%v, want %s", err, fault.err)
						}
					}
					if code, text := readClose(t, raw); code != fault.code || text != fault.text {
						t.Errorf("the peer received close code %d %q, want %d %q", code, text, fault.code, fault.text)
					}
				})
			}
		}
	}
}

// This is the same test for compressed messages.
func TestFaultsOfCompressedMessagesAreCloseErrors(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		payload string
		code    int
		is      error
	}{
		"corrupt":     {"\xFF\xFF\xFF", http.CloseInvalidPayload, nil},
		"bad text":    {"\x00\x01\x00\xFE\xFF\xFF\x00", http.CloseInvalidPayload, nil},
		"too big":     {deflated(t, strings.Repeat("a", 21)), http.CloseMessageTooBig, http.ErrReadLimit},
		"not too big": {deflated(t, strings.Repeat("a", 20)), 0, nil},
	} {
		for method, read := range readingMethods {
			upgraded := make(chan *http.Conn, 1)
			srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, err := http.Upgrader{EnableCompression: true}.Upgrade(w, r)
				if err != nil {
					t.Error(err)
				}
				upgraded <- conn
			}))
			raw := testkit.Dial(t, srv.Addr())
			raw.Send(strings.Replace(handshake, "\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", 1))
			raw.ReadResponse("GET")
			conn := <-upgraded
			conn.SetMaxMessageSize(20)
			raw.Send(masked(0xC1, tt.payload))
			err := read(conn)
			var closed *http.CloseError
			switch {
			case tt.code == 0:
				if errors.As(err, &closed) {
					t.Errorf("%s, %s: %v", name, method, err)
				}
			case !errors.As(err, &closed) || closed.Code != tt.code || tt.is != nil && !errors.Is(err, tt.is):
				t.Errorf("%s, %s: %v, want a close error of %d", name, method, err, tt.code)
			default:
				if code, _ := readClose(t, raw); code != tt.code {
					t.Errorf("%s, %s: the peer received close code %d, want %d", name, method, code, tt.code)
				}
			}
			conn.CloseNow()
		}
	}
}

// A reader of NextReader reads only its message.
func TestOldReadersFail(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func(conn *http.Conn) (string, error){
		"NextReader": func(conn *http.Conn) (string, error) {
			_, r, err := conn.NextReader()
			if err != nil {
				return "", err
			}
			p, err := io.ReadAll(r)
			return string(p), err
		},
		"ReadMessage": func(conn *http.Conn) (string, error) {
			_, p, err := conn.ReadMessage()
			return string(p), err
		},
	} {
		for _, read := range []int{0, 3, 100} { // bytes of the first message
			for _, compression := range []bool{false, true} {
				server, client := wsPair(t, &http.Upgrader{EnableCompression: compression}, &http.DialOptions{EnableCompression: compression})
				go func() {
					for _, message := range []string{"the first message", "the second", "the third"} {
						client.WriteMessage(http.TextMessage, []byte(message))
					}
				}()
				_, old, err := server.NextReader()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.CopyN(io.Discard, old, int64(read)); err != nil && err != io.EOF {
					t.Fatal(err)
				}
				for _, want := range []string{"the second", "the third"} {
					if got, err := next(server); got != want || err != nil {
						t.Errorf("%s: %q, %v; want %q", name, got, err, want)
					}
					for range 2 {
						if p, err := io.ReadAll(old); len(p) > 0 || err == nil {
							t.Errorf("%s: the old reader, after %d bytes: %q, %v", name, read, p, err)
						}
					}
				}
				closeBoth(server, client)
			}
		}
	}
}

// An old reader does not affect the message that another goroutine reads.
func TestOldReaderBesideANewOne(t *testing.T) {
	t.Parallel()
	server, client := wsPair(t, &http.Upgrader{}, nil)
	const messages = 200
	go func() {
		for i := range messages {
			client.WriteMessage(http.TextMessage, []byte(strings.Repeat(fmt.Sprint(i%10), 3000)))
		}
	}()
	var old sync.WaitGroup
	for i := range messages {
		_, r, err := server.NextReader()
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			old.Go(func() { io.Copy(io.Discard, r) }) // its message may end at any time
			continue
		}
		if p, err := io.ReadAll(r); err != nil || string(p) != strings.Repeat(fmt.Sprint(i%10), 3000) {
			t.Fatalf("message %d: %d bytes, %v", i, len(p), err)
		}
	}
	old.Wait()
	closeBoth(server, client)
}

func TestOldWritersFail(t *testing.T) {
	t.Parallel()
	server, client := wsPair(t, &http.Upgrader{}, nil)
	old, err := client.NextWriter(http.TextMessage)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(old, "first")
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	w, err := client.NextWriter(http.TextMessage)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "sec")
	if n, err := io.WriteString(old, "not this"); n > 0 || err == nil {
		t.Errorf("a closed writer accepts %d bytes: %v", n, err)
	}
	if err := old.Close(); err == nil {
		t.Error("a closed writer can be closed again")
	}
	io.WriteString(w, "ond")
	w.Close()
	wantMessage(t, server, http.TextMessage, "first")
	wantMessage(t, server, http.TextMessage, "second")
	closeBoth(server, client)
}

// The readers and writers that methods return have no methods except those of
// the interface type.
func TestReadersAndWritersExposeNothing(t *testing.T) {
	t.Parallel()
	server, client := wsPair(t, &http.Upgrader{}, nil)
	w, err := client.NextWriter(http.TextMessage)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	_, r, err := server.NextReader()
	if err != nil {
		t.Fatal(err)
	}
	for v, want := range map[any]string{r: "Read", w: "Close Write"} {
		var methods []string
		for method := range reflect.TypeOf(v).Methods() {
			methods = append(methods, method.Name)
		}
		if got := strings.Join(methods, " "); got != want {
			t.Errorf("%T has the methods %s, want %s", v, got, want)
		}
		for field := range reflect.TypeOf(v).Elem().Fields() {
			if field.IsExported() {
				t.Errorf("%T has the field %s", v, field.Name)
			}
		}
	}
	closeBoth(server, client)
}

// The deadline passes in the middle of a frame, repeatedly, until all bytes
// have arrived.
func TestReadDeadlinesLoseNothing(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 3, 7} {
		conn, raw := rawClient(t, http.Upgrader{})
		stream := masked(0x01, "in ") + masked(0x89, "\x81\x80") + masked(0x80, "pieces") + masked(0x82, strings.Repeat("b", 100)) +
			masked(0x8A, "\x82\x7F") + masked(0x81, "last")
		go func() {
			for rest := stream; rest != ""; rest = rest[min(size, len(rest)):] {
				raw.Send(rest[:min(size, len(rest))])
			}
		}()
		for _, want := range []string{"in pieces", strings.Repeat("b", 100), "last"} {
			for {
				conn.SetReadDeadline(time.Now().Add(20 * time.Microsecond))
				_, p, err := conn.ReadMessage()
				if errors.Is(err, os.ErrDeadlineExceeded) {
					continue
				}
				if err != nil || string(p) != want {
					t.Fatalf("read %.20q, %v; want %.20q", p, err, want)
				}
				break
			}
		}
	}
}

// A peer that has closed only its sending side still receives our close frame.
func TestHalfClosedPeer(t *testing.T) {
	t.Parallel()
	conn, raw := rawClient(t, http.Upgrader{})
	raw.Send(masked(0x81, "last words"))
	if err := raw.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	wantMessage(t, conn, http.TextMessage, "last words")
	_, _, err := conn.ReadMessage()
	var closed *http.CloseError
	if !errors.As(err, &closed) || closed.Code != http.CloseAbnormalClosure {
		t.Errorf("ReadMessage: %v", err)
	}
	if err := conn.WriteMessage(http.TextMessage, []byte("answer")); err != nil {
		t.Error(err)
	}
	if err := conn.CloseWithMessage(4000, "bye"); err != nil {
		t.Errorf("Close: %v", err)
	}
	if got := raw.ReadAll(); got != plain(0x81, "answer")+plain(0x88, "\x0F\xA0bye") {
		t.Errorf("the peer got %q", got)
	}
}

func TestCloseNowCutsTheConnection(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		upgraded := make(chan *http.Conn, 1)
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := http.Upgrader{}.Upgrade(w, r)
			if err != nil {
				t.Error(err)
			}
			upgraded <- conn
		})
		var client *http.Conn
		if secure {
			srv := startTLS(t, handler)
			client = dialWS(t, strings.Replace(srv.URL, "https", "wss", 1), &http.DialOptions{TLSConfig: &tls.Config{InsecureSkipVerify: true}})
		} else {
			client = dialWS(t, wsURL(testkit.StartServer(t, testkit.HTTP1, handler)), nil)
		}
		server := <-upgraded
		blocked := make(chan error, 2)
		go func() {
			_, _, err := server.ReadMessage()
			blocked <- err
		}()
		go func() {
			for {
				if err := server.WriteMessage(http.BinaryMessage, make([]byte, 1<<20)); err != nil {
					blocked <- err
					return
				}
			}
		}()
		closing := make(chan error, 1)
		go func() { closing <- server.Close() }()
		if err := server.CloseNow(); err != nil {
			t.Errorf("CloseNow: %v", err)
		}
		for range 2 {
			if err := testkit.Receive(t, blocked, "a method that is blocked"); !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrCloseSent) {
				t.Errorf("a method that is blocked: %v", err)
			}
		}
		testkit.Receive(t, closing, "Close")
		if err := server.CloseNow(); err != nil {
			t.Errorf("CloseNow again: %v", err)
		}
		for {
			if _, _, err := client.ReadMessage(); err != nil {
				break
			}
		}
	}
}

func TestCloseTimeoutOfASilentPeer(t *testing.T) {
	t.Parallel()
	conn, raw := rawClient(t, http.Upgrader{})
	conn.SetCloseTimeout(200 * time.Millisecond)
	if err := conn.CloseWithMessage(http.ClosePolicyViolation, "no"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Close: %v", err)
	}
	if got := raw.ReadAll(); got != plain(0x88, "\x03\xF0no") {
		t.Errorf("the peer got %q", got)
	}
	for _, timeout := range []time.Duration{0, -time.Second} {
		conn, raw := rawClient(t, http.Upgrader{})
		conn.SetCloseTimeout(time.Nanosecond)
		conn.SetCloseTimeout(timeout) // sets the default
		raw.Send(masked(0x88, ""))
		if err := conn.Close(); err != nil {
			t.Errorf("Close with a timeout of %v: %v", timeout, err)
		}
	}
}
