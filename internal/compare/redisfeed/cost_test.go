package redisfeed_test

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/compare/redisfeed"
	"github.com/stanza-go/framework/pkg/http/internal/feed"
)

// info returns a number from the reply to INFO. The pattern has one group.
func (s *server) info(section, pattern string) int {
	s.tb.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(s.do("INFO", section).(string))
	if found == nil {
		return 0
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		s.tb.Fatal(err)
	}
	return n
}

// scripts returns how many scripts Redis has run since CONFIG RESETSTAT.
func (s *server) scripts() int { return s.info("commandstats", `cmdstat_evalsha:calls=(\d+)`) }

// TestRoundTrips counts the round trips of calls when Redis has the scripts. A call
// of Read reads several feeds.
func TestRoundTrips(t *testing.T) {
	server := startRedis(t, "--appendfsync", "no")
	p := startProxy(t, server.socket)
	store := newStore(t, p.client(t), redisfeed.Config{})
	var known, empty, unknown []feed.Position
	add := func(name, key string) {
		id, err := store.Append(t.Context(), name, feed.Event{Data: name, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		known = append(known, feed.Position{Feed: name, After: id})
	}
	read := func(positions []feed.Position) func() {
		return func() {
			if _, err := store.Read(t.Context(), positions); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 50 {
		add(fmt.Sprint(i), "")
		empty = append(empty, feed.Position{Feed: fmt.Sprint("empty ", i)})
		unknown = append(unknown, feed.Position{Feed: fmt.Sprint(i), After: "1-1.unknown"})
	}
	read(known[:1])()
	for _, test := range []struct {
		name string
		call func()
	}{
		{"Append", func() { add("0", "") }},
		{"Append with a key", func() { add("0", "key") }},
		{"Append with a known key", func() { add("0", "key") }},
		{"Read of feeds without new events", read(known)},
		{"first Read of empty feeds", read(empty)},
		{"Read after unknown positions", read(unknown)},
		{"Read of all of these", read(append(unknown, known...))},
	} {
		if n := p.roundTrips(test.call); n != 1 {
			t.Errorf("%s: %d round trips, want 1", test.name, n)
		}
	}
	server.do("SCRIPT", "FLUSH")
	if n := p.roundTrips(read(known)); n > 3 {
		t.Errorf("Read without the script: %d round trips, want at most 3", n)
	}
}

// TestReadsOfQuietFeedsAreShort reads feeds whose last event is large.
func TestReadsOfQuietFeedsAreShort(t *testing.T) {
	server := startRedis(t, "--appendfsync", "no")
	store := server.store(t, redisfeed.Config{})
	var positions []feed.Position
	for i := range 20 {
		name := fmt.Sprint(i)
		id, err := store.Append(t.Context(), name, feed.Event{Data: strings.Repeat("x", 1<<20)})
		if err != nil {
			t.Fatal(err)
		}
		positions = append(positions, feed.Position{Feed: name, After: id})
	}
	sent := func() int { return server.info("stats", `total_net_output_bytes:(\d+)`) }
	before := sent()
	pages, err := store.Read(t.Context(), positions)
	if err != nil || pages[0].Gap || len(pages[0].Events) > 0 {
		t.Fatal(pages, err)
	}
	if n := sent() - before; n > 64<<10 {
		t.Errorf("Redis sent %d bytes for 20 feeds without new events", n)
	}
}

// TestReadIsBounded reads many feeds that have many large events.
func TestReadIsBounded(t *testing.T) {
	server := startRedis(t, "--appendfsync", "no")
	store := server.store(t, redisfeed.Config{})
	const feeds, each, length = 20, 15, 200_000
	var positions []feed.Position
	for i := range feeds {
		positions = append(positions, feed.Position{Feed: fmt.Sprint(i)})
		for range each {
			if _, err := store.Append(t.Context(), fmt.Sprint(i), feed.Event{Data: strings.Repeat("x", length)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, reads, largest := 0, 0, 0
	for len(positions) > 0 {
		reads++
		pages, err := store.Read(t.Context(), positions)
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		var next []feed.Position
		for i, page := range pages {
			for _, e := range page.Events {
				size += len(e.Data)
				got++
			}
			if page.More {
				next = append(next, feed.Position{Feed: positions[i].Feed, After: page.Next})
			}
		}
		largest = max(largest, size)
		positions = next
	}
	t.Logf("%d events of %d bytes came in %d reads of at most %d bytes", got, length, reads, largest)
	if got != feeds*each {
		t.Errorf("read %d events, want %d", got, feeds*each)
	}
	if largest > 4<<20+feeds*length {
		t.Errorf("one read returned %d bytes", largest)
	}
}

// followAll follows n feeds with the names 0 to n-1 and returns when each follower
// has its position.
func followAll(t *testing.T, r *feed.Registry, n int) []*feed.Follower {
	t.Helper()
	followers := make([]*feed.Follower, n)
	for i := range followers {
		f, err := r.Follow(fmt.Sprint(i), "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(f.Close)
		followers[i] = f
	}
	for _, f := range followers {
		if step, err := f.Wait(t.Context()); err != nil || step.Position == "" || step.Gap {
			t.Fatal(step, err)
		}
	}
	return followers
}

// heartbeatReads returns how often one process may have read feeds since a time
// because of the interval: each at most twice an interval.
func heartbeatReads(feeds int, start time.Time) int {
	return feeds * int(time.Since(start)/(interval/2)+2)
}

// TestQuietFeedsAreReadOncePerInterval counts what Redis does for feeds that are
// followed and get no events.
func TestQuietFeedsAreReadOncePerInterval(t *testing.T) {
	server := startRedis(t, "--appendfsync", "no")
	const feeds = 1000
	client := server.client(t)
	r := newRegistry(t, newStore(t, client, redisfeed.Config{}))
	followAll(t, r, feeds)
	server.do("CONFIG", "RESETSTAT")
	start, cpu := time.Now(), server.cpu()
	after(3 * interval)
	reads, took, used := server.scripts(), time.Since(start), server.cpu()-cpu
	written := server.info("stats", `total_net_output_bytes:(\d+)`)
	t.Logf("%d feeds, interval %v, %v: Redis ran %d scripts (%.1f per feed and interval), sent %d bytes and used %.0f ms of CPU time; the client has %d connections",
		feeds, interval, took.Round(time.Millisecond), reads, float64(reads)/feeds/(float64(took)/float64(interval)), written, used*1000, client.PoolStats().TotalConns)
	if n := server.info("commandstats", `cmdstat_pexpire:calls=(\d+)`); n > 0 {
		t.Errorf("the expiry of feeds was renewed %d times, although it was far away", n)
	}
	if reads < feeds || reads > heartbeatReads(feeds, start) {
		t.Errorf("%d feeds were read %d times in %v", feeds, reads, took)
	}
}

// cpu returns the CPU time that Redis has used, in seconds.
func (s *server) cpu() float64 {
	return float64(s.info("cpu", `used_cpu_user:(\d+)`)) + float64(s.info("cpu", `used_cpu_user:\d+\.(\d+)`))/1e6
}

// TestManyFeedsUnderLoad publishes to feeds that two processes follow.
func TestManyFeedsUnderLoad(t *testing.T) {
	server := startRedis(t, "--appendfsync", "no")
	const feeds, writers = 1000, 8
	n := count(t, 5000)
	var registries []*feed.Registry
	var followers [][]*feed.Follower
	for range 2 {
		r := newRegistry(t, server.store(t, redisfeed.Config{Keep: 10 * n}))
		registries = append(registries, r)
		followers = append(followers, followAll(t, r, feeds))
	}
	server.do("CONFIG", "RESETSTAT")
	start := time.Now()
	var published sync.WaitGroup
	for w := range writers {
		published.Go(func() {
			for i := w; i < n; i += writers {
				e := feed.Event{Data: fmt.Sprint(i), Key: fmt.Sprint(i)}
				for err := errors.New("not tried"); err != nil && t.Context().Err() == nil; {
					_, err = registries[w%2].Publish(t.Context(), fmt.Sprint(i%feeds), e) // fails if Redis is slow
				}
			}
		})
	}
	published.Wait()
	took := time.Since(start)
	for _, all := range followers {
		for i, f := range all {
			want := (n - i + feeds - 1) / feeds
			if got := next(t, f, want); len(got) != want {
				t.Fatalf("feed %d: got %d events, want %d", i, len(got), want)
			}
		}
	}
	scripts := server.scripts()
	t.Logf("%d events for %d feeds in %v; 2 processes had all of them %v later; Redis ran %.1f scripts per event",
		n, feeds, took.Round(time.Millisecond), (time.Since(start) - took).Round(time.Millisecond), float64(scripts)/float64(n))
	// One script adds an event. In the process that publishes it, the return of Append
	// and the announcement may each cause a read, and in the other one the latter.
	if most := 4*n + heartbeatReads(2*feeds, start); scripts > most {
		t.Errorf("Redis ran %d scripts, want at most %d", scripts, most)
	}
}

// next returns the next n events of a follower.
func next(t *testing.T, f *feed.Follower, n int) []feed.Event {
	t.Helper()
	var events []feed.Event
	for len(events) < n {
		step, err := f.Wait(t.Context())
		if err != nil || step.Gap {
			t.Fatal(step, err)
		}
		for _, e := range step.Events {
			events = append(events, e.Event)
		}
	}
	return events
}
