package docs

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testkit"
)

// inMemory runs test with a server of handler on the fake clock, and stops the
// server afterwards, which must end all streams at once.
func inMemory(t *testing.T, handler http.HandlerFunc, test func(t *testing.T, ln *testkit.PipeListener)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ln := testkit.NewPipeListener()
		server := http.NewServer(handler, http.WithListener(ln))
		if err := server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer func() {
			before := time.Now()
			if err := server.Stop(context.Background()); err != nil || time.Since(before) > 0 {
				t.Errorf("Stop took %v: %v", time.Since(before), err)
			}
			wantListeners(t, &updates, 0)
		}()
		test(t, ln)
	})
}

// received is what a client has received: messages, or lines of an event stream.
type received chan string

// want waits up to a minute for each of the messages.
func (r received) want(t *testing.T, messages ...string) {
	t.Helper()
	for _, want := range messages {
		select {
		case got, ok := <-r:
			if got != want || !ok {
				t.Fatalf("got %q (%t), want %q", got, ok, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%q does not arrive", want)
		}
	}
}

// wantListeners waits until everyone waits for something, and checks how many
// listen.
func wantListeners(t *testing.T, h *hub, want int) {
	t.Helper()
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.listeners) != want {
		t.Fatalf("%d listen, want %d", len(h.listeners), want)
	}
}

// openStream asks for an event stream and reads the header of the response.
func openStream(t *testing.T, ln *testkit.PipeListener) (net.Conn, io.Reader) {
	t.Helper()
	conn, err := ln.Dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("response %v, %v", res, err)
	}
	return conn, res.Body
}

// follow opens an event stream and returns its lines, without the empty ones.
func follow(t *testing.T, ln *testkit.PipeListener) received {
	t.Helper()
	_, body := openStream(t, ln)
	lines := make(received, 100)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(body); scanner.Scan(); {
			if line := scanner.Text(); line != "" {
				lines <- line
			}
		}
	}()
	return lines
}

//snippet:begin README.md

// A hub passes each message on to everyone who listens.
type hub struct {
	mu        sync.Mutex
	listeners map[chan string]bool
}

// listen returns a channel of all messages from now on. The channel is closed
// if its reader falls 16 messages behind.
func (h *hub) listen() chan string {
	messages := make(chan string, 16)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.listeners == nil {
		h.listeners = make(map[chan string]bool)
	}
	h.listeners[messages] = true
	return messages
}

func (h *hub) leave(messages chan string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.listeners, messages)
}

// publish does not wait for anyone.
func (h *hub) publish(message string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for messages := range h.listeners {
		select {
		case messages <- message:
		default: // too slow
			delete(h.listeners, messages)
			close(messages)
		}
	}
}

var updates hub

//snippet:end

//snippet:begin README.md

func stream(w http.ResponseWriter, r *http.Request) {
	messages := updates.listen()
	defer updates.leave(messages)
	sse := http.NewSSEWriter(w)
	ping := time.NewTicker(30 * time.Second)
	defer ping.Stop()
	for {
		var err error
		select {
		case <-r.Context().Done(): // the client has left, or the server is stopping
			return
		case message, ok := <-messages:
			if !ok {
				return // too slow; the browser reconnects
			}
			err = sse.Event("update", message)
		case <-ping.C: // proxies close silent connections
			err = sse.Comment("ping")
		}
		if err != nil {
			return
		}
	}
}

//snippet:end

func TestEveryPageGetsEveryEvent(t *testing.T) {
	inMemory(t, stream, func(t *testing.T, ln *testkit.PipeListener) {
		pages := []received{follow(t, ln), follow(t, ln)}
		for n := range 10 {
			updates.publish(fmt.Sprint(n))
			for _, page := range pages {
				page.want(t, "event: update", fmt.Sprint("data: ", n))
			}
		}
		// Longer than the server's write timeout.
		before := time.Now()
		for _, page := range pages {
			page.want(t, ": ping")
		}
		if waited := time.Since(before); waited != 30*time.Second {
			t.Errorf("the first ping came after %v", waited)
		}
		updates.publish("late")
		for _, page := range pages {
			page.want(t, "event: update", "data: late")
		}
	})
}

func TestStreamOfAPageThatIsLeft(t *testing.T) {
	inMemory(t, stream, func(t *testing.T, ln *testkit.PipeListener) {
		conn, _ := openStream(t, ln)
		other := follow(t, ln)
		wantListeners(t, &updates, 2)
		conn.Close()
		wantListeners(t, &updates, 1)
		updates.publish("still here")
		other.want(t, "event: update", "data: still here")
	})
}

func TestStreamOfAPageThatDoesNotRead(t *testing.T) {
	inMemory(t, stream, func(t *testing.T, ln *testkit.PipeListener) {
		openStream(t, ln)
		page := follow(t, ln)
		before := time.Now()
		for n := range 1000 {
			updates.publish(fmt.Sprint(n))
			page.want(t, "event: update", fmt.Sprint("data: ", n))
		}
		if waited := time.Since(before); waited > 0 {
			t.Errorf("the other page waited %v", waited)
		}
		wantListeners(t, &updates, 1)
		time.Sleep(time.Minute) // the stalled page is disconnected
	})
}

//snippet:begin README.md

var upgrader http.Upgrader

func echo(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r)
	if err != nil {
		return // the client has its answer
	}
	defer conn.Close()
	for {
		messageType, payload, err := conn.ReadMessage()
		if err != nil {
			return // the peer has closed, or is gone
		}
		if err := conn.WriteMessage(messageType, payload); err != nil {
			return
		}
	}
}

//snippet:end

func TestEcho(t *testing.T) {
	inMemory(t, echo, func(t *testing.T, ln *testkit.PipeListener) {
		client := connect(t, ln, nil)
		for _, text := range []string{"one", "two"} {
			if err := client.WriteMessage(http.TextMessage, []byte(text)); err != nil {
				t.Fatal(err)
			}
			wantMessage(t, client, text)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		for origin, want := range map[string]int{"https://example.com": 101, "https://example.org": 403} {
			if got := handshake(t, ln, origin); got != want {
				t.Errorf("a page of %s gets %d, want %d", origin, got, want)
			}
		}
	})
}

// connect opens a WebSocket, which is closed when the test ends.
func connect(t *testing.T, ln *testkit.PipeListener, options *http.DialOptions) *http.Conn {
	t.Helper()
	if options == nil {
		options = new(http.DialOptions)
	}
	options.DialContext = ln.Dial
	conn, _, err := http.Dial(t.Context(), "ws://example.com/", options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// handshake returns the status that a page of an origin gets.
func handshake(t *testing.T, ln *testkit.PipeListener, origin string) int {
	t.Helper()
	conn, res, err := http.Dial(t.Context(), "ws://example.com/", &http.DialOptions{
		Header: http.Header{"Origin": {origin}}, DialContext: ln.Dial,
	})
	if err == nil {
		conn.Close()
	}
	return res.StatusCode
}

// wantMessage reads the next message.
func wantMessage(t *testing.T, conn *http.Conn, want string) {
	t.Helper()
	if _, got, err := conn.ReadMessage(); err != nil || string(got) != want {
		t.Fatalf("read %q, %v, want %q", got, err, want)
	}
}

// reading returns the messages of a connection. A goroutine reads all the time,
// as clients do, which answers pings.
func reading(conn *http.Conn) received {
	messages := make(received)
	go func() {
		defer close(messages)
		for {
			_, payload, err := conn.ReadMessage()
			if err != nil {
				return
			}
			messages <- string(payload)
		}
	}()
	return messages
}

//snippet:begin README.md

func push(w http.ResponseWriter, r *http.Request) {
	messages := updates.listen()
	defer updates.leave(messages)
	conn, err := upgrader.Upgrade(w, r)
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetMaxMessageSize(4 << 10) // 16 MB by default

	// The peer must send something, if only pongs, every 90 seconds.
	alive := func([]byte) error { return conn.SetReadDeadline(time.Now().Add(90 * time.Second)) }
	conn.SetPongHandler(alive)
	left := make(chan struct{})
	go func() {
		defer close(left)
		for alive(nil) == nil {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
	}()

	ping := time.NewTicker(30 * time.Second)
	defer ping.Stop()
	for {
		select {
		case <-left:
			return
		case message, ok := <-messages:
			if !ok {
				conn.CloseWithMessage(http.CloseTryAgainLater, "too slow")
				return
			}
			conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
			err = conn.WriteMessage(http.TextMessage, []byte(message))
		case <-ping.C:
			conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
			err = conn.WritePing(nil)
		}
		if err != nil {
			return // the client has left, or stopped reading
		}
	}
}

//snippet:end

func TestEveryClientIsPushedEveryMessage(t *testing.T) {
	inMemory(t, push, func(t *testing.T, ln *testkit.PipeListener) {
		clients := []received{reading(connect(t, ln, nil)), reading(connect(t, ln, nil))}
		for n := range 20 {
			updates.publish(fmt.Sprint(n))
			for _, client := range clients {
				client.want(t, fmt.Sprint(n))
			}
		}
	})
}

func TestPushToAClientAfterAnHourOfSilence(t *testing.T) {
	inMemory(t, push, func(t *testing.T, ln *testkit.PipeListener) {
		client := reading(connect(t, ln, nil))
		time.Sleep(time.Hour)
		updates.publish("late")
		client.want(t, "late")
	})
}

func TestPushToAClientThatLeaves(t *testing.T) {
	inMemory(t, push, func(t *testing.T, ln *testkit.PipeListener) {
		leaves, stays := connect(t, ln, nil), reading(connect(t, ln, nil))
		wantListeners(t, &updates, 2)
		if err := leaves.Close(); err != nil {
			t.Error(err)
		}
		wantListeners(t, &updates, 1)
		updates.publish("still here")
		stays.want(t, "still here")
	})
}

func TestPushToAClientThatDoesNotRead(t *testing.T) {
	inMemory(t, push, func(t *testing.T, ln *testkit.PipeListener) {
		stalled, client := connect(t, ln, nil), reading(connect(t, ln, nil))
		before := time.Now()
		for n := range 1000 {
			updates.publish(fmt.Sprint(n))
			client.want(t, fmt.Sprint(n))
		}
		if waited := time.Since(before); waited > 0 {
			t.Errorf("the other client waited %v", waited)
		}
		wantListeners(t, &updates, 1)
		time.Sleep(2 * time.Minute)
		if _, _, err := stalled.ReadMessage(); err == nil {
			t.Error("the stalled client is still connected")
		}
	})
}

func TestPushToAClientThatIsGone(t *testing.T) {
	inMemory(t, push, func(t *testing.T, ln *testkit.PipeListener) {
		conn, err := ln.Dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "+http.GenerateKey()+"\r\n\r\n")
		go io.Copy(io.Discard, conn) // takes everything and answers nothing
		synctest.Wait()
		wantListeners(t, &updates, 1)
		time.Sleep(2 * time.Minute)
		wantListeners(t, &updates, 0)
	})
}

func TestLargeMessagesAreRefused(t *testing.T) {
	inMemory(t, push, func(t *testing.T, ln *testkit.PipeListener) {
		client := connect(t, ln, nil)
		go client.WriteMessage(http.TextMessage, make([]byte, 4<<10+1)) // fails, since nobody reads all of it
		var closed *http.CloseError
		if _, _, err := client.ReadMessage(); !errors.As(err, &closed) || closed.Code != http.CloseMessageTooBig {
			t.Errorf("%v, want close code 1009", err)
		}
	})
}

func TestCloseErrors(t *testing.T) {
	for _, code := range []int{http.CloseNormalClosure, 4001} {
		closes := func(w http.ResponseWriter, r *http.Request) {
			if conn, err := upgrader.Upgrade(w, r); err == nil {
				conn.CloseWithMessage(code, "enough")
			}
		}
		inMemory(t, closes, func(t *testing.T, ln *testkit.PipeListener) {
			socket := connect(t, ln, nil)
			fmt := &console{t: t}
			//snippet:begin README.md
			_, _, err := socket.ReadMessage()
			var closed *http.CloseError
			if errors.As(err, &closed) {
				fmt.Println("the peer closed:", closed.Code, closed.Text)
			}
			//snippet:end
			if want := map[int]string{1000: "the peer closed: 1000 enough\n", 4001: "the peer closed: 4001 enough\n"}[code]; fmt.String() != want {
				t.Errorf("printed %q, want %q", fmt, want)
			}
		})
	}
}

func TestDial(t *testing.T) {
	var authorization, protocol string
	handler := func(w http.ResponseWriter, r *http.Request) {
		authorization, protocol = r.Header.Get("Authorization"), r.URL.Path
		echo(w, r)
	}
	certFile, keyFile, pool := testkit.KeyPair(t)
	server := http.NewServer(http.HandlerFunc(handler), http.WithAddr("127.0.0.1:0"), http.WithTLS(certFile, keyFile))
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer server.Stop(context.Background())
	ctx, log := t.Context(), &console{t: t}
	dial := func(ctx context.Context, url string, options *http.DialOptions) (*http.Conn, *http.Response, error) {
		options.TLSConfig = &tls.Config{RootCAs: pool}
		return http.Dial(ctx, strings.Replace(url, "example.com", server.Addr(), 1), options)
	}
	//snippet:begin README.md
	conn, _, err := dial(ctx, "wss://example.com/socket", &http.DialOptions{
		Header: http.Header{"Authorization": {"Bearer secret"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	err = conn.WriteJSON(map[string]string{"hello": "there"})
	//snippet:end
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := conn.ReadJSON(&got); err != nil || got["hello"] != "there" {
		t.Errorf("read %v, %v", got, err)
	}
	if authorization != "Bearer secret" || protocol != "/socket" {
		t.Errorf("the server saw %q and the path %q", authorization, protocol)
	}
}
