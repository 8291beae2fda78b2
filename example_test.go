package http_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// This example serves a small API: a public route, and a group of routes that
// require a token.
func Example() {
	const token = "Bearer 5f2c9a"
	router := http.NewRouter()
	router.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {
		http.WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})

	admin := router.Group("/admin")
	admin.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			authorization := r.Header.Get("Authorization")
			if subtle.ConstantTimeCompare([]byte(authorization), []byte(token)) != 1 {
				http.WriteError(w, http.StatusUnauthorized, "invalid token")
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	admin.HandleFunc("DELETE /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, ok := http.PathParamInt64(w, r, "id")
		if !ok {
			return
		}
		http.WriteJSON(w, http.StatusOK, map[string]int64{"deleted": id})
	})

	for _, authorization := range []string{token, "Bearer guess"} {
		r := httptest.NewRequest("DELETE", "/admin/users/7", nil)
		r.Header.Set("Authorization", authorization)
		rec := httptest.NewRecorder()
		router.ServeHTTP(rec, r)
		fmt.Println(rec.Code, rec.Body)
	}
	// Output:
	// 200 {"deleted":7}
	// 401 {"error":"invalid token"}
}

// A server in the hands of a lifecycle: start, serve, stop.
func ExampleServer() {
	router := http.NewRouter()
	router.HandleFunc("GET /hello", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
	})
	srv := http.NewServer(router, http.WithAddr("127.0.0.1:0"))

	if err := srv.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	res, err := http.Get("http://" + srv.Addr() + "/hello")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	fmt.Println(string(body), err)

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(srv.Stop(ctx))
	// Output:
	// hello <nil>
	// <nil>
}

func ExampleNewServer() {
	router := http.NewRouter()
	srv := http.NewServer(router,
		http.WithAddr(":23710"),
		http.WithReadTimeout(15*time.Second),
		http.WithWriteTimeout(15*time.Second),
		http.WithIdleTimeout(60*time.Second),
	)
	fmt.Println(srv.Addr())
	// Output: :23710
}

// What keeps a server from serving is known when Start returns.
func ExampleServer_Start() {
	ctx := context.Background()
	first := http.NewServer(http.NewRouter(), http.WithAddr("127.0.0.1:0"))
	if err := first.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer first.Stop(ctx)

	second := http.NewServer(http.NewRouter(), http.WithAddr(first.Addr()))
	err := second.Start(ctx)
	fmt.Println(errors.Is(err, syscall.EADDRINUSE))
	// Output: true
}

// A request that runs when the server is stopped gets its whole response.
func ExampleServer_Stop() {
	entered := make(chan struct{})
	stopping := make(chan struct{})
	router := http.NewRouter()
	router.HandleFunc("GET /report", func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-stopping
		io.WriteString(w, "the whole report")
	})
	srv := http.NewServer(router, http.WithAddr("127.0.0.1:0"))
	if err := srv.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	report := make(chan string)
	go func() {
		res, err := http.Get("http://" + srv.Addr() + "/report")
		if err != nil {
			report <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		report <- string(body)
	}()
	<-entered

	stopped := make(chan error)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		stopped <- srv.Stop(ctx)
	}()
	close(stopping)
	fmt.Println(<-report)
	fmt.Println(<-stopped)
	// Output:
	// the whole report
	// <nil>
}

// Most main functions end with Run: it returns after Ctrl-C, after the SIGTERM
// of a supervisor, and, as here, when its context ends.
func ExampleServer_Run() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, quit := context.WithCancel(context.Background())
	router := http.NewRouter()
	router.HandleFunc("POST /quit", func(w http.ResponseWriter, r *http.Request) { quit() })
	srv := http.NewServer(router, http.WithListener(listener))

	go http.Post("http://"+srv.Addr()+"/quit", "", nil)
	if err := srv.Run(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("stopped")
	// Output: stopped
}

// With port 0 the system picks a free port, and Addr tells which.
func ExampleServer_Addr() {
	srv := http.NewServer(http.NewRouter(), http.WithAddr("127.0.0.1:0"))
	fmt.Println(srv.Addr())
	if err := srv.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Stop(context.Background())
	_, port, _ := net.SplitHostPort(srv.Addr())
	fmt.Println(port != "0")
	// Output:
	// 127.0.0.1:0
	// true
}

// A program that has more to do than to wait watches Err beside the rest.
// Here the listener is closed under the server.
func ExampleServer_Err() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	srv := http.NewServer(http.NewRouter(), http.WithListener(listener))
	if err := srv.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	listener.Close()

	interrupt := make(chan os.Signal, 1)
	select {
	case err := <-srv.Err():
		fmt.Println("failed:", errors.Is(err, net.ErrClosed))
	case <-interrupt:
	}
	fmt.Println(srv.Stop(context.Background()))
	// Output:
	// failed: true
	// <nil>
}

// Options are values: what several servers share can be kept in one place.
func ExampleServerOption() {
	internal := []http.ServerOption{
		http.WithReadTimeout(2 * time.Second),
		http.WithWriteTimeout(2 * time.Second),
	}
	metrics := http.NewServer(http.NewRouter(), append(internal, http.WithAddr("localhost:9090"))...)
	fmt.Println(metrics.Addr())
	// Output: localhost:9090
}

func ExampleWithAddr() {
	srv := http.NewServer(http.NewRouter(), http.WithAddr("localhost:8081"))
	fmt.Println(srv.Addr())
	// Output: localhost:8081
}

// A listener from elsewhere: a Unix socket, for a proxy on the same machine.
func ExampleWithListener() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	listener, err := net.Listen("unix", filepath.Join(dir, "app.sock"))
	if err != nil {
		fmt.Println(err)
		return
	}
	srv := http.NewServer(http.NewRouter(), http.WithListener(listener))
	if err := srv.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(filepath.Base(srv.Addr()))
	fmt.Println(srv.Stop(context.Background()))
	// Output:
	// app.sock
	// <nil>
}

// The files are read when the server starts, and a mistake shows right there.
func ExampleWithTLS() {
	srv := http.NewServer(http.NewRouter(), http.WithAddr("127.0.0.1:0"), http.WithTLS("cert.pem", "key.pem"))
	err := srv.Start(context.Background())
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	// Output: true
}

// Large uploads over slow lines need more than the default 15 seconds.
func ExampleWithReadTimeout() {
	http.NewServer(http.NewRouter(),
		http.WithReadTimeout(5*time.Minute),
		http.WithHTTPServer(func(hs *nethttp.Server) { fmt.Println(hs.ReadTimeout) }),
	)
	// Output: 5m0s
}

// A client that does not finish its header in time is cut off.
func ExampleWithReadHeaderTimeout() {
	srv := http.NewServer(http.NewRouter(),
		http.WithAddr("127.0.0.1:0"),
		http.WithReadHeaderTimeout(10*time.Millisecond),
	)
	if err := srv.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Stop(context.Background())
	conn, err := net.Dial("tcp", srv.Addr())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: exam")
	_, err = conn.Read(make([]byte, 1))
	fmt.Println(err)
	// Output: EOF
}

// Reports that take a while to make need more than the default 15 seconds.
func ExampleWithWriteTimeout() {
	http.NewServer(http.NewRouter(),
		http.WithWriteTimeout(time.Minute),
		http.WithHTTPServer(func(hs *nethttp.Server) { fmt.Println(hs.WriteTimeout) }),
	)
	// Output: 1m0s
}

// Behind a proxy, keep connections a little longer than the proxy does, so
// that it never finds one closed that it was about to use.
func ExampleWithIdleTimeout() {
	http.NewServer(http.NewRouter(),
		http.WithIdleTimeout(75*time.Second),
		http.WithHTTPServer(func(hs *nethttp.Server) { fmt.Println(hs.IdleTimeout) }),
	)
	// Output: 1m15s
}

func ExampleWithMaxHeaderBytes() {
	srv := http.NewServer(http.NewRouter(), http.WithAddr("127.0.0.1:0"), http.WithMaxHeaderBytes(4<<10))
	if err := srv.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Stop(context.Background())
	req, err := http.NewRequest("GET", "http://"+srv.Addr(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	req.Header.Set("Cookie", strings.Repeat("c", 16<<10))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	fmt.Println(res.Status)
	// Output: 431 Request Header Fields Too Large
}

// A request that does not end in time is cut, and Run says so.
func ExampleWithDrainTimeout() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, quit := context.WithCancel(context.Background())
	router := http.NewRouter()
	router.HandleFunc("GET /endless", func(w http.ResponseWriter, r *http.Request) {
		quit()
		<-r.Context().Done()
	})
	srv := http.NewServer(router, http.WithListener(listener), http.WithDrainTimeout(time.Millisecond))

	go http.Get("http://" + srv.Addr() + "/endless")
	fmt.Println(srv.Run(ctx))
	// Output: http: stop: cut 1 connection, 1 request: context deadline exceeded
}

// Whatever has no option of its own can be set on the server underneath.
func ExampleWithHTTPServer() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, nil))
	srv := http.NewServer(http.NewRouter(), http.WithHTTPServer(func(hs *nethttp.Server) {
		hs.Addr = "localhost:8082"
		hs.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelWarn)
	}))
	fmt.Println(srv.Addr())
	// Output: localhost:8082
}

// serveExample answers one GET of handler in memory.
func serveExample(handler http.Handler, header ...string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	handler.ServeHTTP(rec, r)
	return rec
}

// A stream of the ticks of a clock, until the client leaves or the server
// stops.
func ExampleSSEWriter() {
	ticks := make(chan string, 2)
	ticks <- "10:00"
	ticks <- "10:01"
	close(ticks)
	handler := func(w http.ResponseWriter, r *http.Request) {
		stream := http.NewSSEWriter(w)
		for {
			select {
			case <-r.Context().Done():
				return
			case tick, ok := <-ticks:
				if !ok || stream.Event("tick", tick) != nil {
					return
				}
			}
		}
	}
	fmt.Print(serveExample(http.HandlerFunc(handler)).Body)
	// Output:
	// event: tick
	// data: 10:00
	//
	// event: tick
	// data: 10:01
	//
}

// exampleStream returns what f sends, with | at the end of each line.
func exampleStream(f func(*http.SSEWriter)) string {
	rec := serveExample(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(http.NewSSEWriter(w)) }))
	return strings.ReplaceAll(rec.Body.String(), "\n", "|")
}

func ExampleNewSSEWriter() {
	rec := serveExample(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.NewSSEWriter(w) }))
	fmt.Println(rec.Header().Get("Content-Type"), rec.Flushed)
	// Output: text/event-stream true
}

func ExampleSSEWriter_Event() {
	fmt.Println(exampleStream(func(s *http.SSEWriter) { s.Event("stats", `{"count":42}`) }))
	// Output: event: stats|data: {"count":42}||
}

func ExampleSSEWriter_Data() {
	fmt.Println(exampleStream(func(s *http.SSEWriter) { s.Data("two\nlines") }))
	// Output: data: two|data: lines||
}

func ExampleSSEWriter_EventWithID() {
	fmt.Println(exampleStream(func(s *http.SSEWriter) { s.EventWithID("17", "task", "done") }))
	// Output: id: 17|event: task|data: done||
}

func ExampleSSEWriter_ID() {
	fmt.Println(exampleStream(func(s *http.SSEWriter) { s.ID("17") }))
	// Output: id: 17||
}

func ExampleSSEWriter_Comment() {
	fmt.Println(exampleStream(func(s *http.SSEWriter) { s.Comment("keepalive") }))
	// Output: : keepalive||
}

func ExampleSSEWriter_Retry() {
	fmt.Println(exampleStream(func(s *http.SSEWriter) { s.Retry(5000) }))
	// Output: retry: 5000||
}

func ExampleSSEWriter_SetWriteTimeout() {
	fmt.Println(exampleStream(func(s *http.SSEWriter) {
		s.SetWriteTimeout(5 * time.Second)
		s.Data("in time")
	}))
	// Output: data: in time||
}

// A client that reconnects is sent what it has missed.
func ExampleLastEventID() {
	events := []string{"one", "two", "three"}
	handler := func(w http.ResponseWriter, r *http.Request) {
		stream := http.NewSSEWriter(w)
		seen, _ := strconv.Atoi(http.LastEventID(r))
		for i := min(max(seen, 0), len(events)); i < len(events); i++ {
			stream.EventWithID(strconv.Itoa(i+1), "", events[i])
		}
	}
	fmt.Print(serveExample(http.HandlerFunc(handler), "Last-Event-ID", "2").Body)
	// Output:
	// id: 3
	// data: three
	//
}

// talk runs a server that hands each WebSocket to serve, and a client. Both
// ends are closed in the end.
func talk(serve, client func(conn *http.Conn)) {
	upgrader := http.Upgrader{}
	served := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(served)
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		defer conn.Close()
		serve(conn)
	}))
	defer srv.Close()
	conn, _, err := http.Dial(context.Background(), srv.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	client(conn)
	conn.Close()
	<-served
}

// echoMessages is what a server does in most of the examples.
func echoMessages(conn *http.Conn) {
	for {
		messageType, payload, err := conn.ReadMessage()
		if err != nil {
			return
		}
		conn.WriteMessage(messageType, payload)
	}
}

// A handler that sends every message back, at work.
func ExampleUpgrader() {
	upgrader := http.Upgrader{
		Subprotocols:      []string{"echo.v1"},
		EnableCompression: true,
	}
	router := http.NewRouter()
	router.HandleFunc("GET /echo", func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return // Upgrade has answered
		}
		defer conn.Close()
		for {
			messageType, payload, err := conn.ReadMessage()
			if err != nil {
				return
			}
			if err := conn.WriteMessage(messageType, payload); err != nil {
				return
			}
		}
	})
	srv := httptest.NewServer(router)
	defer srv.Close()

	conn, _, err := http.Dial(context.Background(), srv.URL+"/echo", &http.DialOptions{Subprotocols: []string{"echo.v1"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	conn.WriteMessage(http.TextMessage, []byte("hello"))
	_, payload, _ := conn.ReadMessage()
	fmt.Printf("%s over %s\n", payload, conn.Subprotocol())
	// Output: hello over echo.v1
}

// A request that does not ask for a WebSocket is answered with what is missing.
func ExampleUpgrader_Upgrade() {
	upgrader := http.Upgrader{}
	res := serveExample(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := upgrader.Upgrade(w, r); err != nil {
			return
		}
	}))
	fmt.Println(res.Code, res.Header().Get("Upgrade"), res.Header().Get("Sec-WebSocket-Version"))
	// Output: 426 websocket 13
}

// One goroutine reads, to notice when the client leaves, and another writes.
func ExampleConn() {
	events := make(chan string, 2)
	events <- "one"
	events <- "two"
	serve := func(conn *http.Conn) {
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			for {
				if _, _, err := conn.ReadMessage(); err != nil {
					return
				}
			}
		}()
		heartbeat := time.NewTicker(30 * time.Second)
		defer heartbeat.Stop()
		for {
			select {
			case <-gone:
				return
			case event := <-events:
				conn.WriteMessage(http.TextMessage, []byte(event))
			case <-heartbeat.C:
				conn.WritePing(nil)
			}
		}
	}
	talk(serve, func(conn *http.Conn) {
		for range 2 {
			_, payload, _ := conn.ReadMessage()
			fmt.Println(string(payload))
		}
	})
	// Output:
	// one
	// two
}

func ExampleConn_ReadMessage() {
	serve := func(conn *http.Conn) {
		conn.WriteMessage(http.TextMessage, []byte("hello"))
		conn.WriteMessage(http.BinaryMessage, []byte{1, 2, 3})
		conn.CloseWithMessage(http.CloseNormalClosure, "that is all")
	}
	talk(serve, func(conn *http.Conn) {
		for {
			messageType, payload, err := conn.ReadMessage()
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Println(messageType == http.TextMessage, len(payload))
		}
	})
	// Output:
	// true 5
	// false 3
	// websocket: closed with code 1000: that is all
}

// Name the type of a message where it is passed on.
func ExampleMessageType() {
	shout := func(messageType http.MessageType, payload []byte) []byte {
		if messageType == http.TextMessage {
			return bytes.ToUpper(payload)
		}
		return payload
	}
	talk(echoMessages, func(conn *http.Conn) {
		conn.WriteMessage(http.TextMessage, []byte("hello"))
		messageType, payload, err := conn.ReadMessage()
		fmt.Printf("%s %v\n", shout(messageType, payload), err)
	})
	// Output: HELLO <nil>
}

func ExampleConn_WriteMessage() {
	talk(echoMessages, func(conn *http.Conn) {
		if err := conn.WriteMessage(http.BinaryMessage, []byte{0xCA, 0xFE}); err != nil {
			fmt.Println(err)
			return
		}
		_, payload, _ := conn.ReadMessage()
		fmt.Printf("%x\n", payload)
	})
	// Output: cafe
}

// A long message is read as a stream, in little memory.
func ExampleConn_NextReader() {
	serve := func(conn *http.Conn) {
		_, r, err := conn.NextReader()
		if err != nil {
			return
		}
		lines := 0
		for scanner := bufio.NewScanner(r); scanner.Scan(); {
			lines++
		}
		conn.WriteJSON(lines)
	}
	talk(serve, func(conn *http.Conn) {
		conn.WriteMessage(http.TextMessage, []byte(strings.Repeat("line\n", 10_000)))
		var lines int
		conn.ReadJSON(&lines)
		fmt.Println(lines)
	})
	// Output: 10000
}

// A message is sent while it is made.
func ExampleConn_NextWriter() {
	talk(echoMessages, func(conn *http.Conn) {
		w, err := conn.NextWriter(http.TextMessage)
		if err != nil {
			fmt.Println(err)
			return
		}
		for i := range 3 {
			fmt.Fprintf(w, "part %d; ", i)
		}
		w.Close()
		_, payload, _ := conn.ReadMessage()
		fmt.Println(string(payload))
	})
	// Output: part 0; part 1; part 2;
}

func ExampleConn_ReadJSON() {
	serve := func(conn *http.Conn) {
		var order struct {
			Item  string `json:"item"`
			Count int    `json:"count"`
		}
		if err := conn.ReadJSON(&order); err != nil {
			return
		}
		conn.WriteJSON(fmt.Sprint(order.Count, " × ", order.Item))
	}
	talk(serve, func(conn *http.Conn) {
		conn.WriteMessage(http.TextMessage, []byte(`{"item": "tea", "count": 2}`))
		var answer string
		conn.ReadJSON(&answer)
		fmt.Println(answer)
	})
	// Output: 2 × tea
}

func ExampleConn_WriteJSON() {
	talk(echoMessages, func(conn *http.Conn) {
		conn.WriteJSON(map[string]string{"status": "ok"})
		_, payload, _ := conn.ReadMessage()
		fmt.Println(string(payload))
	})
	// Output: {"status":"ok"}
}

// A message that goes to many is encoded once.
func ExampleNewPreparedMessage() {
	message, err := http.NewPreparedMessage(http.TextMessage, []byte("to everyone"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		talk(func(conn *http.Conn) { conn.WritePreparedMessage(message) }, func(conn *http.Conn) {
			_, payload, _ := conn.ReadMessage()
			fmt.Println(string(payload))
		})
	}
	// Output:
	// to everyone
	// to everyone
}

func ExampleConn_WritePreparedMessage() {
	message, _ := http.NewPreparedMessage(http.BinaryMessage, []byte{1, 2, 3})
	talk(echoMessages, func(conn *http.Conn) {
		conn.WritePreparedMessage(message)
		_, payload, _ := conn.ReadMessage()
		fmt.Println(payload)
	})
	// Output: [1 2 3]
}

// The pong tells that the peer is alive, and how far it is.
func ExampleConn_WritePing() {
	talk(echoMessages, func(conn *http.Conn) {
		conn.SetPongHandler(func(data []byte) error {
			fmt.Println("pong", string(data))
			return nil
		})
		conn.WritePing([]byte("heartbeat"))
		conn.WriteMessage(http.TextMessage, nil)
		conn.ReadMessage() // handles the pong on its way to the message
	})
	// Output: pong heartbeat
}

// A pong that answers nothing is a sign of life that asks for no answer.
func ExampleConn_WritePong() {
	serve := func(conn *http.Conn) {
		conn.SetPongHandler(func(data []byte) error {
			fmt.Println(string(data))
			return nil
		})
		conn.ReadMessage()
	}
	talk(serve, func(conn *http.Conn) { conn.WritePong([]byte("still here")) })
	// Output: still here
}

func ExampleConn_SetPingHandler() {
	serve := func(conn *http.Conn) {
		conn.SetPingHandler(func(data []byte) error {
			fmt.Println("ping received:", string(data))
			return conn.WritePong(data)
		})
		conn.ReadMessage()
	}
	talk(serve, func(conn *http.Conn) { conn.WritePing([]byte("are you there?")) })
	// Output: ping received: are you there?
}

// A client that answers no ping is given up.
func ExampleConn_SetPongHandler() {
	const patience = time.Minute
	serve := func(conn *http.Conn) {
		conn.SetReadDeadline(time.Now().Add(patience))
		conn.SetPongHandler(func([]byte) error {
			conn.SetReadDeadline(time.Now().Add(patience))
			return conn.WriteMessage(http.TextMessage, []byte("you are alive"))
		})
		conn.WritePing(nil) // from time to time
		conn.ReadMessage()
	}
	talk(serve, func(conn *http.Conn) {
		_, payload, _ := conn.ReadMessage() // answers the ping on the way
		fmt.Println(string(payload))
	})
	// Output: you are alive
}

func ExampleConn_SetMaxMessageSize() {
	serve := func(conn *http.Conn) {
		conn.SetMaxMessageSize(10)
		_, _, err := conn.ReadMessage()
		fmt.Println(errors.Is(err, http.ErrReadLimit))
	}
	talk(serve, func(conn *http.Conn) {
		conn.WriteMessage(http.TextMessage, []byte("more than ten bytes"))
		_, _, err := conn.ReadMessage()
		fmt.Println(err)
	})
	// Unordered output:
	// true
	// websocket: closed with code 1009: message too big
}

func ExampleConn_SetReadDeadline() {
	serve := func(conn *http.Conn) {
		conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		_, _, err := conn.ReadMessage()
		fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))
	}
	talk(serve, func(conn *http.Conn) { conn.ReadMessage() })
	// Output: true
}

// A client that does not read what it is sent is given up.
func ExampleConn_SetWriteDeadline() {
	serve := func(conn *http.Conn) {
		conn.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		for {
			if err := conn.WriteMessage(http.BinaryMessage, make([]byte, 1<<20)); err != nil {
				fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))
				return
			}
		}
	}
	served := make(chan struct{})
	talk(func(conn *http.Conn) { defer close(served); serve(conn) }, func(conn *http.Conn) { <-served })
	// Output: true
}

func ExampleConn_Close() {
	talk(func(conn *http.Conn) { conn.ReadMessage() }, func(conn *http.Conn) {
		fmt.Println(conn.Close())
		fmt.Println(conn.WriteMessage(http.TextMessage, nil) == http.ErrCloseSent)
	})
	// Output:
	// <nil>
	// true
}

func ExampleConn_CloseWithMessage() {
	serve := func(conn *http.Conn) { conn.CloseWithMessage(http.ClosePolicyViolation, "no spam") }
	talk(serve, func(conn *http.Conn) {
		_, _, err := conn.ReadMessage()
		fmt.Println(err)
	})
	// Output: websocket: closed with code 1008: no spam
}

// A peer that floods the server is not worth a closing handshake.
func ExampleConn_CloseNow() {
	serve := func(conn *http.Conn) {
		conn.ReadMessage()
		conn.CloseNow()
	}
	talk(serve, func(conn *http.Conn) {
		conn.WriteMessage(http.TextMessage, []byte("flood"))
		_, _, err := conn.ReadMessage()
		var closeErr *http.CloseError
		fmt.Println(errors.As(err, &closeErr) && closeErr.Code == http.CloseAbnormalClosure)
	})
	// Output: true
}

// A client that may ignore the close frame holds the handler for a moment only.
func ExampleConn_SetCloseTimeout() {
	served := make(chan struct{})
	serve := func(conn *http.Conn) {
		defer close(served)
		conn.SetCloseTimeout(10 * time.Millisecond)
		err := conn.CloseWithMessage(http.ClosePolicyViolation, "no spam")
		fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))
	}
	talk(serve, func(conn *http.Conn) { <-served }) // does not read
	// Output: true
}

func ExampleCloseError() {
	serve := func(conn *http.Conn) { conn.CloseWithMessage(http.CloseNormalClosure, "goodbye") }
	talk(serve, func(conn *http.Conn) {
		_, _, err := conn.ReadMessage()
		var closeErr *http.CloseError
		if errors.As(err, &closeErr) {
			fmt.Printf("closed with code %d: %s\n", closeErr.Code, closeErr.Text)
		}
	})
	// Output: closed with code 1000: goodbye
}

func ExampleCloseError_Error() {
	err := &http.CloseError{Code: http.CloseGoingAway, Text: "server shutting down"}
	fmt.Println(err.Error())
	// Output: websocket: closed with code 1001: server shutting down
}

// Behind a connection that ended without a close frame is an error of the
// network.
func ExampleCloseError_Unwrap() {
	var network net.Conn
	serve := func(conn *http.Conn) {
		_, _, err := conn.ReadMessage()
		var closeErr *http.CloseError
		if errors.As(err, &closeErr) && closeErr.Code == http.CloseAbnormalClosure {
			fmt.Println(closeErr.Unwrap() == io.ErrUnexpectedEOF)
		}
	}
	upgrader := http.Upgrader{}
	served := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(served)
		if conn, err := upgrader.Upgrade(w, r); err == nil {
			serve(conn)
			conn.Close()
		}
	}))
	defer srv.Close()
	_, _, err := http.Dial(context.Background(), srv.URL, &http.DialOptions{
		DialContext: func(ctx context.Context, proto, addr string) (conn net.Conn, err error) {
			network, err = new(net.Dialer).DialContext(ctx, proto, addr)
			return network, err
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	network.Close() // the cable is cut
	<-served
	// Output: true
}

func ExampleConn_Subprotocol() {
	upgrader := http.Upgrader{Subprotocols: []string{"chat.v2", "chat.v1"}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := upgrader.Upgrade(w, r); err == nil {
			conn.Close()
		}
	}))
	defer srv.Close()
	conn, _, err := http.Dial(context.Background(), srv.URL, &http.DialOptions{Subprotocols: []string{"chat.v1", "chat.v2"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	fmt.Println(conn.Subprotocol())
	// Output: chat.v2
}

func ExampleConn_RemoteAddr() {
	serve := func(conn *http.Conn) { fmt.Println(conn.RemoteAddr().(*net.TCPAddr).IP) }
	talk(serve, func(conn *http.Conn) { conn.ReadMessage() })
	// Output: 127.0.0.1
}

func ExampleConn_LocalAddr() {
	serve := func(conn *http.Conn) { fmt.Println(conn.LocalAddr().Network()) }
	talk(serve, func(conn *http.Conn) { conn.ReadMessage() })
	// Output: tcp
}

// A client that takes no longer than it has time for.
func ExampleDial() {
	upgrader := http.Upgrader{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := upgrader.Upgrade(w, r); err == nil {
			echoMessages(conn)
			conn.Close()
		}
	}))
	defer srv.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, _, err := http.Dial(ctx, "ws://"+srv.Listener.Addr().String(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	conn.WriteMessage(http.TextMessage, []byte("hello"))
	_, payload, _ := conn.ReadMessage()
	fmt.Println(string(payload))
	// Output: hello
}

// The options of a client that authenticates, and what it is told if that is
// not enough.
func ExampleDialOptions() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.WriteError(w, http.StatusForbidden, "token expired")
	}))
	defer srv.Close()
	_, res, err := http.Dial(context.Background(), srv.URL, &http.DialOptions{
		Header:            http.Header{"Authorization": {"Bearer old"}},
		EnableCompression: true,
	})
	fmt.Println(res.StatusCode)
	fmt.Println(err)
	// Output:
	// 403
	// websocket: dial: the server answered 403 Forbidden: "{\"error\":\"token expired\"}"
}

func ExampleGenerateKey() {
	key, err := base64.StdEncoding.DecodeString(http.GenerateKey())
	fmt.Println(len(key), err)
	// Output: 16 <nil>
}
