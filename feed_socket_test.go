package http_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// readAll reads messages until an error, in a goroutine.
func readAll(conn *http.Conn) (messages <-chan string, ended <-chan error) {
	m, e := make(chan string, 10_000), make(chan error, 1)
	go func() {
		for {
			_, message, err := conn.ReadMessage()
			if err != nil {
				e <- err
				return
			}
			m <- string(message)
		}
	}()
	return m, e
}

func TestFeedSendOnAClosedConn(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(server, client *http.Conn){
		"CloseNow": func(server, _ *http.Conn) { server.CloseNow() },
		"Close":    func(server, client *http.Conn) { closeBoth(server, client) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, client := wsPair(t, &http.Upgrader{}, nil)
			end(server, client)
			var feed http.Feed
			publish(t, &feed, "x")
			err := feed.Send(context.Background(), server, "")
			if !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrCloseSent) {
				t.Error(err)
			}
		})
	}
}

// Send ends when the client leaves, although the feed is quiet and the handler waits for Send
// before it closes the connection.
func TestFeedSendEndsWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(client *http.Conn){
		"closing":      func(client *http.Conn) { client.Close() },
		"disconnected": func(client *http.Conn) { client.CloseNow() },
		"violating":    func(client *http.Conn) { client.WriteMessage(http.TextMessage, []byte("\xff")) },
		"too large":    func(client *http.Conn) { client.WriteMessage(http.TextMessage, make([]byte, 101)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, client := wsPair(t, &http.Upgrader{}, nil)
			server.SetMaxMessageSize(100)
			_, ended := readAll(server)
			var feed http.Feed
			sent := make(chan error, 1)
			go func() { sent <- feed.Send(context.Background(), server, "") }()
			(&socket{t, client}).next() // the position
			go leave(client)
			testkit.Receive(t, ended, "the end of reading")
			if err := testkit.Receive(t, sent, "the end of Send"); !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		})
	}
}

// An event that is published while Close waits for the client must not end the wait.
func TestFeedSendDoesNotInterruptClose(t *testing.T) {
	t.Parallel()
	server, client := wsPair(t, &http.Upgrader{}, nil)
	var feed http.Feed
	sent, closed := make(chan error, 1), make(chan error, 1)
	go func() { sent <- feed.Send(context.Background(), server, "") }()
	s := &socket{t, client}
	s.next() // the position
	go func() { closed <- server.Close() }()
	for err := error(nil); err == nil; {
		publish(t, &feed, "x")
		select {
		case err = <-sent:
		default:
		}
	}
	_, ended := readAll(client)
	testkit.Receive(t, ended, "the close frame")
	client.Close()
	if err := testkit.Receive(t, closed, "the end of Close"); err != nil {
		t.Error(err)
	}
}

func TestFeedSendAfterItsHandlerHasReturned(t *testing.T) {
	t.Parallel()
	var feed http.Feed
	sent := make(chan error, 1)
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return
		}
		_, ended := readAll(conn)
		go func() {
			<-ended
			conn.CloseNow()
		}()
		go func() { sent <- feed.Send(context.Background(), conn, "") }()
	})
	conn := dialWS(t, "ws://"+srv.Addr(), nil)
	s := &socket{t, conn}
	s.next()
	for _, n := range numbers(0, 10) {
		publish(t, &feed, n)
		if got := s.next(); !strings.HasSuffix(got, `"data":`+n+`}`) {
			t.Error(got)
		}
	}
	conn.CloseNow()
	if err := testkit.Receive(t, sent, "the end of Send"); err == nil {
		t.Error("Send returned nil")
	}
}

// Several feeds, and messages of the handler in fragments, share one connection.
func TestFeedSendSharesItsConn(t *testing.T) {
	t.Parallel()
	for name, compress := range map[string]bool{"plain": false, "compressed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, client := wsPair(t, &http.Upgrader{EnableCompression: compress}, &http.DialOptions{EnableCompression: compress})
			client.SetMaxMessageSize(10 << 20)
			feeds := []*http.Feed{new(http.Feed), new(http.Feed)}
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			defer wg.Wait()
			defer cancel()
			for _, feed := range feeds {
				wg.Go(func() {
					if err := feed.Send(ctx, server, ""); !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
				})
			}
			go readAll(server)
			s := &socket{t, client}
			s.next()
			s.next() // both positions
			long := strings.Repeat("long message ", 100_000)
			wg.Go(func() {
				for range 10 {
					w, err := server.NextWriter(http.TextMessage)
					if err != nil {
						t.Error(err)
						return
					}
					io.Copy(w, bytes.NewReader([]byte(long)))
					w.Close()
				}
			})
			for i, feed := range feeds {
				wg.Go(func() {
					for _, n := range numbers(0, 200) {
						if _, err := feed.Publish(ctx, http.Event{Name: string(rune('a' + i)), Data: n}); err != nil {
							t.Error(err)
						}
					}
				})
			}
			next := map[string]int{}
			for range 10 + 2*200 {
				message := s.next()
				if message == long {
					next["long"]++
					continue
				}
				_, rest, _ := strings.Cut(message, `"event":"`)
				want := numbers(next[rest[:1]], next[rest[:1]]+1)[0]
				if rest[1:] != `","data":`+want+`}` {
					t.Fatalf("got %s, want event %s", message, want)
				}
				next[rest[:1]]++
			}
			if next["long"] != 10 || next["a"] != 200 || next["b"] != 200 {
				t.Errorf("%v", next)
			}
		})
	}
}

// pipeSocket connects to a feed through a pipe, in a synctest bubble. dial may wrap the
// client's end. sent receives the result of Send, and server the server's end.
func pipeSocket(t *testing.T, feed *http.Feed, wrap func(net.Conn) net.Conn) (client, server *http.Conn, sent <-chan error) {
	t.Helper()
	result, upgraded := make(chan error, 1), make(chan *http.Conn, 1)
	srv := startPipeServer(t, false, func(w http.ResponseWriter, r *http.Request) {
		conn, err := http.Upgrader{}.Upgrade(w, r)
		if err != nil {
			return
		}
		go readAll(conn)
		upgraded <- conn
		result <- feed.Send(context.Background(), conn, "")
	})
	t.Cleanup(func() { srv.Stop(noTime()) })
	client, _, err := http.Dial(t.Context(), "ws://localhost/", &http.DialOptions{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := srv.listener.Dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return wrap(conn), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.CloseNow() })
	return client, <-upgraded, result
}

func unwrapped(conn net.Conn) net.Conn { return conn }

// While Send waits for a client that does not read, the connection can be closed.
func TestConnCloseWhileFeedSendIsBlocked(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end   func(*http.Conn) error
		fails bool
		limit time.Duration
	}{
		"CloseNow": {(*http.Conn).CloseNow, false, 0},
		"Close":    {(*http.Conn).Close, true, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var feed http.Feed
				_, server, sent := pipeSocket(t, &feed, unwrapped)
				publish(t, &feed, strings.Repeat("x", 1<<20))
				synctest.Wait()
				start := time.Now()
				if err := tt.end(server); (err != nil) != tt.fails {
					t.Error(err)
				}
				if err := <-sent; err == nil {
					t.Error("Send returned nil")
				}
				if took := time.Since(start); took > tt.limit {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// A client that answers each ping late, but in time, stays connected.
func TestFeedSendToAClientThatAnswersLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		feed := http.NewFeed(http.FeedConfig{})
		client, _, sent := pipeSocket(t, feed, unwrapped)
		var pings atomic.Int64
		client.SetPingHandler(func(data []byte) error {
			pings.Add(1)
			time.Sleep(29 * time.Second) // of 30
			return client.WritePong(data)
		})
		messages, ended := readAll(client)
		time.Sleep(time.Hour)
		publish(t, feed, "x")
		time.Sleep(time.Minute)
		select {
		case err := <-sent:
			t.Errorf("Send: %v", err)
		case err := <-ended:
			t.Errorf("the client: %v", err)
		default:
		}
		if len(messages) != 2 || pings.Load() < 100 {
			t.Errorf("%d messages, %d pings", len(messages), pings.Load())
		}
		client.CloseNow()
		<-ended
	})
}

// A slowConn takes a second for each KB that is read.
type slowConn struct{ net.Conn }

func (c slowConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b[:min(len(b), 1<<10)])
	time.Sleep(time.Second * time.Duration(n) / (1 << 10))
	return n, err
}

// A client that takes minutes to read one message stays connected, although its answer to
// a ping comes after it.
func TestFeedSendToASlowClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var feed http.Feed
		client, _, sent := pipeSocket(t, &feed, func(conn net.Conn) net.Conn { return slowConn{conn} })
		messages, ended := readAll(client)
		<-messages
		for range 3 {
			publish(t, &feed, strings.Repeat("x", 500<<10))
			select {
			case err := <-sent:
				t.Fatalf("Send: %v", err)
			case err := <-ended:
				t.Fatalf("the client: %v", err)
			case m := <-messages:
				if len(m) < 500<<10 {
					t.Errorf("got %.100q", m)
				}
			}
		}
		client.CloseNow()
		<-ended
	})
}
