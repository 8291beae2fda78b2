package http_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"strings"

	"github.com/stanza-go/framework/pkg/http"
)

// When the peer closes the connection, ReadMessage returns an error that wraps
// a *[http.CloseError].
func ExampleConn_ReadMessage() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		if err := conn.WriteMessage(http.TextMessage, []byte("hello")); err != nil {
			return
		}
		if err := conn.WriteMessage(http.BinaryMessage, []byte{1, 2, 3}); err != nil {
			return
		}
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	for {
		messageType, payload, err := conn.ReadMessage()
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(messageType == http.TextMessage, len(payload))
	}
	// Output:
	// true 5
	// false 3
	// websocket: closed with code 1000
}

// This server sends a binary message.
func ExampleConn_WriteMessage() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		if err := conn.WriteMessage(http.BinaryMessage, []byte{0xCA, 0xFE}); err != nil {
			return // the connection is closed or broken
		}
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	_, payload, err := conn.ReadMessage()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%x\n", payload)
	// Output: cafe
}

// MessageType names the type in the signatures of functions.
func ExampleMessageType() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
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
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	send := func(messageType http.MessageType, text string) {
		if err := conn.WriteMessage(messageType, []byte(text)); err != nil {
			log.Fatal(err)
		}
	}
	send(http.TextMessage, "hello")
	send(http.BinaryMessage, "hello")
	for range 2 {
		messageType, payload, err := conn.ReadMessage()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(messageType == http.TextMessage, string(payload))
	}
	// Output:
	// true hello
	// false hello
}

// This server counts the lines of a long message without holding all of it in
// memory.
func ExampleConn_NextReader() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		_, message, err := conn.NextReader()
		if err != nil {
			return
		}
		lines := 0
		scanner := bufio.NewScanner(message)
		for scanner.Scan() {
			lines++
		}
		if scanner.Err() == nil {
			conn.WriteJSON(lines)
		}
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	text := strings.Repeat("line\n", 10_000)
	if err := conn.WriteMessage(http.TextMessage, []byte(text)); err != nil {
		log.Fatal(err)
	}
	var lines int
	if err := conn.ReadJSON(&lines); err != nil {
		log.Fatal(err)
	}
	fmt.Println(lines)
	// Output: 10000
}

// This server sends a message while it produces it. Closing the writer ends the
// message.
func ExampleConn_NextWriter() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		message, err := conn.NextWriter(http.TextMessage)
		if err != nil {
			return
		}
		defer message.Close()
		for i := range 3 {
			if _, err := fmt.Fprintf(message, "part %d; ", i); err != nil {
				return
			}
		}
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	_, payload, err := conn.ReadMessage()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(payload))
	// Output: part 0; part 1; part 2;
}

// This server decodes each message as an order.
func ExampleConn_ReadJSON() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		for {
			var order struct {
				Item  string `json:"item"`
				Count int    `json:"count"`
			}
			if err := conn.ReadJSON(&order); err != nil {
				return
			}
			if err := conn.WriteJSON(fmt.Sprintf("ordered %d of %s", order.Count, order.Item)); err != nil {
				return
			}
		}
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	order := `{"item": "tea", "count": 2}`
	if err := conn.WriteMessage(http.TextMessage, []byte(order)); err != nil {
		log.Fatal(err)
	}
	var answer string
	if err := conn.ReadJSON(&answer); err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer)
	// Output: ordered 2 of tea
}

// WriteJSON sends a value as a text message.
func ExampleConn_WriteJSON() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		if err := conn.WriteJSON(map[string]string{"status": "ok"}); err != nil {
			return
		}
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	_, payload, err := conn.ReadMessage()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(payload))
	// Output: {"status":"ok"}
}

// The message is encoded once and sent to two clients.
func ExampleNewPreparedMessage() {
	message, err := http.NewPreparedMessage(http.TextMessage, []byte("to everyone"))
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		if err := conn.WritePreparedMessage(message); err != nil {
			return
		}
	}))
	defer server.Close()

	for range 2 {
		conn, _, err := http.Dial(context.Background(), server.URL, nil)
		if err != nil {
			log.Fatal(err)
		}
		defer conn.Close()
		_, payload, err := conn.ReadMessage()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(payload))
	}
	// Output:
	// to everyone
	// to everyone
}

// A message can be prepared once, before any client connects.
func ExampleConn_WritePreparedMessage() {
	welcome, err := http.NewPreparedMessage(http.TextMessage, []byte("welcome"))
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		if err := conn.WritePreparedMessage(welcome); err != nil {
			return
		}
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	_, payload, err := conn.ReadMessage()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(payload))
	// Output: welcome
}
