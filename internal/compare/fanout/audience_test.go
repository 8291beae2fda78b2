package fanout_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	nethttp "net/http"
	"strings"
	"sync"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"

	"github.com/stanza-go/framework/pkg/http/internal/compare/fanout"
)

// An audience is the clients of a server. Each of them checks its events.
type audience struct {
	t    *testing.T
	size int // of the events' data

	mu   sync.Mutex
	news *sync.Cond
	last []int // number of the last event of each client
}

// newAudience connects clients, which are disconnected when the test ends.
func newAudience(t *testing.T, protocol fanout.Protocol, addr string, clients, size int) *audience {
	a := &audience{t: t, size: size, last: make([]int, clients)}
	a.news = sync.NewCond(&a.mu)
	open := openStream
	if protocol == fanout.WebSocket {
		open = openWebSocket
	}
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	for i := range clients {
		next, err := open(ctx, addr)
		if err != nil {
			cancel()
			t.Fatal(err)
		}
		done.Go(func() {
			for {
				data, err := next()
				if err != nil {
					if ctx.Err() == nil {
						t.Error(err)
					}
					return
				}
				a.take(i, data)
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		done.Wait()
	})
	return a
}

// take checks the data of an event that a client got.
func (a *audience) take(client int, data string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	number, _, found := fanout.CutNumber([]byte(data))
	if before := a.last[client]; !found || before > 0 && number != before+1 {
		a.t.Errorf("client %d got event %d after %d", client, number, before)
	}
	if data != fanout.NewEvent(number, a.size).Data {
		a.t.Errorf("client %d got %q", client, data)
	}
	a.last[client] = number
	a.news.Broadcast()
}

// await waits until all clients have an event. It reports whether they have it within
// the timeout.
func (a *audience) await(number int, timeout time.Duration) bool {
	late := false
	defer time.AfterFunc(timeout, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		late = true
		a.news.Broadcast()
	}).Stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	for client := 0; client < len(a.last); {
		switch {
		case a.last[client] >= number:
			client++
		case late:
			return false
		default:
			a.news.Wait()
		}
	}
	return true
}

// openStream opens an event stream, and returns a function that returns the data of
// the next event.
func openStream(ctx context.Context, addr string) (next func() (string, error), err error) {
	r, err := nethttp.NewRequestWithContext(ctx, nethttp.MethodGet, "http://"+addr+fanout.Path, nil)
	if err != nil {
		return nil, err
	}
	fields := make(chan string)
	var failure error
	go func() {
		defer close(fields)
		// go-sse sends the header with the first event.
		response, err := nethttp.DefaultClient.Do(r)
		if err != nil {
			failure = err
			return
		}
		defer response.Body.Close()
		lines := bufio.NewScanner(response.Body)
		for lines.Scan() {
			fields <- lines.Text()
		}
		failure = errors.Join(lines.Err(), errors.New("the stream has ended"))
	}()
	return func() (string, error) {
		var name, data string
		for line := range fields {
			field, value, _ := strings.Cut(line, ": ")
			switch {
			case field == "event":
				name = value
			case field == "data":
				data = value
			case line == "" && data != "":
				return data, checkName(name)
			}
		}
		return "", failure
	}, nil
}

func checkName(name string) error {
	if name != fanout.EventName {
		return fmt.Errorf("the name of an event is %q", name)
	}
	return nil
}

// openWebSocket is like openStream, but for a WebSocket.
func openWebSocket(ctx context.Context, addr string) (next func() (string, error), err error) {
	conn, _, err := gorilla.DefaultDialer.DialContext(ctx, "ws://"+addr+fanout.Path, nil)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	return func() (string, error) {
		for {
			_, message, err := conn.ReadMessage()
			if err != nil {
				return "", err
			}
			var envelope struct {
				ID, Event string
				Data      json.RawMessage
			}
			if err := json.Unmarshal(message, &envelope); err != nil {
				return "", err
			}
			switch {
			case envelope.ID == "":
				return string(message), nil // the others send only the data
			case envelope.Data != nil:
				return string(envelope.Data), checkName(envelope.Event)
			}
		}
	}, nil
}
