package redisfeed_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

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
			if pages, err := store.Read(t.Context(), positions); err != nil || len(pages) != len(positions) {
				t.Fatal(len(pages), err)
			}
		}
	}
	for i := range 50 {
		add(fmt.Sprint(i), "")
		empty = append(empty, feed.Position{Feed: fmt.Sprint("empty ", i)})
		unknown = append(unknown, feed.Position{Feed: fmt.Sprint(i), After: "1-1.unknown"})
	}
	read(known[:1])()
	read(unknown[:1])()
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
