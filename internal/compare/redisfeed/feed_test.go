package redisfeed_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	nethttp "net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/compare/redisfeed"
	"github.com/stanza-go/framework/pkg/http/internal/feed"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// TestClientsMoveBetweenServers follows a feed on one server by server-sent
// events, and continues on another after Redis was killed.
func TestClientsMoveBetweenServers(t *testing.T) {
	server := startRedis(t)
	var feeds []*http.Feed
	var servers []*testkit.Server
	for range 2 {
		f, s := serve(t, server.client(t))
		feeds = append(feeds, f)
		servers = append(servers, s)
	}
	publish(t, feeds, 0, 1)
	id, events := follow(t, servers[0], "", 0) // leaves before it gets an event
	if id == "" || len(events) > 0 {
		t.Fatalf("the stream begins with the id %q and the events %v", id, events)
	}
	publish(t, feeds, 1, 21)
	var got, want []string
	for i := range 20 {
		if i == 10 {
			server.kill()
			server.start()
			publish(t, feeds, 21, 41)
		}
		id, events = follow(t, servers[(i+1)%2], id, 2)
		got = append(got, events...)
		want = append(want, fmt.Sprint(2*i+1), fmt.Sprint(2*i+2))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got the events %v, want %v", got, want)
	}
}

// serve serves the feed on a server that uses a client of Redis.
func serve(t *testing.T, client *redis.Client) (*http.Feed, *testkit.Server) {
	t.Helper()
	store, err := redisfeed.New(client, redisfeed.Config{Patience: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	f := http.NewFeed(http.FeedConfig{Store: store, Name: name, Heartbeat: time.Second})
	t.Cleanup(f.Close)
	return f, testkit.StartServer(t, testkit.HTTP1, f)
}

// publish publishes the numbers from <= i < to and returns the last id.
func publish(t *testing.T, feeds []*http.Feed, from, to int) (id string) {
	t.Helper()
	for i := from; i < to; i++ {
		e := http.Event{Data: fmt.Sprint(i), Key: fmt.Sprint(i)}
		for try := 0; ; try++ {
			var err error
			if id, err = feeds[(i+try)%len(feeds)].Publish(t.Context(), e); err == nil {
				break
			}
		}
	}
	return id
}

// TestClientsMoveToAServerThatLags continues on a server that has not read the
// client's last event yet, because it cannot reach Redis, or because its
// connections are half-open, which it has not noticed.
func TestClientsMoveToAServerThatLags(t *testing.T) {
	for _, lag := range []struct {
		name       string
		begin, end func(*proxy)
	}{
		{"no network", func(p *proxy) { p.set(true, false) }, func(p *proxy) { p.set(false, false) }},
		{"half-open connections", (*proxy).freeze, func(*proxy) {}},
	} {
		t.Run(lag.name, func(t *testing.T) {
			redis := startRedis(t)
			p := startProxy(t, redis.socket)
			ahead, first := serve(t, redis.client(t))
			_, second := serve(t, p.client(t))
			begin := publish(t, []*http.Feed{ahead}, 0, 1)
			other := open(t, second, "", "") // so that the server has the feed
			other.position()
			lag.begin(p)
			publish(t, []*http.Feed{ahead}, 1, 10)
			id, events := follow(t, first, begin, 5)
			moved := open(t, second, id, "")
			publish(t, []*http.Feed{ahead}, 10, 15)
			lag.end(p)
			for len(events) < 14 {
				events = append(events, moved.next())
			}
			if got := strings.Join(events, " "); got != "1 2 3 4 5 6 7 8 9 10 11 12 13 14" {
				t.Errorf("the client that moved got the events %s", got)
			}
			for i := 1; i < 15; i++ {
				if got := other.next(); got != fmt.Sprint(i) {
					t.Errorf("the client that stayed got the event %s, want %d", got, i)
				}
			}
		})
	}
}

// TestUnknownIDsAreOneGap returns with ids that are not of this feed.
func TestUnknownIDsAreOneGap(t *testing.T) {
	server := startRedis(t)
	f, s := serve(t, server.client(t))
	lost := publish(t, []*http.Feed{f}, 0, 1)
	server.do("FLUSHALL")
	id := publish(t, []*http.Feed{f}, 1, 2)
	other, err := newStore(t, server.client(t), redisfeed.Config{}).Append(t.Context(), "other", feed.Event{})
	if err != nil {
		t.Fatal(err)
	}
	unknown := unknownIDs(id)
	unknown["before FLUSHALL"], unknown["another feed"] = lost, other
	for kind, after := range unknown {
		t.Run(kind, func(t *testing.T) {
			streams := []*stream{open(t, s, "", url.QueryEscape(after))}
			if kind != "control" { // which no header can contain
				streams = append(streams, open(t, s, after, ""))
			}
			want := fmt.Sprint("event of ", kind)
			for _, stream := range streams {
				if got := stream.next(); got != "gap" {
					t.Errorf("first came %q, want a gap", got)
				}
			}
			for err := errors.New("not tried"); err != nil; { // a busy machine may exceed the timeout
				_, err = f.Publish(t.Context(), http.Event{Data: want, Key: want})
			}
			for _, stream := range streams {
				if got := stream.next(); got != want {
					t.Errorf("after the gap came %q, want %q", got, want)
				}
			}
		})
	}
}

// unknownIDs returns ids that resemble the id of an event, or do not.
func unknownIDs(id string) map[string]string {
	entry, tag, _ := strings.Cut(id, ".")
	return map[string]string{
		"of the future": "9" + entry + "." + tag,
		"next sequence": entry + "1." + tag,
		"another tag":   entry + ".x",
		"no tag":        entry + ".",
		"only an entry": entry,
		"huge numbers":  "9999999999999999999-9999999999999999999.x",
		"garbage":       "x",
		"65 bytes":      strings.Repeat("1", 65),
		"1 MB":          strings.Repeat("1", 1_000_000),
		"control":       "\r\n\x00\x1b[0m" + id,
		"not UTF-8":     "\xff",
		"Redis":         "- + COUNT 1",
	}
}

// A stream is an event stream that a client reads.
type stream struct {
	t     *testing.T
	close func()
	lines *bufio.Scanner
	id    string // the last one
}

// open opens a stream after an id, which is in the header or in the query.
func open(t *testing.T, server *testkit.Server, header, query string) *stream {
	t.Helper()
	r, err := nethttp.NewRequestWithContext(t.Context(), "GET", server.URL+"?lastEventID="+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != "" {
		r.Header.Set("Last-Event-ID", header)
	}
	res, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	closeBody := func() { _ = res.Body.Close() } // the client leaves
	t.Cleanup(closeBody)
	if res.StatusCode != nethttp.StatusOK {
		t.Fatal(res.Status)
	}
	return &stream{t: t, close: closeBody, lines: bufio.NewScanner(res.Body)}
}

// block returns the name and the data of the next block that has an id.
func (s *stream) block() (name, data string) {
	s.t.Helper()
	timer := time.AfterFunc(testkit.Patience, func() { panic("the stream is silent") })
	defer timer.Stop()
	id := ""
	for s.lines.Scan() {
		switch field, value, _ := strings.Cut(s.lines.Text(), ": "); field {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			data = value
		case "":
			if id != "" {
				s.id = id
				return name, data
			}
		}
	}
	s.t.Fatalf("the stream ended: %v", s.lines.Err())
	return "", ""
}

// position waits for the position with which the stream begins.
func (s *stream) position() { s.block() }

// next returns the data of the next event, or "gap".
func (s *stream) next() string {
	s.t.Helper()
	for {
		name, data := s.block()
		switch {
		case name != "":
			return name
		case data != "":
			return data
		}
	}
}

// follow opens a stream after an id and leaves after n events. It returns the last id
// and the data of the events.
func follow(t *testing.T, server *testkit.Server, after string, n int) (id string, events []string) {
	t.Helper()
	s := open(t, server, after, "")
	defer s.close()
	s.position()
	for len(events) < n {
		events = append(events, s.next())
	}
	return s.id, events
}

// serveHistory serves the feed, from its first event on, and returns the URL.
func serveHistory(t *testing.T, client *redis.Client, config redisfeed.Config) string {
	t.Helper()
	store, err := redisfeed.New(client, config)
	if err != nil {
		t.Fatal(err)
	}
	f := http.NewFeed(http.FeedConfig{
		Store: store, Name: name, Heartbeat: interval,
		History: true, Keep: config.Keep, KeepBytes: 1 << 30,
	})
	t.Cleanup(f.Close)
	return testkit.StartServer(t, testkit.HTTP1, f).URL
}

// readHTTP follows the feed by server-sent events. If leave is positive, the reader
// goes to the next URL after that many events.
func readHTTP(t *testing.T, urls []string, leave int) *reader {
	t.Helper()
	urls = slices.Clone(urls)
	client := &nethttp.Client{Transport: &nethttp.Transport{}}
	f := startReader(t, func(ctx context.Context, f *reader) {
		for i := 0; ctx.Err() == nil; i++ {
			f.stream(ctx, client, urls[i%len(urls)], leave)
			client.CloseIdleConnections()
		}
	})
	f.until("a position", func() bool { return f.steps > 0 })
	return f
}

// stream follows one stream until it ends, or has had leave events.
func (f *reader) stream(ctx context.Context, client *nethttp.Client, address string, leave int) {
	r, err := nethttp.NewRequestWithContext(ctx, "GET", address, nil)
	if err != nil {
		f.tb.Error(err)
		return
	}
	if last := f.position(); last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	res, err := client.Do(r)
	if err != nil {
		return // the test has ended, or the follower waits for an event in vain
	}
	defer res.Body.Close()
	var e feed.Event
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		switch field, value, _ := strings.Cut(lines.Text(), ": "); field {
		case "id":
			e.ID = value
		case "event":
			e.Name = value
		case "data":
			e.Data = value
		case "":
			more := f.block(e)
			if e = (feed.Event{}); more && leave == 1 {
				return
			} else if more && leave > 1 {
				leave--
			}
		}
	}
}

// block takes a block of a stream. It reports whether the block is an event.
func (f *reader) block(e feed.Event) bool {
	switch {
	case e.Name == "gap":
		f.take(feed.Step{Gap: true, Position: e.ID})
	case e.Data != "":
		f.take(feed.Step{Events: []*feed.Entry{{Event: e}}})
		return true
	case e.ID != "":
		f.take(feed.Step{Position: e.ID})
	}
	return false
}
