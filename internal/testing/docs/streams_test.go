package docs

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"iter"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// A memoryServer serves in-memory connections with a fake clock.
type memoryServer struct {
	*testkit.PipeListener
	running atomic.Int64 // number of running handlers
}

// wantRunning waits until all goroutines are blocked, and checks the number of
// running handlers.
func (s *memoryServer) wantRunning(t *testing.T, want int64) {
	t.Helper()
	synctest.Wait()
	if got := s.running.Load(); got != want {
		t.Fatalf("%d handlers run, want %d", got, want)
	}
}

// inMemory runs test with a server for handler and a fake clock. It then stops
// the server, which must end all handlers immediately.
func inMemory(t *testing.T, handler http.HandlerFunc, test func(t *testing.T, s *memoryServer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &memoryServer{PipeListener: testkit.NewPipeListener()}
		server := http.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.running.Add(1)
			defer s.running.Add(-1)
			handler(w, r)
		}), http.WithListener(s))
		if err := server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer func() {
			before := time.Now()
			if err := server.Stop(context.Background()); err != nil || time.Since(before) > 0 {
				t.Errorf("Stop took %v: %v", time.Since(before), err)
			}
			s.wantRunning(t, 0)
		}()
		test(t, s)
	})
}

// received delivers the messages or events that a client has received.
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

// openStream requests an event stream and reads the response's header.
func openStream(t *testing.T, s *memoryServer, header ...string) (net.Conn, io.Reader) {
	t.Helper()
	conn, err := s.Dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: example.com\r\n"+strings.Join(header, "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("response %v, %v", res, err)
	}
	return conn, res.Body
}

// follow opens an event stream and returns its events, each as its name and
// data, and its comments.
func follow(t *testing.T, s *memoryServer, header ...string) received {
	t.Helper()
	_, body := openStream(t, s, header...)
	events := make(received, 5000)
	go func() {
		defer close(events)
		name := ""
		for scanner := bufio.NewScanner(body); scanner.Scan(); {
			switch field, value, _ := strings.Cut(scanner.Text(), ": "); {
			case field == "event":
				name = value
			case field == "data":
				events <- name + " " + value
			case field == ":":
				events <- ":"
			}
		}
	}()
	return events
}

// runImport stands for a job that takes a minute. It ends early if ctx is done.
func runImport(ctx context.Context) iter.Seq[int] {
	return func(yield func(percent int) bool) {
		for percent := 0; percent <= 100 && ctx.Err() == nil && yield(percent); percent += 50 {
			select {
			case <-time.After(time.Minute):
			case <-ctx.Done():
			}
		}
	}
}

//snippet:begin README.md

func importProgress(w http.ResponseWriter, r *http.Request) {
	sse := http.NewSSEWriter(w)
	sse.KeepAlive(30 * time.Second) // proxies close idle connections
	for percent := range runImport(r.Context()) {
		if err := sse.Event("progress", strconv.Itoa(percent)); err != nil {
			return // the client disconnected or stopped reading
		}
	}
	sse.Event("done", "")
}

//snippet:end

func TestProgress(t *testing.T) {
	inMemory(t, importProgress, func(t *testing.T, s *memoryServer) {
		page := follow(t, s)
		page.want(t, "progress 0", ":", ":", "progress 50", ":", ":", "progress 100", ":", ":", "done ")
		s.wantRunning(t, 0)
	})
}

func TestProgressOfAPageThatIsLeft(t *testing.T) {
	inMemory(t, importProgress, func(t *testing.T, s *memoryServer) {
		conn, _ := openStream(t, s)
		other := follow(t, s)
		s.wantRunning(t, 2)
		conn.Close()
		s.wantRunning(t, 1)
		other.want(t, "progress 0")
	})
}

func TestProgressOfAPageThatDoesNotRead(t *testing.T) {
	inMemory(t, importProgress, func(t *testing.T, s *memoryServer) {
		openStream(t, s) // reads nothing more
		s.wantRunning(t, 1)
		time.Sleep(45 * time.Second) // 30 seconds after the first event or comment
		s.wantRunning(t, 0)
	})
}

//snippet:begin README.md

var upgrader http.Upgrader

func echo(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r)
	if err != nil {
		return // Upgrade has sent an error response
	}
	defer conn.Close()
	for {
		messageType, payload, err := conn.ReadMessage()
		if err != nil {
			return // the peer closed the connection, or the connection failed
		}
		if err := conn.WriteMessage(messageType, payload); err != nil {
			return
		}
	}
}

//snippet:end

func TestEcho(t *testing.T) {
	inMemory(t, echo, func(t *testing.T, s *memoryServer) {
		client := connect(t, s, nil)
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
			if got := handshake(t, s, origin); got != want {
				t.Errorf("a page of %s gets %d, want %d", origin, got, want)
			}
		}
	})
}

//snippet:begin README.md

func robustEcho(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r)
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetMaxMessageSize(64 << 10)               // 16 MiB by default
	conn.SetWriteTimeout(10 * time.Second)         // while the client reads nothing
	conn.KeepAlive(30*time.Second, 10*time.Second) // a ping every 30 seconds
	for {
		messageType, payload, err := conn.ReadMessage()
		if err != nil {
			return // also if a message is too large or the client does not answer pings
		}
		if err := conn.WriteMessage(messageType, payload); err != nil {
			return // the client disconnected or stopped reading
		}
	}
}

//snippet:end

func TestRobustEcho(t *testing.T) {
	t.Parallel()
	srv := testkit.StartServer(t, testkit.HTTP1, http.HandlerFunc(robustEcho))
	client, _, err := http.Dial(t.Context(), strings.Replace(srv.URL, "http", "ws", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseNow()
	text := strings.Repeat("x", 64<<10)
	if err := client.WriteMessage(http.TextMessage, []byte(text)); err != nil {
		t.Fatal(err)
	}
	wantMessage(t, client, text)
	go client.WriteMessage(http.TextMessage, []byte(text+"x")) // fails if the server closes the connection first
	var closed *http.CloseError
	if _, _, err := client.ReadMessage(); !errors.As(err, &closed) || closed.Code != http.CloseMessageTooBig {
		t.Errorf("%v, want close code 1009", err)
	}
}

func TestRobustEchoKeepsIdleClients(t *testing.T) {
	inMemory(t, robustEcho, func(t *testing.T, s *memoryServer) {
		conn := connect(t, s, nil)
		var pings atomic.Int64
		conn.SetPingHandler(func(data []byte) error {
			pings.Add(1)
			return conn.WritePong(data)
		})
		client := reading(conn)
		time.Sleep(time.Hour + time.Second)
		if got := pings.Load(); got < 120 || got > 121 { // the first is sent within 30 seconds
			t.Errorf("%d pings in an hour, want one every 30 seconds", got)
		}
		if err := conn.WriteMessage(http.TextMessage, []byte("late")); err != nil {
			t.Fatal(err)
		}
		client.want(t, "late")
	})
}

func TestRobustEchoDisconnectsClients(t *testing.T) {
	t.Run("that send no pong", func(t *testing.T) {
		inMemory(t, robustEcho, func(t *testing.T, s *memoryServer) {
			conn := connect(t, s, nil)
			conn.SetPingHandler(func([]byte) error { return nil })
			reading(conn)
			time.Sleep(9 * time.Second)
			s.wantRunning(t, 1)
			time.Sleep(32 * time.Second)
			s.wantRunning(t, 0)
		})
	})
	t.Run("that stop reading", func(t *testing.T) {
		inMemory(t, robustEcho, func(t *testing.T, s *memoryServer) {
			conn := connect(t, s, nil)
			go func() {
				for conn.WriteMessage(http.BinaryMessage, make([]byte, 32<<10)) == nil {
				}
			}()
			time.Sleep(30 * time.Second)
			s.wantRunning(t, 0)
		})
	})
}

// connect opens a WebSocket connection, which is closed when the test ends.
func connect(t *testing.T, s *memoryServer, options *http.DialOptions) *http.Conn {
	t.Helper()
	if options == nil {
		options = new(http.DialOptions)
	}
	options.DialContext = s.Dial
	conn, _, err := http.Dial(t.Context(), "ws://example.com/", options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// handshake returns the status of the response to a page of an origin.
func handshake(t *testing.T, s *memoryServer, origin string) int {
	t.Helper()
	conn, res, err := http.Dial(t.Context(), "ws://example.com/", &http.DialOptions{
		Header: http.Header{"Origin": {origin}}, DialContext: s.Dial,
	})
	if err == nil {
		conn.Close()
	}
	return res.StatusCode
}

// wantMessage reads and checks the next message.
func wantMessage(t *testing.T, conn *http.Conn, want string) {
	t.Helper()
	if _, got, err := conn.ReadMessage(); err != nil || string(got) != want {
		t.Fatalf("read %q, %v, want %q", got, err, want)
	}
}

// reading returns the messages of a connection. It starts a goroutine that
// always reads, which also answers pings.
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

func TestCloseErrors(t *testing.T) {
	for _, code := range []int{http.CloseNormalClosure, 4001} {
		closes := func(w http.ResponseWriter, r *http.Request) {
			if conn, err := upgrader.Upgrade(w, r); err == nil {
				conn.CloseWithMessage(code, "enough")
			}
		}
		inMemory(t, closes, func(t *testing.T, s *memoryServer) {
			socket := connect(t, s, nil)
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
