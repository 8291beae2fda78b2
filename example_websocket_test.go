package http_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"log"
	"log/slog"
	"net/http/httptest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// This server sends every message back.
func ExampleUpgrader() {
	upgrader := http.Upgrader{
		Subprotocols:      []string{"echo.v1"},
		EnableCompression: true,
	}
	router := http.NewRouter()
	router.HandleFunc("GET /echo", func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
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
	server := httptest.NewServer(router)
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL+"/echo", &http.DialOptions{
		Subprotocols: []string{"echo.v1"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	if err := conn.WriteMessage(http.TextMessage, []byte("hello")); err != nil {
		log.Fatal(err)
	}
	_, payload, err := conn.ReadMessage()
	fmt.Println(string(payload), err, conn.Subprotocol())
	// Output: hello <nil> echo.v1
}

// Pages of one other site and of its subdomains may connect, in addition to
// pages of the server itself.
func ExampleUpgrader_allowOrigins() {
	upgrader := http.Upgrader{
		AllowOrigins: []string{"https://example.com", "https://*.example.com"},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		conn.Close()
	}))
	defer server.Close()

	for _, origin := range []string{"https://app.example.com", "https://evil.example"} {
		conn, res, err := http.Dial(context.Background(), server.URL, &http.DialOptions{
			Header: http.Header{"Origin": {origin}},
		})
		if err == nil {
			conn.Close()
		}
		fmt.Println(origin, res.Status)
	}
	// Output:
	// https://app.example.com 101 Switching Protocols
	// https://evil.example 403 Forbidden
}

// This server accepts connections from pages of one other origin.
func ExampleUpgrader_checkOrigin() {
	upgrader := http.Upgrader{
		CheckOrigin: func(r *http.Request) bool {
			return r.Header.Get("Origin") == "https://app.example.com"
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		conn.Close()
	}))
	defer server.Close()

	for _, origin := range []string{"https://app.example.com", "https://evil.example"} {
		conn, res, err := http.Dial(context.Background(), server.URL, &http.DialOptions{
			Header: http.Header{"Origin": {origin}},
		})
		if err == nil {
			conn.Close()
		}
		fmt.Println(origin, res.Status)
	}
	// Output:
	// https://app.example.com 101 Switching Protocols
	// https://evil.example 403 Forbidden
}

// If the request is not a WebSocket handshake, Upgrade sends an error response
// and the handler only has to return.
func ExampleUpgrader_Upgrade() {
	var upgrader http.Upgrader
	handler := func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		defer conn.Close()
		// Read and write messages.
	}

	logger := slog.New(slog.DiscardHandler)
	ctx := http.ContextWithLogger(context.Background(), logger)
	rec := httptest.NewRecorder()
	handler(rec, httptest.NewRequestWithContext(ctx, "GET", "/", nil))
	fmt.Println(rec.Code, rec.Header().Get("Upgrade"), rec.Header().Get("Sec-WebSocket-Version"))
	// Output: 426 websocket 13
}

// Authenticate before the handshake; a failure is then an ordinary response.
func ExampleUpgrader_Upgrade_authenticate() {
	users := map[string]string{"1f3a": "Ada"} // by the value of the session cookie
	var upgrader http.Upgrader
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie("session")
		if err != nil || users[cookie.Value] == "" {
			http.WriteError(w, http.StatusUnauthorized, "log in first")
			return
		}
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		conn.Close()
	}))
	defer server.Close()

	for _, cookie := range []string{"session=1f3a", "session=2e5b"} {
		conn, res, err := http.Dial(context.Background(), server.URL, &http.DialOptions{
			Header: http.Header{"Cookie": {cookie}},
		})
		if err == nil {
			conn.Close()
		}
		fmt.Println(res.Status)
	}
	// Output:
	// 101 Switching Protocols
	// 401 Unauthorized
}

// This server sends events. One goroutine reads, to notice that the client has
// disconnected; another one writes.
func ExampleConn() {
	events := make(chan string, 2)
	events <- "one"
	events <- "two"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		disconnected := make(chan struct{})
		go func() {
			defer close(disconnected)
			for {
				if _, _, err := conn.ReadMessage(); err != nil {
					return
				}
			}
		}()
		heartbeat := time.NewTicker(30 * time.Second)
		defer heartbeat.Stop()
		for err == nil {
			select {
			case <-disconnected:
				return
			case event := <-events:
				err = conn.WriteMessage(http.TextMessage, []byte(event))
			case <-heartbeat.C:
				err = conn.WritePing(nil)
			}
		}
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	for range 2 {
		_, payload, err := conn.ReadMessage()
		fmt.Println(string(payload), err)
	}
	// Output:
	// one <nil>
	// two <nil>
}

// The server's order of preference decides.
func ExampleConn_Subprotocol() {
	upgrader := http.Upgrader{Subprotocols: []string{"chat.v2", "chat.v1"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		conn.Close()
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, &http.DialOptions{
		Subprotocols: []string{"chat.v1", "chat.v2"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Println(conn.Subprotocol())
	// Output: chat.v2
}

// On a client, RemoteAddr returns the address of the server, or of a proxy.
func ExampleConn_RemoteAddr() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		conn.Close()
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Println(conn.RemoteAddr().String() == server.Listener.Addr().String())
	// Output: true
}

// On a server, LocalAddr returns the address that the client connected to.
func ExampleConn_LocalAddr() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		if err := conn.WriteJSON(conn.LocalAddr().String()); err != nil {
			return
		}
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	var local string
	if err := conn.ReadJSON(&local); err != nil {
		log.Fatal(err)
	}
	fmt.Println(local == conn.RemoteAddr().String())
	// Output: true
}

// The context limits how long the handshake may take. Dial also accepts ws and
// wss URLs.
func ExampleDial() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		if err := conn.WriteMessage(http.TextMessage, []byte("hello")); err != nil {
			return
		}
	}))
	defer server.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, res, err := http.Dial(ctx, server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Println(res.Status)

	_, payload, err := conn.ReadMessage()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(payload))
	// Output:
	// 101 Switching Protocols
	// hello
}

// This client authenticates with a token. The server rejects it, and Dial
// returns the server's response with the error.
func ExampleDialOptions() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.WriteError(w, http.StatusForbidden, "token expired")
	}))
	defer server.Close()

	_, res, err := http.Dial(context.Background(), server.URL, &http.DialOptions{
		Header:            http.Header{"Authorization": {"Bearer old"}},
		EnableCompression: true,
	})
	fmt.Println(res.StatusCode)
	fmt.Println(err)
	// Output:
	// 403
	// websocket: dial: the server responded with 403 Forbidden: "{\"error\":\"token expired\"}"
}

// A client that does the handshake itself needs a key. Dial generates one.
func ExampleGenerateKey() {
	key, err := base64.StdEncoding.DecodeString(http.GenerateKey())
	fmt.Println(len(key), err)
	// Output: 16 <nil>
}
