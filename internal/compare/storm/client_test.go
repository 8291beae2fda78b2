package storm_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	nethttp "net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
)

// A client follows the feed as a page does: it reconnects with the last id, after the
// time that the stream has set.
type client struct {
	addr   string
	socket bool

	seen      atomic.Int64 // number of the newest event, or of the state
	snapshots atomic.Int64
	gaps      atomic.Int64
	cleanEnds atomic.Int64 // ends that the server has announced

	// Used by the goroutine of the client.
	id    string
	next  int64 // number that the next event must have, or 0 after a snapshot
	state int64 // the last snapshot
	retry time.Duration

	mu      sync.Mutex
	retries []time.Duration
	err     error // a missing or repeated event
}

// follow follows the feed until ctx is done.
func (c *client) follow(ctx context.Context) {
	c.retry = time.Second
	for ctx.Err() == nil {
		err := c.stream(ctx)
		var closed *http.CloseError
		if err == nil || errors.As(err, &closed) && closed.Code == http.CloseGoingAway {
			c.cleanEnds.Add(1)
		}
		select {
		case <-time.After(c.retry):
		case <-ctx.Done():
		}
	}
}

// stream reads one stream, and returns nil if it ends as it should.
func (c *client) stream(ctx context.Context) error {
	if c.socket {
		return c.readSocket(ctx)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	fmt.Fprintf(conn, "GET /events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: %s\r\n\r\n", c.id)
	res, err := nethttp.ReadResponse(bufio.NewReaderSize(conn, 1<<10), nil)
	if err != nil {
		return err
	}
	if res.StatusCode != 200 {
		return errors.New(res.Status)
	}
	scanner := bufio.NewScanner(res.Body)
	scanner.Buffer(make([]byte, 256), 8<<10)
	var id, name, data string
	for scanner.Scan() {
		field, value, _ := strings.Cut(scanner.Text(), ": ")
		switch field {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			data = value
		case "retry":
			ms, _ := strconv.Atoi(value) // 0 is seen in the check of all retries
			c.setRetry(time.Duration(ms) * time.Millisecond)
		case "":
			c.take(id, name, data)
			name, data = "", ""
		}
	}
	return scanner.Err()
}

func (c *client) readSocket(ctx context.Context) error {
	conn, _, err := http.Dial(ctx, "ws://"+c.addr+"/socket", nil)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	defer context.AfterFunc(ctx, func() { conn.CloseNow() })()
	for {
		var message struct {
			ID, Event string
			Data      json.RawMessage
		}
		if err := conn.ReadJSON(&message); err != nil {
			return err
		}
		c.take(message.ID, message.Event, string(message.Data))
	}
}

func (c *client) setRetry(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retry = d
	c.retries = append(c.retries, d)
}

// take checks an event.
func (c *client) take(id, name, data string) {
	c.id = id
	number, _ := strconv.ParseInt(strings.TrimSpace(data), 10, 64) // of other events, 0
	switch name {
	case "gap":
		c.gaps.Add(1)
	case "state":
		c.state, c.next = number, 0
		c.seen.Store(number)
		c.snapshots.Add(1)
	case "n":
		if c.next == 0 && number > c.state+1 || c.next > 0 && number != c.next {
			c.mu.Lock()
			c.err = errors.Join(c.err, fmt.Errorf("event %d came, want %d, after the state %d", number, c.next, c.state))
			c.mu.Unlock()
		}
		c.next = number + 1
		c.seen.Store(max(c.seen.Load(), number))
	}
}

// startClients starts clients, which end with the test or when end is called.
func startClients(t *testing.T, addr string, streams, sockets int) (clients []*client, end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range streams + sockets {
		c := &client{addr: addr, socket: i >= streams}
		clients = append(clients, c)
		wg.Go(func() { c.follow(ctx) })
	}
	end = func() {
		cancel()
		wg.Wait()
	}
	t.Cleanup(end)
	return clients, end
}

// failure returns the first error of a client, with its number.
func failure(clients []*client) error {
	for i, c := range clients {
		c.mu.Lock()
		err := c.err
		c.mu.Unlock()
		if err != nil {
			return fmt.Errorf("client %d: %w", i, err)
		}
	}
	return nil
}

// await waits until done is true for all clients.
func await(t *testing.T, clients []*client, what string, done func(*client) bool) {
	t.Helper()
	begin := time.Now()
	for deadline := begin.Add(3 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		left := 0
		for _, c := range clients {
			if !done(c) {
				left++
			}
		}
		if left == 0 {
			t.Logf("%s: all %d clients after %v", what, len(clients), time.Since(begin).Round(time.Millisecond))
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d clients of %d are missing", what, left, len(clients))
		}
	}
}
