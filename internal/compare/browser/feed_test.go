package browser_test

import (
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/stanza-go/framework/pkg/http"
	"github.com/stanza-go/framework/pkg/http/internal/compare/redisfeed"
	"github.com/stanza-go/framework/pkg/http/internal/compare/tools"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// soon is how long the browser waits before it reconnects.
const soon = 50 * time.Millisecond

// idOf returns the id at the end of a report.
func idOf(report string) string { return report[strings.LastIndexByte(report, ' ')+1:] }

// paths are the pages that follow a feed with EventSource and with a WebSocket.
var paths = []string{"/plain", "/socket"}

// A stream begins with a position, which is not an event. A page that disconnects
// before its first event continues from there. With EventSource, the browser itself
// keeps the position.
func TestPageThatGotOnlyAPositionContinues(t *testing.T) {
	t.Parallel()
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, http.NewFeed(http.FeedConfig{Retry: soon}))
			page := newBrowser(t).open()
			page.visit(s.url + path)
			first := s.next()
			if first.last != "" {
				t.Errorf("the first request has the id %q", first.last)
			}
			page.await("open")
			s.hold()
			first.cut()
			second := s.next()
			missed := s.say("one", "two")
			s.release()
			if second.last == "" {
				t.Error("the page does not send the position when it reconnects")
			}
			page.await("open")
			page.want(missed...)
			page.want(s.say("three")...)
			s.none()
		})
	}
}

// A page gets a gap as an event with an id, from which it continues.
func TestGapInAPage(t *testing.T) {
	t.Parallel()
	said := func(texts ...string) http.FeedConfig {
		list, _ := json.Marshal(texts)
		return http.FeedConfig{Snapshot: func(context.Context, string) (http.Event, error) {
			return http.Event{Name: "list", Data: string(list)}, nil
		}}
	}
	for _, test := range []struct {
		name   string
		config http.FeedConfig
		first  string   // event for a new page
		after  []string // events after the gap, without ids
	}{
		{name: "history", config: http.FeedConfig{History: true}, after: []string{"said three", "said four"}},
		{name: "snapshot", config: said("a"), first: `list ["a"]`, after: []string{`list ["a"]`}},
		{name: "neither"},
	} {
		for _, path := range paths {
			t.Run(test.name+path, func(t *testing.T) {
				t.Parallel()
				config := test.config
				config.Keep, config.Retry = 2, soon
				s := newSite(t, http.NewFeed(config))
				page := newBrowser(t).open()
				page.visit(s.url + path)
				page.await("open")
				if test.first != "" {
					page.wantWithID(test.first)
				}
				one := s.say("one")
				page.want(one...)
				missed := s.sayWhileCut(s.next(), idOf(one[0]), "two", "three", "four")
				page.await("open")
				id := page.wantWithID("gap {}")
				for _, want := range test.after {
					id = page.wantWithID(want)
				}
				if id != idOf(missed[2]) {
					t.Errorf("the page is at %s, and the feed at %v", id, missed)
				}
				page.want(s.sayWhileCut(s.next(), id, "five")...) // without another gap
			})
		}
	}
}

// sayWhileCut interrupts a page and publishes events before it has reconnected, which
// it must do with the id last. It returns the reports of the page.
func (s *site) sayWhileCut(f *following, last string, texts ...string) (reports []string) {
	s.t.Helper()
	s.hold()
	defer s.release()
	f.cut()
	again := s.next()
	if again.last != last {
		s.t.Errorf("the page reconnects with %q, want %q", again.last, last)
	}
	s.arrivals <- again // for the caller
	return s.say(texts...)
}

// A closed feed answers 204, after which EventSource never reconnects.
func TestPageOfAClosedFeedStops(t *testing.T) {
	t.Parallel()
	feed := http.NewFeed(http.FeedConfig{Retry: time.Millisecond})
	s := newSite(t, feed)
	page := newBrowser(t).open()
	page.visit(s.url + "/plain")
	page.await("open")
	first := s.next()
	one := s.say("one")
	feed.Close()
	page.want(one...)
	testkit.Receive(t, first.done, "end of the stream")
	if again := s.next(); again.last != idOf(one[0]) {
		t.Errorf("the page reconnects with %q after %q", again.last, one)
	}
	page.await("closed")
	other := newSite(t, http.NewFeed(http.FeedConfig{Retry: soon}))
	page = page.b.open()
	page.visit(other.url + "/plain")
	other.passTime(other.next())
	s.none()
}

// The server stops while pages follow the feed, and starts again at the same address.
func TestPageAfterARestartOfTheServer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		// start returns the feed before the restart and the one after it.
		start func(t *testing.T) (before, after *http.Feed)
		gap   bool
	}{
		{name: "the process keeps the feed", start: func(*testing.T) (before, after *http.Feed) {
			feed := http.NewFeed(http.FeedConfig{History: true, Retry: soon})
			return feed, feed
		}},
		{name: "the store keeps the feed", start: func(t *testing.T) (before, after *http.Feed) {
			config := http.FeedConfig{History: true, Retry: soon, Name: "said", Store: newStore(t)}
			return http.NewFeed(config), http.NewFeed(config)
		}},
		{name: "the feed is lost", gap: true, start: func(*testing.T) (before, after *http.Feed) {
			config := http.FeedConfig{History: true, Retry: soon}
			return http.NewFeed(config), http.NewFeed(config)
		}},
	} {
		for _, path := range []string{"/plain", "/socket"} {
			t.Run(test.name+path, func(t *testing.T) {
				t.Parallel()
				before, after := test.start(t)
				s := newSite(t, before)
				page := newBrowser(t).open()
				page.visit(s.url + path)
				s.next()
				page.await("open")
				page.want(s.say("one", "two")...)
				s.stop()
				s.use(after)
				missed := s.say("three", "four")
				s.restart()
				page.await("open")
				if test.gap {
					page.wantWithID("gap {}")
				}
				page.want(missed...)
				page.want(s.say("five")...)
			})
		}
	}
}

// newStore returns a store in a Redis that runs until the test ends.
func newStore(t *testing.T) http.FeedStore {
	t.Helper()
	address := testkit.FreeAddress(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	cmd := tools.StartRedis(t, t.TempDir(), "--port", port, "--bind", "127.0.0.1")
	t.Cleanup(func() { tools.StopRedis(cmd) })
	client := redis.NewClient(&redis.Options{Addr: address, ContextTimeoutEnabled: true, MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() }) // the server is killed next
	store, err := redisfeed.New(client, redisfeed.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}
