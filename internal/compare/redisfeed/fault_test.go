package redisfeed_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stanza-go/framework/pkg/http/internal/compare/redisfeed"
	"github.com/stanza-go/framework/pkg/http/internal/feed"
	"github.com/stanza-go/framework/pkg/http/internal/testing/testkit"
)

// count returns how many events a test publishes. The environment variable
// REDISFEED_EVENTS, if it is set, makes the tests longer.
func count(tb testing.TB, usual int) int {
	s := os.Getenv("REDISFEED_EVENTS")
	if s == "" {
		return usual
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// A publication publishes events from several goroutines. It notes which were
// accepted.
type publication struct {
	mu       sync.Mutex
	accepted map[string]string // data, by id
	keyed    map[string]string // accepted id, by key
	failed   int               // calls that returned an error
	lost     int               // events without a key that were given up
	retried  int               // events with a key whose first try failed
	total    atomic.Int64      // events accepted or given up
}

// publish publishes the events from <= i < to to registries. Every second one has a Key, and is
// published until it is accepted. The others are tried once.
func (p *publication) publish(tb testing.TB, from, to int, registries ...*feed.Registry) *sync.WaitGroup {
	p.accepted, p.keyed = make(map[string]string), make(map[string]string)
	const writers = 8
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := from + w; i < to && tb.Context().Err() == nil; i += writers {
				e := feed.Event{Name: "e", Data: fmt.Sprint(i)}
				if i/writers%2 == 0 {
					e.Key = "key " + e.Data
				}
				p.one(tb.Context(), e, i, registries)
				p.total.Add(1)
			}
		})
	}
	return &wg
}

func (p *publication) one(ctx context.Context, e feed.Event, i int, registries []*feed.Registry) {
	for try := 0; ctx.Err() == nil; try++ {
		// The instances take turns, also for retries.
		id, err := registries[(i/8+i+try)%len(registries)].Publish(ctx, name, e)
		p.mu.Lock()
		if err == nil {
			p.accepted[id] = e.Data
			if e.Key != "" {
				p.keyed[e.Key] = id
				p.retried += min(try, 1)
			}
			p.mu.Unlock()
			return
		}
		p.failed++
		if e.Key == "" {
			p.lost++
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// reached waits until n events have been accepted or given up.
func (p *publication) reached(n int) {
	for p.total.Load() < int64(n) {
		after(time.Millisecond)
	}
}

// check compares what was accepted with what is in the stream.
func (p *publication) check(tb testing.TB, events []feed.Event) {
	tb.Helper()
	ids, data := make(map[string]bool), make(map[string]bool)
	for _, e := range events {
		ids[e.ID] = true
		if data[e.Data] {
			tb.Errorf("event %s is in the stream twice", e.Data)
		}
		data[e.Data] = true
		if id := p.keyed[e.Key]; e.Key != "" && id != e.ID {
			tb.Errorf("%q has the id %q, but Publish returned %q", e.Key, e.ID, id)
		}
	}
	for id, data := range p.accepted {
		if !ids[id] {
			tb.Errorf("event %s was accepted with the id %q and is not there", data, id)
		}
	}
	if p.failed == 0 {
		tb.Error("no call of Publish failed: the test tests nothing")
	}
}

// TestKilledConnectionsLoseNothing kills all connections again and again.
func TestKilledConnectionsLoseNothing(t *testing.T) {
	server := startRedis(t)
	n := count(t, 2000)
	config := redisfeed.Config{Keep: 10 * n}
	a, b := newRegistry(t, server.store(t, config)), newRegistry(t, server.store(t, config))
	readers := []*reader{read(t, a, 0), read(t, b, 0), read(t, b, 5)}
	var p publication
	done := p.publish(t, 0, n, a, b)
	for i := range 10 {
		p.reached(i * n / 12)
		server.do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		server.do("CLIENT", "KILL", "TYPE", "pubsub")
	}
	done.Wait()
	events := server.contents()
	for _, f := range readers {
		f.want(0, events)
	}
	p.check(t, events)
	t.Logf("%d accepted, %d calls failed", len(p.accepted), p.failed)
}

// TestDeletedStreamWithLowerIDsIsAGap replaces a stream by one whose ids are
// lower, equal and higher.
func TestDeletedStreamWithLowerIDsIsAGap(t *testing.T) {
	server := startRedis(t)
	r := newRegistry(t, server.store(t, redisfeed.Config{}))
	f := read(t, r, 0)
	gaps := 0
	for _, id := range []string{"1-1", "same", "99999999999999-1"} {
		last := publishUntilAccepted(t, r, feed.Event{Data: "before " + id})
		f.until("the event", func() bool { return f.last == last })
		if id == "same" {
			id, _, _ = strings.Cut(last, ".")
		}
		client := server.client(t)
		pipe := client.TxPipeline()
		pipe.Do(t.Context(), "DEL", key)
		pipe.Do(t.Context(), "XADD", key, id, "t", "tag", "n", "", "d", "lower")
		pipe.Do(t.Context(), "PUBLISH", "feed:changed", name)
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		gaps++
		f.want(gaps, server.contents())
		server.do("DEL", key)
		if id != "1-1" { // the first time, the deletion is found by the next regular read
			server.do("PUBLISH", "feed:changed", name)
		}
		gaps++
		f.until("a gap", func() bool { return f.gaps == gaps })
	}
}

// TestReplyLostAfterExecution drops the reply to an Append that Redis has
// executed.
func TestReplyLostAfterExecution(t *testing.T) {
	server := startRedis(t)
	p := startProxy(t, server.socket)
	direct := newRegistry(t, server.store(t, redisfeed.Config{}))
	r := newRegistry(t, newStore(t, p.client(t), redisfeed.Config{}))
	f := read(t, direct, 0)
	publishUntilAccepted(t, r, feed.Event{Data: "0"})
	p.set(false, true)
	for _, e := range []feed.Event{{Data: "1"}, {Data: "2", Key: "k"}} {
		for failed := false; !failed; { // a first try may fail to connect
			_, err := r.Publish(t.Context(), name, e)
			if err == nil {
				t.Fatal("no error, although the reply was lost")
			}
			for _, there := range server.contents() {
				failed = failed || there.Data == e.Data
			}
			if !failed { // connect again, which needs replies
				p.set(false, false)
				if _, err := r.Publish(t.Context(), "another", feed.Event{}); err != nil {
					t.Log(err)
				}
				p.set(false, true)
			}
		}
	}
	p.set(false, false)
	p.cut()
	for {
		id, err := r.Publish(t.Context(), name, feed.Event{Data: "2", Key: "k"})
		if err != nil { // a connection that was cut
			continue
		}
		events := server.contents()
		if len(events) != 3 || id != events[2].ID {
			t.Errorf("the retry returned %q, and the stream has %v", id, events)
		}
		f.want(0, events)
		return
	}
}

// TestSilentNetworkIsNotAGap lets a proxy forward nothing to a process that follows,
// either for a while, or on the connections that there are.
func TestSilentNetworkIsNotAGap(t *testing.T) {
	for _, halfOpen := range []bool{false, true} {
		t.Run(fmt.Sprint("half-open=", halfOpen), func(t *testing.T) {
			server := startRedis(t)
			p := startProxy(t, server.socket)
			direct := newRegistry(t, server.store(t, redisfeed.Config{}))
			r := newRegistry(t, newStore(t, p.client(t), redisfeed.Config{Patience: 500 * time.Millisecond}))
			f := read(t, r, 0)
			if halfOpen {
				p.freeze()
			} else {
				p.set(true, false)
				if id, err := r.Publish(t.Context(), name, feed.Event{}); err == nil {
					t.Errorf("Publish returned %q, although the network is silent", id)
				}
			}
			for i := range 100 {
				publishUntilAccepted(t, direct, feed.Event{Data: fmt.Sprint(i)})
			}
			if !halfOpen {
				after(time.Second)
				p.set(false, false)
			}
			f.want(0, server.contents())
		})
	}
}

// TestRedisStopsDuringAppend stops Redis when it has the bytes of three calls of
// Append, two of which have the same Key.
func TestRedisStopsDuringAppend(t *testing.T) {
	server := startRedis(t)
	p := startProxy(t, server.socket)
	f := read(t, newRegistry(t, newStore(t, p.client(t), redisfeed.Config{})), 0)
	events := []feed.Event{{Data: "without a key"}, {Data: "with a key", Key: "k"}, {Data: "with a key", Key: "k"}}
	var stores []feed.Store
	for range events {
		store := newStore(t, p.client(t), redisfeed.Config{})
		if _, err := store.Append(t.Context(), name, feed.Event{Data: "connects"}); err != nil {
			t.Fatal(err)
		}
		stores = append(stores, store)
	}
	server.signal(syscall.SIGSTOP)
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	var calls sync.WaitGroup
	for i, store := range stores {
		calls.Go(func() {
			if id, err := store.Append(ctx, name, events[i]); err == nil {
				t.Errorf("Append returned %q, although Redis was stopped", id)
			}
		})
	}
	calls.Wait()
	server.signal(syscall.SIGCONT)
	server.reached(6) // with the position of the empty feed
	id, err := stores[0].Append(t.Context(), name, events[1])
	if err != nil {
		t.Fatal(err)
	}
	there := server.contents()
	var found []string
	for _, e := range there {
		if e.Key == "k" {
			found = append(found, e.ID)
		}
	}
	if len(there) != 5 || len(found) != 1 || found[0] != id {
		t.Errorf("the last try returned %q, and the stream has %v", id, there)
	}
	f.want(0, there)
}

// TestSilentConnectionEndsWatch lets a proxy forward nothing any more, without
// closing a connection.
func TestSilentConnectionEndsWatch(t *testing.T) {
	server := startRedis(t)
	p := startProxy(t, server.socket)
	const patience = time.Second
	store := newStore(t, p.client(t), redisfeed.Config{Patience: patience})
	rings, ended := make(chan string, 10), make(chan error, 1)
	go func() { ended <- store.Watch(t.Context(), func(name string) { rings <- name }) }()
	if got := testkit.Receive(t, rings, "a ring"); got != "" {
		t.Errorf("the first ring is for %q", got)
	}
	after(2 * patience) // quiet, but alive
	select {
	case err := <-ended:
		t.Fatal(err)
	default:
	}
	p.set(true, false)
	if err := testkit.Receive(t, ended, "the end of Watch"); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("Watch returned %v", err)
	}
}

// TestFullMemoryIsAnErrorOfPublish fills Redis, whose policy is to reject writes.
func TestFullMemoryIsAnErrorOfPublish(t *testing.T) {
	server := startRedis(t, "--appendfsync", "no")
	r := newRegistry(t, server.store(t, redisfeed.Config{}))
	f := read(t, r, 0)
	event := feed.Event{Data: strings.Repeat("x", 10_000)}
	publishUntilAccepted(t, r, event)
	server.do("CONFIG", "SET", "maxmemory", "1mb", "maxmemory-policy", "noeviction")
	rejected := 0
	for range 10 {
		id, err := r.Publish(t.Context(), name, event)
		if err == nil {
			t.Errorf("Publish with a full memory returned %q", id)
			continue
		}
		rejected += strings.Count(err.Error(), "OOM")
	}
	if rejected == 0 {
		t.Error("Redis did not reject an event")
	}
	late := read(t, r, 0) // the feed can be read nevertheless
	late.want(0, server.contents())
	after(interval + interval/2)
	server.do("CONFIG", "SET", "maxmemory", "0")
	publishUntilAccepted(t, r, feed.Event{Data: "fits again"})
	events := server.contents()
	if len(events) != 2 {
		t.Errorf("the stream has %d events, want 2", len(events))
	}
	f.want(0, events)
	late.want(0, events)
}

// TestEvictedFeedIsNeverSilent lets Redis delete feeds, because its memory is full,
// while they are published to.
func TestEvictedFeedIsNeverSilent(t *testing.T) {
	server := startRedis(t, "--appendfsync", "no")
	store := server.store(t, redisfeed.Config{})
	a, b := newRegistry(t, store), newRegistry(t, server.store(t, redisfeed.Config{}))
	readers := []*reader{read(t, a, 0), read(t, b, 0), read(t, b, 3)}
	limit := server.info("memory", `used_memory:(\d+)`) + 400_000
	server.do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "maxmemory", fmt.Sprint(limit))
	numbers := make(map[string]int)
	failed := 0
	publish := func(name string, length int) {
		id, err := store.Append(t.Context(), name, feed.Event{Data: strings.Repeat("x", length)})
		switch {
		case err != nil:
			failed++
		case name == "f":
			numbers[id] = len(numbers)
		}
	}
	for i := range 1000 {
		publish(name, 3000)
		publish(fmt.Sprint("other ", i%50), 3000)
	}
	server.do("CONFIG", "SET", "maxmemory", "0")
	for accepted := len(numbers); len(numbers) == accepted; {
		publish(name, 0)
	}
	events := server.contents()
	for i, f := range readers {
		f.until("the last event", func() bool { return f.last == events[len(events)-1].ID })
		got := f.checkRuns(numbers)
		t.Logf("follower %d got %d of %d accepted events, and %d gaps; %d calls failed", i, got, len(numbers), f.gaps, failed)
	}
}

// checkRuns checks that the events between gaps have consecutive numbers, which are
// given by their ids. It returns how many events there are.
func (f *reader) checkRuns(numbers map[string]int) (got int) {
	f.tb.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, run := range append(f.runs, f.events) {
		got += len(run)
		for i := range run[:max(len(run)-1, 0)] {
			if before, next := numbers[run[i].ID], numbers[run[i+1].ID]; next != before+1 {
				f.tb.Errorf("event %d came after event %d without a gap", next, before)
			}
		}
	}
	if f.gaps == 0 {
		f.tb.Error("there was no gap: the test tests nothing")
	}
	return got
}

// TestPromotedReplicaWithoutTheLastEventsIsAGap moves to a replica that lacks
// events.
func TestPromotedReplicaWithoutTheLastEventsIsAGap(t *testing.T) {
	primary := startRedis(t, "--port", strings.TrimPrefix(testkit.FreeAddress(t), "127.0.0.1:"), "--repl-diskless-sync-delay", "0")
	port := primary.args[len(primary.args)-3]
	replica := startRedis(t, "--replicaof", "127.0.0.1 "+port)
	p := startProxy(t, primary.socket)
	a := newRegistry(t, newStore(t, p.client(t), redisfeed.Config{}))
	b := newRegistry(t, newStore(t, p.client(t), redisfeed.Config{}))
	readers := []*reader{read(t, a, 0), read(t, b, 0)}
	for i := range 10 {
		publishUntilAccepted(t, a, feed.Event{Data: fmt.Sprint(i)})
	}
	for len(replica.contents()) < 10 {
		after(10 * time.Millisecond)
	}
	replica.do("REPLICAOF", "NO", "ONE") // stop the replication before the last events
	for i := range 5 {
		publishUntilAccepted(t, b, feed.Event{Data: fmt.Sprint("only on the primary ", i)})
	}
	events := primary.contents()
	for _, f := range readers {
		f.want(0, events)
	}
	primary.kill()
	p.move(replica.socket)
	publishUntilAccepted(t, a, feed.Event{Data: "after"})
	events = replica.contents()
	if len(events) != 11 {
		t.Errorf("the replica has %d events, want 11", len(events))
	}
	for _, f := range readers {
		f.want(1, events)
	}
}

// TestConnectionsAreCounted checks that startRedis would notice a connection that is
// left.
func TestConnectionsAreCounted(t *testing.T) {
	server := startRedis(t)
	r := newRegistry(t, server.store(t, redisfeed.Config{}))
	f := read(t, r, 0)
	if n := strings.Count(server.connections(), "\n"); n < 2 {
		t.Errorf("%d connections while a feed is followed, want at least 2", n)
	}
	f.end()
	for strings.Contains(server.connections(), "sub=1") { // until nobody watches
		after(2 * time.Millisecond)
	}
}
