package http_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// A room sends each message to all of its members. Every member has a queue and
// a goroutine that writes, so a client that stops reading does not delay the
// others: if its queue is full, or a write takes 10 seconds, it is disconnected.
type room struct {
	mu     sync.Mutex
	queues map[chan *http.PreparedMessage]bool // one per member
}

func (r *room) join() chan *http.PreparedMessage {
	queue := make(chan *http.PreparedMessage, 256)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.queues == nil {
		r.queues = make(map[chan *http.PreparedMessage]bool)
	}
	r.queues[queue] = true
	return queue
}

func (r *room) leave(queue chan *http.PreparedMessage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(queue)
}

// remove closes the queue unless it is already closed. The caller must hold r.mu.
func (r *room) remove(queue chan *http.PreparedMessage) {
	if r.queues[queue] {
		delete(r.queues, queue)
		close(queue)
	}
}

func (r *room) send(text string) error {
	message, err := http.NewPreparedMessage(http.TextMessage, []byte(text))
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for queue := range r.queues {
		select {
		case queue <- message:
		default: // 256 messages behind
			r.remove(queue)
		}
	}
	return nil
}

// ServeHTTP adds a client to the room. It does so before the handshake, so that
// the client gets every message that is sent after the handshake.
func (r *room) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	queue := r.join()
	defer r.leave(queue)
	var upgrader http.Upgrader
	conn, err := upgrader.Upgrade(w, req)
	if err != nil {
		return
	}
	defer conn.Close()
	go write(conn, queue)
	for {
		_, payload, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if err := r.send(string(payload)); err != nil {
			return
		}
	}
}

// write sends the messages in the queue until the queue is closed or a write
// fails. Then it closes the connection, which ends the goroutine that reads.
func write(conn *http.Conn, queue chan *http.PreparedMessage) {
	defer conn.Close()
	for message := range queue {
		conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if err := conn.WritePreparedMessage(message); err != nil {
			return
		}
	}
}

// This example is a chat room that one slow client cannot delay.
func ExamplePreparedMessage() {
	router := http.NewRouter()
	router.Handle("GET /room", new(room))
	server := httptest.NewServer(router)
	defer server.Close()

	var members []*http.Conn
	for range 3 {
		conn, _, err := http.Dial(context.Background(), server.URL+"/room", nil)
		if err != nil {
			log.Fatal(err)
		}
		defer conn.Close()
		members = append(members, conn)
	}
	if err := members[0].WriteMessage(http.TextMessage, []byte("hello, everyone")); err != nil {
		log.Fatal(err)
	}
	for _, conn := range members {
		_, payload, err := conn.ReadMessage()
		fmt.Println(string(payload), err)
	}
	// Output:
	// hello, everyone <nil>
	// hello, everyone <nil>
	// hello, everyone <nil>
}
