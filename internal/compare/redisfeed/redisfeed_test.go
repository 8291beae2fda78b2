package redisfeed_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/stanza-go/framework/pkg/http/internal/compare/redisfeed"
	"github.com/stanza-go/framework/pkg/http/internal/feed"
	"github.com/stanza-go/framework/pkg/http/internal/testing/feedtest"
)

func TestRedisPassesTheSuite(t *testing.T) {
	server := startRedis(t)
	feedtest.Suite{
		Open:    func(tb testing.TB) feed.Store { return server.store(tb, redisfeed.Config{Keep: 300}) },
		Dropped: 600,
		Flush:   func(testing.TB) { server.do("FLUSHALL") },
		Restart: func(testing.TB) { server.kill(); server.start() },
	}.Run(t)
}

func TestClientsThatHangOrRetryAreRejected(t *testing.T) {
	for name, options := range map[string]*redis.Options{
		"defaults":   {},
		"no timeout": {MaxRetries: -1},
		"retries":    {ContextTimeoutEnabled: true},
	} {
		client := redis.NewClient(options)
		defer client.Close()
		if _, err := redisfeed.New(client, redisfeed.Config{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	client := redis.NewClient(&redis.Options{MaxRetries: -1, ContextTimeoutEnabled: true})
	defer client.Close()
	if _, err := redisfeed.New(client, redisfeed.Config{Keep: -1}); err == nil {
		t.Error("Keep -1: no error")
	}
}

// TestKeysLastAsLongAsTheirEvents appends keys until the first events have been
// dropped.
func TestKeysLastAsLongAsTheirEvents(t *testing.T) {
	server := startRedis(t, "--appendfsync", "no")
	store := server.store(t, redisfeed.Config{Keep: 50})
	add := func(key string) string {
		id, err := store.Append(t.Context(), name, feed.Event{Data: key, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	for i := range 200 {
		add(strings.Repeat("k", i+1))
	}
	events := server.contents()
	if len(events) != 51 {
		t.Errorf("the stream has %d events, want 51", len(events))
	}
	if n := server.do("HLEN", key+":keys"); n != int64(len(events)) {
		t.Errorf("there are %d keys for %d events", n, len(events))
	}
	for _, e := range events {
		if id := add(e.Key); id != e.ID {
			t.Errorf("a key of an event in the stream got the new id %q", id)
		}
	}
	add("k") // whose event was dropped
	if n := len(server.contents()); n != 51 {
		t.Errorf("the stream has %d events after a dropped key returned", n)
	}
}

// TestDeletedStreamDoesNotKnowItsKeys deletes a stream without its keys.
func TestDeletedStreamDoesNotKnowItsKeys(t *testing.T) {
	server := startRedis(t, "--appendfsync", "no")
	store := server.store(t, redisfeed.Config{})
	add := func(key string) {
		if _, err := store.Append(t.Context(), name, feed.Event{Key: key}); err != nil {
			t.Fatal(err)
		}
	}
	add("k")
	add("another")
	server.do("DEL", key)
	if add("k"); len(server.contents()) != 1 {
		t.Errorf("there are %d events, want 1", len(server.contents()))
	}
	if n := server.do("HLEN", key+":keys"); n != int64(1) {
		t.Errorf("there are %d keys, want 1", n)
	}
	// Another stream may even have an entry with the same id.
	id, _, _ := strings.Cut(server.contents()[0].ID, ".")
	server.do("DEL", key)
	server.do("XADD", key, id, "t", "another", "n", "", "d", "by another program")
	if add("k"); len(server.contents()) != 2 {
		t.Errorf("there are %d events, want 2", len(server.contents()))
	}
	server.do("DEL", key)
	if _, err := store.Read(t.Context(), []feed.Position{{Feed: name}}); err != nil {
		t.Fatal(err)
	}
	if n := server.do("EXISTS", key+":keys"); n != int64(0) {
		t.Error("the keys of a deleted stream are still there after a Read")
	}
}

// TestForgottenKeyIsNotForgottenAgain loses the keys of a stream, as Redis may do if
// its memory is full, so that two events have the same Key. The Key must last as long
// as the second.
func TestForgottenKeyIsNotForgottenAgain(t *testing.T) {
	server := startRedis(t, "--appendfsync", "no")
	store := server.store(t, redisfeed.Config{Keep: 5})
	add := func(key string) string {
		id, err := store.Append(t.Context(), name, feed.Event{Key: key})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	first := add("k")
	server.do("DEL", key+":keys")
	second := add("k")
	for i := 0; server.contents()[0].ID == first; i++ {
		add(fmt.Sprint(i))
	}
	if got := add("k"); got != second {
		t.Errorf("the key has the id %q, want %q", got, second)
	}
}

// TestKeysNeverOutnumberEvents adds events in any order, new and known ones, with and
// without a Key.
func TestKeysNeverOutnumberEvents(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			server := startRedis(t, "--appendfsync", "no")
			random := rand.New(rand.NewPCG(seed, 0))
			keep := 5 + random.IntN(40)
			store := server.store(t, redisfeed.Config{Keep: keep})
			keyed := random.IntN(100) // percent
			for i := range 400 {
				e := feed.Event{Data: fmt.Sprint(i)}
				if random.IntN(100) < keyed {
					e.Key = fmt.Sprint(random.IntN(3 * keep))
				}
				server.appendAndCheck(store, e)
			}
			if n := len(server.contents()); n > keep+101 {
				t.Errorf("the stream has %d events, want about %d", n, keep)
			}
			for _, k := range []string{key, key + ":keys"} {
				if ttl := server.do("PTTL", k); ttl.(int64) == -1 {
					t.Errorf("%s does not expire", k)
				}
			}
		})
	}
}

// appendAndCheck adds an event and checks the stream and its keys.
func (s *server) appendAndCheck(store feed.Store, e feed.Event) {
	s.tb.Helper()
	before := s.contents()
	id, err := store.Append(s.tb.Context(), name, e)
	if err != nil {
		s.tb.Fatal(err)
	}
	events := s.contents()
	known := slices.IndexFunc(before, func(old feed.Event) bool { return e.Key != "" && old.Key == e.Key })
	e.ID = id
	switch {
	case known >= 0 && (id != before[known].ID || !slices.Equal(events, before)):
		s.tb.Fatalf("event %s: the known key %q got the id %q, want %q", e.Data, e.Key, id, before[known].ID)
	case known < 0 && events[len(events)-1] != e:
		s.tb.Fatalf("the last event is %+v, want %+v", events[len(events)-1], e)
	}
	keys := 0
	for _, e := range events {
		keys += min(len(e.Key), 1)
	}
	if n := s.do("HLEN", key+":keys"); n != int64(keys) {
		s.tb.Fatalf("event %s: Redis has %d keys for %d events with a key", e.Data, n, keys)
	}
}

// TestEmptiedStreamIsAGap removes all entries of a stream.
func TestEmptiedStreamIsAGap(t *testing.T) {
	server := startRedis(t, "--appendfsync", "no")
	store := server.store(t, redisfeed.Config{})
	id, err := store.Append(t.Context(), name, feed.Event{Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	server.do("XTRIM", key, "MAXLEN", 0)
	pages, err := store.Read(t.Context(), []feed.Position{{Feed: name, After: id}})
	if err != nil || !pages[0].Gap || pages[0].Next == "" || pages[0].Next == id {
		t.Errorf("read after the position of a removed event: %+v, %v", pages, err)
	}
}

// TestLargeEventsComeInSmallPages reads events of 1 MB.
func TestLargeEventsComeInSmallPages(t *testing.T) {
	server := startRedis(t, "--appendfsync", "no")
	store := server.store(t, redisfeed.Config{})
	for range 40 {
		if _, err := store.Append(t.Context(), name, feed.Event{Data: strings.Repeat("x", 1<<20)}); err != nil {
			t.Fatal(err)
		}
	}
	var sizes []int
	total := 0
	for position := (feed.Position{Feed: name}); ; {
		pages, err := store.Read(t.Context(), []feed.Position{position})
		if err != nil || pages[0].Gap {
			t.Fatal(pages, err)
		}
		position.After = pages[0].Next
		total += len(pages[0].Events)
		sizes = append(sizes, len(pages[0].Events))
		if !pages[0].More {
			break
		}
	}
	t.Logf("events of 1 MB in each page: %v", sizes)
	if total != 40 || slices.Max(sizes) > 4 {
		t.Errorf("read %d events, want 40", total)
	}
}

// TestQuietFollowedFeedDoesNotExpire follows a feed longer than KeepFor.
func TestQuietFollowedFeedDoesNotExpire(t *testing.T) {
	server := startRedis(t)
	store := server.store(t, redisfeed.Config{KeepFor: 3 * interval})
	if _, err := store.Append(t.Context(), name, feed.Event{Data: "1", Key: "k"}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Append(t.Context(), "other", feed.Event{}); err != nil {
		t.Fatal(err)
	}
	r := newRegistry(t, store)
	f := read(t, r, 0)
	after(9 * interval / 2)
	if n := server.do("EXISTS", "feed:{other}"); n != int64(0) {
		t.Error("a feed that nobody follows has not expired")
	}
	publishUntilAccepted(t, r, feed.Event{Data: "again", Key: "k"})
	publishUntilAccepted(t, r, feed.Event{Data: "2"})
	events := server.contents()
	if len(events) != 2 {
		t.Errorf("the stream has %d events, want 2", len(events))
	}
	f.want(0, events)
}

// BenchmarkAppend adds events of 1 KB to a feed that is full.
func BenchmarkAppend(b *testing.B) {
	for _, fsync := range []string{"no", "always"} {
		for _, keyed := range []bool{false, true} {
			b.Run(fmt.Sprintf("fsync=%s/keyed=%v", fsync, keyed), func(b *testing.B) {
				store := startRedis(b, "--appendfsync", fsync).store(b, redisfeed.Config{Keep: 200})
				n := 0
				for b.Loop() {
					n++
					e := feed.Event{Data: strings.Repeat("x", 1000)}
					if keyed {
						e.Key = fmt.Sprint(n)
					}
					if _, err := store.Append(b.Context(), name, e); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkReadQuiet reads 256 feeds that have no new events.
func BenchmarkReadQuiet(b *testing.B) {
	store := startRedis(b, "--appendfsync", "no").store(b, redisfeed.Config{})
	var after []feed.Position
	for i := range 256 {
		id, err := store.Append(b.Context(), fmt.Sprint(i), feed.Event{Data: strings.Repeat("x", 1000)})
		if err != nil {
			b.Fatal(err)
		}
		after = append(after, feed.Position{Feed: fmt.Sprint(i), After: id})
	}
	for b.Loop() {
		if _, err := store.Read(b.Context(), after); err != nil {
			b.Fatal(err)
		}
	}
}

// A server that reads a feed for the first time learns its position from before the
// first event, unless that was dropped.
func TestPositionOfTheEmptyFeedIsFirst(t *testing.T) {
	server := startRedis(t, "--appendfsync", "no")
	store := server.store(t, redisfeed.Config{Keep: 50})
	read := func(after string) feed.Page {
		pages, err := store.Read(t.Context(), []feed.Position{{Feed: name, After: after}})
		if err != nil {
			t.Fatal(err)
		}
		return pages[0]
	}
	empty := read("").Next
	for i := range 400 {
		if _, err := store.Append(t.Context(), name, feed.Event{Data: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			continue
		}
		for _, after := range []string{"", "unknown"} {
			if page := read(after); page.First != empty || len(page.Events) != 1 {
				t.Errorf("read after %q: %+v, want the first position %q", after, page, empty)
			}
		}
	}
	if page := read(""); page.First != "" {
		t.Errorf("after events were dropped, the first position is %q", page.First)
	}
}
