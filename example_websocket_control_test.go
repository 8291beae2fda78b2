package http_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// The pong arrives while a method reads, here while the client waits for the
// next message.
func ExampleConn_WritePing() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		for {
			if _, _, err := conn.ReadMessage(); err != nil { // also sends the pong
				return
			}
			if err := conn.WriteMessage(http.TextMessage, []byte("news")); err != nil {
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
	conn.SetPongHandler(func(data []byte) error {
		fmt.Println("pong:", string(data))
		return nil
	})
	if err := conn.WritePing([]byte("heartbeat")); err != nil {
		log.Fatal(err)
	}
	if err := conn.WriteMessage(http.TextMessage, []byte("any news?")); err != nil {
		log.Fatal(err)
	}
	_, payload, err := conn.ReadMessage()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(payload))
	// Output:
	// pong: heartbeat
	// news
}

// An unsolicited pong is a heartbeat that needs no response.
func ExampleConn_WritePong() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		if err := conn.WritePong([]byte("still here")); err != nil {
			return
		}
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	conn.SetPongHandler(func(data []byte) error {
		fmt.Println("pong:", string(data))
		return nil
	})
	_, _, err = conn.ReadMessage()
	fmt.Println(err)
	// Output:
	// pong: still here
	// websocket: closed with code 1000
}

// The handler must send the pong itself.
func ExampleConn_SetPingHandler() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		if err := conn.WritePing([]byte("are you there?")); err != nil {
			return
		}
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	conn.SetPingHandler(func(data []byte) error {
		fmt.Println("ping:", string(data))
		return conn.WritePong(data)
	})
	_, _, err = conn.ReadMessage()
	fmt.Println(err)
	// Output:
	// ping: are you there?
	// websocket: closed with code 1000
}

// Each pong extends the read deadline, so reading fails if the peer sends no
// pong for a minute. A program usually sends a ping for each tick of a
// [time.Ticker].
func ExampleConn_SetPongHandler() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		conn.ReadMessage() // sends the pong, then waits until the client closes the connection
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	pongs := make(chan string, 1)
	conn.SetPongHandler(func(data []byte) error {
		pongs <- string(data)
		return conn.SetReadDeadline(time.Now().Add(time.Minute))
	})
	go conn.ReadMessage() // calls the handler

	if err := conn.WritePing([]byte("1")); err != nil {
		log.Fatal(err)
	}
	fmt.Println("pong:", <-pongs)
	// Output: pong: 1
}

// If a message is too large, reading fails and the connection is closed with
// code 1009.
func ExampleConn_SetMaxMessageSize() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		if err := conn.WriteMessage(http.TextMessage, []byte("more than ten bytes")); err != nil {
			return
		}
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	conn.SetMaxMessageSize(10)
	_, _, err = conn.ReadMessage()
	var closeErr *http.CloseError
	fmt.Println(errors.Is(err, http.ErrReadLimit))
	fmt.Println(errors.As(err, &closeErr) && closeErr.Code == http.CloseMessageTooBig)
	// Output:
	// true
	// true
}

// This server waits no longer than 10 milliseconds for a message.
func ExampleConn_SetReadDeadline() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
			return
		}
		if _, _, err := conn.ReadMessage(); errors.Is(err, os.ErrDeadlineExceeded) {
			conn.CloseWithMessage(http.ClosePolicyViolation, "too slow")
		}
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	_, _, err = conn.ReadMessage()
	fmt.Println(err)
	// Output: websocket: closed with code 1008: too slow
}

// This server disconnects a client that does not read.
func ExampleConn_SetWriteDeadline() {
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		defer close(done)
		for {
			if err := conn.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
				return
			}
			if err := conn.WriteMessage(http.BinaryMessage, make([]byte, 1<<20)); err != nil {
				fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))
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
	<-done // the client never reads
	// Output: true
}

// This server disconnects a client that stops reading. A client that reads
// slowly stays connected, even if it needs longer for a message.
func ExampleConn_SetWriteTimeout() {
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		defer close(done)
		conn.SetWriteTimeout(10 * time.Millisecond)
		for {
			if err := conn.WriteMessage(http.BinaryMessage, make([]byte, 1<<20)); err != nil {
				fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))
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
	<-done // the client never reads
	// Output: true
}

// This client never reads, so it does not answer pings. A real server would use
// longer durations, for example 30 and 10 seconds.
func ExampleConn_KeepAlive() {
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		defer close(done)
		conn.KeepAlive(10*time.Millisecond, 20*time.Millisecond)
		_, _, err = conn.ReadMessage()
		fmt.Println(err)
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	<-done
	// Output: websocket: closed with code 1006: the peer does not answer: nothing arrived for 20ms after a ping
}

// Close waits until the peer has answered the close frame.
func ExampleConn_Close() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		conn.ReadMessage() // until the client closes the connection
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Println(conn.Close())
	err = conn.WriteMessage(http.TextMessage, []byte("too late"))
	fmt.Println(errors.Is(err, http.ErrCloseSent))
	// Output:
	// <nil>
	// true
}

// The client gets the code and the text.
func ExampleConn_CloseWithMessage() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		conn.CloseWithMessage(http.ClosePolicyViolation, "no spam")
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	_, _, err = conn.ReadMessage()
	fmt.Println(err)
	// Output: websocket: closed with code 1008: no spam
}

// CloseNow drops a client without a closing handshake, for example because it
// floods the server.
func ExampleConn_CloseNow() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		conn.CloseNow()
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	_, _, err = conn.ReadMessage()
	var closeErr *http.CloseError
	fmt.Println(errors.As(err, &closeErr) && closeErr.Code == http.CloseAbnormalClosure)
	// Output: true
}

// This server waits no longer than 10 milliseconds for the close frame of a
// client that may not send one.
func ExampleConn_SetCloseTimeout() {
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		conn.SetCloseTimeout(10 * time.Millisecond)
		err = conn.CloseWithMessage(http.ClosePolicyViolation, "no spam")
		fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))
		close(done)
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	<-done // the client never reads
	// Output: true
}

// Use [errors.As] to find the code and the text of the close frame.
func ExampleCloseError() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		conn.CloseWithMessage(http.CloseGoingAway, "maintenance")
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	_, _, err = conn.ReadMessage()
	var closeErr *http.CloseError
	if errors.As(err, &closeErr) && closeErr.Code == http.CloseGoingAway {
		fmt.Println("connect again later:", closeErr.Text)
	}
	// Output: connect again later: maintenance
}

// The text is left out if it is empty.
func ExampleCloseError_Error() {
	err := &http.CloseError{Code: http.CloseGoingAway, Text: "server shutting down"}
	fmt.Println(err)
	err = &http.CloseError{Code: http.CloseNormalClosure}
	fmt.Println(err)
	// Output:
	// websocket: closed with code 1001: server shutting down
	// websocket: closed with code 1000
}

// If the connection ends without a close frame, the error wraps the network
// error.
func ExampleCloseError_Unwrap() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return // Upgrade has sent an error response
		}
		defer conn.Close()
		conn.CloseNow()
	}))
	defer server.Close()

	conn, _, err := http.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	_, _, err = conn.ReadMessage()
	fmt.Println(errors.Is(err, io.ErrUnexpectedEOF))
	// Output: true
}
