package redisfeed_test

import (
	"bufio"
	"context"
	"fmt"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/compare/redisfeed"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// TestClientsMoveBetweenServers follows a feed on one server by server-sent
// events, and continues on another after Redis was killed.
func TestClientsMoveBetweenServers(t *testing.T) {
	server := startRedis(t)
	var feeds []*http.Feed
	var servers []*testkit.Server
	for range 2 {
		store, err := redisfeed.New(server.client(t), redisfeed.Config{})
		if err != nil {
			t.Fatal(err)
		}
		f := http.NewFeed(http.FeedConfig{Store: store, Name: name, Heartbeat: time.Second})
		t.Cleanup(f.Close)
		feeds = append(feeds, f)
		servers = append(servers, testkit.StartServer(t, testkit.HTTP1, f))
	}
	if _, err := feeds[0].Publish(t.Context(), http.Event{Data: "before"}); err != nil {
		t.Fatal(err)
	}
	id, events := follow(t, servers[0], "", 0) // leaves before it gets an event
	if id == "" || len(events) > 0 {
		t.Fatalf("the stream begins with the id %q and the events %v", id, events)
	}
	var want []string
	publish := func(n int) {
		for range n {
			data := fmt.Sprint(len(want))
			want = append(want, data)
			for {
				if _, err := feeds[len(want)%2].Publish(t.Context(), http.Event{Data: data, Key: data}); err == nil {
					break
				}
			}
		}
	}
	publish(20)
	var got []string
	for i := range 10 {
		id, events = follow(t, servers[(i+1)%2], id, 2)
		got = append(got, events...)
	}
	server.kill()
	server.start()
	publish(20)
	for i := range 10 {
		id, events = follow(t, servers[(i+1)%2], id, 2)
		got = append(got, events...)
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got the events %v, want %v", got, want)
	}
}

// follow opens a stream after an id and leaves after n events. It returns the
// last id and the data of the events.
func follow(t *testing.T, server *testkit.Server, after string, n int) (id string, events []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	r, err := nethttp.NewRequestWithContext(ctx, "GET", server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	res, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		line := lines.Text()
		switch name, value, _ := strings.Cut(line, ": "); name {
		case "id":
			id = value
		case "event":
			t.Fatalf("got the event %q", value)
		case "data":
			events = append(events, value)
		case "":
			if id != "" && len(events) >= n {
				return id, events
			}
		}
	}
	t.Fatalf("the stream ended after %d events of %d: %v", len(events), n, ctx.Err())
	return "", nil
}
